"""Marks of one answer to one item, each in a process of its own."""

import contextlib
import io
import json
import os
import resource
import sys
import warnings
from dataclasses import dataclass, field
from typing import Any

from benchmarks.mutants.assignment import Assignment

SECONDS = 10


@dataclass
class Classroom:
    """An assignment whose prelude, model solutions and tests have run, ready for answers to be graded in forks of it.

    Raises what a test says to a model solution. What the tests import need not be imported again in every fork.
    """

    assignment: Assignment
    given: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.given["STUDENT"] = self.given["student"] = "model"
        exec(compile(self.assignment.prelude, "prelude", "exec"), self.given)
        for item in self.assignment.items.values():
            exec(compile(item.solution, item.name, "exec"), self.given)
        for item in self.assignment.items.values():
            for test in item.tests:
                exec(compile(test.source, test.name, "exec"), dict(self.given))

    def reasons(self, item: str, source: str, *, one_will_do: bool = False) -> dict[str, str]:
        """For each test cell of the item what it says to an answer: nothing, if it is content.

        With ``one_will_do`` the cells after the first that is not content are not asked.
        """
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            with contextlib.suppress(BaseException), os.fdopen(writing, "w") as pipe:
                json.dump(self._judge(item, source, one_will_do), pipe)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        os.waitpid(child, 0)
        tests = self.assignment.items[item].tests
        return json.loads(said) if said else dict.fromkeys([test.name for test in tests], "it came to no end")

    def points(self, item: str, source: str) -> float:
        """What an answer to an item is worth."""
        reasons = self.reasons(item, source)
        return sum(test.points for test in self.assignment.items[item].tests if not reasons[test.name])

    def notices(self, item: str, source: str) -> bool:
        """Whether an answer to an item loses points."""
        return any(self.reasons(item, source, one_will_do=True).values())

    def _judge(self, item: str, source: str, one_will_do: bool) -> dict[str, str]:
        names = dict(self.given)
        sys.stdout = sys.stderr = io.StringIO()
        warnings.simplefilter("ignore")
        wrong = _raised(source, names)
        said: dict[str, str] = {}
        for test in self.assignment.items[item].tests:
            said[test.name] = wrong or _raised(test.source, dict(names))
            if one_will_do and said[test.name]:
                break
        return said


def _raised(source: str, names: dict[str, Any]) -> str:
    try:
        exec(compile(source, "answer", "exec"), names)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return ""
