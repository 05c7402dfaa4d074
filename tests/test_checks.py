"""The public checks of a rule's and a schedule's contract: all of this package keep it, mutants do not."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lrlib import schedules, updates
from lrlib.checks import check_rule, check_schedule
from lrlib.schedules import Schedule
from lrlib.updates import State, UpdateRule, matrices

PAGE = "does in a page what it does in Python"
MATRICES = {"0.weight": (3, 2), "2.weight": (2, 4)}
RULES = [
    updates.sgd(),
    updates.sgd(momentum=0.9, dampening=0.5, weight_decay=0.01, maximize=True),
    updates.nesterov(),
    updates.adagrad(lr_decay=0.1, weight_decay=0.1),
    updates.rmsprop(momentum=0.9, centered=True, weight_decay=0.1),
    updates.adadelta(),
    updates.amsgrad(weight_decay=0.1),
    updates.adamw(),
    updates.nadam(),
    updates.nadam(momentum_decay=0.1, decoupled_weight_decay=True, weight_decay=0.1),
    updates.radam(betas=(0.9, 0.5), decoupled_weight_decay=True, weight_decay=0.1),
    updates.lion(weight_decay=0.1),
    updates.polyak(),
    updates.polyak(f_min=9.0, scaling=0.5, eps=1e-3),
    updates.prodigy(),
    updates.prodigy(
        betas=(0.0, 0.99),
        weight_decay=0.1,
        use_bias_correction=True,
        safeguard_warmup=True,
        growth_rate=1.5,
    ),
    updates.dadapt_adam(weight_decay=0.1),
    updates.scaled(updates.polyak(), 0.5),
    updates.partition({matrices: updates.muon()}, rest=updates.scaled(updates.adamw(), 0.1)),
    updates.partition({"*.bias": updates.sgd(), "0.weight": updates.polyak()}, rest=updates.prodigy()),
]
UNLIKE_A_PAGE = [  # their state does not start at zero, or at all
    updates.adagrad(initial_accumulator_value=0.5),
    updates.schedule_free_sgd(weight_decay=0.1),
    updates.schedule_free_adamw(),
    updates.averaged(updates.adamw(), decay=0.9),
    updates.averaged(updates.partition({"*.bias": updates.sgd()}, rest=updates.polyak())),
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_a_rule_of_this_package_keeps_its_contract_on_both_engines_and_in_a_page(rule: UpdateRule) -> None:
    found = check_rule(rule)
    flat = found.pop("does the same on one flat tensor")
    assert set(found.values()) == {"kept"}
    assert flat == "kept" or not rule.flattenable


@pytest.mark.parametrize("rule", UNLIKE_A_PAGE, ids=repr)
def test_a_rule_that_a_page_cannot_start_keeps_all_else(rule: UpdateRule) -> None:
    found = check_rule(rule)
    assert found.pop(PAGE).startswith("not tried: its state does not start at zero")
    assert {value for value in found.values() if "flattenable" not in value} == {"kept"}


def test_muon_keeps_it_on_matrices() -> None:
    rules = updates.muon(), updates.muon(nesterov=False, adjust_lr_fn="match_rms_adamw", weight_decay=0.0, ns_steps=3)
    for rule in rules:
        found = check_rule(rule, tensors=MATRICES)
        assert found.pop("does the same on one flat tensor").startswith("not tried")
        assert set(found.values()) == {"kept"}


def test_an_optimizer_of_torch_keeps_it_on_one_engine() -> None:
    found = check_rule(updates.from_torch(torch.optim.Adamax))
    assert [name for name, value in found.items() if value != "kept"] == [
        "can be traced",
        "trains alike on both engines",
        PAGE,
    ]


def rule(update: Any, **changes: Any) -> UpdateRule:
    given = {"flattenable": True, "hyperparameters": {}, "traceable": True, "default_learning_rate": 0.1}
    return UpdateRule("mine", lambda params: {"m": [torch.zeros_like(p) for p in params]}, update, **(given | changes))


def plain(params: list[Tensor], grads: list[Tensor], rate: Tensor) -> list[Tensor]:
    return [p - rate.reshape(-1, *[1] * (p.dim() - 1)) * g for p, g in zip(params, grads, strict=True)]


def in_place(params: list[Tensor], grads: list[Tensor], state: State, rate: Tensor) -> Any:
    for g in grads:
        g.mul_(0.5)
    return plain(params, grads, rate), state


CALLS: list[int] = []


def counts(params: list[Tensor], grads: list[Tensor], state: State, rate: Tensor) -> Any:
    CALLS.append(0)
    return plain(params, [g * (1 + len(CALLS)) for g in grads], rate), state


def mixes(params: list[Tensor], grads: list[Tensor], state: State, rate: Tensor) -> Any:
    norm = torch.sqrt(sum((g * g).sum() for g in grads))  # over all runs
    return plain(params, [g / norm for g in grads], rate), state


def wrong_shape(params: list[Tensor], grads: list[Tensor], state: State, rate: Tensor) -> Any:
    return [p.reshape(len(p), -1) for p in plain(params, grads, rate)], state


def forgets_state(params: list[Tensor], grads: list[Tensor], state: State, rate: Tensor) -> Any:
    return plain(params, grads, rate), {}


def widens(params: list[Tensor], grads: list[Tensor], state: State, rate: Tensor) -> Any:
    return [p.double() for p in plain(params, grads, rate)], state


def forgets_to_return(params: list[Tensor], grads: list[Tensor], state: State, rate: Tensor) -> Any:
    plain(params, grads, rate)


def without_state(params: list[Tensor], grads: list[Tensor], state: State, rate: Tensor) -> Any:
    return plain(params, grads, rate)


def bare_state(params: list[Tensor], grads: list[Tensor], state: State, rate: Tensor) -> Any:
    return plain(params, grads, rate), state["m"]


def per_tensor(params: list[Tensor], grads: list[Tensor], state: State, rate: Tensor) -> Any:
    sizes = [g.reshape(len(g), -1).norm(dim=1) for g in grads]
    scaled = [g / s.reshape(-1, *[1] * (g.dim() - 1)) for g, s in zip(grads, sizes, strict=True)]
    return plain(params, scaled, rate), state


def branches(params: list[Tensor], grads: list[Tensor], state: State, rate: Tensor) -> Any:
    return plain(params, grads if float(rate.sum()) > 0 else [0.5 * g for g in grads], rate), state


@pytest.mark.parametrize(
    ("mutant", "need"),
    [
        (in_place, "leaves its inputs as they were.*it changed grads"),
        (counts, "gives the same whenever it is given the same"),
        (mixes, "keeps every run to itself"),
        (wrong_shape, "shapes and types that it was given.*parameters became"),
        (forgets_state, "shapes and types that it was given.*the state's"),
        (forgets_to_return, "shapes and types that it was given.*update gave NoneType, where"),
        (without_state, "shapes and types that it was given.*update gave list, where"),
        (bare_state, r"shapes and types that it was given.*update gave \(list, list\), where"),
        (widens, "float32 parameters became float64"),
        (per_tensor, "does on one flat tensor what it does on a list of them"),
    ],
)
def test_a_broken_promise_is_named(mutant: Any, need: str) -> None:
    with pytest.raises(ValueError, match=f"rule must be one that .*{need}"):
        check_rule(rule(mutant))


def test_what_cannot_be_traced_is_named_and_may_be_said() -> None:
    with pytest.raises(ValueError, match="rule must be one that can be traced"):
        check_rule(rule(branches, flattenable=False), tensors={"w": (2,)})
    with pytest.raises(TypeError, match="rule must be an UpdateRule, but got 'adam'"):
        check_rule("adam")  # type: ignore[arg-type]


def test_a_state_that_is_none_and_tensors_without_shapes_are_named() -> None:
    def update(params: list[Tensor], grads: list[Tensor], state: State, rate: Tensor) -> Any:
        return plain(params, grads, rate), state

    numbers = replace(rule(update), init=lambda params: {"step": 0})
    with pytest.raises(ValueError, match=r"rule must be one that .*init gave dict of int, where a state is a dict"):
        check_rule(numbers)
    with pytest.raises(TypeError, match=r"tensors must be a mapping from names to shapes, but got \[3\]"):
        check_rule(updates.sgd(), tensors=[3])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"tensors must be one or more shapes by name, but got \{\}"):
        check_rule(updates.sgd(), tensors={})


def test_a_rule_of_ones_own_that_keeps_all_is_shown_to() -> None:
    def update(params: list[Tensor], grads: list[Tensor], state: State, rate: Tensor) -> Any:
        momenta = [0.9 * m + g for m, g in zip(state["m"], grads, strict=True)]
        return plain(params, momenta, rate), {"m": momenta}

    assert set(check_rule(rule(update)).values()) == {"kept"}


def last(step: np.ndarray, *, rate: float, seen: list[int]) -> np.ndarray:
    seen.append(1)
    return np.full(step.shape, rate / len(seen))


def neighbours(step: np.ndarray, *, rate: float) -> np.ndarray:
    return rate * np.linspace(1, 0.5, step.size).reshape(step.shape)


def negative(step: np.ndarray, *, rate: float) -> np.ndarray:
    return rate * (1 - step / 10)


@pytest.mark.parametrize(
    ("schedule", "need"),
    [
        (
            Schedule(negative, name="negative", hyperparameters={"rate": 0.1}, total_steps=5),
            "finite rate >= 0 .*step 11",
        ),
        (Schedule(neighbours, name="neighbours", hyperparameters={"rate": 0.1}), "same rate for a step"),
        (Schedule(last, name="last", hyperparameters={"rate": 0.1, "seen": []}), "same rate for a step"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_schedule_that_is_none_is_named(schedule: Schedule, need: str) -> None:
    with pytest.raises(ValueError, match=f"schedule must be one that .*{need}"):
        check_schedule(schedule, steps=10)


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.constant(0.1),
        schedules.with_warmup(schedules.cosine(0.1, total_steps=30), warmup_steps=5),
        schedules.warm_restarts(0.1, T_0=7, T_mult=2),
        schedules.one_cycle(0.1, total_steps=20),
        schedules.inverse_square_root(0.1, warmup_steps=5),
    ],
    ids=repr,
)
def test_a_schedule_of_this_package_keeps_its_contract(schedule: Schedule) -> None:
    assert set(check_schedule(schedule).values()) == {"kept"}


def test_a_formula_that_cannot_be_stored_is_told() -> None:
    mine = Schedule(lambda step: np.full(step.shape, 0.1), name="mine")
    assert check_schedule(mine, steps=5)["can be stored"].startswith("not tried: its formula cannot be pickled")
    with pytest.raises(TypeError, match=r"schedule must be a Schedule, but got 0\.1"):
        check_schedule(0.1)  # type: ignore[arg-type]


def test_a_rate_that_a_rule_does_not_follow_is_no_part_of_the_contract() -> None:
    frozen = rule(lambda params, grads, state, rate: (params, state))
    assert check_rule(replace(frozen, traceable=False))["keeps every run to itself"] == "kept"
