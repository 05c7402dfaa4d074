"""Schedules that multiply the rate by a factor: at even steps, at chosen steps, at every step."""

from collections.abc import Sequence

import numpy as np

from lrlib import _check
from lrlib.schedules.schedule import Rates, Schedule, Steps, increasing_steps, step_count


def step_decay(learning_rate: float, *, step_size: int, gamma: float = 0.1) -> Schedule:
    """Step decay: a factor ``gamma`` every ``step_size`` updates.

    η_t = η_0 γ^⌊t / s⌋ with η_0 = ``learning_rate`` > 0, γ = ``gamma`` > 0 and s = ``step_size`` >= 1. Update s is
    the first at the lower rate.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: ``StepLR``, at the same steps. The rate in use is its ``get_last_lr()``: its ``get_lr()`` multiplies by
    ``gamma`` once too often whenever the last step was a drop.

    Example:
        >>> from lrlib.schedules import step_decay
        >>> rate = step_decay(0.1, step_size=50, gamma=0.5)
        >>> rate(0), rate(49), rate(50), rate(99), rate(100)
        (0.1, 0.1, 0.05, 0.05, 0.025)

    Source: Krizhevsky, Sutskever and Hinton (2012), ImageNet Classification with Deep Convolutional Neural Networks,
    doi:10.1145/3065386, who divided by 10 by hand.
    """
    return Schedule(
        _step_decay,
        name="step_decay",
        hyperparameters={
            "learning_rate": _check.real("learning_rate", learning_rate, above=0),
            "step_size": step_count("step_size", step_size, at_least=1),
            "gamma": _check.real("gamma", gamma, above=0),
        },
    )


def _step_decay(step: Steps, *, learning_rate: float, step_size: int, gamma: float) -> Rates:
    return learning_rate * np.power(gamma, step // step_size)


step = step_decay  # as torch's StepLR; the longer name does not hide a loop's own ``step``


def multistep(learning_rate: float, *, milestones: Sequence[int], gamma: float = 0.1) -> Schedule:
    """A factor ``gamma`` at each of the given steps.

    η_t = η_0 γ^n with n the number of ``milestones`` <= t, η_0 = ``learning_rate`` > 0 and γ = ``gamma`` > 0. The
    update whose number is a milestone is the first at the lower rate.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range; ``milestones`` are strictly
            increasing integers >= 1.

    torch twin: ``MultiStepLR``, at the same steps. torch takes milestones in any order, and one given twice counts
    twice.

    Example:
        >>> from lrlib.schedules import multistep
        >>> rate = multistep(0.1, milestones=[50, 75], gamma=0.5)
        >>> rate(0), rate(49), rate(50), rate(99), rate(100)
        (0.1, 0.1, 0.05, 0.025, 0.025)

    Source: He, Zhang, Ren and Sun (2015), Deep Residual Learning for Image Recognition, arXiv:1512.03385.
    """
    return Schedule(
        _multistep,
        name="multistep",
        hyperparameters={
            "learning_rate": _check.real("learning_rate", learning_rate, above=0),
            "milestones": increasing_steps("milestones", milestones),
            "gamma": _check.real("gamma", gamma, above=0),
        },
    )


def _multistep(step: Steps, *, learning_rate: float, milestones: tuple[int, ...], gamma: float) -> Rates:
    return learning_rate * np.power(gamma, np.searchsorted(milestones, step, side="right"))


def exponential(learning_rate: float, *, gamma: float) -> Schedule:
    """A factor ``gamma`` at every update.

    η_t = η_0 γ^t with η_0 = ``learning_rate`` > 0 and γ = ``gamma`` > 0. A ``gamma`` above 1 makes the rate grow, as a
    range test wants it.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: ``ExponentialLR``, at the same steps. To go from η_0 to η_T in T steps take γ = (η_T / η_0)^(1 / T).

    Example:
        >>> from lrlib.schedules import exponential
        >>> rate = exponential(0.1, gamma=0.01 ** (1 / 100))
        >>> [round(rate(step), 6) for step in (0, 50, 99, 100)]
        [0.1, 0.01, 0.001047, 0.001]

    Source: Li and Arora (2019), An Exponential Learning Rate Schedule for Deep Learning, arXiv:1910.07454.
    """
    return Schedule(
        _exponential,
        name="exponential",
        hyperparameters={
            "learning_rate": _check.real("learning_rate", learning_rate, above=0),
            "gamma": _check.real("gamma", gamma, above=0),
        },
    )


def _exponential(step: Steps, *, learning_rate: float, gamma: float) -> Rates:
    return learning_rate * np.power(gamma, step)
