"""Thinning: very many marks of a figure are drawn by a sample of them, which looks the same; its caption says so."""

import numpy as np

MOST = 3000  # marks of one arm, beyond which more of them only cover each other


def sample(total: int, most: int = MOST, keep: np.ndarray | None = None) -> np.ndarray:
    """Places of what is drawn of `total` marks: all, or a random `most`, the same in every run, and those of `keep`.

    Args:
        keep: (total,) boolean, marks that are never left out, such as those of a front.

    Returns:
        (drawn,) places in ascending order.
    """
    if total <= most:
        return np.arange(total)
    chosen = np.random.default_rng(0).choice(total, most, replace=False)
    return np.unique(chosen if keep is None else np.concatenate([chosen, np.flatnonzero(keep)]))
