"""Figures of test surfaces, and of the ways over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from lrlib import _check, style
from lrlib.plots.axes import axes_or_new

if TYPE_CHECKING:  # a saved sweep can be drawn without torch
    from lrlib.surfaces import Surface
    from lrlib.training import Trajectory


def plot_surface(surface: Surface, *, ax: Axes | None = None) -> Axes:
    """A one-dimensional surface as a curve; a two-dimensional one as contours, with its minima as dots."""
    import torch

    ax = axes_or_new(ax)
    sides = [torch.linspace(low, high, 240, dtype=torch.float64) for low, high in surface.bounds]
    if surface.dimension == 1:
        ax.plot(sides[0], surface.function(sides[0].unsqueeze(-1)), color=style.GHOST)
        ax.set(xlabel="w", ylabel="loss")
        return ax
    if surface.dimension != 2:
        _check.fail("surface", "one of one or two dimensions", surface.dimension)
    x, y = torch.meshgrid(*sides, indexing="xy")
    values = surface.function(torch.stack([x, y], -1)).numpy()
    levels = np.quantile(values, np.linspace(0, 1, 22)[1:-1] ** 2)
    ax.contour(x, y, values, levels=np.unique(levels), colors=style.GHOST, linewidths=0.7)
    minima = np.array(surface.minima).reshape(-1, 2)
    ax.scatter(minima[:, 0], minima[:, 1], marker="o", color=style.INK, s=18, zorder=3)
    ax.set(xlabel="$w_1$", ylabel="$w_2$")
    return ax


def plot_trajectory(
    path: Trajectory, *, surface: Surface, ax: Axes | None = None, norm: LogNorm | None = None, label: bool = True
) -> Axes:
    """Descents drawn on a surface, coloured by learning rate; points outside the surface's bounds are not drawn."""
    ax = axes_or_new(ax)
    norm = style.rate_norm(path.learning_rates) if norm is None else norm
    bounds = np.array(surface.bounds)
    for rate, points, losses in zip(path.learning_rates, path.points, path.loss, strict=True):
        outside = ~((points >= bounds[:, 0]) & (points <= bounds[:, 1])).all(-1)
        end = int(outside.argmax()) if outside.any() else len(points)
        columns = (points[:end, 0], losses[:end]) if surface.dimension == 1 else points[:end].T
        name = f"η = {rate:.3g}" if label else None
        ax.plot(*columns, "o-", color=style.rate_colour(rate, norm), markersize=3, linewidth=1.1, label=name)
    if label:
        ax.legend()
    return ax
