"""The clinic on pages of its own: what is prescribed is run as Python runs it; a log is read where it is dropped."""

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from browser.test_accessibility import BACKGROUNDS, illegible, violations
from browser.test_life import COUNTING, NOTHING, OPEN_AND_CLOSE
from lrlib.diagnostics import diagnose
from lrlib.training import Run, train
from lrlib.widgets import ClinicLab, LogClinic
from lrlib.widgets.clinic_lab.lab import run_of
from lrlib.widgets.clinic_lab.patients import DECAYED, MANY, PRESCRIPTIONS, RULES, SCHEDULES, TASKS, Patient

LABS: dict[str, Callable[[], Any]] = {"clinic": ClinicLab, "log": LogClinic}


@cache
def lab(name: str) -> Any:
    return LABS[name]()


@cache
def html(name: str) -> str:
    return str(lab(name).to_html())


def prescribe(page: Any, remedy: str) -> dict[str, str]:
    """Carry out a prescription; what the lab then says of it."""
    page.locator(f"input[value='{remedy}']").check()
    page.get_by_role("button", name="Prescribe").click()
    page.wait_for_selector("[data-told=true]")
    return dict(page.evaluate("({...document.querySelector('[data-told]').dataset})"))


def next_patient(page: Any) -> None:
    page.get_by_role("button", name="Next patient").click()
    page.wait_for_selector("[data-told=false]")


@cache
def treated(patient: Patient, remedy: str) -> Run:
    [prescription] = [p for p in PRESCRIPTIONS if p.remedy == remedy]
    task = TASKS[prescription.task or patient.task]()
    rules = DECAYED if prescription.decayed else RULES
    return train(
        task,
        learning_rate=patient.learning_rate * prescription.factor,
        rule=rules[patient.rule],
        schedule=SCHEDULES[prescription.schedule or patient.schedule],
        steps=200,
        batch_size=16,
        eval_every=10,
        eval_examples=len(task.validation[0]),
        dtype=torch.float64,
    )


def final(run: Run) -> float:
    return math.inf if run.diverged_at is not None else float(run.validation_loss[-1])


def gain(before: Run, after: Run) -> float:
    found = math.log(final(before)) - math.log(final(after)) if final(before) != final(after) else 0.0
    return min(1.0, max(-1.0, found))


@pytest.mark.parametrize("way", ["http", "file"])
def test_a_prescription_is_run_and_compared_with_the_doctors(way: str, show_body: Any) -> None:
    watched = show_body(html("clinic"), way=way)
    page, patients = watched.page, lab("clinic").patients
    remedies = [p.remedy for p in PRESCRIPTIONS if p.remedy not in ("stop", "more data")]
    for patient, remedy in zip(patients, remedies[1::2] if way == "http" else ["regularize"], strict=False):
        before = run_of(patient, seed=0)
        said = prescribe(page, remedy)
        assert float(said["final"].replace("Infinity", "inf")) == pytest.approx(final(before), rel=1e-9)
        assert float(said["gain"]) == pytest.approx(gain(before, treated(patient, remedy)), abs=1e-8)
        diagnosis = diagnose(before.curve)
        advice = diagnosis.remedy or "nothing"
        assert said["theirs"] == advice
        assert float(said["doctorGain"]) == pytest.approx(gain(before, treated(patient, advice)), abs=1e-8)
        told = page.locator(".lrlab-told").inner_text()
        for finding in diagnosis.findings:
            assert f"{finding.name} ({finding.how_sure}): {finding.statement}" in told
        assert patient.rule in told
        next_patient(page)
    assert "Trained in this browser" in page.locator(".lrlab-status").inner_text()
    watched.assert_clean()


def test_to_stop_at_the_best_point_and_to_take_more_data(show_body: Any) -> None:
    page, patients = show_body(html("clinic")).page, lab("clinic").patients
    for k, patient in enumerate(patients[:6]):
        before = run_of(patient, seed=0)
        more = page.locator("input[value='more data']").is_enabled()
        assert more == (patient.task != MANY)
        said = prescribe(page, "more data" if more and k else "stop")
        if more and k:
            assert float(said["gain"]) == pytest.approx(gain(before, treated(patient, "more data")), abs=1e-8)
            break
        if before.diverged_at is None:
            assert float(said["treated"]) == pytest.approx(before.validation_loss.min(), rel=1e-9)
        assert "with hindsight" in page.locator(".lrlab-status").inner_text()
        next_patient(page)
    else:
        pytest.fail("there were no more data for any of six")


