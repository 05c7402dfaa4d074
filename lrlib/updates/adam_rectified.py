"""RAdam: Adam with a rectified start."""

from functools import partial

import torch
from torch import Tensor

from lrlib import _check
from lrlib.updates.adam_family import adam_settings, decayed, init_moments, moments
from lrlib.updates.rule import State, UpdateRule, check_rates, per_run, power


def radam(
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
) -> UpdateRule:
    """RAdam: Adam whose rate is held back while v rests on too few gradients to be trusted.

    Formula, with m, v as for :func:`adam` and t = 1, 2, … the number of updates so far::

        ρ_∞ = 2 / (1 - β₂) - 1        ρ_t = ρ_∞ - 2 t β₂ᵗ / (1 - β₂ᵗ)
        r = √((ρ_t - 4) (ρ_t - 2) ρ_∞ / ((ρ_∞ - 4) (ρ_∞ - 2) ρ_t))
        θ ← θ - η · m / (1 - β₁ᵗ) · (r √(1 - β₂ᵗ) / (√v + ε) where ρ_t > 5, else 1)

    At the default β₂ the first five updates are plain momentum, and at β₂ <= 2/3 all are.

    Args:
        betas: (β₁, β₂), each in [0, 1).
        eps: ε >= 0, outside the root.
        weight_decay: λ >= 0, added to the gradient.
        decoupled_weight_decay: take η λ θ from the parameters, as ``adamw`` does, not through the gradient.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    Torch twin: ``torch.optim.RAdam``; ε is added to √v before the correction, other than in Adam.

    Source: L. Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR (2020), arXiv:1908.03265.

    >>> import torch
    >>> rule = radam()
    >>> params, rates = [torch.tensor([[1.0], [1.0]])], torch.tensor([0.1, 0.25])  # two runs of one parameter
    >>> state = rule.init(params)
    >>> for step in range(2):
    ...     params, state = rule.update(params, [torch.ones(2, 1)], state, rates)
    >>> params[0][:, 0]
    tensor([0.8000, 0.5000])
    """
    settings = adam_settings(betas, eps, weight_decay) | {
        "decoupled_weight_decay": _check.boolean("decoupled_weight_decay", decoupled_weight_decay)
    }
    return UpdateRule(
        name="radam",
        init=init_moments,
        update=partial(_update_radam, **settings),
        flattenable=True,
        hyperparameters=settings,
        traceable=True,
        default_learning_rate=1e-3,
    )


def _update_radam(
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
    rate = learning_rate / (power(betas[0], step) - 1)
    rho_inf = 2 / (1 - betas[1]) - 1
    if rho_inf <= 5:  # rho_t stays below rho_inf: never rectified
        return [torch.addcmul(p, m, per_run(rate, p)) for p, m in zip(params, first, strict=True)], new_state
    shrunk = power(betas[1], step)
    correction = 1 - shrunk
    rho = rho_inf - 2 * step * shrunk / correction
    rectified = rho > 5
    rectifier = (rho - 4) * (rho - 2) * (rho_inf / ((rho_inf - 4) * (rho_inf - 2))) / rho
    rate = rate * torch.where(rectified, torch.sqrt(rectifier * correction), 1.0)
    new_params = [
        torch.addcmul(p, m / torch.where(rectified, torch.sqrt(v) + eps, 1.0), per_run(rate, p))
        for p, m, v in zip(params, first, second, strict=True)
    ]
    return new_params, new_state
