"""The adaptive lab on a page of its own: it trains what Python trains, and tells the same effective rates."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from lrlib import tasks, training
from lrlib.widgets import AdaptiveLab
from lrlib.widgets.adaptive_lab.lab import OFFERED, RATES, SPREAD_AT
from lrlib.widgets.trainer.choices import rules

STEPS = 40
RULES = rules(*OFFERED)
CHOICES = {"Wide": tasks.digits_mlp(hidden=[32]), "Narrow": tasks.digits_mlp(hidden=[8])}
NAMES = [rule.name for rule in RULES.values()]


@pytest.fixture(scope="module")
def body() -> str:
    return AdaptiveLab(choices=CHOICES, steps=STEPS, device="cpu").to_html()


def type_rate(page: Any, name: str, text: str) -> None:
    page.locator(f"input[name=rate_{name}-typed]").fill(text)


def settled(page: Any, **settings: Any) -> dict[str, Any]:
    """The runs that are shown once the lab shows these settings, trained to the end."""
    page.wait_for_function(
        """(wanted) => { const d = document.querySelector('[data-settings]')?.dataset;
        const now = JSON.parse(d?.settings ?? '{}');
        return d?.done === 'true' && Object.entries(wanted).every(([name, value]) => now[name] === value); }""",
        arg=settings,
    )
    return json.loads(page.locator("[data-runs]").get_attribute("data-runs"))


def status(page: Any) -> str:
    return page.locator(".lrlab-status").inner_text()


def expected(label: str, *, task: str, rate: float, seed: int, step: int) -> tuple[Any, np.ndarray]:
    """Python's run, and the quantiles of its effective rates after ``step`` steps."""
    stack = training.start(
        CHOICES[task],
        learning_rates=[rate],
        rule=RULES[label],
        steps=STEPS,
        seed=seed,
        dtype=torch.float64,
        device="cpu",
        eval_every=STEPS // 20,
        record_updates=True,
    )
    stack.advance(step)
    rates = stack.effective_rates()[0]
    spread = np.quantile(rates[~rates.isnan()].numpy(), SPREAD_AT)
    stack.advance(STEPS)
    return stack.records()[0], spread


def assert_same(found: dict[str, Any], label: str, **settings: Any) -> None:
    run, spread = expected(label, **settings)
    np.testing.assert_allclose([float(v) for v in found["validation"]], run.validation_loss, rtol=1e-9)
    assert float(found["loss"]) == pytest.approx(run.loss[-1], rel=1e-9)
    t = settings["step"] - 1
    ratio = np.median(run.update_ratio[t])
    np.testing.assert_allclose([float(v) for v in found["at"]], [run.loss[t], ratio], rtol=1e-9)
    assert found["spread"]["step"] == settings["step"]
    np.testing.assert_allclose(found["spread"]["values"], spread, rtol=1e-9)


@pytest.mark.parametrize("way", ["http", "file"])
def test_it_trains_what_python_trains_and_tells_the_same_rates(way: str, body: str, show_body: Any) -> None:
    watched = show_body(body, way=way)
    page = watched.page
    assert page.locator(".lrlab-still").count() == 0
    assert status(page).startswith("Recorded.")
    page.locator("input[name=step]").fill("7")
    runs = settled(page, step=7)
    assert status(page).startswith("Trained in this browser.")
    assert list(runs) == NAMES
    for label, rule in RULES.items():
        assert_same(runs[rule.name], label, task="Wide", rate=RATES[label], seed=0, step=7)
    page.locator("select[name=task]").select_option(label="Narrow")
    page.locator("input[name=seed]").fill("3")
    type_rate(page, "adam", "0.005")
    runs = settled(page, task="Narrow", seed=3, rate_adam=0.005)
    assert_same(runs["adam"], "Adam", task="Narrow", rate=0.005, seed=3, step=7)
    assert_same(runs["rmsprop"], "RMSprop", task="Narrow", rate=RATES["RMSprop"], seed=3, step=7)
    watched.assert_clean()


