"""The copies of a task's model that train together: their losses, their evaluation."""

import copy
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn.modules.batchnorm import _NormBase
from torch.utils._pytree import tree_leaves, tree_map

from lrlib.models import drawing, stacked_forward
from lrlib.streams import stream_key
from lrlib.tasks import Task

EVALUATION_BATCH = 512
STATISTICS_EXAMPLES = 4096  # from so many training examples batch normalization is computed anew where it must be

Tensors = dict[str, Tensor]  # parameters and buffers by name, each (runs, *shape)


@dataclass(frozen=True)
class Group:
    """Runs that one call evaluates: all, or those of one seed where the module draws random numbers."""

    runs: slice
    seeds: list[int]
    index: Tensor  # (runs,) which of these seeds each run has


class Copies:
    """One copy of the task's model for each run, of the given ``seeds`` (runs,), which take turns in blocks."""

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        *,
        seeds: np.ndarray,
        device: torch.device,
        dtype: torch.dtype,
        autocast: torch.dtype | None = None,
    ) -> None:
        self._task, self._device, self._autocast = task, device, autocast
        self._model = copy.deepcopy(model).to(device, dtype)  # the reader's own module stays as it is
        self._forward = self._trained = stacked_forward(self._model, task.stacking)
        self._one_by_one = device.type == "cpu" and task.stacking != "chain"  # in evaluation: what a cache can hold
        self._evaluated = stacked_forward(self._model, "loop") if self._one_by_one else self._forward
        self.stacking = task.stacking  # in training
        if autocast is not None and task.stacking == "vmap":  # which autocast reaches in part only
            self.stacking = "loop"
            self._trained = stacked_forward(self._model, self.stacking)
        self._measures = {"loss": task.loss, **task.metrics}
        ends = [len(seeds)]
        if task.draws:
            ends = [*(np.flatnonzero(np.diff(seeds)) + 1).tolist(), *ends]
        self.groups = []
        for begin, end in zip([0, *ends], ends, strict=False):
            distinct, index = np.unique(seeds[begin:end], return_inverse=True)
            self.groups.append(Group(slice(begin, end), distinct.tolist(), torch.from_numpy(index).to(device)))

    def losses(self, tensors: Tensors, batches: Sequence[tuple[Any, Any]], *, step: int, part: int = 0) -> Tensor:
        """(runs,) losses in training.

        Each group has a batch: (batch, ...) if it is of one seed, else (runs, batch, ...). ``part`` counts the
        microbatches of a step.
        """
        parts = []
        for group, (inputs, targets) in zip(self.groups, batches, strict=True):
            shared = len(group.seeds) == 1
            with self._drawing("dropout", group, step, *([part] if part else [])), self._casting():
                outputs = self._trained(self._own(tensors, group), inputs, shared)
            if self._autocast is not None:  # a loss needs more than the three digits of bfloat16
                outputs = tree_map(lambda t: t.float() if t.is_floating_point() else t, outputs)
            parts.append(vmap(self._task.loss, in_dims=(0, None if shared else 0))(outputs, targets))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    @torch.no_grad()
    def evaluate(self, tensors: Tensors, data: tuple[Any, Any], *, examples: int, step: int) -> dict[str, np.ndarray]:
        """Loss and metrics, each (runs,), in evaluation mode: means over the first ``examples``, or all."""
        modes = {module: module.training for module in self._model.modules()}
        self._model.eval()
        parts = [self._evaluate(tensors, group, *data, examples, step) for group in self.groups]
        for module, training in modes.items():
            module.training = training
        return {name: np.concatenate([part[name] for part in parts]) for name in self._measures}

    def _evaluate(
        self, tensors: Tensors, group: Group, inputs: Any, targets: Any, examples: int, step: int
    ) -> dict[str, np.ndarray]:
        own, runs = self._own(tensors, group), len(group.index)
        count = min(examples, len(tree_leaves(targets)[0]))
        size, parts = 1 if self._one_by_one else runs, []
        for first in range(0, runs, size):
            some = {name: tensor[first : first + size] for name, tensor in own.items()}
            total = {name: torch.zeros(size, dtype=torch.float64) for name in self._measures}
            with self._drawing("evaluation", group, step):
                for begin in range(0, count, EVALUATION_BATCH):
                    rows = slice(begin, min(begin + EVALUATION_BATCH, count))
                    outputs = self._evaluated(some, _copied(inputs, rows), True)
                    for name, values in self._measured(outputs, _copied(targets, rows), size).items():
                        total[name] += values.cpu().double() * (rows.stop - begin)
            parts.append({name: (value / count).numpy() for name, value in total.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in self._measures}

    def _measured(self, outputs: Any, targets: Any, runs: int) -> dict[str, Tensor]:
        """Loss and metrics, each (runs,)."""

        def measured(outputs: Any, targets: Any) -> dict[str, Tensor]:
            return {name: measure(outputs, targets) for name, measure in self._measures.items()}

        if runs == 1:  # the same numbers without the cost of vmap
            one = measured(tree_map(lambda t: t[0], outputs), targets)
            return {name: torch.as_tensor(value)[None] for name, value in one.items()}
        return vmap(measured, in_dims=(0, None))(outputs, targets)

    @torch.no_grad()
    def with_statistics(self, tensors: Tensors, inputs: Any, *, step: int) -> Tensors:
        """``tensors`` with running statistics of batch normalization that belong to these parameters.

        The mean over batches of training ``inputs``, as ``momentum=None`` would form it in one pass.
        """
        modules = self._model.modules()
        layers = [m for m in modules if isinstance(m, _NormBase) and m.track_running_stats and m.training]
        if not layers:
            return tensors
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        momenta = [layer.momentum for layer in layers]
        for index in range(max(1, min(len(tree_leaves(inputs)[0]), STATISTICS_EXAMPLES) // EVALUATION_BATCH)):
            for layer in layers:
                layer.momentum = 1 / (index + 1)
            rows = slice(index * EVALUATION_BATCH, (index + 1) * EVALUATION_BATCH)
            for group in self.groups:
                with self._drawing("evaluation", group, step):
                    self._forward(self._own(tensors, group), _copied(inputs, rows), True)
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        return tensors

    def _own(self, tensors: Tensors, group: Group) -> Tensors:
        """Views of the group's part, so that buffers can be changed in place."""
        if len(self.groups) == 1:
            return tensors
        return {name: tensor[group.runs] for name, tensor in tensors.items()}

    def _drawing(self, use: str, group: Group, *numbers: int) -> AbstractContextManager[None]:
        """Dropout and the like draw from the seed and the step; see :mod:`lrlib.streams`."""
        if self._task.stacking == "chain":
            return nullcontext()
        return drawing(stream_key(use, group.seeds[0], *numbers), self._device)

    def _casting(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._autocast is None else torch.autocast(self._device.type, self._autocast)


def _copied(tree: Any, rows: slice) -> Any:
    """A module may write on what it is given; the data stay as they are."""
    return tree_map(lambda tensor: tensor[rows].clone(), tree)
