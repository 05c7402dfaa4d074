"""axe-core finds nothing to complain of in any lab, in light and in dark; and every text in a drawing is legible."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from browser.test_labs import contrast
from browser.test_range_test_lab import made as range_tests
from browser.test_write_it import made as formulas
from lrlib.widgets import AdaptiveLab, Answer, Axis, CurveMark, Predict, ScheduleLab, StepSizeLab, TrainingLab

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa"]}}
BACKGROUNDS = {"light": [255, 255, 255], "dark": [20, 24, 30]}


def question() -> Predict:
    return Predict("Is 1 < 2?", answers=[Answer("No", "It is."), Answer("Yes", "So it is.", right=True)])


def mark() -> Predict:
    curve = CurveMark(
        x=Axis("rate η", 0.01, 10, log=True),
        y=Axis("loss", 0, 3),
        xs=[0.01, 1, 10],
        ys=[2, 0, 3],
        right=0.5,
        reason="So.",
    )
    return Predict("Where is the best rate?", mark=curve)


LABS: dict[str, Callable[[], Any]] = {
    "step size": StepSizeLab,
    "training": lambda: TrainingLab(steps=50),
    "schedule": lambda: ScheduleLab(steps=100),
    "adaptive": AdaptiveLab,
    "range test": range_tests,
    "write it": formulas,
    "question": question,
    "mark": mark,
}


@cache
def html(name: str) -> str:
    return LABS[name]().to_html()


def violations(page: Any) -> list[str]:
    """What axe-core says against the page: rule, element, reason."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(f"axe.run('.lrlab-host', {json.dumps(RULES)})")["violations"]
    return [f"{v['id']}: {n['html'][:160]}: {n['failureSummary']}" for v in found for n in v["nodes"]]


def illegible(page: Any, background: list[int]) -> list[tuple[str, float]]:
    """Texts within drawings, which axe-core passes over, whose contrast with the page is below 4.5."""
    texts = page.evaluate(
        """() => { const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
        return [...document.querySelectorAll('.lrlab-host svg text')].filter((e) => e.textContent.trim() &&
        e.checkVisibility()).map((e) => { const s = getComputedStyle(e); pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = s.fill; pen.fillRect(0, 0, 1, 1); let opacity = Number(s.fillOpacity);
        for (let up = e; up; up = up.parentElement) opacity *= Number(getComputedStyle(up).opacity);
        return [e.textContent, [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)], opacity]; }); }"""
    )
    assert texts is not None
    found = []
    for text, colour, opacity in texts:
        shown = [c * opacity + b * (1 - opacity) for c, b in zip(colour, background, strict=True)]
        if contrast(shown, background) < 4.5:
            found.append((text, round(contrast(shown, background), 2)))
    return found


def act(page: Any) -> None:
    """Bring everything on screen that a lab has to say."""
    rate = page.locator("input[name=learning_rate-typed]")
    for typed in ("0.02", "9", "fast"):  # the last is a problem, the one before diverges
        if rate.count():
            page.evaluate("(async () => { const t = performance.now(); performance.now = () => t + 1e4; })()")
            rate.first.fill(typed)
            page.wait_for_function(
                """(rate) => { const d = document.querySelector('[data-settings]').dataset;
                return Number.isNaN(rate) || JSON.parse(d.settings).learning_rate === rate && d.done !== 'false'; }""",
                arg=float(typed) if typed != "fast" else float("nan"),
            )
    if page.get_by_label("No", exact=True).count():
        page.get_by_label("No", exact=True).check()
        page.get_by_role("button").click()
    if page.locator("textarea").count():
        page.locator("summary").click()
        for typed in ("peak * t", "2t"):
            page.locator("textarea").fill(typed)
            page.wait_for_function(
                "(text) => document.querySelector('[data-state]').dataset.formula === text", arg=typed
            )
    if page.locator("svg[role=slider]").count():
        page.locator("svg[role=slider]").focus()
        page.keyboard.press("ArrowRight")
        page.get_by_role("button").click()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", list(LABS))
def test_nothing_to_complain_of(name: str, theme: str, show_body: Any) -> None:
    watched = show_body(html(name), theme=theme)
    page = watched.page
    assert violations(page) == []
    assert illegible(page, BACKGROUNDS[theme]) == []
    act(page)
    assert violations(page) == []
    assert illegible(page, BACKGROUNDS[theme]) == []
    watched.assert_clean()
