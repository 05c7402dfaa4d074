"""What a search minimizes: any function of settings that reports on its way, and one made from a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lrlib import _check

if TYPE_CHECKING:  # a search that trains something else needs no torch
    from lrlib.tasks import Task

Settings = Mapping[str, Any]


class Report(Protocol):
    """Told the loss on the way; ends the trial (by an exception of Optuna's) once it has diverged or is hopeless."""

    def __call__(self, step: int, loss: float) -> None: ...


Objective = Callable[[Settings, Report], float]


def of_task(
    task: Task,
    *,
    steps: int,
    seeds: Sequence[int] = (0,),
    eval_every: int | None = None,
    **settings: Any,
) -> Objective:
    """The validation loss of a task after ``steps`` updates, as an objective for :func:`lrlib.tuning.search`.

    Each trial trains at ``settings["learning_rate"]`` of the trial, all seeds side by side, and reports the mean loss
    at each evaluation.

    Args:
        task: what to train.
        steps: updates of each run.
        seeds: a trial's loss is the mean over these.
        eval_every: report each so many updates; a tenth of the steps if not given.
        settings: as :func:`lrlib.training.sweep` takes them; ``rule`` and ``schedule`` may be functions of the trial's
            settings: ``rule=lambda chosen: adamw(weight_decay=chosen["weight_decay"])``.

    Raises:
        TypeError, ValueError: for something that is no task, or steps below 1.

    >>> from lrlib.tasks import digits_mlp
    >>> objective = of_task(digits_mlp(hidden=[8]), steps=20)
    >>> bool(objective({"learning_rate": 0.5}, lambda step, loss: None) < 1.5)
    True
    """
    from lrlib import training
    from lrlib.tasks import Task

    if not isinstance(task, Task):
        _check.fail("task", "a Task", task, error=TypeError)
    steps = _check.integer("steps", steps, at_least=1)
    chosen_seeds = _check.integers("seeds", seeds, at_least=0)
    every = max(1, steps // 10) if eval_every is None else _check.integer("eval_every", eval_every, at_least=1)

    def objective(chosen: Settings, report: Report) -> float:
        if "learning_rate" not in chosen:
            _check.fail("space", "one that holds a 'learning_rate'", sorted(chosen))
        own = {name: _of(chosen, value) if name in ("rule", "schedule") else value for name, value in settings.items()}
        stacks = [
            training.start(task, learning_rates=[chosen["learning_rate"]], seed=s, steps=steps, eval_every=every, **own)
            for s in chosen_seeds
        ]
        loss = np.nan
        for step in [*range(every, steps, every), steps]:
            for stack in stacks:
                stack.advance(step - stack.step)
            loss = float(np.mean([stack.records().validation_loss[0, -1] for stack in stacks]))
            report(step, loss)
        return loss

    return objective


def _of(chosen: Settings, value: Any) -> Any:
    """A rule or a schedule as it is, or as a function of what was chosen makes it."""
    from lrlib.schedules import Schedule
    from lrlib.updates import UpdateRule

    return value if isinstance(value, UpdateRule | Schedule) else value(chosen)
