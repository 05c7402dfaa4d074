"""The adaptive lab: several rules at one task, each at its own rate, and the rate that each parameter really gets."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets
import numpy as np

from lrlib import _check, training
from lrlib.curves.divergence import THRESHOLD
from lrlib.tasks import Task
from lrlib.training.compiled import Compilation
from lrlib.training.run import compiled_ahead
from lrlib.updates import UpdateRule, has_effective_rates
from lrlib.widgets.adaptive_lab.still import Drawn, adaptive_still
from lrlib.widgets.hosting.controls import Choice, Control, LogSlider, Slider, Toggle
from lrlib.widgets.hosting.lab import Lab
from lrlib.widgets.hosting.packing import pack
from lrlib.widgets.trainer.choices import offered_tasks
from lrlib.widgets.trainer.choices import rules as rules_of
from lrlib.widgets.trainer.page_data import page_obstacle, tasks_and_data
from lrlib.widgets.trainer.programs import training_programs
from lrlib.widgets.trainer.trained_lab import BREATH, advance, as_in_a_page, device_choice
from lrlib.widgets.training_lab.lab import TASKS

EVALUATIONS = 20  # on the way of a run
SPREAD_AT = (0.05, 0.25, 0.5, 0.75, 0.95)  # quantiles over the parameters
RECORDED_RATES = 9  # of each rule, besides the one that it begins with
RECORDED_SPREADS = 20  # on the way of a recorded run

OFFERED = ("Gradient descent", "Heavy ball", "Adagrad", "RMSprop", "Adam")
RATES = {  # near the best of each on digits; 1 for those that find their rate themselves
    "Gradient descent": 0.5,
    "Heavy ball": 0.1,
    "Nesterov": 0.1,
    "Adagrad": 0.06,
    "RMSprop": 0.01,
    "Adam": 0.02,
    "AMSGrad": 0.02,
    "NAdam": 0.02,
    "RAdam": 0.05,
    "AdamW": 0.02,
    "Lion": 0.0015,
    "Muon with AdamW": 0.02,
    "D-Adaptation": 1.0,
    "Prodigy": 1.0,
    "Polyak": 1.0,
}
NOTE = (
    "Spread: line, 5 to 95 % of the parameters; bar, half of them; dot, the median. On the way: the median, and a band "
    "from 5 to 95 %. Idle parameters, which have had no gradient yet, are left out. Drag in a picture to choose the "
    "update."
)
DASHES = ("", "9 5", "1 4.5", "5 4", "10 4 1 4", "2 3 7 3")  # by rule; ends are round, which adds a stroke's width


class AdaptiveLab(Lab):
    """Several update rules at one network, each at a rate of its own, and the effective rates of all parameters.

    A parameter's effective rate is what the rule multiplies its gradient with, or its running mean of gradients: see
    :func:`lrlib.updates.effective_rates`; rules that have none, such as Lion, show their losses and updates alone. A
    move trains that rule anew; the others stand. Any update of the runs shown can be looked at: its loss, the size of
    the update and the effective rates, by the slider below or by dragging in a picture.

    Args:
        rules: the rules on offer, one to six of those in ``RATES``, by label.
        rates: the rules to begin with, by label, each with its rate; all on offer, near their best on digits, if none
            are given. Those left out are switched off.
        span: (lowest, highest) rate, the ends of all sliders.
        choices: the tasks on offer, by label, the first one shown; digits with two networks if none are given. Any
            :class:`lrlib.tasks.Task` trains beside a kernel; what a static page cannot train as Python does is shown
            there as a figure, and it is said why.
        steps: updates of each run.
        batch_size: examples a minibatch.
        seed: 0 to 9: initial weights and minibatches, the same for all rules.
        device: where a kernel trains; ``"auto"`` takes a GPU if there is one.
        hint: one line that says what to try; ``_{...}`` is a subscript.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value.
    """

    module = "adaptive_lab/lab.js"
    styles = ("hosting/lab.css", "adaptive_lab/lab.css")

    def __init__(
        self,
        *,
        rules: Sequence[str] = OFFERED,
        rates: Mapping[str, float] | None = None,
        span: tuple[float, float] = (1e-3, 10.0),
        choices: Mapping[str, Task] | None = None,
        steps: int = 100,
        batch_size: int = 64,
        seed: int = 0,
        device: str = "auto",
        hint: str = "Each rule stands near its own best rate. Raise one tenfold, lower another: which forgive it?",
    ) -> None:
        self._tasks = offered_tasks(choices, *TASKS)
        self.rules = _chosen(rules)
        begin = dict({label: RATES[label] for label in self.rules} if rates is None else rates)
        for label in begin:
            _check.choice("rates", label, self.rules)
        self.steps = _check.integer("steps", steps, at_least=2)
        most = min(task.examples for task in self._tasks.values())
        self.batch_size = _check.integer("batch_size", batch_size, at_least=1, at_most=most)
        training.find_device(device)
        names = list(self._tasks)
        controls: list[Control] = []
        for label, rule in self.rules.items():
            start = begin[label] if label in begin else float(np.clip(RATES[label], *span))
            controls += [
                Toggle(name=f"show_{rule.name}", label=label, value=label in begin),
                LogSlider(
                    name=f"rate_{rule.name}",
                    label=f"{label}, learning rate",
                    value=start,
                    minimum=span[0],
                    maximum=span[1],
                ),
            ]
        controls += [
            Choice(name="task", label="Network", value=names[0], options=[(label, label) for label in names]),
            Slider(name="seed", label="Seed", value=seed, minimum=0, maximum=9, step=1),
            Slider(name="step", label="Update", value=steps, minimum=1, maximum=steps, step=1),
        ]
        described = [
            {"name": rule.name, "label": label, "dash": dash}
            for (label, rule), dash in zip(self.rules.items(), DASHES, strict=False)
        ]
        config = {
            "rules": described,
            "note": NOTE,
            "steps": steps,
            "batch_size": batch_size,
            "evaluations": EVALUATIONS,
            "spread_at": SPREAD_AT,
            "threshold": THRESHOLD,
        }
        super().__init__(
            hint=hint,
            controls=controls,
            kernel_controls=[device_choice(device)],
            config=config,
            kernel_only=page_obstacle(self._tasks),
        )
        self._arrange()
        self._runs: dict[str, dict[str, Any]] = {}
        self._wanted: dict[str, dict[str, Any]] = {}
        self._recording: tuple[dict[str, Any], dict[str, dict[str, Any]]] | None = None
        self.recompute()

    def _arrange(self) -> None:
        """Beside a kernel: each rule's check box and slider in a row of their own, the other controls below."""
        rows = []
        for rule in self.rules.values():
            tick, slider = self.controls[f"show_{rule.name}"], self.controls[f"rate_{rule.name}"]
            tick.layout.width = "140px"
            slider.slider.description = "η"  # the check box before it says whose
            rows.append(ipywidgets.HBox([tick, slider]))
        self.controls["step"].layout.width = "340px"
        rest = [self.controls[name] for name in ("task", "seed", "step", "device")]
        below = ipywidgets.Box(rest, layout={"flex_flow": "row wrap"})
        hint = self.children[0]  # type: ignore[has-type]
        self.children = (hint, *rows, below, self.picture)

    def recompute(self) -> None:
        """Train what the settings ask for and is not there; a move that asks for nothing else leaves it at work."""
        settings = self.read()
        wanted = {
            rule.name: {
                "rate": settings[f"rate_{rule.name}"],
                **{name: settings[name] for name in ("task", "seed", "device")},
            }
            for rule in self.rules.values()
            if settings[f"show_{rule.name}"]
        }
        if wanted != self._wanted:
            self._wanted = wanted
            self.latest.start(self._train(wanted))

    async def _train(self, wanted: dict[str, dict[str, Any]]) -> None:
        await asyncio.sleep(BREATH)  # of a burst of moves, only the last gets past here
        for name, asked in wanted.items():
            run = self._runs.get(name)
            if run is not None and run["done"] and run["asked"] == asked:
                continue
            await self._train_rule(name, asked)

    async def _train_rule(self, name: str, asked: dict[str, Any]) -> None:
        stack = self._start(name, [asked["rate"]], asked)
        spreads: list[np.ndarray] = []

        def show() -> None:
            self._show(name, stack, asked, spreads)

        await advance(stack, show, watch=lambda: spreads.append(_spreads(stack)[0]))
        show()

    def _start(self, name: str, rates: list[float], asked: Mapping[str, Any], **options: Any) -> training.Stack:
        plan = self._plan(name, asked)
        return training.start(**plan, learning_rates=rates, seed=asked["seed"], **options)

    def _plan(self, name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        task = self._tasks[asked["task"]]
        return {
            "task": task,
            "rule": next(rule for rule in self.rules.values() if rule.name == name),
            "batch_size": self.batch_size,
            "steps": self.steps,
            "eval_every": max(1, self.steps // EVALUATIONS),
            "record_updates": True,
            **as_in_a_page(task, asked["device"]),
        }

    def _show(self, name: str, stack: training.Stack, asked: dict[str, Any], spreads: list[np.ndarray]) -> None:
        run = stack.records()[0]
        record = {
            "loss": pack(run.loss),
            "validation": pack(run.validation_loss),
            "evalSteps": run.eval_steps.tolist(),
            "ratio": pack(np.median(run.update_ratio, axis=-1)),
            "spread": pack(np.array(spreads)),
            "done": stack.done,
            "asked": asked,
            "device": stack.plan.device.type,
        }
        self._runs = {**self._runs, name: record}
        self.picture.result = {"runs": self._runs}

    def _recorded(self) -> dict[str, dict[str, Any]]:
        """Each rule at a few rates and at its own: what a page shows before anything is trained."""
        settings = {name: value for name, value in self.read().items() if name.startswith("rate_")}
        settings |= {"task": self.controls["task"].value, "seed": self.controls["seed"].value, "device": "cpu"}
        if self._recording is None or self._recording[0] != settings:
            names = [rule.name for rule in self.rules.values()]
            compilations = zip(names, compiled_ahead(self._plan(name, settings) for name in names), strict=True)
            self._recording = settings, {name: self._record(name, settings, made) for name, made in compilations}
        return self._recording[1]

    def _record(self, name: str, settings: dict[str, Any], compilation: Compilation | None) -> dict[str, Any]:
        slider = self.specs[f"rate_{name}"]
        count = 0 if self.kernel_only else RECORDED_RATES  # a figure that stands shows one run
        grid = np.geomspace(slider.minimum, slider.maximum, count)  # type: ignore[union-attr]
        rates = sorted({*(float(f"{rate:.3g}") for rate in grid), settings[f"rate_{name}"]})
        stack = self._start(name, rates, settings, compilation=compilation)
        every = max(1, self.steps // RECORDED_SPREADS)
        at = sorted({1, *range(every, self.steps + 1, every), self.steps})
        spreads = []
        for step in at:
            stack.advance(step - stack.step)
            spreads.append(_spreads(stack))
        return {"rates": rates, "runs": stack.records(), "at": at, "spread": np.stack(spreads, axis=1)}

    def page_config(self) -> dict[str, Any]:
        """Recorded runs, and all that it takes to train in the page."""
        settings = self.read()
        settings.pop("device")
        recorded = {
            name: {
                "rates": found["rates"],
                "loss": pack(found["runs"].loss, dtype="float32"),
                "ratio": pack(np.median(found["runs"].update_ratio, axis=-1), dtype="float32"),
                "validation": pack(found["runs"].validation_loss, dtype="float32"),
                "evalSteps": found["runs"].eval_steps.tolist(),
                "spreadSteps": found["at"],
                "spread": pack(found["spread"], dtype="float32"),
            }
            for name, found in self._recorded().items()
        }
        by_name = {rule.name: rule for rule in self.rules.values()}
        return {
            "recorded": {"runs": recorded, "settings": settings},
            "training": {
                **tasks_and_data(self._tasks),
                "programs": training_programs(
                    self._tasks, rules=by_name, batch_sizes=[self.batch_size], effective=True
                ),
            },
        }

    def still(self) -> str:
        """The recorded curves of the rules shown at first, and the spread of their effective rates at the end."""
        settings = self.read()
        slider = next(spec for name, spec in self.specs.items() if name.startswith("rate_"))
        span = (slider.minimum, slider.maximum)  # type: ignore[union-attr]
        drawn = []
        for (label, rule), dash in zip(self.rules.items(), DASHES, strict=False):
            if settings[f"show_{rule.name}"]:
                found = self._recorded()[rule.name]
                k = found["rates"].index(settings[f"rate_{rule.name}"])
                drawn.append(Drawn(label, dash, found["runs"][k], found["spread"][k, -1]))
        return f"{adaptive_still(drawn, steps=self.steps, span=span)}<p class='lrlab-note'>{NOTE}</p>"

    def summary(self) -> str:
        """The settings that the lab begins with."""
        now = self.read()
        pairs = [(label, rule.name) for label, rule in self.rules.items()]
        shown = [f"{label} at {now[f'rate_{name}']:g}" for label, name in pairs if now[f"show_{name}"]]
        return f"Adaptive lab: {now['task']}, {self.steps} steps: {', '.join(shown) or 'no rule'}"


def _chosen(labels: Sequence[str]) -> dict[str, UpdateRule]:
    """The rules on offer, by label."""
    if isinstance(labels, str) or not 1 <= len(labels) <= len(DASHES) or len({*labels}) != len(labels):
        _check.fail("rules", f"one to {len(DASHES)} different labels", labels)
    return rules_of(*(_check.choice("rules", label, RATES) for label in labels))


def _spreads(stack: training.Stack) -> np.ndarray:
    """(runs, 6) of each run's effective rates: the quantiles ``SPREAD_AT``, and the share that has had no gradient."""
    if not has_effective_rates(stack.plan.rule):
        return np.full((len(stack.learning_rates), len(SPREAD_AT) + 1), np.nan)
    found = []
    for rates in stack.effective_rates().double().cpu().numpy():
        known = rates[~np.isnan(rates)]
        quantiles = np.quantile(known, SPREAD_AT) if len(known) else np.full(len(SPREAD_AT), np.nan)
        found.append([*quantiles, 1 - len(known) / len(rates)])
    return np.array(found)
