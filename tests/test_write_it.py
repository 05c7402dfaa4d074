"""Cells in which the reader writes a formula: the language, and what a cell refuses to be made of."""

import json
from typing import Any

import numpy as np
import pytest

from lrlib import schedules
from lrlib.widgets import Axis, Slip, WriteIt
from lrlib.widgets.hosting.portable import script_json
from lrlib.widgets.write_it.formula import evaluate

NAMES = {"t": np.arange(6.0), "T": 4, "peak": 2.0}


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("1", [1] * 6),
        ("t", range(6)),
        ("peak * (1 - t / T)", [2, 1.5, 1, 0.5, 0, -0.5]),
        ("-2^2 + 2**3**0", [-2] * 6),
        ("2^-1", [0.5] * 6),
        ("--t", range(6)),
        ("min(t, 3, T) + max(t, 3)", [3, 4, 5, 6, 7, 8]),
        ("where(t < 2, 1, floor(t / 2))", [1, 1, 1, 1, 2, 2]),
        ("(t >= 4) * peak", [0, 0, 0, 0, 2, 2]),
        ("cos(pi * t) + abs(sin(0))", [1, -1, 1, -1, 1, -1]),
        ("sqrt(t - 2)", [np.nan, np.nan, 0, 1, 2**0.5, 3**0.5]),
        ("1 / (t - 1)", [-1, np.inf, 1, 1 / 2, 1 / 3, 1 / 4]),
        (" log(exp(t)) ", range(6)),
    ],
)
def test_a_formula_has_these_values(formula: str, expected: Any) -> None:
    np.testing.assert_allclose(evaluate(formula, NAMES), np.array(list(expected), dtype=float), atol=1e-15)


NOT_FORMULAS = """
t + | t t | x | t < 2 < 3 | cos() | cos(1, 2) | min(1) | where(1, 2) | peak(t) | 'a' | True | [t] | t.real | 1j | t := 2
__import__('os') | t if t else 1 | t and 1 | (lambda: 1)() | min(t, t, key=1)
"""


@pytest.mark.parametrize("formula", ["", *NOT_FORMULAS.replace("\n", "|").strip("|").split("|")])
def test_what_is_no_formula_is_refused(formula: str) -> None:
    with pytest.raises(ValueError, match="formula must be"):
        evaluate(formula, NAMES)


def cell(**changes: Any) -> WriteIt:
    given: dict[str, Any] = {
        "expected": schedules.linear(0.1, total_steps=100),
        "at": range(100),
        "variable": "t",
        "given": {"T": 100, "peak": 0.1},
        "answer": "peak * (1 - t / T)",
        "reason": "A share of t/T is gone.",
        "slips": [Slip("peak * t / T", "It rises.")],
        "x": Axis("step t", 0, 100),
        "y": Axis("rate", 0, 0.12),
    }
    return WriteIt("Write </script> 1 < 2.", **(given | changes))


def test_it_is_checked_by_values_and_not_by_words() -> None:
    made = cell()
    for right in ("0.1 - t / 1000", "peak * (T - t) / T", "max(0, peak - t * peak / T)", "0.10005 * (1 - t / T)"):
        assert made.check(right) is None
    assert made.check("peak * t / T") == 0
    assert made.check("peak * (1 - (t + 1) / T)") == 0
    assert made.check("where(t < 7, peak * (1 - t / T), sqrt(-1))") == 7


def test_ours_travels_as_numbers_and_the_output_stands_without_scripts() -> None:
    made = cell()
    state = json.loads(script_json(made.page_state()))["content"]
    assert state["expected"]["shape"] == [100]
    assert state["slips"][0]["hint"] == "It rises."
    assert "formula" not in state["slips"][0]
    assert made.to_html().count("</script>") == 1
    before, after = made.still().split("<details>")
    assert "T = 100; peak = 0.1" in before
    assert "peak * (1 - t / T)" in after
    assert made.summary() == "Write it: Write </script> 1 < 2."
    assert made.formula == ""


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"answer": "peak"}, ValueError, "answer must be right, and it is not at t = 1"),
        ({"answer": "peak *"}, ValueError, "formula must be a formula"),
        ({"slips": [Slip("0.1 - t / 1000", "No.")]}, ValueError, "slips must be different from ours"),
        (
            {"slips": [Slip("peak", "A."), Slip("0.1", "B.")]},
            ValueError,
            "slips must be different from peak",
        ),
        ({"slips": ["peak"]}, TypeError, "slips must be a sequence of Slip"),
        ({"given": {"floor": 1.0}}, ValueError, "given must be names that no function has"),
        ({"given": {"two words": 1.0}}, ValueError, "given must be names"),
        ({"variable": "pi"}, ValueError, "given must be names"),
        ({"at": [0, 0, 1]}, ValueError, "at must be two or more in increasing order"),
        ({"expected": [1.0, 2.0]}, ValueError, "expected must be 100 values"),
        ({"tolerance": 0}, ValueError, "tolerance must be a finite number > 0"),
        ({"x": 3}, TypeError, "x must be an Axis"),
        ({"reason": 3}, TypeError, "reason must be text"),
    ],
)
def test_bad_input_says_what_it_must_be(changes: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cell(**changes)
