"""What a model's loss tells about the learning rate that it takes."""

from lrlib.diagnostics.curvature import hessian_eigenvalues, run_sharpness, sharpness
from lrlib.diagnostics.preconditioning import preconditioner

__all__ = ["hessian_eigenvalues", "preconditioner", "run_sharpness", "sharpness"]
