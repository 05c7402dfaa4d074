"""Numbers and figures of a page, set down under a name, from where its text takes them."""

import sys
from typing import Any

from lrlib import _check
from lrlib.evidence.intervals import Interval

RECORD = "application/papermill.record/"  # before a kind of output: myst_nb keeps it for the text and does not show it


def glue(name: str, value: Any) -> None:
    """Put a number, a text, an interval or a figure where the page's text finds it; nothing is shown.

    An interval is put down three times: its estimate as ``name``, its ends as ``name-low`` and ``name-high``. Numbers
    stay numbers, so that the text chooses the format: ``{glue:text}`gain:.2f``` or, with grouped thousands,
    ``{glue:text}`steps:,.0f```. A matplotlib figure is closed, and stands where ``{glue:figure}`` names it.
    """
    if not isinstance(name, str) or not name:
        _check.fail("name", "a text", name, error=TypeError)
    drawing = sys.modules.get("matplotlib.pyplot")  # whoever has a figure has loaded it
    if drawing is not None and isinstance(value, drawing.Figure):
        _put(name, value)
        drawing.close(value)
        return
    if isinstance(value, Interval):
        parts = {name: value.estimate, f"{name}-low": value.low, f"{name}-high": value.high}
    else:
        parts = {name: value}
    for key, part in parts.items():
        _put(key, part if isinstance(part, str) else float(part))


def _put(name: str, value: Any) -> None:
    """``myst_nb.glue(name, value, display=False)``, without the second that myst_nb takes to be imported."""
    from IPython.core.formatters import format_display_data
    from IPython.display import display

    shown, settings = format_display_data(value)
    settings["scrapbook"] = {"name": name, "mime_prefix": RECORD}
    display({RECORD + kind: data for kind, data in shown.items()}, raw=True, metadata=settings)
