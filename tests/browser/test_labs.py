"""Every lab on a page of its own: it draws, obeys, and computes what Python computes."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lrlib import tasks, training
from lrlib.models import initial_parameters
from lrlib.training import descend
from lrlib.widgets import Answer, Predict, StepSizeLab, TrainingLab
from lrlib.widgets.step_size_lab.lab import BY_NAME, SURFACES
from lrlib.widgets.step_size_lab.lab import RULES as STEP_RULES
from lrlib.widgets.trainer.choices import in_full
from lrlib.widgets.training_lab.lab import RULES, SCHEDULES

PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8"><title>Labs</title>
<link rel="icon" href="data:,"><meta name="viewport" content="width=device-width"></head>
<body style="margin: 16px; {colours}">{body}</body></html>"""
COLOURS = {"light": "background: #ffffff; color: #222222", "dark": "background: #14181e; color: #ced6dd"}
PATH = "[data-name=path]"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One page for each lab, and one with both, in light; the step-size lab in dark too."""
    folder = tmp_path_factory.mktemp("site")
    question = Predict(
        "Is 1 < 2 </script> & λ_{max}?", answers=[Answer("No", "It is."), Answer("Yes", "So it is.", right=True)]
    )
    labs = {
        "predict": question.to_html(),
        "step": StepSizeLab().to_html(),
        "training": TrainingLab().to_html(),
    }
    labs["both"] = labs["step"] + labs["training"]
    for name, body in labs.items():
        for theme, colours in COLOURS.items():
            text = PAGE.format(theme=theme, colours=colours, body=body)
            (folder / f"{name}-{theme}.html").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def show(site: Path, visit: Callable[..., Any], serve: Callable[[Path], str]) -> Callable[..., Any]:
    """``show("step")`` opens that page over http."""

    def open_lab(name: str, *, theme: str = "light", **options: Any) -> Any:
        origin = serve(site)
        return visit(f"{origin}/{name}-{theme}.html", origin=origin, **options)

    return open_lab


def choose(page: Any, name: str, label: str) -> None:
    page.locator(f"select[name={name}]").select_option(label=label)


def type_rate(page: Any, text: str) -> None:
    page.locator("input[name=learning_rate-typed]").fill(text)


def settled(page: Any, name: str, value: Any) -> dict[str, str]:
    """What the lab shows once it shows this setting, trained to the end."""
    page.wait_for_function(
        """([name, value]) => { const d = document.querySelector('[data-settings]')?.dataset;
        return d && JSON.parse(d.settings)[name] === value && d.done !== 'false'; }""",
        arg=[name, value],
    )
    return page.evaluate("({...document.querySelector('[data-settings]').dataset})")


# --- every lab -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["predict", "step", "training", "both"])
def test_it_comes_to_life_over_http_and_from_a_file(name: str, show: Any, site: Path, visit: Any) -> None:
    from_http = show(name)
    from_http.assert_clean()
    from_file = visit((site / f"{name}-light.html").as_uri(), origin="file://")
    from_file.assert_clean()
    for watched in (from_http, from_file):
        assert watched.page.locator(".lrlab-still").count() == 0
        if name != "predict":
            assert watched.page.locator(".lrlab-line").count() > 1


@pytest.mark.parametrize("name", ["step", "training"])
def test_from_a_file_it_computes_too(name: str, site: Path, visit: Any) -> None:
    watched = visit((site / f"{name}-light.html").as_uri(), origin="file://")
    type_rate(watched.page, "0.3")
    settled(watched.page, "learning_rate", 0.3)
    assert "Trained in this browser" in watched.page.locator(".lrlab-status").inner_text()
    watched.assert_clean()


@pytest.mark.parametrize("name", ["predict", "step", "training", "both"])
def test_no_sideways_scroll_on_a_phone(name: str, show: Any) -> None:
    page = show(name, width=390).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("name", ["step", "training"])
def test_without_scripts_a_figure_stands(name: str, show: Any) -> None:
    page = show(name, scripts=False).page
    assert page.locator(".lrlab-still svg[role=img] .lrlab-line").count() > 1
    assert "Recorded" in page.locator(".lrlab-status").inner_text()


def test_without_scripts_the_question_unfolds(show: Any) -> None:
    page = show("predict", scripts=False).page
    page.locator("summary").nth(1).click()
    assert "So it is." in page.locator("details[open]").inner_text()


@pytest.mark.parametrize("name", ["step", "training"])
def test_without_webassembly_recorded_runs_are_shown_and_it_says_so(name: str, show: Any) -> None:
    watched = show(name, before="delete globalThis.WebAssembly")
    page = watched.page
    status = page.locator(".lrlab-status")
    assert "lacks WebAssembly" in status.inner_text()
    before = status.inner_text()
    type_rate(page, "0.5")
    page.wait_for_function("(text) => document.querySelector('.lrlab-status').innerText !== text", arg=before)
    assert page.locator("select[name=rule]").is_disabled()
    watched.assert_clean()


@pytest.mark.parametrize("name", ["step", "training"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_legible(name: str, theme: str, show: Any) -> None:
    page = show(name, theme=theme).page
    background = [255, 255, 255] if theme == "light" else [20, 24, 30]
    for selector in (".lrlab-hint", ".lrlab-control label", ".lrlab-axes text", ".lrlab-status", ".lrlab-rail text"):
        text = page.locator(selector).first.evaluate(
            """(e) => { const pen = document.createElement('canvas').getContext('2d'); const s = getComputedStyle(e);
            pen.fillStyle = e instanceof SVGElement ? s.fill : s.color; pen.fillRect(0, 0, 1, 1);
            return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3), s.fillOpacity * s.opacity]; }"""
        )
        shown = [c * text[3] + b * (1 - text[3]) for c, b in zip(text[:3], background, strict=True)]
        assert contrast(shown, background) >= 4.5, (selector, shown)


def contrast(first: list[float], second: list[float]) -> float:
    """Ratio of relative luminances as the Web Content Accessibility Guidelines define it."""

    def luminance(colour: list[float]) -> float:
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (x / 255 for x in colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(first), luminance(second)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["step", "training"])
def test_every_control_has_a_name_and_obeys_the_keyboard(name: str, show: Any) -> None:
    watched = show(name)
    page = watched.page
    controls = page.locator(".lrlab-controls input:visible, .lrlab-controls select:visible")
    keys = {"range": "ArrowRight", "select-one": "ArrowDown", "text": "Backspace"}
    for i in range(controls.count()):
        control = controls.nth(i)
        assert control.evaluate("(e) => Boolean(e.labels?.length || e.getAttribute('aria-label'))")
        if control.evaluate("(e) => e.tagName === 'SELECT' && e.selectedIndex === e.options.length - 1"):
            control.evaluate("(e) => { e.selectedIndex = 0; }")
        before = page.evaluate("document.querySelector('[data-settings]').dataset.settings")
        control.focus()
        page.keyboard.press(keys[control.evaluate("(e) => e.type")])
        page.wait_for_function(
            """(before) => { const d = document.querySelector('[data-settings]').dataset;
            return d.settings !== before && d.done !== 'false'; }""",
            arg=before,
        )
    watched.assert_clean()


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [("", "empty"), ("0", "above 0"), ("-0.1", "climb"), ("fast", "not a number"), ("1e9", "takes rates from")],
)
def test_a_bad_rate_is_explained_and_changes_nothing(typed: str, complaint: str, show: Any) -> None:
    page = show("step").page
    settled(page, "learning_rate", 0.05)
    type_rate(page, typed)
    assert complaint in page.locator("[role=alert]").inner_text()
    assert page.locator("input[name=learning_rate-typed]").get_attribute("aria-invalid") == "true"
    settled(page, "learning_rate", 0.05)
    type_rate(page, "0,2")
    settled(page, "learning_rate", 0.2)
    assert page.locator("[role=alert]").inner_text() == ""


def test_keys_stay_inside_the_lab(show: Any) -> None:
    page = show("step").page
    page.evaluate("document.addEventListener('keydown', () => { window.leaked = true; })")
    page.locator("input[name=learning_rate]").focus()
    page.keyboard.press("ArrowRight")
    assert not page.evaluate("Boolean(window.leaked)")


# --- the question ----------------------------------------------------------------------------------------------------


def test_the_reasons_come_after_the_answer(show: Any) -> None:
    watched = show("predict")
    page = watched.page
    assert page.locator("legend").inner_text() == "Is 1 < 2 </script> & λmax?"
    assert page.locator(".lrlab-reason").count() == 0
    assert page.get_by_role("button").is_disabled()
    page.get_by_label("No").check()
    page.get_by_role("button").click()
    assert page.locator(".lrlab-reason").all_inner_texts() == ["Not so. It is.", "Right. So it is."]
    assert "otherwise" in page.get_by_role("status").inner_text()
    watched.assert_clean()


# --- the step-size lab -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", list(SURFACES))
def test_descents_equal_pythons(surface: str, show: Any) -> None:
    page = show("step").page
    choose(page, "surface", surface)
    for label, rule in STEP_RULES.items():
        choose(page, "rule", label)
        for rate in (0.001, 0.03):
            type_rate(page, str(rate))
            page.wait_for_function(
                """([rule, surface, rate]) => { const s = JSON.parse(document.querySelector('[data-settings]').dataset
                .settings); return s.rule === rule && s.surface === surface && s.learning_rate === rate; }""",
                arg=[rule.name, surface, rate],
            )
            shown = settled(page, "learning_rate", rate)
            momentum = json.loads(shown["settings"])["momentum"]
            used = BY_NAME[rule.name](momentum=momentum) if rule.name in BY_NAME else rule
            path = descend(SURFACES[surface], learning_rates=[rate], steps=60, rule=used)
            assert_close(float(shown["loss"].replace("Infinity", "inf")), path.loss[0, -1])


def assert_close(shown: float, expected: float) -> None:
    if not math.isfinite(expected):
        assert not math.isfinite(shown)
    else:
        assert shown == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_edge_is_marked_and_beyond_it_the_descent_diverges(show: Any) -> None:
    page = show("step").page
    assert page.locator(".lrlab-rail text.lrlab-mark").text_content().strip("\u200b") == "2/λmax"
    type_rate(page, "0.25")  # the sharpest curvature is 10: the edge is at 0.2
    settled(page, "learning_rate", 0.25)
    assert "diverged at step" in page.locator(".lrlab-status").inner_text()
    assert page.locator(".lrlab-cross").count() == 2


def test_the_start_can_be_dragged_and_moved_by_keys(show: Any) -> None:
    page = show("step").page
    before = page.locator(PATH).get_attribute("d")
    chart = page.locator("svg.lrlab-drag")
    box = chart.bounding_box()
    page.mouse.move(box["x"] + 80, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 90)
    page.mouse.up()
    page.wait_for_function(
        "(before) => document.querySelector('[data-name=path]').getAttribute('d') !== before", arg=before
    )
    start = json.loads(page.evaluate("document.querySelector('[data-start]').dataset.start"))
    chart.focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_function(
        "(y) => JSON.parse(document.querySelector('[data-start]').dataset.start)[1] > y", arg=start[1]
    )


def test_earlier_runs_stay_in_grey_until_forgotten(show: Any) -> None:
    page = show("step").page
    settled(page, "learning_rate", 0.05)
    page.evaluate("(async () => { const t = performance.now(); performance.now = () => t + 1e5; })()")
    type_rate(page, "0.1")
    page.locator(".lrlab-end.ghost").wait_for()
    assert page.locator(".lrlab-end.ghost").text_content() == "0.05"
    page.get_by_role("button", name="forget earlier runs").click()
    assert page.locator(".lrlab-end.ghost").count() == 0


# --- the training lab ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "rule", "schedule", "batch", "rate", "seed"),
    [
        ("Digits, MLP", "Gradient descent", "Constant", 64, 0.2, 0),
        ("Digits, MLP", "Adam", "Cosine to 0", 16, 0.01, 3),
        ("Digits, MLP", "Heavy ball", "One cycle", 256, 0.05, 1),
        ("Digits, MLP", "Gradient descent", "Constant", 64, 8.0, 0),
        ("Digits, CNN", "RMSprop", "Linear to 0", 64, 0.003, 2),
    ],
)
def test_training_equals_pythons(
    task: str, rule: str, schedule: str, batch: int, rate: float, seed: int, show: Any
) -> None:
    page = show("training").page
    for name, label in {
        "task": task,
        "rule": in_full(rule),
        "schedule": schedule,
        "batch_size": str(batch),
        "steps": "50",
    }.items():
        choose(page, name, label)
    page.locator("input[name=seed]").fill(str(seed))
    type_rate(page, str(rate))
    page.wait_for_function(
        """([task, rule, schedule, seed]) => { const s = JSON.parse(document.querySelector('[data-settings]').dataset
        .settings); return s.task === task && s.rule === rule && s.schedule === schedule && s.seed === seed; }""",
        arg=[task, rule, schedule, seed],
    )
    shown = settled(page, "learning_rate", rate)
    run = training.train(
        {"Digits, MLP": tasks.digits_mlp, "Digits, CNN": tasks.digits_cnn}[task](),
        learning_rate=rate,
        rule=RULES[rule],
        schedule=SCHEDULES[schedule](50),
        batch_size=batch,
        steps=50,
        seed=seed,
        dtype=torch.float64,
        device="cpu",
        engine="torch",
    )
    assert int(shown["diverged"]) == (-1 if run.diverged_at is None else run.diverged_at)
    if run.diverged_at is None:
        assert float(shown["loss"]) == pytest.approx(run.loss[-1], rel=1e-9)
        assert float(shown["validation"]) == pytest.approx(run.validation_loss[-1], rel=1e-9)
    else:
        assert f"diverged at step {run.diverged_at}" in page.locator(".lrlab-status").inner_text()


def test_training_at_all_rates_draws_the_budget_curve(show: Any) -> None:
    watched = show("training")
    page = watched.page
    choose(page, "steps", "50")
    settled(page, "steps", 50)
    page.locator(".lrlab-sweep").click()
    page.wait_for_function("!document.querySelector('.lrlab-sweep').disabled")
    shown = [
        [r, float(f.replace("Infinity", "inf"))]
        for r, f in json.loads(page.evaluate("document.querySelector('[data-sweep]').dataset.sweep"))
    ]
    sweep = training.sweep(
        tasks.digits_mlp(),
        learning_rates=[rate for rate, _ in shown],
        steps=50,
        batch_size=64,
        dtype=torch.float64,
        device="cpu",
        engine="torch",
    )
    final, good = sweep.validation_loss[:, -1], ~sweep.diverged & (sweep.learning_rates < 1)  # above: chaos
    np.testing.assert_allclose(np.array([f for _, f in shown])[good], final[good], rtol=1e-8)
    watched.assert_clean()


def test_a_sweep_that_fails_is_told_and_can_be_asked_for_again(show: Any) -> None:
    page = show("training", before="globalThis.Worker = class { constructor() { throw new Error('none'); } };").page
    page.evaluate(
        """() => { const real = WebAssembly.instantiate; window.mend = () => (WebAssembly.instantiate = real);
        WebAssembly.instantiate = () => Promise.reject(new Error('out of memory')); }"""
    )
    button = page.locator(".lrlab-sweep")
    button.click()
    page.locator(".lrlab-status", has_text="Could not train in this browser. out of memory").wait_for()
    assert button.is_enabled()
    page.evaluate("() => { mend(); }")
    button.click()
    page.wait_for_function("!document.querySelector('.lrlab-sweep').disabled")
    settled(page, "learning_rate", 0.1)


def test_a_burst_of_moves_settles_on_the_last(show: Any) -> None:
    page = show("training").page
    page.locator("input[name=learning_rate]").focus()
    for _ in range(25):
        page.keyboard.press("ArrowRight")
    rate = float(page.locator("input[name=learning_rate-typed]").input_value())
    shown = settled(page, "learning_rate", rate)
    assert json.loads(shown["settings"])["learning_rate"] == rate


@pytest.mark.parametrize("way", ["http", "file"])
def test_it_trains_on_another_thread_which_starts_when_the_pointer_comes(
    way: str, show: Any, site: Path, visit: Any
) -> None:
    watched = show("training") if way == "http" else visit((site / "training-light.html").as_uri(), origin="file://")
    page = watched.page
    assert page.workers == []
    before = page.locator(".lrlab-status").inner_text()
    with page.expect_worker():
        page.locator(".lrlab-controls").hover()
    assert page.locator(".lrlab-status").inner_text() == before  # the run that warms it up is not shown
    type_rate(page, "0.3")
    settled(page, "learning_rate", 0.3)
    assert len(page.workers) == 1
    watched.assert_clean()


def test_without_workers_it_trains_on_the_page_itself(show: Any) -> None:
    watched = show("training", before="globalThis.Worker = class { constructor() { throw new Error('none'); } };")
    type_rate(watched.page, "0.3")
    settled(watched.page, "learning_rate", 0.3)
    assert "Trained in this browser" in watched.page.locator(".lrlab-status").inner_text()
    watched.assert_clean()


def test_the_page_draws_torchs_random_numbers(show: Any) -> None:
    """Initial weights and minibatches of the page's generator, seen through the first loss of each seed."""
    page = show("training").page
    task = tasks.digits_mlp()
    for seed in (0, 7):
        page.locator("input[name=seed]").fill(str(seed))
        type_rate(page, f"0.{seed + 1}")
        settled(page, "learning_rate", float(f"0.{seed + 1}"))
        line = page.locator("[data-name=validation]").get_attribute("d")
        model = initial_parameters(task.model, seed=seed).double()
        first = task.loss(model(task.validation[0].double()), task.validation[1]).item()
        top = float(line[1:].split("L")[0].split()[1])
        height = page.locator(".lrlab-chart svg svg").first.evaluate("(e) => e.height.baseVal.value")
        assert top == pytest.approx(height * (1 - (math.log10(first) + 3) / 4), abs=0.02)
