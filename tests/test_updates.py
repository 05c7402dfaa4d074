"""The update rules against torch.optim, run by run; what they promise as pure functions stands in test_checks."""

import math
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._pytree import tree_leaves

from lrlib import updates
from lrlib.updates import UpdateRule

SHAPES = ((3, 2), (2,), ())
RATES = (1e-3, 1e-2, 0.1)
STEPS = 200
TORCH = {
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adadelta": torch.optim.Adadelta,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
}
RULES = [
    updates.sgd(),
    updates.sgd(momentum=0.9, dampening=0.5, weight_decay=0.01, maximize=True),
    updates.heavy_ball(),
    updates.nesterov(),
    updates.adagrad(),
    updates.adagrad(lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5),
    updates.rmsprop(),
    updates.rmsprop(momentum=0.9, centered=True, weight_decay=0.1),
    updates.adadelta(),
    updates.adam(),
    updates.amsgrad(weight_decay=0.1),
    updates.adamw(),
    updates.nadam(),
    updates.radam(decoupled_weight_decay=True, weight_decay=0.1),
    updates.radam(betas=(0.9, 0.5)),
    updates.lion(weight_decay=0.1),
    updates.schedule_free_sgd(weight_decay=0.1),
    updates.schedule_free_adamw(),
    updates.averaged(updates.adamw(), decay=0.9),
]
every_rule = pytest.mark.parametrize("rule", RULES, ids=repr)


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    """torch keeps NAdam's momentum product and every step counter in the default dtype."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_num_threads(threads)


def problem(*, runs: int = len(RATES), steps: int = STEPS) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Parameters and, for each step, noise to which the gradient adds a pull towards 0."""
    generator = torch.Generator().manual_seed(1)
    start, *noise = ([torch.randn(runs, *shape, generator=generator) for shape in SHAPES] for _ in range(steps + 1))
    return start, noise


def flattened(params: list[Tensor]) -> Tensor:
    return torch.cat([p.reshape(len(p), -1) for p in params], dim=1)  # (runs, parameters)


def gradient(params: list[Tensor], noise: list[Tensor]) -> list[Tensor]:
    return [n + 0.1 * p for n, p in zip(noise, params, strict=True)]


def descend(rule: UpdateRule, rates: Tensor, *, steps: int = STEPS) -> list[Tensor]:
    params, noise = problem(runs=len(rates), steps=steps)
    state = rule.init(params)
    for n in noise:
        params, state = rule.update(params, gradient(params, n), state, rates)
    return params


def descend_in_torch(make: Callable[..., torch.optim.Optimizer], run: int, rate: float, **kwargs: Any) -> list[Tensor]:
    start, noise = problem()
    params = [p[run].clone().requires_grad_() for p in start]
    optimizer = make(params, lr=rate, **kwargs)
    for n in noise:
        for p, g in zip(params, gradient([p.detach() for p in params], [x[run] for x in n]), strict=True):
            p.grad = g
        optimizer.step()
    return [p.detach() for p in params]


def assert_same(ours: list[Tensor], run: int, theirs: list[Tensor]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a[run], b, rtol=1e-12, atol=1e-12)


def assert_parity(rule: UpdateRule, make: Callable[..., torch.optim.Optimizer], **kwargs: Any) -> None:
    ours = descend(rule, torch.tensor(RATES))
    for run, rate in enumerate(RATES):
        assert_same(ours, run, descend_in_torch(make, run, rate, **kwargs))


few = settings(max_examples=6, deadline=None, derandomize=True, database=None)
factor = st.floats(0.0, 0.99)
betas = st.tuples(factor, st.floats(0.0, 0.9999))
eps = st.floats(1e-10, 1e-3)
decay = st.sampled_from([0.0, 1e-3, 0.1])
flag = st.booleans()


@few
@given(momentum=factor, dampening=st.floats(0, 1), weight_decay=decay, maximize=flag)
def test_sgd(**kwargs: Any) -> None:
    assert_parity(updates.sgd(**kwargs), torch.optim.SGD, **kwargs)


