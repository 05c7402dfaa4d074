"""Marks of many submissions, worked out side by side and kept, so that only what has changed is marked again.

Marks are kept in ``state/<assignment>/<student>.json`` under a fingerprint of the submission, the source, the
student's id and the code that grades. A file appears whole or not at all: a run that was killed goes on where it was.
"""

import base64
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lrlib import grading
from lrlib.grading.course.layout import Course, digest, grader_version, read_state, update_state
from lrlib.grading.marks import Mark


def place(course: Course, assignment: str, student: str) -> Path:
    return course.state(assignment, f"{student}.json")


def fingerprint(course: Course, assignment: str, student: str) -> str:
    """What the marks of a submission hang on."""
    source = course.notebook("source", assignment).read_bytes()
    seed_id = read_state(place(course, assignment, student)).get("seed_id", student)
    return digest(course.handed_in(student, assignment).read_bytes(), source, student, seed_id, grader_version())


def kept(course: Course, assignment: str, student: str) -> list[Mark] | None:
    """The marks that were worked out for this very submission, if they were."""
    state = read_state(place(course, assignment, student))
    if state.get("fingerprint") != fingerprint(course, assignment, student):
        return None
    return [_mark(entry) for entry in state["marks"]]


def mark(course: Course, assignment: str, student: str) -> list[Mark]:
    """Grade one submission and keep its marks."""
    path = place(course, assignment, student)
    seed_id = read_state(path).get("seed_id", student)
    key = fingerprint(course, assignment, student)
    marks = grading.grade(course.handed_in(student, assignment), course.notebook("source", assignment), student=seed_id)
    update_state(path, fingerprint=key, marks=[_entry(m) for m in marks])
    return marks


def _entry(mark: Mark) -> dict[str, Any]:
    picture = base64.b64encode(mark.picture).decode() if mark.picture else None
    return {**asdict(mark), "picture": picture}


def _mark(entry: dict[str, Any]) -> Mark:
    return Mark(**{**entry, "picture": base64.b64decode(entry["picture"]) if entry["picture"] else None})


def mark_all(course: Course, jobs: list[tuple[str, str]], workers: int) -> Iterator[tuple[tuple[str, str], str]]:
    """Mark the ``jobs`` (assignment, student) in ``workers`` processes; yield each as it is done, with what went wrong.

    A process that dies takes no other submission along: what it had begun is tried once more, by itself.
    """
    from lrlib.grading.checking import prepare

    if jobs:
        prepare()
    suspects: list[tuple[str, str]] = []
    waiting = list(reversed(jobs))
    while waiting:
        with ProcessPoolExecutor(workers) as pool:
            running: dict[Future[list[Mark]], tuple[str, str]] = {}
            broken = False
            while (waiting and not broken) or running:
                while waiting and len(running) < workers and not broken:
                    try:
                        future = pool.submit(mark, course, *waiting[-1])
                    except BrokenProcessPool:
                        broken = True
                    else:
                        running[future] = waiting.pop()
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    job = running.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        suspects.append(job)
                        broken = True
                    else:
                        yield job, _problem(future.exception())
    for job in suspects:
        with ProcessPoolExecutor(1) as pool:
            yield job, _problem(pool.submit(mark, course, *job).exception())


def _problem(error: BaseException | None) -> str:
    if isinstance(error, BrokenProcessPool):
        return "the grading process died"
    return "" if error is None else f"{type(error).__name__}: {error}".splitlines()[0]
