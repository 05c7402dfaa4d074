"""Any ``torch.optim`` optimizer whose step is the learning rate times a direction, as an update rule."""

import inspect
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lrlib._check import fail
from lrlib.updates.rule import State, UpdateRule, check_params, check_rates, per_run

REFUSED = {
    "ASGD": "its step size and its averaging depend on the rate",
    "Adafactor": "it scales each tensor by a norm over all runs, and its rate by the parameters'",
    "LBFGS": "it needs a closure and mixes all parameters of all runs",
    "Muon": "it makes each matrix orthogonal as a whole and takes no stack of matrices",
    "Rprop": "its rate is only a first step size, which it then adapts",
    "SparseAdam": "it takes sparse gradients only",
}


def from_torch(optimizer_class: type[torch.optim.Optimizer], **kwargs: Any) -> UpdateRule:
    """A ``torch.optim`` optimizer as an update rule, by scaling what it does at rate 1.

    Formula: θ_{t+1} = θ_t + η (θ' - θ_t), where θ' is where the optimizer built with ``lr=1`` would go. That is exact
    (to rounding) for every optimizer whose step is the learning rate times a direction that does not itself depend on
    the rate. Whether it is so is tried out on a small stack of runs before the rule is returned. The optimizer is built
    anew at each update, so a rule of this package, where there is one, is the faster choice.

    Args:
        optimizer_class: the class, such as ``torch.optim.Adamax``.
        kwargs: its other arguments, except ``lr``: each update is given its rates, of shape (runs,).

    Raises:
        TypeError: if ``optimizer_class`` is no subclass of ``torch.optim.Optimizer``.
        ValueError: if its step is not the rate times a direction, or if it mixes runs: LBFGS, Rprop, ASGD, Adafactor,
            Muon, SparseAdam and whatever else fails the trial; or if ``lr`` is given. What the optimizer itself refuses
            raises its own error.

    ``flattenable`` is what the trial found; ``traceable`` is false; ``default_learning_rate`` is the class's own, or
    1e-3 where it has none.

    >>> import torch
    >>> rule = from_torch(torch.optim.Adamax)
    >>> rule, rule.default_learning_rate, rule.flattenable
    (Adamax(), 0.002, True)
    >>> params = [torch.tensor([[1.0], [1.0]])]  # two runs of one parameter
    >>> params, state = rule.update(params, params, rule.init(params), torch.tensor([0.1, 0.5]))
    >>> params
    [tensor([[0.9000],
            [0.5000]])]
    >>> from_torch(torch.optim.Rprop)
    Traceback (most recent call last):
    ValueError: optimizer_class must be an optimizer whose step is the learning rate times a direction (its rate is only
    a first step size, which it then adapts), but got <class 'torch.optim.rprop.Rprop'>
    """
    if not isinstance(optimizer_class, type) or not issubclass(optimizer_class, torch.optim.Optimizer):
        fail("optimizer_class", "a subclass of torch.optim.Optimizer", optimizer_class, error=TypeError)
    need = "an optimizer whose step is the learning rate times a direction"
    if optimizer_class.__name__ in REFUSED:
        fail("optimizer_class", f"{need} ({REFUSED[optimizer_class.__name__]})", optimizer_class)
    if "lr" not in inspect.signature(optimizer_class).parameters:
        fail("optimizer_class", f"{need} (it takes no lr)", optimizer_class)
    if "lr" in kwargs:
        fail("lr", "left out, since each update is given its rates", kwargs["lr"])
    build: Any = optimizer_class
    build([torch.zeros(1, requires_grad=True)], lr=1.0, **kwargs)  # what it refuses, it says itself
    update = partial(_update, optimizer_class=optimizer_class, kwargs=kwargs)
    try:
        truth, lists, flat = _trial(optimizer_class, kwargs, update)
    except Exception as error:
        raise ValueError(f"optimizer_class must be {need}, but {optimizer_class} failed: {error}") from error
    if not torch.allclose(lists, truth, rtol=1e-9, atol=1e-9, equal_nan=True):
        fail("optimizer_class", f"{need} (tried on two runs, it is not)", optimizer_class)
    default = inspect.signature(optimizer_class).parameters["lr"].default
    return UpdateRule(
        name=optimizer_class.__name__,
        init=_init,
        update=update,
        flattenable=torch.allclose(flat, truth, rtol=1e-9, atol=1e-9, equal_nan=True),
        hyperparameters=kwargs,
        traceable=False,
        default_learning_rate=float(default) if isinstance(default, int | float) else 1e-3,
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
    optimizer_class: Any,
    kwargs: dict[str, Any],
) -> tuple[list[Tensor], State]:
    check_rates(learning_rate, params)
    moved = [p.detach().clone().requires_grad_() for p in params]
    for p, g in zip(moved, grads, strict=True):
        p.grad = g.detach().clone()
    optimizer = optimizer_class(moved, lr=1.0, **kwargs)
    for i, p in enumerate(moved):
        for key, values in state.items():
            value = values[i]
            optimizer.state[p][key] = value.clone() if isinstance(value, Tensor) else value
    optimizer.step()
    new_state = {key: [optimizer.state[p][key] for p in moved] for key in optimizer.state[moved[0]]}
    with torch.no_grad():
        new_params = [torch.addcmul(p, q - p, per_run(learning_rate, p)) for p, q in zip(params, moved, strict=True)]
    return new_params, new_state


def _trial(optimizer_class: Any, kwargs: dict[str, Any], update: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Where two runs get to with an optimizer each, as a stack of two tensors, and as one flat stack."""
    steps, rates = 12, torch.tensor([0.25, 2.0], dtype=torch.float64)
    noise = torch.Generator().manual_seed(0)
    start, *grads = torch.randn(steps + 1, 2, 8, dtype=torch.float64, generator=noise)  # each (runs, parameters)

    def split(flat: Tensor) -> list[Tensor]:
        return [flat[..., :6].unflatten(-1, (3, 2)), flat[..., 6:]]

    def descend(params: list[Tensor], given: list[list[Tensor]]) -> Tensor:
        state: State = {}
        for grad in given:
            params, state = update(params, grad, state, rates)
        return torch.cat([p.flatten(1) for p in params], dim=1)  # (runs, parameters)

    truth = []
    for run, rate in enumerate(rates.tolist()):
        params = [p.clone().requires_grad_() for p in split(start[run])]
        optimizer = optimizer_class(params, lr=rate, **kwargs)
        for grad in grads:
            for p, g in zip(params, split(grad[run]), strict=True):
                p.grad = g.clone()
            optimizer.step()
        truth.append(torch.cat([p.detach().flatten() for p in params]))
    return torch.stack(truth), descend(split(start), [split(g) for g in grads]), descend([start], [[g] for g in grads])
