"""Figures from records: every function takes data, draws on ``ax`` and returns it. None of them trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from lrlib import _check, style

if TYPE_CHECKING:  # a saved sweep can be drawn without torch
    from lrlib.curves import Curve
    from lrlib.diagnostics import Diagnosis
    from lrlib.evidence import Interval, Region
    from lrlib.range_tests import RangeTest
    from lrlib.schedules import Schedule
    from lrlib.surfaces import Surface
    from lrlib.training import Run, Sweep, Trajectory

_Label = tuple[str, float, float, Any]  # text, x, y, colour
_SPLITS = {"train_loss": "training loss", "validation_loss": "validation loss"}


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

    Points are coloured by rate, or all in ``colour``. A cross on the upper edge marks a rate at which at least half of
    the seeds diverged.
    """
    ax = _axes(ax)
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
    ax.set(xscale="log", yscale="log", xlabel="learning rate η", ylabel=f"{_SPLITS[measure]} after {sweep.steps} steps")
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
    ax, rates = _axes(ax), sweep.rate_axis
    norm = style.rate_norm(rates) if norm is None else norm
    values = sweep.by_rate(getattr(sweep, measure))  # (rates, seeds, points)
    steps = np.arange(sweep.steps) if measure == "loss" else sweep.eval_steps
    if measure == "loss" and smooth > 1:
        points = sweep.steps // smooth
        values = values[:, :, : points * smooth].reshape(*values.shape[:2], points, smooth).mean(-1)
        steps = (np.arange(points) + 0.5) * smooth
    ends = sweep.by_rate(sweep.diverged_at)
    labels: list[_Label] = []
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
    _label_ends(ax, labels)
    name = "minibatch loss" if measure == "loss" else _SPLITS[measure]
    ax.set(xlabel="step", ylabel=name)
    return ax


def plot_ledger(run: Run, *, planned: Schedule | None = None, ax: Axes | None = None) -> Axes:
    """The rate that each update used, over the rate that ``planned`` says it should have used."""
    ax = _axes(ax)
    steps = np.arange(run.steps)
    if planned is not None:
        ax.plot(steps, planned(steps), color=style.GHOST, linewidth=5, label="planned", solid_capstyle="butt")
    ax.plot(steps, run.rates_used, color=style.ACCENT, label="used")
    ax.set(xlabel="step", ylabel="learning rate η", ylim=(0, None))
    ax.legend()
    return ax


def plot_diagnosis(curve: Curve, diagnosis: Diagnosis, *, ax: Axes | None = None) -> Axes:
    """Losses of one run against step, its rate on an axis of its own, and the names of what was found as the title.

    A line marks where the run diverged; a point the lowest validation loss.
    """
    ax = _axes(ax)
    ax.plot(curve.steps, curve.loss, color=style.GHOST, label="training loss")
    held_out, steps = curve.validation_loss, curve.validation_steps
    finite = np.isfinite(curve.loss)
    positive = bool((curve.loss[finite] > 0).all())
    if held_out is not None and steps is not None:
        ax.plot(steps, held_out, color=style.INK, label="validation loss")
        known = np.isfinite(held_out)
        positive &= bool((held_out[known] > 0).all())
        if known.any():
            best = int(np.nanargmin(np.where(known, held_out, np.nan)))
            ax.plot(steps[best], held_out[best], "o", color=style.INK, markersize=5, label="its lowest")
    place = curve.diverged_at()
    if place is not None:
        ax.axvline(place, color=style.ACCENT, linestyle=":", label="diverged")
    if curve.rates is not None and np.isfinite(curve.rates).any():
        beside = ax.twinx()
        beside.plot(curve.steps, curve.rates, color=style.ACCENT, linewidth=1, label="rate (right)")
        beside.set(ylabel="learning rate η", ylim=(0, None))
        ax.plot([], [], color=style.ACCENT, linewidth=1, label="rate (right)")
    found = ", ".join(finding.name for finding in diagnosis.findings) or "no sign of a rate problem"
    ax.set(xlabel=curve.unit, ylabel="loss", title=found, yscale="log" if positive and finite.any() else "linear")
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
    ax, rates = _axes(ax), sweep.rate_axis
    labels: list[_Label] = []
    for style_, name in zip(style.LINE_STYLES, tensors, strict=False):
        column = sweep.tensor_names.index(_check.choice("tensors", name, sweep.tensor_names))
        ratio = sweep.by_rate(sweep.update_ratio[:, step, column])
        ratio = ratio.mean(axis=-1) if ratio.ndim == 3 else ratio  # (rates, seeds)
        low, middle, high = np.quantile(ratio, [0.25, 0.5, 0.75], axis=1)
        ax.fill_between(rates, low, high, color=style.GHOST, alpha=0.3, linewidth=0)
        ax.plot(rates, middle, color=style.INK, linestyle=style_)
        labels.append((label(name), float(rates[-1]), float(middle[-1]), style.INK))
    ax.set(xscale="log", yscale="log", xlabel="learning rate η", ylabel="‖Δw‖ / ‖w‖")
    _label_ends(ax, labels)
    return ax


