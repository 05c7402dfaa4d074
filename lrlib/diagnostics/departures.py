"""Where the rate that was used leaves the rate that was planned, and what that points to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lrlib.diagnostics.torch_schedulers import Driver

SEARCHED = 200_000  # updates of the plan that are looked through for the rate that was used


@dataclass(frozen=True)
class Departure:
    """An update whose rate was not the planned one, or, without a plan, one that looks wrong by itself.

    Args:
        step: the number of the update, from 0.
        group: the number of the parameter group.
        planned: the planned rate; None where nothing was planned.
        used: the rate that the update used.
        why: what it is, and the likely cause, in one line.

    >>> print(Departure(1, 0, 0.1, 0.05, "the schedule runs at half its length"))
    update 1, group 0: planned 0.1, used 0.05: the schedule runs at half its length
    """

    step: int
    group: int
    planned: float | None
    used: float
    why: str

    def __str__(self) -> str:
        planned = "" if self.planned is None else f"planned {self.planned:.6g}, "
        return f"update {self.step}, group {self.group}: {planned}used {self.used:.6g}: {self.why}"


def is_off(used: float, planned: float, peak: float, tolerance: float) -> bool:
    """Whether a rate differs from its plan by more than rounding; a plan that is NaN is none."""
    return not abs(used - planned) <= tolerance * (abs(planned) + 0.01 * peak) and not np.isnan(planned)


@dataclass(frozen=True)
class Evidence:
    """All that is known at an update whose rate left the plan."""

    step: int
    group: int
    used: Sequence[float]  # of every group
    planned: Sequence[float]
    before: Sequence[float] | None  # the rates of the update before, None at the first that was watched
    resumed: bool  # at the first update after a start beyond 0 or after a state was loaded
    stretch: Callable[[int, int, int], np.ndarray[Any, Any]]  # (group, first, end): the plan's rates
    total_steps: int | None
    tolerance: float
    start: int = 0
    drivers: Sequence[Driver] = field(default=())
    driven: bool = True  # False: no scheduler that we know of holds this optimizer
    scaler: bool = False

    def explain(self) -> str:
        """One line: what the rate is, and the likely cause."""
        used, planned, step = self.used[self.group], self.planned[self.group], self.step
        if not np.isfinite(used) or used < 0:
            return f"no rate to descend by; {self._past_end() or 'the formula has left its range'}"
        alone = self._alone()
        if alone:
            return alone
        at = self._place()
        if at is None and not self.resumed and len(self.drivers) > 1:
            names = " and ".join(driver.name for driver in self.drivers)
            return f"{len(self.drivers)} schedulers ({names}) drive this optimizer, and each multiplies what it finds"
        if self.resumed and step:
            return self._after_resuming(at)
        if self.before is None:
            return self._at_first(at)
        known = self._past_end() or self._counts_anew()
        if known:
            return known
        if not self._differ(used, self.before[self.group]):
            return self._standing()
        if at is not None and at > step:
            return self._ahead(at)
        low, high = sorted((self.before[self.group], planned))
        if low < used < high:
            return f"between two rates of the plan: the schedule runs slower than planned{self._lengths()}"
        if at is not None:
            return f"the rate planned for update {at}: the schedule is {step - at} behind{self._counter()}"
        return self._factor()

    def _differ(self, a: float, b: float) -> bool:
        return is_off(a, b, 0.0, self.tolerance)

    def _alone(self) -> str:
        """A reason for one group by itself, where another keeps to its plan."""
        on = [g for g, rate in enumerate(self.planned) if not self._differ(self.used[g], rate)]
        if not on:
            return ""
        used = self.used[self.group]
        same = next(
            (g for g in range(len(self.used)) if g != self.group and not self._differ(used, self.used[g])), None
        )
        if same is not None:
            return f"the rate of group {same}: one value, such as max_lr, was given for groups whose rates differ"
        least = min(self.planned)
        if self.planned[self.group] == least and used > least:
            return "above its plan while other groups keep to theirs: one floor, such as eta_min, for all groups"
        return "this group alone is off: it was added later, or its rate was set by hand"

    def _place(self) -> int | None:
        """The update nearest to this one whose planned rate is the one used."""
        span = (self.total_steps or 2 * self.step) + 1000
        first = max(0, self.step - SEARCHED)
        plan = self.stretch(self.group, first, min(max(span, self.step + 1000), first + 2 * SEARCHED))
        used = self.used[self.group]
        if not plan.size or not used:
            return None
        places = np.flatnonzero(np.abs(plan - used) <= 10 * self.tolerance * abs(used)) + first
        if not places.size or (plan == plan[0]).all():
            return None
        counters = [driver.counter for driver in self.drivers if driver.counter in places]
        if counters:
            return counters[0]
        if self.resumed and places[0] == 0:
            return 0
        return int(places[np.abs(places - self.step).argmin()])

    def _at_first(self, at: int | None) -> str:
        if at and self.scaler:
            return f"the rate planned for update {at}: the scheduler was stepped for {at} that the scaler skipped"
        if at == 1:
            return "the rate planned for update 1: scheduler.step() comes before optimizer.step()"
        if at:
            return (
                f"the rate planned for update {at}: the scheduler was stepped {at} times before training, as for a plot"
            )
        spent = next((driver.counter for driver in self.drivers if driver.counter), 0)
        if spent:
            return f"the scheduler had been stepped {spent} times before the first update, as for a plot"
        return self._factor()

    def _after_resuming(self, at: int | None) -> str:
        step, used = self.step, self.used[self.group]
        planned = self.planned[self.group]
        for driver in self.drivers:
            if self.group < len(driver.rates) and not self._differ(driver.rates[self.group], planned):
                return (
                    f"resumed: {driver.name} knows the right rate, the optimizer does not: "
                    "make the scheduler first, then load the optimizer's state"
                )
        length = self._lengths()
        if any(driver.counter == step for driver in self.drivers) and not length.endswith("?"):
            return f"resumed: the loaded state brings a plan of its own{length}"
        if at == 0:
            return "resumed: the rate planned for update 0: the schedule begins anew, its state was not loaded"
        if at is not None:
            way = "behind" if at < step else "ahead"
            when = "before the scheduler's step" if at < step else "after a step too many"
            return f"resumed: the rate planned for update {at}, {abs(step - at)} {way}: the state was saved {when}"
        counter = next((driver.counter for driver in self.drivers), None)
        if counter == 0 and self.driven:
            return f"resumed: {self.drivers[0].name} begins anew at the rate that it found: its state was not loaded"
        return f"resumed: {used / planned:.4g} × the plan: the optimizer's or the scheduler's state was not loaded"

    def _standing(self) -> str:
        """The rate is that of the update before, and should not be."""
        if not self.driven:
            return "the rate did not move, and no scheduler of torch drives this optimizer: does it hold another one?"
        for driver in self.drivers:
            if driver.counter == 0:
                return f"the rate did not move: {driver.name} has not been stepped: never, or once an epoch"
            if driver.counter < self.step:
                cause = "its state was saved before its step, and resumed" if self.start else "once an epoch?"
                counted = f"{driver.name} has been stepped {driver.counter} times in {self.step} updates"
                return f"the rate did not move: {counted}: {cause}"
        return f"the rate did not move, though the plan does: another schedule{self._lengths()}"

    def _ahead(self, at: int) -> str:
        extra = at - self.step
        if self.scaler:
            return (
                f"the rate planned for update {at}: the scheduler was stepped for {extra} that the GradScaler skipped"
            )
        if self.step == 1 or extra > 1:
            return (
                f"the rate planned for update {at}: the scheduler is stepped {extra + 1} times an update: "
                "once a process, or once a batch whose gradients are accumulated"
            )
        return f"the rate planned for update {at}: the scheduler was stepped, but no update made"

    def _past_end(self) -> str:
        for driver in self.drivers:
            if driver.ends is not None and driver.counter >= driver.ends and driver.length != "total_iters":
                what = "climbs again" if driver.length == "T_max" else "has no rates"
                return f"{driver} {what} past its end, at step {driver.counter}"
        if self.total_steps is not None and self.step >= self.total_steps:
            return f"the plan ends after {self.total_steps} updates"
        return ""

    def _counts_anew(self) -> str:
        for driver in self.drivers:
            if self.start and driver.counter == self.step - self.start:
                return f"{driver.name} counts from the resumption at {self.start}: its state was not loaded"
        return ""

    def _lengths(self) -> str:
        total = self.total_steps
        for driver in self.drivers:
            if total and driver.ends is not None and driver.ends != total:
                return f": {driver} ends at step {driver.ends}, the plan at {total}"
        return ": were its lengths multiplied by processes or batches?"

    def _counter(self) -> str:
        return next((f": {driver.name} counts {driver.counter}" for driver in self.drivers), "")

    def _factor(self) -> str:
        used, planned = self.used[self.group], self.planned[self.group]
        share = f"{used / planned:.4g} × the plan" if planned else "not the plan's 0"
        length = self._lengths()
        if length.endswith("?"):  # nothing is known of lengths
            length = ": another schedule, or another peak"
        names = ", ".join(map(str, self.drivers))
        return f"{share}{length}{', by ' + names if names else ''}"
