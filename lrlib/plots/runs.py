"""Figures of runs and sweeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from lrlib import _check, style
from lrlib.plots.axes import Label, axes_or_new, label_ends

if TYPE_CHECKING:  # a saved sweep can be drawn without torch
    from lrlib.schedules import Schedule
    from lrlib.training import Run, Sweep

_SPLITS = ("train_loss", "validation_loss")


def plot_final_loss(
    sweep: Sweep,
    *,
    measure: str = "train_loss",
    ax: Axes | None = None,
    label: str | None = None,
    colour: Any = None,
    linestyle: Any = "-",
) -> Axes:
    """Loss after the budget against learning rate: the median over seeds, a band from the lower to the upper quartile.

    ``measure`` is a loss or an error, such as ``"validation_error"``; on the logarithmic axis 0 has no place. Points
    are coloured by rate, or all in ``colour``. A cross on the upper edge marks a rate at which at least half of the
    seeds diverged.
    """
    if not measure.endswith(("_loss", "_error")):
        _check.fail("measure", "a loss or an error, such as 'validation_error'", measure)
    ax = axes_or_new(ax)
    final, rates = sweep.final(measure), sweep.rate_axis
    failed = sweep.diverged_share >= 0.5
    finite = np.where(np.isfinite(final), final, np.nan)
    low, middle, high = np.full((3, len(rates)), np.nan)
    kept = ~np.isnan(finite).all(axis=1)
    low[kept], middle[kept], high[kept] = np.nanquantile(finite[kept], [0.25, 0.5, 0.75], axis=1)
    ax.fill_between(rates, low, high, color=colour or style.GHOST, alpha=0.3, linewidth=0)
    ax.plot(rates, middle, color=colour or style.GHOST, linestyle=linestyle, label=label, zorder=2)
    ok = kept & ~failed
    colours = colour or [style.rate_colour(rate, style.rate_norm(rates)) for rate in rates[ok]]
    ax.scatter(rates[ok], middle[ok], c=colours, s=26, zorder=3)
    ax.update_datalim([(rates[0], 1), (rates[-1], 1)], updatey=False)  # rates without a finite loss are shown, too
    ax.margins(y=0.14 if failed.any() else 0.05)  # crosses above the curve, not on it
    ax.scatter(
        rates[failed],
        np.full(failed.sum(), 0.98),
        marker="x",
        color=style.ACCENT,
        s=30,
        transform=ax.get_xaxis_transform(),
    )
    ax.set(xscale="log", yscale="log", xlabel="learning rate η", ylabel=f"{_words(measure)} after {sweep.steps} steps")
    return ax


def plot_curves(
    sweep: Sweep, *, measure: str = "loss", ax: Axes | None = None, norm: LogNorm | None = None, smooth: int = 1
) -> Axes:
    """Loss against step at each learning rate: the median over seeds and a quartile band, coloured by rate.

    ``measure`` is ``"loss"`` (of the minibatch, averaged over ``smooth`` steps), ``"train_loss"`` or
    ``"validation_loss"`` (of all examples, where evaluated). Each line carries its rate; a line ends in a cross at the
    median step at which the rate's runs diverged, if at least half of them did.
    """
    _check.choice("measure", measure, ("loss", *_SPLITS))
    _check.integer("smooth", smooth, at_least=1, at_most=sweep.steps)
    ax, rates = axes_or_new(ax), sweep.rate_axis
    norm = style.rate_norm(rates) if norm is None else norm
    values = sweep.by_rate(getattr(sweep, measure))  # (rates, seeds, points)
    steps = np.arange(sweep.steps) if measure == "loss" else sweep.eval_steps
    if measure == "loss" and smooth > 1:
        points = sweep.steps // smooth
        values = values[:, :, : points * smooth].reshape(*values.shape[:2], points, smooth).mean(-1)
        steps = (np.arange(points) + 0.5) * smooth
    ends = sweep.by_rate(sweep.diverged_at)
    labels: list[Label] = []
    for rate, runs, end in zip(rates, values, ends, strict=True):
        colour = style.rate_colour(rate, norm)
        stop = np.inf if (end >= 0).mean() < 0.5 else np.median(end[end >= 0])
        shown = (steps <= stop) & np.isfinite(runs).all(axis=0)
        if not shown.any():
            continue
        low, middle, high = np.quantile(runs[:, shown], [0.25, 0.5, 0.75], axis=0)
        ax.fill_between(steps[shown], low, high, color=colour, alpha=0.25, linewidth=0)
        ax.plot(steps[shown], middle, color=colour)
        if np.isfinite(stop):
            ax.plot(steps[shown][-1], middle[-1], "x", color=style.ACCENT, markersize=7)
        labels.append((f"{rate:.3g}", float(steps[shown][-1]), float(middle[-1]), colour))
    ax.set(yscale="log")
    label_ends(ax, labels)
    name = "minibatch loss" if measure == "loss" else _words(measure)
    ax.set(xlabel="step", ylabel=name)
    return ax


def plot_ledger(run: Run, *, planned: Schedule | None = None, ax: Axes | None = None) -> Axes:
    """The rate that each update used, over the rate that ``planned`` says it should have used."""
    ax = axes_or_new(ax)
    steps = np.arange(run.steps)
    if planned is not None:
        ax.plot(steps, planned(steps), color=style.GHOST, linewidth=5, label="planned", solid_capstyle="butt")
    ax.plot(steps, run.rates_used, color=style.ACCENT, label="used")
    ax.set(xlabel="step", ylabel="learning rate η", ylim=(0, None))
    ax.legend()
    return ax


def plot_update_ratios(
    sweep: Sweep,
    *,
    tensors: Sequence[str],
    step: int | slice,
    ax: Axes | None = None,
    label: Callable[[str], str] = str,
) -> Axes:
    """Update-to-weight ratio against learning rate, a line for each of ``tensors``, at one step or averaged over some.

    The sweep must have been made with ``record_updates=True``. Medians over seeds and quartile bands.
    """
    if not sweep.update_ratio.shape[-1]:
        _check.fail("sweep", "one made with record_updates=True", sweep)
    ax, rates = axes_or_new(ax), sweep.rate_axis
    labels: list[Label] = []
    for style_, name in zip(style.LINE_STYLES, tensors, strict=False):
        column = sweep.tensor_names.index(_check.choice("tensors", name, sweep.tensor_names))
        ratio = sweep.by_rate(sweep.update_ratio[:, step, column])
        ratio = ratio.mean(axis=-1) if ratio.ndim == 3 else ratio  # (rates, seeds)
        low, middle, high = np.quantile(ratio, [0.25, 0.5, 0.75], axis=1)
        ax.fill_between(rates, low, high, color=style.GHOST, alpha=0.3, linewidth=0)
        ax.plot(rates, middle, color=style.INK, linestyle=style_)
        labels.append((label(name), float(rates[-1]), float(middle[-1]), style.INK))
    ax.set(xscale="log", yscale="log", xlabel="learning rate η", ylabel="‖Δw‖ / ‖w‖")
    label_ends(ax, labels)
    return ax


def _words(measure: str) -> str:
    return measure.replace("train_", "training ").replace("_", " ")
