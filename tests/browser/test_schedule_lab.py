"""The schedule lab in a page: it composes what Python composes, trains what Python trains, and compares."""

import asyncio
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from lrlib import training
from lrlib.widgets import ScheduleLab
from lrlib.widgets.hosting.bundling import bundle
from lrlib.widgets.schedule_lab.lab import RULES
from lrlib.widgets.schedule_lab.shapes import DECAYS, composed
from lrlib.widgets.trainer.choices import TASKS, in_full

PAINTED = """(before) => { const d = document.querySelector('[data-settings]').dataset;
return d.settings !== before && d.done !== 'false'; }"""


@pytest.fixture(scope="module")
def body() -> str:
    return ScheduleLab(steps=100).to_html()


def choose(page: Any, **values: Any) -> None:
    """Set controls by name, and wait for what is trained then."""
    for name, value in values.items():
        if name == "learning_rate":
            page.locator("input[name=learning_rate-typed]").fill(str(value))
        elif name in ("decay", "rule", "task", "steps"):
            page.locator(f"select[name={name}]").select_option(label=in_full(str(value)))
        else:
            page.locator(f"input[name={name}]").fill(str(value))
    page.wait_for_function(
        """(values) => { const d = document.querySelector('[data-settings]').dataset; const s = JSON.parse(d.settings);
        return d.done !== 'false' && Object.keys(values).every((name) => s[name] === values[name]); }""",
        arg=values,
    )


def shown(page: Any) -> dict[str, str]:
    return page.evaluate("({...document.querySelector('[data-settings]').dataset})")


def drawn(page: Any) -> list[str]:
    names = ("planned", "used", "loss", "validation")
    return [page.locator(f"[data-name={name}]").get_attribute("d") for name in names]


@pytest.mark.parametrize("way", ["http", "file"])
def test_it_comes_to_life_and_trains(way: str, body: str, show_body: Any) -> None:
    watched = show_body(body, way=way)
    page = watched.page
    status = page.locator(".lrlab-status")
    assert status.inner_text().startswith("Recorded. Linear to zero, peak η = 0.3: validation loss")
    recorded = shown(page)
    choose(page, learning_rate=0.1)
    choose(page, learning_rate=0.3)
    assert status.inner_text().startswith("Trained in this browser. Linear to zero, peak η = 0.3: validation loss")
    assert "Planned and used rates agree at all 100 updates" in status.inner_text()
    assert float(shown(page)["validation"]) == pytest.approx(float(recorded["validation"]), rel=1e-6)
    assert page.locator(".lrlab-still").count() == 0
    watched.assert_clean()


def test_schedules_equal_pythons(visit: Any) -> None:
    settings = [
        {"decay": decay, "steps": steps, "warmup": warmup, "cycles": cycles, "floor": floor}
        for decay, steps, warmup, cycles, floor in itertools.product(
            DECAYS, (20, 101, 300), (0, 0.01, 0.29, 0.5), (1, 3, 8), (0, 0.005, 0.33)
        )
    ]
    page = visit("about:blank", origin="about:", wait=False).page
    code = f"(all) => {{ {bundle('schedule_lab/shapes.js')}; return all.map((one) => [...shapeFactors(one)]); }}"
    for one, factors in zip(settings, page.evaluate(code, settings), strict=True):
        expected = composed(**one)(np.arange(one["steps"]))
        np.testing.assert_allclose(factors, expected, rtol=0, atol=1e-12, err_msg=str(one))


@pytest.mark.parametrize(
    "settings",
    [
        {"decay": "Cosine", "warmup": 0.3, "cycles": 2, "learning_rate": 0.2},
        {"decay": "Time-based (inverse time)", "floor": 0.1, "rule": "Adam", "learning_rate": 0.02},
        {"decay": "Hold, then linear", "rule": "Heavy ball", "learning_rate": 0.03, "seed": 3, "cycles": 3},
        {"decay": "Constant", "task": "Digits, clean labels", "learning_rate": 0.1, "warmup": 0.05, "steps": 300},
        {"decay": "Constant", "rule": "Adam", "learning_rate": 10.0},
    ],
    ids=lambda settings: settings["decay"],
)
def test_training_equals_pythons(settings: dict[str, Any], body: str, show_body: Any) -> None:
    page = show_body(body).page
    choose(page, **settings)
    now = {"rule": "Gradient descent", "task": "Digits, noisy labels", "steps": 100, "seed": 0, **settings}
    shape = {name: now[name] for name in ("decay", "steps", "warmup", "cycles", "floor") if name in now}
    run = training.sweep(
        TASKS[now["task"]](),
        learning_rates=[now["learning_rate"]],
        schedule=composed(**shape),
        rule=RULES[now["rule"]],
        batch_size=8,
        steps=now["steps"],
        seeds=[now["seed"]],
        dtype=torch.float64,
        device="cpu",
    )[0]
    found = shown(page)
    assert int(found["diverged"]) == (-1 if run.diverged_at is None else run.diverged_at)
    assert float(found["apart"]) < 1e-12
    if run.diverged_at is None:
        assert float(found["loss"]) == pytest.approx(run.loss[-1], rel=1e-9)
        assert float(found["validation"]) == pytest.approx(run.validation_loss[-1], rel=1e-9)
    else:
        status = page.locator(".lrlab-status").inner_text()
        assert f"diverged at step {run.diverged_at}. Planned and used rates agree at the" in status
        assert page.locator(".lrlab-cross").count() >= 2


