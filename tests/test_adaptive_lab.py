"""The adaptive lab beside a kernel: what a move trains, what it leaves, and what its page carries."""

import asyncio
import base64
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from lrlib import tasks, training
from lrlib.widgets import AdaptiveLab
from lrlib.widgets.adaptive_lab.lab import OFFERED, SPREAD_AT
from lrlib.widgets.adaptive_lab.still import _apart
from lrlib.widgets.trainer.choices import rules

STEPS = 20
RULES = rules(*OFFERED)


def alone(work: Coroutine[Any, Any, Any]) -> Any:
    """Run on a thread of its own: the browser tests leave an event loop on the main one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def unpack(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["data"]), packed["dtype"]).reshape(packed["shape"])


def lab_of(**changes: Any) -> AdaptiveLab:
    given: dict[str, Any] = {"choices": {"Small": tasks.digits_mlp(hidden=[8])}, "steps": STEPS, "device": "cpu"}
    return AdaptiveLab(**(given | changes))


async def settled(lab: AdaptiveLab) -> dict[str, Any]:
    await lab.latest._task
    return lab.picture.result["runs"]


def test_all_rules_train_as_training_does_and_their_rates_are_told() -> None:
    async def look() -> dict[str, Any]:
        return await settled(lab_of(rates={"Adagrad": 0.05, "Adam": 0.0123456}))

    runs = alone(look())
    assert list(runs) == ["adagrad", "adam"]
    for label, rate in (("Adagrad", 0.05), ("Adam", 0.0123)):
        rule = RULES[label]
        settings = {"rule": rule, "steps": STEPS, "batch_size": 64, "dtype": torch.float64, "device": "cpu"}
        stack = training.start(tasks.digits_mlp(hidden=[8]), learning_rates=[rate], eval_every=1, **settings)
        found = runs[rule.name]
        assert found["done"]
        assert found["asked"]["rate"] == rate
        for step in range(STEPS):
            stack.advance(1)
            rates = stack.effective_rates()[0]
            idle = rates.isnan()
            spread = unpack(found["spread"])[step]
            np.testing.assert_allclose(spread[:5], np.quantile(rates[~idle].numpy(), SPREAD_AT), rtol=1e-12)
            assert spread[5] == pytest.approx(idle.double().mean().item())
        run = stack.records()[0]
        np.testing.assert_allclose(unpack(found["loss"]), run.loss, rtol=1e-9)
        ratio = np.median(
            training.train(
                tasks.digits_mlp(hidden=[8]), learning_rate=rate, record_updates=True, **settings
            ).update_ratio,
            axis=-1,
        )
        np.testing.assert_allclose(unpack(found["ratio"]), ratio, rtol=1e-9)
        np.testing.assert_allclose(unpack(found["validation"]), run.validation_loss, rtol=1e-9)
        assert found["evalSteps"] == list(range(STEPS + 1))


def test_gradient_descent_gives_all_parameters_one_rate() -> None:
    async def look() -> dict[str, Any]:
        return await settled(lab_of(rates={"Gradient descent": 0.3, "Heavy ball": 0.02}))

    runs = alone(look())
    np.testing.assert_allclose(unpack(runs["sgd"]["spread"])[:, :5], 0.3)
    np.testing.assert_allclose(unpack(runs["heavy_ball"]["spread"])[:, :5], 0.2)


def test_a_move_trains_that_rule_alone_and_a_burst_settles_on_the_last() -> None:
    async def moves() -> list[dict[str, Any]]:
        lab = lab_of()
        seen = [await settled(lab)]
        for rate in (0.01, 0.03, 0.2):
            lab.controls["rate_rmsprop"].value = rate
        seen.append(await settled(lab))
        task = lab.latest._task
        lab.controls["step"].value = 3  # nothing to train
        assert lab.latest._task is task
        lab.controls["show_adam"].value = False
        lab.controls["seed"].value = 1
        seen.append(await settled(lab))
        return seen

    first, second, third = alone(moves())
    assert second["rmsprop"]["asked"]["rate"] == 0.2
    assert [name for name in first if first[name] is not second[name]] == ["rmsprop"]
    assert [name for name, run in third.items() if run["asked"]["seed"] == 0] == ["adam"]


def test_its_page_carries_the_runs_and_the_programs() -> None:
    lab = lab_of(rates={"Gradient descent": 0.5, "RMSprop": 0.01})
    config = lab.page_config()
    assert set(config["recorded"]["runs"]) == {rule.name for rule in RULES.values()}
    adam = config["recorded"]["runs"]["adam"]
    assert 0.02 in adam["rates"]
    assert unpack(adam["spread"]).shape == (len(adam["rates"]), len(adam["spreadSteps"]), 6)
    ports = [port["name"] for port in config["training"]["programs"]["rule:Small:adam"]["ports"]]
    assert "effective_rate" in ports
    still = lab.still()
    assert still.count("<svg role") == 2
    assert "RMSprop, η = 0.01" in still
    assert "Adagrad" not in still
    assert lab.summary() == "Adaptive lab: Small, 20 steps: Gradient descent at 0.5, RMSprop at 0.01"


def test_any_rules_can_be_on_offer_and_those_without_rates_of_their_own_say_so() -> None:
    offered = {"rules": ["Muon with AdamW", "Lion", "Prodigy", "Polyak"], "span": (1e-4, 10.0)}

    async def look() -> dict[str, Any]:
        return await settled(lab_of(**offered))

    lab = lab_of(**offered)
    runs = alone(look())
    assert list(runs) == ["partition", "lion", "prodigy", "polyak"]
    assert all(np.isnan(unpack(run["spread"])).all() for run in runs.values())
    assert all(np.isfinite(unpack(run["ratio"])).all() for run in runs.values())
    programs = lab.page_config()["training"]["programs"]
    assert {"rule:Small:partition", "rule:Small:lion", "rule:Small:prodigy", "rule:Small:polyak"} <= set(programs)
    assert lab.still().count("no rate for each parameter") == 4


def test_labels_at_the_ends_of_curves_keep_apart() -> None:
    assert _apart([0.1, 0.2, 0.101], factor=1.5) == pytest.approx([0.1, 0.225, 0.15])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rates": {"Mars": 0.1}}, "rates must be one of 'Gradient descent'"),
        ({"rules": ["Adam", "Adam"]}, "rules must be one to 6 different labels"),
        ({"rules": []}, "rules must be one to 6 different labels"),
        ({"rules": ["Sloth"]}, "rules must be one of 'Gradient descent'"),
        ({"rules": ["Adam"], "rates": {"Lion": 0.1}}, "rates must be one of 'Adam'"),
        ({"rates": {"Adam": 50.0}}, "must be a finite number >= 0.001 and <= 10"),
        ({"span": (1.0, 0.1)}, "maximum must be a finite number > 1"),
        ({"steps": 1}, "steps must be an integer >= 2"),
        ({"batch_size": 10**6}, "batch_size must be an integer >= 1 and <= 1437"),
        ({"seed": 10}, "seed must be a finite number >= 0 and <= 9"),
        ({"device": "abacus"}, "device must be"),
    ],
)
def test_bad_arguments_say_what_they_must_be(changes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lab_of(**changes)
    with pytest.raises(TypeError, match="must be a Task"):
        AdaptiveLab(choices={"x": 1})  # type: ignore[dict-item]
