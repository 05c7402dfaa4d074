"""nbgrader's formgrader on a course, in a server that is started as by ``make formgrader``: what is typed counts."""

import csv
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from small_course import filled_in, save, source

from lrlib.grading.course import Course
from lrlib.grading.course.layout import read_notebook
from lrlib.grading.course.release import release
from lrlib.grading.course.run import grade_course

pytestmark = pytest.mark.slow


@pytest.fixture
def course(tmp_path: Path) -> Course:
    save(source(), tmp_path / "source" / "steps" / "steps.ipynb")
    course = Course.at(tmp_path / "course", tmp_path / "source")
    release(course)
    save(filled_in(read_notebook(course.notebook("release", "steps"))), tmp_path / "handed" / "ada" / "steps.ipynb")
    grade_course(course, tmp_path / "handed", workers=1)
    return course


@pytest.fixture
def address(course: Course, tmp_path: Path) -> Iterator[str]:
    """Where the server answers; it reads nbgrader's configuration in the folder that it starts in."""
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--port=0"]
    command += ["--IdentityProvider.token=it-is-me", "--ServerApp.terminals_enabled=False"]
    command += ["--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}"]
    own = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    environment = {**os.environ, **own, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        command, cwd=course.root, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stderr
        said = []
        for line in server.stderr:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                break
        else:
            pytest.fail("".join(said))
        try:
            while not answers(found[0]):  # it says where it will be before it is there
                assert server.poll() is None, server.stderr.read()
                time.sleep(0.1)
            yield f"{found[0]}/formgrader"
        finally:
            server.terminate()
            server.stderr.read()


def answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/api", timeout=300):
            return True
    except URLError:
        return False


def ask(address: str, body: dict[str, Any] | None = None) -> str:
    headers = {"Authorization": "token it-is-me", "Content-Type": "application/json"}
    request = Request(address, json.dumps(body).encode() if body else None, headers, method="PUT" if body else "GET")
    with urlopen(request, timeout=300) as answer:
        return answer.read().decode()


def test_a_mark_typed_in_formgrader_reaches_the_tables_and_stays(course: Course, address: str) -> None:
    assert [one["name"] for one in json.loads(ask(f"{address}/api/assignments"))] == ["steps"]
    [submission] = json.loads(ask(f"{address}/api/submitted_notebooks/steps/steps"))
    assert (submission["student"], submission["score"], submission["needs_manual_grade"]) == ("ada", 5, True)
    page = ask(f"{address}/submissions/{submission['id']}/?index=0")
    assert "names the factor" in page  # the rubric
    assert "<strong>shrinks</strong>" in page  # the answer
    grades = json.loads(ask(f"{address}/api/grades?submission_id={submission['id']}"))
    [why] = [grade for grade in grades if grade["name"] == "why"]
    ask(f"{address}/api/grade/{why['id']}", {**why, "manual_score": "2.5"})
    comments = json.loads(ask(f"{address}/api/comments?submission_id={submission['id']}"))
    [comment] = [one for one in comments if one["name"] == "why"]
    ask(f"{address}/api/comment/{comment['id']}", {**comment, "manual_comment": "Well put."})
    for again in (False, True):
        grade_course(course, None, again=again, workers=1)
        with (course.root / "marks.csv").open(encoding="utf-8") as file:
            [row] = csv.DictReader(file)
        assert (row["steps (of 8)"], row["waiting for a teacher"]) == ("7.5", "0")
        assert "Well put." in (course.root / "feedback/ada/steps/steps.html").read_text(encoding="utf-8")
