"""Kernels that begin with what notebooks import: one process imports it, and each kernel is forked from that one.

Starting Python and importing torch and matplotlib takes each kernel three to four seconds, a tenth of what the book
takes. ``lrlib`` is imported by each notebook for itself.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

IMPORTED = (
    "ipykernel.kernelapp",
    "matplotlib.pyplot",
    "scipy.sparse.linalg",
    "scipy.special",
    "sklearn.base",
    "torch",
    "torch._dynamo",
    "torch.fx.experimental.proxy_tensor",
)
LAUNCHER = "ipykernel_launcher"


@contextlib.contextmanager
def warm_kernels() -> Iterator[None]:
    """Until the end of the block, notebooks are executed in forked kernels, where forking is safe: on Linux."""
    if sys.platform != "linux":
        yield
        return
    factory = KernelProvisionerFactory.instance()
    before = factory.default_provisioner_name
    with Nursery() as ForkedKernel.nursery:
        entry = EntryPoint("forked", f"{__name__}:{ForkedKernel.__name__}", factory.GROUP_NAME)
        factory.provisioners["forked"] = entry
        factory.default_provisioner_name = "forked"
        try:
            yield
        finally:
            factory.default_provisioner_name = before


class Nursery:
    """The process that kernels are forked from; it ends with the block, and kernels still there end with it."""

    def __enter__(self) -> "Nursery":
        command = [sys.executable, "-P", __file__]  # -P: the folder of this file is no place to import from
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
        assert self._process.stdin
        assert self._process.stdout
        self._asked, self._said = self._process.stdin, self._process.stdout
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()  # nothing more will be asked for

    def fork(self, **asked: Any) -> int:
        """The process id of a new kernel, once all is imported; see :func:`become_kernel` for what can be asked."""
        with contextlib.suppress(BrokenPipeError):
            self._asked.write(json.dumps(asked) + "\n")
            self._asked.flush()
        answer = self._said.readline()
        if not answer:
            raise RuntimeError(f"the process that kernels are forked from has ended, with {self._process.wait()}")
        return int(answer)


class ForkedKernel(LocalProvisioner):
    """A kernel that was forked; started as ever if it is not this Python's."""

    nursery: Nursery

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        if cmd[0] != sys.executable or LAUNCHER not in cmd:
            return await super().launch_kernel(cmd, **kwargs)
        arguments = cmd[cmd.index(LAUNCHER) :]
        pid = self.nursery.fork(arguments=arguments, folder=kwargs["cwd"], environment=kwargs["env"])
        self.process, self.pid, self.pgid = Forked(pid), pid, pid
        return self.connection_info


class Forked:
    """What jupyter_client needs of a process: like :class:`subprocess.Popen`, but for a child of another process."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0  # how it ended, nobody asks
        return None

    def wait(self) -> int:
        while self.poll() is None:
            time.sleep(0.02)
        return 0

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def fork_on_demand() -> None:
    """Import all; then, for each line of standard input, fork a kernel and say its process id."""
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # as a kernel has it
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # each kernel's collector would look through all of this again and again, and copy its pages
    gc.set_threshold(5_000, 20, 20)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are not waited for
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            become_kernel(**json.loads(line))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def become_kernel(arguments: list[str], folder: str | None, environment: dict[str, str]) -> None:
    """Run the kernel that these ``arguments`` describe, then end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    os.environ.clear()
    os.environ.update(environment)
    if folder:
        os.chdir(folder)
    sys.argv = [*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"]  # it ends when its parent does
    runpy.run_module(LAUNCHER, run_name="__main__")
    sys.exit()


if __name__ == "__main__":
    fork_on_demand()
