"""One process imports torch; from it a server is forked for each assignment, and from that the two of each check.

Only these two see a student's code or a test: what a server hands to the judge is a socket on which both are sent.
"""

import contextlib
import gc
import os
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from lrlib.grading import fence, judge, landlock, pages, worker
from lrlib.grading.channel import Frames, Gone
from lrlib.grading.limits import Limits, hold, no_more_processes
from lrlib.grading.wire import Codec

START = struct.Struct("!cd")  # the order to start a check: b"f" and for how many seconds of computing


def main(number: int) -> None:
    """Fork a server for each that connects to a listening socket, until standard input ends."""
    listener = socket.socket(fileno=number)
    address = listener.getsockname()
    import matplotlib.pyplot  # noqa: F401
    import torch

    torch.set_num_threads(1)  # a forked process cannot use the threads of the one it was forked from
    gc.collect()
    gc.freeze()
    pages.gather()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are not waited for
    while listener.fileno() in select.select([0, listener.fileno()], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _become_server(connection)
        connection.close()
    shutil.rmtree(Path(address).parent, ignore_errors=True)


def _become_server(control: socket.socket) -> NoReturn:
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        serve(control)
    except BaseException as error:
        if not isinstance(error, Gone):
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        _leave()


def serve(control: socket.socket) -> None:
    """Serve the caller at the other end of a socket, until it closes it."""
    codec, frames = Codec(lambda *_: None, keep_grad=False), Frames(control)
    order = codec.decode(*frames.receive())
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.path[:] = order["path"]
    given: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    error = ""
    try:
        os.chdir(order["working_directory"])
        for source in order["prelude"]:
            exec(compile(source, "<prelude>", "exec", dont_inherit=True), given)
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    fence.adopt_orphans()
    gc.collect()
    gc.freeze()
    pages.gather()
    limits, base, readable = Limits(**order["limits"]), Path(order["folder"]), landlock.readable()
    running: list[int] = []
    folder = ""
    frames.send(codec.encode([os.getpid(), error]))
    while True:
        try:
            command, descriptors, _, _ = socket.recv_fds(control, START.size, 2)
        except OSError:
            command = b""
        if len(command) == START.size:
            folder = tempfile.mkdtemp(dir=base)
            prepare = partial(_prepare, control, limits, START.unpack(command)[1])
            running = _fork(descriptors, Path(folder), readable, prepare, given)
            frames.send(codec.encode(running))
        else:
            statuses = _end(running, wait=command == b"g")
            running = []
            shutil.rmtree(folder, ignore_errors=True)
            if not command:
                shutil.rmtree(base, ignore_errors=True)
                return
            frames.send(codec.encode(statuses))


def _fork(
    descriptors: list[int], folder: Path, readable: list[Path], prepare: Callable[[], None], given: dict[str, Any]
) -> list[int]:
    """Start a worker and a judge; their process ids."""
    caller, output = descriptors
    near, far = socket.socketpair()
    pids = []
    for part in ("worker", "judge"):
        pid = os.fork()
        if pid == 0:
            try:
                prepare()
                if part == "worker":
                    os.close(caller)
                    near.close()
                    _be_worker(far, output, folder, readable, given)
                else:
                    os.close(output)
                    far.close()
                    _be_judge(socket.socket(fileno=caller), near, given)
            except BaseException as error:
                if not isinstance(error, Gone):
                    os.write(2, f"{type(error).__name__}: {error}\n".encode())
            finally:
                _leave()
        pids.append(pid)
    for number in (caller, output):
        os.close(number)
    near.close()
    far.close()
    return pids


def _prepare(control: socket.socket, limits: Limits, seconds: float) -> None:
    os.setsid()
    control.close()
    hold(limits, seconds)


def _leave() -> NoReturn:
    os._exit(0)


def _be_worker(
    connection: socket.socket, output: int, folder: Path, readable: list[Path], given: dict[str, Any]
) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    os.close(output)
    os.chdir(folder)
    os.environ.update(dict.fromkeys(("TMPDIR", "HOME", "MPLCONFIGDIR"), str(folder)))
    tempfile.tempdir = str(folder)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stderr = open(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    landlock.confine(readable, folder)
    if not fence.raise_fence():
        no_more_processes()
    worker.run(connection, given)


def _be_judge(caller: socket.socket, connection: socket.socket, given: dict[str, Any]) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    fence.keep_memory_private()  # it holds the hidden tests
    judge.run(caller, connection, given)


def _end(running: list[int], *, wait: bool) -> list[int]:
    """End what was started and what that has started; the exit statuses of the former."""
    statuses = []
    ended = {}
    for trial in range(20 if wait else 1):  # one that has ended by itself keeps its own status
        time.sleep(0.005 if trial else 0)
        for pid in running:
            if pid not in ended and (found := os.waitpid(pid, os.WNOHANG))[0]:
                ended[pid] = found[1]
        if len(ended) == len(running):
            break
    for pid in running:
        for kill in (os.killpg, os.kill):
            if pid not in ended or kill is os.killpg:
                with contextlib.suppress(OSError):
                    kill(pid, signal.SIGKILL)
    for pid in running:
        status = ended[pid] if pid in ended else os.waitpid(pid, 0)[1]
        statuses.append(os.waitstatus_to_exitcode(status) if pid in ended else 1000)
    for _ in range(200):  # what the student's code has left behind is a child of this process now
        try:
            done, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if not done:
            for child in _children():
                with contextlib.suppress(OSError):
                    os.kill(child, signal.SIGKILL)
            time.sleep(0.005)
    return statuses


def _children() -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.append(int(entry.parent.name))
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]))
