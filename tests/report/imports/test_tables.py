"""Imports: tables and Tune's folders become studies, whatever their column names."""

import csv
import json
import math
from pathlib import Path

import pytest

from scaling.report import main
from scaling.report.imports import IMPORTERS, Imported, import_study, parse
from scaling.report.imports.quantities import QUANTITIES, number, plain_name
from scaling.report.looks_file import analyse_study
from scaling.report.page.data import page_data
from scaling.study.errors import RecordError
from scaling.study.reading import read_what_can_be
from scaling.study.records import Record, read_study
from scaling.study.trial_frame import load_study
from tests.support import SHARED

TIMM = SHARED / "data" / "timm"


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def found(spec: str, arms: str | None = None) -> Imported:
    request = parse(spec, arms)
    return IMPORTERS[request.kind].read(request)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("81.5", 81.5), ("81.5%", 81.5), (" 81.5 % ", 81.5), ("1,014.45", 1014.45), ("1,234,567", 1234567),
        ("81,5", 81.5),
        ("25.6M", 25.6e6), ("4.1 G", 4.1e9), ("1e-3", 1e-3), ("81.5 ± 0.2", 81.5), ("~12", 12), ("82.1*", 82.1),
        ("-3", -3),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(cell: str, value: float) -> None:
    read = number(cell)

    assert read is not None
    assert read[0] == pytest.approx(value)


@pytest.mark.parametrize("cell", ["", "-", "–", "NaN", "n/a", "None", " ? "])
def test_cells_that_say_nothing_are_missing(cell: str) -> None:
    read = number(cell)

    assert read is not None
    assert math.isnan(read[0])


@pytest.mark.parametrize("cell", ["high", "12 apples", "1,2,3", "__import__('os')", "0x1F"])
def test_words_are_no_numbers(cell: str) -> None:
    assert number(cell) is None


def test_no_name_of_a_column_means_two_quantities() -> None:
    names = [name for kind in QUANTITIES.values() for name in (*kind.aliases, *kind.errors)]

    assert sorted(names) == sorted(set(names))
    assert [name for name in names if plain_name(name) != name] == []


def test_timm_joins_results_and_benchmark_by_architecture_and_image_size(tmp_path: Path) -> None:
    results = table(
        tmp_path / "results-imagenet.csv",
        "model,img_size,top1,top1_err,top5,param_count,crop_pct",
        "vit_tiny.a_in1k,224,75.0,25.0,92.0,5.7,0.9",
        "vit_tiny.a_in1k,384,78.0,22.0,93.0,5.8,1.0",
        'giant.x_in1k,224,"88.5%",11.5,98.0,"1,014.45",1.0',
        "unscored.x,224,-,,,1.0,1.0",
        "vit_tiny.a_in1k,224,74.0,26.0,92.0,5.7,0.9",
    )
    benchmark = table(
        tmp_path / "benchmark-infer-amp-pt240-rtx4090.csv",
        "model,infer_img_size,infer_samples_per_sec,param_count,infer_gmacs,infer_macts",
        "vit_tiny,224,1000.5,5.72,1.26,5.97",
        "vit_tiny,384,300,5.79,4.7,30",
    )

    imported = found(f"timm:{results},{benchmark}")

    small, large, giant = imported.rows
    assert small.cell == {"model": "vit_tiny.a_in1k", "image_size": 224}
    assert small.quantities == pytest.approx(
        {"accuracy": 75, "top5": 92, "params": 5.7e6, "macs": 1.26e9, "activations": 5.97e6, "throughput": 1000.5,
         "test_examples": 50_000}
    )  # fmt: skip
    assert large.quantities["macs"] == pytest.approx(4.7e9)
    assert giant.quantities["accuracy"] == pytest.approx(88.5)
    assert giant.quantities["params"] == pytest.approx(1014.45e6)
    assert "macs" not in giant.quantities
    said = " ".join(imported.notes)
    assert "1 without an accuracy" in said
    assert "1 the same model and image size again" in said
    assert "1 model of 3 without MACs" in said


@pytest.mark.parametrize(
    ("name", "images"),
    [("results-imagenet.csv", 50_000), ("results-imagenet-real.csv", 46_837), ("results-imagenet-r.csv", 0)],
)
def test_the_number_of_test_images_is_that_of_the_labels(tmp_path: Path, name: str, images: int) -> None:
    path = table(tmp_path / name, "model,top1,img_size", "resnet18.a,79,224")

    assert found(f"timm:{path}").rows[0].quantities.get("test_examples", 0) == images


