"""Polyak's step: a rate that follows from how far the loss is above its least value."""

from functools import partial

import torch
from torch import Tensor

from lrlib import _check
from lrlib.updates.rule import State, UpdateRule, check_params, check_rates, dot, per_run


def polyak(*, f_min: float = 0.0, scaling: float = 1.0, eps: float = 0.0) -> UpdateRule:
    """Gradient descent whose rate is the gap to the least loss over the squared norm of the gradient, up to a cap.

    Formula, with f the loss that the gradient g belongs to, f* ``f_min``, c ``scaling`` and ε ``eps``::

        γ = min(η, c max(f - f*, 0) / (‖g‖² + ε))        θ ← θ - γ g

    The learning rate η is the cap: the largest step that a minibatch may take. On a minibatch f and g are the
    minibatch's own, which makes it the stochastic Polyak step. With f* too low the steps stay long at the end and the
    run does not settle; with f* too high it stops early, where f = f*. Where g = 0 nothing moves.

    Args:
        f_min: f*, the least value that the loss can take: 0 for a network that can fit all its examples.
        scaling: c > 0; 1/2 is a common cautious choice.
        eps: ε >= 0.

    Raises:
        TypeError, ValueError: for an argument out of its range; ``update`` without ``loss`` (a TypeError).

    Torch twin: none. ``optax.polyak_sgd`` has the same arguments, but lets a loss below f* step uphill.

    Source: B. T. Polyak, "Introduction to optimization" (1987); N. Loizou et al., "Stochastic Polyak step-size for
    SGD", AISTATS (2021), arXiv:2002.10542, with the cap.

    >>> import torch
    >>> rule, params = polyak(), [torch.tensor([[3.0], [3.0]])]  # two runs at θ = 3 of the loss θ²/2
    >>> loss, rates = torch.tensor([4.5, 4.5]), torch.tensor([1.0, 0.1])
    >>> rule.update(params, params, rule.init(params), rates, loss=loss)[0]
    [tensor([[1.5000],
            [2.7000]])]
    """
    f_min = _check.real("f_min", f_min)
    scaling = _check.real("scaling", scaling, above=0)
    eps = _check.real("eps", eps, at_least=0)
    return UpdateRule(
        name="polyak",
        init=_init,
        update=partial(_update, f_min=f_min, scaling=scaling, eps=eps),
        flattenable=True,
        hyperparameters={"f_min": f_min, "scaling": scaling, "eps": eps},
        traceable=True,
        default_learning_rate=1.0,
        needs_loss=True,
    )


def _init(params: list[Tensor]) -> State:
    check_params(params)
    return {}


def _update(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    loss: Tensor,
    f_min: float,
    scaling: float,
    eps: float,
) -> tuple[list[Tensor], State]:
    check_rates(learning_rate, params)
    square = dot(grads, grads) + eps
    gap = scaling * torch.relu(loss - f_min)
    step = torch.where(square == 0, 0.0, torch.minimum(learning_rate, gap / torch.where(square == 0, 1.0, square)))
    return [p - per_run(step, p) * g for p, g in zip(params, grads, strict=True)], {}