def test_every_control_has_a_name_obeys_the_keyboard_and_changes_the_picture(body: str, show_body: Any) -> None:
    watched = show_body(body)
    page = watched.page
    controls = page.locator(".lrlab-controls input, .lrlab-controls select")
    keys = {"range": "ArrowRight", "select-one": "ArrowDown", "text": "Backspace"}
    for i in range(controls.count()):
        control = controls.nth(i)
        assert control.evaluate("(e) => Boolean(e.labels?.length || e.getAttribute('aria-label'))")
        before, pictured = shown(page)["settings"], drawn(page)
        control.focus()
        page.keyboard.press(keys[control.evaluate("(e) => e.type")])
        page.wait_for_function(PAINTED, arg=before)
        planned, used, loss, validation = drawn(page)
        assert [loss, validation] != pictured[2:], control.get_attribute("name")
        assert used == planned  # the very same path
        if control.get_attribute("name") in ("decay", "warmup", "cycles", "floor"):
            assert planned != pictured[0]
    choose(page, decay="Constant")
    assert page.locator("input[name=floor]").is_disabled()
    watched.assert_clean()


def test_schedules_are_compared_each_at_its_best_peak(body: str, show_body: Any) -> None:
    watched = show_body(
        body, before="{ const t = performance.now.bind(performance); performance.now = () => 1e4 * t(); }"
    )
    page = watched.page
    ranking = page.locator(".lrlab-best")
    assert ranking.inner_text().startswith("At its best peak: Linear to zero: ")
    choose(page, decay="Cosine", warmup=0.1)
    assert page.locator("[data-name=budget]").count() == 0  # what was trained for the other schedule is a ghost now
    assert page.locator("[data-name='earlier budget']").count() == 1
    page.locator(".lrlab-sweep").click()
    page.wait_for_function("!document.querySelector('.lrlab-sweep').disabled")
    page.locator("[data-name=budget]").wait_for(state="attached")
    assert ranking.inner_text().startswith("Each at its best peak: ")
    assert "Cosine, warm-up 0.1: " in ranking.inner_text()
    points = json.loads(shown(page)["sweep"])
    sweep = training.sweep(
        TASKS["Digits, noisy labels"](),
        learning_rates=[rate for rate, _ in points],
        schedule=composed("Cosine", steps=100, warmup=0.1),
        steps=100,
        batch_size=8,
        dtype=torch.float64,
        device="cpu",
    )
    good = sweep.learning_rates < 0.5  # above: chaos
    final = np.array([float(value) for _, value in points])
    np.testing.assert_allclose(final[good], sweep.validation_loss[good, -1], rtol=1e-8)
    assert "linear" in page.locator(".lrlab-end.ghost").all_text_contents()
    page.get_by_role("button", name="forget earlier runs").click()
    assert page.locator(".lrlab-line.ghost").count() == 0
    assert ranking.inner_text().startswith("At its best peak: Cosine")
    watched.assert_clean()


def test_without_scripts_or_webassembly_recorded_runs_are_shown(body: str, show_body: Any) -> None:
    still = show_body(body, scripts=False, width=390).page
    assert still.locator(".lrlab-still svg[role=img] .lrlab-line").count() == 4
    assert "Recorded" in still.locator(".lrlab-status").inner_text()
    watched = show_body(body, before="delete globalThis.WebAssembly", width=390)
    page = watched.page
    assert "lacks WebAssembly" in page.locator(".lrlab-status").inner_text()
    before = shown(page)
    page.locator("input[name=learning_rate-typed]").fill("0.1")
    page.wait_for_function(PAINTED, arg=before["settings"])
    assert page.locator("select[name=decay]").is_disabled()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    watched.assert_clean()


def test_a_bad_rate_is_explained_and_changes_nothing(body: str, show_body: Any) -> None:
    page = show_body(body, width=390, theme="dark").page
    choose(page, learning_rate=0.05)
    page.locator("input[name=learning_rate-typed]").fill("fast")
    assert "not a number" in page.locator("[role=alert]").inner_text()
    assert json.loads(shown(page)["settings"])["learning_rate"] == 0.05
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_beside_a_kernel_it_draws_what_the_kernel_trained(visit: Any) -> None:
    async def run() -> ScheduleLab:
        lab = ScheduleLab(steps=20, decay="Cosine", cycles=2, device="cpu")
        lab.controls["learning_rate"].value = 0.2
        await lab.latest._task
        lab.picture.asked += 1
        await lab.latest._task
        return lab

    with ThreadPoolExecutor(1) as thread:  # the browser's own event loop is on this one
        lab = thread.submit(asyncio.run, run()).result()
    state = {name: getattr(lab.picture, name) for name in ("config", "settings", "result", "backdrop", "asked")}
    watched = visit("about:blank", origin="about:", wait=False)
    page = watched.page
    page.evaluate(
        """async ([source, state]) => {
          const listeners = {};
          globalThis.fire = (name) => listeners[name]();
          const model = { get: (name) => state[name], set(name, value) { state[name] = value; }, save_changes() {},
            on(name, listener) { listeners[name] = listener; } };
          globalThis.state = state;
          const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
          const el = document.createElement("div");
          document.body.append(el);
          (await import(url)).default.render({ model, el });
        }""",
        [ScheduleLab.source(), {**state, "host": "kernel"}],
    )
    status = page.locator(".lrlab-status")
    assert status.inner_text().startswith("Trained by the kernel on cpu. Cosine, 2 cycles, peak η = 0.2: validation")
    assert "agree at all 20 updates" in status.inner_text()
    assert page.locator("[data-name=budget]").count() == 1
    page.locator(".lrlab-sweep").click()
    assert page.evaluate("state.asked") == state["asked"] + 1
    page.evaluate("fire('comm:close')")
    assert "The kernel is gone" in status.inner_text()
    assert not watched.errors
