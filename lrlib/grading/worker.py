"""The untrusted process: it runs a student's statements and answers calls of their functions."""

import ast
import socket
import sys
from typing import Any

from lrlib.grading.channel import Channel, Fault
from lrlib.grading.wire import Ungradable

LOAD, FETCH = 0, 1  # the numbers of what the judge calls


class Student:
    """A student's names, beside the given ones.

    Args:
        given: The names that a student does not change for the tests, with their values.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = dict(given)
        self.names = dict(given)
        self.sources: dict[int, list[str]] = {}
        self.describe = self._describe

    def load(self, pieces: list[Any], more: dict[str, Any]) -> list[Any]:
        """Run the pieces of a notebook; what was raised, one entry a statement that failed."""
        self.given.update(more)
        self.names.update(more)
        faults = []
        for cell, source, statements in pieces:
            self.sources[cell] = source.split("\n")
            body = ast.parse(source).body
            for number in statements:
                module = ast.Module([body[number]], [])
                try:
                    exec(compile(module, f"<cell {cell}>", "exec", dont_inherit=True), self.names)
                except BaseException as error:
                    faults.append(list(vars(self.describe(error)).values()))
                self.names.update(self.given)
        return faults

    def fetch(self, name: str) -> Any:
        """The value of a name, in a list of one, or an empty list."""
        return [self.names[name]] if name in self.names else []

    def _describe(self, error: BaseException) -> Fault:
        cell = line = 0
        trace = error.__traceback__
        while trace is not None:
            name = trace.tb_frame.f_code.co_filename
            if name.startswith("<cell "):
                cell, line = int(name[6:-1]), trace.tb_lineno
            trace = trace.tb_next
        lines = self.sources.get(cell, [])
        text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        kind = "Ungradable" if type(error) is Ungradable else type(error).__name__
        try:
            message = str(error)
        except BaseException:
            message = ""
        return Fault(kind[:80], message[:500], cell, line, text[:200])


def run(connection: socket.socket, given: dict[str, Any]) -> None:
    """Serve until the judge is gone."""
    student = Student(given)
    channel = Channel(connection, describe=student.describe, keep_grad=True, after=sys.stdout.flush)
    channel.lend(student.load, student.fetch)
    channel.serve()
