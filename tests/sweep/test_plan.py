"""A plan settles everything before anything runs: matched arms, limits on computed costs, no run twice."""

import io
import shutil
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from rich.console import Console

from scaling.data import load_data
from scaling.devices import chosen
from scaling.study.config import TrialConfig
from scaling.study.errors import ScalingError
from scaling.study.metrics import si
from scaling.study.notes import Notes
from scaling.study.records import read_records, read_study
from scaling.sweep.plan import StudyPlan, data_lines, expected, extent, make_plan, shown
from scaling.sweep.study_folder import previous
from scaling.trial import build, costs
from tests.support import RECORDS_V1
from tests.support.images import write_folder

SPACE = """\
family: patchconvnet
arch: {patch_size: 2}
axes:
  depth: [1, 3]
  width: [48, 80]
arms:
  pooling: [average, attention]
repetitions: 1
recipe: {batch_size: 16}
"""


NO_GPU = pytest.mark.skipif(chosen().type != "cpu", reason="there is a GPU here")


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return path


def plan(space: Path, **overrides: Any) -> StudyPlan:
    return make_plan(
        str(space), {k.replace("__", "."): v for k, v in overrides.items()}, results=space.parent / "results"
    )


def by_arm(plan: StudyPlan) -> list[tuple[TrialConfig, TrialConfig]]:
    configs = [trial.config for trial in plan.trials]
    return list(zip(configs[::2], configs[1::2], strict=True))


def test_planned_costs_equal_recorded_costs(space: Path) -> None:
    import torch

    made = plan(space, axes__depth=[2])
    trial = made.trials[-1]
    data = load_data(trial.config.data)

    recorded = costs(build(trial, data), trial, data, torch.device("cpu"), Notes())

    planned = made.cost_table.of(trial.config)
    assert planned == recorded.model_copy(update=dict.fromkeys(set(type(planned).model_fields) - _COUNTED))
    assert made.cost_table.memory(trial.config) == recorded.training_memory_bytes
    assert made.cost_table.memory_bound(trial.config) > (recorded.measured_memory_bytes or 0)


_COUNTED = {"params", "macs", "fvcore_flops", "activations", "training_macs"}


@pytest.mark.parametrize("cost", ["macs", "params"])
def test_matched_arms_cost_what_the_baseline_costs(space: Path, cost: str) -> None:
    made = plan(space, match=cost)

    for average, attention in by_arm(made):
        ratio = getattr(made.cost_table.of(attention), cost) / getattr(made.cost_table.of(average), cost)
        assert ratio == pytest.approx(1, abs=0.25)  # widths are multiples of eight
        assert attention.arch["width"] <= average.arch["width"]
    assert [average.arch["width"] for average, _ in by_arm(made)] == [48, 80, 48, 80]
    assert made.study == f"space-match={cost}"


@pytest.mark.parametrize("recipe", [{}, {"recipe__train_resolution": [4, 8]}])
def test_arms_of_equal_training_compute_differ_in_epochs_alone(space: Path, recipe: dict[str, Any]) -> None:
    made = plan(space, match="training_compute", recipe__epochs=40, **recipe)

    for average, attention in by_arm(made):
        assert average.recipe.epochs == 40
        assert attention.recipe.epochs < 40
        of = made.cost_table.training_compute
        assert of(attention) == pytest.approx(of(average), rel=0.6 / attention.recipe.epochs)  # half an epoch
        assert attention.recipe.model_copy(update={"epochs": 40}) == average.recipe
        assert attention.arch == {**average.arch, "pooling": "attention"}
        assert attention.seed == average.seed


def test_a_plan_shows_matched_epochs_and_petaflops(space: Path) -> None:
    made = plan(space, match="training_compute", recipe__epochs=40, axes__depth=[1], axes__width=[48])
    console = Console(width=250, file=io.StringIO(), force_terminal=False)

    for part in shown(made):
        console.print(part)

    text = cast(io.StringIO, console.file).getvalue()
    average, attention = by_arm(made)[0]
    baseline, own = map(made.cost_table.training_compute, (average, attention))
    assert "epochs at equal training_compute" in text
    assert f"{attention.recipe.epochs} ({100 * (own / baseline - 1):+.1f} %)".replace("-", "−") in text
    assert f"{si(2 * (baseline + own) / 1e15)} PFLOPs" in text


