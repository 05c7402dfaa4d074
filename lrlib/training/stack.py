"""A stack of runs that train together, one batched step at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from lrlib.models import initial_parameters
from lrlib.schedules import PlateauRule, Schedule
from lrlib.tasks import Task, augment_batch, batch_order
from lrlib.training.copies import Copies, Group, Tensors
from lrlib.training.horizon import unfinished
from lrlib.training.records import Sweep
from lrlib.updates import State, UpdateRule, effective_rates

WINDOW = 64  # steps whose examples are looked up at once


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The checked arguments of a stack; see :func:`lrlib.training.sweep` for their meaning."""

    task: Task
    rule: UpdateRule
    schedule: Schedule | None
    feedback: PlateauRule | None
    steps: int
    batch_size: int
    dtype: torch.dtype
    device: torch.device
    eval_every: int | None
    eval_examples: int
    clip_norm: float | None
    record_updates: bool
    divergence_threshold: float
    threads: int
    microbatch: int | None
    autocast: torch.dtype | None
    engine_note: str | None = None  # why torch trains, where nobody asked for it


class Stack:
    """Runs that train together. ``advance`` makes updates, ``records`` tells how far things have come.

    To cancel, stop advancing: what was recorded until then stands. A run's numbers depend on its rate and seed alone,
    up to rounding: batched products may round otherwise than single ones, which a chaotic run magnifies.
    """

    engine = "torch"

    def __init__(self, plan: Plan, *, learning_rates: np.ndarray, seeds: np.ndarray) -> None:
        self.plan, self.learning_rates, self.seeds, self.step = plan, learning_rates, seeds, 0
        task, device, dtype, steps = plan.task, plan.device, plan.dtype, plan.steps
        self._distinct, self._member = np.unique(seeds, return_inverse=True)
        models = [initial_parameters(task.model, seed=int(seed)) for seed in self._distinct]
        self._names = list(task.trained)
        self._shapes = [dict(models[0].named_parameters())[name].shape for name in self._names]
        drawn = [{**dict(m.named_parameters()), **dict(m.named_buffers())} for m in models]
        self._all_names = list(drawn[0])
        tensors = {name: self._stack([own[name] for own in drawn]) for name in drawn[0]}
        self._held = {name: tensor for name, tensor in tensors.items() if name not in self._names}  # frozen, buffers
        stacked = [tensors[name] for name in self._names]
        flat = torch.cat([tensor.reshape(len(tensor), -1) for tensor in stacked], dim=1)  # (runs, P)
        self._params = [flat] if plan.rule.flattenable else stacked
        self._state = plan.rule.init(self._params)
        self._copies = Copies(task, models[0], seeds=seeds, device=device, dtype=dtype, autocast=plan.autocast)
        self._data = {name: self._place(getattr(task, name)) for name in ("train", "validation")}
        self._window = 0, torch.empty(0, len(self._distinct), plan.batch_size, dtype=torch.int64)
        runs = len(seeds)
        self._factor = np.ones(steps) if plan.schedule is None else plan.schedule(np.arange(steps))
        self._plateau = None if plan.feedback is None else plan.feedback.init(learning_rates)
        self._rates = np.full((runs, steps), np.nan)
        blank = torch.full((steps, runs), torch.nan, dtype=dtype, device=device)
        self._loss, self._grad_norm = blank, blank.clone()
        self._update_ratio: list[Tensor] = []
        self._evaluations: list[tuple[int, dict[str, dict[str, np.ndarray]]]] = []
        if plan.eval_every is not None:
            self._evaluate()

    def _stack(self, tensors: list[Tensor]) -> Tensor:
        """One tensor for each distinct seed -> (runs, *shape)."""
        stacked = torch.stack([tensor.detach() for tensor in tensors])[torch.from_numpy(self._member)]
        return self._place(stacked)

    def _place(self, tree: Any) -> Any:
        def place(tensor: Tensor) -> Tensor:
            return tensor.to(self.plan.dtype if tensor.is_floating_point() else tensor.dtype).to(self.plan.device)

        return tree_map(place, tree)

    @property
    def stride(self) -> int:
        """How many updates to make at once where nobody watches; the numbers do not depend on it."""
        return 50

    @property
    def done(self) -> bool:
        """Whether all planned updates were made."""
        return self.step == self.plan.steps

    @property
    def state(self) -> State:
        """The rule's state after the last update."""
        return self._state

    def effective_rates(self) -> Tensor:
        """(runs, P) what the last update gave each parameter; see :func:`lrlib.updates.effective_rates`."""
        rates = torch.from_numpy(self._rates[:, self.step - 1]).to(self.plan.device, self.plan.dtype)
        parts = effective_rates(self.plan.rule, self._params, self.state, rates)
        return torch.cat([part.reshape(len(part), -1) for part in parts], dim=1)

    def advance(self, steps: int) -> None:
        """Make the next ``steps`` updates, or as many as are left."""
        end = min(self.step + steps, self.plan.steps)
        every = self.plan.eval_every or self.plan.steps
        with _threads(self.plan.threads):
            while self.step < end:
                self._updates(min(end, (self.step // every + 1) * every) - self.step)
                if self.done or (self.plan.eval_every is not None and self.step % every == 0):
                    self._evaluate()

    def _updates(self, count: int) -> None:
        planned = torch.from_numpy(self._planned_rates(count)).to(self.plan.dtype)  # (count, runs)
        self._rates[:, self.step : self.step + count] = planned.numpy().T
        rates = planned.to(self.plan.device)  # all at once: a GPU waits for each copy
        for rate in rates:
            self._update(rate)

    def _planned_rates(self, count: int) -> np.ndarray:
        """(count, runs) the rates of the next updates, as feedback has left them."""
        base = self.learning_rates if self._plateau is None else self._plateau.learning_rates
        return base * self._factor[self.step : self.step + count, None]

    def _rows(self, count: int) -> Tensor:
        """(count, seeds, batch) which examples the next updates see: a window, since all may not fit in memory."""
        examples, size, now = self.plan.task.examples, self.plan.batch_size, self.step
        if size == examples:
            return torch.arange(examples, device=self.plan.device).expand(count, len(self._distinct), examples)
        first, rows = self._window
        if now + count > first + len(rows):
            orders = [
                batch_order(examples, batch_size=size, steps=max(count, WINDOW), seed=int(seed), first=now)
                for seed in self._distinct
            ]
            first, rows = self._window = now, torch.stack(orders, dim=1).to(self.plan.device)
        return rows[now - first :][:count]

    def _batch(self, group: Group) -> tuple[Any, Any]:
        """(batch, ...) if the group has one seed, else (runs, batch, ...)."""
        inputs, targets = self._data["train"]
        whole = self.plan.batch_size == self.plan.task.examples
        if whole and len(group.seeds) == 1 and self.plan.task.augment is None:
            return inputs, targets
        order = self._rows(1)[0]
        rows = [order[int(np.searchsorted(self._distinct, seed))] for seed in group.seeds]
        xs = [
            augment_batch(self.plan.task, _chosen(inputs, row), seed=seed, step=self.step)
            for seed, row in zip(group.seeds, rows, strict=True)
        ]
        if len(xs) == 1:
            return xs[0], _chosen(targets, rows[0])
        stacked = tree_map(lambda *parts: torch.stack(parts)[group.index], *xs)
        return stacked, _chosen(targets, torch.stack(rows)[group.index])

    def _pieces(self, params: list[Tensor]) -> list[Tensor]:
        if not self.plan.rule.flattenable:
            return [tensor.detach() for tensor in params]
        columns = params[0].detach().split([shape.numel() for shape in self._shapes], dim=1)
        return [column.view(-1, *shape) for column, shape in zip(columns, self._shapes, strict=True)]

    def _tensors(self, pieces: list[Tensor]) -> Tensors:
        return {**dict(zip(self._names, pieces, strict=True)), **self._held}

    def _update(self, rates: Tensor) -> None:
        plan, step = self.plan, self.step
        pieces = [piece.requires_grad_() for piece in self._pieces(self._params)]
        losses, gradients = self._losses_and_gradients(pieces)
        with torch.no_grad():
            flat = torch.cat([g.reshape(len(g), -1) for g in gradients], dim=1)
            norm = torch.linalg.vector_norm(flat, dim=1)  # (runs,): a norm over the whole stack would mix runs
            if plan.clip_norm is not None:
                scale = (plan.clip_norm / (norm + 1e-6)).clamp(max=1.0)
                flat = flat * scale.unsqueeze(1)
                gradients = tuple(g * scale.view(-1, *[1] * (g.dim() - 1)) for g in gradients)
            grads = [flat] if plan.rule.flattenable else list(gradients)
            before = self._params
            self._params, self._state = plan.rule.step(before, grads, self._state, rates, loss=losses)
            if plan.record_updates:
                self._update_ratio.append(self._ratios(self._pieces(before), self._pieces(self._params)))
        self._loss[step], self._grad_norm[step] = losses, norm
        self.step += 1

    def _losses_and_gradients(self, pieces: list[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        """(runs,) losses, and their gradients (runs, *shape), microbatch by microbatch where the plan says so."""
        size, part, tensors = self.plan.batch_size, self.plan.microbatch, self._tensors(pieces)
        batches = [self._batch(group) for group in self._copies.groups]
        if part is None:
            losses = self._copies.losses(tensors, batches, step=self.step)
            return losses.detach(), torch.autograd.grad(losses.sum(), pieces, allow_unused=True, materialize_grads=True)
        total, sums = torch.zeros((), device=self.plan.device), [torch.zeros_like(piece) for piece in pieces]
        for number, begin in enumerate(range(0, size, part)):
            rows = slice(begin, min(begin + part, size))
            some = [_sliced(b, rows, group) for b, group in zip(batches, self._copies.groups, strict=True)]
            losses = self._copies.losses(tensors, some, step=self.step, part=number) * ((rows.stop - begin) / size)
            found = torch.autograd.grad(losses.sum(), pieces, allow_unused=True, materialize_grads=True)
            total, sums = total + losses.detach(), [a + b for a, b in zip(sums, found, strict=True)]
        return total, sums

    def _ratios(self, before: list[Tensor], after: list[Tensor]) -> Tensor:
        """(runs, tensors): norm of each tensor's update over the norm that the tensor had, NaN where it was 0."""

        def norms(pieces: list[Tensor]) -> Tensor:
            return torch.stack([torch.linalg.vector_norm(p.reshape(len(p), -1), dim=1) for p in pieces], dim=1)

        size = norms(before)
        moved = norms([new - old for old, new in zip(before, after, strict=True)])
        return torch.where(size == 0, torch.nan, moved / size)

    def _evaluated(self) -> Tensors:
        """The tensors to evaluate and to keep: where the gradients are taken, unless the rule says otherwise."""
        rule = self.plan.rule
        if rule.evaluated is None:
            return self._tensors(self._pieces(self._params))
        tensors = self._tensors(self._pieces(rule.evaluated(self._params, self.state)))
        return self._copies.with_statistics(tensors, self._data["train"][0], step=self.step)

    def _evaluate(self) -> None:
        plan, tensors = self.plan, self._evaluated()
        found = {
            split: self._copies.evaluate(tensors, data, examples=plan.eval_examples, step=self.step)
            for split, data in self._data.items()
        }
        self._evaluations.append((self.step, found))
        if self._plateau is not None and plan.feedback is not None:
            self._plateau = plan.feedback.update(self._plateau, found["validation"]["loss"])

    def records(self) -> Sweep:
        """All that was recorded so far. The evaluations may be none if the stack was stopped before the first."""
        plan, done, kept = self.plan, self.step, self._evaluated()
        schedule = plan.schedule if plan.feedback is None else plan.feedback

        def evaluated(split: str, name: str) -> np.ndarray:
            rows = [found[split][name] for _, found in self._evaluations]
            return np.stack(rows, axis=1) if rows else np.empty((len(self.seeds), 0))

        ratios = torch.stack(self._update_ratio, dim=1) if self._update_ratio else torch.empty(len(self.seeds), done, 0)
        return Sweep(
            learning_rates=self.learning_rates,
            seeds=self.seeds,
            rates_used=self._rates[:, :done].copy(),
            loss=self._loss[:done].T.cpu().double().numpy().copy(),
            grad_norm=self._grad_norm[:done].T.cpu().double().numpy().copy(),
            update_ratio=ratios.cpu().double().numpy(),
            eval_steps=np.array([step for step, _ in self._evaluations], dtype=np.int64),
            train_loss=evaluated("train", "loss"),
            validation_loss=evaluated("validation", "loss"),
            train_metrics={name: evaluated("train", name) for name in plan.task.metrics},
            validation_metrics={name: evaluated("validation", name) for name in plan.task.metrics},
            planned_steps=plan.steps,
            divergence_threshold=plan.divergence_threshold,
            tensor_names=tuple(self._names),
            provenance={
                "task": plan.task.name,
                "rule": repr(plan.rule),
                "schedule": "constant" if schedule is None else repr(schedule),
                **({"unfinished": note} if (note := unfinished(plan.schedule, plan.steps)) else {}),
                "batch_size": plan.batch_size,
                **({} if plan.microbatch is None else {"microbatch": plan.microbatch}),
                "dtype": str(plan.dtype).removeprefix("torch."),
                **({} if plan.autocast is None else {"autocast": str(plan.autocast).removeprefix("torch.")}),
                "device": plan.device.type,
                "engine": self.engine + (", one run at a time" if self._copies.stacking == "loop" else ""),
                "engine_note": plan.engine_note,
                "versions": {"torch": torch.__version__, "numpy": np.__version__},
            },
            parameters={name: kept[name].detach().cpu().clone() for name in self._all_names},
        )


def _chosen(tree: Any, rows: Tensor) -> Any:
    return tree_map(lambda tensor: tensor[rows], tree)


def _sliced(batch: Any, rows: slice, group: Group) -> Any:
    """Some examples of a batch, which stand behind the runs where these have batches of their own."""
    return tree_map(lambda tensor: tensor[rows] if len(group.seeds) == 1 else tensor[:, rows], batch)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """These models are too small for two threads to help; torch's own setting is put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
