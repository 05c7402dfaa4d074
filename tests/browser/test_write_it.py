"""Cells for a formula in a page: it reads what Python reads, says where a mistake stands, and judges by values."""

import random
from functools import cache
from typing import Any

import numpy as np
import pytest

from lrlib import schedules
from lrlib.widgets import Axis, Slip, WriteIt
from lrlib.widgets.hosting.bundling import bundle
from lrlib.widgets.write_it.formula import FUNCTIONS, evaluate

NAMES = {"t": np.arange(8.0), "T": 5.0, "peak": 0.3}
ANSWER = "peak * (1 + cos(pi * t / T)) / 2"
SLIPS = {
    "peak * (1 + cos(180 * t / T)) / 2": "radians",
    "peak * (1 + cos(pi * (t + 1) / T)) / 2": "one step ahead",
    "peak * sqrt(t - 100)": "a negative number under the root",
}


@cache
def made() -> WriteIt:
    return WriteIt(
        "Write a cosine decay: η_{0} is </script> & peak.",
        expected=schedules.cosine(0.1, total_steps=200),
        at=range(200),
        variable="t",
        given={"T": 200, "peak": 0.1},
        answer=ANSWER,
        reason="Half a turn.",
        slips=[Slip(formula, hint) for formula, hint in SLIPS.items()],
        x=Axis("step t", 0, 200),
        y=Axis("rate η", 0, 0.12),
    )


@cache
def body() -> str:
    return made().to_html()


def write(page: Any, text: str) -> tuple[str, str]:
    """What is said of a formula: a word for it, and the words."""
    page.locator("textarea").fill(text)
    page.wait_for_function("(text) => document.querySelector('[data-state]').dataset.formula === text", arg=text)
    return page.locator("[data-state]").get_attribute("data-state"), page.locator(".lrlab-status").inner_text()


def anything(draw: random.Random, depth: int) -> str:
    """A formula of the language, by chance."""
    if depth == 0:
        return draw.choice(["t", "T", "peak", "pi", "2", "0.5", "3e-1", ".25", "7."])
    inner = [anything(draw, depth - 1) for _ in range(3)]
    kind = draw.randrange(6)
    if kind == 0:
        return f"-{inner[0]}"
    if kind == 1:
        return f"({inner[0]} {draw.choice(['<', '<=', '>', '>=', '==', '!='])} {inner[1]})"
    if kind == 2:
        name = draw.choice(list(FUNCTIONS))
        fewest = FUNCTIONS[name][1]
        return f"{name}({', '.join(inner[:fewest])})"
    sign = draw.choice(["+", "-", "*", "/", "^", "**", " + ", " * "])
    return draw.choice([f"{inner[0]}{sign}{inner[1]}", f"({inner[0]}){sign}({inner[1]})"])


def test_the_page_reads_every_formula_as_python_does(visit: Any) -> None:
    draw = random.Random(0)
    formulas = [anything(draw, depth) for depth in (1, 2, 3, 4) for _ in range(150)]
    page = visit("about:blank", origin="about:", wait=False).page
    code = f"""([formulas, names]) => {{ {bundle("write_it/formula.js")}
    return formulas.map((text) => {{ const f = parseFormula(text, Object.keys(names));
    return names.t.map((t) => String(f({{ ...names, t }}))); }}); }}"""
    found = page.evaluate(code, [formulas, {**NAMES, "t": list(range(8))}])
    finite = 0
    for formula, values in zip(formulas, found, strict=True):
        expected = evaluate(formula, NAMES)
        numbers = np.array([float(value.replace("Infinity", "inf")) for value in values])
        good = np.isfinite(expected) & (abs(expected) < 1e12)  # beyond, the last digits decide
        np.testing.assert_allclose(numbers[good], expected[good], rtol=1e-9, atol=1e-12, err_msg=formula)
        assert not np.isfinite(numbers[np.isnan(expected)]).any(), formula
        finite += good.any()
    assert finite > 400


