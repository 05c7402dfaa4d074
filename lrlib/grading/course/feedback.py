"""What students read: nbgrader's feedback as HTML, several at once, and only where something has changed."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from nbgrader.converters import GenerateFeedback

from lrlib.grading.course import marking
from lrlib.grading.course.converters import convert
from lrlib.grading.course.layout import Course, digest, read_state, update_state
from lrlib.grading.course.results import Result


def feedback_all(course: Course, found: list[Result], workers: int) -> Iterator[tuple[Result, str]]:
    """Write the feedback of each result that has changed; yield it with what went wrong, "" if nothing did."""
    stale = []
    for result in found:
        key = _fingerprint(course, result)
        page = course.root / "feedback" / result.student / result.assignment / f"{result.assignment}.html"
        state = read_state(marking.place(course, result.assignment, result.student))
        if state.get("feedback") != key or not page.is_file():
            stale.append((result, key))
    if not stale:
        return
    with ProcessPoolExecutor(min(workers, len(stale))) as pool:
        jobs = {pool.submit(_feedback, course, r.assignment, r.student, key): r for r, key in stale}
        for job in as_completed(jobs):
            yield jobs[job], str(job.exception() or "")


def _feedback(course: Course, assignment: str, student: str, key: str) -> None:
    convert(GenerateFeedback, course, assignment, student)
    update_state(marking.place(course, assignment, student), feedback=key)


def _fingerprint(course: Course, result: Result) -> str:
    path = course.notebook("autograded", result.assignment, result.student)
    return digest(path.read_bytes() if path.is_file() else b"", repr(result))
