"""Thinning: draw a random sample of very many marks, which looks the same; the caption must mention it."""

import numpy as np

MOST = 3000  # marks of one arm; more only cover each other


def sample(total: int, most: int = MOST, keep: np.ndarray | None = None) -> np.ndarray:
    """Choose which of `total` marks to draw: all, or a random `most` plus those of `keep`; the same in every run.

    Args:
        keep: (total,) boolean, marks to draw in any case, such as those on a front.

    Returns:
        (drawn,) indices in ascending order.
    """
    if total <= most:
        return np.arange(total)
    chosen = np.random.default_rng(0).choice(total, most, replace=False)
    return np.unique(chosen if keep is None else np.concatenate([chosen, np.flatnonzero(keep)]))
