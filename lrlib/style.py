"""One figure style for the whole book, and the colours that its labs share.

Colour means learning rate: blue and dark is low, gold and light is high, on one scale of log10 η, with contrast enough
on a white page and on a dark one. Grey is for what came before, one accent for what the text speaks of.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.colors import LinearSegmentedColormap, LogNorm

from lrlib import _check

ACCENT = "#c2571a"
INK = "#7a7f87"  # readable on white and on the dark theme alike
GHOST = "#a8adb4"
RATE_COLOURS = LinearSegmentedColormap.from_list(
    "rates", ["#2b66b1", "#55898f", "#8c9a63", "#cda52a"]
)  # even steps in Oklab
LINE_STYLES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))

_RC: Any = {
    "figure.figsize": (6.8, 3.6),
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "none",
    "savefig.transparent": True,
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelsize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": cycler(color=[ACCENT, "#3b6fa0", GHOST]),
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "font.size": 10,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "lrlib",  # the same figure gives the same bytes
}


def use() -> None:
    """Set matplotlib's defaults to the book's, and figures in notebooks to SVG."""
    mpl.rcParams.update(_RC)
    try:
        from IPython.core.getipython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("svg")


def rate_norm(rates: Sequence[float] | np.ndarray) -> LogNorm:
    """The logarithmic colour scale that spans ``rates``; a lone rate sits in its middle."""
    rates = _check.reals("rates", rates, above=0)
    low, high = float(rates.min()), float(rates.max())
    return LogNorm(low, high) if low < high else LogNorm(low / 10, high * 10)


def rate_colour(rate: float, norm: LogNorm) -> tuple[float, float, float, float]:
    """The colour of a learning rate on the scale ``norm``."""
    return RATE_COLOURS(norm(_check.real("rate", rate, above=0)))


def tokens() -> dict[str, Any]:
    """The colours as strings, for the labs' style sheets and scripts: one source for figures and labs."""
    samples = [mpl.colors.to_hex(RATE_COLOURS(x)) for x in np.linspace(0, 1, 16)]
    return {"accent": ACCENT, "ink": INK, "ghost": GHOST, "rates": samples}