def test_timm_without_image_sizes_lacks_costs_that_depend_on_them(tmp_path: Path) -> None:
    results = table(
        tmp_path / "results-imagenet.csv", "model,top1",
        "resnet18.a,70", "resnet18.b,71", "vit_a.x,75", "resnet18.a,69", "new.x,60",
    )  # fmt: skip
    benchmark = table(
        tmp_path / "benchmark.csv", "model,infer_img_size,infer_samples_per_sec,param_count,infer_gmacs",
        "resnet18,160,900,11.69,0.93", "resnet18,224,500,11.69,1.82", "resnet18,288,300,11.69,3.01",
        "vit_a,224,100,5.7,1.26",
    )  # fmt: skip

    imported, families = found(f"timm:{results},{benchmark}"), found(f"timm:{results},{benchmark}", "family=vit,new")

    first, _, vit, _ = imported.rows
    assert first.quantities == pytest.approx({"accuracy": 70, "params": 11.69e6, "test_examples": 50_000})
    assert vit.quantities["macs"] == pytest.approx(1.26e9)
    said = " ".join(imported.notes)
    assert "2 models of 4 without the costs in which a benchmark's rows for them differ" in said
    assert "1 model of 4 without MACs: no benchmark has them." in said
    assert "1 the same model again (no image size distinguishes them)" in said
    assert "1 model of 2 without MACs" in " ".join(families.notes)
    assert "a benchmark's rows" not in " ".join(families.notes)


def test_notes_of_timm_advise_no_option_that_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "model,top1,infer_gflops,param_count", "a.x,70,1.8,11.7")

    said = " ".join(found(f"timm:{path}").notes)

    assert "'infer_gflops' is read as multiply-accumulates" in said
    assert "'param_count' names no unit" in said
    assert "import with" not in said


def test_other_names_and_units_give_the_same_study(tmp_path: Path) -> None:
    one = table(tmp_path / "a.csv", "model,top1,param_count,gmacs", "r50,76.4,25.6,4.1", "r18,70,11.7,1.8")
    two = table(tmp_path / "b.csv", "Model;Top-1 err;Params (M);MACs (G)", "r50;23,6;25,6;4,1", "r18;30,0;11,7;1,8")
    three = table(
        tmp_path / "c.csv", "\ufeffname\tAcc@1\t#params\tMACs", "r50\t0.764\t25.6M\t4.1G", "r18\t0.70\t11.7M\t1.8G"
    )

    rows = [[dict(row.quantities) for row in found(f"csv:{path}").rows] for path in (one, two, three)]

    for other in rows[1:]:
        for mine, theirs in zip(rows[0], other, strict=True):
            assert theirs == pytest.approx(mine)


def test_flops_of_an_unknown_kind_can_be_halved(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "model,acc,GFLOPs", "r50,76.4,8.2")

    assumed, halved = found(f"csv:{path}"), found(f"csv:{path}?macs=GFLOPs*0.5e9")

    assert assumed.rows[0].quantities["macs"] == pytest.approx(8.2e9)
    assert "read as multiply-accumulates" in " ".join(assumed.notes)
    assert halved.rows[0].quantities["macs"] == pytest.approx(4.1e9)


def test_a_table_of_trials_is_paired_by_cell_and_seed(tmp_path: Path) -> None:
    lines = [
        f"{depth},{pool},{seed},{60 + depth + (2 if pool == 'attention' else 0) + 0.1 * seed}"
        for depth in (2, 4, 8, 16) for pool in ("average", "attention") for seed in (0, 1, 2)
    ]  # fmt: skip
    path = table(tmp_path / "runs.csv", "depth,pool,seed,test_acc", *lines)

    folder, _ = import_study(parse(f"csv:{path}?arm=pool&cell=depth"), tmp_path / "results", "mine")

    study, trials = read_study(folder), load_study(folder)
    assert (study.factor, study.arms, study.axes, study.repetitions) == ("pool", ["average", "attention"], ["depth"], 3)
    assert len(trials) == 24
    means = [trials.loc[trials["arm"] == arm, "test_accuracy"].mean() for arm in study.arms]
    assert means[1] - means[0] == pytest.approx(2)
    assert "seeds" not in " ".join(study.imported or [])