def test_each_control_changes_what_is_drawn_and_only_that(body: str, show_body: Any) -> None:
    watched = show_body(body)
    page = watched.page
    drawn = "(names) => names.map((name) => document.querySelector(`[data-name=${name}]`)?.getAttribute('d') ?? null)"
    lines = [*NAMES, *(f"spread_{name}" for name in NAMES)]
    before = page.evaluate(drawn, lines)
    for name in NAMES:
        slider = page.locator(f"input[name=rate_{name}]")
        slider.focus()
        page.keyboard.press("ArrowLeft")
        settled(page, **{f"rate_{name}": float(page.locator(f"input[name=rate_{name}-typed]").input_value())})
        after = page.evaluate(drawn, lines)
        changed = {line for line, old, new in zip(lines, before, after, strict=True) if old != new}
        assert {name, f"spread_{name}"} <= changed
        before = after
    type_rate(page, "adagrad", "0.1")
    settled(page, rate_adagrad=0.1)
    after = page.evaluate(drawn, lines)
    kept = [line for line, old, new in zip(lines, before, after, strict=True) if old == new]
    assert kept == [line for line in lines if not line.endswith("adagrad")]
    page.locator("input[name=show_sgd]").focus()
    page.keyboard.press("Space")
    assert list(settled(page, show_sgd=False)) == NAMES[1:]
    assert page.locator("[data-name=sgd]").count() == 0
    assert page.locator("input[name=rate_sgd]").is_disabled()
    controls = page.locator(".lrlab input, .lrlab select")
    for i in range(controls.count()):
        assert controls.nth(i).evaluate("(e) => Boolean(e.labels?.length || e.getAttribute('aria-label'))")
    watched.assert_clean()


def test_a_rule_that_diverges_says_so_and_the_earlier_curve_stays(body: str, show_body: Any) -> None:
    page = show_body(body).page
    page.evaluate("(async () => { const t = performance.now(); performance.now = () => t + 1e5; })()")
    type_rate(page, "rmsprop", "10")
    found = settled(page, rate_rmsprop=10)["rmsprop"]
    run, _ = expected("RMSprop", task="Wide", rate=10.0, seed=0, step=1)
    assert found["diverged"] == run.diverged_at
    assert f"RMSprop diverged at step {run.diverged_at}" in status(page)
    assert page.locator(".lrlab-cross").count() == 1
    assert page.locator(".lrlab-end.ghost").text_content() == "η = 0.01"
    page.get_by_role("button", name="forget earlier runs").click()
    assert page.locator(".lrlab-end.ghost").count() == 0


def test_a_burst_settles_on_the_last_without_a_worker_too(body: str, show_body: Any) -> None:
    watched = show_body(body, before="globalThis.Worker = class { constructor() { throw new Error('none'); } };")
    page = watched.page
    page.locator("input[name=rate_adam]").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    rate = float(page.locator("input[name=rate_adam-typed]").input_value())
    found = settled(page, rate_adam=rate)["adam"]
    assert found["rate"] == rate
    assert_same(found, "Adam", task="Wide", rate=rate, seed=0, step=STEPS)
    watched.assert_clean()


