"""The best learning rate of one arm, seed by seed, with an interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lrlib import _check
from lrlib.evidence.intervals import Interval, _student
from lrlib.evidence.measures import Measure, TaskOrMaker, checked_task, losses_of
from lrlib.evidence.search import as_grid, refine, score, search


@dataclass(frozen=True)
class Tuning:
    """Where the best learning rate lies.

    Attributes:
        rates: (n,) all rates tried, rising; finer around the best ones.
        losses: (n, seeds) the measure at each; infinite where a run diverged.
        resolution: the factor between neighbouring rates near the best.
        seeds: the seeds.
    """

    rates: np.ndarray
    losses: np.ndarray
    resolution: float
    seeds: tuple[int, ...]

    @property
    def best_rates(self) -> np.ndarray:
        """(seeds,) the rate with the least loss, for each seed by itself."""
        return self.rates[self.losses.argmin(axis=0)]

    @property
    def best(self) -> Interval:
        """The geometric mean of :attr:`best_rates`; its interval is widened by half a step of the grid on each side."""
        return _student(self.best_rates, "geometric", "best rate", resolution=self.resolution**0.5)

    @property
    def rate(self) -> float:
        """The one rate to use for all seeds, with the least geometric mean of the losses, so that it ruins none."""
        return float(self.rates[score(self.losses).argmin()])

    def ratio(self, other: "Tuning") -> Interval:
        """How many times as large the best rate is here as in ``other``, seed by seed; a step of the grid wider."""
        if not isinstance(other, Tuning) or other.seeds != self.seeds:
            _check.fail("other", f"a Tuning on the same seeds {self.seeds}", other)
        widened = (self.resolution * other.resolution) ** 0.5
        return _student(self.best_rates / other.best_rates, "ratio", "best rates", resolution=widened)


def tune(
    task: TaskOrMaker,
    rates: float | Sequence[float] | np.ndarray,
    *,
    seeds: Sequence[int] = range(8),
    measure: Measure = "validation_loss",
    parts: int = 4,
    **settings: Any,
) -> Tuning:
    """Find the best learning rate of each seed, on a grid that is extended until it is inside and then refined.

    Each seed's best rate is a point of the refined grid, half-octaves in four by default. No curve is fitted: beside a
    cliff the vertex of a parabola misses the best rate by more than half an octave.

    Args:
        task: a task, or a function ``seed -> Task``.
        rates: a guess, around which seven rates in half-octaves are tried first; or a geometric grid to begin with.
        seeds: two or more.
        measure: as for :func:`~lrlib.evidence.compare`; positive.
        parts: into how many parts the steps beside the best rates are cut.
        settings: as for :func:`lrlib.training.sweep`.

    >>> from lrlib.tasks import noisy_quadratic
    >>> bowl = noisy_quadratic([1.0, 4.0], noise=0)
    >>> found = tune(bowl, 0.2, seeds=[0, 1], measure="train_loss", steps=30, batch_size=None, engine="torch")
    >>> print(f"{found.best:.2f}")  # theory: 2/(1 + 4)
    0.40 [0.38, 0.42]
    """
    task = checked_task(task)
    seeds = _check.integers("seeds", seeds, at_least=0)
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        _check.fail("seeds", "two or more, all distinct", seeds)
    parts = _check.integer("parts", parts, at_least=1)
    losses = losses_of(task, seeds, measure, settings)
    grid, values = search(losses, as_grid("rates", rates), name="tune")
    step = float((grid[-1] / grid[0]) ** (1 / (len(grid) - 1)))
    if parts > 1:
        grid, values = refine(losses, grid, values, parts=parts)
    return Tuning(grid, values, step ** (1 / parts), seeds)
