"""Whether the tests of grading notice when one of its defences is gone.

``python -m benchmarks.grading_defences`` works on a copy of the project: one defence after the other is taken away
there, and the test that should notice is run. The exit code is the number of those that went unnoticed. Needs Linux
with Landlock, since elsewhere some of the defences are not there to be taken away.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECONDS = 240


@dataclass(frozen=True)
class Defence:
    """A defence, the change that takes it away, and the test that notices."""

    what: str
    file: str  # in lrlib/grading
    before: str  # stands there once
    after: str
    test: str  # in tests/test_grading*.py

    def source(self, root: Path) -> Path:
        return root / "lrlib" / "grading" / self.file


_BREAKS = "test_grading.py::test_what_breaks_an_item_costs_that_item_alone"
_RIGHT = "test_grading.py::test_a_right_answer_in_another_form_loses_nothing"
_SLOW = "test_grading_limits.py::test_slow_code_loses_nothing_by_what_runs_for_ever"
_RETURNED = "test_grading_hostile.py::test_a_returned_function_that_misbehaves_costs_its_own_item"
_PATCHED = "test_grading_hostile.py::test_a_patched_library_or_given_function_answers_no_test"
_FENCE = "test_grading_hostile.py::test_the_kernel_refuses"
_FILES = "test_grading_hostile.py::test_files_out_of_reach"
_LEFT = "test_grading_hostile.py::test_what_a_process_leaves_behind_is_ended"

DEFENCES = (
    Defence(
        "the judge takes a failed assertion for a pass",
        "judge.py",
        "return str(error)[:500] or _unsaid(task, error), False",
        'return "", False',
        f"{_BREAKS}[wrong]",
    ),
    Defence(
        "the judge takes an exception of the student's for a pass",
        "judge.py",
        'return said(fault, "Your code"), False',
        'return "", False',
        f"{_BREAKS}[exception]",
    ),
    Defence(
        "the judge takes a test that could not go on for a pass",
        "judge.py",
        'return f"The test could not go on with what your code gave it: {type(error).__name__}: {message}", True',
        'return "", True',
        f"{_RETURNED}[returns itself]",
    ),
    Defence(
        "the judge takes an item that has ended its process for a pass",
        "checking.py",
        "return Outcome(_gone(why, statuses[0]), look=True, output=text)",
        "return Outcome(output=text)",
        f"{_BREAKS}[_exit]",
    ),
    Defence(
        "the judge runs the student's code itself",
        "judge.py",
        "names[name] = found[0]",
        '[exec(source, names) for _, source, _ in task["pieces"]]',
        f"{_PATCHED}[in a call]",
    ),
    Defence(
        "the judge shows a line of a hidden test",
        "judge.py",
        'if task["hidden"] or not line:',
        "if not line:",
        "test_grading.py::test_no_line_of_a_hidden_test_is_shown",
    ),
    Defence(
        "full points whatever the reason",
        "marking.py",
        "points = 0.0 if reason or item.manual else test.points",
        "points = test.points",
        "test_grading.py::test_threads_grade_at_once_and_each_keeps_its_own_marks",
    ),
    Defence(
        "no limit on time, but the kernel's on computing",
        "checking.py",
        "seconds - clock.seconds()) > 0",
        "1e6 - clock.seconds()) > 0",
        f"{_BREAKS}[sleep]",
    ),
    Defence(
        "waiting for a processor counts",
        "clock.py",
        "unhindered -= now[1] - before[1]",
        "pass",
        "test_grading_limits.py::test_a_crowded_processor_costs_nobody_a_point",
    ),
    Defence(
        "the larger of two limits instead of the smaller",
        "marking.py",
        "given = min(self.limits.seconds, max(",
        "given = max(self.limits.seconds, max(",
        f"{_SLOW}[all endless]",
    ),
    Defence(
        "the first items take all the time",
        "marking.py",
        "share = left / (len(waiting) - number)",
        "share = left",
        f"{_SLOW}[four endless, one slow]",
    ),
    Defence(
        "what ran out of its share is not tried again",
        "marking.py",
        "waiting = [item for item in late if item.tried < limits.seconds]",
        "waiting = []",
        f"{_SLOW}[one endless, one nearly]",
    ),
    Defence(
        "no limit on memory",
        "limits.py",
        "_lower(resource.RLIMIT_AS, mapped + limits.memory_mb * megabytes)",
        "pass",
        f"{_BREAKS}[memory]",
    ),
    Defence(
        "no limit on what is kept of the output",
        "checking.py",
        'text = text[: self.limits.output_characters] + "…"',
        "pass",
        "test_grading.py::test_what_is_printed_is_kept_and_cut",
    ),
    Defence("no fence", "server.py", "if not fence.raise_fence():", "if True:", f"{_FENCE}[another process]"),
    Defence("no Landlock", "server.py", "landlock.confine(readable, folder)", "pass", f"{_FILES}[the hidden tests]"),
    Defence(
        "writing beside the source",
        "landlock.py",
        "reading = _EXECUTE | _READ_FILE | _READ_DIR",
        "reading = rights",
        f"{_FILES}[the code that grades]",
    ),
    Defence("orphans are left alone", "server.py", "fence.adopt_orphans()", "pass", _LEFT),
    Defence("what was left behind runs on", "server.py", "os.kill(child, signal.SIGKILL)", "pass", _LEFT),
    Defence(
        "frames of any length",
        "channel.py",
        "if sum(sizes) > MAX_BYTES:",
        "if False:",
        f"{_BREAKS}[pipe]",
    ),
    Defence(
        "a given name is the student's",
        "worker.py",
        "                self.names.update(self.given)\n        return faults",
        "        return faults",
        f"{_RIGHT}[own given beside a constant]",
    ),
    Defence(
        "everything in a cell is run",
        "worker.py",
        "for number in statements:",
        "for number in range(len(body)):",
        f"{_RIGHT}[loop elsewhere]",
    ),
    Defence(
        "a name is what it is at the end of the notebook",
        "code.py",
        "binders = [n for n in every if n < before] or every",
        "binders = every",
        f"{_RIGHT}[constant again]",
    ),
)


def noticed(defence: Defence, root: Path) -> bool:
    """Whether the test fails without the defence, in a copy of the project."""
    path = defence.source(root)
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace(defence.before, defence.after), encoding="utf-8")
    try:
        return not passes(defence.test, root)
    finally:
        path.write_text(whole, encoding="utf-8")


def passes(test: str, root: Path) -> bool:
    """Whether a test passes; False as well if it comes to no end."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/{test}"]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        output, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return False
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{test} could not be run:\n{output.decode()}")
    return process.returncode == 0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for part in ("lrlib", "tests", "benchmarks"):
            shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        for test in sorted({defence.test for defence in DEFENCES}):
            if not passes(test, root):
                sys.exit(f"{test} does not pass as things are")
        missed = 0
        for defence in DEFENCES:
            found = noticed(defence, root)
            missed += not found
            print(f"{'noticed' if found else 'MISSED '}: {defence.what}", flush=True)
    print(f"{len(DEFENCES) - missed} of {len(DEFENCES)} noticed")
    sys.exit(missed)


if __name__ == "__main__":
    main()
