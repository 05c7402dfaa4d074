"""The whole of ``make grade``: take in, mark, record, feed back, tabulate; each step only where something changed."""

import os
import sys
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

from nbformat import writes
from nbgrader.api import Gradebook

from lrlib.grading.course import marking
from lrlib.grading.course.autograde import record
from lrlib.grading.course.feedback import feedback_all
from lrlib.grading.course.intake import Source, Submission, read, take_in
from lrlib.grading.course.layout import (
    Course,
    CourseError,
    Student,
    read_notebook,
    read_state,
    update_state,
    write,
)
from lrlib.grading.course.rebuild import rebuild
from lrlib.grading.course.release import release
from lrlib.grading.course.results import results
from lrlib.grading.course.summary import write_summary
from lrlib.grading.course.tables import write_tables


def grade_course(
    course: Course,
    submissions: Path | None,
    *,
    student: str = "",
    again: bool = False,
    workers: int = 2,
    say: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Grade what ``submissions`` holds and write marks, feedback and the summary; the lines that need a look.

    Args:
        course: Its assignments are released first where that is due, so that gradebook and sources agree.
        submissions: A folder or a zip file; None grades again what was handed in before.
        student: Only this student's.
        again: Mark anew even what has not changed.
        workers: Submissions marked at once, >= 1.
        say: Is told a line for each step.

    Raises:
        CourseError: there is nothing to grade, and why. What goes wrong with one submission is no error but a line.
    """
    if sys.platform == "win32":
        raise CourseError("grading needs Linux or macOS, since it forks processes, but this is Windows: use WSL")
    for name in release(course):
        say(f"released {name}")
    notes: list[str] = []
    jobs = [job for job in course.submissions() if not student or job[1] == student]
    if submissions is not None:
        taken, notes = take_in(course, submissions, student)
        jobs = [(submission.assignment, submission.student.id) for submission in taken]
        for submission in taken:
            notes += _place(course, submission)
    if not jobs:
        whose = f"of {student} " if student else ""
        raise CourseError(f"nothing {whose}was handed in so far in {course.root}: name a folder, SUBMISSIONS=DIR")
    for line in notes:
        say(line)
    notes += _mark(course, jobs, again=again, workers=workers, say=say)
    found = results(course)
    wanted = [found[job] for job in jobs if job in found]
    for result, problem in feedback_all(course, wanted, workers):
        if problem:
            notes.append(f"{result.student}, {result.assignment}: no feedback: {problem}")
            say(notes[-1])
    people = _people(course)
    write_tables(course, found, people)
    write_summary(course, found, people, notes)
    return notes


def _place(course: Course, submission: Submission) -> list[str]:
    """Put a submission into ``submitted/``: rebuilt for nbgrader, and beside that as it was handed in."""
    assignment, student = submission.assignment, submission.student
    try:
        handed_in, _ = read(submission.file.data)
        released = read_notebook(course.notebook("release", assignment))
        source = Source(read_notebook(course.notebook("source", assignment)))
        rebuilt, missing = rebuild(released, handed_in, source)
    except Exception as error:
        return [
            f"{student.id}, {assignment}: {submission.file.where} was not taken in: {type(error).__name__}: {error}"
        ]
    notes = list(submission.notes)
    notes += [f"{student.id}, {assignment}: the cell of the written answer {name} is missing" for name in missing]
    place = course.notebook("submitted", assignment, student.id)
    path = marking.place(course, assignment, student.id)
    update_state(path, seed_id=submission.seed_id, student=vars(student), notes=notes)
    time = submission.file.time.astimezone(UTC)
    write(place.with_name("timestamp.txt"), f"{time:%Y-%m-%d %H:%M:%S} UTC")
    write(place, writes(rebuilt) + "\n")
    write(course.handed_in(student.id, assignment), submission.file.data)
    return notes


def _mark(
    course: Course, jobs: list[tuple[str, str]], *, again: bool, workers: int, say: Callable[[str], None]
) -> list[str]:
    """Mark and record ``jobs``; a line for each that failed or needs a look."""
    with Gradebook(course.gradebook) as gradebook:
        for student in _people(course).values():
            first, last = student.first_and_last
            known = {"first_name": first or None, "last_name": last or None, "email": student.email or None}
            gradebook.update_or_create_student(student.id, **known)
    recorded = set(results(course))
    jobs = [job for job in jobs if course.handed_in(job[1], job[0]).is_file()]
    stale = [job for job in jobs if again or marking.kept(course, *job) is None]
    fresh = [job for job in jobs if job not in set(stale)]
    notes, done = [], 0

    def finish(job: tuple[str, str], problem: str) -> None:
        nonlocal done
        done += 1
        own = f"{job[1]}, {job[0]}"
        if not problem:
            try:
                notes.extend(record(course, *job))
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
        if problem:
            notes.append(f"{own}: not graded: {problem}")
            say(f"[{done}/{len(jobs)}] {notes[-1]}")
        else:
            marks = marking.kept(course, *job) or []
            auto = [m for m in marks if not m.manual]
            say(f"[{done}/{len(jobs)}] {own}: {sum(m.points for m in auto):g} of {sum(m.max_points for m in auto):g}")

    for job in fresh:
        state = read_state(marking.place(course, *job))
        done_before = state.get("recorded") == state.get("fingerprint") and job in recorded
        if done_before and course.notebook("autograded", *job).is_file():
            done += 1
        else:
            finish(job, "")
    for job, problem in marking.mark_all(course, stale, min(workers, os.cpu_count() or 1, max(1, len(stale)))):
        finish(job, problem)
    if len(jobs) - len(stale) and not again:
        say(f"{len(fresh)} of {len(jobs)} submissions had their marks already")
    return notes


def _people(course: Course) -> dict[str, Student]:
    """The students of the roster; without one, all who handed something in."""
    roster = course.roster()
    if roster:
        return roster
    found = {}
    for job in course.submissions():
        kept = read_state(marking.place(course, *job)).get("student")
        found[job[1]] = Student(**kept) if kept else Student(job[1])
    return found
