"""Muon: momentum whose matrices are made nearly orthogonal before they are taken as steps."""

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lrlib import _check
from lrlib.updates.rule import State, UpdateRule, check_params, check_rates, per_run, zeros

ADJUSTMENTS = ("original", "match_rms_adamw")


def muon(
    *,
    momentum: float = 0.95,
    nesterov: bool = True,
    weight_decay: float = 0.1,
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
    ns_steps: int = 5,
    eps: float = 1e-7,
    adjust_lr_fn: str = "original",
) -> UpdateRule:
    """Muon: the step of a matrix is its momentum with all singular values brought near 1.

    Formula, for a matrix of A rows and B columns, with μ ``momentum`` and λ ``weight_decay``::

        m ← μ m + (1 - μ) g        u = (1 - μ) g + μ m  (Nesterov; else u = m)
        θ ← θ - η λ θ              θ ← θ - η a NS(u)
        a = √max(1, A/B)  ("original")        a = 0.2 √max(A, B)  ("match_rms_adamw")

    NS, the Newton–Schulz iteration, takes X = u / ‖u‖ ``ns_steps`` times to a X + (b X Xᵀ + c (X Xᵀ)²) X, which brings
    every singular value between about 0.7 and 1.2 without a decomposition. With "match_rms_adamw" a step is about as
    long as AdamW's, and AdamW's rate and decay can be kept.

    All parameters must be matrices. Give biases, norms and embeddings to another rule by
    :func:`lrlib.updates.partition`: ``partition({matrices: muon()}, rest=adamw())``.

    Args:
        momentum: μ in [0, 1).
        nesterov: whether the gradient is mixed in once more.
        weight_decay: λ >= 0, times the unadjusted rate.
        ns_coefficients: a, b, c.
        ns_steps: iterations, 1 to 99.
        eps: the least norm that u is divided by, > 0.
        adjust_lr_fn: ``"original"`` or ``"match_rms_adamw"``.

    Raises:
        TypeError, ValueError: for an argument out of its range; ``init`` for a parameter that is no matrix.

    Torch twin: ``torch.optim.Muon``, which iterates in bfloat16 whatever the parameters are; here NS works in the
    parameters' own precision, so the two agree to about 1 % of a step and part from there on.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024),
    https://kellerjordan.github.io/posts/muon/; J. Liu et al., "Muon is scalable for LLM training" (2025),
    arXiv:2502.16982, for "match_rms_adamw".

    >>> import torch
    >>> rule, params = muon(weight_decay=0.0), [torch.zeros(1, 2, 2)]
    >>> gradient = torch.tensor([[[3.0, 0.0], [0.0, -0.01]]])  # singular values 3 and 0.01
    >>> [moved], _ = rule.update(params, [gradient], rule.init(params), torch.tensor([0.1]))
    >>> torch.linalg.svdvals(moved[0] / 0.1).round(decimals=1)
    tensor([1.2000, 0.7000])
    """
    momentum = _check.real("momentum", momentum, at_least=0, below=1)
    weight_decay = _check.real("weight_decay", weight_decay, at_least=0)
    coefficients = tuple(_check.reals("ns_coefficients", ns_coefficients).tolist())
    if len(coefficients) != 3:
        _check.fail("ns_coefficients", "three numbers", ns_coefficients)
    settings: dict[str, Any] = {
        "momentum": momentum,
        "nesterov": _check.boolean("nesterov", nesterov),
        "weight_decay": weight_decay,
        "ns_coefficients": coefficients,
        "ns_steps": _check.integer("ns_steps", ns_steps, at_least=1, at_most=99),
        "eps": _check.real("eps", eps, above=0),
        "adjust_lr_fn": _check.choice("adjust_lr_fn", adjust_lr_fn, ADJUSTMENTS),
    }
    return UpdateRule(
        name="muon",
        init=_init,
        update=partial(_update, **settings),
        flattenable=False,
        hyperparameters=settings,
        traceable=True,
        default_learning_rate=1e-3,
    )


def matrices(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a parameter is a matrix: what :func:`muon` takes; for :func:`lrlib.updates.partition`.

    >>> matrices("0.weight", (32, 64)), matrices("0.bias", (32,))
    (True, False)
    """
    return len(shape) == 2


def _init(params: list[Tensor]) -> State:
    check_params(params)
    if any(p.dim() != 3 for p in params):
        need = "matrices, (runs, rows, columns), for Muon (give others another rule by partition)"
        _check.fail("params", need, [tuple(p.shape) for p in params])
    return {"momentum_buffer": zeros(params)}


def _update(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    ns_coefficients: tuple[float, float, float],
    ns_steps: int,
    eps: float,
    adjust_lr_fn: str,
) -> tuple[list[Tensor], State]:
    check_rates(learning_rate, params)
    moved, buffers = [], []
    for p, g, old in zip(params, grads, state["momentum_buffer"], strict=True):
        buffer = torch.lerp(old, g, 1 - momentum)
        direction = _orthogonal(torch.lerp(g, buffer, momentum) if nesterov else buffer, ns_coefficients, ns_steps, eps)
        rows, columns = p.shape[1:]
        long = math.sqrt(max(1, rows / columns)) if adjust_lr_fn == "original" else 0.2 * math.sqrt(max(rows, columns))
        shrunk = p * per_run(1 - learning_rate * weight_decay, p) if weight_decay else p
        moved.append(shrunk - per_run(learning_rate * long, p) * direction)
        buffers.append(buffer)
    return moved, {"momentum_buffer": buffers}


def _orthogonal(u: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """(runs, rows, columns): each run's matrix with its singular values near 1."""
    a, b, c = coefficients
    tall = u.shape[1] > u.shape[2]
    x = u.mT if tall else u
    x = x / torch.sqrt((x * x).sum(dim=(1, 2), keepdim=True)).clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.mT if tall else x