def test_seeds_are_counted_whatever_their_numbers(tmp_path: Path) -> None:
    lines = [f"{depth},{pool},{seed},{60 + depth}" for depth in (2, 4) for pool in "ab" for seed in (0, 42, 1337)]
    path = table(tmp_path / "runs.csv", "depth,arm,seed,test_acc", *lines, "8,a,7,70")

    folder, _ = import_study(parse(f"csv:{path}?cell=depth"), tmp_path / "results")

    assert read_study(folder).repetitions == 3


def test_the_page_filters_by_the_axes_of_an_import(tmp_path: Path) -> None:
    lines = [f"{depth},{lr},{arm},{60 + depth}" for depth in (2, 4) for lr in (0.1, 0.001) for arm in "ab"]
    path = table(tmp_path / "runs.csv", "depth,lr,arm,test_acc", *lines)
    folder, _ = import_study(parse(f"csv:{path}?cell=depth,lr"), tmp_path / "results")

    header, _ = page_data(analyse_study(folder))

    assert {setting["name"]: set(setting["values"]) for setting in header["settings"]} == {
        "cell.depth": {"2", "4"}, "cell.lr": {"0.1", "0.001"}
    }  # fmt: skip


def test_rows_without_a_validation_accuracy_are_noted(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "name,val_acc,test_acc", "a,80,79", "b,,78")

    _, said = import_study(parse(f"csv:{path}"), tmp_path / "results")

    assert "1 row without a validation accuracy; the test accuracy is used instead." in said


def test_arms_can_be_chosen_and_others_are_counted(tmp_path: Path) -> None:
    path = table(tmp_path / "results.csv", "model,top1,param_count", "vit_a.x,80,5", "resnet50.x,76,25", "eva.y,88,300")

    imported = found(f"timm:{path}", "family=resnet,vit")

    assert imported.arms == ["resnet", "vit"]
    assert [row.arm for row in imported.rows] == ["vit", "resnet"]
    assert "1 row with another family left out" in " ".join(imported.notes)
    with pytest.raises(RecordError, match="unknown value 'swin'"):
        found(f"timm:{path}", "family=swin")


def experiment(folder: Path) -> Path:
    """An experiment of Ray Tune: four trials, one failed and one killed while writing."""
    for index, (lr, seed, accuracy) in enumerate([(0.1, 0, 0.9), (0.1, 1, 0.92), (0.01, 0, 0.8), (0.01, 1, 0.7)]):
        trial = folder / f"train_{index}"
        trial.mkdir(parents=True)
        (trial / "params.json").write_text(json.dumps({"net": {"lr": lr}, "seed": seed, "pool": "max"}))
        results = [
            {"val_accuracy": accuracy * part, "training_iteration": place + 1, "time_this_iter_s": 2.0, "config": {}}
            for place, part in enumerate((0.5, 1.0))
        ]
        (trial / "result.json").write_text("\n".join(map(json.dumps, results)) + "\n")
        (trial / "params.pkl").write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    (folder / "train_3" / "result.json").write_text('{"val_accuracy": 0.7, "training_iteration": 1}\n{"val_acc')
    (folder / "train_2" / "error.txt").write_text("Traceback\n  …\nValueError: no such thing\n")
    (folder / "experiment_state-1.json").write_text("{")
    return folder


