"""A plan settles everything before anything runs: matched arms, limits on computed costs, no run twice."""

from pathlib import Path
from typing import Any

import pytest

from scaling.data import load_data
from scaling.study.config import TrialConfig
from scaling.study.errors import ScalingError
from scaling.study.notes import Notes
from scaling.sweep.plan import StudyPlan, data_lines, make_plan
from scaling.trial import build, costs
from tests.support.images import write_folder

SPACE = """\
family: patchconvnet
arch: {patch_size: 2}
axes:
  depth: [1, 3]
  width: [48, 80]
arms:
  pooling: [average, attention]
seeds: 1
recipe: {batch_size: 16}
"""


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


def test_limits_apply_to_computed_costs(space: Path) -> None:
    whole = plan(space)
    largest = max(whole.cost_table.memory(trial.config) for trial in whole.trials)

    kept = plan(space, limits__training_memory=largest - 1)

    assert len(kept.cells) == len(whole.cells) - 1
    assert max(kept.cost_table.memory(trial.config) for trial in kept.trials) < largest


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"match": "mac"}, "unknown cost 'mac'; did you mean 'macs'"),
        ({"match": {"vary": "widht"}}, "unknown parameter 'widht'; did you mean 'width'"),
        ({"match": {"vary": "pooling"}}, "'pooling' is what the arms differ in"),
        ({"match": "params", "axes__width": [48, 56], "axes__depth": [1]}, "are the same run"),
        (
            {"limits__training_memory": "1KiB"},
            "limits.training_memory: 1024 excludes all 4 cells; the cheapest, depth=1",
        ),
    ],
)
def test_an_impossible_plan_is_refused_with_the_reason(space: Path, overrides: dict[str, Any], expected: str) -> None:
    with pytest.raises(ScalingError, match=expected):
        plan(space, **overrides)


def test_a_plan_shows_its_data_first(space: Path, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "photos")
    (root / "cat" / "a.heic").touch()

    lines = list(data_lines(plan(space, data__source=f"folder:{root}")))

    assert lines == [
        f"data: folder:{root}: 2 classes; images: 14 train, 2 validation and 4 test",
        "data: left out: files that do not end as images do: 1 .heic (cat/a.heic)",
    ]
