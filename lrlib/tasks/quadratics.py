"""Tasks whose answer is known: noisy quadratics of a chosen spectrum, and the test surfaces."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from lrlib import _check
from lrlib.streams import stream
from lrlib.surfaces import Surface
from lrlib.tasks.task import Task


class _Point(nn.Module):
    """A point that is its own output, once for each example."""

    def __init__(self, start: Sequence[float]) -> None:
        super().__init__()
        self.point = nn.Parameter(torch.tensor(start))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.point - inputs


def noisy_quadratic(
    eigenvalues: Sequence[float], *, noise: float = 1.0, examples: int = 1024, start: float = 1.0, seed: int = 0
) -> Task:
    """Minimize the mean over examples of ½ Σ λ_i (w_i − ξ_i)², where ξ are Gaussian with standard deviation ``noise``.

    The Hessian is diag(``eigenvalues``) whatever the batch; the minibatch gradient is off by λ_i times the batch's mean
    ξ_i. The examples' mean is zero exactly, so the minimum is at 0; its loss is subtracted, so the least full-batch
    loss is 0. ``start`` is where every w_i begins; ``noise=0`` gives the plain quadratic.
    Source: G. Zhang et al. (2019), Which Algorithmic Choices Matter at Which Batch Sizes?, arXiv:1907.04164.
    """
    spectrum = torch.from_numpy(_check.reals("eigenvalues", eigenvalues))
    noise = _check.real("noise", noise, at_least=0)
    examples = _check.integer("examples", examples, at_least=1)
    start = _check.real("start", start)
    draws = noise * torch.randn(examples, len(spectrum), generator=stream("data", seed), dtype=torch.float64)
    draws = draws - draws.mean(0)
    floor = 0.5 * (spectrum * draws.square()).sum(1).mean()
    half_spectrum = (0.5 * spectrum).expand(examples, -1)  # the targets carry the curvature and the floor
    targets = torch.cat([half_spectrum, floor.expand(examples, 1)], dim=1)
    model = partial(_Point, [start] * len(spectrum))
    return Task("noisy quadratic", model, (draws, targets), (draws, targets), _weighted_square)


def _weighted_square(differences: Tensor, targets: Tensor) -> Tensor:
    return (targets[:, :-1] * differences.square()).sum(1).mean() - targets[0, -1]


def surface_task(surface: Surface, *, start: Sequence[float] | None = None) -> Task:
    """Minimize a test surface from ``start`` (default: the surface's own); every batch is the same, noiseless one."""
    if not isinstance(surface, Surface):
        _check.fail("surface", "a Surface", surface, error=TypeError)
    point = surface.start if start is None else tuple(_check.reals("start", start))
    if len(point) != surface.dimension:
        _check.fail("start", f"{surface.dimension} numbers", start)
    zeros = torch.zeros(1, surface.dimension, dtype=torch.float64)
    loss = partial(_surface_loss, surface=surface)
    model = partial(_Point, [float(x) for x in point])
    return Task(surface.name, model, (zeros, zeros), (zeros, zeros), loss)


def _surface_loss(points: Tensor, targets: Tensor, *, surface: Surface) -> Tensor:
    return surface.function(points).mean()
