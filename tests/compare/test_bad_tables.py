"""Whatever a table holds, there is the verdict that is possible, and a sentence on what is not known and why."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from scaling.compare.frame import compare
from scaling.compare.options import CompareError

Change = Callable[[pd.DataFrame], pd.DataFrame]


def table(cells: int = 4, seeds: int = 3, effect: float = 0.8) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        [
            {"arm": arm, "depth": 2**cell, "seed": seed, "macs": 1e6 * 2**cell, "score": 70 + cell + gain + noise}
            for cell in range(cells)
            for arm, gain in (("average", 0.0), ("attention", effect))
            for seed in range(seeds)
            for noise in [rng.normal(0, 0.1)]
        ]
    )


def scored(where: Callable[[pd.DataFrame], pd.Series], score: float) -> Change:
    """Give some rows another score."""
    return lambda frame: frame.assign(score=frame["score"].mask(where(frame), score))


def costs(values: Callable[[pd.DataFrame], object]) -> Change:
    return lambda frame: frame.assign(macs=values(frame))


BASELINE, EVERYTHING = (lambda f: f["arm"] == "average"), (lambda f: f["seed"] >= 0)
FIRST = lambda f: (f["arm"] == "attention") & (f["depth"] == 1)  # noqa: E731


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (lambda f: f[f["depth"] == 1], "better", "Nothing is known of others"),
        (lambda f: f[f["seed"] == 0], "better", "Each model has one run an arm"),
        (lambda f: f[(f["seed"] == 0) & (f["depth"] == 1)], "unknown", "a single pair of runs"),
        (scored(EVERYTHING, math.nan), "unknown", "no run of average has finished"),
        (scored(BASELINE, math.nan), "unknown", "no run of average has finished"),
        (scored(BASELINE, math.inf), "unknown", "no run of average has finished"),
        (scored(FIRST, -math.inf), "inconclusive", "attention does not train at depth=1"),
        (scored(EVERYTHING, 50.0), "unknown", "differ by the same"),
        (scored(EVERYTHING, 0.0), "unknown", "differ by the same"),
        (scored(EVERYTHING, 100.0), "unknown", "differ by the same"),
        (scored(FIRST, 100.0), "better", "depth=1"),
        (lambda f: f.assign(score=f["score"] + 40), "better", "are no percentages"),
        (lambda f: f.assign(score=f["score"] - 90), "better", "are no percentages"),
        (lambda f: f[~((f["arm"] == "average") & (f["seed"] == 2))], "better", "4 finished runs without a partner"),
        (
            lambda f: f[~((f["arm"] == "average") & (f["depth"] == 2))],
            "better",
            "without a pair of finished runs: depth=2",
        ),
        (lambda f: pd.concat([f, f.iloc[:2]]), "better", "2 runs given more than once with the same score"),
        (lambda f: pd.concat([f, f.iloc[:1].assign(score=9.0)]), "better", "with different scores, left out"),
        (lambda f: pd.concat([f, f.iloc[:1].assign(arm=None)]), "better", "1 row without an arm left out"),
        (lambda f: f.drop(columns="macs"), "better", "costs of the models are not known"),
        (costs(lambda f: f["macs"].mask(f["depth"] == 2)), "better", "no number for 1 cell of the baseline"),
        (costs(lambda f: f["macs"].astype(object).mask(f["depth"] == 2, "?")), "better", "no number for 1 cell"),
        (costs(lambda f: -f["macs"]), "better", "not above 0 for 4 cells"),
        (costs(lambda f: f["macs"].mask(f["depth"] == 2, 0.0)), "better", "not above 0 for 1 cell"),
        (costs(lambda f: 1e6), "better", "All cells have the same 'macs'"),
        (lambda f: f.drop(columns="seed"), "better", "paired in the order of the rows"),
        (lambda f: f.assign(seed=[f"s{seed}" for seed in f["seed"]]), "better", "No run of attention was lost"),
        (lambda f: f.assign(depth=[[depth] for depth in f["depth"]]), "better", "In the 4 models"),
        (lambda f: f.assign(depth=f["depth"].astype(float).mask(f["depth"] == 2)), "better", "In the 4 models"),
    ],
)
def test_a_verdict_says_what_is_not_known(change: Change, kind: str, said: str) -> None:
    found = compare(change(table()), baseline="average", cell="depth")["attention"]

    assert found.kind == kind
    assert said in " ".join([found.sentence, *found.remarks])


def test_a_table_without_two_arms_says_so() -> None:
    one, none = compare(table().query("arm == 'average'"), cell="depth"), compare(table().iloc[:0], cell="depth")

    assert (dict(one), one.sentence) == ({}, "No verdict: the table has one arm, average, and a comparison needs two.")
    assert (dict(none), none.sentence) == ({}, "No verdict: the table has no rows.")


def typed(frame: pd.DataFrame, **types: str) -> pd.DataFrame:
    return frame.astype(types)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: typed(f, arm="category", seed="Int64", score="Float64", macs="Int64"),
        lambda f: typed(f, arm="string", depth="Int64", score="Float32"),
        lambda f: typed(f, depth="object", seed="category"),
        lambda f: f.convert_dtypes(),
        lambda f: f.set_index(pd.Index([0] * len(f))),
        lambda f: f.sample(frac=1, random_state=0),
        lambda f: typed(f, seed="float"),
    ],
)
def test_types_and_indices_change_nothing(change: Change) -> None:
    expected = compare(table(), baseline="average", cell="depth")["attention"]
    found = compare(change(table()), baseline="average", cell="depth")["attention"]

    tolerance = 1e-5  # of single precision
    assert found.kind == expected.kind
    assert found.here.low == pytest.approx(expected.here.low, abs=tolerance)
    assert (found.beyond is None) == (expected.beyond is None)
    assert len(found.parts) == len(expected.parts)


@pytest.mark.parametrize(
    ("arms", "baseline", "others"),
    [
        ([0, 1], 0, ["1"]),
        ([0, 1], "0", ["1"]),
        ([0.0, 1.0], 0, ["1"]),
        ([0, 1], 1.0, ["0"]),
        ([False, True], False, ["True"]),
        ([False, True], "True", ["False"]),
        (["average", 1], 1, ["average"]),
        ([0.5, 0.25], 0.25, ["0.5"]),
    ],
)
def test_arms_are_found_by_value_or_name(arms: list[object], baseline: object, others: list[str]) -> None:
    frame = table()
    frame["arm"] = [arms[name == "attention"] for name in frame["arm"]]

    assert list(compare(frame, baseline=baseline, cell="depth")) == others


def test_wide_columns_may_have_any_names_and_types() -> None:
    wide = table().pivot_table(index=["depth", "seed", "macs"], columns="arm", values="score").reset_index()
    expected = compare(wide, arms=("average", "attention"), cell="depth")["attention"]
    renamed = wide.rename(columns={"average": 0, "attention": "arm"}).astype({"arm": "Float64"})

    found = compare(renamed, arms=[0, "arm"], cell=["depth"], baseline=0)

    assert found["arm"].here == expected.here
    assert list(compare(wide, arms=["average", "attention"], baseline="attention", cell="depth")) == ["average"]
    assert compare(wide, arms="average", cell="depth").sentence.startswith("No verdict: the table has one arm")


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (lambda f: f, {"cell": ["depth", "arm"]}, "'arm' is given two meanings"),
        (lambda f: f, {"cell": "score"}, "'score' is given two meanings"),
        (lambda f: f, {"repeats": "lr"}, "unknown column 'lr'"),
        (lambda f: f, {"arms": ["lp", "ep"]}, "unknown column 'lp'"),
        (lambda f: f, {"cost": "params"}, "unknown column 'params'"),
        (lambda f: f, {"level": "high"}, "level high: write a share"),
        (lambda f: f, {"level": math.nan}, "level nan"),
        (lambda f: f, {"margin": math.nan}, "margin nan"),
        (lambda f: f, {"images": 0}, "images 0"),
        (lambda f: f, {"images": True}, "images True"),
        (lambda f: pd.concat([f, f["score"]], axis=1), {}, "two columns named 'score'"),
        (lambda f: f.to_dict("records"), {}, "a list was given; give a pandas DataFrame"),
    ],
)
def test_mistakes_are_one_line(change: Callable[[pd.DataFrame], pd.DataFrame], options: dict, said: str) -> None:
    with pytest.raises(CompareError, match=said):
        compare(change(table()), **{"baseline": "average", "cell": "depth", **options})


def damaged(rng: np.random.Generator) -> pd.DataFrame:
    """A small table in which rows are missing, runs lost, costs useless and scores at their ends."""
    start, spread = rng.choice([0.0, 50.0, 99.9, 100.0]), rng.choice([0.0, 0.01, 0.3, 5.0])
    rows = []
    shape = [int(rng.integers(1, most)) for most in (13, 5, 5)]
    for cell, arm, seed in np.ndindex(*shape):
        score = float(np.clip(start + rng.normal(0, spread) + arm * rng.choice([0, 1]), 0, 100))
        score = rng.choice([math.nan, math.inf, 0.0, 100.0]) if rng.random() < 0.1 else score
        cost = rng.choice([1e6 * (cell + 1)] * 9 + [math.nan, 0.0, -1.0, math.inf])
        rows.append({"arm": arm, "x": cell % 4, "y": cell // 4, "seed": seed, "macs": cost, "score": score})
    frame = pd.DataFrame(rows)
    frame = frame.loc[rng.random(len(frame)) < 0.9]
    return pd.concat([frame, frame.iloc[:1]]) if rng.random() < 0.3 else frame


@pytest.mark.parametrize("number", range(40))
def test_any_damaged_table_has_a_verdict_in_words(number: int) -> None:
    rng = np.random.default_rng(number)
    frame = damaged(rng)
    scores = frame["score"].to_numpy(dtype=float)
    if len(scores) and scores[np.isfinite(scores)].max(initial=0.0) <= 1:
        frame["score"] += 60  # which are not shares
    found = compare(frame, cell=["x", "y"], images=[None, 1, 10_000][number % 3], shared_seeds=bool(rng.integers(2)))

    assert bool(found) == (frame["arm"].nunique() > 1)
    texts = [text for one in found.values() for text in [one.sentence, *one.remarks]]
    for text in texts or [found.sentence]:
        assert text.endswith(".")
        assert not {"nan", "inf", "-inf"} & set(text.replace("(", " ").replace(")", " ").split())
