"""How long a submission may take: who loses points by it, and who does not."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_assignment import DECAY, LIMITS, SOLUTIONS, TESTS, lost, marks, notebook, save_source

from lrlib.grading import Limits, checking, clock, grade
from lrlib.grading.checking import Outcome

LOOP = "    while True: pass"
FOREVER = 1e9
FOUR = ("scale", "step", "decay", "answers")
THREE = ("scale", "decay", "figure")
FULL, SHARE = "Stopped after 10 s.", "its share of the 30 s that a submission has."


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_source(tmp_path_factory.mktemp("source"))


def timed(monkeypatch: pytest.MonkeyPatch, source: Path, needs: dict[str, float]) -> tuple[dict[str, str], float]:
    """The reasons of what was lost, and the seconds in all, if the check of each item needs so many seconds."""
    spent = []

    def check(prelude: list[str], limits: Limits, task: dict[str, Any], seconds: float) -> Outcome:
        need = needs.get(task["names"][0], 0.1)
        spent.append(min(need, seconds))
        if need > seconds:
            return Outcome(f"Stopped after {seconds:.3g} s.", look=True, stopped=True, seconds=seconds)
        return Outcome(seconds=need)

    monkeypatch.setattr(checking, "check", check)
    return lost(source, *SOLUTIONS.values(), limits=Limits()), sum(spent)


NEEDS: dict[str, tuple[dict[str, float], dict[str, str]]] = {
    "every check at its limit": (dict.fromkeys(SOLUTIONS, 6.0), {}),
    "one endless": ({"step": FOREVER}, {"step": FULL}),
    "two endless, the first ones": ({"scale": FOREVER, "step": FOREVER}, dict.fromkeys(("scale", "step"), SHARE)),
    "one endless, one nearly": ({"scale": FOREVER, "figure": 9.9}, {"scale": FULL}),
    "one nearly, one endless": ({"scale": 9.9, "figure": FOREVER}, {"figure": FULL}),
    "three endless": (dict.fromkeys(THREE, FOREVER), dict.fromkeys(THREE, "")),
    "two endless, one slow": ({"scale": FOREVER, "step": FOREVER, "decay": 5}, dict.fromkeys(("scale", "step"), "")),
    "four endless, one slow": ({"figure": 4} | dict.fromkeys(FOUR, FOREVER), dict.fromkeys(FOUR, SHARE)),
    "all endless": (dict.fromkeys(SOLUTIONS, FOREVER), dict.fromkeys(SOLUTIONS, SHARE)),
}  # fmt: skip


@pytest.mark.parametrize("name", NEEDS)
def test_slow_code_loses_nothing_by_what_runs_for_ever(
    monkeypatch: pytest.MonkeyPatch, source: Path, name: str
) -> None:
    needs, reasons = NEEDS[name]
    found, spent = timed(monkeypatch, source, needs)
    assert found.keys() == reasons.keys()
    assert all(found[item].startswith("Stopped after") and found[item].endswith(end) for item, end in reasons.items())
    assert spent <= Limits().submission_seconds + 1e-6


def test_an_item_that_never_ends_is_tried_again_with_what_the_others_left(
    monkeypatch: pytest.MonkeyPatch, source: Path
) -> None:
    found, spent = timed(monkeypatch, source, {"scale": FOREVER})
    assert found == {"scale": FULL}
    assert spent == pytest.approx(6 + 4 * 0.1 + 10)  # a fifth of 30 s, the other four, and the limit of a check


def test_loops_in_many_items_leave_the_right_one_its_points(source: Path) -> None:
    cells = [f"def {name}(*_):\n{LOOP}" for name in ("scale", "step", "figure")]
    limits = Limits(seconds=1, memory_mb=500, submission_seconds=2)
    found = marks(source, *cells, DECAY, "answers = {'rate': 0.5}", limits=limits)
    assert {name for name, mark in found.items() if mark.points} == {"decay", "answers"}
    for name in ("scale", "step", "figure"):
        assert found[name].reason.startswith("Stopped after ")
        assert found[name].look


def test_what_follows_an_endless_check_of_an_item_is_not_tried(tmp_path: Path) -> None:
    source = save_source(tmp_path, tests={**TESTS, "step": TESTS["scale"]})
    text = source.read_text(encoding="utf-8")
    source.write_text(text.replace('"step-test"', '"scale-more"'), encoding="utf-8")
    found = {m.cell: m.reason for m in grade(notebook(f"def scale(x):\n{LOOP}"), source, student="", limits=LIMITS)}
    assert found["scale-test"] == "Stopped after 1 s."
    assert found["scale-more"] == "Not tried, since the check before ended so: Stopped after 1 s."


def test_the_clock_stands_still_for_whoever_waits_for_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[int, tuple[float, float] | None] = {2: (9.0, 40.0), 3: (0.5, 0.0)}
    now = [10.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(clock, "_told", lambda pid: told[pid])
    watch = clock.Clock(2)
    watch.watch([3])
    now[0], told[2], told[3] = 16.0, (9.5, 41.0), (2.0, 2.5)
    assert watch.seconds() == 6 - 1 - 2.5
    told[3] = (4.0, 2.5)  # as much as it has computed, at least
    assert watch.seconds() == 4
    told[3] = None
    assert watch.seconds() == 6 / clock.UNTOLD


@pytest.fixture
def one_processor() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the system does not tell who waits")
def test_a_crowded_processor_costs_nobody_a_point(source: Path, one_processor: None) -> None:
    wait = "while time.process_time() < start + 0.4: pass"
    slow = f"import time\nstart = time.process_time()\ndef scale(x):\n    {wait}\n    return 3 * x"
    limits = Limits(seconds=0.9, memory_mb=500)
    assert "scale" in lost(source, limits=limits)  # the process from which checks are forked is up
    busy = "import time\nwhile time.process_time() < 5: pass"
    crowd = [subprocess.Popen([sys.executable, "-S", "-c", busy]) for _ in range(3)]
    try:
        found = marks(source, slow, limits=limits)
    finally:
        for process in crowd:
            process.kill()
            process.wait()
    assert found["scale"].reason == ""
