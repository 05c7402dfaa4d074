"""Rules that divide by a root of summed or averaged squared gradients: Adagrad, RMSprop, Adadelta."""

from functools import partial

import torch
from torch import Tensor

from lrlib import _check
from lrlib.updates.rule import State, UpdateRule, check_params, check_rates, per_run, scalar, zeros


def adagrad(
    *,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
) -> UpdateRule:
    """Adagrad: each coordinate's rate shrinks with the sum of its squared gradients.

    Formula, with λ ``weight_decay``, ρ ``lr_decay``, ε ``eps`` and t = 0, 1, … the update's number::

        g ← g + λ θ        s ← s + g²        θ ← θ - η / (1 + ρ t) · g / (√s + ε)

    Args:
        lr_decay: ρ >= 0, a time-based decay of the rate on top of any schedule.
        weight_decay: λ >= 0, added to the gradient.
        initial_accumulator_value: s >= 0 before the first update; a static page's labs train from 0 alone.
        eps: ε >= 0.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    Torch twin: ``torch.optim.Adagrad``.

    Source: J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", JMLR 12 (2011).

    >>> import torch
    >>> rule = adagrad()
    >>> params, rates = [torch.tensor([[1.0], [1.0]])], torch.tensor([0.1, 0.5])  # two runs of one parameter
    >>> state = rule.init(params)
    >>> for step in range(2):
    ...     params, state = rule.update(params, [torch.ones(2, 1)], state, rates)
    >>> params[0][:, 0]
    tensor([0.8293, 0.1464])
    """
    lr_decay = _check.real("lr_decay", lr_decay, at_least=0)
    weight_decay = _check.real("weight_decay", weight_decay, at_least=0)
    initial_accumulator_value = _check.real("initial_accumulator_value", initial_accumulator_value, at_least=0)
    eps = _check.real("eps", eps, at_least=0)
    return UpdateRule(
        name="adagrad",
        init=partial(_init_adagrad, lr_decay=lr_decay, initial_accumulator_value=initial_accumulator_value),
        update=partial(_update_adagrad, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps),
        flattenable=True,
        hyperparameters={
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
        },
        traceable=True,
        default_learning_rate=1e-2,
    )


def _init_adagrad(params: list[Tensor], *, lr_decay: float, initial_accumulator_value: float) -> State:
    check_params(params)
    state: State = {"sum": [torch.full_like(p, initial_accumulator_value) for p in params]}
    return state | {"step": scalar(0, params)} if lr_decay else state


def _update_adagrad(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    lr_decay: float,
    weight_decay: float,
    eps: float,
) -> tuple[list[Tensor], State]:
    check_rates(learning_rate, params)
    new_state: State = {"sum": []}
    rate = -learning_rate
    if lr_decay:
        rate = rate / (1 + state["step"] * lr_decay)
        new_state["step"] = state["step"] + 1
    new_params = []
    for p, g, total in zip(params, grads, state["sum"], strict=True):
        if weight_decay:
            g = torch.add(g, p, alpha=weight_decay)
        total = torch.addcmul(total, g, g)
        new_state["sum"].append(total)
        new_params.append(torch.addcmul(p, g / (torch.sqrt(total) + eps), per_run(rate, p)))
    return new_params, new_state


def rmsprop(
    *,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
) -> UpdateRule:
    """RMSprop: each coordinate is divided by a running root mean square of its gradients.

    Formula, with α ``alpha``, ε ``eps``, λ ``weight_decay``, μ ``momentum``::

        g ← g + λ θ        v ← α v + (1 - α) g²        m ← α m + (1 - α) g
        b ← μ b + g / (√v + ε)        θ ← θ - η b

    with √(v - m²) in place of √v if ``centered``. v starts at 0 and is not corrected for it: the first step is about
    1 / √(1 - α) times a later one, 10 times at the default.

    Args:
        alpha: α in [0, 1].
        eps: ε >= 0, outside the root.
        weight_decay: λ >= 0, added to the gradient.
        momentum: μ >= 0.
        centered: divide by an estimate of the standard deviation.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    Torch twin: ``torch.optim.RMSprop``.

    Source: T. Tieleman and G. Hinton, "Lecture 6.5: RMSprop", Neural Networks for Machine Learning, Coursera (2012);
    centered: A. Graves, "Generating sequences with recurrent neural networks" (2013), arXiv:1308.0850.

    >>> import torch
    >>> rule = rmsprop()
    >>> params, rates = [torch.tensor([[1.0], [1.0]])], torch.tensor([0.1, 0.5])  # two runs of one parameter
    >>> state = rule.init(params)
    >>> for step in range(2):
    ...     params, state = rule.update(params, [torch.ones(2, 1)], state, rates)
    >>> params[0][:, 0]
    tensor([-0.7089, -7.5444])
    """
    alpha = _check.real("alpha", alpha, at_least=0, at_most=1)
    eps = _check.real("eps", eps, at_least=0)
    weight_decay = _check.real("weight_decay", weight_decay, at_least=0)
    momentum = _check.real("momentum", momentum, at_least=0)
    centered = _check.boolean("centered", centered)
    return UpdateRule(
        name="rmsprop",
        init=partial(_init_rmsprop, momentum=momentum, centered=centered),
        update=partial(
            _update_rmsprop, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered
        ),
        flattenable=True,
        hyperparameters={
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
        },
        traceable=True,
        default_learning_rate=1e-2,
    )


