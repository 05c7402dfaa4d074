"""The caller's side of a check: it keeps a warm server, the clock and what was printed."""

import atexit
import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass, replace
from typing import Any

from lrlib.grading.channel import Frames, Gone
from lrlib.grading.clock import Clock
from lrlib.grading.limits import Limits
from lrlib.grading.server import START
from lrlib.grading.wire import Codec

ENDED_BY_US = 1000  # as the exit status of a process that had not ended by itself
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "MALLOC_MMAP_THRESHOLD_")
_own = threading.local()  # a thread's servers: student code that ends a server ends no other thread's check


@dataclass(frozen=True)
class Outcome:
    """What came of one check."""

    reason: str = ""
    look: bool = False
    output: str = ""
    picture: bytes | None = None
    stopped: bool = False
    seconds: float = 0  # that it took


class Nursery:
    """The process that this one's servers are forked from, so that torch is imported once for all assignments."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._folder = tempfile.mkdtemp(prefix="lrlib-grading-")  # nobody else's: who connects is given a server
        self.address = os.path.join(self._folder, "servers")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.address)
            listener.listen()
            command = [sys.executable, "-P", "-m", "lrlib.grading.server", str(listener.fileno())]
            self._process = subprocess.Popen(
                command,
                pass_fds=[listener.fileno()],
                env=_environment(self._folder),
                stdin=subprocess.PIPE,
                start_new_session=True,
            )

        atexit.register(self.close)

    def close(self) -> None:
        """End the process; a server that is still there goes on. It ends by itself once nobody can ask it any more."""
        if self._owner == os.getpid():  # this process was not forked from the owner
            self._process.terminate()
            self._process.wait()
            shutil.rmtree(self._folder, ignore_errors=True)


_nurseries: list[Nursery] = []  # none or one


def prepare() -> None:
    """Start the process that servers are forked from, for this process and those that are forked from it."""
    if not _nurseries:
        _nurseries.append(Nursery())


def _connection() -> socket.socket:
    """A connection to a new server."""
    prepare()
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(_nurseries[0].address)
    except OSError:  # that process has ended
        _nurseries[:] = [Nursery()]
        connection.connect(_nurseries[0].address)
    return connection


def _environment(folder: str) -> dict[str, str]:
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {f"{kind}_NUM_THREADS": "1" for kind in ("OMP", "MKL", "OPENBLAS", "VECLIB_MAXIMUM")}
    environment |= {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "MPLBACKEND": "Agg"}
    return environment | {"MPLCONFIGDIR": folder, "PYTHONDONTWRITEBYTECODE": "1", "HOME": folder}


class Server:
    """A warm process of its own for one assignment; see :mod:`lrlib.grading.server`."""

    def __init__(self, prelude: list[str], limits: Limits) -> None:
        self.limits, self._owner = limits, os.getpid()
        self._codec = Codec(lambda *_: None, keep_grad=False)
        self._folder = tempfile.mkdtemp(prefix="lrlib-grading-")
        self._control = _connection()
        self._frames = Frames(self._control)
        order = {"prelude": prelude, "limits": asdict(limits), "folder": self._folder}
        order |= {"environment": _environment(self._folder), "path": [p for p in sys.path if p]}
        self._frames.send(self._codec.encode({**order, "working_directory": os.getcwd()}))
        self._pid, error = self._reply()
        if error:
            self.close()
            raise ValueError(f"source must be a notebook whose prelude runs, but it raised {error}")

    def _reply(self) -> Any:
        return self._codec.decode(*self._frames.receive())

    def close(self) -> None:
        """End the process and what it has started."""
        if self._owner == os.getpid():  # this process was not forked from the owner
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_WR)
                self._control.settimeout(10)
                while self._control.recv(2**16):
                    pass
            shutil.rmtree(self._folder, ignore_errors=True)
        self._control.close()

    __del__ = close

    def check(self, task: dict[str, Any], seconds: float) -> Outcome:
        """Carry out one task of the judge in ``seconds``. Raises Gone if the server itself has ended."""
        clock, pids = Clock(threading.get_native_id(), self._pid), list[int]()
        mine, judge = socket.socketpair()
        output, printed = os.pipe()
        try:
            socket.send_fds(self._control, [START.pack(b"f", seconds)], [judge.fileno(), printed])
        except OSError:
            raise Gone("ended") from None
        finally:
            judge.close()
            os.close(printed)
        kept = _Kept(output, 4 * self.limits.output_characters)
        try:
            pids = self._reply()
            clock.watch(pids)
            Frames(mine).send(self._codec.encode(task))
            verdict = self._wait(mine, kept, clock, seconds)
            took = clock.seconds()
            self._control.settimeout(20)
            self._control.sendall(b"g" if isinstance(verdict, str) or verdict["gone"] else b"e")
            statuses = self._reply()
            self._control.settimeout(None)
        except (Gone, OSError) as error:
            for pid in pids:
                _kill(pid)
            if isinstance(error, TimeoutError):  # the server is there, but does not answer
                _kill(self._pid)
            raise Gone("ended") from None
        finally:
            kept.rest()
            os.close(output)
            mine.close()
        text = kept.text()
        if len(text) > self.limits.output_characters:
            text = text[: self.limits.output_characters] + "…"
        return replace(_outcome(verdict, statuses, text, seconds), seconds=took)

    def _wait(self, mine: socket.socket, kept: "_Kept", clock: Clock, seconds: float) -> dict[str, Any] | str:
        """The judge's verdict, or why there is none."""
        watched = select.poll()
        watched.register(mine, select.POLLIN)
        watched.register(kept.descriptor, select.POLLIN)
        while (left := seconds - clock.seconds()) > 0:
            ready = {number for number, _ in watched.poll(max(20, left * 1000))}
            if kept.descriptor in ready and not kept.read():
                watched.unregister(kept.descriptor)
            if mine.fileno() in ready:
                mine.settimeout(max(left, 1))
                try:
                    return self._codec.decode(*Frames(mine).receive())
                except Gone:
                    return "judge"
        return "time"