@few
@given(momentum=st.floats(0.01, 0.99), weight_decay=decay, maximize=flag)
def test_sgd_with_nesterov_momentum(**kwargs: Any) -> None:
    assert_parity(updates.sgd(nesterov=True, **kwargs), torch.optim.SGD, nesterov=True, **kwargs)


def test_heavy_ball_and_nesterov_are_sgd() -> None:
    assert_parity(updates.heavy_ball(momentum=0.8), torch.optim.SGD, momentum=0.8)
    assert_parity(updates.nesterov(momentum=0.8), torch.optim.SGD, momentum=0.8, nesterov=True)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda params, grads, state, rates: updates.sgd().update(params, grads, state, rates * (1 + 1e-9)),
        lambda params, grads, state, rates: updates.sgd().update(params, grads, state, rates.roll(1)),
        lambda params, grads, state, rates: updates.sgd(weight_decay=1e-9).update(params, grads, state, rates),
        lambda params, grads, state, rates: updates.sgd(maximize=True).update(params, grads, state, rates),
        lambda params, grads, state, rates: (params, state),
    ],
    ids=["rate", "runs mixed", "decay", "sign", "stands still"],
)
def test_a_wrong_rule_does_not_pass_for_its_twin(wrong: Any) -> None:
    with pytest.raises(AssertionError):
        assert_parity(replace(updates.sgd(), update=wrong), torch.optim.SGD)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_an_average_of_the_parameters_is_torchs(decay: float) -> None:
    rule, rates = updates.averaged(updates.adamw(), decay=decay), torch.tensor(RATES)
    params, noise = problem(steps=50)
    twins = [torch.nn.ParameterList([p[run].clone() for p in params]) for run in range(len(RATES))]
    optimizers = [torch.optim.AdamW(twin.parameters(), lr=rate) for twin, rate in zip(twins, RATES, strict=True)]
    how = torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
    averages = [torch.optim.swa_utils.AveragedModel(twin, multi_avg_fn=how) for twin in twins]
    state = rule.init(params)
    assert all(torch.equal(a, p) for a, p in zip(rule.evaluated(params, state), params, strict=True))
    for n in noise:
        for run, (twin, optimizer, average) in enumerate(zip(twins, optimizers, averages, strict=True)):
            for p, g in zip(twin, gradient([p.detach() for p in twin], [x[run] for x in n]), strict=True):
                p.grad = g
            optimizer.step()
            average.update_parameters(twin)
        params, state = rule.update(params, gradient(params, n), state, rates)
    for run, average in enumerate(averages):
        assert_same(params, run, [p.detach() for p in twins[run]])
        assert_same(rule.evaluated(params, state), run, [p.detach() for p in average.parameters()])


def test_only_a_rule_that_is_evaluated_where_it_stands_is_averaged() -> None:
    with pytest.raises(TypeError, match="rule must be an UpdateRule, but got 'sgd'"):
        updates.averaged("sgd")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rule must be a rule that is evaluated where its gradients are taken"):
        updates.averaged(updates.schedule_free_sgd())
    with pytest.raises(ValueError, match="decay must be a finite number >= 0 and < 1, but got 1"):
        updates.averaged(updates.sgd(), decay=1)


def own_rule(sign: float) -> UpdateRule:
    def update(params: list[Tensor], grads: list[Tensor], state: Any, rates: Tensor) -> Any:
        return [p - sign * rates.reshape(-1, *[1] * (p.dim() - 1)) * g for p, g in zip(params, grads, strict=True)], {}

    settings = {"flattenable": True, "hyperparameters": {}, "traceable": True, "default_learning_rate": 0.1}
    return UpdateRule(name="mine", init=lambda params: {}, update=update, **settings)  # type: ignore[arg-type]


def test_two_rules_of_one_name_are_two() -> None:
    down, up = own_rule(1.0), own_rule(-1.0)
    assert down != up
    assert down == down
    assert len({down, up, down}) == 2
    assert down != replace(down, init=updates.sgd().init)
    assert down != replace(down, evaluated=lambda params, state: params)
    assert down != "mine"
    assert updates.sgd(momentum=0.9) != updates.sgd(momentum=0.8)
    assert updates.sgd(momentum=0.9) == updates.sgd(momentum=0.9)
    assert updates.averaged(updates.sgd(), decay=0.9) == updates.averaged(updates.sgd(), decay=0.9)
    assert updates.averaged(updates.sgd(), decay=0.9) != updates.averaged(updates.adam(), decay=0.9)
    weights = torch.ones(3)
    held = [replace(down, update=partial(down.update, weights=w)) for w in (weights, weights, weights.clone())]
    assert held[0] == held[1] != held[2]


