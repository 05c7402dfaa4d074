"""Figures of a diagnosis and of a range test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from lrlib import _check, style
from lrlib.plots.axes import axes_or_new

if TYPE_CHECKING:  # a saved sweep can be drawn without torch
    from lrlib.curves import Curve
    from lrlib.diagnostics import Diagnosis
    from lrlib.range_tests import RangeTest


def plot_diagnosis(curve: Curve, diagnosis: Diagnosis, *, ax: Axes | None = None) -> Axes:
    """Losses of one run against step, its rate on an axis of its own, and the names of what was found as the title.

    A line marks where the run diverged; a point the lowest validation loss.
    """
    ax = axes_or_new(ax)
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
