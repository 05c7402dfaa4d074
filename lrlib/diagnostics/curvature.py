"""The largest eigenvalues of a loss's Hessian: plain gradient descent is unstable along a direction of more than 2/η.

The Hessian itself is never formed. Its product with a vector v is the gradient of (gradient · v), and some tens of such
products give Lanczos' method its extreme eigenvalues.
Source: B. Pearlmutter (1994), Fast Exact Multiplication by the Hessian, doi:10.1162/neco.1994.6.1.147;
R. Lehoucq, D. Sorensen and C. Yang (1998), ARPACK Users' Guide, doi:10.1137/1.9780898719628.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_map

from lrlib import _check
from lrlib.models import initial_parameters
from lrlib.streams import stream_key
from lrlib.tasks import Task

DENSE = 48  # up to so many parameters the whole Hessian takes no more products than Lanczos' method
KRYLOV = 10  # vectors that Lanczos' method keeps: scipy's 20 take twice the products where the top stands apart

Loss = Callable[[Any, Any], Tensor]
Product = Callable[[np.ndarray], np.ndarray]


class _NotFinite(ArithmeticError):
    """A product of the Hessian is infinite or NaN."""


def sharpness(model: nn.Module, loss: Loss, inputs: Any, targets: Any, **options: Any) -> float:
    """The first of :func:`hessian_eigenvalues`, which takes the same options: the largest one, by default.

    >>> import torch
    >>> line = torch.nn.Linear(2, 1, bias=False)
    >>> x = torch.tensor([[1.0, 0.0], [0.0, 3.0]])  # the Hessian is xᵀx
    >>> round(sharpness(line, torch.nn.functional.mse_loss, x, torch.zeros(2, 1)), 4)
    9.0
    """
    return float(hessian_eigenvalues(model, loss, inputs, targets, **options)[0])


def run_sharpness(
    task: Task,
    parameters: Mapping[str, Tensor] | nn.Module,
    *,
    examples: int | None = None,
    **options: Any,
) -> float:
    """:func:`sharpness` of a task's training loss at ``parameters``, in their own dtype.

    Args:
        task: what was trained. Inputs are not augmented.
        parameters: the model's parameters and buffers by name, such as a :class:`~lrlib.training.Run` keeps in
            ``parameters``, or a module that has them.
        examples: take the loss over the first so many training examples; over all if None.
        options: as in :func:`hessian_eigenvalues`.

    >>> from lrlib import tasks, training
    >>> task = tasks.digits_mlp(hidden=(8,))
    >>> run = training.train(task, learning_rate=0.1, steps=20)
    >>> 0 < run_sharpness(task, run.parameters) < 100
    True
    """
    if not isinstance(task, Task):
        _check.fail("task", "a Task", task, error=TypeError)
    if not isinstance(parameters, Mapping | nn.Module):
        _check.fail("parameters", "a mapping of names to tensors, or a torch.nn.Module", parameters, error=TypeError)
    model = parameters if isinstance(parameters, nn.Module) else _filled(task, parameters)
    inputs, targets = task.train
    if examples is not None:
        count = _check.integer("examples", examples, at_least=1, at_most=task.examples)
        inputs, targets = tree_map(lambda tensor: tensor[:count], (inputs, targets))
    return sharpness(model, task.loss, inputs, targets, **options)


def _filled(task: Task, parameters: Mapping[str, Tensor]) -> nn.Module:
    """A copy of the task's model with these parameters and buffers."""
    model = copy.deepcopy(initial_parameters(task.model, seed=0))  # the reader's own module stays as it is
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    given = {name: tuple(tensor.shape) for name, tensor in parameters.items()}
    if given != shapes:
        _check.fail("parameters", f"tensors of one run, by name, of the shapes {shapes}", given)
    for name, tensor in own.items():
        tensor.data = parameters[name].detach().clone()
    return model


