"""One number a run, lower is better: what a comparison reports and what a rate is chosen by."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from lrlib import _check
from lrlib.tasks import Task
from lrlib.training import Sweep, sweep

Measure = str | Callable[[Sweep], Any]
MEASURES = ("train_loss", "validation_loss", "train_error", "validation_error", "minibatch_loss")
TaskOrMaker = Task | Callable[[int], Task]


def words(measure: Measure) -> str:
    """The measure in words: ``"validation loss"``; a function's own name."""
    if callable(measure):
        return getattr(measure, "__name__", "measure").replace("_", " ")
    return _check.choice("measure", measure, MEASURES).replace("train_", "training ").replace("_", " ")


def measured(runs: Sweep, measure: Measure) -> np.ndarray:
    """(rates, seeds): the last value of ``measure``, infinite where the run diverged or it is not finite.

    An error is one minus the accuracy. The minibatch loss is the mean over the last sixth of the updates: it needs no
    evaluation, and one minibatch says little. A function gets the sweep and returns one value a run.
    """
    if callable(measure):
        values = np.asarray(measure(runs), dtype=float)
        if values.shape != (len(runs),):
            _check.fail("measure", f"a function that returns {len(runs)} values, one a run", np.shape(values))
    elif _check.choice("measure", measure, MEASURES) == "minibatch_loss":
        values = runs.loss[:, -max(runs.steps // 6, 1) :].mean(axis=1)
    else:
        part, kind = measure.split("_")
        if kind == "loss":
            values = getattr(runs, measure)[:, -1]
        else:
            metrics = getattr(runs, f"{part}_metrics")
            if "accuracy" not in metrics:
                _check.fail("measure", "a loss, for a task without an accuracy", measure)
            values = 1 - metrics["accuracy"][:, -1]
    return runs.by_rate(np.where(np.isfinite(values) & ~runs.diverged, values, np.inf))


def trained(task: TaskOrMaker, rates: np.ndarray, seeds: Sequence[int], settings: dict[str, Any]) -> tuple[Sweep, ...]:
    """A sweep over all ``seeds``; or, where ``task(seed)`` draws its data anew for each, one sweep a seed."""
    if isinstance(task, Task):
        return (sweep(task, learning_rates=rates, seeds=seeds, **settings),)
    return tuple(sweep(task(seed), learning_rates=rates, seeds=[seed], **settings) for seed in seeds)


def losses_of(
    task: TaskOrMaker, seeds: Sequence[int], measure: Measure, settings: dict[str, Any]
) -> Callable[[np.ndarray], np.ndarray]:
    """The function of rates (n,) that trains and returns positive losses (n, seeds), to choose a rate by."""

    def losses(rates: np.ndarray) -> np.ndarray:
        runs = trained(task, rates, seeds, settings)
        values = np.concatenate([measured(part, measure) for part in runs], axis=1)
        if values.min() <= 0:
            need = "positive, so that its geometric mean can choose a rate (for an error give choose_by=a loss)"
            _check.fail(words(measure), need, float(values.min()))
        return values

    return losses


def checked_task(task: TaskOrMaker) -> TaskOrMaker:
    """A task; or the function that makes one of a seed, which is now asked once a seed, for all arms and rates."""
    if isinstance(task, Task):
        return task
    if not callable(task):
        _check.fail("task", "a Task, or a function seed -> Task", task, error=TypeError)
    return lru_cache(maxsize=64)(task)
