"""Findings: verdicts follow from checks, intervals from Student's t."""

import numpy as np
import pytest
from scipy import stats

from lrlib.evidence import Finding, interval


def finding(**changes):
    settings = {
        "claim": "C01",
        "text": "A <b>claim</b>.",
        "checks": {"a": True},
        "figures": {"x": 1.23456},
        "where": "digits",
    }
    return Finding(**(settings | changes))


def test_interval_is_scipys_t_interval():
    values = np.array([1.0, 4.0, 2.0, 8.0])
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    found = interval(values)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    assert found.runs == 4


@pytest.mark.parametrize("values", [[1.0], [], [np.nan, 1.0], "ab"])
def test_interval_refuses(values):
    with pytest.raises((ValueError, TypeError), match="values must be"):
        interval(values)


def test_verdict_follows_from_the_checks():
    assert finding().verdict == "holds"
    assert finding(when="the batch is small").verdict == "holds when"
    assert finding(checks={"a": True, "b": False}, when="x").verdict == "does not hold as stated"


def test_html_escapes_and_shows_failed_checks():
    html = finding(checks={"a < b": False}, instead="b < a")._repr_html_()
    assert "A &lt;b&gt;claim" in html
    assert "✗ a &lt; b" in html
    assert "b &lt; a" in html


def test_checks_must_be_there_and_boolean():
    with pytest.raises(ValueError, match="checks must be at least one"):
        finding(checks={})
    with pytest.raises(TypeError, match=r"checks\['a'\] must be True or False, but got 1"):
        finding(checks={"a": 1})