def test_a_picture_is_dragged_through_the_updates_and_the_table_follows_within_a_frame(
    body: str, show_body: Any
) -> None:
    watched = show_body(body)
    page = watched.page
    page.locator("input[name=step]").fill(str(STEPS - 1))  # the first move trains what was recorded anew
    runs = settled(page, step=STEPS - 1)
    for picture in (0, 2):
        box = page.locator(".lrlab-scrubbed").nth(picture // 2).bounding_box()
        left, right = box["x"] + 46, box["x"] + box["width"] - 118  # the frame of the picture
        page.mouse.move(left + 2, box["y"] + 80)
        page.mouse.down()
        for step in (10, 25):
            at = left + (right - left) * step / STEPS
            rows = page.evaluate(
                """([x, y]) => new Promise((resolve) => {
                const root = document.elementFromPoint(x, y).closest('svg[role=img]');
                const options = {clientX: x, clientY: y, pointerId: 1, buttons: 1, bubbles: true};
                root.dispatchEvent(new PointerEvent('pointermove', options));
                requestAnimationFrame(() => requestAnimationFrame(() => resolve(
                  [...document.querySelectorAll('.lrlab-readings tr')].map((row) => row.innerText))));
                })""",
                [at, box["y"] + 80],
            )
            assert rows[0].startswith(f"At update {step}")
            assert page.locator("input[name=step]").input_value() == str(step)
            assert len(rows) == 1 + len(RULES)
            adam = next(row for row in rows if row.startswith("Adam"))
            run, spread = expected("Adam", task="Wide", rate=RATES["Adam"], seed=0, step=step)
            assert adam.split("\t")[1] == f"{run.loss[step - 1]:.3g}"
            assert adam.split("\t")[3].startswith(f"{spread[2]:.2g}")
        page.mouse.up()
    now = settled(page, step=25)
    before, after = ([run["validation"] for run in all_runs.values()] for all_runs in (runs, now))
    assert before == after  # a drag trains nothing
    watched.assert_clean()


CLIPPED = """() => [...document.querySelectorAll('.lrlab-row-name, .lrlab-row-name + text')].filter((text) => {
  const [box, room] = [text, text.closest('.lrlab-chart')].map((e) => e.getBoundingClientRect());
  return box.left < room.left || box.right > room.right;
}).map((text) => text.textContent)"""


@pytest.mark.parametrize(
    ("offered", "without"),
    [
        (["Muon with AdamW", "Lion", "Prodigy", "D-Adaptation", "Polyak", "AdamW"], 5),
        (["AMSGrad", "NAdam", "RAdam"], 2),
    ],
    ids=["new", "of Adam's family"],
)
def test_every_further_rule_trains_in_the_page_and_says_if_it_has_no_rates(
    offered: list[str], without: int, show_body: Any
) -> None:
    rates = {label: RATES[label] for label in offered}
    lab = AdaptiveLab(rules=offered, rates=rates, span=(1e-4, 10.0), choices=CHOICES, steps=STEPS, device="cpu")
    watched = show_body(lab.to_html())
    page = watched.page
    page.locator("input[name=step]").fill("7")
    runs = settled(page, step=7)
    assert status(page).startswith("Trained in this browser.")
    for label, rule in rules(*offered).items():
        stack = training.start(
            CHOICES["Wide"], learning_rates=[rates[label]], rule=rule, steps=STEPS, dtype=torch.float64, device="cpu"
        )
        stack.advance(STEPS)
        np.testing.assert_allclose(float(runs[rule.name]["loss"]), stack.records()[0].loss[-1], rtol=1e-6)
    assert page.get_by_text("no rate for each parameter").count() == without
    for width in (900, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
        assert page.evaluate(CLIPPED) == []
    watched.assert_clean()


def test_without_webassembly_recorded_runs_are_shown_and_it_says_so(body: str, show_body: Any) -> None:
    watched = show_body(body, before="delete globalThis.WebAssembly")
    page = watched.page
    assert status(page).startswith("Recorded: this browser lacks WebAssembly.")
    type_rate(page, "adam", "0.0011")
    assert settled(page, rate_adam=0.0011)["adam"]["rate"] == 0.001
    page.locator("input[name=step]").fill("11")
    assert settled(page, step=11)["adam"]["spread"]["step"] in (10, 12)
    assert page.locator("select[name=task]").is_disabled()
    assert page.locator("input[name=seed]").is_disabled()
    watched.assert_clean()


def test_without_scripts_a_figure_stands(body: str, show_body: Any) -> None:
    page = show_body(body, scripts=False).page
    assert page.locator(".lrlab-still svg[role=img] .lrlab-line").count() == 15
    assert "Recorded" in page.locator(".lrlab-status").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone(theme: str, body: str, show_body: Any) -> None:
    watched = show_body(body, width=390, theme=theme)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 390
    watched.assert_clean()
