"""The rates that a run was meant to use, of every parameter group at every update."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from lrlib import _check
from lrlib.schedules import Schedule

Array = np.ndarray[Any, np.dtype[np.float64]]
Part = Callable[[int, int], Array]  # the rates planned for the updates from the first to before the second number

BLOCK = 1024  # updates whose rates a schedule is asked for at once
NEED = (
    "a Schedule, a function of the step that gives a rate, an array of rates (steps,) or (steps, groups), or a list of "
    "these, one a parameter group; lrlib.schedules.torch_rates gives the array of a torch scheduler"
)


class Plan:
    """Schedules, functions or arrays as the rates of every group.

    One plan for several groups is that of the group with the highest rate; the others keep their ratio to it, as with
    :func:`lrlib.schedules.as_torch`. An array's last row holds on after its end.
    """

    def __init__(self, planned: Any, rates: Sequence[float]) -> None:
        self._parts = _parts(planned)
        self.total_steps = _total(planned)
        if len(self._parts) > 1 and len(self._parts) != len(rates):
            _check.fail("planned", f"one plan, or one for each of the {len(rates)} parameter groups", planned)
        self._ratios: list[float] = []
        self._highest = 0.0
        self._joined: dict[int, float] = {}
        self.settled = 0  # groups whose ratio is known
        self.first, self._groups = 0, len(rates)
        self.rows: list[tuple[float, ...]] = []  # of the updates ahead, from number ``first`` on; changed in place
        self.settle(0, rates)

    def settle(self, step: int, rates: Sequence[float]) -> None:
        """Take the ratios of groups that have none yet from ``rates``; where all are 0, another update will tell."""
        new = range(len(self._ratios), len(rates))
        if len(self._parts) > 1:
            self._ratios += [1.0 if index < len(self._parts) else float("nan") for index in new]
        elif not self._ratios and max(rates) > 0:
            self._highest = max(rates)
            self._ratios = [rate / self._highest for rate in rates]
        elif self._ratios:  # a group that came later follows the plan from where it joined
            planned = float(self._parts[0](step, step + 1)[0])
            self._ratios += [rates[index] / planned if planned > 0 else float("nan") for index in new]
            self._joined |= {index: rates[index] / self._highest for index in new}
        self.rows.clear()
        self._groups, self.settled = len(rates), len(self._ratios)

    def joins(self, step: int, group: int, rate: float) -> float | None:
        """The plan's rate, if the group has come with this update and by itself has more than the plan's highest."""
        planned = float(self._parts[0](step, step + 1)[0])
        return planned if group in self._joined and rate > planned * (1 + 1e-6) else None

    def rejoin(self, step: int, group: int) -> None:
        """Take the rate of a group that came later for one of the start, and its ratio to the highest there."""
        self._ratios[group] = self._joined.pop(group)
        self.rows.clear()

    def has_joined(self, group: int) -> bool:
        """Whether a group came after the start, and its ratio may still be another."""
        return group in self._joined

    def rates(self, step: int) -> tuple[float, ...]:
        """The rate planned for each group at one update; NaN where nothing is planned."""
        place = step - self.first
        if not 0 <= place < len(self.rows):
            self.first, place = step, 0
            ahead = BLOCK if all(getattr(part, "cheap", False) for part in self._parts) else 1
            columns = [part(step, step + ahead) for part in self._parts]
            columns = (columns + columns[:1] * self._groups)[: self._groups]
            ratios = self._ratios or [1.0] * self._groups
            self.rows[:] = zip(*(c.tolist() for c in map(np.multiply, columns, ratios)), strict=True)
        return self.rows[place]

    def stretch(self, group: int, first: int, end: int) -> Array:
        """The rates planned for one group at the updates from ``first`` to before ``end``."""
        part = self._parts[group if len(self._parts) > 1 else 0]
        ratio = self._ratios[group] if self._ratios else 1.0
        try:
            return part(first, end) * ratio
        except Exception:  # a function of the reader's own may know no other steps than those of the run
            return np.empty(0)


def _parts(planned: Any) -> list[Part]:
    if isinstance(planned, list | tuple) and any(callable(part) or np.ndim(part) for part in planned):
        return [_part(part) for part in planned]
    if isinstance(planned, list | tuple | np.ndarray):
        array = _array(planned)
        return [_row(column) for column in array.T] if array.ndim == 2 else [_row(array)]
    return [_part(planned)]


def _part(planned: Any) -> Part:
    if isinstance(planned, Schedule):
        return _cheap(lambda first, end: planned(np.arange(first, end)))
    if isinstance(planned, list | tuple | np.ndarray):
        array = _array(planned)
        if array.ndim == 1:
            return _row(array)
    elif callable(planned) and not isinstance(planned, type):

        def part(first: int, end: int) -> Array:
            rates = [planned(step) for step in range(first, end)]
            if not all(isinstance(rate, Real) for rate in rates):
                _check.fail("planned", NEED, planned, error=TypeError)
            return np.array(rates, np.float64)

        part(0, 1)  # a function that gives no rates is told of at once
        return part
    return _check.fail("planned", NEED, planned, error=TypeError)


def _array(values: Any) -> Array:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        _check.fail("planned", NEED, values, error=TypeError)
    if array.ndim not in (1, 2) or not array.size or not np.isfinite(array).all():
        _check.fail("planned", NEED, values)
    return array


def _row(array: Array) -> Part:
    return _cheap(lambda first, end: array[np.minimum(np.arange(first, end), len(array) - 1)])


def _cheap(part: Part) -> Part:
    part.cheap = True  # type: ignore[attr-defined]
    return part


def _total(planned: Any) -> int | None:
    if isinstance(planned, Schedule):
        return planned.total_steps
    if isinstance(planned, list | tuple) and planned and all(isinstance(part, Schedule) for part in planned):
        return max(part.total_steps or 0 for part in planned) or None
    return None
