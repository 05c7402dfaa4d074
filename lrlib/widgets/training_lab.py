"""The training lab: a real network, retrained at each move of a slider."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from lrlib import _check, schedules, tasks, training, updates
from lrlib.schedules import Schedule
from lrlib.tasks import Task
from lrlib.training import Compilation
from lrlib.updates import UpdateRule
from lrlib.widgets.controls import Choice, LogSlider, Slider
from lrlib.widgets.lab import Lab
from lrlib.widgets.packing import pack
from lrlib.widgets.page_data import schedule_factors, tasks_and_data
from lrlib.widgets.programs import training_programs
from lrlib.widgets.still import Axis, Still, side_by_side

THRESHOLD = 1e3  # as in lrlib.training
STEPS = (50, 100, 200, 300)
BATCH_SIZES = (16, 64, 256)
RATES_AT_ONCE = 17
SHOW_EVERY = 0.03  # s between two pictures of a run under way
BREATH = 0.002  # s in which the kernel reads what the reader did meanwhile
PIECES = {"torch": 2, "compiled": 16}  # updates between two looks at the clock
PAUSE = 0.5  # s without a move, after which there is time to compile

TASKS: dict[str, Callable[[], Task]] = {"Digits, MLP": tasks.digits_mlp, "Digits, CNN": tasks.digits_cnn}
RULES: dict[str, UpdateRule] = {
    "Gradient descent": updates.sgd(),
    "Heavy ball, β = 0.9": updates.heavy_ball(),
    "Nesterov, β = 0.9": updates.nesterov(),
    "Adagrad": updates.adagrad(),
    "RMSprop": updates.rmsprop(),
    "Adam": updates.adam(),
}
SCHEDULES: dict[str, Callable[[int], Schedule]] = {
    "Constant": lambda steps: schedules.constant(1.0),
    "Step decay, ÷ 10 at each third": lambda steps: schedules.step(1.0, step_size=-(-steps // 3)),
    "Linear to 0": lambda steps: schedules.linear(1.0, total_steps=steps),
    "Cosine to 0": lambda steps: schedules.cosine(1.0, total_steps=steps),
    "One cycle": lambda steps: schedules.one_cycle(1.0, total_steps=steps),
}


class TrainingLab(Lab):
    """A network on the digits: its curves at one rate, and the loss that each rate reaches in the same budget.

    Args:
        learning_rate: the rate to begin with; the slider runs over ``rates``.
        rates: (lowest, highest) rate.
        rule: the label of the update rule to begin with.
        schedule: the label of the schedule to begin with.
        batch_size: 16, 64 or 256, and no more than the smallest task has examples.
        steps: 50, 100, 200 or 300.
        seed: 0 to 9: initial weights and minibatches.
        choices: the tasks on offer, by label, the first one shown; digits with two networks if none are given.
        device: where a kernel trains; ``"auto"`` takes a GPU if there is one.
        hint: one line that says what to try; ``_{...}`` is a subscript.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value.
    """

    module = "training_lab.js"

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
        hint: str = "Find the rate at which 100 steps bring the loss lowest; then raise it until training breaks.",
    ) -> None:
        self._tasks = {label: make() for label, make in TASKS.items()} if choices is None else dict(choices)
        if not self._tasks:
            _check.fail("choices", "at least one Task by its label", choices)
        for label, offered in self._tasks.items():
            if not isinstance(offered, Task):
                _check.fail(f"choices[{label!r}]", "a Task", offered, error=TypeError)
        fewest = min(task.examples for task in self._tasks.values())
        self._batch_sizes = [n for n in BATCH_SIZES if n <= fewest]
        _check.choice("rule", rule, RULES)
        _check.choice("schedule", schedule, SCHEDULES)
        training.find_device(device)
        names = list(self._tasks)
        slider = LogSlider(
            name="learning_rate", label="Learning rate η", value=learning_rate, minimum=rates[0], maximum=rates[1]
        )
        controls = (
            slider,
            Choice(name="task", label="Network", value=names[0], options=[(label, label) for label in names]),
            Choice(name="rule", label="Rule", value=rule, options=[(label, label) for label in RULES]),
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
        self.rates = [float(f"{rate:.3g}") for rate in np.geomspace(*rates, RATES_AT_ONCE)]
        device_choice = Choice(name="device", label="Device", value=device, options=[(d, d) for d in devices()])
        config = {"rates": self.rates, "threshold": THRESHOLD}
        super().__init__(hint=hint, controls=controls, kernel_controls=[device_choice], config=config)
        self._answered = 0
        self._recording: tuple[dict[str, Any], training.Sweep] | None = None
        self.recompute()

    def recompute(self) -> None:
        """Train anew; whatever still trains for an earlier setting stops. A press of the button trains at all rates."""
        if self.picture.asked != self._answered:
            self._answered = self.picture.asked
            self.latest.start(self._train_all(self.read()))
        else:
            self.latest.start(self._train_one(self.read()))

    async def _train_one(self, settings: dict[str, Any]) -> None:
        await asyncio.sleep(BREATH)  # of a burst of moves, only the last gets past here
        compilation = self._compilation(settings)
        ready = compilation is not None and compilation.ready
        engine = "compiled" if ready else "torch"
        stack = self._start(settings, [settings["learning_rate"]], engine=engine, **_curves(settings["steps"]))
        await advance(stack, lambda: self._show(stack, settings))
        self._show(stack, settings)
        if compilation is not None and not ready:
            await asyncio.sleep(PAUSE)  # whoever moves on does not get past here either
            await asyncio.to_thread(compilation.program)

    async def _train_all(self, settings: dict[str, Any]) -> None:
        stack = self._start(settings, self.rates, engine="auto")
        await advance(stack, lambda: None)
        records = stack.records()
        self.picture.backdrop = {
            "rates": self.rates,
            "finals": pack(records.validation_loss[:, -1]),
            "diverged": records.diverged.tolist(),
            "settings": settings,
            "device": stack.plan.device.type,
        }

    def _start(self, settings: Mapping[str, Any], rates: list[float], **options: Any) -> training.Stack:
        task = self._tasks[settings["task"]]
        return training.start(
            task, learning_rates=rates, seed=settings["seed"], **self._plan(task, settings), **options
        )

    def _plan(self, task: Task, settings: Mapping[str, Any]) -> dict[str, Any]:
        device = training.find_device(settings["device"])
        return {
            "rule": RULES[settings["rule"]],
            "schedule": SCHEDULES[settings["schedule"]](settings["steps"]),
            "batch_size": settings["batch_size"],
            "steps": settings["steps"],
            "device": device.type,
            "dtype": torch.float32 if device.type == "mps" else torch.float64,  # as in the page, where there is float64
            "eval_examples": len(task.validation[0]),
        }

    def _compilation(self, settings: Mapping[str, Any]) -> Compilation | None:
        """How a run with its curves is compiled, where it can be."""
        task = self._tasks[settings["task"]]
        return training.compilation_for(task, record_updates=True, **self._plan(task, settings))

    def _show(self, stack: training.Stack, settings: dict[str, Any]) -> None:
        run = stack.records()[0]
        self.picture.result = {
            "loss": pack(run.loss),
            "ratio": pack(np.median(run.update_ratio, axis=-1)),
            "validation": pack(run.validation_loss),
            "evalSteps": run.eval_steps.tolist(),
            "settings": settings,
            "done": stack.done,
            "device": stack.plan.device.type,
        }

    def _recorded(self) -> training.Sweep:
        """The present settings at all rates and the rate shown: what a page shows before anything is trained."""
        settings = {**self.read(), "device": "cpu"}
        if self._recording is None or self._recording[0] != settings:
            rates = sorted({*self.rates, settings["learning_rate"]})
            engine = "torch" if self._compilation(settings) is None else "compiled"
            stack = self._start(settings, rates, engine=engine, **_curves(settings["steps"]))
            stack.advance(settings["steps"])
            self._recording = settings, stack.records()
        return self._recording[1]

    def page_config(self) -> dict[str, Any]:
        """Recorded runs, and all that it takes to train in the page: data, rates of schedules, programs."""
        runs = self._recorded()
        settings = self.read()
        settings.pop("device")
        return {
            "recorded": {
                "rates": runs.learning_rates.tolist(),
                "loss": pack(runs.loss, dtype="float32"),
                "ratio": pack(np.median(runs.update_ratio, axis=-1), dtype="float32"),
                "validation": pack(runs.validation_loss, dtype="float32"),
                "evalSteps": runs.eval_steps.tolist(),
                "diverged": runs.diverged.tolist(),
                "steps": runs.steps,
                "evaluations": len(runs.eval_steps),
                "settings": settings,
            },
            "training": {
                **tasks_and_data(self._tasks),
                "schedules": schedule_factors(SCHEDULES, STEPS),
                "programs": training_programs(self._tasks, rules=RULES, batch_sizes=self._batch_sizes),
            },
        }

    def still(self) -> str:
        """The recorded curves at the first rate, and the loss after the budget against the rate."""
        runs = self._recorded()
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
        rates, final = runs.learning_rates, runs.final("validation_loss")[:, 0]
        label = f"validation loss after {run.planned_steps} steps"
        budget = Still(
            Axis("learning rate η", rates.min(), rates.max(), log=True),
            Axis(label, 0.03, 30, log=True),
            alt=f"{label} against the rate",
        )
        good = ~runs.diverged & np.isfinite(final)
        budget.line(rates[good], final[good])
        for rate in rates[~good]:
            budget.cross(rate, 30)
        return side_by_side(curves, budget)

    def summary(self) -> str:
        """The settings that the lab begins with."""
        now = self.read()
        return (
            f"Training lab: {now['task']}, {now['rule']}, learning rate {now['learning_rate']:g}, {now['steps']} steps"
        )


async def advance(stack: training.Stack, show: Callable[[], None], *, watch: Callable[[], None] | None = None) -> None:
    """Train in pieces of ``SHOW_EVERY``, so that the curve grows on screen and a move can stop it.

    ``watch`` is called after each update, if it is given.
    """
    shown = time.monotonic() - 0.7 * SHOW_EVERY  # the first points soon
    while not stack.done:
        stack.advance(1 if watch else PIECES[stack.engine])
        if watch:
            watch()
        if time.monotonic() - shown > SHOW_EVERY:
            show()
            await asyncio.sleep(BREATH)
            shown = time.monotonic()


def _curves(steps: int) -> dict[str, Any]:
    """What a run must record for its curves."""
    return {"eval_every": max(1, steps // 10), "record_updates": True}  # evaluations as in trainer.js


def devices() -> list[str]:
    """``"auto"``, and what this machine has."""
    present = ["auto", "cpu"]
    if torch.cuda.is_available():
        present.append("cuda")
    if torch.backends.mps.is_available():
        present.append("mps")
    return present
