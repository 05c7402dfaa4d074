"""What labs share that train a network at the rates of one slider: a run at a time, or all rates at once."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from lrlib import training
from lrlib._compiler import UnsupportedOperation
from lrlib.tasks import Task
from lrlib.training import Run
from lrlib.training.compiled import Compilation
from lrlib.training.run import compilation_for
from lrlib.widgets.hosting.controls import Choice
from lrlib.widgets.hosting.lab import Lab
from lrlib.widgets.hosting.packing import pack
from lrlib.widgets.trainer.page_data import page_obstacle

SHOW_EVERY = 0.03  # s between two pictures of a run under way
BREATH = 0.002  # s in which the kernel reads what the reader did meanwhile
PIECES = {"torch": 2, "compiled": 16}  # updates between two looks at the clock
PAUSE = 0.5  # s without a move, after which there is time to compile


class TrainedLab(Lab):
    """A lab whose picture is one run at the settings that the controls stand at, and a sweep over ``rates``.

    A lab says how a run goes in ``plan`` and ``curves``, and what the picture gets of it in ``pictured``.
    """

    def __init__(self, *, tasks: Mapping[str, Task], rates: list[float], device: str, **described: Any) -> None:
        training.find_device(device)
        described["kernel_only"] = page_obstacle(tasks)
        self.tasks, self.rates = tasks, rates
        self._answered = 0
        self._compilations: dict[tuple[Any, ...], Compilation | None] = {}
        self._recording: tuple[dict[str, Any], training.Sweep] | None = None
        super().__init__(kernel_controls=[device_choice(device)], **described)
        self.recompute()

    def plan(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Rule, schedule, batch size and steps, as :func:`lrlib.training.sweep` takes them."""
        raise NotImplementedError

    def curves(self, steps: int) -> dict[str, Any]:
        """What a run of so many steps records for its curves, as :func:`lrlib.training.sweep` takes it."""
        raise NotImplementedError

    def pictured(self, run: Run) -> dict[str, Any]:
        """What the picture gets of a run besides its losses."""
        raise NotImplementedError

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
        chosen = {"engine": "compiled", "compilation": compilation} if ready else {"engine": "torch"}
        curves = self.curves(settings["steps"])
        stack = self._stack(settings, [settings["learning_rate"]], **chosen, **curves)
        await advance(stack, lambda: self._show(stack, settings))
        self._show(stack, settings)
        if compilation is not None and not ready:
            await asyncio.sleep(PAUSE)  # whoever moves on does not get past here either
            with contextlib.suppress(UnsupportedOperation):  # then it stays with torch
                await asyncio.to_thread(compilation.program)

    async def _train_all(self, settings: dict[str, Any]) -> None:
        stack = self._stack(settings, self.rates, engine="auto")
        await advance(stack, lambda: None)
        records = stack.records()
        self.picture.backdrop = {
            "rates": self.rates,
            "finals": pack(records.validation_loss[:, -1]),
            "diverged": records.diverged.tolist(),
            "settings": settings,
            "device": stack.plan.device.type,
        }

    def _stack(self, settings: Mapping[str, Any], rates: list[float], **options: Any) -> training.Stack:
        task, plan = self._asked(settings)
        return training.start(task, learning_rates=rates, seed=settings["seed"], **plan, **options)

    def _compilation(self, settings: Mapping[str, Any]) -> Compilation | None:
        """How a run with its curves is compiled, where it can be: traced once, however often the lab trains."""
        task, plan = self._asked(settings)
        asked = {**plan, **self.curves(settings["steps"])}
        key = settings["task"], repr(asked.get("rule")), asked.get("batch_size"), asked["dtype"], asked["device"]
        if key not in self._compilations:
            self._compilations[key] = compilation_for(task, **asked)
        return self._compilations[key]

    def _asked(self, settings: Mapping[str, Any]) -> tuple[Task, dict[str, Any]]:
        task = self.tasks[settings["task"]]
        return task, {**self.plan(settings), **as_in_a_page(task, settings["device"])}

    def _show(self, stack: training.Stack, settings: dict[str, Any]) -> None:
        run = stack.records()[0]
        self.picture.result = {
            "loss": pack(run.loss),
            **self.pictured(run),
            "validation": pack(run.validation_loss),
            "evalSteps": run.eval_steps.tolist(),
            "settings": settings,
            "done": stack.done,
            "device": stack.plan.device.type,
        }

    def recorded(self) -> training.Sweep:
        """The present settings at all rates and the rate shown: what a page shows before anything is trained."""
        settings = {**self.read(), "device": "cpu"}
        if self._recording is None or self._recording[0] != settings:
            others = [] if self.kernel_only else self.rates  # a figure that stands shows one run
            rates = sorted({*others, settings["learning_rate"]})
            stack = self._stack(settings, rates, engine="auto", **self.curves(settings["steps"]))
            stack.advance(settings["steps"])
            self._recording = settings, stack.records()
        return self._recording[1]

    def recording(self) -> dict[str, Any]:
        """What the recorded runs have in common, packed for a page."""
        runs, settings = self.recorded(), self.read()
        settings.pop("device")
        return {
            "rates": runs.learning_rates.tolist(),
            "loss": pack(runs.loss, dtype="float32"),
            "validation": pack(runs.validation_loss, dtype="float32"),
            "evalSteps": runs.eval_steps.tolist(),
            "diverged": runs.diverged.tolist(),
            "steps": runs.steps,
            "evaluations": len(runs.eval_steps),
            "settings": settings,
        }


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


def as_in_a_page(task: Task, device: str) -> dict[str, Any]:
    """Settings of a run that a page would train alike: float64 where there is one, all held-out examples."""
    place = training.find_device(device).type
    dtype = torch.float32 if place == "mps" else torch.float64
    return {"device": place, "dtype": dtype, "eval_examples": len(task.validation[0])}


def device_choice(value: str) -> Choice:
    """The control with which a kernel's device is chosen: ``"auto"``, and what this machine has."""
    present = ["auto", "cpu"]
    if torch.cuda.is_available():
        present.append("cuda")
    if torch.backends.mps.is_available():
        present.append("mps")
    return Choice(name="device", label="Device", value=value, options=[(name, name) for name in present])
