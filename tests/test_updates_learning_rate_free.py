"""Polyak's step, D-Adaptation and Prodigy: the authors' packages step by step, and where they stand still."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import dadaptation
import prodigyopt
import pytest
import torch
from torch import Tensor

from lrlib import schedules, tasks, updates
from lrlib.training import sweep
from lrlib.updates import UpdateRule

SHAPES = ((3, 2), (4,))
STEPS = 300


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def start(runs: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(runs, *shape, generator=generator) for shape in SHAPES]


def noise(step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    return [0.3 * torch.randn(shape, generator=generator) for shape in SHAPES]


def gradient(params: list[Tensor], step: int) -> list[Tensor]:
    """Of a bowl with a minimum away from the start, and noise; 0 in the first two updates."""
    if step < 2:
        return [torch.zeros_like(p) for p in params]
    return [0.5 * (p - 2) + n for p, n in zip(params, noise(step), strict=True)]


def plan(step: int) -> float:
    """A factor of the rate: a warm-up, a hold, a fall, and a rate of 0 in between."""
    return 0.0 if step == 50 else min(1.0, (step + 1) / 20) * (1 - step / STEPS)


def ours(rule: UpdateRule, rates: list[float]) -> tuple[list[Tensor], dict[str, Any]]:
    params, base = start(len(rates)), torch.tensor(rates)
    state = rule.init(params)
    for step in range(STEPS):
        params, state = rule.step(params, gradient(params, step), state, base * plan(step), loss=base)
    return params, state


def theirs(make: Callable[..., torch.optim.Optimizer], run: int, rate: float, **kwargs: Any) -> Any:
    params = [p[run].clone().requires_grad_() for p in start(3)]
    optimizer = make(params, lr=1.0, **kwargs)
    for step in range(STEPS):
        for p, g in zip(params, gradient([p.detach() for p in params], step), strict=True):
            p.grad = g.clone()
        for group in optimizer.param_groups:
            group["lr"] = rate * plan(step)
        optimizer.step()
    return [p.detach() for p in params], optimizer.param_groups[0]["d"]


CASES = [
    {},
    {"weight_decay": 0.05},
    {"betas": (0.8, 0.95), "eps": 1e-6, "d0": 1e-3},
    {"use_bias_correction": True},
    {"growth_rate": 1.02},
]
PRODIGY = [
    *CASES,
    {"betas": (0.0, 0.99)},
    {"beta3": 0.9, "d_coef": 2.0},
    {"safeguard_warmup": True, "growth_rate": 1.1, "use_bias_correction": True, "weight_decay": 0.01},
]


@pytest.mark.parametrize("kwargs", PRODIGY, ids=repr)
def test_prodigy_is_the_authors(kwargs: dict[str, Any], capsys: Any) -> None:
    assert_parity(updates.prodigy(**kwargs), prodigyopt.Prodigy, **kwargs)


@pytest.mark.parametrize("kwargs", CASES, ids=repr)
def test_dadapt_adam_is_the_authors(kwargs: dict[str, Any], capsys: Any) -> None:
    assert_parity(updates.dadapt_adam(**kwargs), dadaptation.DAdaptAdam, decouple=True, **kwargs)


def assert_parity(rule: UpdateRule, make: Any, **kwargs: Any) -> None:
    rates = [0.3, 1.0, 2.0]
    params, state = ours(rule, rates)
    for run, rate in enumerate(rates):
        wanted, d = theirs(make, run, rate, **kwargs)
        assert float(state["d"][run]) == pytest.approx(d, rel=1e-10)
        assert d > kwargs.get("d0", 1e-6)  # else nothing was estimated
        for a, b in zip(params, wanted, strict=True):
            torch.testing.assert_close(a[run], b, rtol=1e-10, atol=1e-10)


def test_a_wrong_rule_does_not_pass_for_its_twin() -> None:
    with pytest.raises(AssertionError):
        assert_parity(updates.prodigy(d_coef=1.001), prodigyopt.Prodigy)


@pytest.mark.parametrize("rule", [updates.prodigy(), updates.dadapt_adam()], ids=repr)
def test_nothing_moves_without_a_rate_or_a_gradient(rule: UpdateRule) -> None:
    params, zero = start(2), [torch.zeros(2, *shape) for shape in SHAPES]
    for grads, rates in ((zero, torch.ones(2)), (params, torch.zeros(2))):
        moved, _ = rule.update(params, grads, rule.init(params), rates)
        assert all(torch.equal(a, b) for a, b in zip(params, moved, strict=True))


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_prodigy_finds_a_rate_for_a_network_from_d0(engine: str) -> None:
    torch.set_default_dtype(torch.float32)
    run = sweep(
        tasks.digits_mlp(),
        learning_rates=[1.0],
        rule=updates.prodigy(),
        schedule=schedules.linear(1.0, total_steps=200),
        steps=200,
        engine=engine,
        eval_every=200,
    )
    assert run.validation_loss[0, -1] < 0.5 * run.validation_loss[0, 0]


def test_polyaks_step_is_its_formula_and_needs_the_loss() -> None:
    rule = updates.polyak(f_min=0.5, scaling=0.7, eps=0.1)
    params, rates = start(3), torch.tensor([0.01, 0.1, 100.0])
    for step in range(2, 40):
        grads = gradient(params, step)
        loss = torch.stack([p.reshape(3, -1).square().sum(dim=1) for p in params]).sum(dim=0)
        moved, state = rule.update(params, grads, {}, rates, loss=loss)
        assert state == {}
        for run in range(3):
            square = sum(float(g[run].square().sum()) for g in grads) + 0.1
            size = min(float(rates[run]), 0.7 * max(float(loss[run]) - 0.5, 0) / square)
            for p, g, q in zip(params, grads, moved, strict=True):
                torch.testing.assert_close(q[run], p[run] - size * g[run], rtol=1e-13, atol=1e-13)
        params = moved
    with pytest.raises(TypeError, match="loss"):
        rule.update(params, params, {}, rates)


def test_polyak_knows_the_minimum_of_a_bowl_in_every_direction() -> None:
    """On half the square of θ the step with c = 1/2 … is exact with c = 2: f - f* = θ²/2, ‖g‖² = θ²."""
    params = start(2)
    loss = torch.stack([p.reshape(2, -1).square().sum(dim=1) for p in params]).sum(dim=0) / 2
    rule = updates.polyak(scaling=2.0)
    moved, _ = rule.update(params, params, {}, torch.tensor([10.0, math.inf]), loss=loss)
    assert all(float(p.abs().max()) < 1e-15 for p in moved)
    still, _ = rule.update(params, [torch.zeros_like(p) for p in params], {}, torch.ones(2), loss=loss)
    assert all(torch.equal(a, b) for a, b in zip(params, still, strict=True))
    below, _ = rule.update(params, params, {}, torch.ones(2), loss=-loss)
    assert all(torch.equal(a, b) for a, b in zip(params, below, strict=True))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: updates.prodigy(d0=0), "d0 must be a finite number > 0, but got 0"),
        (lambda: updates.prodigy(growth_rate=1), "growth_rate must be a finite number > 1, but got 1"),
        (lambda: updates.prodigy(beta3=1.0), r"beta3 must be a finite number >= 0 and < 1, but got 1\.0"),
        (lambda: updates.prodigy(weight_decay=-0.1), r"weight_decay must be a finite number >= 0, but got -0\.1"),
        (lambda: updates.dadapt_adam(betas=(0.9, 1.0)), r"betas\[1\] must be"),
        (lambda: updates.dadapt_adam(eps=0), "eps must be a finite number > 0"),
        (lambda: updates.polyak(scaling=0), "scaling must be a finite number > 0"),
        (lambda: updates.polyak(f_min=math.inf), "f_min must be a finite number"),
    ],
)
def test_bad_inputs_are_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
