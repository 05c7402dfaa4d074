"""The schedule: a pure function from the number of an update to the learning rate that it uses."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from types import MappingProxyType
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from lrlib import _check

Steps = NDArray[np.int64]
Rates = NDArray[np.floating[Any]]

LARGEST_STEP = 2**53  # the integers up to here are exact in float64


@dataclass(frozen=True, repr=False, eq=False)
class Schedule:
    """A learning rate as a pure function of the step.

    ``schedule(step)`` = ``formula(step, **hyperparameters)`` is the rate that update number ``step``, counted from 0,
    uses. Calling changes nothing: any step may be asked for, in any order, any number of times. An integer gives a
    ``float``, an integer array a float64 array of its shape. A rate that outgrows float64 is ``inf``.

    Two schedules are equal if their formulas, names, horizons and hyperparameters are, in whatever order these were
    given; lists and arrays among them count by their values. A schedule whose formula stands at the top level of a
    module, as all of this package do, can be pickled.

    Args:
        formula: takes an int64 array of steps, any shape, and the hyperparameters by name; gives rates of that shape.
        name: what the schedule is called, usually the function that made it.
        hyperparameters: the formula's other arguments; read-only afterwards.
        total_steps: how many updates the schedule is made for, or ``None`` if it has no end. Longer training is no
            error: the rate then stays where the formula ends.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value, and for a step that is negative, above 2^53
            or no integer.

    torch's schedulers are objects that each ``step()`` uses up, so plotting one spends it;
    :func:`~lrlib.schedules.as_torch` drives a torch optimizer by a schedule.

    Example:
        >>> import numpy as np
        >>> from lrlib.schedules import Schedule
        >>> def inverse_square_root(step, *, learning_rate):
        ...     return learning_rate / np.sqrt(step + 1)
        >>> rate = Schedule(inverse_square_root, name="inverse_square_root", hyperparameters={"learning_rate": 0.6})
        >>> rate
        inverse_square_root(learning_rate=0.6)
        >>> rate(0), rate(3), rate(15)
        (0.6, 0.3, 0.15)
        >>> rate(np.array([[3, 15], [0, 3]]))
        array([[0.3 , 0.15],
               [0.6 , 0.3 ]])
    """

    formula: Callable[..., Rates]
    name: str = field(kw_only=True)
    hyperparameters: Mapping[str, object] = field(kw_only=True, default_factory=dict)
    total_steps: int | None = field(kw_only=True, default=None)

    def __post_init__(self) -> None:
        _check.function("formula", self.formula)
        if not isinstance(self.name, str):
            _check.fail("name", "a string", self.name, error=TypeError)
        if not isinstance(self.hyperparameters, Mapping):
            _check.fail("hyperparameters", "a mapping of names to values", self.hyperparameters, error=TypeError)
        if self.total_steps is not None:
            step_count("total_steps", self.total_steps, at_least=1)
        object.__setattr__(self, "hyperparameters", MappingProxyType(dict(self.hyperparameters)))

    @overload
    def __call__(self, step: int) -> float: ...
    @overload
    def __call__(self, step: NDArray[np.integer[Any]]) -> NDArray[np.float64]: ...
    def __call__(self, step: int | NDArray[np.integer[Any]]) -> float | NDArray[np.float64]:
        """The rate of update number ``step``, counted from 0."""
        steps = _steps(step)
        with np.errstate(over="ignore"):  # documented: inf
            rates = np.asarray(self.formula(steps, **self.hyperparameters), dtype=np.float64)
        if rates.shape != steps.shape:
            _check.fail("formula", f"a function that gives rates of the steps' shape {steps.shape}", rates.shape)
        return rates if isinstance(step, np.ndarray) else float(rates)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in self.hyperparameters.items())})"

    def _told(self) -> tuple[object, ...]:
        return self.formula, self.name, self.total_steps, _comparable(self.hyperparameters)

    def __eq__(self, other: object) -> bool:
        return self._told() == other._told() if isinstance(other, Schedule) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._told())

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be pickled, a dict can.
        return _restore, (self.formula, self.name, dict(self.hyperparameters), self.total_steps)


def _comparable(value: object) -> object:
    """Something that compares and hashes by value."""
    if isinstance(value, Mapping):
        return frozenset((key, _comparable(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_comparable, value))
    if isinstance(value, np.ndarray):
        return value.shape, tuple(value.ravel().tolist())
    return value


def _restore(
    formula: Callable[..., Rates], name: str, hyperparameters: dict[str, object], total_steps: int | None
) -> Schedule:
    return Schedule(formula, name=name, hyperparameters=hyperparameters, total_steps=total_steps)


def _steps(step: object) -> Steps:
    need = "an integer >= 0 or an array of such"
    if isinstance(step, np.ndarray):
        if step.dtype.kind not in "iu":
            _check.fail("step", need, step, error=TypeError)
        if np.any(step < 0):
            _check.fail("step", need, step)
        if np.any(step > LARGEST_STEP):
            _check.fail("step", "at most 2**53", step)
        return step.astype(np.int64)
    if isinstance(step, bool) or not isinstance(step, Integral):
        _check.fail("step", need, step, error=TypeError)
    if step < 0:
        _check.fail("step", need, step)
    return np.asarray(step_count("step", step, at_least=0), dtype=np.int64)


def step_count(name: str, value: object, *, at_least: int, at_most: int | None = None) -> int:
    """An integer number of steps that float64 can hold exactly."""
    count = _check.integer(name, value, at_least=at_least, at_most=at_most)
    if count > LARGEST_STEP:
        _check.fail(name, "at most 2**53", value)
    return count


def increasing_steps(name: str, values: Sequence[int]) -> tuple[int, ...]:
    """Strictly increasing steps, the first of them at least 1."""
    steps = _check.integers(name, values, at_least=1)
    if any(after <= before for before, after in itertools.pairwise(steps)):
        _check.fail(name, "strictly increasing", values)
    return tuple(step_count(f"{name}[{i}]", value, at_least=1) for i, value in enumerate(steps))


def a_schedule(name: str, value: object) -> Schedule:
    """A :class:`Schedule`, nothing that merely can be called."""
    if not isinstance(value, Schedule):
        _check.fail(name, "a Schedule", value, error=TypeError)
    return value
