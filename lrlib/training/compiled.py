"""The fast path on a CPU: each run's steps compiled to machine code, several runs at once in threads."""

import importlib.util
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrlib.compiler import Program, UnsupportedOperation, compile_step, is_compiled
from lrlib.compiler.identity import identity
from lrlib.models import initial_parameters
from lrlib.tasks import Task, augment_batch, training_step
from lrlib.training.stack import Plan, Stack
from lrlib.updates import State, UpdateRule, named_tensors, nested_tensors


class Compilation:
    """One training step on its way to machine code: ``ready``, or made so by ``program()``, on any thread.

    Everything that draws random numbers is done when this is made, so nothing but the compiler runs on that thread.
    """

    def __init__(
        self, task: Task, rule: UpdateRule, *, batch_size: int, dtype: torch.dtype, record_updates: bool
    ) -> None:
        pure = training_step(task, rule)
        params, state = pure.init(0, dtype)
        names = list(named_tensors(state))
        inputs, targets = task.train
        sizes = [parameter.numel() for parameter in initial_parameters(task.model, seed=0).parameters()]
        streamed = task.augment is not None  # then a minibatch comes ready-made, else it is gathered from all examples

        def step(params: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
            state_tensors, (rate, x, y, rows) = rest[: len(names)], rest[len(names) :]
            nested = nested_tensors(dict(zip(names, state_tensors, strict=True)), state)
            loss, after, new_state, norm = pure.step(params, nested, rate, x if streamed else x[rows], y[rows])
            ratios = [_ratios(params[0], after[0], sizes)] if record_updates else []
            return (loss, norm, *ratios, after, *named_tensors(new_state).values())

        examples = {
            "params": params,
            **named_tensors(state),
            "learning_rate": torch.ones(1),
            "inputs": inputs[:batch_size] if streamed else inputs,
            "targets": targets,
            "rows": torch.arange(batch_size),
        }
        recorded = ("loss", "grad_norm", *(["update_ratio"] if record_updates else []))
        self._request: dict[str, Any] = {
            "step": step,
            "inputs": examples,
            "outputs": (*recorded, "params", *names),
            "per_step": ("learning_rate", "rows", *(["inputs"] if streamed else [])),
            "dtype": dtype,
            "identity": identity("training", task.model, task.loss, rule, streamed),
        }
        self._program: Program | None = None
        self._busy = threading.Lock()

    @property
    def ready(self) -> bool:
        """Whether ``program()`` takes next to no time: it was made before, here or elsewhere on this machine."""
        return self._program is not None or (not self._busy.locked() and is_compiled(**self._request))

    def program(self) -> Program:
        """The compiled step.

        Raises:
            UnsupportedOperation: the step uses an operation that the compiler does not know.
        """
        with self._busy:
            if self._program is None:
                self._program = compile_step(**self._request)
            return self._program


@lru_cache(maxsize=64)
def _compilation(
    task: Task, rule: UpdateRule, batch_size: int, dtype: torch.dtype, record_updates: bool
) -> Compilation:
    return Compilation(task, rule, batch_size=batch_size, dtype=dtype, record_updates=record_updates)


def compilation(plan: Plan) -> Compilation:
    """The compilation of a plan's step, the same for the same task, rule, batch size and dtype."""
    return _compilation(plan.task, plan.rule, plan.batch_size, plan.dtype, plan.record_updates)


def obstacle(plan: Plan, *, compiling: bool = True) -> str | None:
    """Why ``plan`` cannot be compiled, or ``None`` if it can, as far as one knows without ``compiling``."""
    if importlib.util.find_spec("ziglang") is None:
        return "the package ziglang is not installed"
    if plan.device.type != "cpu":
        return f"the device is {plan.device.type}"
    if plan.clip_norm is not None:
        return "clip_norm is for the torch engine"
    if not plan.rule.traceable:
        return f"the rule {plan.rule.name} cannot be traced"
    if any(True for _ in initial_parameters(plan.task.model, seed=0).buffers()):
        return "the model keeps buffers"
    try:
        if compiling:
            compilation(plan).program()
    except UnsupportedOperation as error:
        return str(error)
    return None


def _ratios(before: Tensor, after: Tensor, sizes: list[int]) -> Tensor:
    """(tensors,): norm of each tensor's update over the norm that the tensor had; the tensors lie in one row."""
    pairs = zip(before.split(sizes), after.split(sizes), strict=True)
    norm = torch.linalg.vector_norm
    return torch.stack([norm(new - old) / norm(old) for old, new in pairs])


class CompiledStack(Stack):
    """A :class:`Stack` whose updates are made by compiled code; evaluations stay with torch."""

    engine = "compiled"

    def __init__(self, plan: Plan, *, learning_rates: np.ndarray, seeds: np.ndarray) -> None:
        super().__init__(plan, learning_rates=learning_rates, seeds=seeds)
        self._compiled = compilation(plan).program()
        rows = self._params[0]
        self._carried: list[dict[str, Any]] = [
            {"params": rows[k : k + 1], **named_tensors(plan.rule.init([rows[k : k + 1]]))} for k in range(len(seeds))
        ]

    @property
    def state(self) -> State:
        """The rule's state after the last update."""
        if self.step == 0:
            return self._state
        rows = {name: [torch.as_tensor(c[name]) for c in self._carried] for name in named_tensors(self._state)}
        joined = {name: torch.cat(row) if row[0].dim() else row[0] for name, row in rows.items()}
        return nested_tensors(joined, self._state)

    def _updates(self, count: int) -> None:
        rates = self._planned_rates(count)
        rows = self._rows(count)  # (count, seeds, batch)
        x, y = self._data["train"]
        given: dict[int, Any] = {}
        for index, seed in enumerate(self._distinct):
            batches: Tensor = x
            if self.plan.task.augment is not None:
                batches = torch.stack(
                    [
                        augment_batch(self.plan.task, x[row], seed=int(seed), step=self.step + t)
                        for t, row in enumerate(rows[:, index])
                    ]
                )
            given[index] = {"inputs": batches, "targets": y, "rows": rows[:, index].contiguous()}

        ratios = np.empty((count, len(self.seeds), len(self._names)))

        def run(k: int) -> None:
            rate = rates[:, k, None].astype(np.dtype(str(self.plan.dtype).removeprefix("torch.")))
            result = self._compiled.run({**self._carried[k], **given[int(self._member[k])], "learning_rate": rate})
            self._carried[k] = result.carried
            self._loss[self.step : self.step + count, k] = torch.from_numpy(result.recorded["loss"][:, 0])
            self._grad_norm[self.step : self.step + count, k] = torch.from_numpy(result.recorded["grad_norm"][:, 0])
            self._rates[k, self.step : self.step + count] = rate[:, 0]
            if self.plan.record_updates:
                ratios[:, k] = result.recorded["update_ratio"]

        if self.plan.threads == 1:
            list(map(run, range(len(self.seeds))))
        else:
            with ThreadPoolExecutor(self.plan.threads) as pool:
                list(pool.map(run, range(len(self.seeds))))
        self._params = [torch.from_numpy(np.concatenate([carried["params"] for carried in self._carried]))]
        if self.plan.record_updates:
            self._update_ratio += list(torch.from_numpy(ratios))
        self.step += count
