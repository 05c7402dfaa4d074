"""The patients of the clinic lab, and what can be prescribed."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from lrlib import schedules, tasks, updates
from lrlib.schedules import Schedule
from lrlib.tasks import Task
from lrlib.updates import UpdateRule

STEPS, BATCH_SIZE, EVERY = 200, 16, 10  # updates, examples a minibatch, updates from one validation to the next
FEW = 200  # examples


class Patient(NamedTuple):
    """One run: the labels of its task, rule and schedule, and its peak rate."""

    task: str
    rule: str
    schedule: str
    learning_rate: float


def _noisy() -> Task:
    return tasks.digits_mlp(hidden=(32,), label_noise=0.2)


def _few() -> Task:
    task = _noisy()
    inputs, labels = task.train
    return dataclasses.replace(task, name=f"{task.name}, {FEW} examples", train=(inputs[:FEW], labels[:FEW]))


TASKS: dict[str, Callable[[], Task]] = {
    "digits, a fifth of the labels wrong": _noisy,
    f"{FEW} digits, a fifth of the labels wrong": _few,
}
MANY, FEWER = TASKS
RULES: dict[str, UpdateRule] = {
    "gradient descent": updates.sgd(),
    "heavy ball": updates.sgd(momentum=0.9),
    "Adam": updates.adam(),
}
DECAYED: dict[str, UpdateRule] = {  # as in the benchmark of the doctor
    "gradient descent": updates.sgd(weight_decay=1e-2),
    "heavy ball": updates.sgd(momentum=0.9, weight_decay=1e-2),
    "Adam": updates.adamw(weight_decay=0.3),
}
SCHEDULES: dict[str, Schedule] = {
    "constant": schedules.constant(1.0),
    "linear to 0": schedules.linear(1.0, total_steps=STEPS),
    "held, then to 0": schedules.warmup_stable_decay(
        1.0, total_steps=STEPS, warmup_steps=0, decay_steps=STEPS * 3 // 10
    ),
    "cosine to 0 within the first two fifths": schedules.join(
        [schedules.cosine(1.0, total_steps=STEPS * 2 // 5), schedules.constant(1e-4)], boundaries=[STEPS * 2 // 5]
    ),
    "÷ 20 after the first fifth": schedules.multistep(1.0, milestones=[STEPS // 5], gamma=0.05),
}
CONSTANT, LINEAR, HELD, SPENT, EARLY = SCHEDULES
GD, BALL, ADAM = RULES

PATIENTS = (
    Patient(MANY, GD, CONSTANT, 0.0041),
    Patient(MANY, BALL, CONSTANT, 0.0041),
    Patient(MANY, ADAM, LINEAR, 0.0012),
    Patient(MANY, GD, LINEAR, 0.11),
    Patient(FEWER, BALL, LINEAR, 0.0041),
    Patient(FEWER, GD, HELD, 0.037),
    Patient(MANY, GD, LINEAR, 30.0),
    Patient(MANY, GD, CONSTANT, 1.0),
    Patient(MANY, BALL, HELD, 0.11),
    Patient(MANY, GD, LINEAR, 1.0),
    Patient(FEWER, ADAM, CONSTANT, 0.033),
    Patient(FEWER, BALL, LINEAR, 0.11),
    Patient(MANY, GD, SPENT, 0.11),
    Patient(MANY, GD, EARLY, 0.33),
    Patient(MANY, ADAM, EARLY, 0.0037),
    Patient(FEWER, BALL, SPENT, 0.012),
    Patient(MANY, GD, CONSTANT, 0.33),
    Patient(MANY, BALL, CONSTANT, 0.037),
    Patient(FEWER, BALL, CONSTANT, 0.037),
    Patient(FEWER, ADAM, HELD, 0.033),
    Patient(MANY, BALL, HELD, 0.037),
    Patient(MANY, ADAM, HELD, 0.011),
    Patient(FEWER, GD, HELD, 0.11),
    Patient(FEWER, BALL, SPENT, 0.11),
)


class Prescription(NamedTuple):
    """What can be done: the remedy's name as the doctor has it, what the reader sees, and what changes in the run."""

    remedy: str
    label: str
    factor: float = 1.0
    schedule: str | None = None
    decayed: bool = False
    task: str | None = None


PRESCRIPTIONS = (
    Prescription("rate ×9", "rate × 9", factor=9.0),
    Prescription("rate ×3", "rate × 3", factor=3.0),
    Prescription("nothing", "nothing"),
    Prescription("rate ÷3", "rate ÷ 3", factor=1 / 3),
    Prescription("rate ÷9", "rate ÷ 9", factor=1 / 9),
    Prescription("hold", "hold the rate, let it fall at the end", schedule=HELD),
    Prescription("decay", "let the rate fall to 0 all along", schedule=LINEAR),
    Prescription("stop", "stop at the best validation loss"),
    Prescription("regularize", "more weight decay", decayed=True),
    Prescription("more data", "more data, where there are", task=MANY),
)
