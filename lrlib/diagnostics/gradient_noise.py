"""The gradient noise scale: how large a batch is before its gradient is more signal than noise.

A gradient over B examples is that over all examples plus noise of covariance Σ/B. The simple noise scale tr(Σ) ÷ ‖G‖²
is the batch size at which both are of one size: well below it twice the batch is worth nearly half the updates, well
above it next to nothing. Source: S. McCandlish, J. Kaplan and D. Amodei (2018), An Empirical Model of Large-Batch
Training, arXiv:1812.06162. Interval: E. C. Fieller (1954), Some Problems in Interval Estimation,
doi:10.1111/j.2517-6161.1954.tb00159.x.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import stdtrit
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_leaves, tree_map

from lrlib import _check
from lrlib.diagnostics.curvature import _filled
from lrlib.streams import stream
from lrlib.tasks import Task

FEWEST = 4  # batches: an interval needs a spread of its own

Loss = Callable[[Any, Any], Tensor]


@dataclass(frozen=True)
class NoiseScale:
    """The gradient noise scale at one point, in examples.

    Args:
        scale: tr(Σ) ÷ ‖G‖², from unbiased estimates of both; inf if that of ‖G‖² is not above 0.
        low, high: its interval by Fieller's theorem, from the jackknife over batches; ``high`` is inf where the
            gradient cannot be told from 0.
        trace: tr(Σ), summed over the parameters: the variance of one example's gradient.
        gradient_squared: ‖G‖², the square of the whole gradient's norm; an estimate near 0 may be below it.
        batch_size: examples in a batch.
        batches: how many were measured.
        level: of the interval.
    """

    scale: float
    low: float
    high: float
    trace: float
    gradient_squared: float
    batch_size: int
    batches: int
    level: float

    def __str__(self) -> str:
        return f"{self.scale:.3g} examples ({self.low:.3g} to {self.high:.3g})"


def noise_scale(model: nn.Module, loss: Loss, batches: Iterable[tuple[Any, Any]], *, level: float = 0.95) -> NoiseScale:
    """The gradient noise scale of ``loss(model(inputs), targets)`` at the model's parameters.

    The model is in the mode that it has, so dropout counts as noise. Model, gradients, buffers and random state are
    left as they were. All gradients are held at once: as many copies of the parameters as there are batches. A gradient
    that is not finite gives NaN.

    Args:
        model: any module that can be differentiated.
        loss: ``loss(outputs, targets)``, the *mean* over the batch.
        batches: pairs of inputs and targets, all of one size, drawn independently of each other; at least 4, and for a
            useful interval 16 or more. Inputs: the model's argument, a tuple of arguments, or a dictionary of them.
        level: of the interval.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value, or batches of several sizes.

    >>> import torch
    >>> from torch.nn.functional import mse_loss
    >>> generator = torch.Generator().manual_seed(0)
    >>> line = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.zeros_(line.weight)
    >>> def batch():  # every example's gradient is −2 (3 + ε), ε of variance 4
    ...     return torch.ones(8, 1), 3 + 2 * torch.randn(8, 1, generator=generator)
    >>> print(noise_scale(line, mse_loss, [batch() for _ in range(400)]))  # 4/9 by definition
    0.471 examples (0.407 to 0.535)
    """
    if not isinstance(model, nn.Module):
        _check.fail("model", "a torch.nn.Module", model, error=TypeError)
    _check.function("loss", loss)
    level = _check.real("level", level, above=0, below=1)
    gradients, sizes = [], set()
    weights = {name: p.detach().requires_grad_() for name, p in model.named_parameters() if p.requires_grad}
    if not weights:
        _check.fail("model", "a module with parameters that require gradients", model)
    with torch.random.fork_rng(devices=_devices(weights.values())), torch.enable_grad():
        for inputs, targets in batches:
            sizes.add(len(next(leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor))))
            gradients.append(_gradient(model, weights, loss, inputs, targets))
    if len(gradients) < FEWEST:
        _check.fail("batches", f"at least {FEWEST} pairs of inputs and targets", len(gradients))
    if len(sizes) > 1:
        _check.fail("batches", "of one size (drop a short last one)", sorted(sizes))
    rows = torch.stack(gradients)
    return _from_products((rows @ rows.T).double().cpu().numpy(), sizes.pop(), level)


def run_noise_scale(
    task: Task,
    parameters: Mapping[str, Tensor] | nn.Module,
    *,
    batch_size: int = 64,
    batches: int = 32,
    seed: int = 0,
    level: float = 0.95,
) -> NoiseScale:
    """:func:`noise_scale` of a task's training loss at ``parameters``, over batches drawn with replacement.

    Args:
        task: what was trained. Inputs are not augmented.
        parameters: the model's parameters and buffers by name, such as a :class:`~lrlib.training.Run` keeps in
            ``parameters``, or a module that has them.
        batch_size, batches, seed: how many examples a batch, how many batches, and what they are drawn by.
        level: of the interval.

    >>> from lrlib import tasks, training
    >>> task = tasks.digits_mlp(hidden=(8,))
    >>> early, late = (training.train(task, learning_rate=0.1, steps=steps).parameters for steps in (1, 300))
    >>> run_noise_scale(task, early).high < run_noise_scale(task, late).low  # it grows as the gradient shrinks
    True
    """
    if not isinstance(task, Task):
        _check.fail("task", "a Task", task, error=TypeError)
    if not isinstance(parameters, Mapping | nn.Module):
        _check.fail("parameters", "a mapping of names to tensors, or a torch.nn.Module", parameters, error=TypeError)
    size = _check.integer("batch_size", batch_size, at_least=1)
    count = _check.integer("batches", batches, at_least=FEWEST)
    model = parameters if isinstance(parameters, nn.Module) else _filled(task, parameters)
    rows = torch.randint(task.examples, (count, size), generator=stream("noise", seed))
    first = next(model.parameters())

    def place(tensor: Tensor) -> Tensor:
        return tensor.to(first.device, first.dtype if tensor.is_floating_point() else tensor.dtype)

    def pairs() -> Iterable[tuple[Any, Any]]:
        for chosen in rows:
            yield tree_map(lambda tensor: place(tensor[chosen]), task.train)  # noqa: B023

    return noise_scale(model, task.loss, pairs(), level=level)


def _devices(tensors: Iterable[Tensor]) -> list[torch.device]:
    return list({tensor.device for tensor in tensors if tensor.is_cuda})


def _gradient(model: nn.Module, weights: dict[str, Tensor], loss: Loss, inputs: Any, targets: Any) -> Tensor:
    """(parameters,) the gradient over one batch; buffers are those of the model, changes to them are dropped."""
    buffers = {name: buffer.detach().clone() for name, buffer in model.named_buffers()}
    keywords = dict(inputs) if isinstance(inputs, Mapping) else {}
    arguments = inputs if isinstance(inputs, tuple) else () if keywords else (inputs,)
    value = loss(functional_call(model, {**weights, **buffers}, arguments, keywords), targets)
    if not isinstance(value, Tensor) or value.shape != ():
        _check.fail("loss", "a function that returns a scalar tensor, the mean over the batch", value, error=TypeError)
    found = torch.autograd.grad(value, list(weights.values()), allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.reshape(-1) for gradient in found])


def _from_products(products: np.ndarray[Any, Any], batch_size: int, level: float) -> NoiseScale:
    """From the inner products (batches, batches) of the batches' gradients."""
    count = len(products)
    whole, own, with_others = products.sum(), np.trace(products), products.sum(1)

    def estimates(total: Any, diagonal: Any, n: int) -> np.ndarray[Any, Any]:
        """tr(Σ) and ‖G‖²: two different batches share the gradient, a batch with itself the noise as well."""
        squared = (total - diagonal) / (n * (n - 1))
        return np.array([batch_size * (diagonal / n - squared), squared])

    if not np.isfinite(products).all():
        return NoiseScale(math.nan, math.nan, math.nan, math.nan, math.nan, batch_size, count, level)
    trace, squared = map(float, estimates(whole, own, count))
    each = np.diag(products)
    left_out = estimates(whole - 2 * with_others + each, own - each, count - 1)  # (2, batches)
    spread = (count - 1) / count * np.cov(left_out, bias=True) * count
    low, high = _fieller(trace, squared, spread, float(stdtrit(count - 1, 0.5 + level / 2)))
    scale = trace / squared if squared > 0 else math.inf
    return NoiseScale(scale, low, high, trace, squared, batch_size, count, level)


def _fieller(top: float, bottom: float, spread: np.ndarray[Any, Any], width: float) -> tuple[float, float]:
    """The ratios r ≥ 0 at which top − r bottom is within ``width`` standard errors of 0."""
    a = bottom**2 - width**2 * float(spread[1, 1])
    b = top * bottom - width**2 * float(spread[0, 1])
    c = top**2 - width**2 * float(spread[0, 0])
    root = math.sqrt(max(b * b - a * c, 0.0))
    if a > 0 and bottom > 0:
        return max(0.0, (b - root) / a), (b + root) / a
    low = (b - root) / a if a < 0 and c > 0 else 0.0
    return max(0.0, low), math.inf
