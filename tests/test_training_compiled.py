"""The compiled engine against the torch engine, and what it declines."""

import importlib.util

import numpy as np
import pytest
import torch
from torch import nn

from lrlib import schedules, tasks, training, updates
from lrlib.training.run import compilation_for

MLP = tasks.digits_mlp(hidden=(8,))
SETTINGS = {"steps": 30, "batch_size": 8, "dtype": torch.float64, "seeds": [0, 1], "learning_rates": [1e-3, 0.1]}


def engines(task, **changes):
    settings = SETTINGS | changes
    return [training.sweep(task, engine=engine, **settings) for engine in ("compiled", "torch")]


@pytest.mark.parametrize(
    "rule", [updates.sgd(momentum=0.9), updates.adam(), updates.radam()], ids=lambda rule: rule.name
)
@pytest.mark.parametrize("shift", [False, True])
def test_every_record_is_the_torch_engines(rule, shift):
    schedule = schedules.cosine(1.0, total_steps=30)
    task = tasks.digits_mlp(hidden=(8,), shift=shift)
    compiled, plain = engines(task, rule=rule, schedule=schedule, eval_every=10, threads=2)
    for name in ("loss", "grad_norm", "rates_used", "train_loss", "validation_loss"):
        np.testing.assert_allclose(getattr(compiled, name), getattr(plain, name), rtol=1e-9, err_msg=name)
    np.testing.assert_array_equal(compiled.eval_steps, plain.eval_steps)
    for name, value in plain.parameters.items():
        torch.testing.assert_close(compiled.parameters[name], value, rtol=1e-9, atol=1e-12)
    assert compiled.provenance["engine"] == "compiled"


def test_update_ratios_are_the_torch_engines():
    compiled, plain = engines(MLP, rule=updates.adam(), record_updates=True, eval_every=10)
    assert plain.update_ratio.shape == (4, 30, 4)
    np.testing.assert_allclose(compiled.update_ratio, plain.update_ratio, rtol=1e-9)


def test_a_compilation_is_ready_once_it_was_made():
    settings = {"batch_size": 9, "dtype": torch.float64, "steps": 5, "device": "cpu"}
    loss = lambda outputs, targets: MLP.loss(outputs, targets)  # noqa: E731  without a name in the cache
    task = tasks.Task("own", lambda: nn.Linear(64, 10), MLP.train, MLP.validation, loss)
    compilation = compilation_for(task, **settings)
    assert not compilation.ready
    compilation.program()
    assert compilation.ready
    assert not compilation_for(task, clip_norm=1.0, **settings).ready
    stack = training.start(task, learning_rates=[0.1], compilation=compilation, **settings)
    assert stack.engine == "compiled"
    with pytest.raises(ValueError, match="compilation must be one for the same task"):
        training.start(MLP, learning_rates=[0.1], compilation=compilation, **settings)


@pytest.mark.parametrize("rule", [updates.sgd(momentum=0.9), updates.adam()], ids=lambda rule: rule.name)
def test_clipping_is_that_of_torch(rule):
    free = training.sweep(MLP, engine="compiled", rule=rule, **SETTINGS)
    norm = float(np.median(free.grad_norm))  # clips some steps and not others
    compiled, plain = engines(MLP, clip_norm=norm, rule=rule)
    np.testing.assert_allclose(compiled.loss, plain.loss, rtol=1e-8)
    assert not np.allclose(compiled.loss, free.loss)


def test_feedback_and_float32():
    feedback = schedules.reduce_on_plateau(patience=0, factor=0.5)
    compiled, plain = engines(MLP, feedback=feedback, eval_every=5, learning_rates=[0.05, 3.0], dtype=torch.float32)
    np.testing.assert_allclose(compiled.rates_used, plain.rates_used, rtol=1e-6)
    np.testing.assert_allclose(compiled.loss[0], plain.loss[0], rtol=1e-3)
    assert compiled.rates_used[1, -1] < 3.0


def test_a_diverging_run_is_a_record_and_poisons_nothing():
    compiled, plain = engines(MLP, learning_rates=[0.1, 1e150])
    np.testing.assert_array_equal(compiled.diverged_at, plain.diverged_at)
    assert compiled[1].status.startswith("diverged")
    np.testing.assert_allclose(compiled.loss[[0, 2]], plain.loss[[0, 2]], rtol=1e-9)


def test_threads_change_no_bit_and_streaming_no_number():
    one, two = (training.sweep(MLP, engine="compiled", threads=threads, **SETTINGS) for threads in (1, 2))
    np.testing.assert_array_equal(one.loss, two.loss)
    settings = {key: value for key, value in SETTINGS.items() if key != "seeds"}
    stack = training.start(MLP, engine="compiled", **settings)
    stack.advance(7)
    assert stack.records()[0].status == "stopped after 7 of 30 steps"
    stack.advance(1000)
    np.testing.assert_array_equal(stack.records().loss, one.loss[:2])


class Normalized(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rule": updates.from_torch(torch.optim.SGD)}, "cannot be traced"),
        ({"task": tasks.Task("norm", Normalized, MLP.train, MLP.validation, MLP.loss)}, "the model keeps buffers"),
    ],
)
def test_what_cannot_be_compiled_is_said_and_auto_falls_back(monkeypatch, changes, reason):
    settings = SETTINGS | changes
    task = settings.pop("task", MLP)
    with pytest.raises(ValueError, match=f"engine must be 'auto' or 'torch' here, since .*{reason}"):
        training.sweep(task, engine="compiled", **settings)
    monkeypatch.setattr(training.run, "COMPILE_FROM", 1)
    assert training.sweep(task, engine="auto", **settings).provenance["engine"] == "torch"


def test_auto_compiles_where_there_is_enough_to_do_and_by_the_call_alone(monkeypatch):
    few = training.sweep(MLP, **SETTINGS).provenance
    assert few["engine"] == "torch"
    assert few["engine_note"] == "30 steps of 4 runs are too few to compile a step for"
    monkeypatch.setattr(training.run, "COMPILE_FROM", 360)  # 30 × (4 + 8)
    assert training.sweep(MLP, **SETTINGS).provenance["engine"] == "compiled"
    monkeypatch.setattr(training.run, "COMPILE_FROM", 361)  # although the program is there now
    assert training.sweep(MLP, **SETTINGS).provenance["engine"] == "torch"


def test_a_missing_compiler_is_said(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ziglang" else find(name))
    with pytest.raises(ValueError, match="since the package ziglang is not installed, but got 'compiled'"):
        training.sweep(MLP, engine="compiled", **SETTINGS)


def test_an_unknown_engine_is_named():
    with pytest.raises(ValueError, match="engine must be one of 'auto', 'torch', 'compiled', but got 'jax'"):
        training.sweep(MLP, engine="jax", **SETTINGS)
