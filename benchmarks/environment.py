"""An environment of its own for what is measured beside ours, made when asked for, and a process in it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self


class Missing(Exception):
    """What was to be measured beside ours cannot be had; the message says why."""


def interpreter(environment: Path, requirements: Path, *, without: Sequence[str] = ()) -> Path:
    """The Python of an environment that has the requirements, installed now if it is not there yet.

    Args:
        environment: its folder.
        requirements: a file; torch, if it is in it, is installed first, from ``TORCH_INDEX`` if that is set.
        without: packages that the requirements bring and that are taken away again.

    Raises:
        Missing: if they cannot be installed.
    """
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    wanted = requirements.read_text(encoding="utf-8")
    stamp = environment / "installed.txt"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    index = ["--index-url", os.environ["TORCH_INDEX"]] if "TORCH_INDEX" in os.environ else []
    pip = [str(python), "-m", "pip"]
    install = [*pip, "install", "-q", "--disable-pip-version-check"]
    commands = [[sys.executable, "-m", "venv", str(environment)]]
    commands += [[*install, *index, line] for line in wanted.splitlines() if line.startswith("torch==")]
    commands += [[*install, "-r", str(requirements)]]
    commands += [[*pip, "uninstall", "-q", "-y", *without]] if without else []
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    stamp.write_text(wanted, encoding="utf-8")
    return python


class Worker:
    """A process that reads a request a line and answers with a line of JSON; use it in a ``with`` statement.

    So its rounds can stand between those of this process.
    """

    def __init__(self, command: Sequence[str], *, variables: Mapping[str, str], quiet: bool = False) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            text=True,
            env=os.environ | {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"} | variables,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def ask(self, request: str) -> dict[str, Any]:
        """The answer to one request.

        Raises:
            Missing: if the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(request, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise Missing("its process has ended")
        return json.loads(answer)
