"""What every schedule promises, tried out: one function a promise."""

import pickle
from collections.abc import Callable

import numpy as np
import torch

from lrlib import _check
from lrlib.checks.promises import broken, tried
from lrlib.checks.trial import trial_task
from lrlib.schedules import Schedule, as_torch, scale
from lrlib.training import sweep

Promise = Callable[[Schedule, int], str | None]


def check_schedule(schedule: Schedule, *, steps: int | None = None) -> dict[str, str]:
    """Try out whether a schedule keeps the contract of :class:`lrlib.schedules.Schedule`.

    Args:
        schedule: the schedule.
        steps: how many updates to look at; its ``total_steps``, or 100 if it has none.

    Returns:
        Each promise with ``"kept"``, or with ``"not tried: "`` and why.

    Raises:
        TypeError: if ``schedule`` is no :class:`lrlib.schedules.Schedule`.
        ValueError: for the first promise that is broken, by its name.

    >>> from lrlib.schedules import cosine
    >>> set(check_schedule(cosine(0.1, total_steps=50)).values())
    {'kept'}
    """
    if not isinstance(schedule, Schedule):
        _check.fail("schedule", "a Schedule", schedule, error=TypeError)
    steps = (schedule.total_steps or 100) if steps is None else _check.integer("steps", steps, at_least=1)
    return tried(PROMISES, schedule, steps)


def _gives_rates(schedule: Schedule, steps: int) -> None:
    need = "gives a finite rate >= 0 for every step, beyond its end, too"
    rates = schedule(np.arange(steps + 10))
    bad = np.flatnonzero(~(np.isfinite(rates) & (rates >= 0)))
    if bad.size:
        broken("schedule", schedule, need, f"the rate of step {bad[0]} is {rates[bad[0]]}")


def _is_a_function_of_the_step(schedule: Schedule, steps: int) -> None:
    need = "gives the same rate for a step, whenever and however it is asked"
    asked = np.arange(steps)
    rates = schedule(asked)
    order = np.random.default_rng(0).permutation(steps)
    if not np.array_equal(schedule(order), rates[order]):
        broken("schedule", schedule, need, "in another order the steps have other rates")
    for step in (0, steps // 2, steps - 1, 0):
        if schedule(step) != rates[step]:
            broken(
                "schedule",
                schedule,
                need,
                f"step {step} alone has the rate {schedule(step)}, among others {rates[step]}",
            )
    square = asked[: steps // 2 * 2].reshape(2, -1)
    if square.size and not np.array_equal(schedule(square), rates[: square.size].reshape(square.shape)):
        broken("schedule", schedule, need, "steps in an array of two axes have other rates")


def _can_be_stored(schedule: Schedule, steps: int) -> str | None:
    try:
        copy = pickle.loads(pickle.dumps(schedule))
    except (pickle.PicklingError, AttributeError) as error:
        return f"its formula cannot be pickled ({error})"
    if copy != schedule or hash(copy) != hash(schedule):
        broken("schedule", schedule, "equals its copy", "a pickled copy is another one")
    return None


def _drives_torch(schedule: Schedule, steps: int) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = as_torch(schedule, optimizer)
    for step in range(steps):
        used, planned = optimizer.param_groups[0]["lr"], schedule(step)
        if float(used) != planned:
            broken("schedule", schedule, "a torch optimizer follows", f"update {step} used {used}, not {planned}")
        optimizer.step()
        scheduler.step()


def _drives_a_sweep(schedule: Schedule, steps: int) -> str | None:
    planned = schedule(np.arange(steps))
    peak = float(planned.max())
    if peak <= 0:
        return "its rates are all 0"
    factor = scale(schedule, 1 / peak)
    run = sweep(
        trial_task({"weight": (2, 1)}),
        learning_rates=[0.01],
        schedule=factor,
        steps=steps,
        batch_size=8,
        dtype=torch.float64,
        engine="torch",
        unfinished="ok",
    )
    if not np.allclose(run.rates_used[0], 0.01 * planned / peak, rtol=1e-12):
        broken("schedule", schedule, "a sweep follows", "the rates used are not the rates planned")
    return None


PROMISES: dict[str, Promise] = {
    "gives finite rates, none negative": _gives_rates,
    "is a function of the step alone": _is_a_function_of_the_step,
    "can be stored": _can_be_stored,
    "drives a torch optimizer": _drives_torch,
    "drives a sweep": _drives_a_sweep,
}
