"""A course from end to end on the real nbgrader: release, submissions, autograding, feedback, marks."""

import csv
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook, get_alembic_version
from small_course import STEP, WHY, filled_in, save, source
from traitlets.config.loader import PyFileConfigLoader

from lrlib import grading
from lrlib.grading.__main__ import main
from lrlib.grading.course import Course, CourseError
from lrlib.grading.course.converters import version_of_tables
from lrlib.grading.course.layout import read_notebook
from lrlib.grading.course.release import release
from lrlib.grading.course.results import results
from lrlib.grading.course.run import grade_course

ROOT = Path(__file__).parents[1]
UPHILL = STEP.replace("-", "+")
BY_HAND = {"ada": 2.0, "cid": 1.0}


def rows(course: Course, name: str) -> list[dict[str, str]]:
    with (course.root / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def marks(course: Course) -> dict[str, str]:
    return {row["id"]: row["steps (of 8)"] for row in rows(course, "marks.csv")}


def contents(course: Course) -> dict[str, str]:
    files = sorted(path for path in course.root.rglob("*") if path.is_file())
    return {str(p.relative_to(course.root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a released course, and submissions: right, empty, wrong, no notebook, other."""
    home = tmp_path_factory.mktemp("home")
    save(source(), home / "source" / "steps" / "steps.ipynb")
    course = Course.at(home / "course", home / "source")
    assert release(course) == ["steps"]
    released = read_notebook(course.notebook("release", "steps"))
    given = {
        "ada": filled_in(released),
        "bob": released,
        "cid": filled_in(released, step=UPHILL, why="No idea."),
        "dan": filled_in(released, step="def step(w, gradient, rate:\n    return w"),
    }
    for name, notebook in given.items():
        save(notebook, home / "handed" / name / "steps.ipynb")
    (home / "handed" / "eve").mkdir()
    (home / "handed" / "eve" / "steps.ipynb").write_bytes(b"\x89PNG no notebook")
    return home


@pytest.fixture(scope="module")
def graded(home: Path) -> tuple[Course, list[str], list[str]]:
    """The course after one run, the lines it said, and those that need a look. Not to be changed."""
    course, said = Course.at(home / "course", home / "source"), []
    return course, said, grade_course(course, home / "handed", say=said.append)


@pytest.fixture
def course(home: Path, graded: object, tmp_path: Path) -> Course:
    """A copy of the graded course, with its source."""
    for part in ("course", "source", "handed"):
        shutil.copytree(home / part, tmp_path / part)
    return Course.at(tmp_path / "course", tmp_path / "source")


EXPECTED = {
    "ada": "5",
    "bob": "0",
    "cid": "3",
    "dan": "2",
    "eve": "0",
}  # an earlier item's fault costs a later one nothing


def test_marks_of_right_empty_and_wrong_submissions(graded: tuple[Course, list[str], list[str]]) -> None:
    course, said, notes = graded
    assert marks(course) == EXPECTED
    assert sum(line.startswith("[") for line in said) == 5
    assert [note for note in notes if note.startswith("eve, steps: eve/steps.ipynb is no notebook")]
    waiting = {row["id"]: row["waiting for a teacher"] for row in rows(course, "marks.csv")}
    assert waiting == {"ada": "1", "bob": "0", "cid": "1", "dan": "1", "eve": "0"}
    reasons = {(row["id"], row["cell"]): row["reason"] for row in rows(course, "reasons.csv")}
    assert "a step goes against the gradient" in reasons["cid", "step-hidden"]
    assert reasons["ada", "step-hidden"] == ""
    assert reasons["ada", "why"] == "waits for a teacher"
    assert all(reasons[id, cell] for id in ("bob", "eve") for cell in ("step-test", "step-hidden", "descend-test"))


def test_feedback_gives_the_reason_and_no_hidden_test_or_rubric(graded: tuple[Course, list[str], list[str]]) -> None:
    course, *_ = graded
    for student in EXPECTED:
        page = (course.root / "feedback" / student / "steps" / "steps.html").read_text(encoding="utf-8")
        assert "HIDDEN TESTS" not in page
        assert "names the factor" not in page
        assert ("a step goes against the gradient" in page) == (student == "cid")
    shown = course.notebook("autograded", "steps", "ada").read_text(encoding="utf-8")
    assert "names the factor" in shown  # to the teacher


def test_the_summary_says_what_was_missed_and_what_waits(graded: tuple[Course, list[str], list[str]]) -> None:
    page = (graded[0].root / "summary.html").read_text(encoding="utf-8")
    assert "5 handed in of 5 students" in page
    assert "<td>step-hidden</td><td>4 of 5</td>" in page
    assert "<td>steps</td><td>why</td><td>3</td>" in page
    assert "eve/steps.ipynb is no notebook" in page


def test_running_twice_changes_nothing(course: Course) -> None:
    handed, before = course.root.parent / "handed", contents(course)
    said: list[str] = []
    grade_course(course, handed, say=said.append)
    assert contents(course) == before
    assert "5 of 5 submissions had their marks already" in said


def test_one_student_can_be_graded_again(course: Course) -> None:
    handed = course.root.parent / "handed"
    released = read_notebook(course.notebook("release", "steps"))
    for name in ("bob", "cid"):
        save(filled_in(released), handed / name / "steps.ipynb")
    said: list[str] = []
    grade_course(course, handed, student="bob", say=said.append)
    assert [line for line in said if line.startswith("[")] == ["[1/1] bob, steps: 5 of 5"]
    assert marks(course) == {**EXPECTED, "bob": "5"}
    grade_course(course, None, student="bob", again=True, say=said.append)
    assert said[-1] == "[1/1] bob, steps: 5 of 5"


def decide(course: Course, scores: dict[str, float]) -> None:
    """What a teacher does in formgrader."""
    with Gradebook(course.gradebook) as gradebook:
        for student, score in scores.items():
            grade = gradebook.find_grade("why", "steps", "steps", student)
            grade.manual_score, grade.needs_manual_grade = score, False
            gradebook.find_comment("why", "steps", "steps", student).manual_comment = "I see."
        gradebook.db.commit()


def test_a_teachers_marks_stay_and_are_asked_for_again_if_the_answer_changed(course: Course) -> None:
    handed = course.root.parent / "handed"
    decide(course, BY_HAND)
    grade_course(course, handed)
    assert marks(course) == {**EXPECTED, "ada": "7", "cid": "4"}
    page = course.root / "feedback" / "ada" / "steps" / "steps.html"
    assert "I see." in page.read_text(encoding="utf-8")

    released = read_notebook(course.notebook("release", "steps"))
    save(filled_in(released, step=UPHILL), handed / "ada" / "steps.ipynb")
    save(filled_in(released, why="Because."), handed / "cid" / "steps.ipynb")
    notes = grade_course(course, handed)
    found = results(course)
    assert marks(course) == {**EXPECTED, "ada": "5", "cid": "6"}
    assert found["steps", "ada"].waiting == 0
    assert found["steps", "cid"].waiting == 1
    assert "cid, steps: the answer to why has changed since a teacher marked it" in notes


def test_a_killed_run_is_resumed(course: Course) -> None:
    handed, fresh = course.root.parent / "handed", Course.at(course.root.parent / "fresh", course.source)
    for n in range(4):
        shutil.copytree(handed / "ada", handed / f"more{n}")
    command = [sys.executable, "-m", "lrlib.grading", "grade", str(handed)]
    command += ["--course", str(fresh.root), "--source", str(fresh.source), "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    assert run.stdout
    for line in run.stdout:
        if line.startswith("[3/9]"):
            os.killpg(run.pid, signal.SIGKILL)
            break
    run.wait()
    assert run.returncode == -signal.SIGKILL
    run.stdout.close()
    said: list[str] = []
    grade_course(fresh, handed, say=said.append)
    assert marks(fresh) == {**EXPECTED, **dict.fromkeys([f"more{n}" for n in range(4)], "5")}
    assert int(said[-1].split()[0]) >= 3
    assert set(results(fresh)) == {("steps", student) for student in marks(fresh)}


def test_one_failure_stops_nobody_else(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    real = grading.grade

    def grade(submission: Path, *arguments: Any, student: str, **options: Any) -> Any:
        if student == "bob":
            os._exit(9)
        if student == "cid":
            raise MemoryError("all of it")
        return real(submission, *arguments, student=student, **options)

    monkeypatch.setattr(grading, "grade", grade)
    notes = grade_course(course, course.root.parent / "handed", again=True)
    assert "bob, steps: not graded: the grading process died" in notes
    assert "cid, steps: not graded: MemoryError: all of it" in notes
    assert marks(course) == EXPECTED  # what they had
    monkeypatch.undo()
    assert grade_course(course, course.root.parent / "handed")
    assert marks(course) == EXPECTED


def test_a_release_is_replaced_when_its_source_changes_and_only_then(home: Path, tmp_path: Path) -> None:
    course = Course.at(tmp_path / "course", tmp_path / "source")
    save(source(), tmp_path / "source" / "steps" / "steps.ipynb")
    save(source(), tmp_path / "source" / "old" / "old.ipynb")
    (tmp_path / "source" / "steps" / "data.csv").write_text("1,2")
    assert release(course) == ["old", "steps"]
    assert release(course) == []
    changed = source()
    changed.cells[0].source = "# Better steps"
    save(changed, tmp_path / "source" / "steps" / "steps.ipynb")
    shutil.rmtree(tmp_path / "source" / "old")
    course.notebook("release", "steps").with_name("stray.txt").write_text("from before")
    assert release(course) == ["steps"]
    assert "# Better steps" in course.notebook("release", "steps").read_text(encoding="utf-8")
    assert sorted(p.name for p in (course.root / "release").rglob("*")) == ["data.csv", "steps", "steps.ipynb"]

    changed.cells[0].metadata["note"] = WHY
    save(changed, tmp_path / "source" / "steps" / "steps.ipynb")
    with pytest.raises(CourseError, match=r"steps was not released: steps\.ipynb shows a line that is kept"):
        release(course)
    assert not (course.root / "release" / "steps").exists()
    changed.cells[4].source = changed.cells[4].source.replace("### END SOLUTION", "")
    save(changed, tmp_path / "source" / "steps" / "steps.ipynb")
    with pytest.raises(CourseError, match=r"steps was not released: .*no end solution"):
        release(course)


def test_cells_cannot_change_under_submissions(course: Course) -> None:
    changed = source()
    del changed.cells[5]
    save(changed, course.source / "steps" / "steps.ipynb")
    with pytest.raises(CourseError, match="has submissions of the older one; start another COURSE folder"):
        release(course)


def test_the_version_of_the_gradebooks_tables_is_the_one_that_nbgrader_asks_a_program_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert version_of_tables() == get_alembic_version()


def test_nbgraders_own_commands_find_the_course(course: Course) -> None:
    loaded = PyFileConfigLoader("nbgrader_config.py", str(course.root)).load_config()
    assert loaded == course.settings()
    assert loaded.Autograde.autograde_preprocessors[0].endswith("PutMarks")


def test_tables_for_lms_with_a_roster(course: Course) -> None:
    roster = "id,name,lms_id,email\nada,Ada Byron,501,ada@example.org\nbob,=cmd(),502,\nzoe,Zoë Ünal,503,\n"
    (course.root / "students.csv").write_text(roster, encoding="utf-8")
    notes = grade_course(course, course.root.parent / "handed")
    assert "cid: is not in students.csv; not graded" in notes
    moodle = {row["ID number"]: row for row in rows(course, "moodle.csv")}
    assert moodle["ada"]["Assignment: steps (Real)"] == "5"
    assert moodle["ada"]["Email address"] == "ada@example.org"
    assert list(moodle["ada"])[:4] == ["First name", "Last name", "ID number", "Email address"]
    assert (moodle["zoe"]["First name"], moodle["zoe"]["Last name"]) == ("Zoë", "Ünal")
    assert moodle["bob"]["Last name"] == "'=cmd()"
    canvas = rows(course, "canvas.csv")
    assert canvas[0] == {
        "Student": "    Points Possible", "ID": "", "SIS User ID": "", "SIS Login ID": "", "Section": "", "steps": "8",
    }  # fmt: skip
    assert {row["ID"]: row["steps"] for row in canvas[1:]} == {"501": "5", "502": "0", "503": ""}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["grade", "nowhere"], "nowhere does not exist"),
        (["grade", "."], "is empty; looked for"),
        (["grade"], "nothing was handed in so far"),
        (["grade", "--student", "ada"], "nothing of ada was handed in so far"),
    ],
)
def test_bad_input_is_one_clear_line(
    home: Path, tmp_path: Path, arguments: list[str], line: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    place = tmp_path.parent / f"{tmp_path.name}-course"
    shutil.copytree(home / "course", place, ignore=lambda *_: {"submitted", "students.csv"})
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--course", str(place), "--source", str(home / "source")])
    assert stopped.value.code == 2
    assert line in capsys.readouterr().err


def test_windows_is_told_in_one_line(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(CourseError, match="this is Windows: use WSL"):
        grade_course(Course.at(tmp_path / "course", home / "source"), home / "handed")
    assert not (tmp_path / "course").exists()
