"""How large an update is: the norm of the gradient, and of each tensor's update beside the tensor's own."""

import math
from collections.abc import Mapping
from statistics import median

import torch
from torch import Tensor
from torch.optim import Optimizer

HALF = {torch.float16, torch.bfloat16}  # their squares leave their range
KEPT = 100  # measurements whose numbers stay on the device before all are fetched


class UpdateSizes:
    """Measures one update of ``optimizer`` after another: :meth:`begin` before it is made, :meth:`end` after it.

    Between the two one copy of the weights is held. Everything is read, nothing written, and the device not waited for.
    """

    def __init__(self, optimizer: Optimizer, names: Mapping[int, str]) -> None:
        self._optimizer, self._names = optimizer, names  # names: by the id of the tensor
        self.begun = False
        self._tensors: list[Tensor] = []
        self._before: list[Tensor] = []
        self._norms: list[Tensor] = []  # of the weights, then of the gradients
        self._with_gradient = False
        self._kept: list[tuple[int, list[int], float, Tensor]] = []  # step, ids of the tensors, scale, all norms
        self._measured: dict[int, tuple[float, float]] = {}
        self._ratios: dict[str, dict[int, float]] = {}

    def begin(self, *, with_gradient: bool) -> None:
        """Keep the weights, and the gradient's norm, unless a closure has yet to make the gradient."""
        groups = self._optimizer.param_groups
        with torch.no_grad():
            self._tensors = [tensor for group in groups for tensor in group["params"] if tensor.requires_grad]
            self._norms = _norms(self._tensors + (self._gradients() if with_gradient else []))
            self._before = [tensor.clone() for tensor in self._tensors]
        self.begun, self._with_gradient = True, with_gradient

    def end(self, step: int) -> None:
        """Keep what the update changed, under its number."""
        tensors, before, norms = self._tensors, self._before, self._norms
        with torch.no_grad():
            if not self._with_gradient:
                norms = norms + _norms(self._gradients())
            if tensors:
                torch._foreach_sub_(before, tensors)
                norms = _norms(before) + norms
            scale = getattr(self._optimizer, "grad_scale", None)  # a fused optimizer unscales by itself
            if norms:
                ids = list(map(id, tensors))
                self._kept.append((step, ids, 1.0 if scale is None else float(scale), _stacked(norms)))
        self.drop()
        if len(self._kept) >= KEPT:
            self._fetch()

    def drop(self) -> None:
        """Forget an update that was begun."""
        self.begun, self._tensors, self._before, self._norms = False, [], [], []

    def measured(self) -> dict[int, tuple[float, float]]:
        """The gradient's norm and the median ratio of each update measured, NaN if there is none."""
        self._fetch()
        return self._measured

    def ratios(self) -> dict[str, dict[int, float]]:
        """Size of update over size of weights, by the tensor's name and the update's number."""
        self._fetch()
        return self._ratios

    def _fetch(self) -> None:
        for step, ids, scale, norms in self._kept:
            numbers, count = norms.tolist(), len(ids)
            found = []
            for name, moved, size in zip(ids, numbers[:count], numbers[count:], strict=False):
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
        held = [tensor.grad for group in groups for tensor in group["params"] if tensor.grad is not None]
        return [gradient.coalesce().values() if gradient.is_sparse else gradient for gradient in held]


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
    return torch.stack(values)
