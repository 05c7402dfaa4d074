"""What every watch has in common: the record of a run, and the check of each rate before its update is made."""

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from lrlib import _check
from lrlib.curves import Curve
from lrlib.diagnostics.departures import Departure, Evidence, is_off
from lrlib.diagnostics.ledger import Ledger, table
from lrlib.diagnostics.plans import Array, Plan
from lrlib.diagnostics.signs import Signs
from lrlib.diagnostics.torch_schedulers import states

TOLD = 100  # losses that are kept as they were told before all are turned into numbers

Tell = Callable[[Departure], object]


class WatchedRun:
    """The record of a run that is watched: rates used and planned, losses, and where the two kinds of rates part.

    Whoever watches calls ``_check_rates`` before each update and ``_count`` after it.
    """

    def __init__(
        self,
        rates: Sequence[float],
        *,
        planned: Any,
        start: int,
        tolerance: float,
        on_departure: Tell | None,
        source: str,
    ) -> None:
        self._ledger = Ledger(_check.integer("start", start, at_least=0))
        self._tolerance = _check.real("tolerance", tolerance, above=0, below=1)
        self._tell = _warn if on_departure is None else _check.function("on_departure", on_departure)
        self._plan = None if planned is None else Plan(planned, rates)
        self._source = source
        self._departures: list[Departure] = []
        self._off: set[int] = set()
        self._peak, self._peaked = 0.0, 0  # the highest rate planned, among how many updates
        self._resumed = self._ledger.start > 0
        self._signs = Signs()
        self._as_planned = self._quick_way()
        self._told: list[tuple[int, float | Tensor]] = []  # losses; a device may still compute some
        self._loss_first: bool | None = None  # whether losses are told before their update

    def loss(self, value: float | Tensor, *, step: int | None = None) -> None:
        """Record the training loss of an update; of several before one update, the mean.

        Call it at the same place of each turn of the loop, before ``optimizer.step()`` or after it. A tensor is not
        waited for. ``step``: the number of the update, where it is not the one under way.
        """
        if step is None:
            if self._loss_first is None:  # at the first call
                self._loss_first = not self._ledger.used
            step = self._ledger.start + len(self._ledger.used) - (not self._loss_first)
        if not isinstance(value, Tensor):
            self._told.append((step, float(value)))
        else:  # what has no graph may be a running mean, changed in place
            self._told.append((step, value.detach() if value.requires_grad else value.clone()))
        if len(self._told) >= TOLD:
            self._add_losses()

    def validation(self, value: float | Tensor) -> None:
        """Record the loss on examples held out, at the number of updates made so far."""
        self._ledger.validation[self._ledger.count] = float(value.detach() if isinstance(value, Tensor) else value)

    @property
    def step(self) -> int:
        """The number of the next update."""
        return self._ledger.count

    @property
    def departures(self) -> tuple[Departure, ...]:
        """The first update of each stretch of updates off the plan, for each group, in their order."""
        return tuple(self._departures)

    @property
    def rates(self) -> Array:
        """(updates, groups) the rates used; NaN for a group that was not there yet."""
        return table(self._ledger.used)

    @property
    def planned_rates(self) -> Array | None:
        """(updates, groups) the rates planned; None without a plan."""
        return None if self._plan is None else table(self._ledger.planned)

    def curve(self) -> Curve:
        """The run at each update with a loss, for :func:`diagnose` and its like.

        Raises:
            ValueError: if no loss was recorded.
        """
        self._settle()
        return self._ledger.curve(self._source)

    def to_csv(self, path: str | Path) -> None:
        """Write ``step, loss, rate, gradient_norm, update_ratio, validation_loss`` and further groups' rates, the plan.

        A row an update; empty where nothing was measured. A loss measured as NaN reads ``nan``.
        """
        self._settle()
        self._ledger.to_csv(path)

    def _check_rates(self, rates: tuple[float, ...]) -> None:
        """Tell of rates that are off, before the update that is about to use them."""
        if self._plan is None:
            self._look(rates)
        elif not self._as_planned(rates):
            self._compare(self._plan, rates)
        self._resumed = False

    def _quick_way(self) -> Callable[[tuple[float, ...]], bool]:
        """Make the function that nearly every update is done with: are all rates as planned? If so, it says so and
        writes the plan down; else it leaves all to ``_compare``.
        """
        plan, near, start = self._plan, self._tolerance, self._ledger.start
        used, planned, off = self._ledger.used, self._ledger.planned, self._off
        if plan is None:
            return lambda _: False
        rows = plan.rows

        def as_planned(rates: tuple[float, ...]) -> bool:
            number = len(used)
            if off or self._resumed or not number or len(planned) != number or len(rates) != plan.settled:
                return False
            place = start + number - plan.first
            goals = rows[place] if 0 <= place < len(rows) else plan.rates(start + number)
            for rate, goal in zip(rates, goals, strict=True):
                if not abs(rate - goal) <= near * goal:
                    return False
            planned.append(goals)
            return True

        return as_planned

    def _count(self, rates: tuple[float, ...]) -> None:
        """The update with these rates was made."""
        self._ledger.used.append(rates)

    def _drivers(self) -> list[LRScheduler]:
        """The schedulers of torch that drive the run, as far as they can be known."""
        return []

    def _rounding(self) -> float:
        """The relative difference that the format of the rates may make."""
        return 0.0

    def _under_scaler(self) -> bool:
        return False

    def _compare(self, plan: Plan, rates: tuple[float, ...]) -> None:
        ledger, number = self._ledger, len(self._ledger.used)
        step = ledger.start + number
        if len(ledger.planned) > number:  # by an update that was begun and failed
            ledger.planned.pop()
        if len(rates) != plan.settled:
            plan.settle(step, rates)
        planned = plan.rates(step)
        came = range(len(ledger.used[-1]), len(rates)) if ledger.used else ()
        tolerance = max(self._tolerance, self._rounding())
        self._peak = max(self._peak, *planned, *map(max, ledger.planned[self._peaked :]))
        self._peaked = number
        off = {g for g in range(len(rates)) if is_off(rates[g], planned[g], self._peak, tolerance)}
        for group in [g for g in off if plan.has_joined(g)]:
            plan.rejoin(step, group)
            planned = plan.rates(step)
            off -= set() if is_off(rates[group], planned[group], self._peak, tolerance) else {group}
        ledger.planned[len(ledger.used) :] = [planned]
        for group in came:
            due = plan.joins(step, group, rates[group])
            if due is not None:
                why = f"joined at {rates[group] / due:.4g} × the plan: give it the rate that is due"
                self._report(Departure(step, group, due, rates[group], why))
        if off - self._off:
            self._explain(plan, rates, sorted(off - self._off), tolerance)
        self._off.clear()
        self._off.update(off)

    def _explain(self, plan: Plan, rates: tuple[float, ...], groups: list[int], tolerance: float) -> None:
        used, planned = self._ledger.used, self._ledger.planned[-1]
        found, scaler = self._drivers(), self._under_scaler()
        for group in groups:
            evidence = Evidence(
                step=self._ledger.count,
                group=group,
                used=rates,
                planned=planned,
                before=used[-1] + rates[len(used[-1]) :] if used else None,
                resumed=self._resumed,
                stretch=plan.stretch,
                total_steps=plan.total_steps,
                tolerance=tolerance,
                start=self._ledger.start,
                drivers=states(found),
                driven=bool(found),
                scaler=scaler,
            )
            why = evidence.explain()
            self._report(Departure(self._ledger.count, group, planned[group], rates[group], why))

    def _look(self, rates: tuple[float, ...]) -> None:
        """Without a plan: what looks wrong by itself."""
        ledger = self._ledger
        del ledger.planned[len(ledger.used) :]  # that of an update that was begun and failed
        ledger.planned.append((math.nan,) * len(rates))
        schedulers = self._drivers()
        for departure in self._signs.at(ledger.count, rates, ledger.used, schedulers, resumed=self._resumed):
            self._report(departure)

    def _report(self, departure: Departure) -> None:
        if departure not in self._departures:
            self._departures.append(departure)
            self._tell(departure)

    def _settle(self) -> None:
        """Put what was told and measured into the ledger."""
        self._add_losses()

    def _add_losses(self) -> None:
        told, self._told = self._told, []
        for (step, _), number in zip(told, _numbers([value for _, value in told]), strict=True):
            self._ledger.add_loss(step, number)


def _numbers(values: list[float | Tensor]) -> list[float]:
    """With one wait for a device, unless they are of several kinds."""
    if all([isinstance(value, Tensor) for value in values]):
        try:
            numbers: list[float] = torch.stack(values).reshape(len(values)).tolist()  # type: ignore[arg-type]
            return numbers
        except RuntimeError:
            pass
    return [float(value) for value in values]


def _warn(departure: Departure) -> None:
    warnings.warn(str(departure), UserWarning, stacklevel=8)
