"""What a model's loss tells about the learning rate that it takes."""

from lrlib.diagnostics.curvature import hessian_eigenvalues, run_sharpness, sharpness

__all__ = ["hessian_eigenvalues", "run_sharpness", "sharpness"]
