"""Optimizers of torch.optim, and others, as update rules."""

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from lrlib.updates import UpdateRule, from_torch

RATES = (1e-3, 1e-2, 0.1)
SHAPES = ((3, 2), (2,), ())
OPTIMIZERS: list[tuple[type[torch.optim.Optimizer], dict[str, Any]]] = [
    (torch.optim.SGD, {}),
    (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.2, "weight_decay": 0.1}),
    (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "maximize": True}),
    (torch.optim.Adagrad, {"lr_decay": 0.1}),
    (torch.optim.RMSprop, {"momentum": 0.9, "centered": True}),
    (torch.optim.Adadelta, {}),
    (torch.optim.Adam, {"amsgrad": True, "weight_decay": 0.1}),
    (torch.optim.AdamW, {}),
    (torch.optim.Adamax, {"weight_decay": 0.1}),
    (torch.optim.NAdam, {}),
    (torch.optim.RAdam, {"decoupled_weight_decay": True, "weight_decay": 0.1}),
]
every_optimizer = pytest.mark.parametrize(("make", "kwargs"), OPTIMIZERS)


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def problem(steps: int) -> tuple[list[Tensor], list[list[Tensor]]]:
    generator = torch.Generator().manual_seed(2)
    start, *grads = ([torch.randn(len(RATES), *s, generator=generator) for s in SHAPES] for _ in range(steps + 1))
    return start, grads


def descend(rule: UpdateRule, steps: int) -> list[Tensor]:
    params, grads = problem(steps)
    state = rule.init(params)
    for g in grads:
        params, state = rule.update(params, g, state, torch.tensor(RATES))
    return params


@every_optimizer
def test_each_run_goes_where_its_own_optimizer_takes_it(make: Any, kwargs: dict[str, Any]) -> None:
    ours = descend(from_torch(make, **kwargs), 200)
    start, grads = problem(200)
    for run, rate in enumerate(RATES):
        params = [p[run].clone().requires_grad_() for p in start]
        optimizer = make(params, lr=rate, **kwargs)
        for step in grads:
            for p, g in zip(params, step, strict=True):
                p.grad = g[run].clone()
            optimizer.step()
        for p, stack in zip(params, ours, strict=True):
            torch.testing.assert_close(stack[run], p.detach(), rtol=1e-12, atol=1e-12)


@every_optimizer
def test_describes_itself(make: Any, kwargs: dict[str, Any]) -> None:
    rule = from_torch(make, **kwargs)
    assert (rule.name, dict(rule.hyperparameters)) == (make.__name__, kwargs)
    assert rule.flattenable
    assert not rule.traceable
    assert rule.default_learning_rate == make([torch.zeros(1, requires_grad=True)]).defaults["lr"]
    copy = pickle.loads(pickle.dumps(rule))
    assert all(torch.equal(a, b) for a, b in zip(descend(copy, 3), descend(rule, 3), strict=True))


@every_optimizer
def test_inputs_are_left_as_they_were(make: Any, kwargs: dict[str, Any]) -> None:
    rule, (params, grads) = from_torch(make, **kwargs), problem(3)
    state = rule.init(params)
    for g in grads:
        inputs = (params, g, state, torch.tensor(RATES))
        before = tree_map(lambda x: x.clone(), inputs)
        params, state = rule.update(*inputs)
        assert all(torch.equal(a, b) for a, b in zip(tree_leaves(inputs), tree_leaves(before), strict=True))
        assert not any(p.requires_grad for p in params)


@every_optimizer
def test_a_diverged_run_changes_no_bit_of_its_neighbours(make: Any, kwargs: dict[str, Any]) -> None:
    rule, (start, grads) = from_torch(make, **kwargs), problem(8)
    ends = []
    for poison in (False, True):
        params, state = start, rule.init(start)
        for step, g in enumerate(grads):
            given = [x.clone() for x in g]
            if poison and step >= 2:
                for x in given:
                    x[1] = torch.nan
            params, state = rule.update(params, given, state, torch.tensor(RATES))
        ends.append([p[[0, 2]] for p in params])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


@pytest.mark.parametrize("name", ["LBFGS", "Rprop", "ASGD", "Adafactor", "Muon", "SparseAdam"])
def test_refuses_what_is_not_rate_times_direction(name: str) -> None:
    with pytest.raises(
        ValueError, match=rf"optimizer_class must be an optimizer whose step is .* \(.+\), but got .*{name}"
    ):
        from_torch(getattr(torch.optim, name))


class RootOfRate(torch.optim.SGD):
    """Moves by the square root of its rate."""

    def __init__(self, params: Any, lr: float = 1e-3) -> None:
        super().__init__(params, lr=lr**0.5)


class UnitNorm(torch.optim.SGD):
    """Divides by a norm over the whole tensor: in a stack, over all runs."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = p.grad / p.grad.norm()
        return super().step(closure)


class Counting(torch.optim.SGD):
    """Keeps a count in its group, which no parameter's state shows."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            group["count"] = group.get("count", 0) + 1
            for p in group["params"]:
                p.grad = p.grad / group["count"]
        return super().step(closure)


@pytest.mark.parametrize("make", [RootOfRate, UnitNorm, Counting])
def test_finds_out_by_trial(make: Any) -> None:
    with pytest.raises(ValueError, match=r"optimizer_class must be .* \(tried on two runs, it is not\)"):
        from_torch(make)


class WantsClosure(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        return closure()


class NoRate(torch.optim.SGD):
    def __init__(self, params: Any) -> None:
        super().__init__(params)


@pytest.mark.parametrize(
    ("make", "kwargs", "error", "message"),
    [
        ("Adam", {}, TypeError, "optimizer_class must be a subclass of torch.optim.Optimizer, but got 'Adam'"),
        (dict, {}, TypeError, "optimizer_class must be a subclass"),
        (torch.optim.Adam, {"lr": 0.1}, ValueError, r"lr must be left out, .*, but got 0\.1"),
        (torch.optim.Adam, {"eps": -1.0}, ValueError, "Invalid epsilon"),
        (WantsClosure, {}, ValueError, "optimizer_class must be .*, but .*WantsClosure.* failed"),
        (NoRate, {}, ValueError, r"\(it takes no lr\)"),
    ],
)
def test_bad_inputs_are_named(make: Any, kwargs: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        from_torch(make, **kwargs)


def test_the_rates_are_one_for_each_run() -> None:
    rule, params = from_torch(torch.optim.Adam), [torch.ones(2, 3)]
    with pytest.raises(ValueError, match=r"learning_rate must be a tensor of shape \(2,\), but got \(3,\)"):
        rule.update(params, params, {}, torch.ones(3))
