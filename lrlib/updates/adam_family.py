"""Adam, AMSGrad and AdamW, and what NAdam, RAdam and Lion share with them."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from lrlib import _check
from lrlib.updates.rule import State, UpdateRule, check_params, check_rates, per_run, power, scalar, zeros


def adam(
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
) -> UpdateRule:
    """Adam: a running mean of the gradient over a running root mean square, both corrected for their start at 0.

    Formula, with β₁, β₂ ``betas``, ε ``eps``, λ ``weight_decay`` and t = 1, 2, … the number of updates so far::

        g ← g + λ θ        m ← β₁ m + (1 - β₁) g        v ← β₂ v + (1 - β₂) g²
        θ ← θ - η · m / (1 - β₁ᵗ) / (√(v / (1 - β₂ᵗ)) + ε)

    Args:
        betas: (β₁, β₂), each in [0, 1).
        eps: ε >= 0, outside the root.
        weight_decay: λ >= 0, added to the gradient.
        amsgrad: divide by the largest v so far, see :func:`amsgrad`.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    Torch twin: ``torch.optim.Adam``.

    Source: D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR (2015), arXiv:1412.6980.

    >>> import torch
    >>> rule = adam()
    >>> params, rates = [torch.tensor([[1.0], [1.0]])], torch.tensor([0.1, 0.25])  # two runs of one parameter
    >>> state = rule.init(params)
    >>> for step in range(2):
    ...     params, state = rule.update(params, [torch.ones(2, 1)], state, rates)
    >>> params[0][:, 0]
    tensor([0.8000, 0.5000])
    """
    settings = adam_settings(betas, eps, weight_decay) | {"amsgrad": _check.boolean("amsgrad", amsgrad)}
    return _adam("adam", settings, decoupled=False, **settings)


def amsgrad(*, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0) -> UpdateRule:
    """AMSGrad: :func:`adam` divided by the root of the largest v so far, so that no coordinate's rate ever grows again.

    Formula: as for Adam, with v̂ ← max(v̂, v) in place of v. As in torch the maximum is taken before the correction for
    the start at 0; the paper has no such correction.

    Args:
        betas: (β₁, β₂), each in [0, 1).
        eps: ε >= 0, outside the root.
        weight_decay: λ >= 0, added to the gradient.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    Torch twin: ``torch.optim.Adam(amsgrad=True)``.

    Source: S. J. Reddi, S. Kale and S. Kumar, "On the convergence of Adam and beyond", ICLR (2018), arXiv:1904.09237.

    >>> import torch
    >>> rule = amsgrad()
    >>> params, rates = [torch.tensor([[1.0], [1.0]])], torch.tensor([0.1, 0.25])  # two runs of one parameter
    >>> state = rule.init(params)
    >>> for step in range(2):
    ...     params, state = rule.update(params, [torch.ones(2, 1)], state, rates)
    >>> params[0][:, 0]
    tensor([0.8000, 0.5000])
    """
    settings = adam_settings(betas, eps, weight_decay)
    return _adam("amsgrad", settings, decoupled=False, amsgrad=True, **settings)


def adamw(
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    amsgrad: bool = False,
) -> UpdateRule:
    """AdamW: :func:`adam` with weight decay on the parameters, ``θ ← (1 - η λ) θ``, not through the gradient.

    As in torch the decay is multiplied by the rate η, and so follows its schedule; the paper's λ stands alone.

    Args:
        betas: (β₁, β₂), each in [0, 1).
        eps: ε >= 0, outside the root.
        weight_decay: λ >= 0, times the rate, taken from the parameters.
        amsgrad: divide by the largest v so far, see :func:`amsgrad`.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    Torch twin: ``torch.optim.AdamW``.

    Source: I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR (2019), arXiv:1711.05101.

    >>> import torch
    >>> rule = adamw(weight_decay=0.1)
    >>> params, rates = [torch.tensor([[1.0], [1.0]])], torch.tensor([0.1, 0.5])  # two runs of one parameter
    >>> state = rule.init(params)
    >>> for step in range(2):
    ...     params, state = rule.update(params, [torch.ones(2, 1)], state, rates)
    >>> params[0][:, 0]
    tensor([ 0.7811, -0.0725])
    """
    settings = adam_settings(betas, eps, weight_decay) | {"amsgrad": _check.boolean("amsgrad", amsgrad)}
    return _adam("adamw", settings, decoupled=True, **settings)


def check_betas(betas: Any) -> tuple[float, float]:
    """Two averaging factors in [0, 1)."""
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        kind = ValueError if isinstance(betas, tuple | list) else TypeError
        _check.fail("betas", "a pair of numbers", betas, error=kind)
    first, second = (_check.real(f"betas[{i}]", beta, at_least=0, below=1) for i, beta in enumerate(betas))
    return first, second


def adam_settings(betas: Any, eps: float, weight_decay: float) -> dict[str, Any]:
    """The hyperparameters that all share, checked."""
    return {
        "betas": check_betas(betas),
        "eps": _check.real("eps", eps, at_least=0),
        "weight_decay": _check.real("weight_decay", weight_decay, at_least=0),
    }


def _adam(
    name: str,
    hyperparameters: dict[str, Any],
    *,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    amsgrad: bool,
    decoupled: bool,
) -> UpdateRule:
    return UpdateRule(
        name=name,
        init=partial(init_moments, amsgrad=amsgrad),
        update=partial(_update_adam, betas=betas, eps=eps, weight_decay=weight_decay, decoupled_weight_decay=decoupled),
        flattenable=True,
        hyperparameters=hyperparameters,
        traceable=True,
        default_learning_rate=1e-3,
    )


def init_moments(params: list[Tensor], *, amsgrad: bool = False) -> State:
    """Running averages at 0, before the first update."""
    check_params(params)
    state: State = {"step": scalar(0, params), "exp_avg": zeros(params), "exp_avg_sq": zeros(params)}
    return state | {"max_exp_avg_sq": zeros(params)} if amsgrad else state


def decayed(
    params: list[Tensor], grads: list[Tensor], learning_rate: Tensor, weight_decay: float, decoupled: bool
) -> tuple[list[Tensor], list[Tensor]]:
    """Weight decay, on the parameters (decoupled) or as a part of the gradient."""
    if weight_decay and decoupled:
        keep = 1 - learning_rate * weight_decay
        return [p * per_run(keep, p) for p in params], grads
    if weight_decay:
        return params, [torch.add(g, p, alpha=weight_decay) for g, p in zip(grads, params, strict=True)]
    return params, grads


def moments(grads: list[Tensor], state: State, betas: tuple[float, float]) -> tuple[list[Tensor], list[Tensor]]:
    """The running averages of the gradient and of its square."""
    beta1, beta2 = betas
    first = [torch.lerp(m, g, 1 - beta1) for m, g in zip(state["exp_avg"], grads, strict=True)]
    second = [torch.addcmul(v * beta2, g, g, value=1 - beta2) for v, g in zip(state["exp_avg_sq"], grads, strict=True)]
    return first, second


def _update_adam(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled_weight_decay: bool,
) -> tuple[list[Tensor], State]:
    check_rates(learning_rate, params)
    params, grads = decayed(params, grads, learning_rate, weight_decay, decoupled_weight_decay)
    first, second = moments(grads, state, betas)
    step = state["step"] + 1
    new_state: State = {"step": step, "exp_avg": first, "exp_avg_sq": second}
    if "max_exp_avg_sq" in state:
        second = [torch.maximum(old, v) for old, v in zip(state["max_exp_avg_sq"], second, strict=True)]
        new_state["max_exp_avg_sq"] = second
    # With c = 1 - β₂ᵗ: √(v / c) + ε = (√v + ε √c) / √c, and the last √c goes into the rate: one pass over v fewer.
    root = torch.sqrt(1 - power(betas[1], step))
    rate = learning_rate * (root / (power(betas[0], step) - 1))
    floor = eps * root
    new_params = [
        torch.addcmul(p, m / (torch.sqrt(v) + floor), per_run(rate, p))
        for p, m, v in zip(params, first, second, strict=True)
    ]
    return new_params, new_state
