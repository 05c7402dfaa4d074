"""What a model, its loss and its gradients say of the learning rate."""

from lrlib.diagnostics.curvature import hessian_eigenvalues, run_sharpness, sharpness

__all__ = ["hessian_eigenvalues", "run_sharpness", "sharpness"]
