"""Numbers and figures of a page, set down under a name, from where its text takes them."""

import sys
from typing import Any

from lrlib import _check
from lrlib.evidence.intervals import Interval


def glue(name: str, value: Any) -> None:
    """Put a number, a text, an interval or a figure where the page's text finds it; nothing is shown.

    An interval is put down three times: its estimate as ``name``, its ends as ``name-low`` and ``name-high``. Numbers
    stay numbers, so that the text chooses the format: ``{glue:text}`gain:.2f``` or, with grouped thousands,
    ``{glue:text}`steps:,.0f```. A matplotlib figure is closed, and stands where ``{glue:figure}`` names it.
    """
    from myst_nb import glue as put

    if not isinstance(name, str) or not name:
        _check.fail("name", "a text", name, error=TypeError)
    drawing = sys.modules.get("matplotlib.pyplot")  # whoever has a figure has loaded it
    if drawing is not None and isinstance(value, drawing.Figure):
        put(name, value, display=False)
        drawing.close(value)
        return
    if isinstance(value, Interval):
        parts = {name: value.estimate, f"{name}-low": value.low, f"{name}-high": value.high}
    else:
        parts = {name: value}
    for key, part in parts.items():
        put(key, part if isinstance(part, str) else float(part), display=False)
