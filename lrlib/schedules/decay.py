"""Schedules that glide down: constant (not at all), inverse time and powers of it, polynomial, linear, cosine."""

from typing import Literal

import numpy as np

from lrlib import _check
from lrlib.schedules.schedule import Rates, Schedule, Steps, step_count


def constant(learning_rate: float) -> Schedule:
    """The same rate for every update.

    η_t = η_0 with η_0 = ``learning_rate`` >= 0; 0 is the control that learns nothing.

    Raises:
        TypeError, ValueError: if ``learning_rate`` is no finite number >= 0.

    torch twin: none is needed; ``torch.optim.lr_scheduler.ConstantLR`` is not this but a warm-up in one jump, which
    holds a third of the rate for five steps unless told otherwise.

    Example:
        >>> from lrlib.schedules import constant
        >>> rate = constant(0.1)
        >>> rate(0), rate(50), rate(99), rate(100)
        (0.1, 0.1, 0.1, 0.1)

    Source: Robbins and Monro (1951), A Stochastic Approximation Method, doi:10.1214/aoms/1177729586, for why a
    constant rate does not converge under noise.
    """
    rate = _check.real("learning_rate", learning_rate, at_least=0)
    return Schedule(_constant, name="constant", hyperparameters={"learning_rate": rate})


def _constant(step: Steps, *, learning_rate: float) -> Rates:
    return np.full(step.shape, learning_rate)


def inverse_time(learning_rate: float, *, decay_rate: float, decay_steps: float = 1) -> Schedule:
    """Time-based decay: the rate falls like one over the step.

    η_t = η_0 / (1 + k t / s) with η_0 = ``learning_rate`` > 0, k = ``decay_rate`` >= 0 and s = ``decay_steps`` > 0,
    so that the rate has halved after s / k steps.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: none; ``LambdaLR`` with the formula. Keras calls it ``InverseTimeDecay``, with the same arguments.

    Example:
        >>> from lrlib.schedules import inverse_time
        >>> rate = inverse_time(0.1, decay_rate=1.0, decay_steps=50)
        >>> rate(0), rate(50), round(rate(99), 6), round(rate(100), 6)
        (0.1, 0.05, 0.033557, 0.033333)

    Source: Robbins and Monro (1951), A Stochastic Approximation Method, doi:10.1214/aoms/1177729586.
    """
    return Schedule(
        _inverse_time,
        name="inverse_time",
        hyperparameters={
            "learning_rate": _check.real("learning_rate", learning_rate, above=0),
            "decay_rate": _check.real("decay_rate", decay_rate, at_least=0),
            "decay_steps": _check.real("decay_steps", decay_steps, above=0),
        },
    )


def _inverse_time(step: Steps, *, learning_rate: float, decay_rate: float, decay_steps: float) -> Rates:
    return learning_rate / (1 + decay_rate * step / decay_steps)


def inverse_power(learning_rate: float, *, power: float, decay_steps: float = 1) -> Schedule:
    """The rate falls like one over a power of the step, for ever: a rate for a run whose length is not known.

    η_t = η_0 / (1 + (t / s)^p) with η_0 = ``learning_rate`` > 0, p = ``power`` > 0 and s = ``decay_steps`` > 0: the a /
    (b + t^p) of the theory, with b = s^p and a = η_0 b. The rate has halved after s steps, whatever p is. With p = 1 it
    is :func:`inverse_time`. It is often called polynomial decay, too, but it is not :func:`polynomial`, which is a
    power of the time that is left and ends.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: none; ``LambdaLR`` with the formula.

    Example:
        >>> from lrlib.schedules import inverse_power
        >>> rate = inverse_power(0.1, power=0.5, decay_steps=25)
        >>> rate(0), rate(25), round(rate(99), 6), round(rate(100), 6)
        (0.1, 0.05, 0.033445, 0.033333)

    Source: Ge, Kakade, Kidambi and Netrapalli (2019), The Step Decay Schedule, arXiv:1904.12838, who show what it
    loses to a step decay.
    """
    return Schedule(
        _inverse_power,
        name="inverse_power",
        hyperparameters={
            "learning_rate": _check.real("learning_rate", learning_rate, above=0),
            "power": _check.real("power", power, above=0),
            "decay_steps": _check.real("decay_steps", decay_steps, above=0),
        },
    )


def _inverse_power(step: Steps, *, learning_rate: float, power: float, decay_steps: float) -> Rates:
    return learning_rate / (1 + (step / decay_steps) ** power)


