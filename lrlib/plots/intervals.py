"""Figures of estimates with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from lrlib import _check, style
from lrlib.plots.axes import axes_or_new

if TYPE_CHECKING:  # a saved sweep can be drawn without torch
    from lrlib.evidence import Interval, Region, Tuning


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
    ax, scale, names = (
        axes_or_new(ax),
        every[0].scale,
        list(dict.fromkeys(name for row in table.values() for name in row)),
    )
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


def plot_best_rates(
    x: Sequence[float], tunings: Sequence[Tuning], *, ax: Axes | None = None, label: str = "", linestyle: Any = "-"
) -> Axes:
    """The best learning rate against what was changed, with its 95 % interval, on logarithmic axes.

    Args:
        x: what was changed, one number a tuning: a width, a depth, a number of examples.
        tunings: as :func:`lrlib.evidence.tune` gives them.
        ax: where to draw.
        label: written behind the last point.
        linestyle: of the line through the points.
    """
    if len(x) != len(tunings) or not len(x):
        _check.fail("tunings", f"one for each of the {len(x)} places x", len(tunings))
    ax, found = axes_or_new(ax), [tuning.best for tuning in tunings]
    ends = [[f.estimate - f.low for f in found], [f.high - f.estimate for f in found]]
    middle = [f.estimate for f in found]
    ax.plot(x, middle, color=style.INK, linestyle=linestyle)
    ax.errorbar(x, middle, ends, fmt="o", color=style.INK, markersize=4, capsize=2, linewidth=1)
    ax.annotate(label, (x[-1], middle[-1]), (8, 0), textcoords="offset points", va="center")
    ax.set(xscale="log", yscale="log", ylabel="best learning rate")
    ax.minorticks_off()
    return ax
