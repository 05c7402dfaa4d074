"""How long grading takes, and whether hostile submissions change anybody else's marks.

``python -m benchmarks.grading`` grades 50 made-up submissions; ``--students 500 --hostile 50`` has 50 hostile ones
among 500, grades the others once more by themselves, and compares every cell's points and reasons. Printed are seconds
on the clock with ``--workers`` processes, and those that all processes together computed, which on a machine with
other work to do are the ones to go by.
"""

import argparse
import csv
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lrlib.grading import fence
from lrlib.grading.course import Course
from lrlib.grading.course.intake import Source
from lrlib.grading.course.layout import read_notebook
from lrlib.grading.course.release import release
from lrlib.grading.course.run import grade_course

HOSTILE = {
    "loops for ever": "while True: pass",
    "sleeps": "import time; time.sleep(10**6)",
    "kills its parent": "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
    "floods the output": "while True: print('x' * 10_000)",
    "takes nearly the time it may": "import time; end = time.process_time() + 2.8\n"
    "    while time.process_time() < end: pass",
    "patches numpy": "import numpy as np; np.allclose = np.isclose = lambda *a, **k: True; return 0",
    "returns a function that loops": "def f(*_, **__):\n        while True: pass\n    return f",
    "patches torch and lrlib": "import lrlib.training as t, torch\n    torch.allclose = lambda *a, **k: True\n"
    "    t.sweep = lambda *a, **k: None; return 0",
    "catches everything": "while True:\n        try:\n            while True: pass\n        except BaseException: pass",
    "ends its process": "import os; os._exit(0)",
    "takes all memory": "block = []\n    while True: block.append(bytearray(10**8))",
    "recurses": "import sys; sys.setrecursionlimit(10**9)\n    def f(): return f()\n    return f()",
    "patches assert": "import builtins; builtins.AssertionError = ValueError; builtins.abs = lambda x: 0; return 0",
    "returns what equals everything": "return type('T', (), {'__eq__': lambda *a: True, '__float__': lambda s: 0.0})()",
    "writes to every descriptor": "import os, contextlib\n    for n in range(256):\n"
    "        with contextlib.suppress(OSError): os.write(n, b'true')",
    "starts a program that outlives it": "import subprocess; subprocess.Popen(['sleep', '30'], start_new_session=True)",
    "looks for the tests": "import pathlib; return [p.read_text() for p in pathlib.Path('/').glob('*/*.ipynb')]",
}


def honest(source: NotebookNode, released: NotebookNode, n: int) -> NotebookNode:
    """A submission that answers more or less: every item right, none, or some of them, by ``n``."""
    draw, notebook = random.Random(n), nbformat.from_dict(released)
    answers = {c.metadata.nbgrader.grade_id: c.source for c in source.cells if "nbgrader" in c.metadata}
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("solution") and draw.random() < n % 5 / 4:
            cell.source = answers[about["grade_id"]]
    return notebook


def hostile(source: NotebookNode, released: NotebookNode, n: int) -> NotebookNode | None:
    """A submission with one of the ``HOSTILE`` functions in the place of every item; None stands for no notebook."""
    kinds = [*HOSTILE.values(), None]
    kind, notebook = kinds[n % len(kinds)], nbformat.from_dict(released)
    items = Source(source).items
    for cell in notebook.cells:
        names = items.get(cell.metadata.get("nbgrader", {}).get("grade_id", ""), frozenset())
        if kind and names and cell.metadata.nbgrader.solution:
            cell.source = "\n".join(f"def {name}(*_, **__):\n    {kind}" for name in sorted(names))
    return notebook if kind else None


def marks(course: Course) -> dict[tuple[str, ...], list[str]]:
    """Points and reason of every graded cell of the honest."""
    with (course.root / "reasons.csv").open(newline="", encoding="utf-8") as file:
        return {tuple(row[:3]): row[3:] for row in csv.reader(file) if row[0].startswith("good")}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grading", description=__doc__)
    parser.add_argument("--students", type=int, default=50)
    parser.add_argument("--hostile", type=int, default=0, help="how many of them are hostile")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--source", default="chapters/assignments")
    options = parser.parse_args()
    fence.adopt_orphans()  # so that what the graders' own processes computed is counted
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        course = Course.at(home / "course", options.source)
        started = time.perf_counter()
        release(course)
        print(f"released {len(course.assignments())} assignments in {time.perf_counter() - started:.1f} s")
        names = course.assignments()
        sources = [read_notebook(course.notebook("source", name)) for name in names]
        released = [read_notebook(course.notebook("release", name)) for name in names]
        every = options.students // options.hostile if options.hostile else 0
        for n in range(options.students):
            bad = every and n % every == 0 and n // every < options.hostile
            number = n // every if bad else n
            which = number % len(names)
            made = (hostile if bad else honest)(sources[which], released[which], number)
            for place in ("all",) if bad else ("all", "honest"):
                path = home / place / f"{'bad' if bad else 'good'}{n:04}" / f"{names[which]}.ipynb"
                path.parent.mkdir(parents=True)
                path.write_text(nbformat.writes(made) if made else "no notebook", encoding="utf-8")
        grade(course, home / "all", options.workers, options.students)
        grade(course, home / "all", options.workers, options.students, "again, nothing changed")
        if options.hostile:
            alone = Course.at(home / "alone", options.source)
            grade(alone, home / "honest", options.workers, options.students - options.hostile, "the honest alone")
            among, by_themselves = marks(course), marks(alone)
            cells = sorted(among.keys() | by_themselves.keys())
            differ = [cell for cell in cells if among.get(cell) != by_themselves.get(cell)]
            for cell in differ:
                print(*cell, among.get(cell), "but alone", by_themselves.get(cell))
            print(f"of {len(cells)} cells of honest students {len(differ)} differ from a run without the hostile ones")
            sys.exit(bool(differ))


def grade(course: Course, submissions: Path, workers: int, number: int, what: str = "graded") -> None:
    started, computed = time.perf_counter(), _computed()
    notes = grade_course(course, submissions, workers=workers)
    seconds, computed = time.perf_counter() - started, _computed() - computed
    print(
        f"{what}: {seconds:.1f} s, {seconds / number:.2f} s a submission; {computed:.1f} s computed,"
        f" {computed / number:.2f} s a submission; {len(notes)} lines need a look",
        flush=True,
    )


def _computed() -> float:
    """Seconds that this process and all that it started have computed so far."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


if __name__ == "__main__":
    main()
