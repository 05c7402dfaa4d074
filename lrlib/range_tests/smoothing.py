"""What stands between a recorded curve and a rule: one grid for every spacing, and running means."""

import math

import numpy as np

from lrlib import _check

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

POINTS_A_DECADE = 99 / 8  # fastai, Lightning and torch-lr-finder all take 100 points over eight decades by default
_CELL = math.log(10) / POINTS_A_DECADE


def finite_curve(rates: Array, losses: Array) -> tuple[Array, Array]:
    """Both (n,) as float64, checked, and cut before the first loss that is not finite.

    Raises:
        TypeError, ValueError: for rates that are not above 0 and increasing, or another number of losses.
    """
    rates = _check.reals("rates", rates, above=0)
    if (np.diff(rates) <= 0).any():
        _check.fail("rates", "in increasing order", rates)
    values = np.asarray(losses, dtype=np.float64)
    if values.shape != rates.shape:
        _check.fail("losses", f"{len(rates)} numbers, one a rate", losses)
    bad = ~np.isfinite(values)
    end = int(bad.argmax()) if bad.any() else len(values)
    return rates[:end], values[:end]


def on_even_grid(rates: Array, losses: Array) -> tuple[Array, Array]:
    """A curve at even steps in log η, 99 / 8 points a decade, however it was sampled.

    So the same function, recorded at 50 rates or at 400, on a linear or a logarithmic axis, gives a rule the same
    numbers, up to interpolation. A cell of the grid with several points gets their mean, any other a straight line in
    log η. 100 exponential points over eight decades are left as they are.

    >>> import numpy as np
    >>> rates, _ = on_even_grid(np.linspace(0.1, 1.0, 400), np.zeros(400))
    >>> len(rates), float(rates[0]), round(float(rates[1] / rates[0]), 4)
    (13, 0.1, 1.2045)
    """
    rates, losses = finite_curve(rates, losses)
    if len(rates) < 2:
        return rates, losses
    places = (np.log(rates) - math.log(rates[0])) / _CELL
    cells = np.arange(int(places[-1] + 1e-6) + 1)
    values = np.interp(cells, places, losses)
    nearest = np.rint(places).astype(int)
    counts = np.bincount(nearest, minlength=len(cells))[: len(cells)]
    sums = np.bincount(nearest, weights=losses, minlength=len(cells))[: len(cells)]
    several = counts > 1
    values[several] = sums[several] / counts[several]
    return rates[0] * np.exp(_CELL * cells), values


def running_mean(losses: Array, *, beta: float, debiased: bool = True) -> Array:
    """The exponential running mean m_t = β m_{t-1} + (1 - β) l_t of ``losses`` (n,).

    ``debiased`` starts it from 0 and divides by 1 - β^t, so that the first loss weighs no more than any other; else it
    starts from the first loss, as torch-lr-finder's does.

    >>> import numpy as np
    >>> running_mean(np.array([4.0, 2.0]), beta=0.5)
    array([4.        , 2.66666667])
    >>> running_mean(np.array([4.0, 2.0]), beta=0.5, debiased=False)
    array([4., 3.])
    """
    beta = _check.real("beta", beta, at_least=0, below=1)
    mean, means = 0.0, np.empty(len(losses))
    for t, loss in enumerate(losses):
        mean = float(loss) if t == 0 and not debiased else beta * mean + (1 - beta) * float(loss)
        means[t] = mean
    return means / (1 - beta ** np.arange(1, len(losses) + 1)) if debiased else means