def _outcome(verdict: dict[str, Any] | str, statuses: list[int], text: str, seconds: float) -> Outcome:
    ended = isinstance(verdict, str) or verdict["gone"]
    if verdict == "time" or (ended and -signal.SIGXCPU in statuses):
        return Outcome(f"Stopped after {seconds:.3g} s.", look=True, output=text, stopped=True)
    if isinstance(verdict, str):
        return Outcome("The test ended without a verdict.", look=True, output=text)
    if why := verdict["gone"]:
        return Outcome(_gone(why, statuses[0]), look=True, output=text)
    picture = bytes.fromhex(verdict["picture"]) if verdict["picture"] else None
    return Outcome(verdict["reason"], verdict["look"], text, picture)


class _Kept:
    """The beginning of what is printed into a pipe; the rest is read and dropped."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor, self._size, self._bytes = descriptor, size, bytearray()
        os.set_blocking(descriptor, False)

    def read(self) -> bool:
        """Read once; False at the end."""
        try:
            part = os.read(self.descriptor, 2**16)
        except BlockingIOError:
            return True
        self._bytes += part[: max(0, self._size - len(self._bytes))]
        return bool(part)

    def rest(self) -> None:
        for _ in range(32):  # a pipe holds less
            if not self.read():
                break

    def text(self) -> str:
        return self._bytes.decode("utf-8", "replace")


def _gone(why: str, status: int) -> str:
    if why == "garbled":
        return "Your code wrote into the grader's own channel."
    if why not in ("ended", "garbled") and not why.startswith("no longer"):
        return f"Your code raised {why}, which ends a program."
    if status == -signal.SIGKILL:
        return "The process with your code was killed: it used too much time or memory, or killed itself."
    if status < 0:
        return f"Your code crashed the program ({signal.Signals(-status).name})."
    return "Your code ended the program, before the test was done."


def _kill(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)


def server(prelude: list[str], limits: Limits) -> Server:
    """This thread's server for a prelude, started when it is first asked for."""
    servers: dict[Any, Server] = _own.__dict__.setdefault("servers", {})
    key = (os.getpid(), tuple(prelude), limits)
    if key not in servers:
        while len(servers) >= 4:
            servers.pop(next(iter(servers))).close()
        servers[key] = Server(prelude, limits)
    return servers[key]


def check(prelude: list[str], limits: Limits, task: dict[str, Any], seconds: float) -> Outcome:
    """One check in ``seconds``; a server that ends in it is replaced, and the check tried once more."""
    clock = Clock(threading.get_native_id())
    for _ in range(2):
        try:
            return server(prelude, limits).check(task, seconds)
        except Gone:
            if ended := _own.servers.pop((os.getpid(), tuple(prelude), limits), None):
                ended.close()
    return Outcome("Your code ended the grader's own process.", look=True, seconds=clock.seconds())
