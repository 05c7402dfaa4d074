"""Every slider of every lab follows the mouse, and what is drawn follows the slider."""

from functools import cache
from typing import Any

import pytest

from lrlib.widgets import AdaptiveLab, ScheduleLab, StepSizeLab, TrainingLab

LABS = {"step size": StepSizeLab, "training": TrainingLab, "schedule": ScheduleLab, "adaptive": AdaptiveLab}
DRAWN = "document.querySelector('.lrlab-charts').innerHTML"


@cache
def html(name: str) -> str:
    return LABS[name]().to_html()


@pytest.mark.parametrize("name", list(LABS))
def test_every_slider_follows_the_mouse(name: str, show_body: Any) -> None:
    watched = show_body(html(name))
    page = watched.page
    sliders = page.locator(".lrlab input[type=range]:visible:enabled")
    assert sliders.count() >= 2
    for i in range(sliders.count()):
        slider = sliders.nth(i)
        slider.scroll_into_view_if_needed()
        before, drawn, at = slider.input_value(), page.evaluate(DRAWN), slider.bounding_box()
        low, high = float(slider.get_attribute("min") or 0), float(slider.get_attribute("max") or 100)
        share = 0.35 if (float(before) - low) / (high - low) > 0.5 else 0.65
        page.mouse.click(at["x"] + share * at["width"], at["y"] + at["height"] / 2)
        assert slider.input_value() != before
        page.wait_for_function(f"(drawn) => {DRAWN} !== drawn", arg=drawn)
    watched.assert_clean()
