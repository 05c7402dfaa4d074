"""The shapes that the schedule lab composes: a warm-up, then one decay or several, all of base 1.

Made of :mod:`lrlib.schedules` alone. ``schedule_shapes.js`` says the same in closed forms, for the page.
"""

import itertools
import math
from collections.abc import Callable

from lrlib import _check, schedules
from lrlib.schedules import Schedule

LOWEST_END = 0.01  # where a decay that never reaches zero ends if it is asked to end lower
LAST_PART = 5  # of a hold, one fifth decays

# From 1 at step 0 to ``floor`` at step ``steps``, where the next cycle begins or training is over.
DECAYS: dict[str, Callable[[int, float], Schedule]] = {
    "Constant": lambda steps, floor: schedules.constant(1.0),
    "Time-based (inverse time)": lambda steps, floor: schedules.inverse_time(
        1.0, decay_rate=1 / max(floor, LOWEST_END) - 1, decay_steps=steps
    ),
    "Step": lambda steps, floor: schedules.step(1.0, step_size=-(-steps // 3), gamma=math.sqrt(max(floor, LOWEST_END))),
    "Exponential": lambda steps, floor: schedules.exponential(1.0, gamma=max(floor, LOWEST_END) ** (1 / steps)),
    "Polynomial (square)": lambda steps, floor: schedules.polynomial(1.0, total_steps=steps, power=2, eta_min=floor),
    "Linear to zero": lambda steps, floor: schedules.linear(1.0, total_steps=steps, eta_min=floor),
    "Cosine": lambda steps, floor: schedules.cosine(1.0, total_steps=steps, eta_min=floor),
    "Hold, then linear": lambda steps, floor: schedules.warmup_stable_decay(
        1.0, total_steps=steps, warmup_steps=0, decay_steps=-(-steps // LAST_PART), eta_min=floor
    ),
}


def composed(decay: str, *, steps: int, warmup: float = 0.0, cycles: int = 1, floor: float = 0.0) -> Schedule:
    """A schedule of base 1 over ``steps`` updates: linear warm-up, then ``cycles`` times the same decay.

    The warm-up takes W = ⌊``warmup`` · ``steps`` + 1/2⌋ updates, as in :func:`lrlib.schedules.with_warmup`. The R that
    are left are cut into cycles at ⌊iR/C⌋, and each cycle of L updates goes from 1 to ``floor`` = f at its step L,
    which is the first of the next:

    - ``"Linear to zero"``, ``"Cosine"``, ``"Polynomial (square)"``: f + (1 − f) times 1 − x, (1 + cos πx)/2, (1 − x)²,
      with x = t/L
    - ``"Hold, then linear"``: 1, then in the last ⌈L/5⌉ updates straight down to f
    - ``"Time-based (inverse time)"``: 1/(1 + (1/e − 1) x), ``"Exponential"``: e^x, and ``"Step"``: 1, √e, e, each for
      ⌈L/3⌉ updates, with e = max(f, 0.01), since these never reach zero
    - ``"Constant"``: 1, whatever ``cycles`` and ``floor`` are

    Args:
        decay: one of the labels above.
        steps: how many updates, at least 20.
        warmup: the share of the updates that warm up, from 0 to 0.5.
        cycles: from 1 to 8.
        floor: the share of the peak at which a decay ends, from 0 to 0.5.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value.

    >>> rate = composed("Linear to zero", steps=100, warmup=0.2, cycles=2)
    >>> [round(rate(step), 3) for step in (0, 19, 20, 59, 60, 99)]
    [0.048, 0.952, 1.0, 0.025, 1.0, 0.025]
    """
    make = DECAYS[_check.choice("decay", decay, DECAYS)]
    steps = _check.integer("steps", steps, at_least=20)
    warmup_steps = math.floor(_check.real("warmup", warmup, at_least=0, at_most=0.5) * steps + 0.5)
    cycles = _check.integer("cycles", cycles, at_least=1, at_most=8)
    floor = _check.real("floor", floor, at_least=0, at_most=0.5)
    left = steps - warmup_steps
    starts = [i * left // cycles for i in range(cycles + 1)]
    parts = [make(end - start, floor) for start, end in itertools.pairwise(starts)]
    decaying = parts[0] if cycles == 1 else schedules.join(parts, boundaries=starts[1:-1])
    return schedules.with_warmup(decaying, warmup_steps=warmup_steps)
