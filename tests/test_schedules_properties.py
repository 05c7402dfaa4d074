"""What holds of every schedule: end points, continuity, purity, scalar equals array, identity."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrlib import schedules
from lrlib.schedules import (
    Schedule,
    constant,
    cool_down,
    cosine,
    cyclic,
    exponential,
    inverse_power,
    inverse_square_root,
    inverse_time,
    join,
    linear,
    multistep,
    one_cycle,
    polynomial,
    scale,
    step,
    warm_restarts,
    warmup_linear,
    warmup_stable_decay,
    with_warmup,
)

few = settings(max_examples=30, derandomize=True, deadline=None)

EVERY = [
    constant(0.1),
    inverse_time(0.1, decay_rate=0.5, decay_steps=10),
    step(0.1, step_size=30),
    multistep(0.1, milestones=[20, 50]),
    exponential(0.1, gamma=0.97),
    polynomial(0.1, total_steps=100, power=0.9, eta_min=0.01),
    linear(0.1, total_steps=100),
    cosine(0.1, total_steps=100, eta_min=0.001),
    warm_restarts(0.1, T_0=7),
    warm_restarts(0.1, T_0=7, T_mult=3),
    warmup_linear(0.1, warmup_steps=10),
    warmup_linear(0.1, warmup_steps=0),
    with_warmup(cosine(0.1, total_steps=90), warmup_steps=10),
    with_warmup(constant(0.1), warmup_steps=0),
    cyclic(0.01, max_lr=0.1, step_size_up=10, step_size_down=5),
    cyclic(0.01, max_lr=0.1, step_size_up=10, mode="triangular2"),
    cyclic(0.01, max_lr=0.1, step_size_up=10, mode="exp_range", gamma=0.99),
    one_cycle(0.1, total_steps=100),
    one_cycle(0.1, total_steps=100, anneal_strategy="linear", three_phase=True),
    warmup_stable_decay(0.1, total_steps=100, warmup_steps=10, decay_steps=20),
    warmup_stable_decay(0.1, total_steps=100, warmup_steps=0, decay_steps=100, decay_shape="1-sqrt"),
    warmup_stable_decay(0.1, total_steps=100, warmup_steps=50, decay_steps=50, decay_shape="cosine", start_factor=0.5),
    join([warmup_linear(0.1, warmup_steps=10), constant(0.1), linear(0.1, total_steps=20)], boundaries=[10, 80]),
    scale(one_cycle(0.1, total_steps=100), 3.0),
    inverse_power(0.1, power=0.5, decay_steps=10),
    inverse_square_root(0.1, warmup_steps=10),
    inverse_square_root(0.1, warmup_steps=1),
    cool_down(constant(0.1), from_step=60, steps=40),
    cool_down(inverse_square_root(0.1, warmup_steps=10), from_step=60, steps=40, shape="1-sqrt", eta_min=0.001),
    cool_down(warm_restarts(0.1, T_0=70), from_step=0, steps=100, shape="cosine"),
]
each = pytest.mark.parametrize("schedule", EVERY, ids=repr)


@each
def test_scalar_equals_array_of_any_shape_and_integer_type(schedule):
    steps = np.arange(240)
    rates = schedule(steps)
    one_by_one = [schedule(int(number)) for number in steps]
    assert all(type(rate) is float for rate in one_by_one)
    np.testing.assert_allclose(rates, one_by_one, rtol=1e-15, atol=0)  # some CPUs raise arrays to powers in another way
    for dtype in (np.uint8, np.int16, np.uint64):
        np.testing.assert_array_equal(schedule(steps.astype(dtype).reshape(4, 3, 20)), rates.reshape(4, 3, 20))
    assert schedule(steps[5:5]).shape == (0,)
    zero_dimensional = schedule(np.array(3))
    assert isinstance(zero_dimensional, np.ndarray)
    assert zero_dimensional.shape == ()
    assert zero_dimensional.dtype == np.float64
    assert schedule(np.int32(3)) == one_by_one[3]


@each
def test_calling_changes_nothing(schedule):
    steps = np.arange(240)
    before = schedule(steps)
    shuffled = np.random.default_rng(0).permutation(240)
    np.testing.assert_array_equal(schedule(shuffled), before[shuffled])
    schedule(2**53)
    before_again = schedule(steps)
    np.testing.assert_array_equal(before_again, before)
    before_again[:] = -1  # what was handed out is the caller's
    np.testing.assert_array_equal(schedule(steps), before)
    np.testing.assert_array_equal(steps, np.arange(240))


@each
def test_rates_are_finite_and_never_negative(schedule):
    rates = schedule(np.concatenate([np.arange(1000), [10**6, 10**12, 2**53]]))
    assert np.all(np.isfinite(rates))
    assert np.all(rates >= 0)


@each
def test_past_the_horizon_the_rate_stays(schedule):
    if schedule.total_steps is None:
        return
    after = schedule(np.array([schedule.total_steps, schedule.total_steps + 1, 10**9]))
    assert after[0] == after[1] == after[2]


@each
def test_identity_repr_and_pickle(schedule):
    copy = pickle.loads(pickle.dumps(schedule))
    assert copy == schedule
    assert hash(copy) == hash(schedule)
    rebuilt = eval(repr(schedule), {name: getattr(schedules, name) for name in schedules.__all__})
    assert rebuilt == schedule
    assert sum(other == schedule for other in EVERY) == 1
    assert schedule.name in schedules.__all__


@each
def test_a_schedule_is_read_only(schedule):
    with pytest.raises(TypeError):
        schedule.hyperparameters["learning_rate"] = 1.0
    with pytest.raises(AttributeError):
        schedule.total_steps = 3


@few
@given(rate=st.floats(1e-6, 10), fraction=st.floats(0, 1), total=st.integers(1, 500), power=st.floats(0.2, 5))
def test_decays_start_at_the_peak_end_at_the_minimum_and_never_rise(rate, fraction, total, power):
    low = fraction * rate
    for schedule in (
        polynomial(rate, total_steps=total, power=power, eta_min=low),
        linear(rate, total_steps=total, eta_min=low),
        cosine(rate, total_steps=total, eta_min=low),
    ):
        rates = schedule(np.arange(total + 2))
        assert rates[0] == pytest.approx(rate, rel=1e-15)
        assert rates[-1] == rates[-2] == low
        assert np.all(np.diff(rates) <= 1e-15 * rate)


def test_linear_is_polynomial_of_power_one():
    steps = np.arange(120)
    np.testing.assert_array_equal(
        linear(0.3, total_steps=100, eta_min=0.1)(steps), polynomial(0.3, total_steps=100, eta_min=0.1)(steps)
    )


@few
@given(rate=st.floats(1e-6, 10), warmup=st.integers(0, 100), start=st.none() | st.floats(0, 1))
def test_warmup_climbs_evenly_and_joins_without_a_jump(rate, warmup, start):
    for schedule in (
        warmup_linear(rate, warmup_steps=warmup, start_factor=start),
        with_warmup(cosine(rate, total_steps=1000), warmup_steps=warmup, start_factor=start),
        warmup_stable_decay(rate, total_steps=300, warmup_steps=warmup, decay_steps=100, start_factor=start),
    ):
        climb = schedule(np.arange(warmup + 1))
        assert climb[-1] == pytest.approx(rate, rel=1e-12)
        factor = 1 / (warmup + 1) if start is None else start
        if warmup:
            assert climb[0] == pytest.approx(factor * rate, rel=1e-12)
            np.testing.assert_allclose(np.diff(climb), rate * (1 - factor) / warmup, rtol=1e-6, atol=1e-12)
    if start is None:
        assert warmup_linear(rate, warmup_steps=warmup)(0) > 0


def test_warmup_moves_the_schedule_and_its_horizon():
    inner = step(0.1, step_size=5)
    moved = with_warmup(inner, warmup_steps=10)
    np.testing.assert_array_equal(moved(np.arange(10, 60)), inner(np.arange(50)))
    assert moved.total_steps is None
    assert with_warmup(linear(0.1, total_steps=90), warmup_steps=10).total_steps == 100


@pytest.mark.parametrize("shape", ["linear", "cosine", "1-sqrt"])
def test_warmup_stable_decay_is_flat_in_between_and_continuous(shape):
    schedule = warmup_stable_decay(
        1.0, total_steps=1000, warmup_steps=100, decay_steps=200, eta_min=0.1, decay_shape=shape
    )
    rates = schedule(np.arange(1002))
    assert set(rates[100:801]) == {1.0}
    assert rates[801] < 1.0
    assert rates[999] > rates[1000] == rates[1001] == 0.1
    largest = 0.9 * math.sqrt(1 / 200) if shape == "1-sqrt" else 0.02
    assert np.max(np.abs(np.diff(rates))) <= largest * (1 + 1e-9)


def test_cyclic_turns_at_the_given_steps():
    schedule = cyclic(0.1, max_lr=0.5, step_size_up=10, step_size_down=30)
    cycles = np.arange(5) * 40
    np.testing.assert_array_equal(schedule(cycles), 0.1)
    np.testing.assert_allclose(schedule(cycles + 10), 0.5, rtol=1e-15)
    halved = cyclic(0.1, max_lr=0.5, step_size_up=10, step_size_down=30, mode="triangular2")
    np.testing.assert_allclose(halved(cycles + 10), 0.1 + 0.4 * 0.5 ** np.arange(5), rtol=1e-15)
    far = 40 * 10**12 + 10  # exact integers: no drift however far
    assert schedule(far) == schedule(10)


def test_one_cycle_three_phases_meet_the_initial_rate_twice():
    schedule = one_cycle(1.0, total_steps=100, pct_start=0.25, div_factor=10.0, three_phase=True)
    assert schedule(0) == pytest.approx(0.1, rel=1e-15)
    assert schedule(24) == 1.0
    assert schedule(48) == pytest.approx(0.1, rel=1e-15)
    assert schedule(99) == pytest.approx(0.1 / 1e4, rel=1e-12)


@pytest.mark.parametrize("total", [1, 2, 3])
@pytest.mark.parametrize("start", [0.0, 0.3, 0.5, 1.0])
def test_the_shortest_one_cycles_are_finite(total, start):
    rates = one_cycle(1.0, total_steps=total, pct_start=start)(np.arange(5))
    assert np.all(np.isfinite(rates))
    assert np.all((rates > 0) & (rates <= 1))


@few
@given(T_0=st.integers(1, 50), T_mult=st.integers(1, 5), cycle=st.integers(0, 6))
def test_warm_restarts_are_at_the_peak_on_every_restart(T_0, T_mult, cycle):
    schedule = warm_restarts(0.3, T_0=T_0, T_mult=T_mult, eta_min=0.1)
    start = sum(T_0 * T_mult**i for i in range(cycle))
    length = T_0 * T_mult**cycle
    assert schedule(start) == pytest.approx(0.3, rel=1e-15)
    expected = 0.1 + 0.2 * (1 + np.cos(np.pi * np.arange(length) / length)) / 2
    np.testing.assert_allclose(schedule(start + np.arange(length)), expected, rtol=1e-12)


def test_join_starts_each_part_at_its_own_zero():
    first, second = linear(1.0, total_steps=10), exponential(0.5, gamma=0.9)
    both = join((first, second), boundaries=np.array([4]))
    np.testing.assert_array_equal(both(np.arange(4)), first(np.arange(4)))
    np.testing.assert_array_equal(both(np.arange(4, 50)), second(np.arange(46)))
    assert both.total_steps is None
    assert join((second, first), boundaries=[30]).total_steps == 40


def test_scale_is_linear_and_keeps_the_horizon():
    schedule = one_cycle(0.1, total_steps=50)
    bigger = scale(schedule, 7.0)
    np.testing.assert_array_equal(bigger(np.arange(80)), 7.0 * schedule(np.arange(80)))
    assert bigger.total_steps == 50


def test_equal_schedules_hash_alike_whatever_the_order_of_their_hyperparameters():
    def formula(step, *, milestones, rate):
        return rate * np.ones(step.shape)

    def made(**hyperparameters):
        return Schedule(formula, name="own", hyperparameters=hyperparameters)

    lists = made(milestones=[1, [2, 3]], rate=0.1), made(rate=0.1, milestones=[1, [2, 3]])
    assert lists[0] == lists[1]
    assert hash(lists[0]) == hash(lists[1])
    assert lists[0] != made(milestones=[1, [2, 4]], rate=0.1)
    arrays = made(milestones=np.arange(3), rate=0.1), made(rate=0.1, milestones=np.arange(3))
    assert len({*arrays}) == 1
    assert arrays[0] != made(milestones=np.arange(4), rate=0.1)
    assert lists[0] != 0.1
    nested = [with_warmup(schedule, warmup_steps=3) for schedule in lists]
    assert len({*nested}) == 1


def test_powers_of_the_step():
    t = np.arange(500)
    same = inverse_time(0.3, decay_rate=1.0, decay_steps=40), inverse_power(0.3, power=1.0, decay_steps=40)
    np.testing.assert_allclose(same[0](t), same[1](t), rtol=1e-14)
    a, b, power = 0.7, 5.0, 0.6
    paper = inverse_power(a / b, power=power, decay_steps=b ** (1 / power))
    np.testing.assert_allclose(paper(t), a / (b + t**power), rtol=1e-12)


def test_the_transformers_schedule_is_the_papers():
    width, warmup, count = 512, 40, np.arange(1, 400.0)
    paper = width**-0.5 * np.minimum(count**-0.5, count * warmup**-1.5)
    rate = inverse_square_root((width * warmup) ** -0.5, warmup_steps=warmup)
    np.testing.assert_allclose(rate(np.arange(399)), paper, rtol=1e-12)
    assert rate(np.arange(399)).argmax() == warmup - 1
    assert rate(4 * warmup - 1) == pytest.approx(rate(warmup - 1) / 2)


@pytest.mark.parametrize("shape", ["linear", "cosine", "1-sqrt"])
def test_a_branch_is_its_trunk_until_it_falls(shape):
    trunk, t = inverse_square_root(0.1, warmup_steps=10), np.arange(200)
    for start in (0, 5, 60):
        branch = cool_down(trunk, from_step=start, steps=50, shape=shape, eta_min=0.001)
        np.testing.assert_array_equal(branch(t[: start + 1]), trunk(t[: start + 1]))
        assert (np.diff(branch(t[start : start + 51])) < 0).all()
        np.testing.assert_allclose(branch(t[start + 50 :]), 0.001)
        assert branch.total_steps == start + 50
    whole = warmup_stable_decay(0.1, total_steps=100, warmup_steps=9, decay_steps=20, decay_shape=shape)
    branch = cool_down(warmup_linear(0.1, warmup_steps=9), from_step=80, steps=20, shape=shape)
    np.testing.assert_allclose(branch(t), whole(t), rtol=1e-12, atol=1e-16)


def test_a_warm_up_of_nothing_and_of_everything():  # no division by zero, no rate of 0, no decay that never comes
    plain = cosine(0.1, total_steps=9)
    np.testing.assert_array_equal(with_warmup(plain, warmup_steps=0)(np.arange(20)), plain(np.arange(20)))
    for schedule in (with_warmup(constant(0.1), warmup_steps=5), warmup_linear(0.1, warmup_steps=5)):
        assert schedule(0) > 0
    with pytest.raises(ValueError, match="warmup_steps must be an integer >= 0 and <= 9, but got 10"):
        warmup_stable_decay(0.1, total_steps=10, warmup_steps=10, decay_steps=1)
    with pytest.raises(ValueError, match=r"boundaries\[0\] must be an integer >= 1, but got 0"):
        join([constant(0.1), constant(0.2)], boundaries=[0])


def test_a_growing_rate_overflows_to_infinity_in_silence():
    assert exponential(1.0, gamma=10.0)(1000) == math.inf


def test_a_readers_own_formula_is_a_schedule_like_any_other():
    noam = Schedule(
        lambda step, *, scale, warmup: scale * np.minimum((step + 1.0) ** -0.5, (step + 1) * warmup**-1.5),
        name="noam",
        hyperparameters={"scale": 1.0, "warmup": 16},
    )
    rates = noam(np.arange(100))
    assert np.argmax(rates) == 15
    assert repr(noam) == "noam(scale=1.0, warmup=16)"
    assert scale(noam, 2.0)(15) == 2 * noam(15)
    assert with_warmup(noam, warmup_steps=3)(18) == noam(15)
