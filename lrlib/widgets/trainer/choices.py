"""What the labs offer: one list of update rules and one of tasks, of which each lab takes its part."""

from collections.abc import Callable, Mapping

from lrlib import _check, tasks, updates
from lrlib.tasks import Task
from lrlib.updates import UpdateRule

MOMENTUM = 0.9
RULES: dict[str, UpdateRule] = {
    "Gradient descent": updates.sgd(),
    "Heavy ball": updates.heavy_ball(momentum=MOMENTUM),
    "Nesterov": updates.nesterov(momentum=MOMENTUM),
    "Adagrad": updates.adagrad(),
    "RMSprop": updates.rmsprop(),
    "Adam": updates.adam(),
}
FURTHER_RULES: dict[str, UpdateRule] = {
    "AMSGrad": updates.amsgrad(),
    "NAdam": updates.nadam(),
    "RAdam": updates.radam(),
    "AdamW": updates.adamw(),
    "Lion": updates.lion(),
    "Muon with AdamW": updates.partition({updates.matrices: updates.muon()}, rest=updates.adamw()),
    "D-Adaptation": updates.dadapt_adam(),
    "Prodigy": updates.prodigy(),
    "Polyak": updates.polyak(),
}
WITH_MOMENTUM: dict[str, Callable[..., UpdateRule]] = {"Heavy ball": updates.heavy_ball, "Nesterov": updates.nesterov}
TASKS: dict[str, Callable[[], Task]] = {
    "Digits, MLP": tasks.digits_mlp,
    "Digits, CNN": tasks.digits_cnn,
    "Digits, noisy labels": lambda: tasks.digits_mlp(hidden=(32,), label_noise=0.2),  # noise remains to the end
    "Digits, clean labels": lambda: tasks.digits_mlp(hidden=(32,)),
}


def rules(*labels: str) -> dict[str, UpdateRule]:
    """The rules of these labels, in this order."""
    return {label: (RULES | FURTHER_RULES)[label] for label in labels}


def in_full(label: str) -> str:
    """A rule as a reader chooses it where its momentum is no control.

    >>> in_full("Heavy ball"), in_full("Adam")
    ('Heavy ball, β = 0.9', 'Adam')
    """
    return f"{label}, β = {MOMENTUM:g}" if label in WITH_MOMENTUM else label


def offered_tasks(choices: Mapping[str, Task] | None, *labels: str) -> dict[str, Task]:
    """The tasks that a reader chose, checked, or the lab's own of these labels.

    Raises:
        TypeError, ValueError: for something that is no task, or no task at all.
    """
    if choices is None:
        return {label: TASKS[label]() for label in labels}
    for label, offered in choices.items():
        if not isinstance(offered, Task):
            _check.fail(f"choices[{label!r}]", "a Task", offered, error=TypeError)
    if not choices:
        _check.fail("choices", "at least one Task by its label", choices)
    return dict(choices)
