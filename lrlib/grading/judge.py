"""The trusted process: it runs one test cell, with the student's functions at the other end of a channel."""

import ast
import re
import socket
from typing import Any

from lrlib.grading.channel import Channel, Fault, Frames, Gone
from lrlib.grading.wire import Codec, Picture
from lrlib.grading.worker import FETCH, LOAD


def run(caller: socket.socket, worker: socket.socket, given: dict[str, Any]) -> None:
    """Receive a task from the caller, carry it out, and send the verdict."""
    codec, frames = Codec(lambda *_: None, keep_grad=False), Frames(caller)
    task = codec.decode(*frames.receive())
    channel = Channel(worker, describe=_describe)
    names = dict(given)
    verdict: dict[str, Any] = {"reason": "", "look": False, "gone": "", "picture": None}
    try:
        reason, look = _carry_out(task, channel, names, verdict)
        verdict.update(reason=reason, look=look)
    except Gone:
        pass
    verdict["gone"] = channel.gone
    frames.send(codec.encode(verdict))


def _carry_out(task: dict[str, Any], channel: Channel, names: dict[str, Any], verdict: dict[str, Any]) -> Any:
    """The reason why the test fails ("" if it does not), and whether a person should look."""
    student = {"STUDENT": task["student"], "student": task["student"]}
    names.update(student)
    model = dict(names)
    for _, source, statements in task["model"]:
        body = ast.parse(source).body
        for number in statements:
            exec(compile(ast.Module([body[number]], []), "<model>", "exec", dont_inherit=True), model)
    more = {**student, **{name: model[name] for name in task["model_names"]}}
    faults = [Fault(*fault) for fault in channel.far(LOAD, "load")(task["pieces"], more)]
    for name in task["names"]:
        try:
            found = channel.far(FETCH, name)(name)
        except Exception as error:
            return _of_value(name, getattr(error, "fault", None)), False
        if not found:
            return (
                said(faults[0], f"`{name}` could not be made: your code") if faults else f"there is no `{name}`"
            ), False
        if name in task["functions"] and not callable(found[0]):
            kind = type(found[0]).__name__
            return f"`{name}` is {'an' if kind[0] in 'aeiou' else 'a'} {kind}, not a function.", False
        names[name] = found[0]
    return _test(task, names, verdict)


def _of_value(name: str, fault: Fault | None) -> str:
    if fault is not None and fault.kind == "Ungradable":
        return f"`{name}` is {fault.message}, which cannot be graded."
    return f"`{name}` cannot be graded."


def _test(task: dict[str, Any], names: dict[str, Any], verdict: dict[str, Any]) -> tuple[str, bool]:
    try:
        if task["draw"]:
            value = names[task["draw"]]
            picture = value() if callable(value) else value
            if not isinstance(picture, Picture):
                return f"`{task['draw']}` gave no figure of matplotlib, but {_kind(picture)}.", False
            verdict["picture"] = bytes(picture).hex()
        else:
            names["__name__"] = "__main__"
            exec(compile(task["test"], "<test>", "exec", dont_inherit=True), names)
    except Exception as error:
        fault = getattr(error, "fault", None)
        if isinstance(fault, Fault):
            return said(fault, "Your code"), False
        if isinstance(error, AssertionError):
            return str(error)[:500] or _unsaid(task, error), False
        message = re.sub(r"\s+", " ", str(error))[:300]
        return f"The test could not go on with what your code gave it: {type(error).__name__}: {message}", True
    return "", False


def _unsaid(task: dict[str, Any], error: BaseException) -> str:
    """What is said of an assertion without a message: its line, unless it is hidden."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<test>":
            line = trace.tb_lineno
        trace = trace.tb_next
    if task["hidden"] or not line:
        return "A hidden test did not hold."
    return f"A test did not hold: `{task['test'].splitlines()[line - 1].strip()}`"


def _kind(value: object) -> str:
    kind = type(value).__name__
    return "nothing" if value is None else f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def said(fault: Fault, who: str) -> str:
    """A fault in a sentence or two."""
    message = re.sub(r"\s+", " ", fault.message)
    where = f" in line {fault.line} of your cell: `{fault.text}`" if fault.text else ""
    if fault.kind == "NotImplementedError":
        return f"{who} is not written yet: it raised NotImplementedError{where}"
    if fault.kind == "Ungradable":
        return f"{who} returned {message}, which cannot be graded."
    if fault.kind == "MemoryError":
        return f"{who} needed more memory than it may use{where or '.'}"
    return f"{who} raised {fault.kind}{': ' + message if message else ''}{where or '.'}"


def _describe(error: BaseException) -> Fault:
    return Fault(type(error).__name__[:80], str(error)[:500])