def polynomial(learning_rate: float, *, total_steps: int, power: float = 1.0, eta_min: float = 0.0) -> Schedule:
    """From ``learning_rate`` to ``eta_min`` along a power of the time that is left.

    η_t = η_min + (η_0 − η_min) (1 − t / T)^p up to T, then η_min; η_0 = ``learning_rate`` > 0, T = ``total_steps``
    >= 1, p = ``power`` > 0, 0 <= η_min = ``eta_min`` <= η_0. η_min is the rate at step T: of T updates the last, number
    T − 1, still uses a little more.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: ``PolynomialLR`` with ``total_iters=total_steps``, at the same steps; it has no ``eta_min``.

    Example:
        >>> from lrlib.schedules import polynomial
        >>> rate = polynomial(0.1, total_steps=100, power=2.0)
        >>> [round(rate(step), 6) for step in (0, 50, 99, 100, 101)]
        [0.1, 0.025, 1e-05, 0.0, 0.0]

    Source: Chen, Papandreou, Kokkinos, Murphy and Yuille (2016), DeepLab, arXiv:1606.00915, with power 0.9.
    """
    rate = _check.real("learning_rate", learning_rate, above=0)
    total = step_count("total_steps", total_steps, at_least=1)
    return Schedule(
        _polynomial,
        name="polynomial",
        hyperparameters={
            "learning_rate": rate,
            "total_steps": total,
            "power": _check.real("power", power, above=0),
            "eta_min": _check.real("eta_min", eta_min, at_least=0, at_most=rate),
        },
        total_steps=total,
    )


def _polynomial(step: Steps, *, learning_rate: float, total_steps: int, power: float, eta_min: float) -> Rates:
    left = 1 - np.minimum(step, total_steps) / total_steps
    return eta_min + (learning_rate - eta_min) * left**power


def linear(learning_rate: float, *, total_steps: int, eta_min: float = 0.0) -> Schedule:
    """From ``learning_rate`` to ``eta_min`` in equal decrements.

    η_t = η_min + (η_0 − η_min) (1 − t / T) up to T, then η_min; η_0 = ``learning_rate`` > 0, T = ``total_steps`` >= 1,
    0 <= η_min = ``eta_min`` <= η_0. It is :func:`polynomial` with power 1.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: ``LinearLR`` with ``start_factor=1``, ``end_factor=eta_min / learning_rate`` and
    ``total_iters=total_steps``, at the same steps. With its defaults ``LinearLR`` is a warm-up instead:
    :func:`~lrlib.schedules.warmup_linear`.

    Example:
        >>> from lrlib.schedules import linear
        >>> rate = linear(0.1, total_steps=100)
        >>> [round(rate(step), 6) for step in (0, 50, 99, 100, 101)]
        [0.1, 0.05, 0.001, 0.0, 0.0]

    Source: Bergsma, Dey, Gosal, Gray, Soboleva and Hestness (2025), Straight to Zero: Why Linearly Decaying the
    Learning Rate to Zero Works Best for LLMs, arXiv:2502.15938.
    """
    rate = _check.real("learning_rate", learning_rate, above=0)
    total = step_count("total_steps", total_steps, at_least=1)
    return Schedule(
        _linear,
        name="linear",
        hyperparameters={
            "learning_rate": rate,
            "total_steps": total,
            "eta_min": _check.real("eta_min", eta_min, at_least=0, at_most=rate),
        },
        total_steps=total,
    )


def _linear(step: Steps, *, learning_rate: float, total_steps: int, eta_min: float) -> Rates:
    return _polynomial(step, learning_rate=learning_rate, total_steps=total_steps, power=1.0, eta_min=eta_min)


def cosine(learning_rate: float, *, total_steps: int, eta_min: float = 0.0) -> Schedule:
    """From ``learning_rate`` to ``eta_min`` along half a cosine.

    η_t = η_min + (η_0 − η_min) (1 + cos(π t / T)) / 2 up to T, then η_min; η_0 = ``learning_rate`` > 0,
    T = ``total_steps`` >= 1, 0 <= η_min = ``eta_min`` <= η_0. η_min is the rate at step T: of T updates the last,
    number T − 1, still uses a little more.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: ``CosineAnnealingLR`` with ``T_max=total_steps``, at the same steps up to T. Past T torch follows the
    cosine up again, back to the full rate at 2 T; this schedule stays at ``eta_min``.

    Example:
        >>> from lrlib.schedules import cosine
        >>> rate = cosine(0.1, total_steps=100)
        >>> [round(rate(step), 6) for step in (0, 50, 99, 100, 101)]
        [0.1, 0.05, 2.5e-05, 0.0, 0.0]

    Source: Loshchilov and Hutter (2017), SGDR: Stochastic Gradient Descent with Warm Restarts, arXiv:1608.03983.
    """
    rate = _check.real("learning_rate", learning_rate, above=0)
    total = step_count("total_steps", total_steps, at_least=1)
    return Schedule(
        _cosine,
        name="cosine",
        hyperparameters={
            "learning_rate": rate,
            "total_steps": total,
            "eta_min": _check.real("eta_min", eta_min, at_least=0, at_most=rate),
        },
        total_steps=total,
    )


def _cosine(step: Steps, *, learning_rate: float, total_steps: int, eta_min: float) -> Rates:
    progress = np.minimum(step, total_steps) / total_steps
    return eta_min + (learning_rate - eta_min) * (1 + np.cos(np.pi * progress)) / 2


FallShape = Literal["linear", "cosine", "1-sqrt"]
FALL_SHAPES = ("linear", "cosine", "1-sqrt")


def share_left(progress: Rates, shape: str) -> Rates:
    """How much of a fall is still to come, 1 at ``progress`` 0 and 0 at 1."""
    if shape == "linear":
        return 1 - progress
    if shape == "cosine":
        return (1 + np.cos(np.pi * progress)) / 2
    return 1 - np.sqrt(progress)
