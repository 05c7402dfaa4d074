"""The fast path on a CPU: each run's steps compiled to machine code, several runs at once in threads."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrlib.compiler import Program, UnsupportedOperation, compile_step
from lrlib.models import initial_parameters
from lrlib.tasks import Task, augment_batch, training_step
from lrlib.training.stack import Plan, Stack
from lrlib.updates import UpdateRule, named_tensors, nested_tensors


def obstacle(plan: Plan) -> str | None:
    """Why ``plan`` cannot be compiled, or ``None`` if it can."""
    if importlib.util.find_spec("ziglang") is None:
        return "the package ziglang is not installed"
    if plan.device.type != "cpu":
        return f"the device is {plan.device.type}"
    if plan.clip_norm is not None or plan.record_updates:
        return "clip_norm and record_updates are for the torch engine"
    if not plan.rule.traceable:
        return f"the rule {plan.rule.name} cannot be traced"
    if any(True for _ in initial_parameters(plan.task.model, seed=0).buffers()):
        return "the model keeps buffers"
    try:
        _program(plan.task, plan.rule, plan.batch_size, plan.dtype)
    except UnsupportedOperation as error:
        return str(error)
    return None


@lru_cache(maxsize=64)
def _program(task: Task, rule: UpdateRule, batch_size: int, dtype: torch.dtype) -> Program:
    pure = training_step(task, rule)
    params, state = pure.init(0, dtype)
    names = list(named_tensors(state))
    inputs, targets = task.train
    streamed = task.augment is not None  # then a minibatch comes ready-made, else it is gathered from all examples

    def step(params: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        state_tensors, (rate, x, y, rows) = rest[: len(names)], rest[len(names) :]
        nested = nested_tensors(dict(zip(names, state_tensors, strict=True)), state)
        loss, after, new_state, norm = pure.step(params, nested, rate, x if streamed else x[rows], y[rows])
        return (loss, norm, after, *named_tensors(new_state).values())

    examples = {
        "params": params,
        **named_tensors(state),
        "learning_rate": torch.ones(1),
        "inputs": inputs[:batch_size] if streamed else inputs,
        "targets": targets,
        "rows": torch.arange(batch_size),
    }
    per_step = ("learning_rate", "rows", *(["inputs"] if streamed else []))
    return compile_step(step, examples, outputs=("loss", "grad_norm", "params", *names), per_step=per_step, dtype=dtype)


class CompiledStack(Stack):
    """A :class:`Stack` whose updates are made by compiled code; evaluations stay with torch."""

    engine = "compiled"

    def __init__(self, plan: Plan, *, learning_rates: np.ndarray, seeds: np.ndarray) -> None:
        super().__init__(plan, learning_rates=learning_rates, seeds=seeds)
        self._compiled = _program(plan.task, plan.rule, plan.batch_size, plan.dtype)
        rows = self._params[0]
        self._carried: list[dict[str, Any]] = [
            {"params": rows[k : k + 1], **named_tensors(plan.rule.init([rows[k : k + 1]]))} for k in range(len(seeds))
        ]

    def _updates(self, count: int) -> None:
        rates = self._planned_rates(count)
        rows = self._order[self.step : self.step + count]  # (count, seeds, batch)
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

        def run(k: int) -> None:
            rate = rates[:, k, None].astype(np.dtype(str(self.plan.dtype).removeprefix("torch.")))
            result = self._compiled.run({**self._carried[k], **given[int(self._member[k])], "learning_rate": rate})
            self._carried[k] = result.carried
            self._loss[self.step : self.step + count, k] = torch.from_numpy(result.recorded["loss"][:, 0])
            self._grad_norm[self.step : self.step + count, k] = torch.from_numpy(result.recorded["grad_norm"][:, 0])
            self._rates[k, self.step : self.step + count] = rate[:, 0]

        with ThreadPoolExecutor(self.plan.threads) as pool:
            list(pool.map(run, range(len(self.seeds))))
        self._params = [torch.from_numpy(np.concatenate([carried["params"] for carried in self._carried]))]
        self.step += count
