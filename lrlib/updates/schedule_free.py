"""Schedule-Free: an average of the iterates in place of a schedule."""

from functools import partial

import torch
from torch import Tensor

from lrlib import _check
from lrlib.updates.adam_family import check_betas
from lrlib.updates.rule import (
    State,
    UpdateRule,
    check_params,
    check_rates,
    each_run,
    per_run,
    power,
    scalar,
    zeros,
)


def schedule_free_sgd(*, momentum: float = 0.9, weight_decay: float = 0.0) -> UpdateRule:
    """Schedule-Free gradient descent: the gradient is taken between the iterate and its average, the average is kept.

    Formula, with β ``momentum``, λ ``weight_decay`` and g the gradient at y, where the parameters stand in training::

        z ← z - η (g + λ y)        x ← (1 - c) x + c z        y = (1 - β) z + β x        c = η̂² / Σ η̂²

    where η̂ is the largest rate so far and the sum runs over all updates; at a constant rate c = 1 / (step + 1), the
    plain average. The loss is evaluated at x, and x is what a run keeps (``evaluated``). Warm-up is a schedule of η.
    No lab of a static page trains it: its state starts at the parameters, where a page starts all states at zero.
    The running statistics of batch normalization belong to y; :func:`lrlib.training.sweep` forms those of x by a pass
    over training examples before it evaluates, and a loop of one's own must do so, too.

    Args:
        momentum: β in (0, 1): how near to the average the gradient is taken.
        weight_decay: λ >= 0, added to the gradient.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    Torch twin: none in torch; ``SGDScheduleFree`` of the authors' package ``schedulefree``.

    Source: A. Defazio et al., "The road less scheduled", NeurIPS (2024), arXiv:2405.15682.

    >>> import torch
    >>> rule = schedule_free_sgd(momentum=0.5)
    >>> params, rates = [torch.tensor([[1.0], [1.0]])], torch.tensor([0.1, 0.5])  # two runs of one parameter
    >>> state = rule.init(params)
    >>> for step in range(2):
    ...     params, state = rule.update(params, [torch.ones(2, 1)], state, rates)
    >>> params[0][:, 0], rule.evaluated(params, state)[0][:, 0]
    (tensor([0.8250, 0.1250]), tensor([0.8500, 0.2500]))
    """
    momentum = _check.real("momentum", momentum, above=0, below=1)
    weight_decay = _check.real("weight_decay", weight_decay, at_least=0)
    return UpdateRule(
        name="schedule_free_sgd",
        init=_init,
        update=partial(_update, momentum=momentum, weight_decay=weight_decay),
        evaluated=partial(_average, momentum=momentum),
        flattenable=True,
        hyperparameters={"momentum": momentum, "weight_decay": weight_decay},
        traceable=True,
        default_learning_rate=1.0,
    )


def schedule_free_adamw(
    *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0
) -> UpdateRule:
    """Schedule-Free AdamW: as :func:`schedule_free_sgd`, with each coordinate's gradient divided by its running size.

    Formula, with β₁, β₂ ``betas`` and v̂ Adam's corrected mean of squares: as there, with β = β₁ and with
    g / (√v̂ + ε) + λ y in place of g + λ y. Nor is it trained in a static page.

    Args:
        betas: (β₁, β₂), β₁ in (0, 1), β₂ in [0, 1).
        eps: ε > 0.
        weight_decay: λ >= 0, times the rate.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    Torch twin: none in torch; ``AdamWScheduleFree`` of the authors' package ``schedulefree``.

    Source: A. Defazio et al., "The road less scheduled", NeurIPS (2024), arXiv:2405.15682.

    >>> import torch
    >>> rule, params = schedule_free_adamw(), [torch.tensor([[1.0, 1.0]])]
    >>> params, state = rule.update(params, [torch.tensor([[3.0, -0.1]])], rule.init(params), torch.tensor([0.1]))
    >>> params
    [tensor([[0.9000, 1.1000]])]
    """
    betas = check_betas(betas)
    _check.real("betas[0]", betas[0], above=0)
    eps = _check.real("eps", eps, above=0)
    weight_decay = _check.real("weight_decay", weight_decay, at_least=0)
    return UpdateRule(
        name="schedule_free_adamw",
        init=_init_adamw,
        update=partial(_update_adamw, betas=betas, eps=eps, weight_decay=weight_decay),
        evaluated=partial(_average, momentum=betas[0]),
        flattenable=True,
        hyperparameters={"betas": betas, "eps": eps, "weight_decay": weight_decay},
        traceable=True,
        default_learning_rate=0.0025,
    )


def _init(params: list[Tensor]) -> State:
    check_params(params)
    return {"z": [p.clone() for p in params], "largest_rate": each_run(params), "weight_sum": each_run(params)}


def _init_adamw(params: list[Tensor]) -> State:
    return {**_init(params), "exp_avg_sq": zeros(params), "step": scalar(0.0, params)}


def _update(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    momentum: float,
    weight_decay: float,
) -> tuple[list[Tensor], State]:
    check_rates(learning_rate, params)
    directions = [g + weight_decay * y if weight_decay else g for y, g in zip(params, grads, strict=True)]
    return _move(params, directions, state, learning_rate, momentum=momentum)


def _update_adamw(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> tuple[list[Tensor], State]:
    check_rates(learning_rate, params)
    step = state["step"] + 1
    correction = 1 - power(betas[1], step)
    squares, directions = [], []
    for y, g, square in zip(params, grads, state["exp_avg_sq"], strict=True):
        square = square * betas[1] + g * g * (1 - betas[1])
        direction = g / (torch.sqrt(square / correction) + eps)
        directions.append(direction + weight_decay * y if weight_decay else direction)
        squares.append(square)
    params, moved = _move(params, directions, state, learning_rate, momentum=betas[0])
    return params, {**moved, "exp_avg_sq": squares, "step": step}


def _move(
    params: list[Tensor], directions: list[Tensor], state: State, learning_rate: Tensor, *, momentum: float
) -> tuple[list[Tensor], State]:
    """One step of z and of y; x is not stored, since y and z tell it."""
    largest = torch.maximum(state["largest_rate"], learning_rate)
    weight = largest * largest
    total = state["weight_sum"] + weight
    share = torch.where(total > 0, weight / torch.where(total > 0, total, 1.0), 0.0)  # c, (runs,)
    new_params, new_z = [], []
    for y, d, z in zip(params, directions, state["z"], strict=True):
        rate, c = per_run(learning_rate, y), per_run(share, y)
        new_params.append(y + c * (z - y) + rate * (momentum * (1 - c) - 1) * d)
        new_z.append(z - rate * d)
    return new_params, {"z": new_z, "largest_rate": largest, "weight_sum": total}


def _average(params: list[Tensor], state: State, *, momentum: float) -> list[Tensor]:
    """x, from y = (1 - β) z + β x."""
    return [y + (1 - 1 / momentum) * (z - y) for y, z in zip(params, state["z"], strict=True)]
