"""What torch calls one operation and the compiler calls several: torch's own table, and a few entries of ours."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions, get_decompositions

_aten = torch.ops.aten

_KEPT = {"addmm", "baddbmm", "embedding_dense_backward"}  # primitives here, though torch could take them apart
_ALSO = [
    _aten._log_softmax,
    _aten._softmax,
    _aten.native_layer_norm,
    _aten.native_layer_norm_backward,
    _aten.native_group_norm,
    _aten.native_group_norm_backward,
    _aten.gelu,
    _aten.gelu_backward,
    _aten.silu,
    _aten._adaptive_avg_pool2d,
]


@cache
def decompositions() -> dict[Any, Callable[..., Any]]:
    """The table for ``make_fx``."""
    table = {**core_aten_decompositions(), **get_decompositions(_ALSO), **_ours()}
    return {target: rule for target, rule in table.items() if operation_name(target) not in _KEPT}


def operation_name(target: Any) -> str:
    """The name of an aten operation without its overload: ``"sum"`` for ``aten.sum.dim_IntList``."""
    packet = getattr(target, "overloadpacket", target)
    return str(getattr(packet, "__name__", packet))


def _ours() -> dict[Any, Callable[..., Any]]:
    return {
        _aten.linalg_vector_norm.default: _vector_norm,
        _aten.var.correction: _var,
        _aten.var.dim: _var_by_flag,
        _aten.var_mean.correction: lambda *args, **kwargs: (_var(*args, **kwargs), _mean(*args, **kwargs)),
        _aten.std.correction: lambda *args, **kwargs: _var(*args, **kwargs).sqrt(),
        _aten.native_layer_norm.default: _layer_norm,
        _aten.elu.default: _elu,
        _aten.leaky_relu.default: _leaky_relu,
        _aten._adaptive_avg_pool2d_backward.default: _adaptive_mean_pool_input,
    }


def _axes(x: Tensor, dim: Sequence[int] | int | None) -> list[int]:
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return list(range(x.dim()))
    return [dim] if isinstance(dim, int) else list(dim)


def _vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Sequence[int] | int | None = None,
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Tensor:
    x, axes = x if dtype is None else x.to(dtype), _axes(x, dim)
    if ord == 2:
        return (x * x).sum(axes, keepdim).sqrt()
    if ord == float("inf"):
        return x.abs().amax(axes, keepdim)
    return x.abs().sum(axes, keepdim) if ord == 1 else x.abs().pow(ord).sum(axes, keepdim).pow(1 / ord)


def _mean(
    x: Tensor, dim: Sequence[int] | None = None, *, correction: float | None = None, keepdim: bool = False
) -> Tensor:
    return x.mean(_axes(x, dim), keepdim)


def _var(
    x: Tensor, dim: Sequence[int] | None = None, *, correction: float | None = None, keepdim: bool = False
) -> Tensor:
    axes = _axes(x, dim)
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    centred = x - x.mean(axes, True)
    return (centred * centred).sum(axes, keepdim) / max(count - (1 if correction is None else correction), 0)


def _var_by_flag(x: Tensor, dim: Sequence[int] | None, unbiased: bool = True, keepdim: bool = False) -> Tensor:
    return _var(x, dim, correction=float(unbiased), keepdim=keepdim)


def _layer_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    axes = list(range(x.dim() - len(shape), x.dim()))
    mean = x.mean(axes, True)
    centred = x - mean
    scale = torch.rsqrt((centred * centred).mean(axes, True) + eps)
    y = centred * scale
    y = y if weight is None else y * weight
    return y if bias is None else y + bias, mean, scale


def _elu(x: Tensor, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Tensor:
    return torch.where(x > 0, x * scale, torch.expm1(x * input_scale) * (alpha * scale))


def _leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    return torch.where(x > 0, x, x * negative_slope)


def _adaptive_mean_pool_input(gradient: Tensor, x: Tensor) -> Tensor:
    """Each output is the mean of a window, and windows may overlap: add up what each window's mean hands back."""
    height, width = x.shape[-2:]
    rows, columns = gradient.shape[-2:]
    total = torch.zeros_like(x)
    for i in range(rows):
        for j in range(columns):
            top, bottom = i * height // rows, -(-(i + 1) * height // rows)
            left, right = j * width // columns, -(-(j + 1) * width // columns)
            share = gradient[..., i : i + 1, j : j + 1] / ((bottom - top) * (right - left))
            window = share.expand(*x.shape[:-2], bottom - top, right - left)
            total = total + torch.nn.functional.pad(window, (left, width - right, top, height - bottom))
    return total
