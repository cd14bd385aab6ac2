"""Settings: the columns of a table that were chosen before a run, such as a learning rate or a data set.

Rows of one cell and arm are repetitions only if nothing that was set differs between them. A table does not say which
of its columns were set, which were measured and which only name a run; names and values tell:

1. The last known word of a column's name decides: `batch_time` is a time, `config/lr` a learning rate.
2. Dates, and texts and whole numbers that are all different, name runs.
3. Numbers with many values that arms of a cell do not share were measured.
4. Anything else was set. In doubt a column counts as set: it is then named, and the user says what it is.
"""

import re
from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

from scaling.wording import listing


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SET = _words(
    "amp arch architecture augment augmentation backbone batch batches batchsize beta betas bs clip coefficient crop"
    " cutmix cutoff data dataset decay depth dim dropout dtype epochs eps epsilon factor family fold gamma head heads"
    " init initialisation initialization iterations iters jitter kernel lambda layer layers lr mixup model momentum"
    " objective optim optimiser optimizer patch policy pooling pretrained pretraining quantile rate recipe resolution"
    " schedule scheduler size smoothing split steps stride task temperature variant warmup wd weight weights width"
)
MEASURED = _words(
    "acc accuracy activations auc best bleu checkpoint ckpt comment commit cpu created date device duration elapsed"
    " err error finished flops gflops git gmacs gpu host hostname hour hours job latency link log logdir loss macs mem"
    " memory metric minutes ms node note notes out output params perplexity pid ppl reason repeat repetition replicate"
    " rep rng rss run runtime score sec seconds secs seed sha speed started status throughput time timestamp top1 top5"
    " trial unnamed updated url user uuid worker"
)
GROUPS = {"args", "cfg", "config", "hp", "hparam", "hparams", "hyperparameters", "params", "settings"}  # of settings
RATES = {"error", "hit", "success", "accept", "acceptance", "false", "true", "fail", "failure"}  # that are measured
FEW = 20  # more values than this, not shared by the arms, are no grid of settings
DATE = re.compile(r"\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{8}[-_T]\d{4,6})([ T_-].*)?")
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+\d*|\d+")


def differing_settings(
    frame: pd.DataFrame, cell: Sequence[Hashable], arm: Hashable, others: Sequence[Hashable]
) -> list[Hashable]:
    """Columns among `others` that were set and have several values among the rows of one cell and arm.

    Args:
        frame: a row a run.
        cell: columns that name a cell.
        arm: column of the arms.
    """
    cells = (
        frame.groupby(list(cell), dropna=False, sort=False, observed=True).ngroup().to_numpy()
        if cell
        else np.zeros(len(frame), int)
    )
    groups = _joined(cells, _codes(column_of(frame, arm)))
    differing = []
    for column in others:
        values = hashable(column_of(frame, column))
        codes = _codes(values)
        if len(np.unique(_joined(groups, codes))) > len(np.unique(groups)) and is_set(
            column, values, codes, cells, groups
        ):
            differing.append(column)
    return differing


def sentence(differing: Sequence[Hashable]) -> str:
    """What to do about settings in which repetitions differ."""
    return (
        f"rows of the same cell and arm differ in {listing([str(name) for name in differing])}: add to cell= what makes"
        " other models of them, or to repeats= what their repetitions may differ in"
    )


def is_set(column: Hashable, values: pd.Series, codes: np.ndarray, cells: np.ndarray, groups: np.ndarray) -> bool:
    """Whether a column was set before the run, by its name and otherwise by its values.

    Args:
        codes, cells, groups: number of each row's value, of its cell, and of its cell and arm.
    """
    by_name = role(str(column))
    if by_name is not None:
        return by_name
    known = values.dropna()
    different = int(known.nunique())
    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        return False
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = known.to_numpy(dtype=float)
        if different == len(known) and bool((numbers == np.round(numbers)).all()):
            return False  # numbers of runs
        return different <= min(FEW, len(known) / 2) or _are_shared(codes, cells, groups)
    texts = [str(text) for text in known.unique()]
    return different < len(known) and not all(DATE.fullmatch(text) for text in texts)


def role(name: str) -> bool | None:
    """Whether a column was set (True) or measured (False), by the last known word of its name; None: not known."""
    words = [word.lower() for word in WORDS.findall(name)]
    grouped = len(words) > 1 and words[0] in GROUPS  # `config/lr`, `params_lr`
    for place in range(len(words) - 1, int(grouped) - 1, -1):
        word = words[place] if words[place] in SET | MEASURED else words[place].rstrip("0123456789")  # `acc1`
        if word == "rate" and place and words[place - 1] in RATES:
            return False
        if word in SET or word in MEASURED:
            return word in SET
    return True if grouped else None


def _are_shared(codes: np.ndarray, cells: np.ndarray, groups: np.ndarray) -> bool:
    """Whether at least half of the rows have their value in another arm of the same cell, as tried settings do."""
    _, place = np.unique(_joined(cells, codes), return_inverse=True)
    pairs = np.unique(np.stack([place, groups], axis=1), axis=0)
    arms = np.bincount(pairs[:, 0])
    return float((arms[place] > 1).mean()) >= 0.5


def column_of(frame: pd.DataFrame, name: Hashable) -> pd.Series:
    """A column of a table in which it is there once."""
    return pd.Series(frame[name])


def hashable(values: pd.Series) -> pd.Series:
    """A column with lists and other values that cannot be compared by their hash as text."""
    try:
        pd.factorize(values)
    except TypeError:
        return values.map(repr)
    return values


def _codes(values: pd.Series) -> np.ndarray:
    """Number of each value, missing ones being one value."""
    return pd.factorize(values, use_na_sentinel=False)[0]


def _joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A number for each pair of numbers."""
    return first.astype(np.int64) * (int(second.max(initial=0)) + 1) + second
