"""Schedules made of schedules: one after another, scaled, and cooled down from a chosen step."""

from collections.abc import Sequence

import numpy as np

from lrlib import _check
from lrlib.schedules.decay import FALL_SHAPES, FallShape, share_left
from lrlib.schedules.schedule import Rates, Schedule, Steps, a_schedule, increasing_steps, step_count


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


def cool_down(
    schedule: Schedule, *, from_step: int, steps: int, shape: FallShape = "linear", eta_min: float = 0.0
) -> Schedule:
    """A schedule that falls from ``from_step`` on, from wherever it is then: the end of a run of open length.

    η_t = S(t) up to B = ``from_step`` >= 0, then η_min + (S(B) − η_min) d(x) with x = (t − B) / D, D = ``steps`` >= 1
    and d(x) = 1 − x (``shape="linear"``), (1 + cos π x) / 2 (``"cosine"``) or 1 − √x (``"1-sqrt"``), and η_min =
    ``eta_min``, between 0 and S(B), from step B + D on, which is the horizon.

    Until B it is S to the bit. So a checkpoint of a run along S, taken before update B, can be continued along this
    schedule, as often and with as many B and D as wanted, while the trunk goes on along S.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: none for the whole; a new scheduler over the ``steps`` at the checkpoint.

    Example:
        >>> from lrlib.schedules import constant, cool_down
        >>> rate = cool_down(constant(0.1), from_step=80, steps=20, shape="1-sqrt")
        >>> rate.total_steps
        100
        >>> [round(rate(step), 6) for step in (0, 79, 80, 85, 99, 100, 101)]
        [0.1, 0.1, 0.1, 0.05, 0.002532, 0.0, 0.0]

    Source: Hägele et al. (2024), Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations,
    arXiv:2405.18392.
    """
    trunk = a_schedule("schedule", schedule)
    start = step_count("from_step", from_step, at_least=0)
    length = step_count("steps", steps, at_least=1)
    return Schedule(
        _cool_down,
        name="cool_down",
        hyperparameters={
            "schedule": trunk,
            "from_step": start,
            "steps": length,
            "shape": _check.choice("shape", shape, FALL_SHAPES),
            "eta_min": _check.real("eta_min", eta_min, at_least=0, at_most=trunk(start)),
        },
        total_steps=start + length,
    )


def _cool_down(step: Steps, *, schedule: Schedule, from_step: int, steps: int, shape: str, eta_min: float) -> Rates:
    progress = np.clip((step - from_step) / steps, 0, 1)
    fall = eta_min + (schedule(from_step) - eta_min) * share_left(progress, shape)
    return np.where(step <= from_step, schedule(np.minimum(step, from_step)), fall)
