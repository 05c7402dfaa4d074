"""A question answered by a mark on an axis: set by mouse and by keys, compared with the truth, kept."""

from typing import Any

import pytest

from lrlib.widgets import Axis, CurveMark, Predict

SLIDER = "svg[role=slider]"
CURVE = "[data-name=curve]"


def body(**changes: Any) -> str:
    given: dict[str, Any] = {
        "x": Axis("learning rate η", 0.01, 10, log=True),
        "y": Axis("loss", 0, 3),
        "xs": [0.01, 0.1, 1, 10],
        "ys": [2.3, 1.0, 0.1, 3.0],
        "right": 0.55,
        "reason": "Above it is a cliff </script> at 2/λ_{max}.",
    }
    return Predict("Where is the best rate?", mark=CurveMark(**(given | changes))).to_html()


def press_at(page: Any, share: float) -> None:
    """Press in the figure, so much of its width from its left edge."""
    box = page.locator(SLIDER).bounding_box()
    page.mouse.click(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)


@pytest.mark.parametrize("way", ["http", "file"])
def test_the_curve_comes_after_the_mark(way: str, show_body: Any) -> None:
    watched = show_body(body(), way=way)
    page = watched.page
    slider = page.locator(SLIDER)
    button = page.get_by_role("button")
    assert page.locator(CURVE).count() == 0
    assert slider.get_attribute("aria-valuetext") == "not set yet"
    assert button.is_disabled()
    press_at(page, 0.5)
    box = slider.bounding_box()
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60)
    page.mouse.up()
    dragged = float(slider.get_attribute("aria-valuenow"))
    press_at(page, 0.3)
    pressed = float(slider.get_attribute("aria-valuenow"))
    assert pressed < dragged
    button.click()
    assert page.locator(CURVE).count() == 1
    said = f"You said {pressed:g}; it is 0.55: off by a factor of {0.55 / pressed:.2g}."
    assert page.get_by_role("status").inner_text() == f"Not so. {said}"
    assert page.locator(".lrlab-reason").inner_text() == "Above it is a cliff </script> at 2/λmax."
    assert said in page.locator("svg[role=img]").get_attribute("aria-label")
    assert page.locator("[data-name=right]").count() == page.locator("[data-name=mark]").count() == 1
    line = page.locator("[data-name=mark]").get_attribute("d")
    press_at_figure = page.locator("svg[role=img]").bounding_box()
    page.mouse.click(press_at_figure["x"] + 200, press_at_figure["y"] + 60)
    assert page.locator("[data-name=mark]").get_attribute("d") == line  # a prediction stands
    watched.assert_clean()


def test_keys_set_it_too(show_body: Any) -> None:
    page = show_body(body(right=(0.25, 0.4))).page
    page.evaluate("document.addEventListener('keydown', () => { window.leaked = true; })")
    slider = page.locator(SLIDER)
    slider.focus()
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "PageUp", "PageDown", "End", "ArrowRight", "Home"):
        page.keyboard.press(key)
        seen.append(slider.get_attribute("aria-valuetext"))
    assert seen == ["0.32", "0.35", "0.32", "0.56", "0.32", "10", "10", "0.01"]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    said = page.get_by_role("status").inner_text()
    assert said == "Not so. You said 0.01; anything from 0.25 to 0.4 counts: off by a factor of 25."
    assert not page.evaluate("Boolean(window.leaked)")


def test_a_place_on_a_curve_that_is_shown(show_body: Any) -> None:
    step = Axis("step", 0, 100)
    page = show_body(body(x=step, xs=[0, 50, 100], ys=[3, 1, 0.5], right=48, shown=True)).page
    assert page.locator(CURVE).count() == 1
    page.locator(SLIDER).focus()
    page.keyboard.press("ArrowUp")
    dot, height = page.locator("circle.lrlab-dot"), page.locator(".lrlab-chart svg svg").get_attribute("height")
    assert float(dot.get_attribute("cy")) == pytest.approx(float(height) * 2 / 3)  # on the curve, at (50, 1)
    page.get_by_role("button").click()
    said = page.get_by_role("status").inner_text()
    assert said == "Right. You said 50; it is 48: off by 2, near enough."


def test_without_scripts_it_unfolds(show_body: Any) -> None:
    page = show_body(body(), scripts=False).page
    assert page.locator(".lrlab-line").count() == 1
    assert not page.locator(".lrlab-line").is_visible()
    page.locator("summary").click()
    assert page.locator(".lrlab-line").is_visible()
    assert page.locator("details").inner_text().endswith("It is 0.55. Above it is a cliff </script> at 2/λmax.")


def test_it_fits_a_phone(show_body: Any) -> None:
    page = show_body(body(), width=390).page
    press_at(page, 0.9)
    page.get_by_role("button").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
