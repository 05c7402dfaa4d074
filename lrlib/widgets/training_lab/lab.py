"""The training lab: a real network, retrained at each move of a slider."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lrlib import _check, schedules
from lrlib.curves.divergence import THRESHOLD
from lrlib.schedules import Schedule
from lrlib.tasks import Task
from lrlib.training import Run, Sweep
from lrlib.widgets.drawing.still import Axis, Still, side_by_side
from lrlib.widgets.hosting.controls import Choice, LogSlider, Slider
from lrlib.widgets.hosting.packing import pack
from lrlib.widgets.trainer.choices import RULES, in_full, offered_tasks
from lrlib.widgets.trainer.page_data import schedule_factors, tasks_and_data
from lrlib.widgets.trainer.programs import training_programs
from lrlib.widgets.trainer.trained_lab import TrainedLab

STEPS = (50, 100, 200, 300)
BATCH_SIZES = (16, 64, 256)
RATES_AT_ONCE = 17
CHARTS = ("loss", "ratio", "budget")

TASKS = ("Digits, MLP", "Digits, CNN")
EVALUATIONS = 10  # of the validation loss along a run
SCHEDULES: dict[str, Callable[[int], Schedule]] = {
    "Constant": lambda steps: schedules.constant(1.0),
    "Step decay, ÷ 10 at each third": lambda steps: schedules.step(1.0, step_size=-(-steps // 3)),
    "Linear to 0": lambda steps: schedules.linear(1.0, total_steps=steps),
    "Cosine to 0": lambda steps: schedules.cosine(1.0, total_steps=steps),
    "One cycle": lambda steps: schedules.one_cycle(1.0, total_steps=steps),
}


class TrainingLab(TrainedLab):
    """A network on the digits: its curves at one rate, and the loss that each rate reaches in the same budget.

    Args:
        learning_rate: the rate to begin with; the slider runs over ``rates``.
        rates: (lowest, highest) rate.
        rule: the label of the update rule to begin with.
        schedule: the label of the schedule to begin with.
        batch_size: 16, 64 or 256, and no more than the smallest task has examples.
        steps: 50, 100, 200 or 300.
        seed: 0 to 9: initial weights and minibatches.
        choices: the tasks on offer, by label, the first one shown; digits with two networks if none are given. Any
            :class:`lrlib.tasks.Task` trains beside a kernel; what a static page cannot train as Python does is shown
            there as a figure, and it is said why.
        device: where a kernel trains; ``"auto"`` takes a GPU if there is one.
        offer: the controls that the reader gets beside the rate's, by name: ``"task"``, ``"rule"``, ``"schedule"``,
            ``"batch_size"``, ``"steps"``, ``"seed"``; all of them if ``None``. What is not on offer stays as it begins,
            and a page carries programs only for what is.
        charts: which pictures to show: ``"loss"`` against the step, always, the update-to-weight ``"ratio"``, and the
            ``"budget"``: the loss that each rate reaches.
        hint: one line that says what to try; ``_{...}`` is a subscript; none if it is empty.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value.
    """

    module = "training_lab/lab.js"

    def __init__(
        self,
        *,
        learning_rate: float = 0.1,
        rates: tuple[float, float] = (1e-3, 10.0),
        rule: str = "Gradient descent",
        schedule: str = "Constant",
        batch_size: int = 64,
        steps: int = 100,
        seed: int = 0,
        choices: Mapping[str, Task] | None = None,
        device: str = "auto",
        offer: Sequence[str] | None = None,
        charts: Sequence[str] = CHARTS,
        hint: str = "Find the rate at which 100 steps bring the loss lowest; then raise it until training breaks.",
    ) -> None:
        offered = offered_tasks(choices, *TASKS)
        for chart in charts:
            _check.choice("charts", chart, CHARTS)
        fewest = min(task.examples for task in offered.values())
        self._batch_sizes = [n for n in BATCH_SIZES if n <= fewest]
        _check.choice("rule", rule, RULES)
        _check.choice("schedule", schedule, SCHEDULES)
        names = list(offered)
        slider = LogSlider(
            name="learning_rate", label="Learning rate η", value=learning_rate, minimum=rates[0], maximum=rates[1]
        )
        controls = (
            slider,
            Choice(name="task", label="Network", value=names[0], options=[(label, label) for label in names]),
            Choice(name="rule", label="Rule", value=rule, options=[(label, in_full(label)) for label in RULES]),
            Choice(name="schedule", label="Schedule", value=schedule, options=[(label, label) for label in SCHEDULES]),
            Choice(
                name="batch_size",
                label="Batch size",
                value=batch_size,
                options=[(n, str(n)) for n in self._batch_sizes],
            ),
            Choice(name="steps", label="Steps", value=steps, options=[(n, str(n)) for n in STEPS]),
            Slider(name="seed", label="Seed", value=seed, minimum=0, maximum=9, step=1),
        )
        at_once = [float(f"{rate:.3g}") for rate in np.geomspace(*rates, RATES_AT_ONCE)]
        config = {"rates": at_once, "threshold": THRESHOLD, "evaluations": EVALUATIONS, "charts": list(charts)}
        super().__init__(
            tasks=offered,
            rates=at_once,
            device=device,
            hint=hint,
            controls=controls,
            config=config,
            offer=None if offer is None else ["learning_rate", *offer],
        )

    def plan(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """As the controls have it."""
        return {
            "rule": RULES[settings["rule"]],
            "schedule": SCHEDULES[settings["schedule"]](settings["steps"]),
            "batch_size": settings["batch_size"],
            "steps": settings["steps"],
        }

    def curves(self, steps: int) -> dict[str, Any]:
        """Evaluations on the way, and how far each tensor moved."""
        return {"eval_every": max(1, steps // EVALUATIONS), "record_updates": True}

    def pictured(self, run: Run) -> dict[str, Any]:
        """The update-to-weight ratio."""
        return {"ratio": pack(_ratio(run))}

    def page_config(self) -> dict[str, Any]:
        """Recorded runs, and all that it takes to train in the page: data, rates of schedules, programs."""
        named = self.offered("task", self.tasks)
        steps = self.offered("steps", dict.fromkeys(STEPS))
        return {
            "recorded": {**self.recording(), "ratio": pack(_ratio(self.recorded()), dtype="float32")},
            "training": {
                **tasks_and_data(named),
                "schedules": schedule_factors(self.offered("schedule", SCHEDULES), list(steps)),
                "programs": training_programs(
                    named,
                    rules=self.offered("rule", RULES),
                    batch_sizes=list(self.offered("batch_size", dict.fromkeys(self._batch_sizes))),
                ),
            },
        }

    def still(self) -> str:
        """The recorded curves at the first rate, and the loss after the budget against the rate."""
        runs = self.recorded()
        settings = self.read()
        run = runs[runs.learning_rates.tolist().index(settings["learning_rate"])]
        curves = Still(
            Axis("step", 0, run.planned_steps),
            Axis("loss", 1e-3, 10, log=True),
            alt=f"Loss against the step at rate {run.learning_rate:g}",
        )
        curves.line(np.arange(run.steps), run.loss, style="faint")
        curves.line(run.eval_steps, run.validation_loss)
        if run.diverged_at is not None:
            curves.cross(run.diverged_at, 10)
        if self.kernel_only:
            return side_by_side(curves)
        rates, final = runs.learning_rates, runs.final("validation_loss")[:, 0]
        label = f"validation loss after {run.planned_steps} steps"
        good = ~runs.diverged & np.isfinite(final)
        seen = final[good & (final > 0)]  # as in the page: whole decades
        low = max(1e-3, 10 ** math.floor(math.log10(min([0.5, *seen]))))
        high = min(1e4, 10 ** math.ceil(math.log10(max([5.0, *seen]))))
        budget = Still(
            Axis("learning rate η", rates.min(), rates.max(), log=True),
            Axis(label, low, high, log=True),
            alt=f"{label} against the rate",
        )
        budget.line(rates[good], final[good])
        for rate in rates[~good]:
            budget.cross(rate, high)
        return side_by_side(curves, budget)

    def summary(self) -> str:
        """The settings that the lab begins with."""
        now = self.read()
        return (
            f"Training lab: {now['task']}, {now['rule']}, learning rate {now['learning_rate']:g}, {now['steps']} steps"
        )


def _ratio(runs: Run | Sweep) -> np.ndarray:
    """(…, steps) the update-to-weight ratio, its median over the tensors."""
    return np.median(runs.update_ratio, axis=-1)
