"""Which of several rates is the best, and how many are as good: from losses, without regard to how they came about."""

import numpy as np

from lrlib import _check

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class EdgeOfGrid(UserWarning):
    """The best rate is the lowest or the highest that was tried, so a better one may lie beyond."""


def typical_loss(losses: Array) -> Array:
    """Losses (rates, seeds) of each rate as one: their geometric mean, or their mean where one is not above 0.

    The geometric mean weighs a factor alike at every size of the loss; the median, which is otherwise as good, would
    overlook a seed that a rate ruins. One infinite loss makes the whole infinite.

    >>> import numpy as np
    >>> typical_loss(np.array([[1.0, 4.0], [0.1, np.inf]]))
    array([ 2., inf])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.exp(np.log(losses).mean(axis=1)) if (losses > 0).all() else losses.mean(axis=1)


def range_below(learning_rates: Array, losses: Array, limit: float) -> tuple[float, float]:
    """The lowest and the highest rate of the stretch around the best one in which the loss stays below ``limit``.

    Between two rates the loss is taken for a straight line on logarithmic axes, up to an infinite loss for none. The
    stretch ends where the grid does, if it does not end before; log10(highest / lowest) is its width in decades.

    Args:
        learning_rates: (rates,) in increasing order, above 0.
        losses: (rates,) above 0, infinite where a run diverged.
        limit: above 0, for instance 1.5 times the least loss.

    Returns:
        The two rates, or NaN twice where no loss is below ``limit``.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value.

    >>> import numpy as np
    >>> low, high = range_below(np.array([0.01, 0.1, 1.0, 10.0]), np.array([100.0, 1.0, 0.5, np.inf]), 10.0)
    >>> round(low, 4), high
    (0.0316, 1.0)
    """
    rates = _check.reals("learning_rates", learning_rates, above=0)
    if (np.diff(rates) <= 0).any():
        _check.fail("learning_rates", "in increasing order", learning_rates)
    values = np.asarray(losses, dtype=np.float64)
    if values.shape != rates.shape or not (values > 0).all():
        _check.fail("losses", f"{len(rates)} numbers > 0, one a rate", losses)
    x, y = np.log(rates), np.log(values) - np.log(_check.real("limit", limit, above=0))
    best = int(y.argmin())
    if y[best] >= 0:
        return np.nan, np.nan

    def end(direction: int) -> float:
        here = best
        while 0 <= here + direction < len(x):
            beyond = here + direction
            if y[beyond] >= 0:
                return float(np.exp(x[here] + (x[beyond] - x[here]) * y[here] / (y[here] - y[beyond])))
            here = beyond
        return float(rates[here])

    return end(-1), end(1)
