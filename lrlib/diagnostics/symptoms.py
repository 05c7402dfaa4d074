"""The symptoms, one small function each, and their thresholds in one table."""

from collections.abc import Callable

from lrlib.curves import Curve
from lrlib.diagnostics import features as f
from lrlib.diagnostics.findings import Evidence, Finding
from lrlib.diagnostics.probes import Probe

Symptom = Callable[[Curve, Probe | None], Finding | None]


def diverging(curve: Curve, probe: Probe | None) -> Finding | None:
    """The loss is not finite, or a thousand times its first."""
    step = curve.diverged_at()
    if step is None:
        return None
    where = f"the training loss is not finite or above a thousand times its first from {curve.unit} {step:g} on."
    return Finding("diverging", where, (Evidence(f"{curve.unit} of divergence", step, 1e3),), ("rate ÷9",), "measured")


def past_its_best(curve: Curve, probe: Probe | None) -> Finding | None:
    """The validation loss ends well above its least."""
    series = f.validation(curve)
    if series is None or curve.diverged_at() is not None or not f.rebound(series) > 0.25:
        return None
    seen = (Evidence("rebound of the validation loss (log)", f.rebound(series), 0.25),)
    text = f"the validation loss was least after {f.best_time(series):.0%} of the run and has risen since."
    return Finding("past its best validation point", text, seen, ("stop", "rate ÷3"), "measured")


SYMPTOMS: tuple[Symptom, ...] = (diverging, past_its_best)
