"""The fast path on a CPU: each run's steps compiled to machine code, several runs at once in threads."""

import importlib.util
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map, tree_structure, tree_unflatten

from lrlib._compiler import Program, compile_step, is_compiled
from lrlib._compiler.identity import identity, structure
from lrlib.tasks import Task, augment_batch, training_step
from lrlib.training.stack import Plan, Stack
from lrlib.updates import State, UpdateRule, named_tensors, nested_tensors


class Compilation:
    """One training step on its way to machine code: ``ready``, or made so by ``program()``, on any thread.

    Everything that draws random numbers is done when this is made, so nothing but the compiler runs on that thread.
    Once there is a program, nothing of the task's data is held.
    """

    def __init__(
        self,
        task: Task,
        rule: UpdateRule,
        *,
        batch_size: int,
        dtype: torch.dtype,
        clip_norm: float | None,
        record_updates: bool,
    ) -> None:
        pure = training_step(task, rule, clip_norm=clip_norm)
        params, state = pure.init(0, dtype)
        carried = {"params": params, **state}
        names = list(named_tensors(carried))
        held = {f"held[{i}]": tensor for i, tensor in enumerate(pure.held(0, dtype))}
        streamed = task.augment is not None  # then a minibatch comes ready-made, else it is gathered from all examples
        batch = tree_map(lambda tensor: tensor[:batch_size], task.train[0]) if streamed else task.train[0]
        inputs, targets = named_leaves("inputs", batch), named_leaves("targets", task.train[1])
        trees = [tree_structure(part) for part in task.train]
        drawn, told = dict(pure.model.named_parameters()), structure(pure.model)
        sizes = [drawn[name].numel() for name in task.trained]

        def step(*tensors: Tensor) -> tuple[Tensor, ...]:
            given = iter(tensors)
            whole = nested_tensors({name: next(given) for name in names}, carried)
            before, rate, rows = whole.pop("params"), next(given), next(given)
            x = [next(given) if streamed else next(given)[rows] for _ in inputs]
            y = [next(given)[rows] for _ in targets]
            x, y = (tree_unflatten(leaves, tree) for leaves, tree in zip((x, y), trees, strict=True))
            loss, after, new_state, norm = pure.step(before, whole, rate, x, y, list(given))
            ratios = [_ratios(before, after, sizes)] if record_updates else []
            return (loss, norm, *ratios, *named_tensors({"params": after, **new_state}).values())

        examples = {
            **named_tensors(carried),
            "learning_rate": torch.ones(1),
            "rows": torch.arange(batch_size),
            **inputs,
            **targets,
            **held,
        }
        recorded = ("loss", "grad_norm", *(["update_ratio"] if record_updates else []))
        self._request: dict[str, Any] | None = {
            "step": step,
            "inputs": examples,
            "outputs": (*recorded, *names),
            "per_step": ("learning_rate", "rows", *(inputs if streamed else [])),
            "dtype": dtype,
            "identity": told and identity("training", told, task.trained, task.loss, rule, clip_norm, streamed),
        }
        self._program: Program | None = None
        self._busy = threading.Lock()
        self._task, self._rest = weakref.ref(task), (rule, batch_size, dtype, clip_norm, record_updates)

    def fits(self, plan: Plan) -> bool:
        """Whether this is the compilation of the plan's step."""
        rest = (plan.rule, plan.batch_size, plan.dtype, plan.clip_norm, plan.record_updates)
        return self._task() is plan.task and self._rest == rest

    @property
    def ready(self) -> bool:
        """Whether ``program()`` takes next to no time: it was made before, here or elsewhere on this machine."""
        request = self._request
        return request is None or (not self._busy.locked() and is_compiled(**request))

    def program(self) -> Program:
        """The compiled step.

        Raises:
            UnsupportedOperation: the step uses an operation that the compiler does not know.
        """
        with self._busy:
            if self._request is not None:
                self._program = compile_step(**self._request)
                self._request = None
            assert self._program is not None
            return self._program


