"""The commands of a course, ``release`` (``make assignments``) and ``grade`` (``make grade``)."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrlib.grading.course import Course


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. Exit code: 0 done, 1 done but something needs a look, 2 nothing was done and why."""
    parser = argparse.ArgumentParser(prog="python -m lrlib.grading", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("release", "write what students get"), ("grade", "marks, feedback and a summary")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--course", default="course", help="the course folder (default: course)")
        command.add_argument("--source", default="chapters/assignments", help="the sources of the assignments")
    command.add_argument("submissions", nargs="?", help="a folder or zip file; left out: what was handed in before")
    command.add_argument("--student", default="", metavar="ID", help="only this student's")
    command.add_argument("--again", action="store_true", help="mark anew even what has not changed")
    command.add_argument("--workers", type=int, default=2, help="submissions marked at once (default: 2)")
    options = parser.parse_args(arguments)
    try:
        from lrlib.grading.course import Course, CourseError
    except ModuleNotFoundError as error:
        parser.exit(2, f"{error.name} is missing: pip install 'lrlib[grading]'\n")
    course = Course.at(options.course, options.source)
    try:
        notes = _release(course) if options.command == "release" else _grade(course, options)
    except CourseError as error:
        parser.exit(2, f"{error}\n")
    sys.exit(1 if notes else 0)


def _say(line: str) -> None:
    print(line, flush=True)


def _release(course: "Course") -> list[str]:
    from lrlib.grading.course.release import release

    written = release(course)
    for name in course.assignments():
        _say(f"{course.notebook('release', name)}: {'written' if name in written else 'unchanged'}")
    _say("no line of a solution, no hidden test and no output is in them")
    return []


def _grade(course: "Course", options: argparse.Namespace) -> list[str]:
    from lrlib.grading.course.run import grade_course

    given = options.submissions and Path(options.submissions).absolute()
    workers, only = max(1, options.workers), options.student
    notes = grade_course(course, given, student=only, again=options.again, workers=workers, say=_say)
    _say(f"in {course.root}: marks.csv, reasons.csv, moodle.csv, canvas.csv, summary.html, feedback")
    if notes:
        _say("what needs a look, named above, stands in the summary, too")
    return notes


if __name__ == "__main__":
    main()
