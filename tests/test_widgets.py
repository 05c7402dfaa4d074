"""The labs' Python side: what their output carries, how settings become runs, what bad input says."""

import asyncio
import base64
import json
import re
import zlib
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pytest
import torch

from lrlib import style, tasks, training, updates
from lrlib._compiler import export_step
from lrlib.surfaces import quadratic, rosenbrock
from lrlib.training import descend
from lrlib.widgets import Answer, Axis, CurveMark, Predict, StepSizeLab, TrainingLab
from lrlib.widgets.drawing.still import Still
from lrlib.widgets.drawing.theme import stylesheet
from lrlib.widgets.hosting.bundling import FOLDER, bundle
from lrlib.widgets.hosting.controls import Choice, LogSlider, Slider
from lrlib.widgets.hosting.packing import pack, pack_bytes
from lrlib.widgets.hosting.portable import Latest, escape, script_json
from lrlib.widgets.trainer import trained_lab
from lrlib.widgets.trainer.page_data import tasks_and_data, weight_layout
from lrlib.widgets.trainer.programs import evaluation_program

NASTY = "</script><b>\u2028 & \"quotes' λ_{max}"
LABS = [
    module.relative_to(FOLDER).as_posix()
    for module in FOLDER.rglob("*.js")
    if "\nexport default" in module.read_text(encoding="utf-8")
]


def few_digits(examples: int) -> tasks.Task:
    digits = tasks.digits_mlp(hidden=(16,))
    few = tuple(part[:examples] for part in digits.train)
    return tasks.Task(f"{examples} digits", digits.model, few, digits.validation, digits.loss)  # type: ignore[arg-type]


def question() -> Predict:
    return Predict(NASTY, answers=[Answer("no", "wrong"), Answer(NASTY, NASTY, right=True)])


def unpack(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["data"]), packed["dtype"]).reshape(packed["shape"])


