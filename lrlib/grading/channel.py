"""Calls over a socket: each side may call the other's functions, also while it is being called."""

import builtins
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lrlib.grading.wire import MAX_BYTES, Codec, Far, Garbled, Ungradable

_HEAD = struct.Struct(">II")


class Gone(BaseException):
    """The other side has ended, or sends what no honest sender sends. No ``except Exception`` of a test catches it."""


@dataclass(frozen=True)
class Fault:
    """What went wrong in the code of the other side: the exception's name and message, and the line it came from."""

    kind: str
    message: str
    cell: int = 0
    line: int = 0
    text: str = ""


class Frames:
    """Whole frames over a stream socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def send(self, frame: bytes) -> None:
        try:
            self.connection.sendall(frame)
        except OSError as error:
            raise Gone(f"no longer listens: {error}") from None

    def receive(self) -> tuple[bytes, bytes]:
        sizes = _HEAD.unpack(self._exactly(_HEAD.size))
        if sum(sizes) > MAX_BYTES:
            raise Gone("garbled")
        text, blob = (self._exactly(size) for size in sizes)
        return text, blob

    def _exactly(self, size: int) -> bytes:
        parts, missing = [], size
        while missing:
            try:
                part = self.connection.recv(min(missing, 2**20))
            except TimeoutError:
                raise
            except OSError:
                part = b""
            if not part:
                raise Gone("ended")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


class Channel:
    """The calls of one side.

    Args:
        connection: One end of a pair of stream sockets.
        describe: What is said of an exception that a function of this side raises.
        keep_grad: See :class:`lrlib.grading.wire.Codec`.
        after: Called when a function of this side has answered.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        describe: Callable[[BaseException], Fault],
        keep_grad: bool = False,
        after: Callable[[], object] = lambda: None,
    ) -> None:
        self._frames = Frames(connection)
        self._codec = Codec(self._call, keep_grad=keep_grad)
        self._describe, self._after = describe, after
        self._one_at_a_time = threading.RLock()
        self.gone = ""  # why the other side no longer answers

    def lend(self, *functions: Callable[..., Any]) -> None:
        """Let the other side call these by their place: 0, 1, ..."""
        for function in functions:
            self._codec.lend(function)

    def far(self, number: int, name: str) -> Far:
        """The other side's function of that number."""
        return Far(self._call, number, name)

    def serve(self) -> None:
        """Answer calls until the other side is gone."""
        while True:
            self._answer(*self._message("call"))

    def _call(self, far: Far, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.gone:
            raise Gone(self.gone)
        with self._one_at_a_time:
            try:
                frame = self._codec.encode(["call", far._number, args, kwargs])
            except Ungradable as error:
                raise TypeError(f"{far.__name__} was given {error}, which it cannot take") from None
            try:
                self._frames.send(frame)
                while True:
                    kind, *rest = self._message("call", "value", "fault")
                    if kind == "value":
                        return rest[0]
                    if kind == "fault":
                        raise _raised(Fault(*rest[0]), rest[1])
                    self._answer(kind, *rest)
            except Gone as error:
                self.gone = self.gone or str(error)
                raise

    def _answer(self, kind: str, number: Any, args: Any, kwargs: Any) -> None:
        try:
            function = self._codec.near(number)
        except Garbled:
            raise Gone("garbled") from None
        try:
            answer = self._codec.encode(["value", function(*args, **kwargs)])
        except Gone:
            raise
        except BaseException as error:
            answer = self._codec.encode(["fault", list(vars(self._describe(error)).values()), _family(error)])
        self._after()
        self._frames.send(answer)

    def _message(self, *kinds: str) -> list[Any]:
        try:
            message = self._codec.decode(*self._frames.receive())
        except Garbled:
            raise Gone("garbled") from None
        shapes = {"call": (object, int, tuple, dict), "value": (object, object), "fault": (object, list, list)}
        kind = message[0] if type(message) is list and message else None
        if kind not in kinds or type(kind) is not str or len(message) != len(shapes[kind]):
            raise Gone("garbled")
        if not all(isinstance(part, shape) for part, shape in zip(message, shapes[kind], strict=True)):
            raise Gone("garbled")
        if kind == "fault" and [type(part) for part in message[1]] != [str, str, int, int, str]:
            raise Gone("garbled")
        if kind == "call" and not all(type(name) is str for name in message[3]):
            raise Gone("garbled")
        return message


def _family(error: BaseException) -> list[str]:
    """The names of the exception's classes, the nearest first."""
    return [kind.__name__ for kind in type(error).__mro__]


def _raised(fault: Fault, family: list[Any]) -> BaseException:
    """An exception of the same kind, as far as it is one of Python's own, that carries the fault."""
    for name in family:
        kind = getattr(builtins, name, None) if isinstance(name, str) else None
        if isinstance(kind, type) and issubclass(kind, BaseException):
            if not issubclass(kind, Exception):
                return Gone(fault.kind)  # the function called sys.exit, or the like
            try:
                error: BaseException = kind(fault.message)
            except TypeError:
                continue
            error.fault = fault  # type: ignore[attr-defined]
            return error
    return Gone("garbled")
