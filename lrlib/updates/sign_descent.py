"""Lion: the sign of an interpolated momentum."""

from functools import partial

import torch
from torch import Tensor

from lrlib import _check
from lrlib.updates.adam_family import check_betas
from lrlib.updates.rule import State, UpdateRule, check_params, check_rates, per_run, zeros


def lion(*, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0) -> UpdateRule:
    """Lion: every coordinate moves by exactly the rate, in the direction of the sign of an interpolated momentum.

    Formula, with β₁, β₂ ``betas`` and λ ``weight_decay``::

        θ ← θ - η (sign(β₁ m + (1 - β₁) g) + λ θ)        m ← β₂ m + (1 - β₂) g

    Args:
        betas: (β₁, β₂), each in [0, 1).
        weight_decay: λ >= 0, times the rate, taken from the parameters.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    Torch twin: none. The default rate, 1e-4, is that of the authors' own code; good rates are 3 to 10 times
    smaller than AdamW's. The sign of NaN is 0, as ``torch.sign`` has it: a NaN gradient stops a run where it is.

    Source: X. Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS (2023), arXiv:2302.06675.

    >>> import torch
    >>> rule = lion()
    >>> params, rates = [torch.tensor([[1.0], [1.0]])], torch.tensor([0.1, 0.25])  # two runs of one parameter
    >>> state = rule.init(params)
    >>> for step in range(2):
    ...     params, state = rule.update(params, [torch.ones(2, 1)], state, rates)
    >>> params[0][:, 0]
    tensor([0.8000, 0.5000])
    """
    betas = check_betas(betas)
    weight_decay = _check.real("weight_decay", weight_decay, at_least=0)
    return UpdateRule(
        name="lion",
        init=_init,
        update=partial(_update, betas=betas, weight_decay=weight_decay),
        flattenable=True,
        hyperparameters={"betas": betas, "weight_decay": weight_decay},
        traceable=True,
        default_learning_rate=1e-4,
    )


def _init(params: list[Tensor]) -> State:
    check_params(params)
    return {"exp_avg": zeros(params)}


def _update(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    betas: tuple[float, float],
    weight_decay: float,
) -> tuple[list[Tensor], State]:
    check_rates(learning_rate, params)
    beta1, beta2 = betas
    rate = -learning_rate
    new_params, averages = [], []
    for p, g, average in zip(params, grads, state["exp_avg"], strict=True):
        direction = torch.sign(torch.lerp(average, g, 1 - beta1))
        if weight_decay:
            p = p * per_run(1 + rate * weight_decay, p)
        new_params.append(torch.addcmul(p, direction, per_run(rate, p)))
        averages.append(torch.lerp(average, g, 1 - beta2))
    return new_params, {"exp_avg": averages}
