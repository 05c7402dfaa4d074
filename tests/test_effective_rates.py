"""The rate that each parameter really gets, against the update that it did get."""

from typing import Any

import pytest
import torch
from torch import Tensor

from lrlib import tasks, training, updates
from lrlib.updates import UpdateRule, effective_rates

RATES = torch.tensor([0.1, 0.5], dtype=torch.float64)


def gradients(step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(2, 3, 4, generator=generator, dtype=torch.float64), torch.ones(2, 1, dtype=torch.float64)]


def after(rule: UpdateRule, steps: int, given: Any = gradients) -> tuple[list[Tensor], list[Tensor]]:
    """Effective rates, and the last update over the last gradient."""
    params = [torch.zeros_like(g) for g in given(0)]
    state = rule.init(params)
    for step in range(steps):
        before, grads = params, given(step)
        params, state = rule.update(params, grads, state, RATES)
    moved = [(old - new) / g for old, new, g in zip(before, params, grads, strict=True)]
    return effective_rates(rule, params, state, RATES), moved


@pytest.mark.parametrize(
    "rule",
    [
        updates.sgd(),
        updates.adagrad(),
        updates.adagrad(lr_decay=0.1, initial_accumulator_value=0.3),
        updates.rmsprop(),
        updates.adam(betas=(0.0, 0.9)),
        updates.amsgrad(betas=(0.0, 0.9)),
        updates.adamw(betas=(0.0, 0.9), weight_decay=0.0),
    ],
    ids=repr,
)
@pytest.mark.parametrize("steps", [1, 2, 30])
def test_without_momentum_it_is_the_update_over_the_gradient(rule: UpdateRule, steps: int) -> None:
    rates, moved = after(rule, steps)
    for found, expected in zip(rates, moved, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    "rule",
    [
        updates.heavy_ball(momentum=0.8),
        updates.nesterov(momentum=0.8),
        updates.sgd(momentum=0.8, dampening=0.5),
        updates.rmsprop(alpha=0.5, momentum=0.8),
        updates.adam(betas=(0.8, 0.9)),
        updates.rmsprop(alpha=0.0, centered=False),
    ],
    ids=repr,
)
def test_with_momentum_it_is_where_a_steady_gradient_leads(rule: UpdateRule) -> None:
    rates, moved = after(rule, 200, lambda step: gradients(0))
    for found, expected in zip(rates, moved, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)


def test_a_parameter_without_a_gradient_has_no_rate() -> None:
    rates, _ = after(updates.adam(), 3, lambda step: [torch.tensor([[1.0, 0.0], [0.0, step]], dtype=torch.float64)])
    assert rates[0].isnan().tolist() == [[False, True], [True, False]]


def test_rules_of_another_kind_are_refused() -> None:
    params = [torch.zeros(1, 1)]
    for rule, message in ((updates.lion(), "rule must be one of"), (updates.sgd(momentum=1), "momentum is below 1")):
        with pytest.raises(ValueError, match=message):
            effective_rates(rule, params, rule.init(params), torch.ones(1))


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_a_stack_tells_its_own(engine: str) -> None:
    settings = {"rule": updates.adam(), "steps": 3, "dtype": torch.float64, "device": "cpu"}
    stack = training.start(tasks.digits_mlp(), learning_rates=[0.01, 0.1], engine=engine, **settings)
    stack.advance(3)
    rates = stack.effective_rates()
    assert rates.shape == (2, 8970)
    known = ~rates.isnan()
    assert 0.9 < known.double().mean() < 1
    v = stack.state["exp_avg_sq"][0] / (1 - 0.999**3)
    expected = torch.tensor([[0.01], [0.1]], dtype=torch.float64) / (v.sqrt() + 1e-8)
    torch.testing.assert_close(rates[known], expected[known], rtol=1e-9, atol=0)