def plot_range_test(test: RangeTest, *, rules: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """Loss against learning rate in a range test, raw and smoothed, with each rule's suggestion on the curve.

    ``rules`` are some of :data:`lrlib.range_tests.RULES`; all that suggest a rate, if none are named. What lies above
    the first loss by more than the whole fall is cut off.
    """
    found = test.suggestions
    names = found if rules is None else [_check.choice("rules", name, found) for name in rules]
    ax, losses, smooth = _axes(ax), np.where(np.isfinite(test.judged), test.judged, np.nan), test.smoothed
    ax.plot(test.rates, losses, color=style.GHOST, linewidth=1)
    ax.plot(test.rates, smooth, color=style.INK)
    seen = smooth[np.isfinite(smooth)]
    if len(seen):
        margin = np.ptp(seen[: int(seen.argmin()) + 1]) or abs(seen[0]) or 1.0
        ax.set_ylim(min(seen.min(), np.nanmin(losses)) - 0.1 * margin, seen[0] + margin)
    linear = len(test.rates) > 2 and np.allclose(np.diff(test.rates, 2), 0, atol=1e-9 * test.rates[-1])
    kind = "validation loss" if test.validation_losses is not None else "minibatch loss"
    ax.set(xscale="linear" if linear else "log", xlabel="learning rate η", ylabel=kind)
    rated = {name: rate for name in names if (rate := found[name].rate) is not None}
    marks = sorted(((rate, name) for name, rate in rated.items()), reverse=True)  # so that few leaders cross
    for k, (rate, name) in enumerate(marks):
        height = float(np.interp(rate, test.rates[: len(seen)], seen))
        ax.plot(rate, height, "o", color=style.ACCENT, markersize=5, zorder=3)
        ax.annotate(f"{name.replace('_', ' ')} {rate:.2g}", (rate, height), xytext=(0.03, 0.05 + 0.075 * k),
                    textcoords="axes fraction", color=style.ACCENT, va="center",
                    arrowprops={"arrowstyle": "-", "color": style.ACCENT, "linewidth": 0.6})  # fmt: skip
    return ax


def plot_surface(surface: Surface, *, ax: Axes | None = None) -> Axes:
    """A one-dimensional surface as a curve; a two-dimensional one as contours, with its minima as dots."""
    import torch

    ax = _axes(ax)
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
    ax = _axes(ax)
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


def plot_intervals(
    rows: Mapping[str, Interval | Mapping[str, Interval]],
    *,
    region: Region | None = None,
    colours: Mapping[str, Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Estimates with their 95 % intervals, a row each, the first on top: the book's forest plot.

    All must be on one scale; a ratio and a geometric mean get a logarithmic axis. No effect (a ratio of 1, a difference
    of 0) is a dotted line. A row may hold several intervals by name: filled, hollow, then square marks, with a legend.

    Args:
        rows: an interval, or a few by name, for each row's label.
        region: the effect that was asked for, as :func:`lrlib.evidence.at_most` and the like say it: shaded.
        colours: the colour of a row, by its label, where it is not the accent.
        ax: where to draw.
    """
    from lrlib.evidence import SCALES, Interval  # not at the top: it loads torch

    table = {label: row if isinstance(row, Mapping) else {"": row} for label, row in rows.items()}
    every = [value for row in table.values() for value in row.values()]
    if not every or not all(isinstance(value, Interval) for value in every):
        _check.fail("rows", "Intervals by label", rows, error=TypeError)
    if len({value.scale for value in every}) > 1:
        _check.fail("rows", "intervals on one scale", sorted({value.scale for value in every}))
    ax, scale, names = _axes(ax), every[0].scale, list(dict.fromkeys(name for row in table.values() for name in row))
    for place, (label, row) in enumerate(table.items()):
        colour = (colours or {}).get(label, style.ACCENT)
        for k, (name, value) in enumerate(row.items()):
            which, y = names.index(name), place + 0.22 * (k - (len(row) - 1) / 2)
            tint = colour if which == 0 else style.INK
            ax.plot([value.low, value.high], [y, y], color=tint, linewidth=1.6, solid_capstyle="butt")
            marker, fill = "os"[which > 1], "none" if which == 1 else tint
            text = name if not place else None
            ax.plot(value.estimate, y, marker, color=tint, markerfacecolor=fill, markersize=5.5, label=text)
    if scale in ("ratio", "geometric"):
        ax.set_xscale("log")
        ends = [end for value in every for end in (value.low, value.high)]
        wide = max(ends) > 8 * min(ends)
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if wide else MaxNLocator(5))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        ax.xaxis.set_minor_locator(NullLocator())
    neutral = {"ratio": 1.0, "difference": 0.0, "percent": 0.0}.get(scale)
    if neutral is not None:
        ax.axvline(neutral, color=style.INK, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    if region is not None:
        left, right = ax.get_xlim()
        low, high = max(region.low, left), min(region.high, right)
        for start, end in [(left, low), (high, right)] if region.complement else [(low, high)]:
            ax.axvspan(start, end, color=style.GHOST, alpha=0.2, linewidth=0, zorder=0)
        ax.set_xlim(left, right)
    measured = {value.of for value in every}
    label = every[0].words if len(measured) == 1 else SCALES[scale]
    ax.set(xlabel=label, ylim=(len(table) - 0.5, -0.5))
    ax.set_yticks(range(len(table)), list(table))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    if len(names) > 1:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(names))
    return ax


def mark_limit(limit: float, *, ax: Axes, label: str = r"$2/\lambda_{\max}$") -> Axes:
    """The stability limit as the book always draws it: a dashed vertical line with its label on it."""
    ax.axvline(limit, color=style.ACCENT, linestyle=(0, (4, 2)), linewidth=1.2)
    ax.annotate(label, (limit, 1), xycoords=("data", "axes fraction"), xytext=(-5, -4), textcoords="offset points",
                rotation=90, ha="right", va="top", color=style.ACCENT)  # fmt: skip
    return ax


def _label_ends(ax: Axes, labels: list[_Label]) -> None:
    """Write each label beside the end of its line, pushed up where it would cover the one below."""
    points = ax.transData.transform([(x, y) for _, x, y, _ in labels])[:, 1] * 72 / ax.figure.dpi
    lowest = -np.inf
    for k in np.argsort(points, kind="stable"):
        text, x, y, colour = labels[k]
        height = max(float(points[k]), lowest)
        shift = (6.0, height - float(points[k]))
        ax.annotate(text, (x, y), xytext=shift, textcoords="offset points", va="center", color=colour)
        lowest = height + 11


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots()[1] if ax is None else ax
