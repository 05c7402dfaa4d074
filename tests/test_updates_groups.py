"""Muon, and different rules for different tensors: torch's Muon, torch's parameter groups."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lrlib import tasks, updates
from lrlib.tasks import Task, cross_entropy
from lrlib.training import sweep, train
from lrlib.updates import UpdateRule, adamw, matrices, muon, partition, scaled, sgd

STEPS = 200


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))


def task() -> Task:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(32, 5, generator=generator)
    y = (x[:, :3].argmax(dim=1)).long()
    return Task("small", network, (x, y), (x, y), cross_entropy)


def by_hand(optimizers: Callable[[nn.Module], list[torch.optim.Optimizer]], steps: int) -> dict[str, Tensor]:
    """The task trained by torch's own optimizers on the full batch, from the weights that seed 0 draws."""
    from lrlib.models import initial_parameters

    found = task()
    model = initial_parameters(found.model, seed=0).double()
    made = optimizers(model)
    inputs, targets = found.train
    for _ in range(steps):
        model.zero_grad()
        found.loss(model(inputs), targets).backward()
        for optimizer in made:
            optimizer.step()
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def trained(rule: UpdateRule, rate: float, steps: int, engine: str) -> dict[str, Tensor]:
    run = train(task(), learning_rate=rate, rule=rule, steps=steps, batch_size=None, dtype=torch.float64, engine=engine)
    return run.parameters


