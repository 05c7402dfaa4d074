"""Schedules that rise and fall: warm restarts, cyclic, one-cycle."""

import itertools
from typing import Literal

import numpy as np

from lrlib import _check
from lrlib.schedules.schedule import Rates, Schedule, Steps, step_count


def warm_restarts(learning_rate: float, *, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> Schedule:
    """Half a cosine, again and again, each ``T_mult`` times as long as the one before.

    η_t = η_min + (η_0 − η_min) (1 + cos(π c / C)) / 2, where c counts the updates since the last restart and C is the
    length of the cycle, ``T_0`` >= 1 for the first; η_0 = ``learning_rate`` > 0, ``T_mult`` >= 1,
    0 <= η_min = ``eta_min`` <= η_0. The rate is back at η_0 on the very step at which the cosine would reach η_min, so
    η_min itself is never used.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: ``CosineAnnealingWarmRestarts``, at the same steps.

    Example:
        >>> from lrlib.schedules import warm_restarts
        >>> rate = warm_restarts(0.1, T_0=100, T_mult=2)
        >>> [round(rate(step), 6) for step in (0, 50, 99, 100, 200, 299, 300)]
        [0.1, 0.05, 2.5e-05, 0.1, 0.05, 6e-06, 0.1]

    Source: Loshchilov and Hutter (2017), SGDR: Stochastic Gradient Descent with Warm Restarts, arXiv:1608.03983.
    """
    rate = _check.real("learning_rate", learning_rate, above=0)
    return Schedule(
        _warm_restarts,
        name="warm_restarts",
        hyperparameters={
            "learning_rate": rate,
            "T_0": step_count("T_0", T_0, at_least=1),
            "T_mult": step_count("T_mult", T_mult, at_least=1),
            "eta_min": _check.real("eta_min", eta_min, at_least=0, at_most=rate),
        },
    )


def _warm_restarts(step: Steps, *, learning_rate: float, T_0: int, T_mult: int, eta_min: float) -> Rates:
    if T_mult == 1:
        progress = step % T_0 / T_0
    else:
        # Whole-number starts rather than a logarithm, which rounding puts on the wrong side of a restart.
        last = int(step.max(initial=0))
        starts, lengths = [0], [T_0]
        while starts[-1] + lengths[-1] <= last:
            starts.append(starts[-1] + lengths[-1])
            lengths.append(lengths[-1] * T_mult)
        cycle = np.searchsorted(starts, step, side="right") - 1
        progress = (step - np.asarray(starts)[cycle]) / np.asarray(lengths, dtype=np.float64)[cycle]
    return eta_min + (learning_rate - eta_min) * (1 + np.cos(np.pi * progress)) / 2


def cyclic(
    base_lr: float,
    *,
    max_lr: float,
    step_size_up: int,
    step_size_down: int | None = None,
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
    gamma: float = 1.0,
) -> Schedule:
    """Straight up from ``base_lr`` to ``max_lr`` and straight down again, for ever.

    η_t = η_base + (η_max − η_base) h a, with h the height of the triangle, from 0 up to 1 over ``step_size_up`` >= 1
    updates and back to 0 over ``step_size_down`` >= 1 (``None``: as many), and a the amplitude: 1 for
    ``mode="triangular"``; 2^−n in cycle n, counted from 0, for ``"triangular2"``; γ^t for ``"exp_range"``.
    η_base = ``base_lr`` >= 0, η_max = ``max_lr`` >= η_base, 0 < γ = ``gamma`` <= 1, which only ``"exp_range"`` uses.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: ``CyclicLR``, at the same steps. That also cycles the momentum unless ``cycle_momentum=False``; a
    schedule is of the rate alone. It also overwrites the rate that the optimizer was made with.

    Example:
        >>> from lrlib.schedules import cyclic
        >>> rate = cyclic(0.1, max_lr=0.5, step_size_up=50, mode="triangular2")
        >>> [round(rate(step), 6) for step in (0, 25, 50, 99, 100, 150)]
        [0.1, 0.3, 0.5, 0.108, 0.1, 0.3]

    Source: Smith (2017), Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186.
    """
    base = _check.real("base_lr", base_lr, at_least=0)
    up = step_count("step_size_up", step_size_up, at_least=1)
    return Schedule(
        _cyclic,
        name="cyclic",
        hyperparameters={
            "base_lr": base,
            "max_lr": _check.real("max_lr", max_lr, at_least=base),
            "step_size_up": up,
            "step_size_down": up
            if step_size_down is None
            else step_count("step_size_down", step_size_down, at_least=1),
            "mode": _check.choice("mode", mode, ("triangular", "triangular2", "exp_range")),
            "gamma": _check.real("gamma", gamma, above=0, at_most=1),
        },
    )


def _cyclic(
    step: Steps, *, base_lr: float, max_lr: float, step_size_up: int, step_size_down: int, mode: str, gamma: float
) -> Rates:
    cycle, position = np.divmod(step, step_size_up + step_size_down)
    height = np.where(
        position <= step_size_up,
        position / step_size_up,
        (step_size_up + step_size_down - position) / step_size_down,
    )
    amplitude = {
        "triangular": lambda: np.ones(step.shape),
        "triangular2": lambda: np.power(0.5, cycle),
        "exp_range": lambda: np.power(gamma, step),
    }[mode]()
    return base_lr + (max_lr - base_lr) * height * amplitude


def one_cycle(
    max_lr: float,
    *,
    total_steps: int,
    pct_start: float = 0.3,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
) -> Schedule:
    """One rise to ``max_lr`` and one fall, to far below where it began.

    With T = ``total_steps`` >= 1 and p = ``pct_start`` in [0, 1] the rate goes from ``max_lr / div_factor`` at step 0
    to ``max_lr`` at step p T − 1, and on to ``max_lr / div_factor / final_div_factor`` at step T − 1, where it stays.
    ``three_phase`` goes back to the initial rate in between, at step 2 p T − 2, and needs p <= 1/2, for else the last
    phase would never come. Between these points the rate follows half a cosine or a straight line
    (``anneal_strategy``). ``max_lr``, ``div_factor`` and ``final_div_factor`` are > 0.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or outside its range.

    torch twin: ``OneCycleLR``, at the same steps. Off by one: the peak is at ``pct_start * total_steps - 1``, not at
    ``pct_start * total_steps``, and the end at T − 1. If p T < 1 there is no rise, and the fall begins before step 0.
    Where p T is exactly 1 torch divides by zero; here step 0 uses ``max_lr``. At step T torch goes beyond its own end
    (with straight lines to a negative rate) and past it raises. It also cycles the momentum unless
    ``cycle_momentum=False``; a schedule is of the rate alone.

    Example:
        >>> from lrlib.schedules import one_cycle
        >>> rate = one_cycle(1.0, total_steps=100)
        >>> [round(rate(step), 6) for step in (0, 29, 30, 50, 99, 100)]
        [0.04, 1.0, 0.999497, 0.793893, 4e-06, 4e-06]

    Source: Smith and Topin (2018), Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
    Rates, arXiv:1708.07120.
    """
    total = step_count("total_steps", total_steps, at_least=1)
    phases = _check.boolean("three_phase", three_phase)
    start = _check.real("pct_start", pct_start, at_least=0, at_most=1)
    if phases and start > 0.5:
        _check.fail("pct_start", "at most 0.5 with three_phase=True", pct_start)
    return Schedule(
        _one_cycle,
        name="one_cycle",
        hyperparameters={
            "max_lr": _check.real("max_lr", max_lr, above=0),
            "total_steps": total,
            "pct_start": start,
            "anneal_strategy": _check.choice("anneal_strategy", anneal_strategy, ("cos", "linear")),
            "div_factor": _check.real("div_factor", div_factor, above=0),
            "final_div_factor": _check.real("final_div_factor", final_div_factor, above=0),
            "three_phase": phases,
        },
        total_steps=total,
    )


def _one_cycle(
    step: Steps,
    *,
    max_lr: float,
    total_steps: int,
    pct_start: float,
    anneal_strategy: str,
    div_factor: float,
    final_div_factor: float,
    three_phase: bool,
) -> Rates:
    initial = max_lr / div_factor
    knots = [(0.0, initial), (pct_start * total_steps - 1, max_lr), (total_steps - 1, initial / final_div_factor)]
    if three_phase:
        knots.insert(2, (2 * pct_start * total_steps - 2, initial))
    position = np.minimum(step, total_steps - 1)
    phase = np.searchsorted([end for end, _ in knots[1:-1]], position, side="left")  # a knot ends the earlier phase
    rates = np.empty(step.shape)
    for number, ((start, from_rate), (end, to_rate)) in enumerate(itertools.pairwise(knots)):
        inside = phase == number
        length = end - start
        progress = (position[inside] - start) / length if length else np.ones(np.count_nonzero(inside))
        left = (1 + np.cos(np.pi * progress)) / 2 if anneal_strategy == "cos" else 1 - progress
        rates[inside] = to_rate + (from_rate - to_rate) * left
    return rates
