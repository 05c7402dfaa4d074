"""Submissions as they come: layouts, archives, names, bad input, and the notebook that is rebuilt from them."""

import io
import os
import zipfile
from pathlib import Path, PurePosixPath

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from small_course import DESCEND, STEP, WHY, cell, filled_in, save, source

from lrlib.grading.course import Course, CourseError
from lrlib.grading.course import archives as packed
from lrlib.grading.course.intake import Source, Submission, take_in
from lrlib.grading.course.rebuild import rebuild
from lrlib.grading.course.release import leaks, secrets


def other() -> NotebookNode:
    notebook = source()
    notebook.cells = [c for c in notebook.cells if "descend" not in c.source and "step" not in c.source]
    notebook.cells.append(cell("code", "def cosine(step):\n    return 1.0", "cosine", solution=True, item="cosine"))
    return notebook


def text(notebook: NotebookNode) -> bytes:
    return nbformat.writes(notebook).replace('student = \\"your id\\"', 'student = \\"mia\\"').encode()


@pytest.fixture
def course(tmp_path: Path) -> Course:
    save(source(), tmp_path / "source" / "steps" / "steps.ipynb")
    save(other(), tmp_path / "source" / "rates" / "rates.ipynb")
    (tmp_path / "course").mkdir()
    return Course.at(tmp_path / "course", tmp_path / "source")


@pytest.fixture
def handed(tmp_path: Path) -> Path:
    (tmp_path / "handed").mkdir()
    return tmp_path / "handed"


def put(directory: Path, *paths: str, data: bytes | None = None) -> Path:
    for path in paths:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(text(source()) if data is None else data)
    return directory


def who(taken: list[Submission]) -> set[tuple[str, str]]:
    return {(submission.student.id, submission.assignment) for submission in taken}


@pytest.mark.parametrize(
    "path",
    [
        "ada/steps/steps.ipynb",
        "ada/steps/solution final (2).ipynb",
        "ada/steps.ipynb",
        "ada/steps-Copy1.ipynb",
        "ada/untitled.ipynb",  # known by the functions in it
        "steps/ada.ipynb",
        "ada.ipynb",
        "download/class 3/ada/work/steps.ipynb",
        "ada_12345_assignsubmission_file_/steps.ipynb",
        "ada_12345_assignsubmission_file/steps.ipynb",
        "ada_12345_assignsubmission_file/work/my steps.ipynb",
        "ada_12345_assignsubmission_file_steps.ipynb",
        "ada_12345_678_steps-2.ipynb",
        "ada_LATE_12345_678_steps.ipynb",
    ],
)
def test_layouts(course: Course, handed: Path, path: str) -> None:
    put(handed, path, path.replace("ada", "bob"))
    taken, notes = take_in(course, handed)
    assert who(taken) == {("ada", "steps"), ("bob", "steps")}
    assert notes == []
    assert all("says student = 'mia'" in note for s in taken for note in s.notes) or "_12345_" in path