def _init_rmsprop(params: list[Tensor], *, momentum: float, centered: bool) -> State:
    check_params(params)
    state: State = {"square_avg": zeros(params)}
    if centered:
        state["grad_avg"] = zeros(params)
    if momentum:
        state["momentum_buffer"] = zeros(params)
    return state


def _update_rmsprop(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
) -> tuple[list[Tensor], State]:
    check_rates(learning_rate, params)
    new_state: State = {key: [] for key in state}
    rate = -learning_rate
    new_params = []
    for i, (p, g, square) in enumerate(zip(params, grads, state["square_avg"], strict=True)):
        if weight_decay:
            g = torch.add(g, p, alpha=weight_decay)
        square = torch.addcmul(square * alpha, g, g, value=1 - alpha)
        new_state["square_avg"].append(square)
        variance = square
        if centered:
            mean = torch.lerp(state["grad_avg"][i], g, 1 - alpha)
            new_state["grad_avg"].append(mean)
            variance = torch.addcmul(square, mean, mean, value=-1)
        direction = g / (torch.sqrt(variance) + eps)
        if momentum:
            direction = torch.add(direction, state["momentum_buffer"][i], alpha=momentum)
            new_state["momentum_buffer"].append(direction)
        new_params.append(torch.addcmul(p, direction, per_run(rate, p)))
    return new_params, new_state


def adadelta(*, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0) -> UpdateRule:
    """Adadelta: RMSprop whose unit of length is a running root mean square of its own steps.

    Formula, with ρ ``rho``, ε ``eps``, λ ``weight_decay``::

        g ← g + λ θ        v ← ρ v + (1 - ρ) g²        δ = g √(u + ε) / √(v + ε)
        u ← ρ u + (1 - ρ) δ²        θ ← θ - η δ

    The paper has no η: it is 1 there, and 1 is the default.

    Args:
        rho: ρ in [0, 1].
        eps: ε >= 0, inside the roots; it sets the length of the first step, about √(ε / (1 - ρ)).
        weight_decay: λ >= 0, added to the gradient.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    Torch twin: ``torch.optim.Adadelta``.

    Source: M. D. Zeiler, "ADADELTA: an adaptive learning rate method" (2012), arXiv:1212.5701.

    >>> import torch
    >>> rule = adadelta(eps=0.01)
    >>> params, rates = [torch.tensor([[1.0], [1.0]])], torch.tensor([0.1, 0.5])  # two runs of one parameter
    >>> state = rule.init(params)
    >>> for step in range(2):
    ...     params, state = rule.update(params, [torch.ones(2, 1)], state, rates)
    >>> params[0][:, 0]
    tensor([0.9390, 0.6948])
    """
    rho = _check.real("rho", rho, at_least=0, at_most=1)
    eps = _check.real("eps", eps, at_least=0)
    weight_decay = _check.real("weight_decay", weight_decay, at_least=0)
    return UpdateRule(
        name="adadelta",
        init=_init_adadelta,
        update=partial(_update_adadelta, rho=rho, eps=eps, weight_decay=weight_decay),
        flattenable=True,
        hyperparameters={"rho": rho, "eps": eps, "weight_decay": weight_decay},
        traceable=True,
        default_learning_rate=1.0,
    )


def _init_adadelta(params: list[Tensor]) -> State:
    check_params(params)
    return {"square_avg": zeros(params), "acc_delta": zeros(params)}


def _update_adadelta(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    rho: float,
    eps: float,
    weight_decay: float,
) -> tuple[list[Tensor], State]:
    check_rates(learning_rate, params)
    new_state: State = {"square_avg": [], "acc_delta": []}
    rate = -learning_rate
    new_params = []
    for p, g, square, moved in zip(params, grads, state["square_avg"], state["acc_delta"], strict=True):
        if weight_decay:
            g = torch.add(g, p, alpha=weight_decay)
        square = torch.addcmul(square * rho, g, g, value=1 - rho)
        delta = torch.sqrt(moved + eps) / torch.sqrt(square + eps) * g
        new_state["square_avg"].append(square)
        new_state["acc_delta"].append(torch.addcmul(moved * rho, delta, delta, value=1 - rho))
        new_params.append(torch.addcmul(p, delta, per_run(rate, p)))
    return new_params, new_state
