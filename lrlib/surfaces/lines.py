"""Functions of one variable with two minima."""

from functools import partial

import torch
from torch import Tensor

from lrlib import _check
from lrlib.surfaces.surface import Surface, axes_of


def double_well() -> Surface:
    """Two wells on a line, ``f(x) = ¼ (x² - 1)²``: minima of value 0 and curvature 2 at ±1, a hilltop between.

    >>> double_well()(torch.tensor([[-1.0], [0.0], [1.0]]))
    tensor([0.0000, 0.2500, 0.0000])
    """
    return Surface(
        name="double_well",
        function=_double_well,
        hessian=_double_well_hessian,
        dimension=1,
        minima=((-1.0,), (1.0,)),
        saddles=(),
        bounds=((-2.0, 2.0),),
        start=(-1.8,),
        latex=r"\tfrac{1}{4} (x^2 - 1)^2",
    )


def _double_well(point: Tensor) -> Tensor:
    (x,) = axes_of(point, 1)
    inner = x * x - 1
    return 0.25 * (inner * inner)


def _double_well_hessian(point: Tensor) -> Tensor:
    (x,) = axes_of(point, 1)
    return (3 * x * x - 1)[..., None, None]


def two_parabolas(sharp: float, flat: float) -> Surface:
    """A sharp and a flat valley of equal depth, ``f(x) = min(½ s (x + 1)², ½ b (x - 1)²)``.

    Gradient descent with a rate between 2/s and 2/b cannot stay in the sharp minimum at -1, but settles in the flat one
    at 1. The two meet in a kink at ``(√b - √s) / (√b + √s)``, where the second derivative does not exist; the Hessian
    there is the sharp valley's.

    Args:
        sharp: the curvature s of the left valley.
        flat: the curvature b of the right valley, 0 < b < s.

    >>> surface = two_parabolas(20.0, 2.0)
    >>> surface(torch.tensor([[-1.0], [1.0]])), surface.lambda_max(torch.tensor([[-1.0], [1.0]]))
    (tensor([0., 0.]), tensor([20.,  2.]))
    """
    sharp = _check.real("sharp", sharp, above=0)
    flat = _check.real("flat", flat, above=0, below=sharp)
    return Surface(
        name="two_parabolas",
        function=partial(_two_parabolas, sharp=sharp, flat=flat),
        hessian=partial(_two_parabolas_hessian, sharp=sharp, flat=flat),
        dimension=1,
        minima=((-1.0,), (1.0,)),
        saddles=(),
        bounds=((-2.0, 3.0),),
        start=(-1.4,),
        latex=r"\min\bigl(\tfrac{1}{2} s (x + 1)^2,\; \tfrac{1}{2} b (x - 1)^2\bigr)",
    )


def _two_parabolas(point: Tensor, *, sharp: float, flat: float) -> Tensor:
    (x,) = axes_of(point, 1)
    left, right = x + 1, x - 1
    return torch.minimum(left * left * (sharp / 2), right * right * (flat / 2))


def _two_parabolas_hessian(point: Tensor, *, sharp: float, flat: float) -> Tensor:
    (x,) = axes_of(point, 1)
    left, right = x + 1, x - 1
    in_sharp = left * left * sharp <= right * right * flat
    return torch.where(in_sharp, torch.full_like(x, sharp), torch.full_like(x, flat))[..., None, None]