def compilation(plan: Plan) -> Compilation:
    """What there is to compile for a plan: made anew each time, since functions may change what they compute.

    What :mod:`lrlib._compiler.identity` can name is traced once on a machine all the same: a model by the modules that
    it is made of, whoever wrote the function that makes it. All else, such as a notebook's own loss or module class, is
    traced each time, and only the C compiler is spared where the traced program was met before.
    """
    return Compilation(
        plan.task,
        plan.rule,
        batch_size=plan.batch_size,
        dtype=plan.dtype,
        clip_norm=plan.clip_norm,
        record_updates=plan.record_updates,
    )


def obstacle(plan: Plan, model: nn.Module) -> str | None:
    """Why ``plan``, for models like this one, cannot be compiled; ``None`` if it can, as far as one sees beforehand."""
    if importlib.util.find_spec("ziglang") is None:
        return "the package ziglang is not installed"
    if plan.device.type != "cpu":
        return f"the device is {plan.device.type}"
    if not plan.rule.traceable:
        return f"the rule {plan.rule.name} cannot be traced"
    if any(True for _ in model.buffers()):
        return "the model keeps buffers"
    if plan.microbatch is not None:
        return "compiled code takes a minibatch whole"
    if plan.autocast is not None:
        return "compiled code has no mixed precision"
    if plan.task.stacking == "loop":
        return "the model branches on values or uses a layer that cannot be traced"
    return None


def named_leaves(name: str, tree: Any) -> dict[str, Tensor]:
    """A pytree's tensors by names of their own."""
    return {f"{name}[{i}]": leaf for i, leaf in enumerate(tree_leaves(tree))}


def _ratios(before: list[Tensor], after: list[Tensor], sizes: list[int]) -> Tensor:
    """(tensors,): norm of each tensor's update over the norm that it had, NaN where it was 0; one row, or one each."""

    def pieces(params: list[Tensor]) -> Sequence[Tensor]:
        return params[0][0].split(sizes) if len(params) == 1 else [tensor.flatten() for tensor in params]

    ratios = []
    for old, new in zip(pieces(before), pieces(after), strict=True):
        size = torch.linalg.vector_norm(old)
        ratios.append(torch.where(size == 0, torch.nan, torch.linalg.vector_norm(new - old) / size))
    return torch.stack(ratios)


class CompiledStack(Stack):
    """A :class:`Stack` whose updates are made by compiled code; evaluations stay with torch."""

    engine = "compiled"

    def __init__(self, plan: Plan, *, learning_rates: np.ndarray, seeds: np.ndarray, program: Program) -> None:
        super().__init__(plan, learning_rates=learning_rates, seeds=seeds)
        self._compiled = program
        self._constant = [named_leaves("held", [t[k] for t in self._held.values()]) for k in range(len(seeds))]
        self._carried: list[dict[str, Any]] = []
        for k in range(len(seeds)):
            params = [tensor[k : k + 1] for tensor in self._params]
            self._carried.append(named_tensors({"params": params, **plan.rule.init(params)}))

    @property
    def stride(self) -> int:
        """Many where a minibatch is a row of indices, since each call costs as much as some tens of updates."""
        return super().stride if self.plan.task.augment is not None else 500

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
        given: list[dict[str, Any]] = []
        for index, seed in enumerate(self._distinct):
            batches = x
            if self.plan.task.augment is not None:
                shifted = [
                    augment_batch(
                        self.plan.task, tree_map(lambda t, row=row: t[row], x), seed=int(seed), step=self.step + t
                    )
                    for t, row in enumerate(rows[:, index])
                ]
                batches = tree_map(lambda *parts: torch.stack(parts), *shifted)
            data = {**named_leaves("inputs", batches), **named_leaves("targets", y)}
            given.append({**data, "rows": rows[:, index].contiguous()})

        ratios = np.empty((count, len(self.seeds), len(self._names)))

        def run(k: int) -> None:
            rate = rates[:, k, None].astype(np.dtype(str(self.plan.dtype).removeprefix("torch.")))
            result = self._compiled.run(
                {**self._carried[k], **self._constant[k], **given[int(self._member[k])], "learning_rate": rate}
            )
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
        self._params = [
            torch.from_numpy(np.concatenate([carried[f"params[{i}]"] for carried in self._carried]))
            for i in range(len(self._params))
        ]
        if self.plan.record_updates:
            self._update_ratio += list(torch.from_numpy(ratios))
        self.step += count
