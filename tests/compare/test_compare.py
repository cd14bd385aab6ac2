"""The verdict of a table: columns, pairs, lost runs, wide tables, the command and its exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scaling.compare
from scaling.compare.__main__ import main
from scaling.compare.frame import compare
from scaling.compare.options import CompareError
from scaling.statistics.comparison import VerdictSettings, assess
from scaling.statistics.contrast import Contrast
from scaling.statistics.kinds import Kind


def runs(effect: float = 0.5, arms: tuple[str, ...] = ("average", "attention"), sd: float = 0.15) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {
            "arm": arm,
            "depth": depth,
            "width": width,
            "seed": seed,
            "macs": depth * width**2 * 1000.0,
            "score": 60 + depth + width / 16 + effect * place + rng.normal(0, sd),
            "train_seconds": rng.uniform(10, 20),
        }
        for depth in (2, 4, 8, 16)
        for width in (32, 64, 128)
        for seed in range(3)
        for place, arm in enumerate(arms)
    ]
    return pd.DataFrame(rows)


CELL = ["depth", "width"]


def test_the_package_is_the_function() -> None:
    found = scaling.compare(runs(), baseline="average", cell=CELL)  # pyright: ignore[reportCallIssue]

    assert list(found) == ["attention"]
    assert found["attention"].kind == "better"
    assert callable(scaling.compare.main)


def test_the_numbers_are_those_of_the_arrays() -> None:
    frame = runs()
    found = compare(frame, baseline="average", cell=CELL)["attention"]

    def array(arm: str) -> np.ndarray:
        return np.asarray(frame.loc[frame["arm"] == arm, "score"], dtype=float).reshape(12, 3)

    cells = frame[frame["arm"] == "average"].iloc[::3]
    axes = {name: cells[name].to_numpy(dtype=float) for name in CELL}
    names = [f"depth={d} width={w}" for d, w in zip(cells["depth"], cells["width"], strict=True)]
    contrast = Contrast(array("average"), array("attention"), names, cells["macs"].to_numpy(), axes)
    expected = assess(contrast, VerdictSettings())
    assert found.here == expected.here
    assert found.beyond == expected.beyond
    assert [part.wide for part in found.parts] == [part.wide for part in expected.parts]
    assert found.sentence.startswith("In the 12 models that were run, attention beats average by ")
    assert " MACs: " in found.sentence


def test_rows_may_come_in_any_order() -> None:
    frame = runs()
    one = compare(frame, baseline="average", cell=CELL)["attention"]
    other = compare(frame.sample(frac=1, random_state=1), baseline="average", cell=CELL)["attention"]

    assert one.here.low == pytest.approx(other.here.low)
    assert [p.wide.low for p in one.parts] == pytest.approx([p.wide.low for p in other.parts])


def test_several_arms_share_the_level() -> None:
    found = compare(runs(arms=("average", "max", "attention")), cell=CELL)

    assert list(found) == ["max", "attention"]
    assert found["max"].here.level == pytest.approx(0.975)


def test_empty_scores_are_lost_runs_and_missing_rows_are_not() -> None:
    frame = runs()
    lost = frame.copy()
    lost.loc[[1, 3], "score"] = np.nan

    assert compare(lost, baseline="average", cell=CELL)["attention"].assessment.losses.arm == 2
    assert compare(frame.drop(index=[1, 3]), baseline="average", cell=CELL)["attention"].assessment.losses.arm == 0


def test_wide_tables() -> None:
    frame = runs()
    wide = frame.pivot_table(index=[*CELL, "seed", "macs"], columns="arm", values="score").reset_index()
    found = compare(wide, arms=["average", "attention"], cell=CELL)

    assert found["attention"].here.estimate == pytest.approx(
        compare(frame, baseline="average", cell=CELL)["attention"].here.estimate
    )


def test_shared_seeds_are_taken_for_one_draw_only_if_said() -> None:
    frame = runs()
    frame["score"] += np.where(frame["arm"] == "attention", frame["seed"] / 2, 0.0)
    free = compare(frame, baseline="average", cell=CELL)["attention"]
    shared = compare(frame, baseline="average", cell=CELL, shared_seeds=True)["attention"]

    assert any("different draws" in remark for remark in free.remarks)
    assert shared.here.df == 2
    assert shared.here.half_width > free.here.half_width


def test_without_seeds_runs_are_paired_in_their_order() -> None:
    found = compare(runs().drop(columns="seed"), baseline="average", cell=CELL)["attention"]

    assert found.kind is Kind.BETTER
    assert any("in the order of the rows" in remark for remark in found.remarks)


def test_rows_that_differ_in_a_setting_are_named() -> None:
    frame = pd.concat([runs().assign(lr=0.1), runs().assign(lr=0.3, seed=runs()["seed"] + 3)])

    with pytest.raises(CompareError, match="differ in lr: add to cell="):
        compare(frame, baseline="average", cell=CELL)
    assert compare(frame, baseline="average", cell=CELL, repeats=["lr"])["attention"].kind is Kind.BETTER
    assert compare(frame, baseline="average", cell=[*CELL, "lr"])["attention"].kind is Kind.BETTER


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"score": "acc"}, "unknown column 'acc'"),
        ({"baseline": "averag"}, "did you mean 'average'"),
        ({"cell": ["depth"]}, "differ in width"),
        ({"level": 95.0}, "a share between 0 and 1"),
        ({"margin": -1.0}, "margin -1"),
    ],
)
def test_mistakes_are_named(change: dict, said: str) -> None:
    with pytest.raises(CompareError, match=said):
        compare(runs(), **{"baseline": "average", "cell": CELL, **change})


def test_shares_words_and_unknown_options_are_refused() -> None:
    frame = runs()

    with pytest.raises(CompareError, match="in percent"):
        compare(frame.assign(score=frame["score"] / 100), baseline="average", cell=CELL)
    with pytest.raises(CompareError, match="'OOM' is no number"):
        compare(frame.assign(score=frame["score"].astype(object).where(frame.index != 3, "OOM")), cell=CELL)
    with pytest.raises(TypeError, match="unexpected keyword argument 'scores'"):
        compare(frame, scores="score")  # pyright: ignore[reportCallIssue]


def test_one_arm_has_no_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = runs().query("arm == 'average'")

    assert compare(frame, cell=CELL) == {}
    assert main([written(frame, tmp_path), "--cell", "depth,width"]) == 14
    assert "one arm" in capsys.readouterr().out


def test_no_cell_columns_mean_one_cell() -> None:
    frame = runs().query("depth == 2 and width == 32")

    assert "In the only model that was run" in compare(frame, baseline="average")["attention"].sentence


def written(frame: pd.DataFrame, folder: Path) -> str:
    path = folder / "runs.csv"
    frame.to_csv(path, index=False)
    return str(path)


@pytest.mark.parametrize(("effect", "sd", "code"), [(0.5, 0.15, 0), (0.0, 0.05, 10), (0.0, 0.6, 11), (-0.5, 0.15, 12)])
def test_exit_codes(effect: float, sd: float, code: int, tmp_path: Path) -> None:
    assert main([written(runs(effect, sd=sd), tmp_path), "--baseline", "average", "--cell", "depth,width"]) == code


def test_exit_codes_of_size_mistakes_and_several_arms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = runs()
    frame["score"] += np.where(frame["arm"] == "attention", np.log2(frame["macs"]) / 2 - 12.5, 0.0)
    three = runs(arms=("average", "max", "attention"))

    assert main([written(frame, tmp_path), "--cell", "depth,width"]) == 13
    assert main([written(three, tmp_path), "--cell", "depth,width"]) == 2
    assert "--compared" in capsys.readouterr().err
    assert main([written(three, tmp_path), "--cell", "depth,width", "--compared", "attention"]) == 0
    assert main([str(tmp_path / "none.csv")]) == 2


@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl", "json", "parquet"])
def test_tables_are_read_by_the_ending_of_their_name(suffix: str, tmp_path: Path) -> None:
    path, frame = tmp_path / f"runs.{suffix}", runs()
    if suffix in ("csv", "tsv"):
        frame.to_csv(path, index=False, sep=";" if suffix == "csv" else "\t", decimal="," if suffix == "csv" else ".")
    elif suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=suffix == "jsonl")

    assert main([str(path), "--baseline", "average", "--cell", "depth,width"]) == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "No columns"),
        ("a.csv", b"score\n1\n", "unknown column 'arm'"),
        ("a.csv", b'arm,score\na,1,2,3\nb,1\n"', "a.csv: "),
        ("a.csv", b"\xff\xfe\x00", "a.csv: "),
        ("a.parquet", b"PAR1", "a.parquet: "),
        ("a.json", b"{", "a.json: "),
        ("a.jsonl", b"{\n", "a.jsonl: "),
    ],
)
def test_files_that_are_no_tables_are_one_line(
    name: str, content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)

    assert main([str(tmp_path / name)]) == 2

    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_table_without_rows_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [written(runs().iloc[:0], tmp_path), "--cell", "depth,width", "--compared", "attention", "--json"]

    assert main(arguments) == 14
    assert capsys.readouterr() == ("{}\n", "No verdict: the table has no rows.\n")


def test_wide_tables_are_compared_by_the_command(tmp_path: Path) -> None:
    wide = runs().pivot_table(index=[*CELL, "seed", "macs"], columns="arm", values="score").reset_index()

    assert main([written(wide, tmp_path), "--arms", "average,attention", "--cell", "depth,width"]) == 0
    assert main([written(wide, tmp_path), "--arms", "attention,average", "--cell", "depth,width"]) == 12


def test_json_is_strict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([written(runs(), tmp_path), "--cell", "depth,width", "--json"])
    found = json.loads(capsys.readouterr().out, parse_constant=lambda text: pytest.fail(text))

    assert found["attention"]["kind"] == "better"
    assert len(found["attention"]["parts"]) == 3


def test_the_command_runs_as_a_module(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scaling.compare", written(runs(), tmp_path), "--cell", "depth,width"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0
    assert "attention beats average" in done.stdout
