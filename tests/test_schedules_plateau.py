"""Reduce on plateau against ``ReduceLROnPlateau``, and what holds of it whatever the metrics are."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lrlib.schedules import PlateauState, reduce_on_plateau

STEPS = 200
few = settings(max_examples=25, derandomize=True, deadline=None)
options = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["min", "max"]),
        "factor": st.floats(0.05, 0.95),
        "patience": st.integers(0, 6),
        "threshold": st.floats(0, 0.5),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "cooldown": st.integers(0, 5),
        "min_lr": st.floats(0, 0.01),
        "eps": st.sampled_from([0.0, 1e-8, 1e-3]),
    }
)


def torch_rates(learning_rate, metrics, arguments):
    optimizer = torch.optim.SGD([torch.zeros(1, dtype=torch.float64, requires_grad=True)], lr=learning_rate)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **arguments)
    used = []
    for metric in metrics:
        scheduler.step(float(metric))
        used.append((optimizer.param_groups[0]["lr"], scheduler.best))
    return np.array(used)


@few
@given(arguments=options, seed=st.integers(0, 2**31), trend=st.floats(-0.02, 0.02), rate=st.floats(1e-4, 1.0))
def test_each_run_equals_torch_to_the_last_bit(arguments, seed, trend, rate):
    generator = np.random.default_rng(seed)
    metrics = generator.normal(size=(STEPS, 3)) * [0.1, 1.0, 0.01] + [1.0, 0.0, -1.0]  # (steps, runs)
    metrics += trend * np.arange(STEPS)[:, None]
    metrics[generator.random(metrics.shape) < 0.02] = math.nan
    metrics[generator.random(metrics.shape) < 0.01] = math.inf
    rates = np.array([rate, 0.3 * rate, 1e-9])
    rule = reduce_on_plateau(**arguments)
    state = rule.init(rates)
    history = []
    for row in metrics:
        state = rule.update(state, row)
        history.append((state.learning_rates, state.best))
    ours = np.array(history)  # (steps, 2, runs)
    for run, start in enumerate(rates):
        np.testing.assert_array_equal(ours[:, :, run], torch_rates(start, metrics[:, run], arguments))


def test_patience_plus_one_bad_metrics_reduce_the_rate():
    rule = reduce_on_plateau(factor=0.5, patience=2)
    state = rule.init([1.0])
    seen = []
    for _ in range(8):
        state = rule.update(state, [3.0])
        seen.append(state.learning_rates[0])
    assert seen == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_cooldown_overlooks_bad_metrics():
    rule = reduce_on_plateau(factor=0.5, patience=0, cooldown=2)
    state = rule.init([1.0])
    seen = []
    for _ in range(6):
        state = rule.update(state, [3.0])
        seen.append(state.learning_rates[0])
    assert seen == [1.0, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_min_lr_and_eps_stop_the_reductions():
    floor = reduce_on_plateau(factor=0.1, patience=0, min_lr=0.05)
    stuck = reduce_on_plateau(factor=0.1, patience=0, eps=0.95)
    for rule, expected in ((floor, 0.05), (stuck, 1.0)):
        state = rule.init([1.0])
        for _ in range(5):
            state = rule.update(state, [1.0])
        assert state.learning_rates[0] == expected


def test_relative_threshold_on_a_negative_metric_takes_worse_for_better():
    rule = reduce_on_plateau(threshold=0.1)
    state = rule.update(rule.init([1.0]), [-1.0])
    assert rule.update(state, [-0.95]).best[0] == -0.95


def test_update_is_pure_and_states_are_read_only():
    rule = reduce_on_plateau(patience=0)
    start = np.array([0.1, 0.2])
    state = rule.init(start)
    start[:] = 7
    first = rule.update(state, [1.0, 1.0])
    once, twice = rule.update(first, [2.0, 0.5]), rule.update(first, [2.0, 0.5])
    np.testing.assert_array_equal(once.learning_rates, twice.learning_rates)
    np.testing.assert_array_equal(state.learning_rates, [0.1, 0.2])
    np.testing.assert_allclose(once.learning_rates, [0.01, 0.2])
    for array in (once.learning_rates, once.best, once.num_bad_epochs, once.cooldown_counter):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_diverged_run_leaves_the_others_alone():
    rule = reduce_on_plateau(patience=0)
    state = rule.update(rule.init([1.0, 1.0]), [1.0, 1.0])
    state = rule.update(state, [math.nan, 0.5])
    np.testing.assert_allclose(state.learning_rates, [0.1, 1.0])
    np.testing.assert_array_equal(state.best, [1.0, 0.5])


def test_metrics_may_be_a_tensor():
    rule = reduce_on_plateau()
    assert rule.update(rule.init([1.0]), torch.tensor([2.0])).best[0] == 2.0


@pytest.mark.parametrize(
    ("argument", "value", "error", "need"),
    [
        ("mode", "lowest", ValueError, "one of 'min', 'max'"),
        ("factor", 1.0, ValueError, "a finite number > 0 and < 1"),
        ("factor", 0.0, ValueError, "a finite number > 0 and < 1"),
        ("factor", "0.1", TypeError, "a finite number > 0 and < 1"),
        ("patience", -1, ValueError, "an integer >= 0"),
        ("patience", 1.5, TypeError, "an integer >= 0"),
        ("threshold", -0.1, ValueError, "a finite number >= 0 and < 1"),
        ("threshold", 1.0, ValueError, "a finite number >= 0 and < 1"),
        ("threshold_mode", "relative", ValueError, "one of 'rel', 'abs'"),
        ("cooldown", -1, ValueError, "an integer >= 0"),
        ("cooldown", True, TypeError, "an integer >= 0"),
        ("min_lr", -1.0, ValueError, "a finite number >= 0"),
        ("min_lr", [0.1], TypeError, "a finite number >= 0"),
        ("eps", math.nan, ValueError, "a finite number >= 0"),
    ],
)
def test_bad_arguments(argument, value, error, need):
    with pytest.raises(error) as caught:
        reduce_on_plateau(**{argument: value})
    assert str(caught.value) == f"{argument} must be {need}, but got {value!r}"


@pytest.mark.parametrize("value", [[], [[0.1]], [-1.0], [math.nan], "0.1", None])
def test_bad_learning_rates(value):
    with pytest.raises((TypeError, ValueError), match=r"^learning_rates must be a non-empty 1-D sequence"):
        reduce_on_plateau().init(value)


@pytest.mark.parametrize("value", [1.0, [1.0], [[1.0, 2.0]], ["1", "2"], [None, None], [[1], [2, 3]], [True, False]])
def test_bad_metrics(value):
    rule = reduce_on_plateau()
    with pytest.raises((TypeError, ValueError)) as caught:
        rule.update(rule.init([0.1, 0.2]), value)
    assert str(caught.value) == f"metrics must be numbers of shape (runs,) = (2,), but got {value!r}"


def test_bad_state():
    with pytest.raises(TypeError, match=r"^state must be a PlateauState, from init or update, but got 0.1$"):
        reduce_on_plateau().update(0.1, [1.0])
    assert isinstance(reduce_on_plateau().init([0.1]), PlateauState)
