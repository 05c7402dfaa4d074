"""The symptoms, one small function each, and their thresholds in one table."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lrlib.curves import Curve
from lrlib.diagnostics import features as f
from lrlib.diagnostics.findings import Evidence, Finding
from lrlib.diagnostics.probes import Probe

Symptom = Callable[[Curve, Probe | None], Finding | None]


class Bar(NamedTuple):
    """A threshold, and where it comes from."""

    value: float
    source: str


GRID = "set on the development tasks of benchmarks/doctor"
BARS = {
    "divergence": Bar(1e3, "this package's one rule, lrlib.curves.first_divergence"),
    "upward": Bar(0.9, "a loss that rises on nearly all of its way"),
    "growth": Bar(0.25, "by more than a quarter"),
    "number format": Bar(1.2e-7, "the spacing of float32 numbers about 1"),
    "guessing": Bar(0.005, "half a per cent of the logarithm of a whole number, less than from 10 classes to 11"),
    "learnt": Bar(0.03, "less of a fall than any trained run of the development tasks"),
    "points": Bar(8, "fewer moves up and down say nothing of their share"),
    "steady": Bar(0.012, GRID),
    "unsteady": Bar(0.15, GRID),
    "unsteady, then lowered": Bar(0.22, GRID + ": a rate that falls later may well be high at first"),
    "shaken": Bar(0.05, GRID),
    "still falling": Bar(0.01, GRID),
    "still falling much": Bar(0.3, GRID),
    "slow": Bar(0.35, "the training loss alone: near the ½ of a straight fall"),
    "far too low": Bar(0.2, GRID),
    "far too high": Bar(0.27, GRID),
    "rebound": Bar(0.15, GRID),
    "spent": Bar(0.45, "the pilot study"),
    "smooth": Bar(0.01, GRID),
    "kept": Bar(0.5, "a rate that never halved"),
    "batch noise": Bar(0.3, GRID),
    "cough": Bar(-0.03, GRID),
    "jump": Bar(0.5, "half of what was learnt is lost again"),
}


def bar(name: str) -> float:
    return BARS[name].value


def diverging(curve: Curve, probe: Probe | None) -> Finding | None:
    """The loss is not finite, or a thousand times its first, or rises on its whole way."""
    step = curve.diverged_at()
    if step is not None:
        text = f"the training loss is not finite or above a thousand times its first from {curve.unit} {step:g} on."
        seen = Evidence(f"{curve.unit} at which it counts as diverged", step, bar("divergence"))
        return Finding("diverging", text, (seen,), ("rate ÷9",), "measured")
    series = f.stretches(f.training(curve))
    if len(series.values) < 3 or not f.share_up(series) > bar("upward") or not f.growth(series) > bar("growth"):
        return None
    text = f"the training loss grows on {f.share_up(series):.0%} of its way: a rate above what the curvature allows."
    return Finding(
        "diverging", text, (Evidence("share of the way up", f.share_up(series), bar("upward")),), ("rate ÷9",), "likely"
    )


def number_format(curve: Curve, probe: Probe | None) -> Finding | None:
    """The training loss ends at 0, or at less than a float32's last digit of its first."""
    series = f.training(curve)
    if len(series.values) < f.FEW:
        return None
    first, last = abs(f.level(series, 0, 0.02)), abs(f.level(series, 0.9, 1))
    if not last <= bar("number format") * first or first == 0:
        return None
    text = "the training loss ends below the last digit that single precision keeps of its first."
    seen = Evidence("last over first training loss", last / first, bar("number format"))
    return Finding("at the floor of the number format", text, (seen,), ("finer numbers",), "measured")


