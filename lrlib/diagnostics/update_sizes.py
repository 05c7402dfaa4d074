"""How large an update is: the norm of the gradient, and of each tensor's update beside the tensor's own."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim import Optimizer

HALF = torch.float16, torch.bfloat16  # their squares leave their range


class UpdateSizes:
    """Measures one update of ``optimizer`` after another: :meth:`begin` before it is made, :meth:`end` after it.

    Between the two one copy of the weights is held. Everything is read, nothing written; the device is waited for once.
    """

    def __init__(self, optimizer: Optimizer, names: Mapping[int, str]) -> None:
        self._optimizer, self._names = optimizer, names  # names: by the id of the tensor
        self._tensors: list[Tensor] | None = None
        self._before: list[Tensor] = []
        self._gradient: Tensor | None = None

    @property
    def begun(self) -> bool:
        return self._tensors is not None

    def begin(self, *, with_gradient: bool) -> None:
        """Keep the weights, and the gradient's norm, unless a closure has yet to make the gradient."""
        self._gradient = self._gradient_norm() if with_gradient else None
        groups = self._optimizer.param_groups
        self._tensors = [tensor for group in groups for tensor in group["params"] if tensor.requires_grad]
        with torch.no_grad():
            self._before = [tensor.clone() for tensor in self._tensors]

    def end(self) -> tuple[float, dict[str, float]]:
        """The gradient's norm, NaN if there is none, and size of update over size of weights by the tensor's name."""
        tensors, before = self._tensors or [], self._before
        gradient = self._gradient_norm() if self._gradient is None else self._gradient
        self.drop()
        values = [] if gradient is None else [gradient]
        if tensors:
            values += _norms(before)
            with torch.no_grad():
                torch._foreach_sub_(before, tensors)
            values += _norms(before)
        numbers = _numbers(values)
        norm = math.nan if gradient is None else numbers.pop(0)
        pairs = zip(tensors, numbers[: len(tensors)], numbers[len(tensors) :], strict=True)
        names = self._names
        return norm, {names.get(id(t), "not of the model"): moved / size for t, size, moved in pairs if size > 0}

    def drop(self) -> None:
        """Forget an update that was begun."""
        self._tensors, self._before, self._gradient = None, [], None

    def _gradient_norm(self) -> Tensor | None:
        """The norm of the whole gradient as the update uses it: after clipping, without the scaler's factor."""
        groups = self._optimizer.param_groups
        held = [tensor.grad for group in groups for tensor in group["params"] if tensor.grad is not None]
        dense = [gradient.coalesce().values() if gradient.is_sparse else gradient for gradient in held]
        if not dense:
            return None
        with torch.no_grad():
            norms = _norms(dense)
            norm = torch.linalg.vector_norm(torch.stack([part.to(norms[0].device) for part in norms]))
            scale = getattr(self._optimizer, "grad_scale", None)
            return norm if scale is None else norm / scale.to(norm.device)


def _norms(tensors: list[Tensor]) -> list[Tensor]:
    half = [tensor.dtype in HALF for tensor in tensors]
    with torch.no_grad():
        if any(half) and not all(half):  # complex tensors have no norm of dtype float32
            return [norm for tensor in tensors for norm in _norms([tensor])]
        return list(torch._foreach_norm(tensors, 2, dtype=torch.float32 if any(half) else None))


def _numbers(values: list[Tensor]) -> list[float]:
    if not values:
        return []
    first = values[0]
    return torch.stack([v.to(first.device, first.dtype) for v in values]).tolist()
