"""Schedule-Free rules against their authors' package, and through training."""

import numpy as np
import pytest
import torch
from schedulefree import AdamWScheduleFree, SGDScheduleFree
from torch import Tensor

from lrlib import tasks, training, updates
from lrlib.updates import UpdateRule

STEPS = 200
RATES = (1e-3, 1e-2, 0.1)


def gradient(params: list[Tensor], step: int) -> list[Tensor]:
    """Of a bowl, with noise that is the same for everyone."""
    draw = torch.Generator().manual_seed(step)
    return [p * (1 + i) + torch.randn(p.shape[-1], generator=draw, dtype=p.dtype) for i, p in enumerate(params)]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("warm", [0, 20])
@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_parity_with_the_authors_package(kind: str, warm: int, weight_decay: float) -> None:
    start = [torch.linspace(-1, 1, n, dtype=torch.float64) for n in (3, 5)]
    if kind == "sgd":
        rule: UpdateRule = updates.schedule_free_sgd(momentum=0.8, weight_decay=weight_decay)
    else:
        rule = updates.schedule_free_adamw(betas=(0.8, 0.95), weight_decay=weight_decay)
    params = [p.expand(len(RATES), -1).clone() for p in start]
    state = rule.init(params)
    twins = []
    for rate in RATES:
        leaves = [torch.nn.Parameter(p.clone()) for p in start]
        options = {"lr": rate, "warmup_steps": warm, "weight_decay": weight_decay}
        if kind == "sgd":
            twins.append((leaves, SGDScheduleFree(leaves, momentum=0.8, **options)))
        else:
            twins.append((leaves, AdamWScheduleFree(leaves, betas=(0.8, 0.95), **options)))
        twins[-1][1].train()
    for step in range(STEPS):
        factor = min(1.0, (step + 1) / warm) if warm else 1.0
        rates = torch.tensor(RATES, dtype=torch.float64) * factor
        params, state = rule.update(params, gradient(params, step), state, rates)
        for leaves, optimizer in twins:
            for leaf, g in zip(leaves, gradient([leaf.detach() for leaf in leaves], step), strict=True):
                leaf.grad = g
            optimizer.step()
    for k, (leaves, optimizer) in enumerate(twins):
        for mine, leaf in zip(params, leaves, strict=True):
            torch.testing.assert_close(mine[k], leaf.detach(), rtol=1e-12, atol=1e-12)
        optimizer.eval()
        assert rule.evaluated is not None
        for mine, leaf in zip(rule.evaluated(params, state), leaves, strict=True):
            torch.testing.assert_close(mine[k], leaf.detach(), rtol=1e-11, atol=1e-12)


def test_a_rate_of_zero_leaves_everything_where_it_is() -> None:
    rule, params = updates.schedule_free_sgd(), [torch.ones(2, 3)]
    after, _ = rule.update(params, [torch.ones(2, 3)], rule.init(params), torch.tensor([0.0, 0.1]))
    assert torch.equal(after[0][0], params[0][0])
    assert not torch.equal(after[0][1], params[0][1])


@pytest.mark.parametrize("rule", [updates.schedule_free_sgd(), updates.schedule_free_adamw()], ids=repr)
def test_engines_agree_and_evaluate_the_average(rule: UpdateRule) -> None:
    options = {"rule": rule, "steps": 30, "eval_every": 10, "dtype": torch.float64, "device": "cpu"}
    task = tasks.digits_mlp(hidden=(16,))
    by_torch, compiled = (
        training.sweep(task, learning_rates=[0.01, 0.1], seeds=[0, 1], engine=engine, **options)
        for engine in ("torch", "compiled")
    )
    np.testing.assert_allclose(compiled.validation_loss, by_torch.validation_loss, rtol=1e-9)
    np.testing.assert_allclose(compiled.loss, by_torch.loss, rtol=1e-9)
    run = by_torch[1]
    model = task.model().double()
    model.load_state_dict(run.parameters)
    x, y = (part.double() if part.is_floating_point() else part for part in task.validation)
    assert task.loss(model(x), y).item() == pytest.approx(run.validation_loss[-1], rel=1e-9)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: updates.schedule_free_sgd(momentum=0.0), "momentum must be"),
        (lambda: updates.schedule_free_sgd(weight_decay=-1.0), "weight_decay must be"),
        (lambda: updates.schedule_free_adamw(betas=(0.0, 0.9)), r"betas\[0\] must be"),
        (lambda: updates.schedule_free_adamw(eps=0.0), "eps must be"),
    ],
)
def test_bad_arguments(make: object, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make()  # type: ignore[operator]
