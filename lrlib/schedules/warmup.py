"""Schedules that begin low: linear warm-up, alone or before any schedule, warmup-stable-decay, inverse square root."""

import numpy as np

from lrlib import _check
from lrlib.schedules.decay import FALL_SHAPES, FallShape, share_left
from lrlib.schedules.schedule import Rates, Schedule, Steps, a_schedule, step_count


def warmup_linear(learning_rate: float, *, warmup_steps: int, start_factor: float | None = None) -> Schedule:
    """From a fraction of ``learning_rate`` up to all of it in equal increments, then constant.

    η_t = η (f + (1 − f) t / W) up to W, then η; η = ``learning_rate`` > 0, W = ``warmup_steps`` >= 0 (0: no warm-up),
    f = ``start_factor`` in [0, 1]. ``None`` stands for f = 1 / (W + 1), so that the rate climbs by η / (W + 1) from
    each update to the next as if it came from nothing, and no update is spent at a rate of zero. (With f = 0 update 0
    moves nothing; it only fills the moments of Adam and its kin.) Step W is the first
    at the full rate.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: ``LinearLR`` with ``total_iters=warmup_steps``, at the same steps. Its ``start_factor`` is 1/3 unless
    given and may not be 0.

    Example:
        >>> from lrlib.schedules import warmup_linear
        >>> rate = warmup_linear(0.1, warmup_steps=9)
        >>> [round(rate(step), 6) for step in (0, 4, 8, 9, 10)]
        [0.01, 0.05, 0.09, 0.1, 0.1]

    Source: Goyal et al. (2017), Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour, arXiv:1706.02677.
    """
    steps = step_count("warmup_steps", warmup_steps, at_least=0)
    return Schedule(
        _warmup_linear,
        name="warmup_linear",
        hyperparameters={
            "learning_rate": _check.real("learning_rate", learning_rate, above=0),
            "warmup_steps": steps,
            "start_factor": _start_factor(start_factor, steps),
        },
    )


def _start_factor(value: float | None, warmup_steps: int) -> float:
    if value is None:
        return 1 / (warmup_steps + 1)
    return _check.real("start_factor", value, at_least=0, at_most=1)


def _warmup_linear(step: Steps, *, learning_rate: float, warmup_steps: int, start_factor: float) -> Rates:
    progress = np.minimum(step, warmup_steps) / warmup_steps if warmup_steps else np.ones(step.shape)
    return learning_rate * (start_factor + (1 - start_factor) * progress)


def with_warmup(schedule: Schedule, *, warmup_steps: int, start_factor: float | None = None) -> Schedule:
    """Any schedule, with a linear warm-up put in front of it.

    η_t = S(0) (f + (1 − f) t / W) for t < W, then S(t − W); S = ``schedule``, W = ``warmup_steps`` >= 0 (0: no
    warm-up), f = ``start_factor`` in [0, 1] with the default of :func:`warmup_linear`. The schedule is moved, not
    covered: it starts at step W, and the horizon, if it has one, grows by W. To fill T updates, make the schedule for
    T − W.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: ``SequentialLR`` of ``LinearLR`` with ``total_iters=warmup_steps`` and the schedule's twin, with
    ``milestones=[warmup_steps]``, at the same steps.

    Example:
        >>> from lrlib.schedules import cosine, with_warmup
        >>> rate = with_warmup(cosine(0.1, total_steps=91), warmup_steps=9)
        >>> rate.total_steps
        100
        >>> [round(rate(step), 6) for step in (0, 8, 9, 50, 99, 100)]
        [0.01, 0.09, 0.1, 0.057736, 3e-05, 0.0]

    Source: Goyal et al. (2017), Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour, arXiv:1706.02677.
    """
    inner = a_schedule("schedule", schedule)
    steps = step_count("warmup_steps", warmup_steps, at_least=0)
    return Schedule(
        _with_warmup,
        name="with_warmup",
        hyperparameters={
            "schedule": inner,
            "warmup_steps": steps,
            "start_factor": _start_factor(start_factor, steps),
        },
        total_steps=None if inner.total_steps is None else steps + inner.total_steps,
    )


def _with_warmup(step: Steps, *, schedule: Schedule, warmup_steps: int, start_factor: float) -> Rates:
    ramp = _warmup_linear(step, learning_rate=schedule(0), warmup_steps=warmup_steps, start_factor=start_factor)
    return np.where(step < warmup_steps, ramp, schedule(np.maximum(step - warmup_steps, 0)))


