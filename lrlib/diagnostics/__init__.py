"""What a model's loss tells about the learning rate that it takes, and what its curves tell of a run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrlib.diagnostics.coughing import cough, cough_run
    from lrlib.diagnostics.curvature import hessian_eigenvalues, run_sharpness, sharpness
    from lrlib.diagnostics.departures import Departure
    from lrlib.diagnostics.doctor import diagnose
    from lrlib.diagnostics.findings import Diagnosis, Evidence, Finding
    from lrlib.diagnostics.gradient_noise import NoiseScale, noise_scale, run_noise_scale
    from lrlib.diagnostics.preconditioning import preconditioner
    from lrlib.diagnostics.probes import Probe
    from lrlib.diagnostics.trainers import keras_monitor, lightning_monitor, transformers_monitor
    from lrlib.diagnostics.watching import Monitor

_HOME = {
    "Departure": "departures",
    "Diagnosis": "findings",
    "Evidence": "findings",
    "Finding": "findings",
    "Monitor": "watching",
    "NoiseScale": "gradient_noise",
    "Probe": "probes",
    "cough": "coughing",
    "cough_run": "coughing",
    "diagnose": "doctor",
    "hessian_eigenvalues": "curvature",
    "keras_monitor": "trainers",
    "lightning_monitor": "trainers",
    "noise_scale": "gradient_noise",
    "preconditioner": "preconditioning",
    "run_noise_scale": "gradient_noise",
    "run_sharpness": "curvature",
    "sharpness": "curvature",
    "transformers_monitor": "trainers",
}
__all__ = [
    "Departure",
    "Diagnosis",
    "Evidence",
    "Finding",
    "Monitor",
    "NoiseScale",
    "Probe",
    "cough",
    "cough_run",
    "diagnose",
    "hessian_eigenvalues",
    "keras_monitor",
    "lightning_monitor",
    "noise_scale",
    "preconditioner",
    "run_noise_scale",
    "run_sharpness",
    "sharpness",
    "transformers_monitor",
]


def __getattr__(name: str) -> Any:  # so that the diagnosis of a log needs no torch
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