def constant_validation(curve: Curve, probe: Probe | None) -> Finding | None:
    """The validation loss is one number while the training loss falls."""
    series, seen = f.validation(curve), f.training(curve)
    if series is None or len(seen.values) < f.FEW or np.ptp(series.values) > 1e-6 * np.abs(series.values).max():
        return None
    if np.ptp(seen.values) <= 1e-6 * np.abs(seen.values).max():
        return None
    text = f"the validation loss is {series.values[0]:.6g} throughout: outputs may no longer depend on the inputs."
    evidence = Evidence("spread of the validation loss", float(np.ptp(series.values)), 0.0)
    return Finding("validation does not move", text, (evidence,), ("check validation",), "measured")


def at_chance(curve: Curve, probe: Probe | None) -> Finding | None:
    """The loss never left where it started, or fell back to guessing, and not because it creeps down."""
    series = f.stretches(f.training(curve))
    if diverging(curve, probe) is not None or len(series.values) < f.FEW or f.level(series, 0, 0.02) == 0:
        return None
    fell, classes = f.fall(series), guessing(f.level(f.training(curve), 0.5, 1))
    if not fell < bar("learnt") or _steady(curve) or (classes is None and len(series.values) < bar("points")):
        return None
    last = f.level(series, 0.5, 1)
    text = f"the training loss ends at {last:.5g}, no lower than it began"
    text += "." if classes is None else f": {last:.5g} is ln {classes}, guessing among {classes} classes."
    text += " Curves do not tell whether the rate is too high or no gradient arrives."
    seen = Evidence("fall of the training loss, as a share of its start", fell, bar("learnt"))
    remedies = ("check outputs", "rate ÷9") if f.validation(curve) is None else ("rate ÷9", "check outputs")
    return Finding("at chance", text, (seen,), remedies, "measured")


def guessing(loss: float) -> int | None:
    """The number of equally likely classes whose cross-entropy is ``loss``, 2 to 100, if there is one near enough."""
    if not 0.5 < loss < math.log(101):
        return None
    classes = round(math.exp(loss))
    return classes if abs(loss - math.log(classes)) < min(bar("guessing"), 0.2 / classes) * loss else None


def rate_too_high(curve: Curve, probe: Probe | None) -> Finding | None:
    """The judged loss goes up on much of its way while the rate is high."""
    series = f.hot(curve)
    least = bar("unsteady, then lowered" if f.last_rate(curve) <= bar("kept") else "unsteady")
    if not _enough(curve) or not f.share_up(series) > least:
        return None
    if diverging(curve, probe) is not None or at_chance(curve, probe) is not None:
        return None  # said already
    far = f.fall(f.judged(curve)) < bar("far too high")
    if not far and not f.jitter(series, 0) > bar("shaken"):
        return None
    seen = [Evidence("share of the way up while the rate is high", f.share_up(series), least)]
    if far:
        seen.append(Evidence("fall, as a share of the start", f.fall(f.judged(curve)), bar("far too high")))
    text = f"the {_name(curve)} goes up on {f.share_up(series):.0%} of its way: it jumps about more than it falls."
    return Finding("rate too high", text, tuple(seen), ("rate ÷9" if far else "rate ÷3", "decay"), "likely")


def past_its_best(curve: Curve, probe: Probe | None) -> Finding | None:
    """The validation loss ends well above its least."""
    series = f.validation(curve)
    if series is None or curve.diverged_at() is not None or not _enough(curve):
        return None
    series = f.thinned(series)
    if not f.rebound(series) > bar("rebound"):
        return None
    seen = (Evidence("log of last over least validation loss", f.rebound(series), bar("rebound")),)
    text = f"the validation loss was least after {f.best_time(series):.0%} of the run and has risen since."
    return Finding("past its best validation point", text, seen, ("rate ÷3", "stop", "regularize"), "measured")


def late_instability(curve: Curve, probe: Probe | None) -> Finding | None:
    """The training loss had fallen and jumps up again, as adaptive rules do late at too high a rate."""
    series = f.stretches(f.training(curve))
    jump, when = f.late_jump(series)
    if curve.diverged_at() is not None or not jump > bar("jump"):
        return None
    text = f"the training loss lost {jump:.0%} of what it had gained, about {when:.0%} into the run."
    text += " With Adam and its kin: a lower rate, a lower beta2 or a larger epsilon."
    return Finding(
        "late instability", text, (Evidence("share of the fall lost", jump, bar("jump")),), ("rate ÷3",), "likely"
    )


