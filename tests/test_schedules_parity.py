"""Every schedule against its torch twin, in float64, over at least 200 steps, and the known off-by-ones."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from lrlib import schedules

pytestmark = pytest.mark.filterwarnings("error")

STEPS = 220
few = settings(max_examples=25, derandomize=True, deadline=None)

rates = st.floats(1e-6, 10.0)
fractions = st.floats(0.0, 1.0)
gammas = st.floats(0.5, 1.02)
horizons = st.integers(1, 2 * STEPS)

Twin = Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]


def rates_used(learning_rate: float, twin: Twin, steps: int = STEPS) -> np.ndarray:
    """The rate that each of the first ``steps`` updates of a torch loop uses."""
    parameter = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=learning_rate, momentum=0.9)
    scheduler = twin(optimizer)
    used = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps - 1):
        optimizer.step()
        scheduler.step()
        used.append(optimizer.param_groups[0]["lr"])
    return np.array(used)


def check(schedule: schedules.Schedule, learning_rate: float, twin: Twin, steps: int = STEPS) -> None:
    expected = rates_used(learning_rate, twin, steps)
    ours = schedule(np.arange(steps))
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12 * max(1.0, np.max(np.abs(expected))))


@few
@given(rate=st.floats(0, 10))
def test_constant(rate):
    check(schedules.constant(rate), rate, lambda o: lr_scheduler.ConstantLR(o, factor=1.0, total_iters=0))


@few
@given(rate=rates, decay_rate=st.floats(0, 5), decay_steps=st.floats(0.1, 300))
def test_inverse_time(rate, decay_rate, decay_steps):
    check(
        schedules.inverse_time(rate, decay_rate=decay_rate, decay_steps=decay_steps),
        rate,
        lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + decay_rate * step / decay_steps)),
    )


@few
@given(rate=rates, step_size=st.integers(1, 100), gamma=gammas)
def test_step(rate, step_size, gamma):
    check(
        schedules.step(rate, step_size=step_size, gamma=gamma),
        rate,
        lambda o: lr_scheduler.StepLR(o, step_size, gamma=gamma),
    )


@few
@given(rate=rates, milestones=st.sets(st.integers(1, STEPS), min_size=1, max_size=8).map(sorted), gamma=gammas)
def test_multistep(rate, milestones, gamma):
    check(
        schedules.multistep(rate, milestones=milestones, gamma=gamma),
        rate,
        lambda o: lr_scheduler.MultiStepLR(o, milestones, gamma=gamma),
    )


@few
@given(rate=rates, gamma=st.floats(0.8, 1.02))
def test_exponential(rate, gamma):
    check(schedules.exponential(rate, gamma=gamma), rate, lambda o: lr_scheduler.ExponentialLR(o, gamma=gamma))


@few
@given(rate=rates, total=horizons, power=st.floats(0.3, 4))
def test_polynomial(rate, total, power):
    check(
        schedules.polynomial(rate, total_steps=total, power=power),
        rate,
        lambda o: lr_scheduler.PolynomialLR(o, total_iters=total, power=power),
    )


@few
@given(rate=rates, total=horizons, power=st.floats(0.3, 4), fraction=fractions)
def test_polynomial_with_eta_min(rate, total, power, fraction):
    eta_min = fraction * rate
    used = rates_used(1.0, lambda o: lr_scheduler.PolynomialLR(o, total_iters=total, power=power))
    ours = schedules.polynomial(rate, total_steps=total, power=power, eta_min=eta_min)(np.arange(STEPS))
    np.testing.assert_allclose(ours, eta_min + (rate - eta_min) * used, rtol=1e-12, atol=1e-12)


@few
@given(rate=rates, total=horizons, fraction=fractions)
def test_linear(rate, total, fraction):
    check(
        schedules.linear(rate, total_steps=total, eta_min=fraction * rate),
        rate,
        lambda o: lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=fraction, total_iters=total),
    )


@few
@given(rate=rates, total=st.integers(STEPS - 1, 2 * STEPS), fraction=fractions)
def test_cosine(rate, total, fraction):
    check(
        schedules.cosine(rate, total_steps=total, eta_min=fraction * rate),
        rate,
        lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=total, eta_min=fraction * rate),
    )


@few
@given(rate=rates, T_0=st.integers(1, 100), T_mult=st.integers(1, 4), fraction=fractions)
def test_warm_restarts(rate, T_0, T_mult, fraction):
    check(
        schedules.warm_restarts(rate, T_0=T_0, T_mult=T_mult, eta_min=fraction * rate),
        rate,
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=T_0, T_mult=T_mult, eta_min=fraction * rate),
    )


@few
@given(rate=rates, warmup=st.integers(1, 2 * STEPS), start=st.floats(0.001, 1.0))
def test_warmup_linear(rate, warmup, start):
    check(
        schedules.warmup_linear(rate, warmup_steps=warmup, start_factor=start),
        rate,
        lambda o: lr_scheduler.LinearLR(o, start_factor=start, total_iters=warmup),
    )


@few
@given(
    rate=rates,
    warmup=st.integers(1, 100),
    start=st.floats(0.001, 1.0),
    inner=st.sampled_from(["cosine", "exponential", "step", "warm_restarts"]),
)
def test_with_warmup(rate, warmup, start, inner):
    schedule, twin = {
        "cosine": (
            schedules.cosine(rate, total_steps=STEPS),
            lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=STEPS),
        ),
        "exponential": (
            schedules.exponential(rate, gamma=0.99),
            lambda o: lr_scheduler.ExponentialLR(o, gamma=0.99),
        ),
        "step": (
            schedules.step(rate, step_size=30, gamma=0.5),
            lambda o: lr_scheduler.StepLR(o, step_size=30, gamma=0.5),
        ),
        "warm_restarts": (
            schedules.warm_restarts(rate, T_0=10, T_mult=2),
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=10, T_mult=2),
        ),
    }[inner]

    def sequence(optimizer):
        parts = [lr_scheduler.LinearLR(optimizer, start_factor=start, total_iters=warmup), twin(optimizer)]
        return lr_scheduler.SequentialLR(optimizer, parts, milestones=[warmup])

    check(schedules.with_warmup(schedule, warmup_steps=warmup, start_factor=start), rate, sequence)


@few
@given(
    rate=rates,
    warmup=st.integers(1, 80),
    stable=st.integers(1, 80),
    decay=st.integers(200, 300),
    start=st.floats(0.001, 1.0),
    fraction=fractions,
    shape=st.sampled_from(["linear", "cosine"]),
)
def test_warmup_stable_decay(rate, warmup, stable, decay, start, fraction, shape):
    def sequence(optimizer):
        if shape == "linear":
            fall = lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=fraction, total_iters=decay)
        else:
            fall = lr_scheduler.CosineAnnealingLR(optimizer, T_max=decay, eta_min=fraction * rate)
        rise = lr_scheduler.LinearLR(optimizer, start_factor=start, total_iters=warmup)
        flat = lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=0)
        return lr_scheduler.SequentialLR(optimizer, [rise, flat, fall], milestones=[warmup, warmup + stable])

    total = warmup + stable + decay
    schedule = schedules.warmup_stable_decay(
        rate,
        total_steps=total,
        warmup_steps=warmup,
        decay_steps=decay,
        eta_min=fraction * rate,
        decay_shape=shape,
        start_factor=start,
    )
    check(schedule, rate, sequence, total + 1)


@few
@given(rate=rates, fraction=fractions, total=st.integers(100, 300), decay=st.integers(1, 90))
def test_square_root_decay_against_its_formula(rate, fraction, total, decay):
    schedule = schedules.warmup_stable_decay(
        rate, total_steps=total, warmup_steps=0, decay_steps=decay, eta_min=fraction * rate, decay_shape="1-sqrt"
    )
    for step in range(total + 2):
        passed = min(max(step - (total - decay), 0), decay)
        expected = fraction * rate + (rate - fraction * rate) * (1 - math.sqrt(passed / decay))
        assert schedule(step) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@few
@given(
    base=st.floats(0, 1),
    rise=st.floats(0, 5),
    up=st.integers(1, 60),
    down=st.none() | st.integers(1, 60),
    mode=st.sampled_from(["triangular", "triangular2", "exp_range"]),
    gamma=st.floats(0.9, 1.0),
)
def test_cyclic(base, rise, up, down, mode, gamma):
    arguments = dict(max_lr=base + rise, step_size_up=up, step_size_down=down, mode=mode, gamma=gamma)
    check(
        schedules.cyclic(base, **arguments),
        1.0,
        lambda o: lr_scheduler.CyclicLR(o, base, **arguments),
    )


@few
@given(
    peak=rates,
    total=st.integers(STEPS, 2 * STEPS),
    start=fractions,
    strategy=st.sampled_from(["cos", "linear"]),
    div=st.floats(1, 100),
    final_div=st.floats(1, 1e5),
    three_phase=st.booleans(),
    cycle_momentum=st.booleans(),
)
def test_one_cycle(peak, total, start, strategy, div, final_div, three_phase, cycle_momentum):
    arguments = dict(
        total_steps=total,
        pct_start=start / 2 if three_phase else start,
        anneal_strategy=strategy,
        div_factor=div,
        final_div_factor=final_div,
        three_phase=three_phase,
    )
    assume(arguments["pct_start"] * total != 1)  # torch divides by zero: a test of its own below
    check(
        schedules.one_cycle(peak, **arguments),
        1.0,
        lambda o: lr_scheduler.OneCycleLR(o, peak, cycle_momentum=cycle_momentum, **arguments),
        total,
    )


@few
@given(
    rate=rates,
    boundaries=st.sets(st.integers(1, STEPS), min_size=2, max_size=2).map(sorted),
    gamma=st.floats(0.9, 1.0),
)
def test_join(rate, boundaries, gamma):
    def sequence(optimizer):
        parts = [
            lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=20),
            lr_scheduler.ExponentialLR(optimizer, gamma=gamma),
            lr_scheduler.PolynomialLR(optimizer, total_iters=50, power=2.0),
        ]
        return lr_scheduler.SequentialLR(optimizer, parts, milestones=boundaries)

    parts = [
        schedules.warmup_linear(rate, warmup_steps=20, start_factor=0.1),
        schedules.exponential(rate, gamma=gamma),
        schedules.polynomial(rate, total_steps=50, power=2.0),
    ]
    check(schedules.join(parts, boundaries=boundaries), rate, sequence)


@few
@given(rate=rates, factor=st.floats(0.01, 100))
def test_scale(rate, factor):
    check(
        schedules.scale(schedules.cosine(rate, total_steps=STEPS), factor),
        rate * factor,
        lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=STEPS),
    )


def test_off_by_one_the_one_cycle_peak_is_one_step_before_pct_start():
    schedule = schedules.one_cycle(1.0, total_steps=100, pct_start=0.3)
    used = rates_used(1.0, lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=100, pct_start=0.3), 100)
    assert np.argmax(used) == np.argmax(schedule(np.arange(100))) == 29
    assert schedule(29) == 1.0
    assert schedule(30) < 1.0


def test_off_by_one_torch_one_cycle_runs_past_its_own_end():
    def twin(optimizer):
        return lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=10, anneal_strategy="linear")

    schedule = schedules.one_cycle(1.0, total_steps=10, anneal_strategy="linear")
    used = rates_used(1.0, twin, 10)
    assert used[9] == pytest.approx(schedule(9), rel=1e-12)
    assert schedule(10) == schedule(9) == schedule(10_000) == pytest.approx(1 / 25 / 1e4, rel=1e-12)
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=1.0, momentum=0.9)
    scheduler = twin(optimizer)
    for _ in range(10):
        optimizer.step()
        scheduler.step()
    assert scheduler.get_last_lr()[0] < 0
    with pytest.raises(ValueError, match="Tried to step 11 times"):
        scheduler.step()


@pytest.mark.parametrize("three_phase", [False, True])
def test_off_by_one_a_one_cycle_warmup_of_one_step_is_a_zero_division_in_torch(three_phase):
    arguments = dict(total_steps=10, pct_start=0.1, three_phase=three_phase)
    with pytest.raises(ZeroDivisionError):
        rates_used(1.0, lambda o: lr_scheduler.OneCycleLR(o, 1.0, **arguments), 10)
    schedule = schedules.one_cycle(1.0, **arguments)
    assert schedule(0) == 1.0
    assert np.all(np.isfinite(schedule(np.arange(20))))


def test_off_by_one_without_warmup_the_one_cycle_fall_begins_before_step_0():
    used = rates_used(1.0, lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=10, pct_start=0.0), 10)
    schedule = schedules.one_cycle(1.0, total_steps=10, pct_start=0.0)
    np.testing.assert_allclose(schedule(np.arange(10)), used, rtol=1e-12)
    assert schedule(0) < 1.0


def test_off_by_one_cosine_climbs_again_past_its_end_in_torch():
    used = rates_used(1.0, lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=50, eta_min=0.1), 101)
    schedule = schedules.cosine(1.0, total_steps=50, eta_min=0.1)
    np.testing.assert_allclose(schedule(np.arange(51)), used[:51], rtol=1e-12)
    assert used[100] == pytest.approx(1.0, rel=1e-9)
    assert set(schedule(np.arange(50, 101))) == {0.1}


def test_off_by_one_the_minimum_comes_one_step_after_the_last_update():
    for make in (schedules.linear, schedules.polynomial, schedules.cosine):
        schedule = make(1.0, total_steps=100, eta_min=0.1)
        assert schedule(99) > 0.1
        assert schedule(100) == 0.1


def test_off_by_one_step_get_lr_is_not_the_rate_in_use():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    for _ in range(2):
        optimizer.step()
        scheduler.step()
    in_use = schedules.step(1.0, step_size=2, gamma=0.5)(2)
    assert scheduler.get_last_lr() == [in_use] == [0.5]
    with pytest.warns(UserWarning, match="get_last_lr"):
        assert scheduler.get_lr() == [0.25]


def test_off_by_one_constant_of_torch_is_a_jump():
    used = rates_used(0.3, lr_scheduler.ConstantLR, 10)
    np.testing.assert_allclose(used, [0.1] * 5 + [0.3] * 5)
    assert schedules.constant(0.3)(0) == 0.3


def test_off_by_one_warm_restarts_never_use_the_minimum():
    schedule = schedules.warm_restarts(1.0, T_0=10, T_mult=2, eta_min=0.1)
    assert schedule(np.arange(1000)).min() > 0.1
    for start in (10, 30, 70, 150):
        assert schedule(start) == 1.0


def test_off_by_one_linear_of_torch_must_not_start_at_zero():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    with pytest.raises(ValueError, match="greater than 0"):
        lr_scheduler.LinearLR(optimizer, start_factor=0.0)
    assert schedules.warmup_linear(1.0, warmup_steps=4, start_factor=0.0)(0) == 0.0
