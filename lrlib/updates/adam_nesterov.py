"""NAdam: Adam with Nesterov's look ahead."""

from functools import partial

import torch
from torch import Tensor

from lrlib import _check
from lrlib.updates.adam_family import adam_settings, decayed, init_moments, moments
from lrlib.updates.rule import State, UpdateRule, check_rates, per_run, power, scalar


def nadam(
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
    decoupled_weight_decay: bool = False,
) -> UpdateRule:
    """NAdam: Adam with Nesterov's look ahead, and a momentum that warms up.

    Formula, with m, v, g as for :func:`adam`, ψ ``momentum_decay`` and t = 1, 2, … the number of updates so far::

        μ_t = β₁ (1 - ½ · 0.96^(t ψ))
        m̂ = μ_{t+1} m / (1 - Π_{i ≤ t+1} μ_i) + (1 - μ_t) g / (1 - Π_{i ≤ t} μ_i)
        θ ← θ - η · m̂ / (√(v / (1 - β₂ᵗ)) + ε)

    Args:
        betas: (β₁, β₂), each in [0, 1).
        eps: ε >= 0, outside the root.
        weight_decay: λ >= 0, added to the gradient.
        momentum_decay: ψ >= 0.
        decoupled_weight_decay: take η λ θ from the parameters, as ``adamw`` does, not through the gradient.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    Torch twin: ``torch.optim.NAdam``, which keeps the product of the μ in the default dtype: in float32, unless that is
    changed, even where the parameters are float64. Here it is float64.

    Source: T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop (2016).

    >>> import torch
    >>> rule = nadam()
    >>> params, rates = [torch.tensor([[1.0], [1.0]])], torch.tensor([0.1, 0.5])  # two runs of one parameter
    >>> state = rule.init(params)
    >>> for step in range(2):
    ...     params, state = rule.update(params, [torch.ones(2, 1)], state, rates)
    >>> params[0][:, 0]
    tensor([0.8160, 0.0799])
    """
    settings = adam_settings(betas, eps, weight_decay) | {
        "momentum_decay": _check.real("momentum_decay", momentum_decay, at_least=0),
        "decoupled_weight_decay": _check.boolean("decoupled_weight_decay", decoupled_weight_decay),
    }
    return UpdateRule(
        name="nadam",
        init=_init_nadam,
        update=partial(_update_nadam, **settings),
        flattenable=True,
        hyperparameters=settings,
        traceable=True,
        default_learning_rate=2e-3,
    )


def _init_nadam(params: list[Tensor]) -> State:
    return init_moments(params) | {"mu_missing": scalar(0, params)}


def _update_nadam(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    momentum_decay: float,
    decoupled_weight_decay: bool,
) -> tuple[list[Tensor], State]:
    check_rates(learning_rate, params)
    params, grads = decayed(params, grads, learning_rate, weight_decay, decoupled_weight_decay)
    first, second = moments(grads, state, betas)
    step = state["step"] + 1
    mu = betas[0] * (1 - 0.5 * power(0.96, step * momentum_decay))
    mu_next = betas[0] * (1 - 0.5 * power(0.96, (step + 1) * momentum_decay))
    missing = (1 - mu) + mu * state["mu_missing"]  # 1 - Π μ, which starts at zero, as a page's state must
    root = torch.sqrt(1 - power(betas[1], step))
    floor = eps * root
    of_gradient = (1 - mu) / missing
    of_average = mu_next / ((1 - mu_next) + mu_next * missing) / of_gradient
    rate = learning_rate * (-root * of_gradient)
    new_params = [
        torch.addcmul(p, torch.addcmul(g, m, of_average) / (torch.sqrt(v) + floor), per_run(rate, p))
        for p, g, m, v in zip(params, grads, first, second, strict=True)
    ]
    return new_params, {"step": step, "exp_avg": first, "exp_avg_sq": second, "mu_missing": missing}
