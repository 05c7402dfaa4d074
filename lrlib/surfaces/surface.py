"""What a test function is: its values, its curvature, and what is known of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lrlib import _check

Point = tuple[float, ...]


@dataclass(frozen=True)
class Surface:
    """A function to descend, and what is known of it.

    A point is a tensor whose last axis holds the coordinates: (..., dimension). All functions are pure, work on any
    number of points at once and can be traced by ``make_fx``.

    Attributes:
        name: the constructor's name.
        function: point (..., dimension) -> value (...).
        hessian: point (..., dimension) -> matrix of second derivatives (..., dimension, dimension).
        dimension: the number of coordinates.
        minima: every local minimum.
        saddles: every stationary point from which some directions climb and others descend.
        bounds: (low, high) of each axis, a frame that holds the minima, the saddles and the start.
        start: a customary or telling place to start from.
        latex: the formula.

    >>> from lrlib.surfaces import rosenbrock
    >>> surface = rosenbrock()
    >>> start = torch.tensor(surface.start, dtype=torch.float64)
    >>> surface(start)
    tensor(24.2000, dtype=torch.float64)
    >>> surface.gradient(start)
    tensor([-215.6000,  -88.0000], dtype=torch.float64)
    """

    name: str
    function: Callable[[Tensor], Tensor] = field(repr=False)
    hessian: Callable[[Tensor], Tensor] = field(repr=False)
    dimension: int
    minima: tuple[Point, ...]
    saddles: tuple[Point, ...]
    bounds: tuple[tuple[float, float], ...]
    start: Point
    latex: str

    def __call__(self, point: Tensor) -> Tensor:
        """The value (...) at a point (..., dimension)."""
        return self.function(point)

    def gradient(self, point: Tensor) -> Tensor:
        """The first derivatives at a point; same shape as the point."""
        return torch.func.grad(lambda p: self.function(p).sum())(point)

    def lambda_max(self, point: Tensor) -> Tensor:
        """The largest eigenvalue (...) of the Hessian at a point (..., dimension).

        At a minimum, gradient descent with rates above 2/λ_max is thrown out again.

        >>> from lrlib.surfaces import ravine
        >>> surface = ravine(10.0)
        >>> surface.lambda_max(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        tensor([10., 10.])
        """
        hessian = self.hessian(point)
        if self.dimension == 1:
            return hessian[..., 0, 0]
        if self.dimension > 2:
            return torch.linalg.eigvalsh(hessian)[..., -1]
        xx, xy, yy = hessian[..., 0, 0], hessian[..., 0, 1], hessian[..., 1, 1]  # closed form: passes NaN on
        half = (xx - yy) / 2
        return (xx + yy) / 2 + torch.sqrt(half * half + xy * xy)


def axes_of(point: Tensor, dimension: int) -> list[Tensor]:
    """The coordinates of a point (..., dimension), each of shape (...)."""
    need = f"a floating-point tensor of shape (..., {dimension})"
    if not isinstance(point, Tensor):
        _check.fail("point", need, point, error=TypeError)
    if not point.is_floating_point() or point.shape[-1:] != (dimension,):
        _check.fail("point", need, (str(point.dtype), tuple(point.shape)))
    return [point.select(-1, axis) for axis in range(dimension)]


def matrix(xx: Tensor, xy: Tensor, yy: Tensor) -> Tensor:
    """A symmetric matrix (..., 2, 2) from its entries, each of shape (...)."""
    return torch.stack([torch.stack([xx, xy], dim=-1), torch.stack([xy, yy], dim=-1)], dim=-2)