def spent_schedule(curve: Curve, probe: Probe | None) -> Finding | None:
    """The rate was next to nothing for much of the run, and the loss fell steadily until then."""
    if not f.spent(curve) > bar("spent") or not _steady(curve) or f.fall(f.judged(curve)) < bar("learnt"):
        return None
    seen = (Evidence("share of the run below 12 % of the peak rate", f.spent(curve), bar("spent")),)
    text = f"the rate was below 12 % of its peak for {f.spent(curve):.0%} of the run, and little was learnt then."
    return Finding("schedule spent early", text, seen, ("hold", "rate ×3"), "likely")


def rate_too_low(curve: Curve, probe: Probe | None) -> Finding | None:
    """The judged loss falls without a stumble: a higher rate falls faster."""
    far = f.fall(f.judged(curve)) < bar("far too low")
    if f.spent(curve) > bar("spent") and not f.fall(f.judged(curve)) < bar("learnt"):
        return None  # then the schedule is to be mended first
    falling, gain = f.still_falling(f.hot(curve)), 0.0 if probe is None else probe.gain
    if not _steady(curve) or not (far or falling > bar("still falling") or gain > bar("still falling")):
        return None
    smooth = f.wobble(f.hot(curve)) <= bar("smooth") or f.spent(curve) > bar("spent")
    if gain < bar("cough") or (probe is None and not smooth and not falling > bar("still falling much")):
        return None
    series = f.judged(curve)
    seen = [Evidence("share of the way up", f.share_up(series), bar("steady"))]
    if probe is not None:
        seen.append(Evidence("log gain of the continuation at a higher rate", probe.gain, bar("cough")))
    if far:
        seen.append(Evidence("fall, as a share of the start", f.fall(series), bar("far too low")))
    text = f"the {_name(curve)} falls without a stumble" + (", and hardly at all." if far else ".")
    how_sure = "measured" if probe is not None and probe.gain > 0 else "likely"
    return Finding("rate too low", text, tuple(seen), ("rate ×9" if far else "rate ×3",), how_sure)


def noise_floor(curve: Curve, probe: Probe | None) -> Finding | None:
    """A rate that was never lowered, and a loss that minibatches shake: it may rest on a floor that falls with it."""
    if curve.diverged_at() is not None or not f.last_rate(curve) > bar("kept") or _steady(curve):
        return None
    shaking = f.jitter(f.training(curve))
    if f.share_up(f.hot(curve)) > bar("unsteady") or not shaking > bar("batch noise"):
        return None
    text = "the rate was never lowered and the training loss shakes about its course: a floor that falls with the rate."
    seen = Evidence("noise of the training loss, as a share of it", shaking, bar("batch noise"))
    return Finding("noise floor", text, (seen,), ("hold",), "a hypothesis")


SYMPTOMS: tuple[Symptom, ...] = (
    diverging,
    number_format,
    constant_validation,
    at_chance,
    rate_too_high,
    past_its_best,
    late_instability,
    spent_schedule,
    rate_too_low,
    noise_floor,
)


def _enough(curve: Curve) -> bool:
    return len(f.judged(curve).values) >= bar("points")


def _steady(curve: Curve) -> bool:
    """A judged loss that falls with next to no step up; of a training loss alone, one that falls nearly straight."""
    series = f.judged(curve)
    if curve.diverged_at() is not None or not _enough(curve):
        return False
    if f.validation(curve) is not None:
        return f.share_up(series) <= bar("steady")
    return f.share_up(series) <= bar("unsteady") and f.slowness(series) > bar("slow")


def _name(curve: Curve) -> str:
    return "training loss" if f.validation(curve) is None else "validation loss"
