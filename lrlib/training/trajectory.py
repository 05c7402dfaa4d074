"""Descents on a test surface, every point kept."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lrlib import _check
from lrlib.surfaces import Surface
from lrlib.updates import UpdateRule, sgd


@dataclass(frozen=True)
class Trajectory:
    """Where each run went: ``points`` (runs, steps + 1, dimension), the ``loss`` there (runs, steps + 1), its rate."""

    points: np.ndarray
    loss: np.ndarray
    learning_rates: np.ndarray


def descend(
    surface: Surface,
    *,
    learning_rates: Sequence[float] | np.ndarray,
    steps: int,
    rule: UpdateRule | None = None,
    start: Sequence[float] | np.ndarray | None = None,
    gradient_noise: float = 0.0,
    seed: int = 0,
) -> Trajectory:
    """Follow ``rule`` down ``surface`` at each rate, in float64.

    ``start`` is one point (dimension,) for all runs or one for each (runs, dimension); the surface's own if none is
    given. Each step adds Gaussian noise of standard deviation ``gradient_noise`` to each entry of the gradient.
    Points that overflow are recorded as infinite or NaN.

    >>> from lrlib import surfaces
    >>> path = descend(surfaces.quadratic([2.0]), learning_rates=[0.5, 1.1], steps=3)
    >>> path.loss.shape, bool(path.loss[0, 1] == 0), bool(path.loss[1, 3] > path.loss[1, 0])
    ((2, 4), True, True)
    """
    if not isinstance(surface, Surface):
        _check.fail("surface", "a Surface", surface, error=TypeError)
    rates = torch.from_numpy(_check.reals("learning_rates", learning_rates, above=0))
    steps = _check.integer("steps", steps, at_least=1)
    noise = _check.real("gradient_noise", gradient_noise, at_least=0)
    rule = sgd() if rule is None else rule
    generator = torch.Generator().manual_seed(_check.integer("seed", seed, at_least=0))
    first = np.asarray(surface.start if start is None else start, dtype=np.float64)
    shape = (len(rates), surface.dimension)
    if first.shape not in {shape, shape[1:]} or not np.isfinite(first).all():
        _check.fail("start", f"finite numbers of shape {shape[1:]} or {shape}", start)
    params = [torch.from_numpy(np.broadcast_to(first, shape).copy())]
    state = rule.init(params)
    points, losses = [params[0]], []
    for _ in range(steps):
        point = params[0].detach().requires_grad_()
        value = surface.function(point)
        [gradient] = torch.autograd.grad(value.sum(), point)
        losses.append(value.detach())
        with torch.no_grad():
            if noise:
                gradient = gradient + noise * torch.randn(shape, generator=generator, dtype=torch.float64)
            params, state = rule.update(params, [gradient], state, rates)
        points.append(params[0])
    losses.append(surface.function(params[0]))
    return Trajectory(torch.stack(points, 1).numpy(), torch.stack(losses, 1).numpy(), rates.numpy())
