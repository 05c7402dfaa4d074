"""What a model's loss tells about the learning rate that it takes."""

from lrlib.diagnostics.curvature import hessian_eigenvalues, run_sharpness, sharpness
from lrlib.diagnostics.departures import Departure
from lrlib.diagnostics.gradient_noise import NoiseScale, noise_scale, run_noise_scale
from lrlib.diagnostics.trainers import keras_monitor, lightning_monitor, transformers_monitor
from lrlib.diagnostics.watching import Monitor

__all__ = [
    "Departure",
    "Monitor",
    "NoiseScale",
    "hessian_eigenvalues",
    "keras_monitor",
    "lightning_monitor",
    "noise_scale",
    "run_noise_scale",
    "run_sharpness",
    "sharpness",
    "transformers_monitor",
]
