"""A schedule and the length of the run that follows it."""

import sys
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lrlib import _check
from lrlib.schedules import Schedule

Unfinished = Literal["warn", "ok", "raise"]
_ROOT = str(Path(__file__).parents[1])


class UnfinishedSchedule(UserWarning):
    """A run ends before its schedule does, so that its rate has not come to where it was to end."""


def unfinished(schedule: Schedule | None, steps: int) -> str | None:
    """How much of a schedule a run of ``steps`` updates leaves unused, None if nothing.

    Rates are told as shares of the schedule's highest, which hold for every run that follows its shape.

    >>> from lrlib.schedules import linear, with_warmup
    >>> unfinished(with_warmup(linear(1.0, total_steps=100), warmup_steps=10), 100)
    'used 100 of 110 steps of its schedule (last rate 0.11 of the highest, at the end 0)'
    """
    if schedule is None or schedule.total_steps is None or schedule.total_steps <= steps:
        return None
    total = schedule.total_steps
    highest = float(schedule(np.arange(total)).max()) or 1.0
    last, end = schedule(steps - 1) / highest, schedule(total) / highest
    return f"used {steps} of {total} steps of its schedule (last rate {last:.3g} of the highest, at the end {end:.3g})"


def check_horizon(name: str, schedule: Any, steps: int, policy: Unfinished) -> None:
    """A schedule that is defined for all of a run's steps; one that goes on beyond is mentioned, as ``policy`` says."""
    if not isinstance(schedule, Schedule):
        _check.fail(name, "a Schedule", schedule, error=TypeError)
    _check.choice("unfinished", policy, ("warn", "ok", "raise"))
    if schedule.total_steps is not None and schedule.total_steps < steps:
        _check.fail(name, f"a schedule of at least {steps} steps, as many as the run", schedule)
    note = unfinished(schedule, steps)
    if note is None or policy == "ok":
        return
    if policy == "raise":
        _check.fail(name, f"a schedule of {steps} steps, as many as the run ({note})", schedule)
    level = 2  # the first frame outside this package, however deep inside the check is made
    while level < 20 and sys._getframe(level - 1).f_code.co_filename.startswith(_ROOT):
        level += 1
    warnings.warn(f"the run {note}; unfinished='ok' if that is the point", UnfinishedSchedule, stacklevel=level)


def check_base(schedule: Schedule, steps: int) -> None:
    """A schedule whose highest rate over the run is 1, since a sweep multiplies it by each of its rates.

    To 1 %, since the peak of a one-cycle schedule may fall between two updates.
    """
    peak = float(schedule(np.arange(steps)).max())
    if not abs(peak - 1) <= 0.01:
        how = f"scale(schedule, {1 / peak:.6g}) is" if 0 < peak < np.inf else "none such is"
        need = f"a shape whose highest rate over the {steps} steps is 1, not {peak:.6g}: each learning rate is a peak"
        _check.fail("schedule", f"{need} that it is multiplied by ({how}; train takes a schedule as it is)", schedule)