def test_the_tally_counts_the_reader_the_doctor_and_nothing(show_body: Any) -> None:
    page = show_body(html("clinic")).page
    assert page.locator(".lrlab-tally").is_hidden()
    gains = []
    for _ in range(3):
        gains.append(prescribe(page, "rate ÷9"))
        next_patient(page)
    rows = page.locator(".lrlab-tally tbody tr").all_inner_texts()
    for row, name in zip(rows, ("gain", "doctorGain"), strict=False):
        values = [float(said[name]) for said in gains]
        _, runs, helped, harmed, mean = row.split("\t")
        assert (int(runs), int(helped)) == (3, sum(v > 0.05 for v in values))
        assert int(harmed) == sum(v < -0.05 for v in values)
        assert float(mean.replace("−", "-")) == pytest.approx(sum(values) / 3, abs=0.006)
    assert rows[2].split("\t")[1:] == ["3", "0", "0", "+0.00"]


def test_keys_alone_lead_through_the_clinic(show_body: Any) -> None:
    page = show_body(html("clinic")).page
    assert page.get_by_role("button", name="Prescribe").is_disabled()
    page.keyboard.press("Tab")
    page.evaluate("document.addEventListener('keydown', () => { window.leaked = true; })")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-told=true][data-mine='rate ×3']")
    page.keyboard.press("Enter")  # the next patient has the focus
    page.wait_for_selector("[data-told=false][data-patient='1']")
    assert page.evaluate("document.activeElement.type") == "radio"
    assert page.evaluate("window.leaked") is None


def test_without_webassembly_nothing_can_be_prescribed(show_body: Any) -> None:
    page = show_body(html("clinic"), before="delete window.WebAssembly").page
    assert "lacks WebAssembly" in page.locator(".lrlab-status").inner_text()
    assert page.locator("input[type=radio]:enabled").count() == 0
    assert page.locator("[data-name=validation]").count() == 1


# --- a log of one's own ---------------------------------------------------------------------------------------------

LOG = "epoch;loss;val_loss;lr;extra\n" + "".join(
    f"{k};{2 - k / 30:.3f};{2.2 - k / 30:.3f};0,001;{k}\n" for k in range(30)
)
LOG = LOG.replace(".", ",")


def give(page: Any, name: str, data: bytes) -> str:
    """Choose a file; what the lab then is in: ``"read"`` or ``"failed"``."""
    page.evaluate("() => { const d = document.querySelector('.lrlab-log').dataset; delete d.state; }")
    page.set_input_files("input[type=file]", {"name": name, "mimeType": "text/plain", "buffer": data})
    page.wait_for_selector("[data-state=read], [data-state=failed]")
    return str(page.locator(".lrlab-log").get_attribute("data-state"))


def report(folder: Path, text: str) -> str:
    from lrlib.curves import read

    path = folder / "run.csv"
    path.write_text(text, encoding="utf-8")
    return str(diagnose(read(path)))


@pytest.mark.parametrize("way", ["http", "file"])
def test_a_log_that_is_chosen_is_read_and_diagnosed_here(way: str, show_body: Any, tmp_path: Path) -> None:
    watched = show_body(html("log"), way=way)
    page = watched.page
    assert give(page, "run.csv", LOG.encode("utf-16")) == "read"
    assert page.locator(".lrlab-log").get_attribute("data-report") == report(tmp_path, LOG)
    told = page.locator(".lrlab-told").inner_text()
    assert "rate too low (likely)" in told
    assert "A comma in a number was read as the decimal mark." in told
    assert "No probe" in told
    assert "30 training losses, 30 of validation, with rates" in page.locator(".lrlab-status").inner_text()
    assert page.locator("[data-name=loss], [data-name=validation], [data-name=rates]").count() == 3
    watched.assert_clean()


def test_a_log_that_is_dropped_is_read_too(show_body: Any) -> None:
    watched = show_body(html("log"))
    page = watched.page
    page.evaluate(
        """(text) => { const data = new DataTransfer(); data.items.add(new File([text], 'dropped.csv'));
        const zone = document.querySelector('.lrlab-drop');
        const event = (name) => new DragEvent(name, { dataTransfer: data, bubbles: true, cancelable: true });
        zone.dispatchEvent(event('dragover'));
        window.marked = zone.classList.contains('over');
        window.taken = !zone.dispatchEvent(event('drop')); }""",
        LOG,
    )
    page.wait_for_selector("[data-state=read]")
    assert page.evaluate("[window.marked, window.taken]") == [True, True]
    assert "dropped.csv" in page.locator(".lrlab-status").inner_text()
    watched.assert_clean()


def test_columns_can_be_chosen_where_the_guess_was_wrong(show_body: Any) -> None:
    page = show_body(html("log")).page
    give(page, "run.csv", LOG.encode())
    guessed = page.locator(".lrlab-told li", has_text="The training loss is 'loss'")
    page.locator("select[name=loss]").select_option("extra")
    guessed.wait_for(state="detached")
    page.locator("select[name=loss]").select_option("")
    guessed.wait_for()
    assert give(page, "headless.csv", b"0,3,0.1\n1,2,0.1\n") == "failed"
    assert "names one of 'column 1'" in page.get_by_role("alert").inner_text()
    page.locator("select[name=loss]").select_option("column 2")
    page.wait_for_selector("[data-state=read]")
    assert "2 training losses" in page.locator(".lrlab-status").inner_text()


