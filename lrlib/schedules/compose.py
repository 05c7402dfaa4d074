"""Schedules made of schedules: one after another, and scaled."""

from collections.abc import Sequence

import numpy as np

from lrlib import _check
from lrlib.schedules.schedule import Rates, Schedule, Steps, a_schedule, increasing_steps


def join(schedules: Sequence[Schedule], *, boundaries: Sequence[int]) -> Schedule:
    """One schedule after another, each counting from 0 where it begins.

    η_t = S_i(t − b_i), with S_i the i-th of ``schedules`` and b_i the last of 0 and ``boundaries`` that is <= t. Update
    number ``boundaries[i]`` is the first of schedule i + 1. The horizon is the last boundary plus the last schedule's.

    Args:
        schedules: two or more.
        boundaries: strictly increasing integers >= 1, one fewer than schedules.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: ``SequentialLR`` with ``milestones=boundaries``, at the same steps.

    Example:
        >>> from lrlib.schedules import constant, join, linear
        >>> rate = join([constant(0.1), linear(0.1, total_steps=20)], boundaries=[80])
        >>> rate.total_steps
        100
        >>> [round(rate(step), 6) for step in (0, 80, 81, 90, 99, 100)]
        [0.1, 0.1, 0.095, 0.05, 0.005, 0.0]

    Source: the PyTorch documentation of ``torch.optim.lr_scheduler.SequentialLR``.
    """
    if not isinstance(schedules, Sequence):
        _check.fail("schedules", "a sequence of two or more Schedules", schedules, error=TypeError)
    if len(schedules) < 2:
        _check.fail("schedules", "a sequence of two or more Schedules", schedules)
    parts = tuple(a_schedule(f"schedules[{i}]", schedule) for i, schedule in enumerate(schedules))
    starts = increasing_steps("boundaries", boundaries)
    if len(starts) != len(parts) - 1:
        _check.fail("boundaries", f"one step fewer than the {len(parts)} schedules", boundaries)
    horizon = parts[-1].total_steps
    return Schedule(
        _join,
        name="join",
        hyperparameters={"schedules": parts, "boundaries": starts},
        total_steps=None if horizon is None else starts[-1] + horizon,
    )


def _join(step: Steps, *, schedules: tuple[Schedule, ...], boundaries: tuple[int, ...]) -> Rates:
    number = np.searchsorted(boundaries, step, side="right")
    rates = np.empty(step.shape)
    for i, (schedule, start) in enumerate(zip(schedules, (0, *boundaries), strict=True)):
        inside = number == i
        rates[inside] = schedule(step[inside] - start)
    return rates


def scale(schedule: Schedule, factor: float) -> Schedule:
    """A schedule with all its rates multiplied by ``factor``.

    η_t = a S(t) with S = ``schedule`` and a = ``factor`` > 0; the horizon stays. With a list of factors one shape
    becomes a sweep over peak rates.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: the schedule's own, on an optimizer whose rate is ``factor`` times as high; an ``eta_min`` is scaled
    here, too, and is not there.

    Example:
        >>> from lrlib.schedules import linear, scale
        >>> rate = scale(linear(0.1, total_steps=100), 10.0)
        >>> [round(rate(step), 6) for step in (0, 50, 99, 100, 101)]
        [1.0, 0.5, 0.01, 0.0, 0.0]

    Source: Goyal et al. (2017), Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour, arXiv:1706.02677, who scale
    a whole schedule with the batch size.
    """
    inner = a_schedule("schedule", schedule)
    return Schedule(
        _scale,
        name="scale",
        hyperparameters={"schedule": inner, "factor": _check.real("factor", factor, above=0)},
        total_steps=inner.total_steps,
    )


def _scale(step: Steps, *, schedule: Schedule, factor: float) -> Rates:
    return factor * schedule(step)
