"""The schedule lab: compose a schedule, see the rates that the updates used, and the loss that it gives."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lrlib import _check
from lrlib.curves.divergence import THRESHOLD
from lrlib.schedules import Schedule
from lrlib.tasks import Task
from lrlib.training import Run
from lrlib.widgets.drawing.still import Axis, Still, side_by_side
from lrlib.widgets.hosting.controls import Choice, LogSlider, Slider
from lrlib.widgets.hosting.packing import pack
from lrlib.widgets.schedule_lab.shapes import DECAYS, composed
from lrlib.widgets.trainer.choices import in_full, offered_tasks, rules
from lrlib.widgets.trainer.page_data import tasks_and_data
from lrlib.widgets.trainer.programs import training_programs
from lrlib.widgets.trainer.trained_lab import TrainedLab

STEPS = (100, 300, 1000, 2000)
EVALUATIONS = 30  # of the validation loss along a run
RATES_PER_DECADE = 6  # in the sweep over peak rates
ROOM = 92  # px for the labels of a still figure
LAST = 50  # minibatches whose mean says where their label stands

RULES = rules("Gradient descent", "Heavy ball", "Adam")
TASKS = ("Digits, noisy labels", "Digits, clean labels")


class ScheduleLab(TrainedLab):
    """A schedule composed of warm-up, decay and cycles: its rates, planned and used, and the loss it gives on a task.

    Args:
        decay: the label of the decay to begin with; see ``lrlib.widgets.schedule_lab.shapes.composed``.
        learning_rate: the peak rate to begin with; the slider runs over ``rates``.
        rates: (lowest, highest) peak rate.
        warmup: the share of the steps that warm up, 0 to 0.5.
        cycles: how often the decay is repeated, 1 to 8.
        floor: the share of the peak at which a decay ends, 0 to 0.5.
        rule: the label of the update rule to begin with.
        steps: how many updates, 20 to 2000; offered beside 100, 300, 1000 and 2000.
        seed: 0 to 9: initial weights and minibatches.
        choices: the tasks on offer, by label, the first one shown; if none are given, digits with a network 64-32-10,
            a fifth of the training labels wrong or none. Any :class:`lrlib.tasks.Task` trains beside a kernel; what a
            static page cannot train as Python does is shown there as a figure, and it is said why.
        batch_size: examples a minibatch; small, so that noise remains.
        device: where a kernel trains; ``"auto"`` takes a GPU if there is one.
        hint: one line that says what to try; ``_{...}`` is a subscript.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value.

    >>> from lrlib.widgets import ScheduleLab
    >>> ScheduleLab(decay="Cosine", warmup=0.3).summary()
    'Schedule lab: Cosine, warm-up 0.3, learning rate 0.3, Gradient descent, 300 steps'
    """

    module = "schedule_lab/lab.js"
    styles = ("hosting/lab.css", "schedule_lab/lab.css")

    def __init__(
        self,
        *,
        decay: str = "Linear to zero",
        learning_rate: float = 0.3,
        rates: tuple[float, float] = (1e-3, 10.0),
        warmup: float = 0.0,
        cycles: int = 1,
        floor: float = 0.0,
        rule: str = "Gradient descent",
        steps: int = 300,
        seed: int = 0,
        choices: Mapping[str, Task] | None = None,
        batch_size: int = 8,
        device: str = "auto",
        hint: str = "Compare two schedules, each at its own best peak rate: train at all peak rates, change the decay, "
        "train at all peak rates again.",
    ) -> None:
        offered = offered_tasks(choices, *TASKS)
        _check.integer("steps", steps, at_least=20, at_most=max(STEPS))
        composed(decay, steps=steps, warmup=warmup, cycles=cycles, floor=floor)
        _check.choice("rule", rule, RULES)
        _check.integer("seed", seed, at_least=0, at_most=9)
        fewest = min(task.examples for task in offered.values())
        self._batch_size = _check.integer("batch_size", batch_size, at_least=1, at_most=fewest)
        if not isinstance(hint, str):
            _check.fail("hint", "text", hint, error=TypeError)
        names = list(offered)
        peak = LogSlider(
            name="learning_rate", label="Peak rate η", value=learning_rate, minimum=rates[0], maximum=rates[1]
        )
        controls = (
            peak,
            Choice(name="decay", label="Decay", value=decay, options=[(label, label) for label in DECAYS]),
            Slider(name="warmup", label="Warm-up share", value=warmup, minimum=0, maximum=0.5, step=0.01),
            Slider(name="cycles", label="Cycles", value=cycles, minimum=1, maximum=8, step=1),
            Slider(name="floor", label="Floor, × peak", value=floor, minimum=0, maximum=0.5, step=0.01),
            Choice(name="rule", label="Rule", value=rule, options=[(label, in_full(label)) for label in RULES]),
            Choice(name="task", label="Task", value=names[0], options=[(label, label) for label in names]),
            Choice(name="steps", label="Steps", value=steps, options=[(n, str(n)) for n in sorted({*STEPS, steps})]),
            Slider(name="seed", label="Seed", value=seed, minimum=0, maximum=9, step=1),
        )
        count = min(33, max(9, round(RATES_PER_DECADE * math.log10(rates[1] / rates[0])) + 1))
        at_once = [float(f"{rate:.3g}") for rate in np.geomspace(*rates, count)]
        config = {
            "rates": at_once,
            "threshold": THRESHOLD,
            "evaluations": EVALUATIONS,
            "batch_size": self._batch_size,
        }
        super().__init__(tasks=offered, rates=at_once, device=device, hint=hint, controls=controls, config=config)

    @property
    def schedule(self) -> Schedule:
        """The schedule that the controls stand at, of base 1; times the peak rate it is what the updates use."""
        return _shape(self.read())

    def recompute(self) -> None:
        """Train anew; a constant rate has neither cycles nor a floor."""
        for name in ("cycles", "floor"):
            self.controls[name].disabled = self.controls["decay"].value == "Constant"
        super().recompute()

    def plan(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """As the controls have it."""
        return {
            "rule": RULES[settings["rule"]],
            "schedule": _shape(settings),
            "batch_size": self._batch_size,
            "steps": settings["steps"],
        }

    def curves(self, steps: int) -> dict[str, Any]:
        """Evaluations on the way."""
        return {"eval_every": max(1, steps // EVALUATIONS)}

    def pictured(self, run: Run) -> dict[str, Any]:
        """The ledger of rates."""
        return {"used": pack(run.rates_used)}

    def page_config(self) -> dict[str, Any]:
        """Recorded runs, and all that it takes to train in the page: data and programs."""
        runs = self.recorded()
        return {
            "recorded": {**self.recording(), "factors": pack(runs.rates_used[0] / runs.learning_rates[0])},
            "training": {
                **tasks_and_data(self.tasks),
                "programs": training_programs(self.tasks, rules=RULES, batch_sizes=[self._batch_size]),
            },
        }

    def still(self) -> str:
        """The recorded run: its rates, planned and used, and its losses."""
        runs = self.recorded()
        settings = self.read()
        run = runs[runs.learning_rates.tolist().index(settings["learning_rate"])]
        steps = np.arange(run.steps)
        top = 1.08 * run.rates_used.max()
        rates = Still(
            Axis("step", 0, run.planned_steps),
            Axis("learning rate", 0, top),
            alt="Learning rate against the step, planned and used",
            right=ROOM,
        )
        rates.line(steps, run.learning_rate * self.schedule(steps), style="planned")
        rates.line(steps, run.rates_used)
        rates.text(run.steps, run.rates_used[-1], "planned", shift=(7, -12))
        rates.text(run.steps, run.rates_used[-1], "used", shift=(7, 3))
        curves = Still(
            Axis("step", 0, run.planned_steps),
            Axis("loss", 0.05, 5, log=True),
            alt=f"Loss against the step at peak rate {run.learning_rate:g}",
            right=ROOM,
        )
        curves.line(steps, run.loss, style="raw")
        curves.line(run.eval_steps, run.validation_loss)
        curves.text(run.steps, run.validation_loss[-1], "validation")
        curves.text(run.steps, run.loss[-LAST:].mean(), "minibatches")
        if run.diverged_at is not None:
            curves.cross(run.diverged_at, 5)
        return side_by_side(rates, curves)

    def summary(self) -> str:
        """The settings that the lab begins with."""
        now = self.read()
        parts = [now["decay"]]
        parts += [f"warm-up {now['warmup']:g}"] if now["warmup"] else []
        parts += [f"{now['cycles']} cycles"] if now["cycles"] > 1 else []
        parts += [f"floor {now['floor']:g}"] if now["floor"] else []
        parts += [f"learning rate {now['learning_rate']:g}", now["rule"], f"{now['steps']} steps"]
        return f"Schedule lab: {', '.join(parts)}"


def _shape(settings: Mapping[str, Any]) -> Schedule:
    return composed(**{name: settings[name] for name in ("decay", "steps", "warmup", "cycles", "floor")})
