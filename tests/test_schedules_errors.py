"""Bad input of every public function gives an error that names the argument, the need and the value."""

import math

import numpy as np
import pytest
import torch

from lrlib import schedules
from lrlib.schedules import Schedule, constant, join, scale, with_warmup

POSITIVE = "a finite number > 0"
NOT_NEGATIVE = "a finite number >= 0"
COUNT = "an integer >= 1"
COUNT_OR_NONE = "an integer >= 0"
FRACTION = "a finite number >= 0 and <= 1"

# name of the function, good arguments, name of its first argument, and what each argument must be
FUNCTIONS = {
    "constant": ({"learning_rate": 0.1}, {"learning_rate": NOT_NEGATIVE}),
    "inverse_time": (
        {"learning_rate": 0.1, "decay_rate": 1.0},
        {"learning_rate": POSITIVE, "decay_rate": NOT_NEGATIVE, "decay_steps": POSITIVE},
    ),
    "inverse_power": (
        {"learning_rate": 0.1, "power": 0.5},
        {"learning_rate": POSITIVE, "power": POSITIVE, "decay_steps": POSITIVE},
    ),
    "inverse_square_root": (
        {"learning_rate": 0.1, "warmup_steps": 10},
        {"learning_rate": POSITIVE, "warmup_steps": COUNT},
    ),
    "cool_down": (
        {"schedule": constant(0.1), "from_step": 5, "steps": 10},
        {"from_step": COUNT_OR_NONE, "steps": COUNT, "eta_min": "a finite number >= 0 and <= 0.1"},
    ),
    "step": (
        {"learning_rate": 0.1, "step_size": 3},
        {"learning_rate": POSITIVE, "step_size": COUNT, "gamma": POSITIVE},
    ),
    "multistep": ({"learning_rate": 0.1, "milestones": [3]}, {"learning_rate": POSITIVE, "gamma": POSITIVE}),
    "exponential": ({"learning_rate": 0.1, "gamma": 0.9}, {"learning_rate": POSITIVE, "gamma": POSITIVE}),
    "polynomial": (
        {"learning_rate": 0.1, "total_steps": 10},
        {
            "learning_rate": POSITIVE,
            "total_steps": COUNT,
            "power": POSITIVE,
            "eta_min": "a finite number >= 0 and <= 0.1",
        },
    ),
    "linear": (
        {"learning_rate": 0.1, "total_steps": 10},
        {"learning_rate": POSITIVE, "total_steps": COUNT, "eta_min": "a finite number >= 0 and <= 0.1"},
    ),
    "cosine": (
        {"learning_rate": 0.1, "total_steps": 10},
        {"learning_rate": POSITIVE, "total_steps": COUNT, "eta_min": "a finite number >= 0 and <= 0.1"},
    ),
    "warm_restarts": (
        {"learning_rate": 0.1, "T_0": 10},
        {
            "learning_rate": POSITIVE,
            "T_0": COUNT,
            "T_mult": COUNT,
            "eta_min": "a finite number >= 0 and <= 0.1",
        },
    ),
    "warmup_linear": (
        {"learning_rate": 0.1, "warmup_steps": 10},
        {"learning_rate": POSITIVE, "warmup_steps": COUNT_OR_NONE, "start_factor": FRACTION},
    ),
    "with_warmup": (
        {"schedule": constant(0.1), "warmup_steps": 10},
        {"warmup_steps": COUNT_OR_NONE, "start_factor": FRACTION},
    ),
    "cyclic": (
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 10},
        {
            "base_lr": NOT_NEGATIVE,
            "max_lr": "a finite number >= 0.1",
            "step_size_up": COUNT,
            "step_size_down": COUNT,
            "gamma": "a finite number > 0 and <= 1",
        },
    ),
    "one_cycle": (
        {"max_lr": 0.1, "total_steps": 10},
        {
            "max_lr": POSITIVE,
            "total_steps": COUNT,
            "pct_start": FRACTION,
            "div_factor": POSITIVE,
            "final_div_factor": POSITIVE,
        },
    ),
    "warmup_stable_decay": (
        {"learning_rate": 0.1, "total_steps": 10, "warmup_steps": 2, "decay_steps": 4},
        {
            "learning_rate": POSITIVE,
            "total_steps": COUNT,
            "warmup_steps": "an integer >= 0 and <= 9",
            "decay_steps": "an integer >= 1 and <= 8",
            "eta_min": "a finite number >= 0 and <= 0.1",
            "start_factor": FRACTION,
        },
    ),
    "scale": ({"schedule": constant(0.1), "factor": 2.0}, {"factor": POSITIVE}),
}
CASES = [(function, argument) for function, (_, needs) in FUNCTIONS.items() for argument in needs]


