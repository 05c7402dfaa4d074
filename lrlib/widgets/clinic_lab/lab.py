"""The clinic lab: a run without a label, the reader's prescription, and what it does."""

import functools
from typing import Any

import numpy as np
import torch

from lrlib import _check
from lrlib.curves.divergence import THRESHOLD
from lrlib.training import Run, train
from lrlib.widgets.clinic_lab.clinic import Clinic
from lrlib.widgets.clinic_lab.patients import (
    BATCH_SIZE,
    DECAYED,
    EVERY,
    PATIENTS,
    PRESCRIPTIONS,
    RULES,
    SCHEDULES,
    STEPS,
    TASKS,
    Patient,
)
from lrlib.widgets.drawing.still import Axis, Still, side_by_side
from lrlib.widgets.hosting.packing import pack
from lrlib.widgets.trainer.page_data import tasks_and_data
from lrlib.widgets.trainer.programs import training_programs

DECAYED_LABEL = "{}, with weight decay"


class ClinicLab(Clinic):
    """A training run without a label; the reader prescribes, and the prescription is run beside it, in the page.

    The answer says how the final validation loss changed, what the doctor of :mod:`lrlib.diagnostics` had said of the
    same curves, on which evidence and how sure, and what came of its first advice, which is run, too. A tally compares
    the reader, the doctor, and leaving every run as it is. All is computed in the browser, with or without a kernel.

    Args:
        seed: 0 to 9999: the order in which patients come, and their initial weights and minibatches.
        hint: one line that says what to do; ``_{...}`` is a subscript.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value.
    """

    script = "clinic_lab/lab.js"

    def __init__(
        self, *, seed: int = 0, hint: str = "What would you do with this run? Prescribe, and see it done."
    ) -> None:
        _check.integer("seed", seed, at_least=0, at_most=9999)
        order = np.random.default_rng(seed).permutation(len(PATIENTS))
        self.patients = [PATIENTS[k] for k in order]
        self._first: Run | None = None
        super().__init__(hint=hint, seed=seed, **_clinic(), patients=[patient._asdict() for patient in self.patients])
        first = self.first()
        recorded = {"loss": pack(first.loss), "validation": pack(first.validation_loss)}
        self.config = {**self.config, "recorded": {**recorded, "evalSteps": first.eval_steps.tolist()}}

    def first(self) -> Run:
        """The first patient's run."""
        if self._first is None:
            self._first = run_of(self.patients[0], seed=self.config["seed"])
        return self._first

    def still(self) -> str:
        """The first patient's curves."""
        run = self.first()
        top = 10.0 ** np.ceil(np.log10(max(run.loss[0], np.nanmax(np.minimum(run.validation_loss, 1e3)))))
        figure = Still(
            Axis("step", 0, run.planned_steps),
            Axis("loss", 0.1, float(top), log=True),
            alt="The first run's losses against the step",
        )
        figure.line(np.arange(run.steps), run.loss, style="faint")
        figure.line(run.eval_steps, run.validation_loss)
        if run.diverged_at is not None:
            figure.cross(run.diverged_at, float(top))
        return side_by_side(figure)

    def summary(self) -> str:
        """The seed that it begins with."""
        return f"Clinic lab: patients in the order of seed {self.config['seed']}"


def run_of(patient: Patient, *, seed: int) -> Run:
    """A patient's run, as the page trains it."""
    task = TASKS[patient.task]()
    return train(
        task,
        learning_rate=patient.learning_rate,
        rule=RULES[patient.rule],
        schedule=SCHEDULES[patient.schedule],
        steps=STEPS,
        batch_size=BATCH_SIZE,
        seed=seed,
        eval_every=EVERY,
        eval_examples=len(task.validation[0]),
        dtype=torch.float64,
    )


@functools.cache
def _clinic() -> dict[str, Any]:
    """All that does not depend on who comes: prescriptions, and what it takes to train; equal programs once."""
    tasks = {label: make() for label, make in TASKS.items()}
    decayed = {DECAYED_LABEL.format(label): rule for label, rule in DECAYED.items()}
    programs = training_programs(tasks, rules=RULES | decayed, batch_sizes=[BATCH_SIZE])
    distinct: list[Any] = []
    for program in programs.values():
        if program not in distinct:
            distinct.append(program)
    return {
        "steps": STEPS,
        "batch_size": BATCH_SIZE,
        "evaluations": STEPS // EVERY,
        "threshold": THRESHOLD,
        "prescriptions": [prescription._asdict() for prescription in PRESCRIPTIONS],
        "decayed": {label: DECAYED_LABEL.format(label) for label in RULES},
        "factors": {label: pack(schedule(np.arange(STEPS))) for label, schedule in SCHEDULES.items()},
        "distinct": distinct,
        "programs": {name: distinct.index(program) for name, program in programs.items()},
        "training": tasks_and_data(tasks),
    }