def test_zip_files_are_read_wherever_they_lie(course: Course, handed: Path, tmp_path: Path) -> None:
    def packed_up(**members: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in members.items():
                archive.writestr(name.replace("__", "/"), data)
        return file.getvalue()

    own = packed_up(**{"steps.ipynb": text(source()), "__MACOSX__._steps.ipynb": b"", "notes.txt": b"hello"})
    put(handed, "ada/work.zip", data=own)
    (handed / "Course-Steps-99.zip").write_bytes(packed_up(**{"Bob Ray_77_assignsubmission_file___x.zip": own}))
    assert who(take_in(course, handed)[0]) == {("ada", "steps"), ("Bob-Ray", "steps")}
    whole = tmp_path / "all.zip"
    whole.write_bytes(packed_up(**{"steps__eve.ipynb": text(source()), "steps__ivo.ipynb": text(source())}))
    assert who(take_in(course, whole)[0]) == {("eve", "steps"), ("ivo", "steps")}


def test_archives_cannot_write_fill_the_memory_or_stop_the_rest(
    course: Course, handed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(handed, "eve/steps.ipynb")
    with zipfile.ZipFile(handed / "ada.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("../../bob/steps.ipynb", "/tmp/cid/steps.ipynb", "..\\dan\\steps.ipynb", "C:\\x\\steps.ipynb"):
            archive.writestr(name, text(source()))
        archive.writestr("bomb/steps.ipynb", b" " * 30_000_000)
    put(handed, "broken.zip", data=b"PK\x03\x04 no archive")
    (handed / "link").mkdir()
    (handed / "link" / "steps.ipynb").symlink_to(handed / "eve" / "steps.ipynb")
    before = {path for path in handed.parent.rglob("*")}
    taken, notes = take_in(course, handed)
    assert who(taken) == {("eve", "steps")}
    assert {path for path in handed.parent.rglob("*")} == before
    assert sum("outside of its folder" in note for note in notes) == 4
    assert [note for note in notes if "more than 20 MB" in note]
    assert [note for note in notes if "broken.zip is no zip file" in note]
    assert [note for note in notes if "is a link" in note]
    monkeypatch.setattr(packed, "ARCHIVE_FILES", 1)
    assert [note for note in take_in(course, handed)[1] if "more than 1" in note]


def test_the_roster_names_the_students(course: Course, handed: Path) -> None:
    lines = ["id,name,lms_id", "s1,Ada Maria Byron,501", "s2,Bob Ray,", "s3,Bob Ray,503", "s4,Zoë Ünal,"]
    (course.root / "students.csv").write_text("\n".join(lines), encoding="utf-8")
    put(handed, "Ada Maria Byron_9_assignsubmission_file_/steps.ipynb", "bobray_503_1_steps.ipynb")
    put(handed, "ünalzoë_777_1_steps.ipynb", "rates/s2.ipynb", "Mallory_8_assignsubmission_file_/steps.ipynb")
    put(handed, "Bob Ray_10_assignsubmission_file_/steps.ipynb")
    taken, notes = take_in(course, handed)
    assert {who for who, _ in who(taken)} == {"s1", "s2", "s3", "s4"}
    assert [n for n in notes if n.startswith("Mallory") and "is not in students.csv" in n]
    assert [n for n in notes if n.startswith("Bob Ray") and "may be s2, s3" in n]
    assert {s.seed_id for s in taken} == {"s1", "s2", "s3", "s4"}  # whatever the notebook's `student` says
    assert all(any("says student = 'mia'" in line for line in s.notes) for s in taken)


@pytest.mark.parametrize(
    ("roster", "line"),
    [
        ("name\nAda", "must have a first line"),
        ("id,name\n../x,Ada", "line 2: an id is made of"),
        ("id,name\na,Ada\na,Bob", "line 3: the id a stands there twice"),
        (b"id,name\n\xff\xfe,Ada", "no CSV file in UTF-8"),
    ],
)
def test_a_roster_with_a_fault(course: Course, handed: Path, roster: str | bytes, line: str) -> None:
    put(handed, "ada/steps.ipynb")
    (course.root / "students.csv").write_bytes(roster.encode() if isinstance(roster, str) else roster)
    with pytest.raises(CourseError, match=line):
        take_in(course, handed)


def test_without_a_roster_the_seed_is_the_id_in_the_notebook(course: Course, handed: Path) -> None:
    put(handed, "Ada B_9_assignsubmission_file_/steps.ipynb")
    [submission] = take_in(course, handed)[0]
    assert (submission.student.id, submission.seed_id) == ("Ada-B", "mia")


def test_two_students_of_one_name_stay_two(course: Course, handed: Path) -> None:
    put(handed, "Bob Ray_1_assignsubmission_file_/steps.ipynb", "Bob Ray_2_assignsubmission_file_/steps.ipynb")
    assert who(take_in(course, handed)[0]) == {("Bob-Ray_1", "steps"), ("Bob-Ray_2", "steps")}


def test_the_later_of_two_counts_and_it_is_said(course: Course, handed: Path) -> None:
    put(handed, "ada/steps.ipynb", "ada/steps (1).ipynb")
    (handed / "ada" / "steps (1).ipynb").write_bytes(text(source()) + b"\n")
    os.utime(handed / "ada" / "steps.ipynb", (2e9, 2e9))
    os.utime(handed / "ada" / "steps (1).ipynb", (1e9, 1e9))
    [submission] = take_in(course, handed)[0]
    assert submission.file.where == PurePosixPath("ada/steps.ipynb")
    assert "steps.ipynb (2033-05-18" in submission.notes[0]
    assert "counts, the latest; not ada/steps (1).ipynb (2001-09-09" in submission.notes[0]


def test_a_file_that_is_no_notebook_is_graded_by_its_name(course: Course, handed: Path) -> None:
    put(handed, "ada/steps.ipynb", data=b"\x89PNG")
    put(handed, "bob/thing.ipynb", data=b'{"cells": 3}')
    put(handed, "eve/report.pdf", data=b"%PDF")
    taken, notes = take_in(course, handed)
    assert who(taken) == {("ada", "steps")}
    assert "is no notebook" in taken[0].notes[0]
    assert [note for note in notes if note.startswith("bob: bob/thing.ipynb")]
    assert "eve: handed in no notebook, only report.pdf" in notes


def test_a_notebook_under_the_name_of_another_assignment(course: Course, handed: Path) -> None:
    put(handed, "ada/rates.ipynb")
    [submission] = take_in(course, handed)[0]
    assert submission.assignment == "steps"
    assert "has the name of rates and the functions of steps" in submission.notes[0]


def test_nothing_to_grade_is_one_clear_line(course: Course, handed: Path, tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=r"SUBMISSIONS: .*nowhere does not exist"):
        take_in(course, tmp_path / "nowhere")
    with pytest.raises(CourseError, match=r"handed is empty; looked for\n<student>/<assignment>"):
        take_in(course, handed)
    put(handed, "ada/x.pdf", data=b"")
    with pytest.raises(CourseError, match=r"handed holds no notebook, only x\.pdf"):
        take_in(course, handed)
    with pytest.raises(CourseError, match="must be a folder or a zip file"):
        take_in(course, handed / "ada" / "x.pdf")
    put(handed, "ada/steps.ipynb")
    with pytest.raises(CourseError, match="STUDENT=bob"):
        take_in(course, handed, "bob")
    with pytest.raises(CourseError, match="there is no assignment in"):
        Course.at(tmp_path, tmp_path / "handed").assignments()


def release_of(notebook: NotebookNode) -> NotebookNode:
    stub = {"code": "# YOUR CODE HERE\nraise NotImplementedError()", "markdown": "YOUR ANSWER HERE"}
    for c in notebook.cells:
        if c.metadata.get("nbgrader", {}).get("solution"):
            c.source = stub[c.cell_type]
    return notebook


def answers(notebook: NotebookNode) -> dict[str, str]:
    named = [c for c in notebook.cells if "nbgrader" in c.metadata]
    return {c.metadata.nbgrader["grade_id"]: c.source for c in named}


def damage(notebook: NotebookNode, how: str) -> None:
    cells = notebook.cells
    if how == "no metadata":
        for c in cells:
            c.metadata = nbformat.from_dict({})
    elif how == "reversed":
        cells.reverse()
    elif how == "test cells deleted":
        notebook.cells = [c for c in cells if not c.metadata.get("nbgrader", {}).get("locked")]
    elif how == "ids copied":
        for c in cells:
            if c.cell_type == "code":
                c.metadata["nbgrader"] = {"grade_id": "step"}
    elif how == "strange metadata":
        for c in cells:
            c.metadata["nbgrader"] = [1] if c.cell_type == "code" else c.metadata.get("nbgrader", {})


@pytest.mark.parametrize(
    "how", ["nothing", "no metadata", "reversed", "test cells deleted", "ids copied", "strange metadata"]
)
def test_answers_are_found_in_a_damaged_notebook(how: str) -> None:
    release = release_of(source())
    handed_in = filled_in(release)
    damage(handed_in, how)
    rebuilt, missing = rebuild(release, handed_in, Source(source()))
    assert missing == []
    found = answers(rebuilt)
    assert (found["step"], found["descend"], found["why"]) == (STEP, DESCEND, WHY)
    assert found["student"] == 'student = "ada"'
    kept = {name: text for name, text in found.items() if name.endswith(("-test", "-hidden"))}
    assert kept == {name: text for name, text in answers(release).items() if name in kept}


def test_what_has_no_place_is_kept_as_text() -> None:
    release = release_of(source())
    handed_in = filled_in(release, step="half = 0.5")
    handed_in.cells.insert(2, new_code_cell(STEP))
    handed_in.cells.append(new_code_cell("print('```')"))
    handed_in.cells.append(new_markdown_cell("<script>alert(1)</script> *and* <b>text</b>"))
    handed_in.cells = [c for c in handed_in.cells if c.metadata.get("nbgrader", {}).get("grade_id") != "why"]
    handed_in.cells = [c for c in handed_in.cells if c.source != "Why is it geometric?"]
    rebuilt, missing = rebuild(release, handed_in, Source(source()))
    assert answers(rebuilt)["step"] == STEP
    assert missing == ["why"]
    assert answers(rebuilt)["why"] == "YOUR ANSWER HERE"
    extra = [c for c in rebuilt.cells[len(release.cells) :] if c.cell_type == "markdown"]
    assert [c.source for c in extra[1:3]] == ["```python\nhalf = 0.5\n```", "````python\nprint('```')\n````"]
    assert "<script>" not in extra[3].source
    assert "<b>text</b>" in extra[3].source


def test_a_leak_is_found_wherever_it_is(tmp_path: Path) -> None:
    release = release_of(source())
    hidden = secrets(source())
    assert "return w - rate * gradient" in hidden
    assert WHY in hidden
    for c in release.cells:
        c.source = c.source.partition("### BEGIN HIDDEN")[0]
        c.metadata.get("lrlib", {}).pop("rubric", None)
    path = save(release, tmp_path / "steps.ipynb")
    assert leaks(tmp_path, source()) == []
    for place in ("metadata", "output", "another file", "marker", "rubric"):
        bad = nbformat.from_dict(release)
        if place == "metadata":
            bad.metadata["hint"] = ["see", "return w - rate   * gradient"]
        elif place == "output":
            bad.cells[1].outputs = [nbformat.v4.new_output("stream", text="1")]
        elif place == "marker":
            bad.cells[0].source += "\n### END SOLUTION"
        elif place == "rubric":
            bad.cells[4].metadata["lrlib"]["rubric"] = [[1, "x"]]
        else:
            (tmp_path / "notes.txt").write_text(f"so: {STEP}")
        save(bad, path)
        assert leaks(tmp_path, source()), place