def alone(work: Coroutine[Any, Any, Any]) -> Any:
    """Run on a thread of its own: the browser tests leave an event loop on the main one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.fixture(scope="module")
def small_lab() -> StepSizeLab:
    return StepSizeLab(choices={"Bowl": quadratic([10.0, 1.0])}, surface="Bowl")


# --- the portable base -----------------------------------------------------------------------------------------------


def test_the_output_carries_the_view_and_a_copy_that_needs_no_kernel(small_lab: StepSizeLab) -> None:
    data = small_lab._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == small_lab.model_id
    assert data["text/plain"] == "Step-size lab: Bowl, Gradient descent, learning rate 0.05"
    assert "lrlab-still" in data["text/html"]
    assert "<noscript>" in data["text/html"]


def test_nothing_can_end_the_script_early() -> None:
    page = question().to_html()
    assert page.count("</script>") == 1
    script = page[page.index("<script>") + len("<script>") : page.index("</script>")]
    assert "<" not in script.split("(document.currentScript, ")[1]
    assert "\u2028" not in script
    assert json.loads(script_json({"text": NASTY})) == {"text": NASTY}


def test_no_number_but_a_finite_one_is_written_to_a_page() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json([float("nan")])


def test_text_is_escaped() -> None:
    assert escape(NASTY) == "&lt;/script&gt;&lt;b&gt;\u2028 &amp; &quot;quotes&#x27; λ<sub>max</sub>"
    still = Still(Axis(NASTY, 0, 1), Axis("y", 1, 10, log=True), alt=NASTY).svg()
    assert "<b>" not in still
    assert 'aria-label="&lt;/script' in still


def test_ids_come_from_the_content_and_a_second_showing_is_told_apart() -> None:
    lab = Predict("Same each time?", answers=[Answer("no", "why"), Answer("yes", "so", right=True)])
    first, second = (re.search(r'id="(lrlab-[^"]+)"', lab.to_html()) for _ in range(2))
    assert first
    assert second
    assert first[1] == "lrlab-predict-" + first[1][-8:]
    assert second[1] == first[1] + "-2"
    assert lab.to_html().split("\n", 1)[1] == lab.to_html().split("\n", 1)[1]


def test_a_page_asks_for_nothing_elsewhere(small_lab: StepSizeLab) -> None:
    addresses = set(re.findall(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]{2,}", small_lab.to_html()))
    assert addresses <= {"http://www.w3.org"}  # the name of SVG, never fetched


@pytest.mark.parametrize("name", LABS)
def test_modules_are_joined_once_each_in_order_of_need(name: str) -> None:
    text = bundle(name)
    assert not re.search(r"^import ", text, re.MULTILINE)
    assert len(re.findall(r"^export ", text, re.MULTILINE)) == 1
    declared = re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", text, re.MULTILINE)
    declared.remove("render")
    assert len(declared) == len(set(declared))


def test_an_unknown_module_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"entry must be a JavaScript module of lrlib.widgets, but got 'no.js'"):
        bundle("no.js")


def test_colours_are_those_of_the_book() -> None:
    tokens = style.tokens()
    for colour in (tokens["accent"], tokens["ghost"], *tokens["rates"]):
        assert colour in stylesheet()
    for path in FOLDER.rglob("*.[cj]s*"):
        assert not re.search(r"#[0-9a-f]{6}\b", path.read_text(encoding="utf-8")), path.name


def test_the_newest_work_wins() -> None:
    finished: list[str] = []
    failures: list[Exception] = []

    async def work(name: str) -> None:
        await asyncio.sleep(0)
        finished.append(name)

    async def burst() -> None:
        latest = Latest(failures.append)
        for name in "abc":
            latest.start(work(name))
        await asyncio.sleep(0.01)

    alone(burst())
    assert finished == ["c"]
    assert not failures
    Latest(failures.append).start(work("nobody is there to see it"))
    assert finished == ["c"]


def test_work_that_fails_is_told_and_the_last_result_stays() -> None:
    async def fail() -> TrainingLab:
        lab = TrainingLab(steps=50)
        await lab.latest._task
        lab.tasks = {}  # whatever it is asked for now is not there
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: logged.append(context["exception"]))
        lab.controls["seed"].value = 1
        await asyncio.wait([lab.latest._task])
        await asyncio.sleep(0)
        return lab

    logged: list[Exception] = []
    result = alone(fail()).picture.result
    assert result["problem"].startswith("KeyError")
    assert result["settings"]["seed"] == 0
    assert [type(error) for error in logged] == [KeyError]


# --- packing, programs, data -----------------------------------------------------------------------------------------


def test_packing_keeps_every_bit() -> None:
    values = np.array([[1.0, -0.1], [np.inf, 5e-324]])
    assert (unpack(pack(values)) == values).all()
    assert zlib.decompress(base64.b64decode(pack_bytes(b"abc"))) == b"abc"


def test_data_shared_by_tasks_is_sent_once_and_whole() -> None:
    mlp, cnn = tasks.digits_mlp(), tasks.digits_cnn()
    sent = tasks_and_data({"a": mlp, "b": cnn})
    assert list(sent["data"]) == ["0"]
    part = sent["data"]["0"]["train"]
    places = np.frombuffer(zlib.decompress(base64.b64decode(part["inputs"])), np.uint8)
    assert (unpack(part["palette"])[places].reshape(-1, 64) == mlp.train[0].numpy()).all()
    for task in (mlp, cnn):
        assert sum(size for size, _ in weight_layout(task)) == sum(p.numel() for p in task.model().parameters())


def test_what_a_page_could_not_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 256 distinct values"):
        tasks_and_data({"table": tasks.breast_cancer_mlp()})
    with pytest.raises(TypeError, match="layers with parameters are linear or convolutional"):
        weight_layout(tasks.pydoc_transformer())


# --- controls --------------------------------------------------------------------------------------------------------


def test_round_rates_are_positions_of_the_slider() -> None:
    rate = LogSlider(name="learning_rate", label="η", value=0.1, minimum=1e-3, maximum=10)
    slider = rate.widget().slider
    positions = [rate.read(10 ** (slider.min + k * slider.step)) for k in range(4 * 73 + 1)]
    assert {d * 10.0**e for e in (-3, -2, -1, 0) for d in (1, 2, 5)} <= {round(p, 12) for p in positions}


def test_one_specification_makes_both_kinds_of_control() -> None:
    rate = LogSlider(name="learning_rate", label="η", value=0.1, minimum=1e-3, maximum=10)
    widget = rate.widget()
    assert isinstance(widget.slider, ipywidgets.FloatLogSlider)
    assert (widget.slider.min, widget.slider.max, widget.value) == (pytest.approx(-3), pytest.approx(1), 0.1)
    assert rate.spec()["kind"] == "log"
    assert rate.read(0.123456) == 0.123
    assert isinstance(Slider(name="s", label="s", value=1, minimum=0, maximum=9, step=1).widget(), ipywidgets.IntSlider)
    half = Slider(name="m", label="m", value=0.5, minimum=0, maximum=1, step=0.1)
    assert isinstance(half.widget(), ipywidgets.FloatSlider)
    assert half.read(0.30000000000000004) == 0.3
    pick = Choice(name="c", label="c", value=2, options=[(1, "one"), (2, "two")])
    assert pick.widget().value == 2


def test_a_small_rate_is_shown_with_its_exponent_and_a_bad_one_is_refused_in_words() -> None:
    rate = LogSlider(name="learning_rate", label="η", value=1e-6, minimum=1e-7, maximum=1e-2).widget()
    assert rate.field.value == "1e-6"
    for typed, complaint in {
        "0": "must be above 0",
        "": "is empty",
        "-1": "climb the loss",
        "fast <": "“fast &lt;” is not a number",
        "nan": "not a number",
        "inf": "takes rates from 1e-7 to 0.01",
        "1": "takes rates from 1e-7 to 0.01",
    }.items():
        rate.field.value = typed
        assert complaint in rate.problem.value
        assert (rate.field.value, rate.value, rate.slider.value) == (typed, 1e-6, 1e-6)
    rate.field.value = "2,5E-4"
    assert (rate.problem.value, rate.field.value, rate.value, rate.slider.value) == ("", "2.5e-4", 2.5e-4, 2.5e-4)
    rate.field.value = "no"
    rate.slider.value = 1e-5
    assert (rate.problem.value, rate.field.value, rate.value) == ("", "1e-5", 1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LogSlider(name="r", label="r", value=1, minimum=0, maximum=1), "minimum must be a finite number > 0"),
        (lambda: LogSlider(name="r", label="r", value=5, minimum=1, maximum=2), "r must be a finite number"),
        (lambda: Choice(name="c", label="c", value=3, options=[(1, "one")]), r"c must be one of \[1\], but got 3"),
        (lambda: Predict("?", answers=[Answer("a", "b"), Answer("c", "d")]), "at least one of them right"),
        (lambda: Predict("?", answers=[Answer("a", "b", right=True)]), "two or more"),
        (lambda: StepSizeLab(surface="Mars"), "surface must be one of"),
        (lambda: StepSizeLab(rule="Mars"), "rule must be one of"),
        (lambda: TrainingLab(schedule="Mars"), "schedule must be one of"),
        (lambda: TrainingLab(choices={}), "choices must be at least one Task"),
        (
            lambda: TrainingLab(choices={"Few": few_digits(100)}, batch_size=256),
            r"batch_size must be one of \[16, 64\]",
        ),
        (lambda: TrainingLab(learning_rate=100.0), "learning_rate must be"),
        (lambda: TrainingLab(steps=77), r"steps must be one of \[50, 100, 200, 300\], but got 77"),
        (lambda: TrainingLab(steps=5000), r"steps must be one of \[50, 100, 200, 300\], but got 5000"),
        (lambda: StepSizeLab(steps=5000), "steps must be a finite number .*300.* but got 5000"),
    ],
)
def test_bad_arguments_say_what_they_must_be(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_wrong_kinds_are_type_errors() -> None:
    with pytest.raises(TypeError, match="a Surface of one or two dimensions"):
        StepSizeLab(choices={"x": quadratic([1.0, 1.0, 1.0])}, surface="x")
    with pytest.raises(TypeError, match="question must be text"):
        Predict(3, answers=[])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must be a Task"):
        TrainingLab(choices={"x": 1})  # type: ignore[dict-item]


# --- beside a kernel -------------------------------------------------------------------------------------------------


def test_a_move_descends_anew(small_lab: StepSizeLab) -> None:
    lab = small_lab
    lab.controls["rule"].value = "heavy_ball"
    lab.controls["momentum"].value = 0.5
    lab.controls["learning_rate"].value = 0.0123456
    lab.picture.start = [1.0, -1.0]
    result = lab.picture.result
    expected = descend(
        quadratic([10.0, 1.0]), learning_rates=[0.0123], steps=60, rule=updates.heavy_ball(momentum=0.5), start=[1, -1]
    )
    assert result["settings"]["learning_rate"] == 0.0123
    assert (unpack(result["losses"]) == expected.loss[0]).all()
    assert (unpack(result["points"]) == expected.points[0]).all()


def test_another_surface_starts_at_its_own_start() -> None:
    lab = StepSizeLab(choices={"Bowl": quadratic([10.0, 1.0]), "Valley": rosenbrock()}, surface="Bowl")
    lab.picture.start = [1.0, -1.0]
    lab.controls["surface"].value = "Valley"
    assert unpack(lab.picture.result["points"])[0].tolist() == list(rosenbrock().start)
    assert lab.picture.backdrop["surface"] == "Valley"


def test_a_burst_of_moves_trains_for_the_last() -> None:
    async def burst() -> TrainingLab:
        lab = TrainingLab(steps=50)
        for rate in (0.01, 0.03, 0.2):
            lab.controls["learning_rate"].value = rate
        await lab.latest._task
        return lab

    lab = alone(burst())
    run = training.train(
        tasks.digits_mlp(), learning_rate=0.2, steps=50, batch_size=64, dtype=torch.float64, device="cpu", eval_every=5
    )
    result = lab.picture.result
    assert result["done"]
    assert result["settings"]["learning_rate"] == 0.2
    np.testing.assert_allclose(unpack(result["loss"]), run.loss, rtol=1e-9)
    np.testing.assert_allclose(unpack(result["validation"]), run.validation_loss, rtol=1e-9)


def test_while_the_reader_looks_the_run_is_compiled_and_the_next_one_is_fast(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LRLIB_CACHE_DIR", str(tmp_path))  # what an earlier run compiled is not there
    digits = tasks.digits_mlp()
    own = tasks.Task("own", lambda: torch.nn.Linear(64, 10), digits.train, digits.validation, digits.loss)
    engines, start = [], training.start

    def watched(*args: Any, **options: Any) -> training.Stack:
        engines.append(options["engine"])
        return start(*args, **options)

    monkeypatch.setattr(training, "start", watched)
    monkeypatch.setattr(trained_lab, "PAUSE", 0)

    async def moves() -> list[dict[str, Any]]:
        lab = TrainingLab(steps=50, choices={"Own": own}, device="cpu")
        results = []
        for rate in (0.2, 0.1, 0.2):
            lab.controls["learning_rate"].value = rate
            await lab.latest._task
            results.append(lab.picture.result)
        return results

    first, _, again = alone(moves())
    assert engines == ["torch", "compiled", "compiled"]
    for name in ("loss", "ratio", "validation"):
        np.testing.assert_allclose(unpack(again[name]), unpack(first[name]), rtol=1e-9)


def test_the_button_trains_at_all_rates() -> None:
    async def press() -> TrainingLab:
        lab = TrainingLab(steps=50)
        lab.picture.asked += 1
        await lab.latest._task
        return lab

    lab = alone(press())
    assert lab.picture.backdrop["rates"] == lab.rates
    assert unpack(lab.picture.backdrop["finals"]).shape == (len(lab.rates),)
    assert lab.picture.backdrop["diverged"][0] is False


def test_a_recorded_page_shows_the_first_settings() -> None:
    lab = TrainingLab(steps=50)
    still = lab.still()
    assert still.count("<svg role") == 2
    assert lab.summary() == "Training lab: Digits, MLP, Gradient descent, learning rate 0.1, 50 steps"


def test_a_program_is_described_beside_its_bytes() -> None:
    artifact = export_step(lambda x: (x * 2,), {"x": torch.zeros(1)}, outputs=("y",))
    from lrlib.widgets.trainer.programs import packed

    description = packed(artifact)
    assert zlib.decompress(base64.b64decode(description["wasm"])) == artifact.wasm
    assert [port["name"] for port in description["ports"]] == ["x", "y"]


# --- a mark on a curve -----------------------------------------------------------------------------------------------


def mark(**changes: Any) -> CurveMark:
    given: dict[str, Any] = {
        "x": Axis("rate η", 0.01, 10, log=True),
        "y": Axis("loss", 0, 3),
        "xs": [0.01, 0.1, 1, 10],
        "ys": [2.3, 1.0, 0.1, np.inf],
        "right": 1.0,
        "reason": NASTY,
    }
    return CurveMark(**(given | changes))


def test_what_is_near_enough() -> None:
    linear = Axis("step", 0, 200)
    assert mark().near == (0.8, 1.25)
    assert mark(tolerance=2).near == (0.5, 2.0)
    assert mark(x=linear, right=50).near == (40.0, 60.0)
    assert mark(x=linear, right=50, tolerance=5).near == (45.0, 55.0)
    assert mark(right=(0.5, 2)).near == (0.5, 2.0)


def test_a_mark_travels_whole_and_what_is_not_finite_as_a_gap() -> None:
    lab = Predict("Where?", mark=mark())
    assert json.loads(script_json(lab.page_state()))["content"]["mark"]["ys"] == [2.3, 1.0, 0.1, None]
    assert lab.answer is None
    lab.answer = 0.55
    assert lab.summary() == "Predict: Where?"
    assert lab.to_html().count("</script>") == 1


def test_without_scripts_the_curve_unfolds_unless_it_is_part_of_the_question() -> None:
    before, after = Predict("Where?", mark=mark()).still().split("<details>")
    assert "lrlab-line" not in before
    assert "lrlab-line" in after
    assert "It is 1." in after
    before, after = Predict("Where?", mark=mark(shown=True, right=(0.5, 2))).still().split("<details>")
    assert "lrlab-line" in before
    assert "Anything from 0.5 to 2 counts." in after


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": Axis("x", 0, 1, log=True)}, "x.low must be a finite number > 0"),
        ({"y": Axis("y", 1, 1)}, "y.high must be a finite number > 1"),
        ({"xs": [1, 2, 2, 3]}, "xs must be two or more increasing numbers"),
        ({"ys": [1, 2]}, "ys must be 4 numbers, one for each of xs"),
        ({"ys": [1, np.nan, np.inf, np.nan]}, "two of them or more finite"),
        ({"right": 100}, "right must be a finite number >= 0.01 and <= 10"),
        ({"right": (2, 1)}, r"right\[1\] must be a finite number > 2"),
        ({"right": (1, 2, 3)}, r"right must be a number or a pair \(low, high\)"),
        ({"tolerance": 0.5}, "tolerance must be a finite number >= 1"),
        ({"right": (1, 2), "tolerance": 2}, "tolerance must be None where right is a range"),
    ],
)
def test_a_bad_mark_says_what_it_must_be(changes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mark(**changes)


def test_the_place_of_the_right_answer_tells_nothing_and_is_the_same_in_each_build() -> None:
    places = []
    for k in range(60):
        answers = [Answer(f"answer {i}", "why", right=i == 2) for i in range(3)]
        question = f"Question {k}?"
        shown = Predict(question, answers=answers).content["choices"]
        assert shown == Predict(question, answers=answers[::-1]).content["choices"]
        assert sorted(choice["text"] for choice in shown) == ["answer 0", "answer 1", "answer 2"]
        places.append([choice["right"] for choice in shown].index(True))
    assert min(places.count(place) for place in range(3)) >= 10


def test_what_is_not_on_offer_stays_and_a_page_carries_nothing_for_it() -> None:
    lab = TrainingLab(steps=50, seed=3, offer=["steps"], charts=["loss", "budget"])
    assert list(lab.controls) == ["learning_rate", "steps", "device"]
    assert lab.read()["seed"] == 3
    config = lab.page_config()["training"]
    assert list(config["programs"]) == [
        "gradient:Digits, MLP:64",
        "evaluation:Digits, MLP",
        "rule:Digits, MLP:Gradient descent",
    ]
    assert set(config["schedules"]) == {"Constant"}
    with pytest.raises(ValueError, match="offer must be one of"):
        TrainingLab(offer=["colour"])
    with pytest.raises(ValueError, match="charts must be one of"):
        TrainingLab(charts=["pie"])


def test_a_question_takes_choices_or_a_mark() -> None:
    with pytest.raises(ValueError, match="answers must be given if and only if mark is not"):
        Predict("Where?")
    with pytest.raises(ValueError, match="answers must be given if and only if mark is not"):
        Predict("Where?", answers=[Answer("a", "b")], mark=mark())
    with pytest.raises(TypeError, match="mark must be a CurveMark"):
        Predict("Where?", mark=0.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="x must be an Axis"):
        mark(x="rate")
    with pytest.raises(TypeError, match="reason must be text"):
        mark(reason=3)


def test_a_page_evaluates_all_held_out_examples_also_where_they_outnumber_the_others() -> None:
    few = few_digits(100)
    program = evaluation_program(few, examples=len(few.validation[0]))
    shapes = {port["name"]: port["shape"] for port in program.manifest()["ports"]}
    assert shapes["targets"] == [len(few.validation[0])]
