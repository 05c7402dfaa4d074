"""A page that is not on screen: no frames, so nothing is drawn and nothing piles up; on return the last setting stands.
And at its greatest number of steps a lab still obeys while it trains.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from lrlib.widgets import ScheduleLab, StepSizeLab, TrainingLab

# While the page is hidden, as browsers do it: no animation frame comes until it is shown again.
HIDING = """
(() => {
  const real = window.requestAnimationFrame.bind(window);
  let hidden = false;
  const held = [];
  window.requestAnimationFrame = (work) => (hidden ? -held.push(work) : real(work));
  Object.defineProperty(document, 'hidden', { get: () => hidden });
  Object.defineProperty(document, 'visibilityState', { get: () => (hidden ? 'hidden' : 'visible') });
  const turn = (away) => { hidden = away; document.dispatchEvent(new Event('visibilitychange')); };
  window.hide = () => turn(true);
  window.show = () => { turn(false); held.splice(0).forEach((work) => real(work)); };
  window.held = () => held.length;
  const post = Worker.prototype.postMessage;
  window.posted = 0;
  Worker.prototype.postMessage = function (...given) { window.posted++; return post.apply(this, given); };
  window.drag = async (moves) => {  // the rate's slider, a step at a time, some of them in one frame
    const slider = document.querySelector('input[name=learning_rate]');
    for (let k = 0; k < moves; k++) {
      slider.value = String(Number(slider.value) + 1);
      slider.dispatchEvent(new Event('input', { bubbles: true }));
      if (k % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 8));
    }
    return Number(document.querySelector('input[name=learning_rate-typed]').value);
  };
})();
"""
LABS: dict[str, Callable[[], Any]] = {
    "step size": lambda: StepSizeLab(learning_rate=0.001),
    "training": lambda: TrainingLab(learning_rate=0.01, steps=300),
    "schedule": lambda: ScheduleLab(learning_rate=0.01),
}
SETTLED = """(rate) => { const { settings, done } = document.querySelector('[data-settings]').dataset;
    return JSON.parse(settings).learning_rate === rate && done !== 'false'; }"""


@cache
def html(name: str) -> str:
    return LABS[name]().to_html()


@pytest.mark.parametrize("name", list(LABS))
def test_on_return_the_last_setting_stands_trained_to_the_end(name: str, show_body: Any) -> None:
    watched = show_body(html(name), before=HIDING)
    page = watched.page
    seen = page.evaluate("drag(3)")
    page.wait_for_function(SETTLED, arg=seen)
    page.evaluate("hide()")
    before = page.evaluate("document.querySelector('[data-settings]').dataset.settings")
    asked = page.evaluate("posted")
    last = page.evaluate("drag(60)")
    assert last > seen
    page.wait_for_timeout(400)  # long enough for what must not happen
    assert page.evaluate("document.querySelector('[data-settings]').dataset.settings") == before
    assert page.evaluate("held()") <= 3  # a drawing, a request, a resize: however many moves there were
    assert page.evaluate("posted") - asked <= 1
    page.evaluate("show()")
    page.wait_for_function(SETTLED, arg=last)
    assert page.evaluate("posted") - asked <= 3
    watched.assert_clean()


@pytest.mark.parametrize("name", ["step size", "training", "schedule"])
def test_at_its_greatest_number_of_steps_a_lab_obeys(name: str, show_body: Any) -> None:
    watched = show_body(html(name), before=HIDING)
    page = watched.page
    steps = page.locator("[name=steps]")
    if steps.evaluate("(e) => e.tagName") == "SELECT":
        most = max(map(int, steps.locator("option").all_inner_texts()))
        steps.select_option(label=str(most))
    else:
        most = int(steps.get_attribute("max"))
        steps.fill(str(most))
    if name == "training":  # the slowest that it offers
        page.locator("select[name=task]").select_option(label="Digits, CNN")
        page.locator("select[name=batch_size]").select_option(label="256")
    frames = page.evaluate(
        """async () => { let frames = 0; const count = () => { frames++; requestAnimationFrame(count); };
        requestAnimationFrame(count); await drag(20); return frames; }"""
    )
    assert frames >= 3  # the page goes on living while it trains
    last = page.evaluate("drag(1)")
    page.wait_for_function(SETTLED, arg=last, timeout=120_000)
    shown = json.loads(page.evaluate("document.querySelector('[data-settings]').dataset.settings"))
    assert shown["steps"] == most
    watched.assert_clean()
