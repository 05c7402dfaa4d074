"""When a run counts as diverged."""

from typing import Any

import numpy as np

THRESHOLD = 1e3  # of the size of a run's first loss: beyond it the run has diverged, unless another is asked for
SMALLEST_LOSS = 1e-12  # a first loss below it counts as this, so that a run that starts at its minimum may stray


def first_divergence(losses: np.ndarray[Any, Any], threshold: float) -> np.ndarray[Any, Any]:
    """The first place along the last axis at which a run counts as diverged, -1 where there is none.

    A run has diverged once its loss is not finite or exceeds ``threshold`` times the size of its first loss. The first
    loss of a minibatch of few numbers may be near zero by chance; such a run needs a higher threshold.

    Args:
        losses: (..., steps) at least one; the first of each run is its scale, at least 1e-12 in size.
        threshold: above 1.

    Returns:
        (...) integers.

    The page's twin is ``divergedAt`` in ``lrlib/widgets/trainer/wasm_runner.js``.

    >>> import numpy as np
    >>> first_divergence(np.array([[1e-8, 2e-8, 2e-5], [-3.0, 0.0, 2000.0], [2.0, np.nan, 1.0]]), 1e3)
    array([ 2, -1,  1])
    """
    limit = threshold * np.maximum(SMALLEST_LOSS, np.abs(losses[..., :1]))
    bad = ~np.isfinite(losses) | (losses > limit)
    return np.where(bad.any(-1), bad.argmax(-1), -1)
