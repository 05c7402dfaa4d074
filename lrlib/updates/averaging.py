"""A running average of the parameters, kept beside any rule."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lrlib import _check
from lrlib.updates.rule import State, UpdateRule, scalar


def averaged(rule: UpdateRule, *, decay: float = 0.99) -> UpdateRule:
    """Train by ``rule``, and evaluate and keep an exponential moving average (EMA) of its parameters.

    Formula, with θ_t the parameters after update t = 1, 2, … and α ``decay``::

        a_1 = θ_1        a_t = α a_{t-1} + (1 - α) θ_t

    Gradients are taken at θ, as without the average; the evaluations and the parameters that a run keeps are of a
    (``evaluated``). The average reaches back about 1 / (1 - α) updates: choose α so that this is a small part of the
    run, since what is left of a_1 weighs α^(t-1). It averages parameters only; buffers, such as the running
    statistics of batch normalization, are those of θ. No lab of a static page trains it: a page evaluates where the
    gradients are taken.

    Args:
        rule: any rule whose gradients are taken where it is evaluated, so not a Schedule-Free one.
        decay: α in [0, 1); 0 is the rule itself.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or out of its range.

    Torch twin: ``torch.optim.swa_utils.AveragedModel`` with ``multi_avg_fn=get_ema_multi_avg_fn(decay)`` and one
    ``update_parameters`` after each update.

    Source: B. T. Polyak and A. B. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM Journal on
    Control and Optimization 30 (1992), doi:10.1137/0330046, for the plain average.

    >>> import torch
    >>> from lrlib.updates import sgd
    >>> rule = averaged(sgd(), decay=0.5)
    >>> params, rates = [torch.tensor([[1.0], [1.0]])], torch.tensor([0.1, 0.5])  # two runs of one parameter
    >>> state = rule.init(params)
    >>> for step in range(2):
    ...     params, state = rule.update(params, [torch.ones(2, 1)], state, rates)
    >>> params[0][:, 0], rule.evaluated(params, state)[0][:, 0]
    (tensor([0.8000, 0.0000]), tensor([0.8500, 0.2500]))
    """
    if not isinstance(rule, UpdateRule):
        _check.fail("rule", "an UpdateRule", rule, error=TypeError)
    if rule.evaluated is not None:
        _check.fail("rule", "a rule that is evaluated where its gradients are taken", rule)
    decay = _check.real("decay", decay, at_least=0, below=1)
    return UpdateRule(
        name="averaged",
        init=partial(_init, init=rule.init),
        update=partial(_update, rule=rule, decay=decay),
        evaluated=_average,
        flattenable=rule.flattenable,
        hyperparameters={"rule": rule, "decay": decay},
        traceable=rule.traceable,
        default_learning_rate=rule.default_learning_rate,
        needs_loss=rule.needs_loss,
        for_tensors=None if rule.for_tensors is None else partial(_bound, rule=rule, decay=decay),
    )


def _bound(names: Sequence[str], shapes: Sequence[tuple[int, ...]], *, rule: UpdateRule, decay: float) -> UpdateRule:
    return averaged(rule.bind(names, shapes), decay=decay)


def _init(params: list[Tensor], *, init: Any) -> State:
    return {**init(params), "average": [p.clone() for p in params], "averaged_steps": scalar(0.0, params)}


def _update(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    rule: UpdateRule,
    decay: float,
    loss: Any = None,
) -> tuple[list[Tensor], State]:
    inner = {key: value for key, value in state.items() if key not in ("average", "averaged_steps")}
    params, inner = rule.step(params, grads, inner, learning_rate, loss=loss)
    steps = state["averaged_steps"]
    old = torch.where(steps > 0, torch.full_like(steps, decay), 0.0)  # the first update starts the average
    # Not a + (1 - α)(θ - a), which stays NaN for ever where a was infinite: the start of the average forgets it all.
    average = [
        torch.where(steps > 0, a * old + p * (1 - old), p) for a, p in zip(state["average"], params, strict=True)
    ]
    return params, {**inner, "average": average, "averaged_steps": steps + 1}


def _average(params: list[Tensor], state: State) -> list[Tensor]:
    return state["average"]
