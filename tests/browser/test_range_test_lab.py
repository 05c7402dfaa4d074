"""The range-test lab in a page: what it draws and says at each seed and smoothing is what Python's rules say."""

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from lrlib.range_tests import RULES, RangeTest, suggest_all
from lrlib.widgets import RangeTestCase, RangeTestLab
from lrlib.widgets.range_test_lab.table import SMOOTHINGS, near_best

RATES = np.geomspace(1e-5, 10, 100)
RUNS = np.geomspace(1e-4, 10, 11)


def recorded(seed: int, edge: float) -> RangeTest:
    noise = 0.1 * np.random.default_rng(seed).standard_normal(len(RATES))
    losses = 2 - np.tanh(np.log10(RATES / 0.01 / (1 + seed))) + (RATES / edge) ** 2 + noise
    return RangeTest(RATES, losses, None, 100)


def case(edge: float = 1.0) -> RangeTestCase:
    losses = [np.exp(0.5 * np.log(RUNS / 0.05 / (1 + seed)) ** 2) for seed in range(4)]
    return RangeTestCase(tests=[recorded(seed, edge) for seed in range(4)], rates=RUNS, losses=losses)


@cache
def made() -> RangeTestLab:
    return RangeTestLab({"Steep": case(), "Late": case(20.0)}, seeds=range(40, 44))


@cache
def body() -> str:
    return made().to_html()


def shown(page: Any) -> dict[str, Any]:
    found = page.evaluate("({...document.querySelector('[data-settings]').dataset})")
    return {name: json.loads(found[name]) for name in ("settings", "said", "range")}


def choose(page: Any, *, seed: int, smoothing: int, case: str) -> dict[str, Any]:
    page.locator("input[name=seed]").fill(str(seed))
    page.locator("select[name=smoothing]").select_option(index=smoothing)
    page.locator("select[name=case]").select_option(label=case)
    page.wait_for_function(
        """([seed, smoothing, kind]) => { const d = document.querySelector('[data-settings]').dataset;
        const s = JSON.parse(d.settings); return s.seed === seed && s.smoothing === smoothing && s.case === kind; }""",
        arg=[seed, SMOOTHINGS[smoothing], case],
    )
    return shown(page)


@pytest.mark.parametrize("way", ["http", "file"])
def test_every_rule_at_every_smoothing_is_pythons(way: str, show_body: Any) -> None:
    watched = show_body(body(), way=way)
    page = watched.page
    assert page.locator(".lrlab-still").count() == 0
    for label, edge in (("Steep", 1.0), ("Late", 20.0)):
        for smoothing, value in enumerate(SMOOTHINGS):
            seed = smoothing % 4
            test = recorded(seed, edge)
            found = suggest_all(test.rates, test.losses, beta=None if isinstance(value, str) else value)
            now = choose(page, seed=40 + seed, smoothing=smoothing, case=label)
            low, high = near_best(case(edge), seed, 1.5)
            assert now["range"] == pytest.approx([low, high], rel=1e-3)
            rows = page.locator(".lrlab-readings tbody tr").all_inner_texts()
            for row, (name, suggestion) in zip(rows, found.items(), strict=True):
                assert row.startswith(name.replace("_", " "))
                said = now["said"][name]
                if suggestion.rate is None:
                    assert said == {"rate": None, "near": False}
                    assert f"no suggestion, because {suggestion.why}" in row
                else:
                    assert said["rate"] == pytest.approx(suggestion.rate, rel=1e-3)
                    assert said["near"] == (low <= suggestion.rate <= high) == ("near the best" in row)
    watched.assert_clean()


def test_each_rate_stands_on_the_curve_and_the_shaded_range_under_all_three(show_body: Any) -> None:
    page = show_body(body()).page
    made_rates = [one["rate"] for one in shown(page)["said"].values() if one["rate"] is not None]
    assert page.locator(".lrlab-band").count() == 3
    charts = page.locator(".lrlab-chart")
    assert charts.nth(0).locator(".lrlab-dot").count() == len(made_rates)
    assert charts.nth(1).locator("svg g text", has_text="valley").count() == 1
    width = charts.nth(0).locator("svg svg").evaluate("(e) => e.width.baseVal.value")
    places = charts.nth(0).locator(".lrlab-dot").evaluate_all("(all) => all.map((e) => e.cx.baseVal.value)")
    np.testing.assert_allclose(places, width * np.log(np.array(made_rates) / 1e-5) / np.log(1e6), atol=0.5)
    for i in (1, 2):
        same = charts.nth(i).locator("svg svg").evaluate("(e) => [e.x.baseVal.value, e.width.baseVal.value]")
        assert same == charts.nth(0).locator("svg svg").evaluate("(e) => [e.x.baseVal.value, e.width.baseVal.value]")


def test_keys_move_seed_and_smoothing(show_body: Any) -> None:
    watched = show_body(body(), width=390, theme="dark")
    page = watched.page
    for name, key in {"input[name=seed]": "ArrowRight", "select[name=smoothing]": "ArrowDown"}.items():
        before = page.locator("[data-settings]").get_attribute("data-settings")
        drawn = page.locator("[data-name=smoothed]").get_attribute("d")
        page.locator(name).focus()
        page.keyboard.press(key)
        page.wait_for_function(
            "(before) => document.querySelector('[data-settings]').dataset.settings !== before", arg=before
        )
        assert page.locator("[data-name=smoothed]").get_attribute("d") != drawn
    assert page.locator(".lrlab-status").inner_text().startswith("Recorded. Steep, seed 41: ")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    watched.assert_clean()


def test_without_scripts_the_first_test_stands(show_body: Any) -> None:
    page = show_body(body(), scripts=False, width=390).page
    assert page.locator(".lrlab-still svg[role=img]").count() == 2
    assert page.locator(".lrlab-readings tbody tr").count() == len(RULES)
    assert "Recorded" in page.locator(".lrlab-status").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
