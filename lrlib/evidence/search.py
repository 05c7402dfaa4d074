"""Grids of learning rates: made around a guess, extended until the best rate is inside, refined around it."""

from collections.abc import Callable, Sequence

import numpy as np

from lrlib import _check

Losses = Callable[[np.ndarray], np.ndarray]  # rates (n,) -> losses (n, seeds), infinite where a run diverged
HALF_OCTAVE = 2**0.5
EXTENSIONS = 8  # times that a grid may grow, each time by two rates


def rates_around(centre: float, *, step: float = HALF_OCTAVE, reach: int = 3) -> np.ndarray:
    """A geometric grid of 2 · ``reach`` + 1 rates with ``centre`` in its middle, each ``step`` times the last.

    >>> rates_around(0.1, step=10, reach=1).round(4).tolist()
    [0.01, 0.1, 1.0]
    """
    centre, step = _check.real("centre", centre, above=0), _check.real("step", step, above=1)
    return centre * step ** np.arange(-_check.integer("reach", reach, at_least=1), reach + 1.0)


def as_grid(name: str, rates: float | Sequence[float] | np.ndarray) -> np.ndarray:
    """A rate as the grid around it; rates as they are, if they are a geometric grid of three or more."""
    if np.ndim(rates) == 0:
        return rates_around(_check.real(name, rates, above=0))
    grid = _check.reals(name, rates, above=0)
    steps = np.diff(np.log(grid))
    if len(grid) < 3 or steps[0] <= 0 or np.ptp(steps) > 0.05 * steps[0]:
        _check.fail(name, "one rate, or three or more in rising geometric steps", rates)
    return grid


def score(losses: np.ndarray) -> np.ndarray:
    """Losses (rates, seeds) as one number a rate: the mean of their logarithms, infinite if one run diverged.

    A median would call a rate the best that ruins one seed in seven.
    """
    return np.log(losses).mean(axis=1)


def search(losses: Losses, grid: np.ndarray, *, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Rates and their losses (rates, seeds) on ``grid``, extended on either side until the best rate is inside.

    Raises:
        ValueError: naming ``name``, if every run diverged, or if the best rate still lies at the edge at last.
    """
    step, values = (grid[-1] / grid[0]) ** (1 / (len(grid) - 1)), losses(grid)
    for _ in range(EXTENSIONS):
        total = score(values)
        best = int(total.argmin())
        if np.isfinite(total[best]) and 0 < best < len(grid) - 1:
            return grid, values
        below = best == 0  # so it is where all diverged
        new = grid[0] * step ** np.array([-2.0, -1.0]) if below else grid[-1] * step ** np.array([1.0, 2.0])
        parts, rows = ([new, grid], [losses(new), values]) if below else ([grid, new], [values, losses(new)])
        grid, values = np.concatenate(parts), np.concatenate(rows)
    total = score(values)
    best, span = int(total.argmin()), f"{grid[0]:.3g} to {grid[-1]:.3g}"
    if not np.isfinite(total[best]):
        _check.fail(name, "an arm with a rate at which no tuning run diverges", f"none among {span}")
    if best in (0, len(grid) - 1):
        _check.fail(name, "an arm whose best rate lies inside a grid", f"{grid[best]:.3g}, the edge of {span}")
    return grid, values


def refine(losses: Losses, grid: np.ndarray, values: np.ndarray, *, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """``grid`` with each step that adjoins some seed's best rate cut into ``parts``, and the losses there.

    A seed's best rate is then read off the grid itself. A parabola through coarser points would be pulled away from a
    cliff, beside which the best rate often lies.
    """
    best = values.argmin(axis=0)
    cut = sorted({k for place in best for k in (place - 1, place) if 0 <= k < len(grid) - 1})
    inner = np.arange(1, parts) / parts
    new = np.concatenate([grid[k] * (grid[k + 1] / grid[k]) ** inner for k in cut])
    rates, rows = np.concatenate([grid, new]), np.concatenate([values, losses(new)])
    order = rates.argsort(kind="stable")
    return rates[order], rows[order]