def warmup_stable_decay(
    learning_rate: float,
    *,
    total_steps: int,
    warmup_steps: int,
    decay_steps: int,
    eta_min: float = 0.0,
    decay_shape: FallShape = "linear",
    start_factor: float | None = None,
) -> Schedule:
    """Up, then constant, then down in the last ``decay_steps`` updates.

    The first W = ``warmup_steps`` updates climb as in :func:`warmup_linear` (same ``start_factor``); the rate is
    η = ``learning_rate`` > 0 until step T − D, with T = ``total_steps`` and D = ``decay_steps`` >= 1; from there it is
    η_min + (η − η_min) d(x) with x = (t − T + D) / D and d(x) = 1 − x (``decay_shape="linear"``), (1 + cos π x) / 2
    (``"cosine"``) or 1 − √x (``"1-sqrt"``), and η_min = ``eta_min``, between 0 and η, from step T on. All steps count:
    W + D <= T. Of T updates the last, number T − 1, still uses a little more than η_min. Where T is not known when the
    run begins, hold a constant rate, and let it fall when the time has come: :func:`~lrlib.schedules.cool_down`.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: ``SequentialLR`` of ``LinearLR`` (warm-up), ``ConstantLR`` with ``factor=1``, and the decay's twin, with
    ``milestones=[W, T - D]``, at the same steps; torch has none for the square root.

    Example:
        >>> from lrlib.schedules import warmup_stable_decay
        >>> rate = warmup_stable_decay(0.1, total_steps=100, warmup_steps=9, decay_steps=20)
        >>> [round(rate(step), 6) for step in (0, 8, 9, 80, 90, 99, 100, 101)]
        [0.01, 0.09, 0.1, 0.1, 0.05, 0.005, 0.0, 0.0]

    Source: Hu et al. (2024), MiniCPM, arXiv:2404.06395; the square root: Hägele et al. (2024), Scaling Laws and
    Compute-Optimal Training Beyond Fixed Training Durations, arXiv:2405.18392.
    """
    rate = _check.real("learning_rate", learning_rate, above=0)
    total = step_count("total_steps", total_steps, at_least=1)
    warmup = step_count("warmup_steps", warmup_steps, at_least=0, at_most=total - 1)
    return Schedule(
        _warmup_stable_decay,
        name="warmup_stable_decay",
        hyperparameters={
            "learning_rate": rate,
            "total_steps": total,
            "warmup_steps": warmup,
            "decay_steps": step_count("decay_steps", decay_steps, at_least=1, at_most=total - warmup),
            "eta_min": _check.real("eta_min", eta_min, at_least=0, at_most=rate),
            "decay_shape": _check.choice("decay_shape", decay_shape, FALL_SHAPES),
            "start_factor": _start_factor(start_factor, warmup),
        },
        total_steps=total,
    )


def _warmup_stable_decay(
    step: Steps,
    *,
    learning_rate: float,
    total_steps: int,
    warmup_steps: int,
    decay_steps: int,
    eta_min: float,
    decay_shape: str,
    start_factor: float,
) -> Rates:
    up = _warmup_linear(step, learning_rate=learning_rate, warmup_steps=warmup_steps, start_factor=start_factor)
    decay_start = total_steps - decay_steps
    progress = (np.clip(step, decay_start, total_steps) - decay_start) / decay_steps
    fall = eta_min + (learning_rate - eta_min) * share_left(progress, decay_shape)
    return np.where(step <= decay_start, up, fall)


def inverse_square_root(learning_rate: float, *, warmup_steps: int) -> Schedule:
    """The transformer's own schedule: straight up to ``learning_rate``, then down like one over the root of the step.

    η_t = η min((t + 1) / W, √(W / (t + 1))) with η = ``learning_rate`` > 0 and W = ``warmup_steps`` >= 1 (1: no
    warm-up). The peak η is used at step W − 1, and has halved by step 4 W − 1. It has no end: a rate for a run whose
    length is not known, to be followed by :func:`~lrlib.schedules.cool_down`. The paper counts from 1 and writes
    d^−1/2 min(t^−1/2, t W^−3/2); its peak is η = (d W)^−1/2.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: none; ``LambdaLR`` with the formula. Hugging Face's ``get_inverse_sqrt_schedule`` counts from 0: its
    update 0 has rate 0, and its peak is one step later.

    Example:
        >>> from lrlib.schedules import inverse_square_root
        >>> rate = inverse_square_root(0.1, warmup_steps=25)
        >>> [round(rate(step), 6) for step in (0, 12, 24, 25, 99, 100)]
        [0.004, 0.052, 0.1, 0.098058, 0.05, 0.049752]

    Source: Vaswani et al. (2017), Attention Is All You Need, arXiv:1706.03762, section 5.3.
    """
    return Schedule(
        _inverse_square_root,
        name="inverse_square_root",
        hyperparameters={
            "learning_rate": _check.real("learning_rate", learning_rate, above=0),
            "warmup_steps": step_count("warmup_steps", warmup_steps, at_least=1),
        },
    )


def _inverse_square_root(step: Steps, *, learning_rate: float, warmup_steps: int) -> Rates:
    count = step + 1
    return learning_rate * np.minimum(count / warmup_steps, np.sqrt(warmup_steps / count))
