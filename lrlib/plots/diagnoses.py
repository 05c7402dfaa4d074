"""Figures of a diagnosis and of a range test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from lrlib import _check, style
from lrlib.plots.axes import Label, axes_or_new, label_ends, mark_limit

if TYPE_CHECKING:  # a saved sweep can be drawn without torch
    from lrlib.curves import Curve
    from lrlib.diagnostics import Diagnosis
    from lrlib.range_tests import RangeTest


def plot_diagnosis(curve: Curve, diagnosis: Diagnosis, *, ax: Axes | None = None) -> Axes:
    """Losses of one run against step, its rate in a strip below, and the names of what was found as the title.

    A line marks where the run diverged; a point the lowest validation loss.
    """
    ax = axes_or_new(ax)
    held_out, steps = curve.validation_loss, curve.validation_steps
    drawn = [("training loss", curve.steps, curve.loss, style.GHOST)]
    if held_out is not None and steps is not None:
        drawn.append(("validation loss", steps, held_out, style.INK))
    labels: list[Label] = []
    for name, xs, ys, colour in drawn:
        known = np.flatnonzero(np.isfinite(ys))
        ax.plot(xs, np.where(np.isfinite(ys), ys, np.nan), color=colour, linewidth=0.8 if len(known) > 200 else 1.5)
        if len(known):
            labels.append((name, float(xs[known[-1]]), float(ys[known[-1]]), colour))
    losses = np.concatenate([ys[np.isfinite(ys)] for _, _, ys, _ in drawn])
    ax.set(xlabel=curve.unit, ylabel="loss", yscale="log" if len(losses) and (losses > 0).all() else "linear")
    if held_out is not None and steps is not None and np.isfinite(held_out).any():
        best = int(np.nanargmin(np.where(np.isfinite(held_out), held_out, np.nan)))
        ax.plot(steps[best], held_out[best], "o", color=style.INK, markersize=5)
        ax.annotate("lowest", (steps[best], held_out[best]), (0, -12), textcoords="offset points", ha="center")
    place = curve.diverged_at()
    if place is not None:
        mark_limit(place, ax=ax, label="diverged")
    found = ", ".join(finding.name for finding in diagnosis.findings) or "no sign of a rate problem"
    ax.set_title(found)
    if curve.rates is not None and (curve.rates > 0).any():
        below = ax.inset_axes((0, -0.48, 1, 0.26), sharex=ax)
        below.plot(curve.steps, np.where(curve.rates > 0, curve.rates, np.nan), color=style.ACCENT, linewidth=1.2)
        below.set(yscale="log", xlabel=curve.unit, ylabel="rate η")
        ax.set_xlabel("")
    label_ends(ax, labels)
    return ax


def plot_range_test(test: RangeTest, *, rules: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """Loss against learning rate in a range test, raw and smoothed, with each rule's suggestion on the curve.

    ``rules`` are some of :data:`lrlib.range_tests.RULES`; all that suggest a rate, if none are named. What lies above
    the first loss by more than the whole fall is cut off.
    """
    found = test.suggestions
    names = found if rules is None else [_check.choice("rules", name, found) for name in rules]
    ax, losses, smooth = axes_or_new(ax), np.where(np.isfinite(test.judged), test.judged, np.nan), test.smoothed
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
