"""The diagnosis of one run from its curves."""

import numpy as np

from lrlib import _check
from lrlib.curves import Curve
from lrlib.diagnostics import features
from lrlib.diagnostics.findings import Diagnosis
from lrlib.diagnostics.probes import Probe
from lrlib.diagnostics.symptoms import SYMPTOMS


def diagnose(curve: Curve, *, probe: Probe | None = None) -> Diagnosis:
    """What the curves of one run tell about its learning rate.

    Each symptom of ``lrlib.diagnostics.symptoms.SYMPTOMS`` is looked for; findings come in that order. That none
    is found does not make a run healthy: it may have gained from another rate without showing it. And advice may be
    idle: how often, ``benchmarks/doctor/README.md`` tells, and the report says it.

    Args:
        curve: the run. Validation losses and rates are looked at where they are there; without them less can be found,
            which the diagnosis says.
        probe: what :func:`~lrlib.diagnostics.cough` measured: it settles whether a higher rate gains at once.

    >>> from lrlib.curves import Curve
    >>> print(diagnose(Curve([2.3, 2.9, 40.0, 1e5, float("inf")])).findings[0].name)
    diverging
    """
    if not isinstance(curve, Curve):
        _check.fail("curve", "a Curve", curve, error=TypeError)
    if probe is not None and not isinstance(probe, Probe):
        _check.fail("probe", "a Probe, as cough gives it, or None", probe, error=TypeError)
    found = [symptom(curve, probe) for symptom in SYMPTOMS]
    return Diagnosis(tuple(f for f in found if f is not None), missing(curve, probe), curve.notes)


def missing(curve: Curve, probe: Probe | None) -> tuple[str, ...]:
    """What could not be looked at, a sentence each."""
    said = []
    if curve.validation_loss is None:
        said.append("no validation loss, so findings rest on the training loss, and none is of overfitting.")
    elif features.validation(curve) is None:
        said.append(f"fewer than {features.FEW} finite validation losses, too few for a course.")
    if curve.rates is None or not np.isfinite(curve.rates).any():
        said.append("no rates, so nothing is said of the schedule.")
    if len(features.training(curve).values) < features.FEW:
        said.append(f"fewer than {features.FEW} finite training losses, too few for a course.")
    if probe is None:
        said.append("no probe: whether a higher rate gains is settled by a short continuation at ×3 (cough).")
    return tuple(said)
