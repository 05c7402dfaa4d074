"""The learning rate that each parameter really gets, read from a rule's state."""

import torch
from torch import Tensor

from lrlib import _check
from lrlib.updates.rule import State, UpdateRule, check_params, check_rates, per_run, power

_KNOWN = ("sgd", "heavy_ball", "nesterov", "adagrad", "rmsprop", "adam", "amsgrad", "adamw")


def has_effective_rates(rule: UpdateRule) -> bool:
    """Whether :func:`effective_rates` can tell what this rule gives each parameter.

    >>> from lrlib.updates import adam, lion
    >>> has_effective_rates(adam()), has_effective_rates(lion())  # Lion moves all parameters by the same amount
    (True, False)
    """
    return rule.name in _KNOWN


def effective_rates(rule: UpdateRule, params: list[Tensor], state: State, learning_rate: Tensor) -> list[Tensor]:
    """By how much the last update multiplied each coordinate's gradient, or its running mean of gradients.

    Formula, with v̂ Adam's corrected mean of squares, s Adagrad's sum and v RMSprop's mean of them::

        gradient descent   η                    RMSprop   η / (√v + ε)
        with momentum μ    η / (1 - μ)          Adam      η / (√v̂ + ε)
        Adagrad            η / (√s + ε)

    With momentum this is where the step per unit of a gradient that stays as it is ends up.

    Args:
        rule: one of this package's: gradient descent with or without momentum, Adagrad, RMSprop, Adam, AMSGrad, AdamW.
        params: the parameters, each of shape (runs, ...).
        state: the rule's state *after* the update in question.
        learning_rate: (runs,) the rate that the update used.

    Returns:
        One tensor for each of ``params``, of its shape; NaN where a coordinate has had no gradient but 0 yet.

    Raises:
        ValueError: for another rule, and for momentum >= 1.

    >>> import torch
    >>> from lrlib.updates import adagrad
    >>> rule, params, rates = adagrad(), [torch.tensor([[1.0, 1.0, 1.0]])], torch.tensor([0.1])
    >>> _, state = rule.update(params, [torch.tensor([[1.0, 0.01, 0.0]])], rule.init(params), rates)
    >>> effective_rates(rule, params, state, rates)
    [tensor([[ 0.1000, 10.0000,     nan]])]
    """
    _check.choice("rule", rule.name, _KNOWN)
    check_params(params)
    check_rates(learning_rate, params)
    given = rule.hyperparameters
    momentum = given.get("momentum", 0.0)
    if momentum >= 1:
        _check.fail("rule", "one whose momentum is below 1", rule)
    rate = learning_rate * (1 - given.get("dampening", 0.0)) / (1 - momentum) if momentum else learning_rate
    if rule.name in ("sgd", "heavy_ball", "nesterov"):
        return [torch.ones_like(p) * per_run(rate, p) for p in params]
    if given.get("lr_decay"):
        rate = rate / (1 + (state["step"] - 1) * given["lr_decay"])
    return [
        torch.where(square > 0, per_run(rate, square) / (torch.sqrt(square) + given["eps"]), torch.nan)
        for square in _squares(rule, state)
    ]


def _squares(rule: UpdateRule, state: State) -> list[Tensor]:
    """What stands under the root, one tensor for each parameter."""
    if rule.name == "adagrad":
        return state["sum"]
    if rule.name == "rmsprop":
        if not rule.hyperparameters["centered"]:
            return state["square_avg"]
        return [v - m * m for v, m in zip(state["square_avg"], state["grad_avg"], strict=True)]
    correction = 1 - power(rule.hyperparameters["betas"][1], state["step"])
    return [v / correction for v in state["max_exp_avg_sq" if "max_exp_avg_sq" in state else "exp_avg_sq"]]
