"""Intervals: against scipy's own, on the scale that they say, and refused where they would mislead."""

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from lrlib.evidence import Interval, difference, exact, geometric, glue, interval, ratio, share, share_difference

A, B = np.array([1.0, 4.0, 2.0, 8.0]), np.array([2.0, 3.0, 4.0, 5.0])


def scipys(values):
    return stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))


def test_a_mean_has_scipys_t_interval():
    found = interval(A)
    assert (found.low, found.high) == pytest.approx(scipys(A), rel=1e-12)
    assert (found.estimate, found.mean, found.runs, found.scale) == (A.mean(), A.mean(), 4, "value")


def test_a_difference_is_paired():
    found = difference(A, B)
    assert (found.low, found.high) == pytest.approx(scipys(A - B), rel=1e-12)


@pytest.mark.parametrize(("found", "logs"), [(ratio(A, B), np.log(A / B)), (geometric(A), np.log(A))])
def test_ratios_and_geometric_means_live_on_the_logarithm(found, logs):
    assert (found.low, found.high) == pytest.approx(np.exp(scipys(logs)), rel=1e-12)
    assert found.estimate == pytest.approx(np.exp(logs.mean()))
    assert found.low > 0


def test_a_ratio_turned_over_is_the_other_ratio():
    there, back = ratio(A, B).inverse, ratio(B, A)
    assert (there.estimate, there.low, there.high) == pytest.approx((back.estimate, back.low, back.high))


def test_a_ratio_in_per_cent():
    change = ratio(A, B).percent
    assert change.estimate == pytest.approx(100 * (ratio(A, B).estimate - 1))
    assert change.scale == "percent"


@pytest.mark.parametrize(("successes", "runs"), [(0, 7), (3, 7), (7, 7)])
def test_a_share_has_the_exact_interval_and_some_width(successes, runs):
    found = share(successes, runs)
    low = stats.beta.ppf(0.025, successes, runs - successes + 1) if successes else 0
    high = stats.beta.ppf(0.975, successes + 1, runs - successes) if successes < runs else 1
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
    assert found.high - found.low > 0.3


def test_a_difference_of_shares_covers_at_least_95_per_cent():
    rng, covered = np.random.default_rng(0), 0
    for k, n in rng.binomial(12, [0.9, 0.4], size=(1000, 2)):
        found = share_difference(share(k, 12), share(n, 12))
        covered += found.low <= 0.5 <= found.high
    assert covered >= 940


def test_the_scale_is_printed():
    assert str(ratio(A, B, of="validation loss")).endswith("(ratio of validation loss, 4 runs)")
    assert str(exact(2.0)) == "2 (value, exact)"
    assert f"{interval(B):.1f}" == "3.5 [1.4, 5.6]"


@pytest.mark.parametrize("values", [[1.0], [], [np.nan, 1.0], [1.0, np.inf], "ab", [2.0, 2.0, 2.0]])
def test_interval_refuses(values):
    with pytest.raises((ValueError, TypeError), match="values must be"):
        interval(values)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ratio([1.0, 2.0], [1.0, 0.0]), "b must be .* > 0"),
        (lambda: ratio([1.0, 2.0], [1.0, 2.0, 3.0]), "a and b must be of one length"),
        (lambda: ratio(A, 2 * A), "a / b must be not all equal"),
        (lambda: geometric([1.0, -1.0]), "values must be .* > 0"),
        (lambda: share(8, 7), "successes must be an integer >= 0 and <= 7"),
        (lambda: share_difference(share(1, 2), interval(A)), r"b must be what share\(\) returns"),
        (lambda: interval(A).percent, "scale must be 'ratio' or 'share'"),
        (lambda: Interval(1.0, 2.0, 3.0, 4), "low, estimate, high must be in this order"),
        (lambda: Interval(1.0, 0.0, 3.0, 4, "logs"), "scale must be one of"),
    ],
)
def test_what_would_mislead_is_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_unknown_has_no_ends():
    nothing = Interval(math.nan, 0.0, math.inf, 5, "ratio")
    assert "nan" in str(nothing)


@pytest.fixture
def displayed(monkeypatch):
    """What is displayed, by lrlib's glue as by that of myst_nb: (data, settings) each."""
    seen = []

    def show(data, *, raw, metadata):
        assert raw
        seen.append((data, metadata))

    monkeypatch.setattr("IPython.display.display", show)
    monkeypatch.setattr("myst_nb.ext.glue.ipy_display", show)
    return seen


def test_glue_puts_a_figure_down_and_closes_it(displayed):
    import matplotlib.pyplot as plt
    import myst_nb

    figure = plt.figure()
    myst_nb.glue("picture", figure, display=False)
    glue("picture", figure)
    theirs, ours = displayed
    assert ours == theirs
    assert not plt.fignum_exists(figure.number)


def test_glue_puts_an_interval_down_in_three_parts_and_shows_nothing(displayed):
    import myst_nb

    found = ratio(A, B).percent
    glue("gain", found)
    glue("steps", np.float32(500))
    glue("who", "linear")
    ours = displayed.copy()
    displayed.clear()
    parts = {"gain": found.estimate, "gain-low": found.low, "gain-high": found.high, "steps": 500.0, "who": "linear"}
    for name, value in parts.items():
        myst_nb.glue(name, value, display=False)
    assert ours == displayed
    assert not any(kind in ("text/plain", "text/html") for data, _ in ours for kind in data)
    with pytest.raises(TypeError, match="name must be a text"):
        glue(1, 2)


def test_glue_does_without_what_is_slow_to_import():
    code = (
        "import sys; from lrlib.evidence import glue; glue('one', 1.0); print('slow' * ('jsonschema' in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "slow" not in ran.stdout