def hessian_eigenvalues(
    model: nn.Module,
    loss: Loss,
    inputs: Any,
    targets: Any,
    *,
    count: int = 1,
    which: str = "LA",
    tolerance: float = 1e-3,
    preconditioner: Mapping[str, Tensor] | None = None,
) -> np.ndarray:
    """(count,) eigenvalues of the Hessian of ``loss(model(inputs), targets)`` at the model's parameters, in float64.

    Those of the parameters with ``requires_grad``. The model is in evaluation mode meanwhile, without dropout and with
    the running statistics of batch normalization, and is left as it was, gradients and random state included. Of a
    multiple eigenvalue all copies count. The graph of all examples is kept in memory: give fewer if it is too much.

    Args:
        model: any module that can be differentiated twice.
        loss: ``loss(outputs, targets)``, a scalar tensor.
        inputs: the model's argument; a tuple of arguments, or a dictionary of keyword arguments. Floating inputs and
            targets are cast to the dtype of the parameters.
        targets: what the loss compares with.
        count: how many eigenvalues.
        which: ``"LA"``, the algebraically largest first; ``"SA"``, the smallest, most negative first; ``"LM"``, the
            largest in magnitude first, whatever their sign.
        preconditioner: P, by name a positive tensor of the shape of each parameter: take the eigenvalues of P^-½ H P^-½
            instead, which are what a rule that divides by P sees; see :func:`preconditioner`.
        tolerance: relative size of the residual at which Lanczos' method stops; the relative error of an eigenvalue is
            at most that, and as a rule near its square. Products in float32 round at about 1e-6.

    Returns:
        They are NaN if the loss, its gradient or a product is not finite, since a run that diverged has no curvature.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value.

    ``torch.func.hessian`` forms the whole matrix instead, of the square of the number of parameters.
    """
    if not isinstance(model, nn.Module):
        _check.fail("model", "a torch.nn.Module", model, error=TypeError)
    _check.function("loss", loss)
    _check.choice("which", which, ("LA", "SA", "LM"))
    tolerance = _check.real("tolerance", tolerance, above=0, below=1)
    weights = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters() if p.requires_grad}
    if not weights:
        _check.fail("model", "a module with parameters that require gradients", model)
    size = sum(weight.numel() for weight in weights.values())
    count = _check.integer("count", count, at_least=1, at_most=size)
    gradient = _gradient(model, weights, loss, inputs, targets)
    if not bool(torch.isfinite(gradient).all()):
        return np.full(count, np.nan)
    if not gradient.requires_grad:  # the loss is linear in the parameters
        return np.zeros(count)
    pieces = list(weights.values())
    scale = None if preconditioner is None else _scale(preconditioner, weights)

    def product(v: np.ndarray) -> np.ndarray:
        v = np.array(v).ravel()
        along = torch.from_numpy(v if scale is None else v * scale).to(gradient.device, gradient.dtype)
        found = torch.autograd.grad(
            gradient, pieces, along, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        result = _flat(found).double().cpu().numpy() * (1.0 if scale is None else scale)
        if not np.isfinite(result).all():
            raise _NotFinite
        return result

    try:
        return (
            _dense(product, size, count, which)
            if size <= max(DENSE, 2 * count)
            else _lanczos(product, size, count, which, tolerance)
        )
    except _NotFinite:
        return np.full(count, np.nan)


def _scale(preconditioner: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> np.ndarray:
    """(parameters,) P^-½."""
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    given = {name: tuple(preconditioner[name].shape) for name in shapes if name in preconditioner}
    if given != shapes:
        _check.fail("preconditioner", f"tensors by name, of the shapes {shapes}", given)
    flat = _flat(tuple(preconditioner[name].detach() for name in shapes)).double().cpu().numpy()
    if not (np.isfinite(flat) & (flat > 0)).all():
        _check.fail("preconditioner", "finite numbers above 0", flat.min())
    return flat**-0.5


def _flat(tensors: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def _gradient(model: nn.Module, weights: dict[str, Tensor], loss: Loss, inputs: Any, targets: Any) -> Tensor:
    """(parameters,) the loss's gradient, which can be differentiated once more; NaN if the loss is not finite."""
    first = next(iter(weights.values()))

    def place(tensor: Tensor) -> Tensor:
        return tensor.to(first.device, first.dtype if tensor.is_floating_point() else tensor.dtype)

    inputs, targets = tree_map(place, (inputs, targets))
    keywords = dict(inputs) if isinstance(inputs, Mapping) else {}
    arguments = inputs if isinstance(inputs, tuple) else () if keywords else (inputs,)
    held = {name: tensor.detach().clone() for name, tensor in model.named_buffers()}
    modes = {module: module.training for module in model.modules()}
    cuda = [first.device] if first.device.type == "cuda" else []
    try:
        model.eval()
        # A second derivative of fused attention does not exist; a module that draws in evaluation, too, draws the same.
        with torch.enable_grad(), torch.random.fork_rng(devices=cuda), sdpa_kernel(SDPBackend.MATH):
            torch.manual_seed(stream_key("evaluation", 0))
            value = loss(functional_call(model, {**weights, **held}, arguments, keywords), targets)
    finally:
        for module, training in modes.items():
            module.training = training
    if not isinstance(value, Tensor) or value.shape != ():
        _check.fail("loss", "a function that returns a scalar tensor", value, error=TypeError)
    if not bool(torch.isfinite(value)) or not value.requires_grad:
        return torch.full_like(first, 0.0 if bool(torch.isfinite(value)) else torch.nan).detach()
    pieces = list(weights.values())
    return _flat(torch.autograd.grad(value, pieces, create_graph=True, allow_unused=True, materialize_grads=True))


def _dense(product: Product, size: int, count: int, which: str) -> np.ndarray:
    whole = np.stack([product(row) for row in np.eye(size)])
    return _ordered(np.linalg.eigvalsh((whole + whole.T) / 2), which)[:count]


def _ordered(values: np.ndarray, which: str) -> np.ndarray:
    return values[np.argsort({"LA": -values, "SA": values, "LM": -np.abs(values)}[which], kind="stable")]


def _lanczos(product: Product, size: int, count: int, which: str, tolerance: float) -> np.ndarray:
    """One eigenvalue after another: from one start vector Lanczos' method often misses copies of a multiple one."""
    generator = np.random.default_rng(stream_key("evaluation", 1))
    vectors = np.empty((size, 0))
    values = np.empty(0)
    shift = 0.0

    def rest(v: np.ndarray) -> np.ndarray:
        """The Hessian on what is orthogonal to the vectors found; those it sends to the far end of the spectrum."""
        v = v.ravel()
        along = vectors.T @ v
        image = product(v - vectors @ along)
        return image - vectors @ (vectors.T @ image) + shift * (vectors @ along)

    def extreme(end: str, accuracy: float) -> tuple[float, np.ndarray]:
        start = generator.standard_normal(size)
        start -= vectors @ (vectors.T @ start)
        if not product(start).any():
            return 0.0, start / np.linalg.norm(start)
        operator = LinearOperator((size, size), matvec=rest, dtype=np.float64)
        value, vector = eigsh(operator, k=1, which=end, v0=start, ncv=KRYLOV, tol=accuracy)
        return float(value[0]), vector[:, 0]

    if count > 1 and which != "LM":
        other, _ = extreme("SA" if which == "LA" else "LA", 0.1)
        shift = 2 * (min(other, 0.0) if which == "LA" else max(other, 0.0))
    for _ in range(count):
        value, vector = extreme(which, tolerance)
        values, vectors = np.append(values, value), np.linalg.qr(np.column_stack([vectors, vector]))[0]
    return _ordered(values, which)
