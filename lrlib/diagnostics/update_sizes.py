"""How large an update is: the norm of the gradient, and of each tensor's update beside the tensor's own."""

import math
from collections.abc import Mapping
from itertools import accumulate, pairwise
from statistics import median

import torch
from torch import Tensor
from torch._utils import _flatten_dense_tensors
from torch.optim import Optimizer

HALF = {torch.float16, torch.bfloat16}  # their squares leave their range
SMALL = 2**15  # up to so many numbers a step of Python costs more than a copy of the model
SAMPLE = 2**16  # of a tensor with twice as many numbers or more, at most so many tell how large its update is
KEPT = 10  # measurements that stay as they are before all are turned into numbers

# the step, its tensors' ids and lengths, the gradient's scale, and norms, or of a small model what they are taken of
_Kept = tuple[int, list[int], list[int], float, Tensor | list[Tensor]]


class UpdateSizes:
    """Measures one update of ``optimizer`` after another: :meth:`begin` before it is made, :meth:`end` after it.

    Between the two a copy of the weights is held, of a large tensor one of numbers spread evenly over it; the norm of
    the gradient is that of all its numbers. Everything is read, nothing written, and the device not waited for. Of a
    small model on the CPU whole copies are kept, and their norms taken many at a time.
    """

    def __init__(self, optimizer: Optimizer, names: Mapping[int, str]) -> None:
        self._optimizer, self._names = optimizer, names  # names: by the id of the tensor
        self.begun = self._with_gradient = False
        self._quiet = torch.no_grad()
        self._tensors: list[Tensor] = []
        self._lengths: list[int] = []  # theirs, of a small model
        self._before: list[Tensor] = []  # the weights; of a small model in one piece, the gradients behind them
        self._rest: list[Tensor] = []  # norms of the weights and of the gradients
        self._kept: list[_Kept] = []
        self._measured: dict[int, tuple[float, float]] = {}
        self._ratios: dict[str, dict[int, float]] = {}

    def begin(self, *, with_gradient: bool) -> None:
        """Keep the weights, and the gradient, unless a closure has yet to make it."""
        groups = self._optimizer.param_groups
        tensors = [tensor for group in groups for tensor in group["params"] if tensor.requires_grad]
        gradients = self._gradients() if with_gradient else []
        self._lengths = _lengths_if_small(tensors)
        with self._quiet:
            if self._lengths:
                self._before = [_whole(tensors + gradients)]
            else:
                self._before = [_spread(tensor).clone() for tensor in tensors]
                self._rest = _norms(self._before + gradients)
        self.begun, self._with_gradient, self._tensors = True, with_gradient, tensors

    def end(self, step: int) -> None:
        """Keep what the update changed, under its number."""
        tensors, before = self._tensors, self._before
        late = [] if self._with_gradient else self._gradients()
        with self._quiet:
            if self._lengths:
                kept: Tensor | list[Tensor] = [before[0], _whole(tensors + late)]
            else:
                if tensors:
                    torch._foreach_sub_(before, [_spread(tensor) for tensor in tensors])
                kept = _stacked(_norms(before) + self._rest + _norms(late))
        scale = getattr(self._optimizer, "grad_scale", None)  # a fused optimizer unscales by itself
        self._kept.append((step, list(map(id, tensors)), self._lengths, 1.0 if scale is None else float(scale), kept))
        self.drop()
        if len(self._kept) >= KEPT:
            self._fetch()

    def drop(self) -> None:
        """Forget an update that was begun."""
        self.begun, self._tensors, self._before, self._rest = False, [], [], []

    def measured(self) -> dict[int, tuple[float, float]]:
        """The gradient's norm and the median ratio of each update measured, NaN if there is none."""
        self._fetch()
        return self._measured

    def ratios(self) -> dict[str, dict[int, float]]:
        """Size of update over size of weights, by the tensor's name and the update's number."""
        self._fetch()
        return self._ratios

    def _fetch(self) -> None:
        for step, ids, lengths, scale, kept in self._kept:
            numbers = kept.tolist() if isinstance(kept, Tensor) else _norms_of_parts(kept, lengths)
            count, found = len(ids), []
            for name, moved, size in zip(ids, numbers, numbers[count:], strict=False):
                if size > 0:
                    found.append(moved / size)
                    self._ratios.setdefault(self._names.get(name, "not of the model"), {})[step] = found[-1]
            gradients = numbers[2 * count :]
            norm = math.hypot(*gradients) / scale if gradients else math.nan
            self._measured[step] = norm, median(found) if found else math.nan
        self._kept = []

    def _gradients(self) -> list[Tensor]:
        """Every tensor's gradient as the update uses it: after clipping."""
        groups = self._optimizer.param_groups
        held = [grad for group in groups for tensor in group["params"] if (grad := tensor.grad) is not None]
        return [gradient.coalesce().values() if gradient.is_sparse else gradient for gradient in held]


def _lengths_if_small(tensors: list[Tensor]) -> list[int]:
    lengths = [tensor.numel() for tensor in tensors]
    kinds = {(tensor.is_cpu, tensor.dtype) for tensor in tensors}
    return lengths if sum(lengths) <= SMALL and kinds <= {(True, torch.float32)} else []


def _spread(tensor: Tensor) -> Tensor:
    """Every so many-th number of a large tensor, in memory's order; a small one itself."""
    every = tensor.numel() // SAMPLE
    if every < 2 or not tensor.is_contiguous():
        return tensor
    while any(math.gcd(every, size) > 1 for size in tensor.shape):  # it would meet the same few columns in each row
        every += 1
    return tensor.detach().view(-1)[::every]


def _whole(tensors: list[Tensor]) -> Tensor:
    """A copy of all in one piece; torch would give a single tensor itself."""
    return _flatten_dense_tensors(tensors) if len(tensors) > 1 else tensors[0].detach().reshape(-1).clone()


def _norms_of_parts(kept: list[Tensor], lengths: list[int]) -> list[float]:
    """Those of each tensor's update, of each tensor, and of the gradient, from the weights before and after.

    The gradient is behind the weights in one of both.
    """
    old, new = (tensor.numpy() for tensor in kept)
    count = sum(lengths)
    moved = new[:count] - old[:count]
    bounds = list(pairwise(accumulate(lengths, initial=0)))
    parts = [whole[first:end] for whole in (moved, old) for first, end in bounds]
    parts += [whole[count:] for whole in (old, new) if len(whole) > count]
    return [math.sqrt(part.dot(part)) for part in parts]


def _norms(tensors: list[Tensor]) -> list[Tensor]:
    kinds = {tensor.dtype for tensor in tensors}
    if not kinds & HALF:
        return list(torch._foreach_norm(tensors)) if tensors else []
    if kinds <= HALF:
        return list(torch._foreach_norm(tensors, 2, dtype=torch.float32))
    return [norm for tensor in tensors for norm in _norms([tensor])]  # complex tensors have no norm of dtype float32


def _stacked(values: list[Tensor]) -> Tensor:
    if len({(value.dtype, value.device) for value in values}) > 1:
        values = [value.to(values[0].device, torch.float64) for value in values]
    return torch.stack(values) if values else torch.empty(0)
