"""Findings: verdicts follow from checks alone, noise never improves one, and the article's words are what is tested."""

import json
import math
from dataclasses import replace
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrlib.evidence import (
    CLAIMS,
    VERDICTS,
    Check,
    Finding,
    Interval,
    Region,
    at_least,
    at_most,
    exact,
    limits,
    outside,
    supports,
    verdict_of,
    within,
)
from lrlib.evidence.cards import card, picture
from lrlib.evidence.findings import MIME

CLEAR = Interval(0.8, 0.7, 0.9, 12, "ratio", "validation loss")
OUTCOMES = {"supported": at_most(0.95), "contradicted": at_least(1.1), "undecided": at_most(0.85)}


def check(outcome="supported", side="supports", name="a"):
    when = f"it rains on arm {name}" if side == "limits" else ""
    return Check(f"arm {name} ends lower by enough", CLEAR, OUTCOMES[outcome], "digits, 12 seeds", side, when)


def finding(*checks, **changes):
    return Finding("C17", checks or (check(),), **({"where": "500 steps, 12 seeds"} | changes))


@pytest.mark.parametrize(
    ("region", "inside", "outcome"),
    [
        (at_least(1.0), (1.0, 2.0), "supported"),
        (at_least(1.0), (0.9, 2.0), "undecided"),
        (at_least(1.0), (0.5, 0.9), "contradicted"),
        (at_most(1.0), (0.5, 1.0), "supported"),
        (at_most(1.0), (0.9, 2.0), "undecided"),
        (at_most(1.0), (1.1, 2.0), "contradicted"),
        (within(0.9, 1.1), (0.95, 1.05), "supported"),
        (within(0.9, 1.1), (0.95, 1.15), "undecided"),
        (within(0.9, 1.1), (0.5, 2.0), "undecided"),
        (within(0.9, 1.1), (1.2, 1.5), "contradicted"),
        (outside(0.9, 1.1), (1.2, 1.5), "supported"),
        (outside(0.9, 1.1), (0.5, 0.8), "supported"),
        (outside(0.9, 1.1), (0.95, 1.05), "contradicted"),
        (outside(0.9, 1.1), (0.5, 1.5), "undecided"),
    ],
)
def test_outcomes(region, inside, outcome):
    low, high = inside
    assert region.outcome(Interval((low + high) / 2, low, high, 5)) == outcome


def test_no_difference_is_not_shown_by_an_interval_that_contains_none():
    noisy = Interval(1.0, 0.5, 2.0, 3, "ratio")
    assert within(0.95, 1.05).outcome(noisy) == "undecided"
    assert at_least(1.0).outcome(noisy) == "undecided"


def test_what_is_unknown_decides_nothing():
    for region in (at_least(1), at_most(1), within(0.5, 2), outside(0.5, 2)):
        assert region.outcome(Interval(math.nan, 0.0, math.inf, 5, "ratio")) == "undecided"
        assert region.outcome(Interval(math.inf, 0.0, math.inf, 5, "ratio")) == "undecided"


S, C, U = "supported", "contradicted", "undecided"


@pytest.mark.parametrize(
    ("supporting", "limiting", "verdict"),
    [
        ([S], [], "holds"),
        ([S, S], [C, C], "holds"),
        ([S], [S], "holds when"),
        ([S], [S, U, C], "holds when"),
        ([S], [U], "not decided here"),
        ([S], [U, C], "not decided here"),
        ([S, U], [], "not decided here"),
        ([U], [S], "not decided here"),
        ([S, C], [], "does not hold as stated"),
        ([U, C], [S], "does not hold as stated"),
    ],
)
def test_the_rules(supporting, limiting, verdict):
    checks = [check(one) for one in supporting] + [check(one, "limits") for one in limiting]
    assert verdict_of(checks) == verdict


numbers = st.floats(-3, 3).map(lambda x: round(x, 2))


@st.composite
def regions(draw):
    low = draw(numbers)
    high = low + draw(st.floats(0.1, 3))
    return draw(st.sampled_from([at_least(low), at_most(low), within(low, high), outside(low, high)]))


@st.composite
def checks(draw, side):
    low, middle, high = sorted(draw(st.tuples(numbers, numbers, numbers)))
    when = "it rains" if side == "limits" else ""
    return Check("arm a ends lower by enough", Interval(middle, low, high, 5), draw(regions()), "toy", side, when)


@st.composite
def wider(draw, one):
    left, right = draw(st.tuples(st.floats(0, 4), st.floats(0, 4)))
    estimate = replace(one.estimate, low=one.estimate.low - left, high=one.estimate.high + right)
    return replace(one, estimate=estimate)


@given(st.data())
def test_noise_never_improves_a_verdict(data):
    """Wider intervals leave the verdict as it was, or make it "not decided here": never anything else."""
    before = [data.draw(checks("supports")) for _ in range(data.draw(st.integers(1, 3)))]
    before += [data.draw(checks("limits")) for _ in range(data.draw(st.integers(0, 3)))]
    after = [data.draw(wider(one)) for one in before]
    assert verdict_of(after) in (verdict_of(before), "not decided here")