@few
@given(lr_decay=st.floats(0, 1), weight_decay=decay, initial_accumulator_value=st.floats(0, 2), eps=eps)
def test_adagrad(**kwargs: Any) -> None:
    assert_parity(updates.adagrad(**kwargs), torch.optim.Adagrad, **kwargs)


@few
@given(alpha=st.floats(0.5, 0.999), eps=eps, weight_decay=decay, momentum=factor, centered=flag)
def test_rmsprop(**kwargs: Any) -> None:
    assert_parity(updates.rmsprop(**kwargs), torch.optim.RMSprop, **kwargs)


@few
@given(rho=factor, eps=eps, weight_decay=decay)
def test_adadelta(**kwargs: Any) -> None:
    assert_parity(updates.adadelta(**kwargs), torch.optim.Adadelta, **kwargs)


@few
@given(betas=betas, eps=eps, weight_decay=decay, amsgrad=flag)
def test_adam(**kwargs: Any) -> None:
    assert_parity(updates.adam(**kwargs), torch.optim.Adam, **kwargs)


def test_amsgrad_is_adam_with_amsgrad() -> None:
    assert_parity(updates.amsgrad(weight_decay=0.1), torch.optim.Adam, amsgrad=True, weight_decay=0.1)


@few
@given(betas=betas, eps=eps, weight_decay=decay, amsgrad=flag)
def test_adamw(**kwargs: Any) -> None:
    assert_parity(updates.adamw(**kwargs), torch.optim.AdamW, **kwargs)


@few
@given(betas=betas, eps=eps, weight_decay=decay, momentum_decay=st.floats(0, 0.1), decoupled_weight_decay=flag)
def test_nadam(**kwargs: Any) -> None:
    assert_parity(updates.nadam(**kwargs), torch.optim.NAdam, **kwargs)


@few
@given(betas=betas, eps=eps, weight_decay=decay, decoupled_weight_decay=flag)
def test_radam(**kwargs: Any) -> None:
    assert_parity(updates.radam(**kwargs), torch.optim.RAdam, **kwargs)


@pytest.mark.parametrize("name", TORCH)
def test_defaults_are_those_of_torch(name: str) -> None:
    rule = getattr(updates, name)()
    defaults = TORCH[name]([torch.zeros(1, requires_grad=True)]).defaults
    assert rule.default_learning_rate == defaults["lr"]
    assert rule.hyperparameters == {key: defaults[key] for key in rule.hyperparameters}
    assert_parity(rule, TORCH[name])


@few
@given(betas=st.tuples(factor, factor), weight_decay=decay)
def test_lion_is_the_pseudo_code_of_its_paper(betas: tuple[float, float], weight_decay: float) -> None:
    ours = descend(updates.lion(betas=betas, weight_decay=weight_decay), torch.tensor(RATES))
    start, noise = problem()
    (beta1, beta2), momentum = betas, [torch.zeros_like(p) for p in start]
    rates = [torch.tensor(RATES).reshape(-1, *[1] * len(shape)) for shape in SHAPES]
    params = start
    for n in noise:
        grads = gradient(params, n)
        update = [torch.sign(beta1 * m + (1 - beta1) * g) for m, g in zip(momentum, grads, strict=True)]
        momentum = [beta2 * m + (1 - beta2) * g for m, g in zip(momentum, grads, strict=True)]
        params = [p - r * (u + weight_decay * p) for p, r, u in zip(params, rates, update, strict=True)]
    for run in range(len(RATES)):
        assert_same(ours, run, [p[run] for p in params])