@pytest.mark.parametrize(("function", "argument"), CASES)
def test_bad_numbers(function, argument):
    good, needs = FUNCTIONS[function]
    make = getattr(schedules, function)
    assert isinstance(make(**good), Schedule)
    need = needs[argument]
    wrong_kind = ["0.1", [0.1], True, 1j] + ([2.0] if "integer" in need else [])
    wrong_value = [-1] if "integer" in need else [-0.5, math.nan, math.inf, -math.inf]
    if need in (POSITIVE, COUNT):
        wrong_value.append(0)
    if need == FRACTION:
        wrong_value.append(1.5)
    for error, values in ((TypeError, wrong_kind), (ValueError, wrong_value)):
        for value in values:
            with pytest.raises(error) as caught:
                make(**{**good, argument: value})
            assert str(caught.value) == f"{argument} must be {need}, but got {value!r}"


@pytest.mark.parametrize(
    ("function", "argument"), [case for case in CASES if "integer" in FUNCTIONS[case[0]][1][case[1]]]
)
def test_counts_that_float64_cannot_hold(function, argument):
    good, _ = FUNCTIONS[function]
    with pytest.raises(ValueError, match=f"^{argument} must be .*, but got {2**53 + 1}$"):
        getattr(schedules, function)(**{**good, argument: 2**53 + 1})


@pytest.mark.parametrize(
    ("function", "argument", "value", "error", "need"),
    [
        ("linear", "eta_min", 0.2, ValueError, "a finite number >= 0 and <= 0.1"),
        ("cyclic", "max_lr", 0.05, ValueError, "a finite number >= 0.1"),
        ("cyclic", "mode", "square", ValueError, "one of 'triangular', 'triangular2', 'exp_range'"),
        ("cyclic", "mode", None, ValueError, "one of 'triangular', 'triangular2', 'exp_range'"),
        ("one_cycle", "anneal_strategy", "cosine", ValueError, "one of 'cos', 'linear'"),
        ("one_cycle", "three_phase", 1, TypeError, "True or False"),
        ("cool_down", "shape", "sqrt", ValueError, "one of 'linear', 'cosine', '1-sqrt'"),
        ("cool_down", "schedule", 0.1, TypeError, "a Schedule"),
        ("cool_down", "from_step", -1, ValueError, "an integer >= 0"),
        ("cool_down", "steps", 0, ValueError, "an integer >= 1"),
        ("cool_down", "eta_min", 0.2, ValueError, "a finite number >= 0 and <= 0.1"),
        ("warmup_stable_decay", "decay_shape", "log", ValueError, "one of 'linear', 'cosine', '1-sqrt'"),
        ("warmup_stable_decay", "warmup_steps", 10, ValueError, "an integer >= 0 and <= 9"),
        ("warmup_stable_decay", "decay_steps", 9, ValueError, "an integer >= 1 and <= 8"),
        ("multistep", "milestones", [], ValueError, "a non-empty sequence of integers"),
        ("multistep", "milestones", 3, TypeError, "a non-empty sequence of integers"),
        ("multistep", "milestones", "30", TypeError, "a non-empty sequence of integers"),
        ("multistep", "milestones", [5, 5], ValueError, "strictly increasing"),
        ("multistep", "milestones", [7, 5], ValueError, "strictly increasing"),
        ("with_warmup", "schedule", 0.1, TypeError, "a Schedule"),
        ("scale", "schedule", 0.1, TypeError, "a Schedule"),
    ],
)
def test_bad_choices_sequences_and_schedules(function, argument, value, error, need):
    with pytest.raises(error) as caught:
        getattr(schedules, function)(**{**FUNCTIONS[function][0], argument: value})
    assert str(caught.value) == f"{argument} must be {need}, but got {value!r}"


