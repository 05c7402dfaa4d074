"""Quadratic bowls: one curvature for each direction."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from lrlib import _check
from lrlib.surfaces.surface import Point, Surface, axes_of, matrix


def quadratic(eigenvalues: Sequence[float], *, rotation: float = 0.0) -> Surface:
    """A bowl with the given curvatures, ``f(x) = ½ Σ λ_i u_i²``, where ``u`` is ``x`` turned by ``-rotation``.

    Args:
        eigenvalues: the curvatures λ_i > 0 along the bowl's own axes, one for each dimension.
        rotation: the angle in radians from the first coordinate axis to the first of the bowl's axes; two dimensions.

    Raises:
        TypeError, ValueError: for eigenvalues that are not positive, or a rotation outside two dimensions.

    >>> bowl = quadratic([1.0, 25.0], rotation=0.5)
    >>> bowl(torch.tensor([0.0, 0.0])), bowl.lambda_max(torch.tensor([0.0, 0.0]))
    (tensor(0.), tensor(25.))
    """
    values = tuple(_check.reals("eigenvalues", eigenvalues, above=0).tolist())
    rotation = _check.real("rotation", rotation)
    if rotation and len(values) != 2:
        _check.fail("rotation", "0 unless there are two eigenvalues", rotation)
    dimension = len(values)
    return Surface(
        name="quadratic",
        function=partial(_quadratic, eigenvalues=values, rotation=rotation),
        hessian=partial(_quadratic_hessian, eigenvalues=values, rotation=rotation),
        dimension=dimension,
        minima=((0.0,) * dimension,),
        saddles=(),
        bounds=((-2.0, 2.0),) * dimension,
        start=(-1.5, *(1.0,) * (dimension - 1)),
        latex=r"\tfrac{1}{2} \sum_i \lambda_i u_i^2",
    )


def _quadratic(point: Tensor, *, eigenvalues: Point, rotation: float) -> Tensor:
    axes = axes_of(point, len(eigenvalues))
    if rotation:
        cos, sin = math.cos(rotation), math.sin(rotation)
        axes = [axes[0] * cos + axes[1] * sin, axes[1] * cos - axes[0] * sin]
    total = axes[0] * axes[0] * (eigenvalues[0] / 2)
    for axis, eigenvalue in zip(axes[1:], eigenvalues[1:], strict=True):
        total = total + axis * axis * (eigenvalue / 2)
    return total


def _quadratic_hessian(point: Tensor, *, eigenvalues: Point, rotation: float) -> Tensor:
    axes = axes_of(point, len(eigenvalues))
    if len(eigenvalues) != 2:
        diagonal = [torch.full_like(axis, value) for axis, value in zip(axes, eigenvalues, strict=True)]
        return torch.diag_embed(torch.stack(diagonal, dim=-1))
    cos, sin = math.cos(rotation), math.sin(rotation)
    first, second = eigenvalues
    return matrix(
        torch.full_like(axes[0], first * cos * cos + second * sin * sin),
        torch.full_like(axes[0], (first - second) * cos * sin),
        torch.full_like(axes[0], first * sin * sin + second * cos * cos),
    )


def ravine(kappa: float) -> Surface:
    """A bowl ``f(x, y) = ½ (x² + κ y²)`` that is κ times as curved across as along.

    Args:
        kappa: the condition number κ >= 1.

    >>> ravine(100.0)(torch.tensor([1.0, 1.0]))
    tensor(50.5000)
    """
    kappa = _check.real("kappa", kappa, at_least=1)
    return replace(quadratic((1.0, kappa)), name="ravine", latex=r"\tfrac{1}{2} (x^2 + \kappa y^2)")