def test_limits_apply_to_computed_costs(space: Path) -> None:
    whole = plan(space)
    largest = max(whole.cost_table.memory(trial.config) for trial in whole.trials)

    kept = plan(space, limits__training_memory=largest - 1)

    assert len(kept.cells) == len(whole.cells) - 1
    assert max(kept.cost_table.memory(trial.config) for trial in kept.trials) < largest


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"match": "mac"}, "unknown cost 'mac'; did you mean 'macs'"),
        ({"match": {"vary": "widht"}}, "unknown parameter 'widht'; did you mean 'width'"),
        ({"match": {"vary": "pooling"}}, "'pooling' is what the arms differ in"),
        ({"match": {"vary": "epochs"}}, "'macs' does not depend on epochs; match training_compute"),
        (
            {"match": {"cost": "training_compute", "vary": "width"}},
            "training_compute is matched by epochs, not by 'width'; leave out vary, or match training_macs",
        ),
        (
            {"match": "training_compute", "axes__recipe.epochs": [5, 10]},
            r"axes.recipe.epochs: 'recipe.epochs' is what match sets for every arm but the baseline; keep one",
        ),
        ({"match": "params", "axes__width": [48, 56], "axes__depth": [1]}, "train the same network"),
        (
            {"limits__training_memory": "1KiB"},
            "limits.training_memory: 1024 excludes all 4 cells; the cheapest, depth=1",
        ),
    ],
)
def test_an_impossible_plan_is_refused_with_the_reason(space: Path, overrides: dict[str, Any], said: str) -> None:
    with pytest.raises(ScalingError, match=said):
        plan(space, **overrides)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"repetitions": 3}, "4 cells × 2 arms × 3 repetitions = 24 trials"),
        ({"seeds": 1}, "4 cells × 2 arms × 1 repetition = 8 trials"),
        (
            {"repetitions": 4, "tune": {"lr": 3}},
            "4 cells × 2 arms × 3 learning rates to choose one, then 3 repetitions at it = 48 trials",
        ),
        (
            {"repetitions": 3, "tune": {"lr": 3, "choose_by": 2}, "search__stop": {"rule": "asha"}},
            "4 cells × 2 arms × 3 learning rates × 2 repetitions to choose one, then 1 repetition at it = 56 trials,"
            " unless asha stops their cells",
        ),
    ],
)
def test_a_plan_counts_the_trials_that_will_run(space: Path, overrides: dict[str, Any], text: str) -> None:
    made = plan(space, **overrides)

    assert extent(made) == text
    assert len(expected(made)) == len({trial.key for trial in expected(made)}) == int(text.split(" = ")[1].split()[0])


def test_a_plan_keeps_the_shared_seeds_of_a_study(tmp_path: Path) -> None:
    shutil.copytree(RECORDS_V1 / "example", tmp_path / "example")
    before, records = read_study(tmp_path / "example"), read_records(tmp_path / "example")
    (tmp_path / "example.yaml").write_text(yaml.safe_dump(before.space))

    grown = make_plan(str(tmp_path / "example.yaml"), {"repetitions": 7}, results=tmp_path)
    queue = grown.queue({record.key: record for record in records})

    assert previous(grown.folder, grown.space) == before
    assert {record.key for record in records} <= {trial.key for trial in grown.trials}
    assert {trial.config.seed for trial in grown.trials} == set(range(7))
    left = [trial for trial in queue.planned.values() if trial.key not in {record.key for record in records}]
    assert len(left) == 6 * 2 * 2
    assert {(trial.repetition, trial.config.seed) for trial in left} == {(5, 5), (6, 6)}


def test_a_new_plan_of_that_space_has_own_seeds(tmp_path: Path) -> None:
    before = read_study(RECORDS_V1 / "example")
    (tmp_path / "example.yaml").write_text(yaml.safe_dump(before.space))

    made = make_plan(str(tmp_path / "example.yaml"), {}, results=tmp_path)

    assert len({trial.config.seed for trial in made.trials}) == 6 * 5  # cells × repetitions
    assert not {trial.key for trial in made.trials} & set(before.planned)


def test_a_plan_shows_its_data_first(space: Path, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "photos")
    (root / "cat" / "a.heic").touch()

    lines = list(data_lines(plan(space, data__source=f"folder:{root}")))

    assert lines == [
        f"data: folder:{root}: 2 classes; images: 14 train, 2 validation and 4 test",
        "data: every class has 7 training images",
        "data: stored 8×8, RGB; a network gets 8×8×3; mean colour 126, 126, 128 of 255",
        "data: left out: files that do not end as images do: 1 .heic (cat/a.heic)",
    ]


@NO_GPU
def test_memory_is_predicted_for_the_device_that_is_wanted(space: Path) -> None:
    """The head of a cluster plans for GPUs that it lacks."""
    made = plan(space, axes__depth=[1], axes__width=[48], resources__device="cuda", limits__training_memory=1e10)

    said = [part for part in shown(made) if isinstance(part, str)]

    assert any(line.endswith("images in float32 on CUDA") for line in said)
    assert said[-1].startswith("time: unknown; resources.device cuda: torch ")


def test_a_device_and_gpus_must_agree(space: Path) -> None:
    with pytest.raises(ScalingError, match=r"^resources: gpus 2 and device cpu exclude each other; leave one out$"):
        plan(space, resources__device="cpu", resources__gpus=2)