WRONG = {
    "holds no column of numbers": b"Traceback (most recent call last):\n  nothing\n",
    "is a binary file": bytes(range(256)) * 9,
    "is empty": b"",
    "python -m lrlib diagnose reads it": bytes(8) + b"    \x1a\x0dbrain.Event:2" + bytes(20),
    "is a damaged gzip file": b"\x1f\x8bno",
}


def test_what_is_no_log_is_said_in_one_line(show_body: Any) -> None:
    watched = show_body(html("log"))
    page = watched.page
    give(page, "run.csv", LOG.encode())
    for what, data in WRONG.items():
        assert give(page, "wrong.bin", data) == "failed"
        assert page.get_by_role("alert").inner_text().startswith("wrong.bin ")
        assert what in page.get_by_role("alert").inner_text()
        assert page.locator(".lrlab-told").inner_text() == ""
        assert page.locator(".lrlab-charts").is_hidden()
    watched.assert_clean()


def test_a_long_log_is_read_on_another_thread(show_body: Any) -> None:
    rows = "".join(f"{k},{2 - k / 50_000},0.001\n" for k in range(50_000))
    watched = show_body(html("log"), way="file", before=COUNTING)
    assert give(watched.page, "long.csv", f"step,loss,lr\n{rows}".encode()) == "read"
    assert watched.page.evaluate("most.workers") == 1
    assert "50000 training losses" in watched.page.locator(".lrlab-status").inner_text()
    assert "rate too low" in watched.page.locator(".lrlab-told").inner_text()
    watched.page.evaluate("document.querySelector('.lrlab-host').closeLab()")
    assert watched.page.evaluate("alive") == NOTHING
    watched.assert_clean()


def test_a_log_beyond_the_bound_is_not_read(show_body: Any) -> None:
    before = "Object.defineProperty(File.prototype, 'size', { get: () => 123e6 });"
    page = show_body(html("log"), before=before).page
    assert give(page, "long.csv", LOG.encode()) == "failed"
    assert "is 123 MB; a page reads up to 100 MB" in page.get_by_role("alert").inner_text()


def test_the_example_is_read_by_a_key(show_body: Any) -> None:
    page = show_body(html("log")).page
    page.get_by_role("button", name="Read an example").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-state=read]")
    assert "past its best validation point" in page.locator(".lrlab-told").inner_text()


# --- both -----------------------------------------------------------------------------------------------------------


def act(page: Any, name: str) -> None:
    if name == "clinic":
        if page.locator("[data-told=true]").count():
            next_patient(page)
        prescribe(page, "rate ×9")
    else:
        give(page, "run.csv", LOG.encode())


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", LABS)
def test_nothing_to_complain_of(name: str, theme: str, show_body: Any) -> None:
    watched = show_body(html(name), theme=theme, width=390)
    page = watched.page
    for _ in range(2):
        assert violations(page) == []
        assert illegible(page, BACKGROUNDS[theme]) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        act(page, name)
    assert violations(page) == []
    assert illegible(page, BACKGROUNDS[theme]) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    watched.assert_clean()


@pytest.mark.parametrize("name", LABS)
def test_without_scripts_something_stands(name: str, show_body: Any) -> None:
    page = show_body(html(name), scripts=False).page
    assert "JavaScript" in page.locator("noscript").inner_text()
    text = "python -m lrlib diagnose" if name == "log" else ""
    assert text in page.locator(".lrlab-still").inner_text()
    assert page.locator(".lrlab-still svg .lrlab-line").count() == (2 if name == "clinic" else 0)


@pytest.mark.parametrize(("name", "host"), [("clinic", "kernel"), ("log", "page")])
def test_ten_views_opened_and_closed_leave_nothing(name: str, host: str, show_body: Any) -> None:
    state = {**lab(name).page_state(), "host": host}
    page = show_body("<p>Nothing else.</p>", before=COUNTING).page
    alive, most = page.evaluate(OPEN_AND_CLOSE, [lab(name).source(), state, 10])
    assert alive == NOTHING, page.evaluate("left()")
    assert most["listeners"] > 0


def test_a_clinic_that_is_closed_at_work_ends_its_worker(show_body: Any) -> None:
    watched = show_body(html("clinic"), before=COUNTING)
    page = watched.page
    page.locator("input[value='rate ×3']").check()
    page.get_by_role("button", name="Prescribe").click()
    page.evaluate("document.querySelector('.lrlab-host').closeLab()")
    page.wait_for_timeout(300)
    assert page.evaluate("alive") == NOTHING, json.dumps(page.evaluate("left()"))
    watched.assert_clean()
