"""The record of other frameworks: it belongs to its script, torch and lrlib reproduce it, and slips do not."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.frameworks.calls import ALONE, TENTHS, TRANSLATED
from benchmarks.frameworks.plans import SCHEDULES, STEPS
from benchmarks.frameworks.problem import EVERY, HERE, digest, problem
from lrlib import models, schedules, tasks, updates

RECORD = json.loads((HERE / "record.json").read_text(encoding="utf-8"))
ROWS = {row["rule"]: row for row in RECORD["translated"]}
GIVEN = problem()
INPUTS, TARGETS = torch.from_numpy(GIVEN["inputs"]), torch.from_numpy(GIVEN["targets"])
SAME = 1e-9


def scheduled(spec: list[Any]) -> schedules.Schedule:
    name, settings = spec
    if "schedule" in settings:
        settings = settings | {"schedule": scheduled(settings["schedule"])}
    return getattr(schedules, name)(**settings)


def run(row: dict[str, Any], *, by: str) -> dict[str, Any]:
    """What the record holds of a run, made by torch's optimizer or by lrlib's rule."""
    task, losses = tasks.digits_mlp(hidden=(32,)), []
    model = models.initial_parameters(task.model, seed=0).double()
    weights = list(model.parameters())
    name, settings = row[by]
    plan = scheduled(row["schedule"]) if "schedule" in row else schedules.constant(row["rate"])
    inside = row.get("inside", False)
    stack = [w.detach()[None] for w in weights]
    if by == "torch":
        optimizer = getattr(torch.optim, name)(weights, **settings)
    else:
        rule = getattr(updates, name)(**settings)
        state = rule.init(stack)
    for t, rows in enumerate(GIVEN["order"]):
        loss = task.loss(model(INPUTS[rows]), TARGETS[rows])
        losses.append(loss.item())
        scale, rate = (plan(t), 1.0) if inside else (1.0, plan(t))
        grads = torch.autograd.grad(scale * loss, weights)
        if by == "torch":
            optimizer.param_groups[0]["lr"] = rate
            for w, g in zip(weights, grads, strict=True):
                w.grad = g
            optimizer.step()
        else:
            rates = torch.tensor([rate], dtype=torch.float64)
            stack, state = rule.update(stack, [g[None] for g in grads], state, rates)
            for w, moved in zip(weights, stack, strict=True):
                w.data = moved[0]
    with torch.no_grad():
        final = task.loss(model(INPUTS), TARGETS).item()
    flat = torch.cat([w.detach().flatten() for w in weights])
    return {"losses": losses[::EVERY], "final": final, "weights": flat[GIVEN["watched"]].tolist()}


def apart(a: dict[str, Any], b: dict[str, Any]) -> float:
    return max(float(np.abs(np.subtract(a[key], b[key])).max()) for key in ("losses", "final", "weights"))


def test_the_record_is_that_of_the_script_and_small() -> None:
    assert RECORD["digest"] == digest(), "run python -m benchmarks.frameworks"
    assert (HERE / "record.json").stat().st_size < 200_000
    wanted = (HERE / "requirements.txt").read_text(encoding="utf-8")
    assert all(f"{name}=={version}" in wanted for name, version in RECORD["versions"].items())
    for part, rows in (("alone", ALONE), ("translated", TRANSLATED), ("tenths", TENTHS), ("schedules", SCHEDULES)):
        asked = [{k: v for k, v in row.items() if not k.startswith("of_")} for row in RECORD[part]]
        assert asked == json.loads(json.dumps(rows))


@pytest.mark.slow
@pytest.mark.parametrize("by", ["torch", "lrlib"])
@pytest.mark.parametrize("rule", ROWS)
def test_translated_rules_are_the_same_run(rule: str, by: str) -> None:
    row = ROWS[rule]
    if by not in row:
        pytest.skip(f"{by} has no {rule}")
    ours = run(row, by=by)
    # Keras rounds NAdam's 0.96 to float32 on TensorFlow, and torch its product of momenta
    rounded = {("NAdam", "of_keras")} if by == "lrlib" else {("NAdam", "of_keras"), ("NAdam", "of_keras_on_jax")}
    rounded |= {("NAdam without momentum decay", "of_optax")} if by == "torch" else set()
    others = [key for key in row if key.startswith("of_")]
    assert others
    for key in others:
        assert apart(ours, row[key]) < (1e-7 if (rule, key) in rounded else SAME), key


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        ("SGD with momentum", {"dampening": 1 / 8}),
        ("Nesterov", {"nesterov": False}),
        ("Adagrad", {"initial_accumulator_value": 1 / 8, "eps": 2**-20}),  # ε outside the root
        ("Adagrad", {"initial_accumulator_value": 0.0, "eps": 1e-10}),
        ("RMSprop", {"eps": 1e-8}),
        ("RMSprop", {"alpha": 0.99}),
        ("RMSprop, centred", {"centered": False}),
        ("Adam", {"eps": 1e-7}),
        ("Adam", {"betas": (0.9, 127 / 128)}),
        ("Adam with weight decay", {"weight_decay": 1 / 128}),  # λ/2, as Keras' L2 has it
        ("AdamW", {"weight_decay": 1e-2}),
        ("NAdam", {"momentum_decay": 4e-3}),
    ],
)
def test_a_slip_in_a_setting_is_seen(rule: str, wrong: dict[str, Any]) -> None:
    row = dict(ROWS[rule])
    name, settings = row["lrlib"]
    row["lrlib"] = [name, settings | wrong]
    assert apart(run(row, by="lrlib"), row["of_keras"]) > 100 * SAME


def test_a_rate_outside_the_buffer_is_seen() -> None:
    row = ROWS["SGD with momentum, falling rate"]
    assert apart(run(row | {"inside": False}, by="lrlib"), row["of_keras"]) > 1e-3


def test_a_decoupled_decay_is_seen() -> None:
    row = dict(ROWS["Adam with weight decay"])
    row["lrlib"] = ["adamw", row["lrlib"][1]]
    assert apart(run(row, by="lrlib"), row["of_keras"]) > 1e-3


@pytest.mark.parametrize("row", RECORD["schedules"], ids=lambda row: row["schedule"])
def test_translated_schedules_use_the_planned_rates(row: dict[str, Any]) -> None:
    plan = scheduled(row["lrlib"])(np.arange(STEPS))
    for key in ("of_keras", "of_optax"):
        if key in row:
            np.testing.assert_allclose(row[key], plan, rtol=0, atol=1e-6 * plan.max())
    for key in ("of_keras_alone", "of_optax_alone"):
        if key in row:
            assert np.abs(row[key] - plan).max() > 5e-5
