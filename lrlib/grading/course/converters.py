"""nbgrader's own converters, run in this process for one assignment and student, with their failures in a line."""

import logging
import warnings
from unittest.mock import patch

from alembic.script import ScriptDirectory
from nbgrader import api
from nbgrader.converters.base import BaseConverter
from nbgrader.coursedir import CourseDirectory
from nbgrader.dbutil import ALEMBIC_DIR

from lrlib.grading.course.layout import Course, CourseError


def make_gradebook(course: Course) -> None:
    """Make ``gradebook.db`` whole, if it is not there."""
    whole = course.root / "gradebook.db"
    if not whole.exists():
        unfinished = whole.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        with patch.object(api, "get_alembic_version", version_of_tables):
            api.Gradebook(f"sqlite:///{unfinished}", "learning_rate").close()
        unfinished.rename(whole)


def version_of_tables() -> str | None:
    """What nbgrader would start the program ``alembic`` for, which takes seconds and may not be on the path."""
    return ScriptDirectory(ALEMBIC_DIR).get_current_head()


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage().strip())

    def reason(self, otherwise: str) -> str:
        """The last line of the first traceback; else the first error."""
        traces = [text for text in self.texts if text.startswith("Traceback")]
        return (traces[0].splitlines()[-1] if traces else self.texts[0] if self.texts else otherwise).strip()


def convert(kind: type[BaseConverter], course: Course, assignment: str, student: str = "*") -> None:
    """Run nbgrader's converter ``kind``; what it wrote before is replaced.

    Raises:
        CourseError: it failed; the reason is the error that nbgrader logged.
    """
    log, records = logging.Logger("nbgrader", logging.ERROR), _Records()
    log.addHandler(records)
    settings = course.settings()
    folder = CourseDirectory(config=settings, log=log, assignment_id=assignment, student_id=student)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SQLAlchemy's, on how nbgrader uses it
            kind(coursedir=folder, config=settings, log=log, force=True).start()
    except Exception as error:
        raise CourseError(records.reason(f"{type(error).__name__}: {error}")) from error
