"""What a sweep tells about its rates: final values, the best rate, and what another one costs."""

import warnings
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from lrlib import _check
from lrlib.training.arrays import Array, Records
from lrlib.training.choice import EdgeOfGrid, typical_loss


class OwnBest(NamedTuple):
    """What :meth:`lrlib.training.Sweep.at_own_best` gives: a value per seed, and the rate that the others chose."""

    values: Array  # (seeds,)
    learning_rates: Array  # (seeds,)


@dataclass(frozen=True, repr=False, eq=False)
class Grid(Records):
    """Records of every learning rate with every seed, rates varying fastest."""

    learning_rates: Array
    seeds: np.ndarray

    def __len__(self) -> int:
        return len(self.learning_rates)

    @property
    def diverged_at(self) -> np.ndarray:
        """(runs,) :attr:`Run.diverged_at` of each run, -1 where that is None: an array of integers holds no None."""
        return self.first_bad_step()

    @property
    def diverged(self) -> np.ndarray:
        """(runs,) whether each run diverged."""
        return self.diverged_at >= 0

    @property
    def rate_axis(self) -> Array:
        """(rates,) the distinct learning rates, in the order that they were given."""
        return self.learning_rates[self.seeds == self.seeds[0]]

    def by_rate(self, values: np.ndarray) -> np.ndarray:
        """Values (runs, ...), one a run, as (rates, seeds, ...)."""
        rates = self.rate_axis
        if len(values) != len(self):
            _check.fail("values", f"an array whose first axis counts the {len(self)} runs", np.shape(values))
        if not self.is_grid():
            _check.fail("sweep", "one that has each of its rates with each of its seeds", self)
        return np.moveaxis(np.reshape(values, (-1, len(rates), *np.shape(values)[1:])), 0, 1)

    def is_grid(self) -> bool:
        """Whether each of the rates is there with each of the seeds, rates varying fastest."""
        rates = self.rate_axis
        full = len(self) % len(rates) == 0
        return full and np.array_equal(self.learning_rates, np.tile(rates, len(self) // len(rates)))

    @property
    def diverged_share(self) -> Array:
        """(rates,) the share of the seeds that diverged, 0 to 1."""
        return self.by_rate(self.diverged).mean(axis=1)

    def final(self, measure: str) -> Array:
        """(rates, seeds) what the last evaluation found.

        Args:
            measure: ``"train_loss"`` or ``"validation_loss"``; ``"train_"`` or ``"validation_"`` and the name of a
                recorded metric, such as ``"validation_accuracy"``; ``"validation_error"`` is 1 - accuracy. A loss or
                an error of a run that diverged, or that is not finite, is infinite; another metric is then NaN.

        Raises:
            ValueError: if nothing of this name was recorded, or nothing has been evaluated yet.
        """
        recorded = {"train_loss": self.train_loss, "validation_loss": self.validation_loss}
        for split, metrics in (("train", self.train_metrics), ("validation", self.validation_metrics)):
            recorded |= {f"{split}_{name}": values for name, values in metrics.items()}
            if "accuracy" in metrics:
                recorded.setdefault(f"{split}_error", 1 - metrics["accuracy"])
        _check.choice("measure", measure, recorded)
        if not len(self.eval_steps):
            _check.fail("sweep", "evaluated at least once: advance it to its end, or give eval_every", self)
        last = recorded[measure][:, -1]
        worst = np.inf if _less_is_better(measure) else np.nan
        return self.by_rate(np.where(np.isfinite(last) & ~self.diverged, last, worst))

    def tail(self, last: int) -> Array:
        """(rates, seeds) the mean minibatch loss of the ``last`` updates, infinite where a run diverged."""
        last = _check.integer("last", last, at_least=1, at_most=self.steps)
        return self.by_rate(np.where(self.diverged, np.inf, self.loss[:, -last:].mean(axis=1)))

    def typical(self, measure: str) -> Array:
        """(rates,) :meth:`final` of all seeds as one: the geometric mean, or the mean of an error; infinite if one is.

        So a rate at which one seed of many diverges is no candidate for the best.
        """
        self._only_less_is_better(measure)
        values = self.final(measure)
        return values.mean(axis=1) if measure.endswith("_error") else typical_loss(values)

    def best_rate(self, measure: str, *, edge: Literal["warn", "ok", "raise"] = "warn") -> float:
        """The learning rate at which :meth:`typical` is least.

        Args:
            measure: a loss or an error, as for :meth:`final`.
            edge: what to do if it is the lowest or the highest of several rates, so that a better one may lie beyond
                the grid: warn (:class:`~lrlib.training.EdgeOfGrid`), raise a ValueError, or neither.

        Raises:
            ValueError: if at every rate a seed diverged; if the best is at an edge and that was not to be.
        """
        _check.choice("edge", edge, ("warn", "ok", "raise"))
        rates, values = self.rate_axis, self.typical(measure)
        if not np.isfinite(values).any():
            _check.fail("sweep", "one with a rate at which every seed finished; lower rates are needed", self)
        best = float(rates[values.argmin()])
        if edge != "ok" and len(rates) > 1 and best in (rates.min(), rates.max()):
            end = "lowest" if best == rates.min() else "highest"
            note = f"the best rate, {best:.4g}, is the {end} of {len(rates)}: a better one may lie beyond this end"
            if edge == "raise":
                raise ValueError(note)
            warnings.warn(note, EdgeOfGrid, stacklevel=2)
        return best

    def at_own_best(self, measure: str) -> OwnBest:
        """Each seed's :meth:`final` at the rate that the *other* seeds find best, and that rate.

        So no seed chooses the rate that it is judged at, and noise cannot flatter.

        Raises:
            ValueError: for a sweep of one seed; if to some seed's others no rate is without a divergence.
        """
        self._only_less_is_better(measure)
        values = self.final(measure)  # (rates, seeds)
        seeds = values.shape[1]
        if seeds < 2:
            _check.fail("sweep", "one of two seeds or more", self)
        centre = (lambda v: v.mean(axis=1)) if measure.endswith("_error") else typical_loss
        others = np.stack([centre(np.delete(values, k, axis=1)) for k in range(seeds)])  # (seeds, rates)
        if not np.isfinite(others).any(axis=1).all():
            _check.fail("sweep", "one with a rate at which every seed finished; lower rates are needed", self)
        chosen = others.argmin(axis=1)
        return OwnBest(values[chosen, np.arange(seeds)], self.rate_axis[chosen])

    def regret(self, measure: str) -> Array:
        """(rates,) each rate's :meth:`typical` value over the best one: 1 at the best, infinite where one is."""
        values = self.typical(measure)
        if not 0 < values.min() < np.inf:
            _check.fail("measure", "one whose best value is finite and above 0", measure)
        return values / values.min()

    def _only_less_is_better(self, measure: str) -> None:
        if not _less_is_better(measure):
            _check.fail("measure", "a loss or an error, of which less is better", measure)


def _less_is_better(measure: str) -> bool:
    return measure.endswith(("_loss", "_error"))
