"""One training run as its curves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lrlib import _check
from lrlib.curves.divergence import first_divergence

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Curve:
    """What is known of one training run: its training loss and, where they were kept, validation loss, rates and more.

    The common coin of runs, monitors, log readers and the diagnosis. ``None`` is "not recorded"; NaN in a loss means
    that the loss *was* not a number, so a reader of logs leaves out the points that were not measured. Arrays are
    copied and cannot be written to.

    Args:
        loss: (n,) the training loss; may hold inf and NaN.
        steps: (n,) where on the axis each loss belongs, rising; 0, 1, … if not given.
        validation_loss: (m,) the loss on examples held out; may hold inf and NaN.
        validation_steps: (m,) rising; those of the training loss if there are as many of both.
        rates: (n,) the learning rate that the update at each step used, at least 0; NaN where it is not known.
        gradient_norm: (n,) the norm of the whole gradient at each step; NaN where it is not known.
        update_ratio: (n,) size of the update over size of the weights, the median over tensors; NaN where not known.
        metrics: further series by name, each (n,), or (m,) if the name starts with ``validation_``.
        unit: what a step is: ``"step"`` (an update) or ``"epoch"``.
        source: where it comes from, in a few words.
        notes: what was guessed in reading it, a sentence each.

    Raises:
        TypeError, ValueError: for lengths that do not fit, steps that do not rise, or a rate below 0.

    >>> curve = Curve([2.3, 1.1, 0.6], validation_loss=[1.5, 1.2], validation_steps=[0, 2], rates=[0.1, 0.1, 0.05])
    >>> curve
    Curve(3 steps from 0 to 2, loss 2.3 to 0.6, validation loss 1.5 to 1.2, rate 0.1 to 0.05)
    >>> Curve([1.0, float("inf"), 3.0]).diverged_at()
    1.0
    """

    loss: Array
    steps: Array
    validation_loss: Array | None
    validation_steps: Array | None
    rates: Array | None
    gradient_norm: Array | None
    update_ratio: Array | None
    metrics: Mapping[str, Array]
    unit: str
    source: str
    notes: tuple[str, ...]

    def __init__(
        self,
        loss: ArrayLike,
        *,
        steps: ArrayLike | None = None,
        validation_loss: ArrayLike | None = None,
        validation_steps: ArrayLike | None = None,
        rates: ArrayLike | None = None,
        gradient_norm: ArrayLike | None = None,
        update_ratio: ArrayLike | None = None,
        metrics: Mapping[str, ArrayLike] = MappingProxyType({}),
        unit: str = "step",
        source: str = "",
        notes: Iterable[str] = (),
    ) -> None:
        losses = _series("loss", loss)
        axis = _axis("steps", np.arange(len(losses)) if steps is None else steps, losses, "loss")
        beside = {"rates": rates, "gradient_norm": gradient_norm, "update_ratio": update_ratio}
        held_out, held_out_axis = _held_out(validation_loss, validation_steps, axis)
        further = {}
        for name, series in metrics.items():
            if name.startswith("validation_") and held_out is None:
                _check.fail("metrics", "series of validation only where there is a validation_loss", name)
            length = held_out if held_out is not None and name.startswith("validation_") else losses
            further[name] = _series(f"metrics[{name!r}]", series, length)
        values = {
            "loss": losses,
            "steps": axis,
            "validation_loss": held_out,
            "validation_steps": held_out_axis,
            **{name: None if a is None else _series(name, a, losses, at_least=0) for name, a in beside.items()},
            "metrics": MappingProxyType(further),
            "unit": _check.choice("unit", unit, ("step", "epoch")),
            "source": str(source),
            "notes": tuple(notes),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def diverged_at(self, threshold: float = 1e3) -> float | None:
        """The first of ``steps`` at which the run counts as diverged; None if it does not.

        By the one rule of this package: :func:`first_divergence`, relative to the run's own first loss.
        """
        place = int(first_divergence(self.loss, _check.real("threshold", threshold, above=1)))
        return None if place < 0 else float(self.steps[place])

    def __repr__(self) -> str:
        said = [f"{len(self.loss)} {self.unit}s from {self.steps[0]:.15g} to {self.steps[-1]:.15g}"]
        known = {"loss": self.loss, "validation loss": self.validation_loss, "rate": self.rates}
        said += [f"{name} {a[0]:.3g} to {a[-1]:.3g}" for name, a in known.items() if a is not None]
        return f"Curve({', '.join(said)}{', ' + self.source if self.source else ''})"


def _held_out(losses: ArrayLike | None, steps: ArrayLike | None, axis: Array) -> tuple[Array | None, Array | None]:
    if losses is None:
        if steps is not None:
            _check.fail("validation_steps", "None where there is no validation_loss", steps)
        return None, None
    values = _series("validation_loss", losses)
    if steps is None and len(values) != len(axis):
        need = f"given, since there are {len(values)} validation losses and {len(axis)} training losses"
        _check.fail("validation_steps", need, steps)
    return values, _axis("validation_steps", axis if steps is None else steps, values, "validation_loss")


def _series(name: str, values: ArrayLike, beside: Array | None = None, *, at_least: float = -np.inf) -> Array:
    need = "a 1-D sequence of numbers, " + ("at least one" if beside is None else f"{len(beside)} of them")
    need += "" if at_least == -np.inf else f", none below {at_least:g}"
    try:
        array = np.asarray(values)
    except ValueError:  # ragged
        _check.fail(name, need, values, error=TypeError)
    if array.dtype.kind not in "iuf":
        _check.fail(name, need, values, error=TypeError)
    length = len(array) if array.ndim == 1 else 0
    if not length or (beside is not None and length != len(beside)) or (array < at_least).any():
        _check.fail(name, need, values)
    array = np.array(array, np.float64)
    array.flags.writeable = False
    return array


def _axis(name: str, values: ArrayLike, beside: Array, what: str) -> Array:
    array = _series(name, values, beside)
    if not np.isfinite(array).all() or (np.diff(array) <= 0).any():
        _check.fail(name, f"finite numbers, one for each {what}, each above the one before", values)
    return array
