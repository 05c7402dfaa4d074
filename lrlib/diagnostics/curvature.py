"""The curvature of a loss at a point: extreme eigenvalues of its Hessian, without ever forming the Hessian.

The product of the Hessian with a vector v is the gradient of (gradient · v), so each costs two backward passes, and
Lanczos' method needs some tens of them. Source: B. Pearlmutter (1994), Fast Exact Multiplication by the Hessian;
R. Lehoucq, D. Sorensen and C. Yang (1998), ARPACK Users' Guide, through ``scipy.sparse.linalg.eigsh``.
"""

import copy
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from lrlib import _check
from lrlib.tasks import Task

DENSE_UP_TO = 64  # parameters up to which the whole Hessian is cheaper than Lanczos' method


def sharpness(
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    inputs: Tensor,
    targets: Tensor,
    *,
    tolerance: float = 1e-4,
) -> float:
    """The largest eigenvalue λ_max of the Hessian of ``loss(model(inputs), targets)``.

    Plain gradient descent on this loss is stable up to the rate 2 / λ_max. Arguments, errors and handling of the model
    are those of :func:`hessian_eigenvalues`. Negative where the loss curves downwards in every direction.

    >>> import torch
    >>> line = torch.nn.Linear(2, 1, bias=False)
    >>> x = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    >>> round(sharpness(line, torch.nn.functional.mse_loss, x, torch.zeros(2, 1)), 4)  # Hessian: xᵀx = diag(1, 9)
    9.0
    """
    return float(hessian_eigenvalues(model, loss, inputs, targets, tolerance=tolerance)[0])


def run_sharpness(
    task: Task, parameters: Mapping[str, Tensor], *, examples: int | None = None, tolerance: float = 1e-4
) -> float:
    """:func:`sharpness` of ``task``'s training loss at ``parameters``, such as those of a :class:`~lrlib.training.Run`.

    Args:
        task: its model takes one tensor.
        parameters: the model's parameters and buffers by name.
        examples: how many training examples, the first ones, to take the loss over; all if ``None``.
        tolerance: relative accuracy.

    >>> from lrlib import tasks, training
    >>> task = tasks.digits_mlp(hidden=(8,))
    >>> run = training.train(task, learning_rate=0.1, steps=20)
    >>> 0 < run_sharpness(task, run.parameters, examples=256) < 100
    True
    """
    if not isinstance(task, Task):
        _check.fail("task", "a Task", task, error=TypeError)
    inputs, targets = task.train
    if examples is not None:
        count = _check.integer("examples", examples, at_least=1, at_most=task.examples)
        inputs, targets = inputs[:count], targets[:count]
    with torch.random.fork_rng(devices=[]):
        model = task.model()
    model.to(next(value.dtype for value in parameters.values() if value.is_floating_point()))
    model.load_state_dict(dict(parameters))
    return sharpness(model, task.loss, inputs, targets, tolerance=tolerance)


def hessian_eigenvalues(
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    inputs: Tensor,
    targets: Tensor,
    *,
    count: int = 1,
    which: str = "LA",
    tolerance: float = 1e-4,
) -> np.ndarray:
    """(count,) extreme eigenvalues of the Hessian of ``loss(model(inputs), targets)``, the most extreme first.

    The Hessian is taken over the parameters that require a gradient, with the model in evaluation mode: dropout is off,
    and batch normalization uses its running statistics. The model is left as it was.

    Args:
        model: on the device of ``inputs``; floating inputs and targets are cast to its dtype.
        loss: gives a scalar tensor.
        inputs, targets: the examples.
        count: how many eigenvalues; of a multiple eigenvalue, all its copies count.
        which: ``"LA"``, the algebraically largest, ``"SA"``, the smallest, or ``"LM"``, the largest in magnitude.
        tolerance: relative accuracy of the eigenvalues.

    Returns:
        float64; NaN where the loss or its gradient is not finite, as after a divergence.

    Raises:
        TypeError, ValueError: for an argument that does not fit, or a model without a trainable parameter.
    """
    if not isinstance(model, nn.Module):
        _check.fail("model", "a torch.nn.Module", model, error=TypeError)
    _check.function("loss", loss)
    _check.choice("which", which, ("LA", "SA", "LM"))
    tolerance = _check.real("tolerance", tolerance, above=0, below=1)
    model = copy.deepcopy(model).eval()
    weights = [p for p in model.parameters() if p.requires_grad]
    if not weights:
        _check.fail("model", "one with parameters that require a gradient", type(model).__name__)
    size = sum(p.numel() for p in weights)
    count = _check.integer("count", count, at_least=1, at_most=size)
    product = _hessian_product(model, weights, loss, inputs, targets)
    if product is None:
        return np.full(count, np.nan)
    values = _dense(product, size) if size <= DENSE_UP_TO or count >= size // 2 else None
    if values is None:
        values = _lanczos(product, size, count, which, tolerance)
    order = np.argsort({"LA": -values, "SA": values, "LM": -np.abs(values)}[which])
    return values[order][:count]


def _hessian_product(
    model: nn.Module,
    weights: list[nn.Parameter],
    loss: Callable[[Tensor, Tensor], Tensor],
    inputs: Tensor,
    targets: Tensor,
) -> Callable[[np.ndarray], np.ndarray] | None:
    """A function v (parameters,) -> Hessian · v, float64; None if the loss or its gradient is not finite."""
    dtype = weights[0].dtype
    x, y = (part.to(dtype) if part.is_floating_point() else part for part in (inputs, targets))
    with torch.enable_grad():
        value = loss(model(x), y)
        gradients = torch.autograd.grad(value, weights, create_graph=True, materialize_grads=True)
        gradient = torch.cat([g.reshape(-1) for g in gradients])
    if not (torch.isfinite(value) and torch.isfinite(gradient).all()):
        return None

    def product(v: np.ndarray) -> np.ndarray:
        direction = torch.as_tensor(np.ascontiguousarray(v.ravel()), device=gradient.device).to(dtype)
        if not gradient.requires_grad:  # the gradient is a constant: the loss is linear
            return np.zeros(gradient.numel())
        parts = torch.autograd.grad(gradient @ direction, weights, retain_graph=True, materialize_grads=True)
        return torch.cat([p.reshape(-1) for p in parts]).double().cpu().numpy()

    return product


def _dense(product: Callable[[np.ndarray], np.ndarray], size: int) -> np.ndarray:
    hessian = np.stack([product(row) for row in np.eye(size)])
    return np.linalg.eigvalsh((hessian + hessian.T) / 2)


def _lanczos(
    product: Callable[[np.ndarray], np.ndarray], size: int, count: int, which: str, tolerance: float
) -> np.ndarray:
    from scipy.sparse.linalg import LinearOperator, eigsh

    hessian = LinearOperator((size, size), matvec=product, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(size)  # the same at each call, and orthogonal to nothing
    if not product(start).any():
        return np.zeros(count)
    return eigsh(hessian, k=count, which=which, tol=tolerance, v0=start, return_eigenvectors=False)
