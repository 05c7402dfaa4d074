"""The range-test lab's Python side: the table that a page looks things up in says what the rules say."""

import base64
from typing import Any

import numpy as np
import pytest

from lrlib.range_tests import RULES, RangeTest, on_even_grid, running_mean, suggest_all
from lrlib.widgets import RangeTestCase, RangeTestLab
from lrlib.widgets.range_test_lab.table import BETAS, SMOOTHINGS, near_best, table

RATES = np.geomspace(1e-5, 10, 100)
RUNS = [0.001, 0.01, 0.1, 1.0, 10.0]


def curve(seed: int) -> RangeTest:
    """A fall at a rate that moves with the seed, noise, and a blow-up, after which the test has stopped."""
    noise = 0.1 * np.random.default_rng(seed).standard_normal(len(RATES))
    losses = 2 - np.tanh(np.log10(RATES / 0.01 / (1 + seed))) + RATES**2 + noise
    end = 100 - 3 * seed
    return RangeTest(RATES[:end], losses[:end], None, 100)


def case(seeds: int = 3, **changes: Any) -> RangeTestCase:
    losses = [[2, 1.2 - 0.1 * seed, 1, 3, np.inf] for seed in range(seeds)]
    return RangeTestCase(**({"tests": [curve(k) for k in range(seeds)], "rates": RUNS, "losses": losses} | changes))


def lab(**changes: Any) -> RangeTestLab:
    return RangeTestLab(**({"cases": {"one": case(), "two": case()}, "seeds": range(200, 203)} | changes))


def unpack(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["data"]), packed["dtype"]).reshape(packed["shape"])


def test_the_table_says_what_the_rules_say_at_every_seed_and_smoothing() -> None:
    told = table({"one": case()}, 1.5)
    one = told["cases"]["one"]
    silent = 0
    for i, smoothing in enumerate(SMOOTHINGS):
        for k in range(3):
            found = suggest_all(curve(k).rates, curve(k).losses, beta=None if smoothing == "own" else smoothing)
            low, high = near_best(case(), k, 1.5)
            for j, (name, suggestion) in enumerate(found.items()):
                assert told["rules"][j] == name
                assert told["reasons"][one["why"][i][k][j]] == suggestion.why
                rate = one["suggested"][i][k][j]
                assert one["near"][i][k][j] == (suggestion.rate is not None and low <= suggestion.rate <= high)
                if suggestion.rate is None:
                    silent += 1
                    assert rate is None
                    assert one["cost"][i][k][j] is None
                else:
                    assert rate == pytest.approx(suggestion.rate, rel=1e-3)
    assert 0 < silent < 7 * 3 * len(SMOOTHINGS)


def test_curves_travel_as_the_rules_see_them() -> None:
    one = table({"one": case()}, 1.5)["cases"]["one"]
    raw, smooth = unpack(one["raw"]), unpack(one["smooth"])
    assert (raw[2, 94:] == 65535).all()
    np.testing.assert_allclose(raw[2, :50] * one["unit"], curve(2).losses[:50], atol=one["unit"])
    grid, losses = on_even_grid(curve(1).rates, curve(1).losses)
    expected = running_mean(losses, beta=0.9)
    got = smooth[BETAS.index(0.9) * 3 + 1, : len(grid)] * one["unit"]
    np.testing.assert_allclose(got[:50], expected[:50], atol=one["unit"])


def test_a_cost_lies_between_two_runs_and_nowhere_else() -> None:
    rates = np.array(RUNS)
    one = RangeTestCase(tests=[curve(0)], rates=rates, losses=[[4, 2, 1, 2, 4]])
    read = RangeTestLab({"one": one}, seeds=[7]).readings()
    for reading in read.values():
        rate = reading.suggestion.rate
        if rate is None or rate < RUNS[0]:
            assert reading.cost is None
        else:
            assert reading.cost == pytest.approx(2 ** abs(np.log10(rate) + 1), rel=1e-9)
            assert reading.near == (reading.cost <= 1.5 + 1e-12)


def test_a_smoothing_for_all_is_each_rules_own_argument() -> None:
    found = suggest_all(RATES, curve(0).losses, beta=0.5)
    assert found == {name: rule(RATES, curve(0).losses, beta=0.5) for name, rule in RULES.items()}
    assert found != suggest_all(RATES, curve(0).losses)
    with pytest.raises(ValueError, match="beta must be a finite number >= 0 and < 1"):
        suggest_all(RATES, curve(0).losses, beta=1.0)


def test_beside_a_kernel_the_picture_has_what_a_page_has() -> None:
    made = lab()
    state = made.page_state()
    assert state["config"]["table"] == made.picture.config["table"]
    made.controls["seed"].value = 202
    made.controls["smoothing"].value = 0.5
    assert made.picture.settings == {"case": "one", "smoothing": 0.5, "seed": 202}
    expected = suggest_all(curve(2).rates, curve(2).losses, beta=0.5)
    assert {name: r.suggestion for name, r in made.readings().items()} == expected


def test_without_scripts_curve_truth_and_every_rule_stand() -> None:
    still = lab().still()
    assert still.count("<svg role") == 2
    for name in RULES:
        assert f"<th scope='row'>{name.replace('_', ' ')}</th>" in still
    flat = RangeTestCase(tests=[RangeTest(RATES, np.ones(100), None, 100)], rates=RUNS, losses=[[4, 2, 1, 2, 4]])
    alone = RangeTestLab({"flat": flat}, seeds=[0])
    assert "no suggestion, because the loss is the same at every rate" in alone.still()
    assert alone.summary() == "Range-test lab: flat; 0 of 7 rules land near the best rate"
    assert list(alone.controls) == ["case", "smoothing"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"cases": {}}, ValueError, "cases must be one or more"),
        ({"cases": {"one": 3}}, TypeError, "cases must be RangeTestCases by label"),
        ({"seeds": [1, 2, 4]}, ValueError, "seeds must be consecutive integers"),
        ({"seeds": [1]}, ValueError, "must be a case with 1 tests"),
        ({"factor": 1}, ValueError, "factor must be a finite number > 1"),
        ({"hint": 3}, TypeError, "hint must be text"),
    ],
)
def test_bad_input_says_what_it_must_be(changes: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        lab(**changes)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"tests": []}, TypeError, "tests must be one RangeTest or more"),
        ({"rates": [1, 0.1, 2, 3, 4]}, ValueError, "rates must be three or more in increasing order"),
        ({"losses": [[1.0, 2.0]]}, ValueError, "losses must be 3 rows of 5 numbers > 0"),
        ({"losses": np.zeros((3, 5))}, ValueError, "losses must be 3 rows of 5 numbers > 0"),
    ],
)
def test_a_bad_case_says_what_it_must_be(changes: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        case(**changes)