def test_a_tune_experiment_is_a_study_of_its_last_results(tmp_path: Path) -> None:
    imported = found(f"tune:{experiment(tmp_path / 'exp')}")

    assert imported.axes == ["net/lr"]
    assert [(row.cell["net/lr"], row.seed, row.status) for row in imported.rows] == [
        (0.1, 0, "finished"), (0.1, 1, "finished"), (0.01, 0, "failed"), (0.01, 1, "finished")
    ]  # fmt: skip
    assert [row.quantities["accuracy"] for row in imported.rows] == pytest.approx([90, 92, 80, 70])
    assert imported.rows[2].reason == "ValueError: no such thing"
    assert [epoch.val_accuracy for epoch in imported.rows[0].curve] == pytest.approx([45, 90])
    assert "1 line of results torn" in " ".join(imported.notes)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("csw:{0}/a.csv", "unknown kind 'csw'; did you mean 'csv'?"),
        ("csv", "needs its FILE"),
        ("csv:{0}/none.csv", "does not exist"),
        ("csv:{0}/a.csv?accuracy", "is not NAME=VALUE"),
        ("csv:{0}/a.csv?accurracy=top", "did you mean 'accuracy'?"),
        ("csv:{0}/a.csv?accuracy=tops", "unknown column 'tops'; did you mean 'top'?"),
        ("csv:{0}/a.csv?cell=deep", "unknown column 'deep'"),
        ("csv:{0}/a.csv", "columns seen: model, top, speed"),
        ("csv:{0}/words.csv", "such as “high”"),
        ("csv:{0}/empty.csv", "is empty"),
        ("csv:{0}/head.csv", "has no rows"),
        ("csv:{0}/binary.csv", "is not text"),
        ("csv:{0}/twice.csv", "two columns named acc"),
        ("csv:{0}/words.csv?accuracy=" + "x" * 5000, "unknown column"),
        ("timm:{0}/comma.csv", "may be decimal or separate thousands"),
        ("timm:{0}/a.csv", "0 tables with accuracies"),
        ("timm:{0}/words.csv,{0}/words.csv", "2 tables with accuracies"),
        ("tune:{0}", "holds no trials of Ray Tune"),
        ("tune:{0}/a.csv", "takes one folder"),
    ],
)
def test_what_cannot_be_imported_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spec: str, said: str
) -> None:
    table(tmp_path / "a.csv", "model,top,speed", "a,1,2")
    table(tmp_path / "words.csv", "model,acc", "a,high", "b,low")
    (tmp_path / "empty.csv").write_text("")
    table(tmp_path / "head.csv", "model,acc")
    (tmp_path / "binary.csv").write_bytes(b"PK\x03\x04\0\0\0")
    table(tmp_path / "comma.csv", "model;acc", "a;90,056")
    table(tmp_path / "twice.csv", "model,acc,acc", "a,1,2")

    code = main(["--import", spec.format(tmp_path), "--results", str(tmp_path / "r"), "--out", str(tmp_path / "o")])

    error = capsys.readouterr().err
    assert code == 2
    assert said in error
    assert all(line.startswith("error: ") for line in error.splitlines())
    assert not (tmp_path / "r").exists()
    assert not (tmp_path / "o").exists()


def test_an_import_replaces_only_an_earlier_import(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "model,acc", "a,70", "b,71")
    folder, _ = import_study(parse(f"csv:{path}"), tmp_path / "results", "theirs")
    table(path, "model,acc", "b,72")

    import_study(parse(f"csv:{path}"), tmp_path / "results", "theirs")

    (record,) = read_what_can_be(folder).records
    assert isinstance(record, Record)
    assert record.scores
    assert record.scores.test_accuracy == 72
    own = json.loads((folder / "study.json").read_bytes()) | {"imported": None}
    (folder / "study.json").write_bytes(json.dumps(own).encode())
    with pytest.raises(RecordError, match="trials were run here"):
        import_study(parse(f"csv:{path}"), tmp_path / "results", "theirs")


@pytest.mark.parametrize("name", ["n" * 300, "é" * 150, "a/b", ".."])
def test_names_that_no_folder_can_have_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = table(tmp_path / "a.csv", "model,acc", "a,70")

    code = main(["--import", f"csv:{path}", "--name", name, "--results", str(tmp_path), "--out", str(tmp_path / "o")])

    assert code == 2
    assert capsys.readouterr().err.startswith("error: --name ")


@pytest.mark.slow
@pytest.mark.skipif(not TIMM.is_dir(), reason="timm's tables are not beside the repository")
def test_published_imagenet_models_stand_in_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = TIMM / "results-imagenet.csv"
    tables = [results, *sorted(TIMM.glob("benchmark-*.csv"))]
    spec = "timm:" + ",".join(map(str, tables))

    assert (
        main(["--import", spec, "--name", "published", "--results", str(tmp_path), "--out", str(tmp_path / "o")]) == 0
    )

    trials = {trial["cell"]: trial for trial in load_study(tmp_path / "published").to_dict("records")}
    with results.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(trials) == len(rows)
    for row in rows:
        trial = trials[f"model={row['model']} image_size={row['img_size']}"]
        assert trial["test_accuracy"] == pytest.approx(float(row["top1"]))
        assert trial["params"] == pytest.approx(float(row["param_count"].replace(",", "")) * 1e6, rel=1e-6)
    assert sum(not math.isnan(trial["macs"]) for trial in trials.values()) > 0.9 * len(trials)
    assert "have no seeds" in capsys.readouterr().out
    page = (tmp_path / "o" / "published" / "index.html").read_text()
    assert "have no seeds" in page.replace("\N{NO-BREAK SPACE}", " ")
