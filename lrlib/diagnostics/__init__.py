"""What a model's loss tells about the learning rate that it takes."""

from lrlib.diagnostics.curvature import hessian_eigenvalues, run_sharpness, sharpness
from lrlib.diagnostics.departures import Departure
from lrlib.diagnostics.watching import Monitor

__all__ = ["Departure", "Monitor", "hessian_eigenvalues", "run_sharpness", "sharpness"]
