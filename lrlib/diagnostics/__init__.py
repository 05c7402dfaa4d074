"""What a model's loss tells about the learning rate that it takes, and what its curves tell of a run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrlib.diagnostics.coughing import cough, cough_run
    from lrlib.diagnostics.curvature import hessian_eigenvalues, run_sharpness, sharpness
    from lrlib.diagnostics.doctor import diagnose
    from lrlib.diagnostics.findings import Diagnosis, Evidence, Finding
    from lrlib.diagnostics.preconditioning import preconditioner
    from lrlib.diagnostics.probes import Probe

_HOME = {
    "Diagnosis": "findings",
    "Evidence": "findings",
    "Finding": "findings",
    "Probe": "probes",
    "cough": "coughing",
    "cough_run": "coughing",
    "diagnose": "doctor",
    "hessian_eigenvalues": "curvature",
    "preconditioner": "preconditioning",
    "run_sharpness": "curvature",
    "sharpness": "curvature",
}
__all__ = [
    "Diagnosis",
    "Evidence",
    "Finding",
    "Probe",
    "cough",
    "cough_run",
    "diagnose",
    "hessian_eigenvalues",
    "preconditioner",
    "run_sharpness",
    "sharpness",
]


def __getattr__(name: str) -> Any:  # so that the diagnosis of a log needs no torch
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
