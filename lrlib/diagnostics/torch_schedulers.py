"""What torch's own schedulers know of themselves: evidence for why a rate is not the planned one."""

import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch.optim.lr_scheduler import LRScheduler

LENGTHS = ("T_max", "total_steps", "total_iters")


@dataclass(frozen=True)
class Driver:
    """A scheduler that drives an optimizer, as it stands."""

    name: str
    counter: int  # its steps so far
    rates: tuple[float, ...]  # those it set last
    length: str  # the argument that holds its length
    begins: int  # the count of its parent at which it begins
    ends: int | None

    def __str__(self) -> str:
        return f"{self.name}({self.length}={self.ends - self.begins})" if self.ends is not None else self.name


def drivers(layers: Sequence[Any]) -> list[LRScheduler]:
    """The schedulers in this process that hold an optimizer, or a wrapper around it, and are no parts of others.

    One walk through the heap, some 30 ms.
    """
    held = gc.get_referrers(*layers)
    found = [item for item in held if _is_scheduler(item)]
    spread = [item for item in held if type(item) is dict and "optimizer" in item and "last_epoch" in item]
    found += [item for item in (gc.get_referrers(*spread) if spread else []) if _is_scheduler(item)]
    parts = {id(part) for item in found for part in getattr(item, "_schedulers", ())}
    return [item for item in found if id(item) not in parts]


def _is_scheduler(item: Any) -> bool:
    return issubclass(type(item), LRScheduler)  # isinstance() would ask lazy objects for their class


def counter_of(scheduler: LRScheduler) -> int:
    """How many steps a scheduler has made; a chain has no counter of its own, but its parts."""
    count = getattr(scheduler, "last_epoch", None)
    return int(scheduler._schedulers[0].last_epoch if count is None else count)  # type: ignore[attr-defined]


def states(schedulers: list[LRScheduler]) -> list[Driver]:
    """Every scheduler as it stands; one that takes turns, as the part whose turn it is."""
    return [_state(scheduler, 0) for scheduler in schedulers]


def _state(scheduler: LRScheduler, begins: int) -> Driver:
    parts, milestones = getattr(scheduler, "_schedulers", None), getattr(scheduler, "_milestones", None)
    rates = tuple(float(rate) for rate in getattr(scheduler, "_last_lr", ()))
    counter = counter_of(scheduler)
    name = type(scheduler).__name__
    if parts and milestones is not None:  # the last part decides where the whole ends
        last = _state(parts[-1], milestones[-1])
        return Driver(last.name, counter, rates, last.length, last.begins, last.ends)
    length = next((key for key in LENGTHS if isinstance(getattr(scheduler, key, None), int)), "")
    return Driver(name, counter, rates, length, begins, begins + getattr(scheduler, length) if length else None)


def under_scaler() -> bool:
    """Whether a ``GradScaler`` is among the callers."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.endswith("grad_scaler.py"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