@every_rule
def test_float32_parameters_stay_float32(rule: UpdateRule) -> None:
    params = [torch.ones(2, 3, dtype=torch.float32)]
    state = rule.init(params)
    rates = torch.tensor([0.1, 0.01], dtype=torch.float32)
    for _ in range(8):
        new, state = rule.update(params, params, state, rates)
    assert new[0].dtype == torch.float32
    for leaf in tree_leaves(state):
        assert leaf.dtype == (torch.float32 if leaf.dim() else torch.float64)


@every_rule
def test_a_rate_of_zero_moves_nothing(rule: UpdateRule) -> None:
    start, _ = problem(steps=3)
    assert torch.equal(flattened(descend(rule, torch.zeros(len(RATES)), steps=3)), flattened(start))


@every_rule
def test_shows_and_pickles_and_compares(rule: UpdateRule) -> None:
    copy = pickle.loads(pickle.dumps(rule))
    assert copy == rule
    assert hash(copy) == hash(rule)
    assert repr(rule).startswith(rule.name + "(")
    assert eval(repr(rule), vars(updates)) == rule
    rates = torch.tensor(RATES)
    assert torch.equal(flattened(descend(copy, rates, steps=2)), flattened(descend(rule, rates, steps=2)))
    with pytest.raises(TypeError):
        rule.hyperparameters["momentum"] = 0.5  # type: ignore[index]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: updates.sgd(momentum=-0.1), ValueError, r"momentum must be a finite number >= 0, but got -0\.1"),
        (lambda: updates.sgd(momentum="a"), TypeError, "momentum must be a finite number"),
        (lambda: updates.sgd(nesterov=True), ValueError, "nesterov must be False unless momentum > 0"),
        (lambda: updates.sgd(nesterov=True, momentum=0.9, dampening=0.1), ValueError, "nesterov must be"),
        (lambda: updates.sgd(maximize=1), TypeError, "maximize must be True or False, but got 1"),
        (lambda: updates.nesterov(momentum=0.0), ValueError, "nesterov must be"),
        (lambda: updates.adagrad(lr_decay=-1), ValueError, "lr_decay must be"),
        (lambda: updates.adagrad(initial_accumulator_value=-1), ValueError, "initial_accumulator_value must be"),
        (lambda: updates.rmsprop(alpha=1.5), ValueError, "alpha must be a finite number >= 0 and <= 1"),
        (lambda: updates.rmsprop(centered=None), TypeError, "centered must be"),
        (lambda: updates.adadelta(rho=2), ValueError, "rho must be"),
        (lambda: updates.adam(betas=(0.9, 1.0)), ValueError, r"betas\[1\] must be a finite number >= 0 and < 1"),
        (lambda: updates.adam(betas=0.9), TypeError, r"betas must be a pair of numbers, but got 0\.9"),
        (lambda: updates.adam(betas=(0.9, 0.99, 0.999)), ValueError, "betas must be a pair"),
        (lambda: updates.adamw(eps=-1e-8), ValueError, "eps must be"),
        (lambda: updates.nadam(momentum_decay=math.nan), ValueError, "momentum_decay must be"),
        (lambda: updates.radam(weight_decay=-1), ValueError, "weight_decay must be"),
        (lambda: updates.lion(betas=(1.0, 0.9)), ValueError, r"betas\[0\] must be"),
        (lambda: updates.adam().init([]), ValueError, "params must be a non-empty list"),
        (lambda: updates.adam().init(torch.zeros(2, 3)), TypeError, "params must be a non-empty list"),
        (lambda: updates.adam().init([torch.zeros(2), torch.zeros(3)]), ValueError, "params must be"),
        (lambda: updates.adam().init([torch.zeros(2, dtype=torch.int64)]), ValueError, "params must be"),
    ],
)
def test_bad_inputs_are_named(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@every_rule
def test_the_rates_are_one_for_each_run(rule: UpdateRule) -> None:
    params = [torch.ones(2, 3)]
    state = rule.init(params)
    with pytest.raises(TypeError, match=r"learning_rate must be a tensor of shape \(runs,\), but got 0\.1"):
        rule.update(params, params, state, 0.1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"learning_rate must be a tensor of shape \(2,\), but got \(3,\)"):
        rule.update(params, params, state, torch.ones(3))
