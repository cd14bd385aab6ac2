"""Which columns of a table were set before a run: by their names, and without a telling name by their values."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from scaling.compare.frame import compare
from scaling.compare.options import CompareError
from scaling.compare.settings import differing_settings, role

RNG = np.random.default_rng(0)
ROWS = pd.DataFrame(
    [
        {"arm": arm, "depth": depth, "seed": seed, "score": 60 + depth + (arm == "b") + RNG.normal(0, 0.2)}
        for depth in (2, 4, 8)
        for arm in ("a", "b")
        for seed in range(4)
    ]
)
EACH = len(ROWS)
TRIED = RNG.uniform(1e-4, 1e-1, EACH // 2)  # a rate for each cell and seed, which the arms share


def differing(name: str, values: Sequence[object] | pd.Series | np.ndarray) -> Sequence[object]:
    frame = ROWS.assign(**{name: list(values)})
    return differing_settings(frame, ["depth"], "arm", [name])


def shared(values: np.ndarray) -> np.ndarray:
    """One value for each cell and seed, given to both arms."""
    return np.concatenate([np.tile(part, 2) for part in values.reshape(3, 4)])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("lr", RNG.uniform(1e-4, 1e-1, EACH)),  # a random search: known by its name
        ("config/alpha", RNG.uniform(0, 1, EACH)),
        ("hparams.wd", RNG.uniform(0, 1, EACH)),
        ("batchSize", [32, 64] * (EACH // 2)),
        ("dataset_name", ["cifar10", "svhn"] * (EACH // 2)),
        ("q", [0.1, 0.3] * (EACH // 2)),  # known by its few values
        ("q", [0.1, None] * (EACH // 2)),
        ("q", shared(TRIED)),  # many values, which the arms share
        ("kind", ["adam", "sgd"] * (EACH // 2)),
        ("kind", pd.Categorical(["adam", "sgd"] * (EACH // 2))),
        ("flag", [True, False] * (EACH // 2)),
        ("flag", pd.array([True, None] * (EACH // 2), dtype="boolean")),
        ("blocks", [[1, 2], [2, 1]] * (EACH // 2)),
        ("epoch", shared(np.arange(12) % 4)),
    ],
)
def test_settings_are_named(name: str, values: Sequence[object]) -> None:
    assert differing(name, values) == [name]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("train_loss", RNG.uniform(0, 1, EACH).round(1)),  # known by its name, though it has few values
        ("batch_time", RNG.uniform(0, 1, EACH).round(1)),
        ("best_epoch", [7, 8] * (EACH // 2)),
        ("host", ["n1", "n2"] * (EACH // 2)),
        ("data_seed", [1, 2] * (EACH // 2)),
        ("test_acc5", [90.0, 91.0] * (EACH // 2)),
        ("x", RNG.normal(0, 1, EACH)),  # known by its many values
        ("x", pd.array([None, *RNG.normal(0, 1, EACH - 1)], dtype="Float64")),
        ("number", range(EACH)),
        ("tag", [f"brave-river-{i}" for i in range(EACH)]),
        ("when", ["2026-01-02", "2026-01-03 10:20"] * (EACH // 2)),
        ("when", pd.to_datetime(["2026-01-02", "2026-01-03"] * (EACH // 2))),
        ("took", pd.to_timedelta([1, 2] * (EACH // 2), unit="s")),
        ("kind", ["adam"] * EACH),
        ("lr", np.repeat([0.1, 0.2, 0.3], EACH // 3)),  # goes with the depth
    ],
)
def test_results_names_of_runs_and_dates_are_no_settings(name: str, values: Sequence[object]) -> None:
    assert differing(name, values) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[(name, True) for name in ("LR", "learning_rate", "modelName", "loss_weight", "params_x", "dropout_rate")],
        *[(name, False) for name in ("error_rate", "run_id", "num_params", "GPU", "trainTime", "Unnamed: 0")],
        *[(name, None) for name in ("id", "x", "value", "")],
    ],
)
def test_the_last_known_word_of_a_name_decides(name: str, expected: bool | None) -> None:
    assert role(name) is expected


def test_all_settings_are_named_at_once_and_can_be_allowed() -> None:
    frame = ROWS.assign(lr=[0.1, 0.3] * (EACH // 2), data=["x", "y"] * (EACH // 2), loss=RNG.normal(0, 1, EACH))

    with pytest.raises(CompareError, match=r"cell and arm differ in lr and data: add to cell= .* or to repeats="):
        compare(frame, cell="depth")
    with pytest.raises(CompareError, match="differ in data:"):
        compare(frame, cell="depth", repeats="lr")
    assert compare(frame, cell="depth", repeats=["lr", "data"])["b"].kind == "better"
    assert len(compare(frame, cell=("depth", "lr"), repeats="data")["b"].assessment.losses.never) == 0
