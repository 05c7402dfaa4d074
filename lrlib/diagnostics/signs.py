"""What can be said of a run's rates without a plan."""

import math
from collections.abc import Iterator, Sequence

from torch.optim.lr_scheduler import LRScheduler

from lrlib.diagnostics.departures import Departure
from lrlib.diagnostics.torch_schedulers import Driver, counter_of, states

MANY = 100  # updates after which a scheduler that was never stepped is worth a word

Rates = tuple[float, ...]


class Signs:
    """Remembers what the last update looked like; each kind of sign is given once."""

    def __init__(self) -> None:
        self.loaded: Rates | None = None  # the rates that a loaded state brought
        self._counters: list[int] = []
        self._first_counters: list[int] = []
        self._strides = 0
        self._given: set[str] = set()

    def at(
        self, step: int, rates: Rates, used: Sequence[Rates], schedulers: list[LRScheduler], *, resumed: bool
    ) -> Iterator[Departure]:
        """The signs at the update that is about to use ``rates``, after those ``used``."""
        counters = [counter_of(scheduler) for scheduler in schedulers]
        first = resumed or not used
        stride = max((now - before for now, before in zip(counters, self._counters, strict=False)), default=0)
        self._strides = self._strides + 1 if stride > 1 and used else 0
        if first or self.loaded is not None or self._strides == 2 or self._may_be_told(rates, used):
            drivers = states(schedulers)
            for kind, group, why in [
                *self._not_a_rate(rates, used),
                *self._after_loading(rates, drivers, first=first),
                *self._counted(rates, used, drivers, stride),
                *self._begun_anew(rates, used),
            ]:
                if kind not in self._given:
                    self._given.add(kind)
                    yield Departure(step, group, None, rates[group], why)
        self.loaded, self._counters = None, counters
        if not used:
            self._first_counters = counters

    def _may_be_told(self, rates: Rates, used: Sequence[Rates]) -> bool:
        """Whether the rates are any that the signs below look for: most updates are done with here."""
        rate, begin = rates[0], used[:3]
        return (
            not all(0 < value < math.inf for value in rates)
            or rate > used[-1][0]  # a cosine that climbs again
            or (len(begin) == 3 and rate == begin[2][0] and rate != used[-1][0])  # a warm-up that begins anew
        )

    def at_the_end(self, schedulers: list[LRScheduler], used: Sequence[Rates]) -> Iterator[Departure]:
        """The sign that only a whole run can give: a scheduler that was never stepped."""
        counters = [counter_of(scheduler) for scheduler in schedulers]
        still = bool(counters) and counters == self._first_counters and all(rates == used[0] for rates in used)
        if still and len(used) >= MANY:
            name = type(schedulers[0]).__name__
            why = f"{name} was not stepped in {len(used)} updates: right only if no epoch has ended"
            yield Departure(0, 0, None, used[0][0], why)

    def _not_a_rate(self, rates: Rates, used: Sequence[Rates]) -> Iterator[tuple[str, int, str]]:
        for group, rate in enumerate(rates):
            if not math.isfinite(rate) or rate < 0:
                yield "no rate", group, "no rate to descend by; a scheduler past its end gives such"
                continue
            twice = rate == 0 and used and used[-1][group : group + 1] == (0.0,)
            if twice and any(row[group] > 0 for row in used if group < len(row)):  # not frozen from the start
                yield "zero", group, "the rate has come to 0: nothing is learned from here on"

    def _after_loading(self, rates: Rates, drivers: Sequence[Driver], *, first: bool) -> Iterator[tuple[str, int, str]]:
        if self.loaded is not None:
            for group, (now, then) in enumerate(zip(rates, self.loaded, strict=False)):
                if not math.isclose(now, then, rel_tol=1e-6):
                    yield (
                        "loaded",
                        group,
                        f"the loaded state brought {then:.6g}, and something has set another rate since",
                    )
                    return
        if first and drivers and all(len(driver.rates) == len(rates) for driver in drivers):
            for group, rate in enumerate(rates):
                if not any(math.isclose(driver.rates[group], rate, rel_tol=1e-5) for driver in drivers):
                    said = drivers[-1]
                    yield (
                        "disagree",
                        group,
                        f"{said.name} says {said.rates[group]:.6g}: one was loaded or made too late",
                    )
                    return

    def _counted(
        self, rates: Rates, used: Sequence[Rates], drivers: Sequence[Driver], stride: int
    ) -> Iterator[tuple[str, int, str]]:
        for driver in drivers:
            past = driver.length == "T_max" and driver.ends is not None and driver.counter > driver.ends
            if past and used and rates[0] > used[-1][0]:
                yield "climbs", 0, f"{driver} climbs again past its end, at step {driver.counter}"
        if self._strides == 2:
            yield "strides", 0, f"the scheduler is stepped {stride} times an update: right only if its lengths count so"

    def _begun_anew(self, rates: Rates, used: Sequence[Rates]) -> Iterator[tuple[str, int, str]]:
        """A warm-up that comes twice: a fall in one update, then the very rates of the beginning."""
        if len(used) < 6:
            return
        now = [row[0] for row in (*used[-2:], rates)]
        begin = [row[0] for row in used[:3]]
        if begin[0] < begin[1] < begin[2] and now == begin:
            fall, usual = used[-3][0] - now[0], max(abs(used[-4][0] - used[-3][0]), begin[1] - begin[0])
            if fall > 3 * usual:  # a cycle comes down as it went up
                yield "anew", 0, "the warm-up begins anew: the scheduler was made again, or its state was not loaded"
