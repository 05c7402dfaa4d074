"""How large an update is: the norm of the gradient, and of each tensor's update beside the tensor's own."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim import Optimizer

HALF = {torch.float16, torch.bfloat16}  # their squares leave their range


class UpdateSizes:
    """Measures one update of ``optimizer`` after another: :meth:`begin` before it is made, :meth:`end` after it.

    Between the two one copy of the weights is held. Everything is read, nothing written; the device is waited for once.
    """

    def __init__(self, optimizer: Optimizer, names: Mapping[int, str]) -> None:
        self._optimizer, self._names = optimizer, names  # names: by the id of the tensor
        self._tensors: list[Tensor] | None = None
        self._before: list[Tensor] = []
        self._gradients: list[Tensor] | None = None  # their norms

    @property
    def begun(self) -> bool:
        return self._tensors is not None

    def begin(self, *, with_gradient: bool) -> None:
        """Keep the weights, and the gradient's norm, unless a closure has yet to make the gradient."""
        groups = self._optimizer.param_groups
        with torch.no_grad():
            self._gradients = self._gradient_norms() if with_gradient else None
            self._tensors = [tensor for group in groups for tensor in group["params"] if tensor.requires_grad]
            self._before = [tensor.clone() for tensor in self._tensors]

    def end(self) -> tuple[float, dict[str, float]]:
        """The gradient's norm, NaN if there is none, and size of update over size of weights by the tensor's name."""
        tensors, before, names = self._tensors or [], self._before, self._names
        with torch.no_grad():
            gradients = self._gradient_norms() if self._gradients is None else self._gradients
            sizes = _norms(before)
            if tensors:
                torch._foreach_sub_(before, tensors)
            numbers = _numbers([*sizes, *_norms(before), *gradients])
        self.drop()
        count = len(tensors)
        parts, sized, moved = numbers[2 * count :], numbers[:count], numbers[count : 2 * count]
        scale = float(
            getattr(self._optimizer, "grad_scale", None) or 1.0
        )  # a fused optimizer takes the scaler's factor
        pairs = zip(tensors, sized, moved, strict=True)
        return (
            math.hypot(*parts) / scale if parts else math.nan,
            {names.get(id(tensor), "not of the model"): move / size for tensor, size, move in pairs if size > 0},
        )

    def drop(self) -> None:
        """Forget an update that was begun."""
        self._tensors, self._before, self._gradients = None, [], None

    def _gradient_norms(self) -> list[Tensor]:
        """The norm of every tensor's gradient as the update uses it: after clipping."""
        groups = self._optimizer.param_groups
        held = [tensor.grad for group in groups for tensor in group["params"] if tensor.grad is not None]
        return _norms([gradient.coalesce().values() if gradient.is_sparse else gradient for gradient in held])


def _norms(tensors: list[Tensor]) -> list[Tensor]:
    kinds = {tensor.dtype for tensor in tensors}
    if not kinds & HALF:
        return list(torch._foreach_norm(tensors)) if tensors else []
    if kinds <= HALF:
        return list(torch._foreach_norm(tensors, 2, dtype=torch.float32))
    return [norm for tensor in tensors for norm in _norms([tensor])]  # complex tensors have no norm of dtype float32


def _numbers(values: list[Tensor]) -> list[float]:
    """One wait for all of them."""
    if len({(value.dtype, value.device) for value in values}) > 1:
        values = [value.to(values[0].device, torch.float64) for value in values]
    return torch.stack(values).tolist() if values else []
