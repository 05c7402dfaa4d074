"""A view that is closed leaves nothing behind: no listener, no observer, no worker, no callback of its model."""

from collections.abc import Callable
from typing import Any

import pytest

from browser.test_range_test_lab import made as range_tests
from browser.test_write_it import made as formulas
from lrlib.widgets import AdaptiveLab, Answer, Axis, CurveMark, Predict, ScheduleLab, StepSizeLab, TrainingLab

# Of listeners on the window itself only Playwright has any.
COUNTING = """
(() => {
  const kept = new Map();  // target -> what it listens to
  const key = (name, listener) => [name, listener];
  const { addEventListener: add, removeEventListener: remove } = EventTarget.prototype;
  window.alive = { listeners: 0, observers: 0, workers: 0, callbacks: 0 };
  window.most = { listeners: 0, observers: 0, workers: 0, callbacks: 0 };
  const count = (name, by) => { alive[name] += by; most[name] = Math.max(most[name], alive[name]); };
  window.count = count;
  window.left = () => [...kept].flatMap(([target, l]) => l.map(([name]) => `${target.tagName ?? target}: ${name}`));
  const place = (target, name, listener) => (kept.get(target) ?? [])
    .findIndex(([n, l]) => n === name && l === listener);
  EventTarget.prototype.addEventListener = function (name, listener, options) {
    if (listener && this !== window && place(this, name, listener) < 0) {
      kept.set(this, [...(kept.get(this) ?? []), key(name, listener)]);
      count('listeners', 1);
    }
    return add.call(this, name, listener, options);
  };
  EventTarget.prototype.removeEventListener = function (name, listener, options) {
    const at = place(this, name, listener);
    if (at >= 0) { kept.get(this).splice(at, 1); count('listeners', -1); }
    return remove.call(this, name, listener, options);
  };
  const { Worker: RealWorker, ResizeObserver: RealObserver } = window;
  window.Worker = class extends RealWorker {
    constructor(...given) { super(...given); count('workers', 1); }
    terminate() { count('workers', -1); super.terminate(); }
  };
  window.ResizeObserver = class extends RealObserver {
    constructor(...given) { super(...given); count('observers', 1); }
    disconnect() { count('observers', -1); super.disconnect(); }
  };
})();
"""
OPEN_AND_CLOSE = """
async ([source, state, times]) => {
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const lab = (await import(url)).default;
  const frame = () => new Promise(requestAnimationFrame);
  for (let k = 0; k < times; k++) {
    const listening = [];
    const model = {
      get: (name) => state[name], set() {}, save_changes() {},
      on: (name, listener) => { listening.push([name, listener]); count('callbacks', 1); },
      off: (name, listener) => {
        const at = listening.findIndex(([n, l]) => n === name && l === listener);
        if (at >= 0) { listening.splice(at, 1); count('callbacks', -1); }
      },
    };
    const el = document.body.appendChild(document.createElement('div'));
    const close = await lab.render({ model, el });
    const slider = el.querySelector('input[type=range]');
    if (slider) {
      slider.value = String(Number(slider.value) + 1 + k);
      slider.dispatchEvent(new Event('input', { bubbles: true }));
      const before = el.dataset.settings;
      if (k % 2) while (el.dataset.settings === before) await frame();  // closed idle, and closed at work
      else await frame();
    }
    close();
    el.remove();
  }
  await new Promise((resolve) => setTimeout(resolve, 300));  // for workers that were on their way
  return [alive, most];
}
"""
NOTHING = {"listeners": 0, "observers": 0, "workers": 0, "callbacks": 0}
PLAIN = ("question", "mark", "write it")  # with no controls of ipywidgets
LABS: dict[str, Callable[[], Any]] = {
    "step size": StepSizeLab,
    "training": lambda: TrainingLab(steps=300),
    "schedule": lambda: ScheduleLab(steps=300),
    "adaptive": AdaptiveLab,
    "range test": range_tests,
    "write it": formulas,
    "question": lambda: Predict("Is 1 < 2?", answers=[Answer("No", "It is."), Answer("Yes", "So it is.", right=True)]),
    "mark": lambda: Predict(
        "Where?", mark=CurveMark(x=Axis("x", 0, 1), y=Axis("y", 0, 1), xs=[0, 1], ys=[0, 1], right=0.5, reason="So.")
    ),
}


@pytest.mark.parametrize("host", ["page", "kernel"])
@pytest.mark.parametrize("name", list(LABS))
def test_ten_views_opened_and_closed_leave_nothing(name: str, host: str, show_body: Any) -> None:
    lab = LABS[name]()
    if host == "page" or name in PLAIN:
        state = {**lab.page_state(), "host": host}
    else:
        picture = lab.picture
        state = {key: getattr(picture, key) for key in ("config", "settings", "start", "asked", "backdrop", "result")}
        state["host"] = host
    page = show_body("<p>Nothing else.</p>", before=COUNTING).page
    alive, most = page.evaluate(OPEN_AND_CLOSE, [lab.source(), state, 10])
    assert alive == NOTHING, page.evaluate("left()")
    assert most["listeners"] > 0
    if host == "page" and name in ("training", "schedule", "adaptive"):
        assert most["workers"] > 0
    if host == "kernel" and name not in PLAIN:
        assert most["callbacks"] > 0


def test_a_static_page_can_close_its_lab(show_body: Any) -> None:
    watched = show_body(TrainingLab(steps=50).to_html(), before=COUNTING)
    page = watched.page
    with page.expect_worker():
        page.locator(".lrlab-controls").hover()
    page.evaluate("document.querySelector('.lrlab-host').closeLab()")
    assert page.evaluate("alive") == NOTHING
    assert page.locator(".lrlab-controls").count() == 0
    watched.assert_clean()
