"""The rate that listens: reduce on plateau, a feedback rule for many runs at once."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrlib import _check


@dataclass(frozen=True, eq=False)
class PlateauState:
    """What :class:`PlateauRule` remembers between two metrics: read-only arrays of shape (runs,).

    ``learning_rates`` are the rates to use next; ``best`` is the best metric so far; ``num_bad_epochs`` counts the
    metrics since without improvement; ``cooldown_counter`` those that will still be overlooked.
    """

    learning_rates: NDArray[np.float64]
    best: NDArray[np.float64]
    num_bad_epochs: NDArray[np.int64]
    cooldown_counter: NDArray[np.int64]

    def __post_init__(self) -> None:
        for array in (self.learning_rates, self.best, self.num_bad_epochs, self.cooldown_counter):
            array.setflags(write=False)


@dataclass(frozen=True, kw_only=True)
class PlateauRule:
    """A pure feedback rule, as :func:`reduce_on_plateau` makes it; the arguments are explained there."""

    mode: Literal["min", "max"] = "min"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: int = 0
    min_lr: float = 0.0
    eps: float = 1e-8

    def __post_init__(self) -> None:
        _check.choice("mode", self.mode, ("min", "max"))
        _check.real("factor", self.factor, above=0, below=1)
        _check.integer("patience", self.patience, at_least=0)
        _check.choice("threshold_mode", self.threshold_mode, ("rel", "abs"))
        # A relative threshold of 1 or more would take even the first metric for no improvement on infinity.
        _check.real("threshold", self.threshold, at_least=0, below=1 if self.threshold_mode == "rel" else np.inf)
        _check.integer("cooldown", self.cooldown, at_least=0)
        _check.real("min_lr", self.min_lr, at_least=0)
        _check.real("eps", self.eps, at_least=0)

    def init(self, learning_rates: ArrayLike) -> PlateauState:
        """The state before any metric; ``learning_rates`` of shape (runs,), finite and >= 0."""
        rates = _check.reals("learning_rates", learning_rates, at_least=0).copy()
        worst = np.inf if self.mode == "min" else -np.inf
        none = np.zeros(rates.shape, dtype=np.int64)
        return PlateauState(rates, np.full(rates.shape, worst), none, none)

    def update(self, state: PlateauState, metrics: ArrayLike) -> PlateauState:
        """The state after one more metric of each run, shape (runs,); NaN, of a diverged run, is no improvement."""
        if not isinstance(state, PlateauState):
            _check.fail("state", "a PlateauState, from init or update", state, error=TypeError)
        current = _metrics(metrics, runs=state.learning_rates.size)  # (runs,)
        better = self._better(current, state.best)
        best = np.where(better, current, state.best)
        cooling = state.cooldown_counter > 0
        bad = np.where(better | cooling, 0, state.num_bad_epochs + 1)
        counter = np.where(cooling, state.cooldown_counter - 1, 0)
        plateau = bad > self.patience
        lower = np.maximum(state.learning_rates * self.factor, self.min_lr)
        reduce = plateau & (state.learning_rates - lower > self.eps)
        return PlateauState(
            np.where(reduce, lower, state.learning_rates),
            best,
            np.where(plateau, 0, bad),
            np.where(plateau, self.cooldown, counter),
        )

    def _better(self, current: NDArray[np.float64], best: NDArray[np.float64]) -> NDArray[np.bool_]:
        sign = -1 if self.mode == "min" else 1
        bar = best * (1 + sign * self.threshold) if self.threshold_mode == "rel" else best + sign * self.threshold
        return current < bar if self.mode == "min" else current > bar


def _metrics(metrics: ArrayLike, *, runs: int) -> NDArray[np.float64]:
    need = f"numbers of shape (runs,) = ({runs},)"
    try:
        array = np.asarray(metrics)
    except (TypeError, ValueError):
        _check.fail("metrics", need, metrics, error=TypeError)
    if array.dtype.kind not in "fiu":
        _check.fail("metrics", need, metrics, error=TypeError)
    if array.shape != (runs,):
        _check.fail("metrics", need, metrics)
    return array.astype(np.float64)


def reduce_on_plateau(
    *,
    mode: Literal["min", "max"] = "min",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: Literal["rel", "abs"] = "rel",
    cooldown: int = 0,
    min_lr: float = 0.0,
    eps: float = 1e-8,
) -> PlateauRule:
    """Multiply the rate by ``factor`` when a metric has stopped improving.

    This is no schedule, for the rate depends on what was measured, but a pair of pure functions:
    ``state = rule.init(learning_rates)`` and, after each evaluation, ``state = rule.update(state, metrics)``;
    ``state.learning_rates`` is what to use until the next. All of shape (runs,), the runs independent.

    η ← max(η × ``factor``, ``min_lr``) after more than ``patience`` metrics in a row without improvement, unless that
    would change η by no more than ``eps``; then ``cooldown`` metrics are overlooked.

    Args:
        mode: whether the metric should fall (``"min"``) or rise (``"max"``).
        factor: between 0 and 1, both excluded.
        patience: metrics without improvement that are borne, >= 0; one more reduces the rate.
        threshold: what counts as improvement, >= 0. With ``threshold_mode="rel"``, and then < 1: a metric below
            best × (1 − threshold), or above best × (1 + threshold) if it should rise. With ``"abs"``: best −
            threshold, or best + threshold.
        threshold_mode: ``"rel"`` or ``"abs"``.
        cooldown: metrics to overlook after a reduction, >= 0.
        min_lr: lowest rate, >= 0.
        eps: smallest change worth making, >= 0.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: ``ReduceLROnPlateau``, to the last bit. Off by one: it takes ``patience + 1`` bad metrics. Two traps
    are kept: a relative threshold on a negative metric takes slightly worse values for improvements, and then holds
    them for the best; and ``eps`` = 1e-8 stops reductions of rates that small.

    Example:
        >>> from lrlib.schedules import reduce_on_plateau
        >>> rule = reduce_on_plateau(factor=0.5, patience=1)
        >>> state = rule.init([0.1, 0.2])
        >>> for losses in [(1.0, 1.0), (1.0, 0.9), (1.0, 0.8)]:
        ...     state = rule.update(state, losses)
        >>> state.learning_rates
        array([0.05, 0.2 ])

    Source: Bengio (2012), Practical Recommendations for Gradient-Based Training of Deep Architectures,
    arXiv:1206.5533.
    """
    return PlateauRule(
        mode=mode,
        factor=factor,
        patience=patience,
        threshold=threshold,
        threshold_mode=threshold_mode,
        cooldown=cooldown,
        min_lr=min_lr,
        eps=eps,
    )
