"""The schedule lab's Python side: the schedules it composes, what it trains, what bad input says."""

import asyncio
import base64
import dataclasses
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lrlib import schedules, tasks, training
from lrlib.widgets import ScheduleLab
from lrlib.widgets.drawing.still import Axis, Still
from lrlib.widgets.schedule_lab.shapes import DECAYS, composed
from lrlib.widgets.trainer.page_data import weight_layout


def unpack(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["data"]), packed["dtype"]).reshape(packed["shape"])


def alone(work: Coroutine[Any, Any, Any]) -> Any:
    """Run on a thread of its own: the browser tests leave an event loop on the main one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


# --- composed schedules ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decay", "library"),
    [
        ("Constant", schedules.constant(1.0)),
        ("Time-based (inverse time)", schedules.inverse_time(1.0, decay_rate=99, decay_steps=200)),
        ("Step", schedules.step(1.0, step_size=67, gamma=0.1)),
        ("Exponential", schedules.exponential(1.0, gamma=0.01 ** (1 / 200))),
        ("Polynomial (square)", schedules.polynomial(1.0, total_steps=200, power=2)),
        ("Linear to zero", schedules.linear(1.0, total_steps=200)),
        ("Cosine", schedules.cosine(1.0, total_steps=200)),
        ("Hold, then linear", schedules.warmup_stable_decay(1.0, total_steps=200, warmup_steps=0, decay_steps=40)),
    ],
)
def test_each_decay_alone_is_the_librarys(decay: str, library: schedules.Schedule) -> None:
    steps = np.arange(200)
    np.testing.assert_allclose(composed(decay, steps=200)(steps), library(steps), rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("decay", DECAYS)
def test_warm_up_then_so_many_cycles_of_the_same_decay(decay: str) -> None:
    rates = composed(decay, steps=205, warmup=0.1, cycles=4, floor=0.2)(np.arange(205))
    np.testing.assert_allclose(np.diff(rates[:22]), 1 / 22)  # 21 updates climb, and the next is at the peak
    assert rates.max() == 1
    assert np.flatnonzero(rates == 1)[0] == 21
    cycles = rates[21:].reshape(4, 46)
    assert (cycles == cycles[0]).all()
    assert cycles[0, 0] == 1
    assert (np.diff(cycles[0]) <= 1e-15).all()
    assert 0.199 < cycles[0, -1] <= (1 if decay == "Constant" else 0.3)


def test_one_cycle_is_warm_up_and_a_cosine() -> None:
    rates = composed("Cosine", steps=100, warmup=0.3)(np.arange(100))
    assert (np.diff(rates[:31]) > 0).all()
    assert (np.diff(rates[30:]) < 0).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"decay": "Mars"}, "decay must be one of"),
        ({"warmup": 0.6}, "warmup must be a finite number >= 0 and <= 0.5, but got 0.6"),
        ({"cycles": 9}, "cycles must be an integer >= 1 and <= 8, but got 9"),
        ({"floor": -0.1}, "floor must be a finite number >= 0 and <= 0.5"),
        ({"steps": 10}, "steps must be an integer >= 20 and <= 2000, but got 10"),
        ({"rule": "Mars"}, "rule must be one of"),
        ({"learning_rate": 20.0}, "learning_rate must be a finite number"),
        ({"batch_size": 5000}, "batch_size must be an integer >= 1 and <= 1437, but got 5000"),
        ({"choices": {}}, "at least one Task"),
        ({"device": "abacus"}, "device must be"),
    ],
)
def test_bad_values_say_what_they_must_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScheduleLab(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"cycles": 1.5}, {"warmup": "long"}, {"choices": {"x": 1}}, {"hint": 3}, {"seed": "a"}]
)
def test_wrong_kinds_are_type_errors(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="must be"):
        ScheduleLab(**wrong)


# --- the task --------------------------------------------------------------------------------------------------------


def scaled_weights(factor: float) -> nn.Module:
    model = tasks.digits_mlp(hidden=(32,)).model()
    with torch.no_grad():
        for layer in (model[0], model[2]):
            layer.weight.mul_(factor)
    return model


def test_a_page_draws_scaled_weights_and_refuses_others() -> None:
    task = tasks.digits_mlp(hidden=(32,))
    scaled = weight_layout(dataclasses.replace(task, model=lambda: scaled_weights(2.3)))
    assert [entry[2:] for entry in scaled] == [[2.3], [], [2.3], []]
    assert [entry[:2] for entry in scaled] == weight_layout(task)

    def other() -> nn.Module:
        model = task.model()
        nn.init.normal_(model[0].weight)
        return model

    with pytest.raises(TypeError, match="torch's own, or those times a factor"):
        weight_layout(dataclasses.replace(task, model=other))


# --- beside a kernel -------------------------------------------------------------------------------------------------


def test_a_burst_of_moves_trains_for_the_last_and_the_ledger_is_the_plan() -> None:
    async def burst() -> ScheduleLab:
        lab = ScheduleLab(decay="Cosine", steps=100, cycles=2, floor=0.1)
        for warmup in (0.1, 0.2, 0.3):
            lab.controls["warmup"].value = warmup
        await lab.latest._task
        return lab

    lab = alone(burst())
    result = lab.picture.result
    plan = composed("Cosine", steps=100, warmup=0.3, cycles=2, floor=0.1)
    run = training.train(
        tasks.digits_mlp(hidden=(32,), label_noise=0.2),
        learning_rate=schedules.scale(plan, 0.3),
        steps=100,
        batch_size=8,
        dtype=torch.float64,
        device="cpu",
        eval_every=3,
    )
    assert result["done"]
    assert result["settings"]["warmup"] == 0.3
    np.testing.assert_allclose(unpack(result["used"]), 0.3 * plan(np.arange(100)), rtol=1e-14)
    np.testing.assert_allclose(unpack(result["loss"]), run.loss, rtol=1e-9)
    np.testing.assert_allclose(unpack(result["validation"]), run.validation_loss, rtol=1e-9)
    assert lab.schedule == plan


def test_the_button_trains_at_all_peak_rates() -> None:
    async def press() -> ScheduleLab:
        lab = ScheduleLab(steps=20, rates=(0.01, 1.0), learning_rate=0.1)
        lab.picture.asked += 1
        await lab.latest._task
        return lab

    lab = alone(press())
    assert len(lab.rates) == 13
    assert unpack(lab.picture.backdrop["finals"]).shape == (13,)
    assert lab.picture.backdrop["diverged"] == [False] * 13


def test_a_constant_rate_has_no_cycles_and_no_floor() -> None:
    lab = ScheduleLab(decay="Constant")
    assert lab.controls["cycles"].disabled
    assert lab.controls["floor"].disabled
    lab.controls["decay"].value = "Step"
    assert not lab.controls["cycles"].disabled


def test_the_output_stands_without_scripts_and_says_what_it_shows() -> None:
    lab = ScheduleLab(steps=20, decay="Step", warmup=0.1, cycles=2, floor=0.05)
    still = lab.still()
    assert still.count("<svg role") == 2
    assert "planned" in still
    assert lab.summary() == (
        "Schedule lab: Step, warm-up 0.1, 2 cycles, floor 0.05, learning rate 0.3, Gradient descent, 20 steps"
    )


def test_a_still_of_a_run_that_diverged_has_no_label_at_nan():
    still = Still(Axis("step", 0, 10), Axis("loss", 0.05, 5, log=True), alt="a run that diverged")
    still.text(10, float("nan"), "validation")
    still.text(10, 1.0, "minibatches")
    assert "nan" not in still.svg()
    assert "minibatches" in still.svg()