def test_the_claim_is_the_articles_and_nobody_elses():
    assert finding().quoted is CLAIMS["C17"]
    assert "can refine" in finding().quoted.text
    with pytest.raises(TypeError, match="text"):
        Finding("C17", [check()], where="here", text="Lowering the rate refines the solution.")
    with pytest.raises(ValueError, match="claim must be one of"):
        Finding("C99", [check()], where="here")
    assert list(CLAIMS) == [f"C{k:02}" for k in range(1, 32)]
    assert all(claim.id == name and claim.name and claim.sentences for name, claim in CLAIMS.items())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: finding(check(side="limits")), "at least one that supports the claim"),
        (lambda: Finding("C17", [], where="here"), "at least one that supports the claim"),
        (lambda: finding(True, check()), r"checks\[0\] must be made by supports\(\) or limits\(\)"),
        (lambda: limits("a statement of four words", CLEAR, at_most(1), on="d", when=""), "when must be a text"),
        (lambda: replace(check(), when="it rains"), "when must be empty for a check that supports"),
        (lambda: finding(check("contradicted")), "instead must be what is true instead"),
        (lambda: finding(where=" "), "where must be the budget"),
        (lambda: finding(check(), check()), "checks must be different statements"),
        (lambda: supports("the same for the cosine arm", CLEAR, at_most(1), on="d"), "without the one above it"),
        (lambda: supports("lower", CLEAR, at_most(1), on="d"), "without the one above it"),
        (lambda: supports("a statement of four words", 0.8, at_most(1), on="d"), "estimate must be an Interval"),
        (lambda: supports("a statement of four words", CLEAR, 1.0, on="d"), r"region must be at_least\(\)"),
        (lambda: supports("a statement of four words", CLEAR, at_most(-0.1), on="d"), "numbers > 0 for a ratio"),
        (lambda: supports("a statement of four words", CLEAR, at_most(1), on=""), "on must be a text"),
        (
            lambda: limits("a statement of four words", exact(0.5, scale="share"), at_most(50), on="d", when="x"),
            "from 0 to 1",
        ),
        (lambda: within(1.0, 1.0), "high must be a finite number > 1"),
    ],
)
def test_what_decides_nothing_is_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_expect_returns_the_finding_or_tells_all_outcomes():
    found = finding(check(name="a"), check("undecided", name="b"))
    assert found.expect("not decided here") is found
    with pytest.raises(AssertionError, match=r"written for 'holds'(.|\n)*✓ supported(.|\n)*\? undecided .*arm b"):
        found.expect("holds")
    with pytest.raises(ValueError, match="verdict must be one of"):
        found.expect("works")


def test_the_text_goes_with_the_verdict():
    limit = [check(one, "limits", name) for one, name in zip((S, U, C, S), "bcde", strict=True)]
    limited = finding(check(), *limit, instead="the opposite")
    conditions = "it rains on arm b, and it rains on arm e; not decided here: whether also when it rains on arm c"
    assert (limited.verdict, limited.detail) == ("holds when", conditions)
    failed = finding(check("contradicted"), *limit, instead="the opposite")
    assert (failed.verdict, failed.detail) == ("does not hold as stated", "the opposite")
    assert finding(check(), limit[1]).detail == ""


def test_a_finding_survives_json():
    endless = Interval(math.nan, 0.0, math.inf, 5, "ratio", "loss")
    checks = [
        check(),
        check("undecided", "limits", "b"),
        replace(check("contradicted", "limits", "c"), estimate=endless),
    ]
    found = finding(*checks)
    bundle = found._repr_mimebundle_()
    again = Finding.from_json(json.loads(json.dumps(bundle[MIME], allow_nan=False)))
    assert repr(again) == repr(found)
    assert bundle[MIME]["verdict"] == found.verdict
    assert bundle[MIME]["sentence"] == CLAIMS["C17"].text
    assert bundle["text/plain"] == repr(found)


def test_the_card_is_escaped_and_says_everything_in_words():
    bad = finding(replace(check("contradicted"), statement="a < b at every rate"), instead="b < a")
    html = card(bad)
    assert "A &lt; b at every rate" in html
    assert "b &lt; a" in html
    assert escape(CLAIMS["C17"].text) in html
    for word in ("✗ contradicted", "Does not hold as stated", "ratio of validation loss, 12 runs", "at least 1.1"):
        assert word in html
    assert "finding-c17" in html
    assert "finding-c17" not in card(bad, anchor=False)


@pytest.mark.parametrize(
    "estimate",
    [
        CLEAR,
        exact(3.0),
        Interval(math.inf, 0.0, math.inf, 5, "ratio"),
        Interval(math.nan, 0.0, math.inf, 5, "ratio"),
        Interval(math.nan, -math.inf, math.inf, 5, "difference"),
        Interval(-0.2, -0.4, 0.1, 5, "difference"),
        Interval(1.0, 0.7, 1.0, 9, "share"),
    ],
)
@pytest.mark.parametrize("region", [at_least(0.5), at_most(0.5), within(0.5, 0.9), outside(0.5, 0.9)])
def test_every_picture_stays_inside_its_frame(estimate, region):
    import xml.etree.ElementTree as ElementTree

    drawn = ElementTree.fromstring(picture(Check("a statement of four words", estimate, region, "toy", "supports")))
    width = float(drawn.get("width"))
    places = [float(part.get(name)) for part in drawn for name in ("x", "x1", "x2", "cx") if part.get(name)]
    assert all(0 <= place <= width for place in places)
    assert drawn.get("aria-label")


def test_the_verdicts_are_four():
    assert len(VERDICTS) == len(set(VERDICTS)) == 4
    assert Region(1, 2).outcome(exact(1.5)) == "supported"