def test_bad_members_of_a_sequence_are_named_by_their_place():
    with pytest.raises(ValueError, match=r"^milestones\[1\] must be an integer >= 1, but got 0$"):
        schedules.multistep(0.1, milestones=[3, 0])
    with pytest.raises(TypeError, match=r"^milestones\[0\] must be an integer >= 1, but got 3.0$"):
        schedules.multistep(0.1, milestones=[3.0])
    with pytest.raises(ValueError, match=rf"^milestones\[1\] must be at most 2\*\*53, but got {2**53 + 1}$"):
        schedules.multistep(0.1, milestones=[3, 2**53 + 1])
    with pytest.raises(TypeError, match=r"^schedules\[1\] must be a Schedule, but got 0.1$"):
        join([constant(0.1), 0.1], boundaries=[3])


def test_three_phases_need_room_for_the_third():
    assert schedules.one_cycle(0.1, total_steps=10, pct_start=0.5, three_phase=True)(9) < 1e-6
    with pytest.raises(ValueError, match=r"^pct_start must be at most 0.5 with three_phase=True, but got 0.6$"):
        schedules.one_cycle(0.1, total_steps=10, pct_start=0.6, three_phase=True)


@pytest.mark.parametrize(
    ("parts", "boundaries", "error", "message"),
    [
        (constant(0.1), [3], TypeError, "schedules must be a sequence of two or more Schedules"),
        ([], [3], ValueError, "schedules must be a sequence of two or more Schedules, but got []"),
        ([constant(0.1)], [3], ValueError, "schedules must be a sequence of two or more Schedules"),
        (
            [constant(0.1)] * 2,
            [3, 4],
            ValueError,
            "boundaries must be one step fewer than the 2 schedules, but got [3, 4]",
        ),
        ([constant(0.1)] * 3, [4, 4], ValueError, "boundaries must be strictly increasing, but got [4, 4]"),
        ([constant(0.1)] * 2, [0], ValueError, "boundaries[0] must be an integer >= 1, but got 0"),
        ([constant(0.1)] * 2, 3, TypeError, "boundaries must be a non-empty sequence of integers, but got 3"),
    ],
)
def test_bad_joins(parts, boundaries, error, message):
    with pytest.raises(error) as caught:
        join(parts, boundaries=boundaries)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("schedule", [constant(0.1), with_warmup(scale(constant(0.1), 2.0), warmup_steps=3)])
@pytest.mark.parametrize(
    ("step", "error"),
    [
        (-1, ValueError),
        (np.array([3, -1]), ValueError),
        (1.0, TypeError),
        (np.float64(1), TypeError),
        (True, TypeError),
        ("1", TypeError),
        (None, TypeError),
        ([1, 2], TypeError),
        (np.array([1.0]), TypeError),
        (np.array([True]), TypeError),
        (torch.tensor([1]), TypeError),
    ],
)
def test_bad_steps(schedule, step, error):
    with pytest.raises(error) as caught:
        schedule(step)
    assert str(caught.value) == f"step must be an integer >= 0 or an array of such, but got {step!r}"


@pytest.mark.parametrize("step", [2**53 + 1, 10**400, np.array([2**53 + 1]), np.array([2**64 - 1], dtype=np.uint64)])
def test_steps_that_float64_cannot_hold(step):
    with pytest.raises(ValueError, match=r"^step must be at most 2\*\*53, but got"):
        constant(0.1)(step)


def _rates(step):
    return np.ones(step.shape)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"formula": 0.1}, TypeError, "formula must be callable, but got 0.1"),
        ({"name": 3}, TypeError, "name must be a string, but got 3"),
        ({"hyperparameters": [1]}, TypeError, "hyperparameters must be a mapping of names to values, but got [1]"),
        ({"total_steps": 0}, ValueError, "total_steps must be an integer >= 1, but got 0"),
        ({"total_steps": 1.5}, TypeError, "total_steps must be an integer >= 1, but got 1.5"),
    ],
)
def test_bad_schedules(arguments, error, message):
    with pytest.raises(error) as caught:
        Schedule(**{"formula": _rates, "name": "ones", **arguments})
    assert str(caught.value) == message


def test_a_formula_of_the_wrong_shape():
    with pytest.raises(
        ValueError, match=r"^formula must be a function that gives rates of the steps' shape \(3,\), but"
    ):
        Schedule(lambda step: 0.1, name="wrong")(np.arange(3))


def test_everything_but_the_main_argument_is_by_name_only():
    for function, (good, _) in FUNCTIONS.items():
        if function not in ("constant", "scale"):
            with pytest.raises(TypeError, match="positional argument"):
                getattr(schedules, function)(*good.values())
