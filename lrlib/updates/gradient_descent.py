"""Gradient descent, plain and with momentum."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from lrlib import _check
from lrlib.updates.rule import State, UpdateRule, check_params, check_rates, per_run, scalar, zeros


def sgd(
    *,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> UpdateRule:
    """Stochastic gradient descent, ``θ ← θ - η d``, with momentum if wanted.

    Formula, with μ ``momentum``, τ ``dampening``, λ ``weight_decay``, and g the gradient (negated to ``maximize``)::

        g ← g + λ θ        b ← μ b + (1 - τ) g        d = b, or g + μ b with nesterov, or g where μ = 0

    As in torch the first update takes b = g, undamped, and the rate stands outside the buffer, so that a new rate takes
    effect at once: b is not a displacement, as it is in Polyak's and in Sutskever's form.

    Args:
        momentum: μ >= 0; below 1 for a buffer that stays bounded.
        dampening: τ, any finite number.
        nesterov: look ahead along the buffer; needs ``momentum > 0`` and no dampening.
        weight_decay: λ >= 0, added to the gradient.
        maximize: ascend.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    Torch twin: ``torch.optim.SGD``.

    Source: H. Robbins and S. Monro, "A stochastic approximation method", Annals of Mathematical Statistics 22 (1951),
    doi:10.1214/aoms/1177729586.

    >>> import torch
    >>> rule = sgd(momentum=0.5)
    >>> params, rates = [torch.tensor([[1.0], [1.0]])], torch.tensor([0.1, 0.5])  # two runs of one parameter
    >>> state = rule.init(params)
    >>> for step in range(2):
    ...     params, state = rule.update(params, [torch.ones(2, 1)], state, rates)
    >>> params[0][:, 0]
    tensor([ 0.7500, -0.2500])
    """
    momentum = _check.real("momentum", momentum, at_least=0)
    dampening = _check.real("dampening", dampening)
    nesterov = _check.boolean("nesterov", nesterov)
    weight_decay = _check.real("weight_decay", weight_decay, at_least=0)
    maximize = _check.boolean("maximize", maximize)
    if nesterov and (momentum == 0 or dampening != 0):
        _check.fail("nesterov", "False unless momentum > 0 and dampening == 0", nesterov)
    settings: dict[str, Any] = {
        "momentum": momentum,
        "dampening": dampening,
        "nesterov": nesterov,
        "weight_decay": weight_decay,
        "maximize": maximize,
    }
    return _rule("sgd", settings, **settings)


def heavy_ball(*, momentum: float = 0.9) -> UpdateRule:
    """Gradient descent with Polyak's heavy ball, ``b ← μ b + g``, ``θ ← θ - η b``; ``sgd`` by another name.

    Args:
        momentum: μ >= 0; after many equal gradients a step is 1 / (1 - μ) times as long as without.

    Raises:
        TypeError, ValueError: for a momentum that is not a finite number >= 0.

    Torch twin: ``torch.optim.SGD(momentum=μ)``.

    Source: B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational
    Mathematics and Mathematical Physics 4 (1964), doi:10.1016/0041-5553(64)90137-5.

    >>> import torch
    >>> rule = heavy_ball(momentum=0.5)
    >>> params, rates = [torch.tensor([[1.0], [1.0]])], torch.tensor([0.1, 0.5])  # two runs of one parameter
    >>> state = rule.init(params)
    >>> for step in range(2):
    ...     params, state = rule.update(params, [torch.ones(2, 1)], state, rates)
    >>> params[0][:, 0]
    tensor([ 0.7500, -0.2500])
    """
    rule = sgd(momentum=momentum)
    return _rule("heavy_ball", {"momentum": rule.hyperparameters["momentum"]}, **rule.hyperparameters)


def nesterov(*, momentum: float = 0.9) -> UpdateRule:
    """Gradient descent with Nesterov's momentum, ``b ← μ b + g``, ``θ ← θ - η (g + μ b)``; ``sgd`` by another name.

    Args:
        momentum: μ > 0.

    Raises:
        TypeError, ValueError: for a momentum that is not a finite number > 0.

    Torch twin: ``torch.optim.SGD(momentum=μ, nesterov=True)``, which evaluates the gradient at θ itself.

    Source: Yu. E. Nesterov, "A method for solving the convex programming problem with convergence rate O(1/k²)",
    Soviet Mathematics Doklady 27 (1983); this form: I. Sutskever et al., "On the importance of initialization and
    momentum in deep learning", ICML (2013).

    >>> import torch
    >>> rule = nesterov(momentum=0.5)
    >>> params, rates = [torch.tensor([[1.0], [1.0]])], torch.tensor([0.1, 0.5])  # two runs of one parameter
    >>> state = rule.init(params)
    >>> for step in range(2):
    ...     params, state = rule.update(params, [torch.ones(2, 1)], state, rates)
    >>> params[0][:, 0]
    tensor([ 0.6750, -0.6250])
    """
    rule = sgd(momentum=momentum, nesterov=True)
    return _rule("nesterov", {"momentum": rule.hyperparameters["momentum"]}, **rule.hyperparameters)


def _rule(
    name: str,
    hyperparameters: dict[str, Any],
    *,
    momentum: float,
    dampening: float,
    nesterov: bool,
    weight_decay: float,
    maximize: bool,
) -> UpdateRule:
    return UpdateRule(
        name=name,
        init=partial(_init, momentum=momentum, dampening=dampening),
        update=partial(
            _update,
            momentum=momentum,
            dampening=dampening,
            nesterov=nesterov,
            weight_decay=weight_decay,
            maximize=maximize,
        ),
        flattenable=True,
        hyperparameters=hyperparameters,
        traceable=True,
        default_learning_rate=1e-3,
    )


def _init(params: list[Tensor], *, momentum: float, dampening: float) -> State:
    check_params(params)
    if not momentum:
        return {}
    state: State = {"momentum_buffer": zeros(params)}
    return state | {"step": scalar(0, params)} if dampening else state


def _update(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    momentum: float,
    dampening: float,
    nesterov: bool,
    weight_decay: float,
    maximize: bool,
) -> tuple[list[Tensor], State]:
    check_rates(learning_rate, params)
    if maximize:
        grads = [-g for g in grads]
    if weight_decay:
        grads = [torch.add(g, p, alpha=weight_decay) for g, p in zip(grads, params, strict=True)]
    directions, new_state = grads, dict(state)
    if momentum:
        fresh = grads
        if dampening:
            # The first update is undamped, as in torch: there the buffer starts as the first gradient.
            weight = torch.where(state["step"] > 0, torch.full_like(state["step"], 1 - dampening), 1.0)
            fresh = [g * weight for g in grads]
            new_state["step"] = state["step"] + 1
        buffers = [torch.add(g, b, alpha=momentum) for g, b in zip(fresh, state["momentum_buffer"], strict=True)]
        new_state["momentum_buffer"] = buffers
        directions = buffers
        if nesterov:
            directions = [torch.add(g, b, alpha=momentum) for g, b in zip(grads, buffers, strict=True)]
    rate = -learning_rate
    return [torch.addcmul(p, d, per_run(rate, p)) for p, d in zip(params, directions, strict=True)], new_state