@pytest.mark.parametrize("way", ["http", "file"])
def test_it_is_judged_by_values_at_every_step(way: str, show_body: Any) -> None:
    watched = show_body(body(), way=way)
    page = watched.page
    assert page.locator(".lrlab-still").count() == 0
    assert page.locator("[data-name=yours]").count() == 0
    for right in (ANSWER, "0.05*(1+cos(t·π/200))", "0.1 × cos(pi*t/400)^2", "peak*(1+cos(3.1416*t/T))/2\n"):
        assert write(page, right) == ("right", "Right at all 200 points.")
    assert page.locator("[data-name=yours]").count() == 1
    for slip, hint in SLIPS.items():
        state, said = write(page, slip)
        assert state == "slip"
        assert said.startswith("Not yet. First apart at t = ")
        assert said.endswith(hint)
    state, said = write(page, "where(t < 50, peak * (1 + cos(pi * t / T)) / 2, 0)")
    assert state == "wrong"
    assert "First apart at t = 50: yours is 0, ours 0.08536: 0.0854 apart. It agrees at" in said
    assert "yours is ∞, ours 0.1." in write(page, "1 / t")[1]
    assert write(page, "  ")[0] == "empty"
    watched.assert_clean()


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("2t", 2, "Is a * missing before t?"),
        ("peak * (1 + t", 14, "A ) is missing for the ( at character 8."),
        ("peak * ", 7, "Something is missing after *."),
        ("t)", 2, "This ) closes nothing."),
        ("()", 2, "nothing before it"),
        ("* t", 1, "missing before *"),
        ("np.cos(t)", 1, "“np.” is not needed"),
        ("eta = t", 5, "right of the ="),
        ("|t|", 1, "abs(x)"),
        ("Peak", 1, "did you mean peak?"),
        ("steps", 1, "known are pi, t, T, peak and min"),
        ("t if t < 2 else 3", 3, "“if” is not known here: write where("),
        ("if", 1, "where(condition"),
        ("cos t", 1, "cos needs parentheses"),
        ("T(1 + t)", 2, "T is a number"),
        ("sine(t)", 1, "“sine” is not known here"),
        ("cos(t, 2)", 1, "cos takes one argument, not 2."),
        ("min(t)", 1, "min takes 2 arguments or more, not 1."),
        ("where(t < 2, 1)", 1, "the value elsewhere, not 2."),
        ("0 < t < 2", 7, "Only two sides"),
        ("0,5 * t", 2, "a point, as in 0.5"),
        ("t $ 2", 3, "“$” cannot stand in a formula."),
        ("constructor", 1, "is not known here"),
        ("toString(t)", 1, "is not known here"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, at: int, message: str, error_page: Any) -> None:
    state, said = write(error_page, text)
    assert state == "error"
    assert said.startswith(f"At character {at}: "), said
    assert message in said
    assert error_page.locator("textarea").get_attribute("aria-invalid") == "true"
    assert error_page.locator(".lrlab-where mark").count() == 1


@pytest.fixture(scope="module")
def error_page(chromium: Any) -> Any:
    page = chromium.new_page()
    page.set_content(f"<!doctype html><html lang='en'><body>{body()}</body></html>")
    page.wait_for_selector("[data-state]")
    yield page
    page.close()


def test_it_needs_no_mouse_and_keeps_its_keys(show_body: Any) -> None:
    watched = show_body(body(), width=390, theme="dark")
    page = watched.page
    page.evaluate("document.addEventListener('keydown', () => { window.leaked = true; })")
    page.get_by_label("η(t) =").focus()
    page.keyboard.type("peak")
    page.wait_for_function("document.querySelector('[data-state]').dataset.state === 'wrong'")
    assert not page.evaluate("Boolean(window.leaked)")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("details[open] code").inner_text() == ANSWER
    assert page.locator(".lrlab-task").inner_text() == "Write a cosine decay: η0 is </script> & peak."
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    watched.assert_clean()


def test_without_scripts_the_task_stands_and_the_answer_unfolds(show_body: Any) -> None:
    page = show_body(body(), scripts=False, width=390).page
    assert page.locator(".lrlab-still svg[role=img] .lrlab-line").count() == 1
    assert not page.locator("details code").is_visible()
    page.locator("summary").click()
    assert page.locator("details[open] code").inner_text() == ANSWER
    assert "takes JavaScript" in page.locator(".lrlab-status").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_was_written_is_there_when_a_view_opens_again(show_body: Any) -> None:
    state = {**made().page_state(), "formula": ANSWER, "host": "kernel"}
    page = show_body("<p>Nothing else.</p>").page
    said = page.evaluate(
        """async ([source, state]) => {
        const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
        const sent = []; const el = document.body.appendChild(document.createElement('div'));
        const model = { get: (n) => state[n], set: (n, v) => sent.push([n, v]), save_changes() {}, on() {}, off() {} };
        (await import(url)).default.render({ model, el });
        const first = el.dataset.state;
        el.querySelector('textarea').value = 't'; el.querySelector('textarea').dispatchEvent(new Event('input'));
        return [first, sent]; }""",
        [made().source(), state],
    )
    assert said == ["right", [["formula", "t"]]]
