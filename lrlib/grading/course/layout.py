"""Where the parts of a course lie, and nbgrader's settings for it.

The course folder has nbgrader's own layout (``release/``, ``submitted/``, ``autograded/``, ``feedback/``,
``gradebook.db``), so that nbgrader's commands and its formgrader work in it; the sources stay in the book.
"""

import csv
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from traitlets.config import Config

IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


class CourseError(Exception):
    """What keeps a command from going on, in one line that a teacher can act upon."""


@dataclass(frozen=True)
class Student:
    """One line of the roster ``students.csv``: id and name; where given, the number in the LMS and the address."""

    id: str
    name: str = ""
    lms_id: str = ""
    email: str = ""

    @property
    def first_and_last(self) -> tuple[str, str]:
        """The name before and after its last space."""
        first, _, last = self.name.rpartition(" ")
        return first, last


@dataclass(frozen=True)
class Course:
    """A course folder (``root``) and the folder with the source of its assignments (``source``)."""

    root: Path
    source: Path

    @classmethod
    def at(cls, root: str | Path, source: str | Path) -> "Course":
        return cls(Path(root).absolute(), Path(source).absolute())

    def assignments(self) -> list[str]:
        """The assignments that have a source: ``<source>/<name>/<name>.ipynb``."""
        found = sorted(path.parent.name for path in self.source.glob("*/*.ipynb") if path.stem == path.parent.name)
        if not found:
            raise CourseError(f"there is no assignment in {self.source}: looked for <name>/<name>.ipynb")
        return found

    def notebook(self, step: str, assignment: str, student: str = ".") -> Path:
        """nbgrader's place for a notebook at ``step`` (source, release, submitted, autograded)."""
        folder = self.source if step == "source" else self.root / step
        return folder / student / assignment / f"{assignment}.ipynb"

    def handed_in(self, student: str, assignment: str) -> Path:
        """The submission as the student handed it in; it lies beside the rebuilt one."""
        return self.root / "submitted" / student / assignment / "handed-in.ipynb"

    def state(self, *parts: str) -> Path:
        return self.root.joinpath("state", *parts)

    @property
    def gradebook(self) -> str:
        return f"sqlite:///{self.root / 'gradebook.db'}"

    def submissions(self) -> list[tuple[str, str]]:
        """All that was taken in so far, as (assignment, student)."""
        return sorted(
            (path.parent.name, path.parent.parent.name) for path in self.root.glob("submitted/*/*/handed-in.ipynb")
        )

    def roster(self) -> dict[str, Student]:
        """The students in ``students.csv`` by id; empty if there is no such file."""
        path = self.root / "students.csv"
        if not path.is_file():
            return {}
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = [
                    {str(k).strip().casefold(): str(v or "").strip() for k, v in row.items()}
                    for row in csv.DictReader(file)
                ]
        except (UnicodeDecodeError, csv.Error) as error:
            raise CourseError(f"{path} is no CSV file in UTF-8: {error}") from None
        if not rows or "id" not in rows[0]:
            raise CourseError(f"{path} must have a first line `id,name` (and, if you like, lms_id, email) and students")
        students: dict[str, Student] = {}
        for line, row in enumerate(rows, start=2):
            if not IDENTITY.fullmatch(row["id"]):
                raise CourseError(
                    f"{path}, line {line}: an id is made of letters, digits and . _ @ + -, not {row['id']!r}"
                )
            if row["id"] in students:
                raise CourseError(f"{path}, line {line}: the id {row['id']} stands there twice")
            students[row["id"]] = Student(*(row.get(name, "") for name in ("id", "name", "lms_id", "email")))
        return students

    def settings(self) -> Config:
        config = Config()
        configure(config, root=self.root, source=self.source)
        return config


def configure(c: Any, *, root: str | Path, source: str | Path) -> None:
    """Set nbgrader's configuration ``c`` to the course at ``root`` with its sources in ``source``.

    Autograding, by whatever command, then puts in the marks of :func:`lrlib.grading.grade` and runs no notebook;
    feedback leaves out the hidden tests.
    """
    root, source = Path(root).absolute(), Path(source).absolute()
    here = "lrlib.grading.course"
    c.CourseDirectory.course_id = "learning_rate"
    c.CourseDirectory.root = str(root)
    c.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"
    c.CourseDirectory.source_directory = str(source)
    c.PutMarks.root = str(root)
    c.PutMarks.source = str(source)
    own = (
        "IncludeHeaderFooter InstantiateTests LockCells ClearSolutions ClearOutput CheckCellMetadata ComputeChecksums "
    )
    own += "SaveCells ClearHiddenTests ClearMarkScheme ComputeChecksums CheckCellMetadata"  # nbgrader's, in its order
    released = [f"nbgrader.preprocessors.{step}" for step in own.split()]
    c.GenerateAssignment.preprocessors = [*released, f"{here}.release.ForStudents"]
    c.Autograde.autograde_preprocessors = [
        f"{here}.autograde.PutMarks",
        "nbgrader.preprocessors.SaveAutoGrades",
        "nbgrader.preprocessors.AssignLatePenalties",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    c.GenerateFeedback.preprocessors = [
        f"{here}.release.ForStudents",
        "nbgrader.preprocessors.GetGrades",
        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    ]


_CONFIGURATION = '''"""nbgrader's configuration of this course, read where JupyterLab starts; yours to edit."""

from pathlib import Path

from lrlib.grading.course import configure

root = Path(__file__).parent
configure(c, root=root, source=(root / {source!r}).resolve())  # noqa: F821
'''


def write_configuration(course: Course) -> None:
    """Write ``nbgrader_config.py`` into the course folder, once: what a teacher adds there stays."""
    if (course.root / "nbgrader_config.py").exists():
        return
    source = Path(os.path.relpath(course.source, course.root)).as_posix()
    write(course.root / "nbgrader_config.py", _CONFIGURATION.format(source=source))


def read_notebook(path: Path) -> NotebookNode:
    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)


def write(path: Path, text: str | bytes) -> None:
    """Write a file whole or not at all, and only if it changes."""
    data = text.encode() if isinstance(text, str) else text
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_bytes(data)
    unfinished.replace(path)


def read_state(path: Path) -> dict[str, Any]:
    """What is kept in ``path``; nothing, if it is not there or not whole."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def update_state(path: Path, **entries: Any) -> None:
    write(path, json.dumps({**read_state(path), **entries}, indent=1, sort_keys=True))


def digest(*parts: str | bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


@cache
def grader_version() -> str:
    """A fingerprint of the code that decides marks: kept marks of another one are not used."""
    folder = Path(__file__).parents[1]
    files = sorted(folder.glob("*.py"))
    versions = [f"{sys.version_info[:2]}", *(file.name for file in files)]
    return digest(*versions, *(file.read_bytes() for file in files))


def listed(names: Iterable[str], *, most: int = 6) -> str:
    """``names`` in a line, shortened where there are many."""
    names = list(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
