"""What all figures draw with: axes, labels at the ends of lines, the mark of a limit."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from lrlib import style

Label = tuple[str, float, float, Any]  # text, x, y, colour


def mark_limit(limit: float, *, ax: Axes, label: str = r"$2/\lambda_{\max}$") -> Axes:
    """The stability limit as the book always draws it: a dashed vertical line with its label on it."""
    ax.axvline(limit, color=style.ACCENT, linestyle=(0, (4, 2)), linewidth=1.2)
    ax.annotate(label, (limit, 1), xycoords=("data", "axes fraction"), xytext=(-5, -4), textcoords="offset points",
                rotation=90, ha="right", va="top", color=style.ACCENT)  # fmt: skip
    return ax


def label_ends(ax: Axes, labels: list[Label]) -> None:
    """Write each label beside the end of its line, pushed up where it would cover the one below."""
    points = ax.transData.transform([(x, y) for _, x, y, _ in labels])[:, 1] * 72 / ax.figure.dpi
    lowest = -np.inf
    for k in np.argsort(points, kind="stable"):
        text, x, y, colour = labels[k]
        height = max(float(points[k]), lowest)
        shift = (6.0, height - float(points[k]))
        ax.annotate(text, (x, y), xytext=shift, textcoords="offset points", va="center", color=colour)
        lowest = height + 11


def axes_or_new(ax: Axes | None) -> Axes:
    return plt.subplots()[1] if ax is None else ax