def in_float64(grad: Tensor, coefficients: Any, steps: int, eps: float) -> Tensor:
    """Newton and Schulz as torch's Muon iterates, but in the gradient's own precision."""
    a, b, c = coefficients
    x = grad.T if grad.shape[0] > grad.shape[1] else grad
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if grad.shape[0] > grad.shape[1] else x


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"nesterov": False, "weight_decay": 0.0},
        {"adjust_lr_fn": "match_rms_adamw", "momentum": 0.8},
        {"ns_steps": 3, "ns_coefficients": (2.0, -1.5, 0.5)},
    ],
    ids=repr,
)
def test_muon_beside_adamw_is_torchs_but_for_its_bfloat16(kwargs: Any, engine: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("torch.optim._muon._zeropower_via_newtonschulz", in_float64)

    def optimizers(model: nn.Module) -> list[torch.optim.Optimizer]:
        flat = [p for p in model.parameters() if p.dim() != 2]
        square = [p for p in model.parameters() if p.dim() == 2]
        return [torch.optim.Muon(square, lr=0.02, **kwargs), torch.optim.AdamW(flat, lr=0.002)]

    wanted = by_hand(optimizers, STEPS)
    found = trained(partition({matrices: muon(**kwargs)}, rest=scaled(adamw(), 0.1)), 0.02, STEPS, engine)
    for name, parameter in wanted.items():
        torch.testing.assert_close(found[name], parameter, rtol=1e-8, atol=1e-8)


def test_torchs_own_bfloat16_differs_by_about_a_hundredth_of_a_step() -> None:
    gradient = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    weight = torch.zeros(6, 4, requires_grad=True)
    weight.grad = gradient.clone()
    torch.optim.Muon([weight], lr=1.0, weight_decay=0.0).step()
    rule = muon(weight_decay=0.0)
    [ours], _ = rule.update([torch.zeros(1, 6, 4)], [gradient[None]], rule.init([torch.zeros(1, 6, 4)]), torch.ones(1))
    apart = float((ours[0] - weight.detach()).norm() / ours.norm())
    assert 1e-4 < apart < 0.03


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_groups_are_torchs_parameter_groups(engine: str) -> None:
    def optimizers(model: Any) -> list[torch.optim.Optimizer]:
        groups = [
            {"params": model[0].parameters(), "lr": 0.01, "weight_decay": 0.1},
            {"params": model[2].parameters(), "lr": 0.1, "weight_decay": 0.0},
        ]
        return [torch.optim.SGD(groups, lr=0.1, momentum=0.9)]

    rule = partition(
        {"0.*": scaled(sgd(momentum=0.9, weight_decay=0.1), 0.1), "2.*": sgd(momentum=0.9)},
    )
    found = trained(rule, 0.1, STEPS, engine)
    for name, parameter in by_hand(optimizers, STEPS).items():
        torch.testing.assert_close(found[name], parameter, rtol=1e-9, atol=1e-9)


def test_one_group_of_all_is_the_rule_itself() -> None:
    one, all_of_it = (
        sweep(task(), learning_rates=[0.01, 0.1], rule=rule, steps=10, batch_size=8, dtype=torch.float64)
        for rule in (adamw(), partition({"*": adamw()}))
    )
    np.testing.assert_allclose(one.loss, all_of_it.loss, rtol=1e-12, atol=1e-12)


def test_a_group_may_need_the_loss_and_another_be_averaged_elsewhere() -> None:
    rule = partition({"*.bias": updates.polyak(), "0.weight": updates.schedule_free_sgd()}, rest=sgd())
    runs = [
        sweep(
            task(),
            learning_rates=[0.01, 0.1],
            rule=rule,
            steps=20,
            batch_size=8,
            dtype=torch.float64,
            engine=engine,
            eval_every=10,
        )
        for engine in ("torch", "compiled")
    ]
    np.testing.assert_allclose(runs[0].loss, runs[1].loss, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(runs[0].validation_loss, runs[1].validation_loss, rtol=1e-9, atol=1e-9)


def test_a_lone_number_among_the_parameters_trains() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.scale = nn.Linear(5, 3), nn.Parameter(torch.ones(()))

        def forward(self, x: Tensor) -> Tensor:
            return self.scale * self.layer(x)

    small = task()
    own = Task("own", Scaled, small.train, small.validation, cross_entropy)
    for rule in (sgd(), partition({matrices: muon()}, rest=adamw())):
        losses = [
            sweep(own, learning_rates=[0.1], rule=rule, steps=5, batch_size=8, dtype=torch.float64, engine=engine).loss
            for engine in ("torch", "compiled")
        ]
        np.testing.assert_allclose(*losses, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (partition({"0.*": sgd()}), "rest must be a rule, but got '2.weight' in no group"),
        (partition({"0.*": sgd(), "*.bias": sgd()}, rest=sgd()), r"'0\.bias' in '0\.\*' and in '\*\.bias'"),
        (partition({"3.*": sgd()}, rest=sgd()), r"a parameter in each, but got none in '3\.\*'"),
        (partition({"*": muon()}), "matrices"),
        (muon(), "give others another rule by partition"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_partition_that_does_not_fit_is_named_before_training(rule: UpdateRule, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sweep(task(), learning_rates=[0.1], rule=rule, steps=2, batch_size=8)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: partition([sgd()]), TypeError, "rules must be a mapping"),
        (lambda: partition({}), ValueError, "rules must be at least one group"),
        (lambda: partition({3: sgd()}), TypeError, "told by patterns or functions"),
        (lambda: partition({"*": sgd()}, rest="adam"), TypeError, "rest must be an UpdateRule"),
        (lambda: scaled(sgd(), 0), ValueError, "factor must be a finite number > 0"),
        (lambda: muon(ns_steps=100), ValueError, "ns_steps must be an integer >= 1 and <= 99"),
        (lambda: muon(ns_coefficients=(1.0, 2.0)), ValueError, "ns_coefficients must be three numbers"),
        (lambda: muon(adjust_lr_fn="adam"), ValueError, "adjust_lr_fn must be"),
        (lambda: muon(weight_decay=-1), ValueError, "weight_decay must be"),
        (
            lambda: partition({"*": sgd()}).init([torch.zeros(1, 2)]),
            ValueError,
            "must be bound to a model's parameters",
        ),
    ],
)
def test_bad_inputs_are_named(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_tasks_of_the_library_take_a_partition() -> None:
    torch.set_default_dtype(torch.float32)
    rule = partition({matrices: muon()}, rest=scaled(adamw(), 0.1))
    run = sweep(tasks.digits_mlp(), learning_rates=[0.02], rule=rule, steps=60, eval_every=60)
    assert run.validation_loss[0, -1] < 0.5 * run.validation_loss[0, 0]
    assert "muon" in run.provenance["rule"]
