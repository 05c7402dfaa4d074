"""Other range tests side by side with ours: an environment of their own, made when asked for, and a process in it.

It reads one name a line and answers with a line, so that its rounds can stand between those of this process.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_ENVIRONMENT = _HERE.parents[1] / ".venv-finders"


class Missing(Exception):
    """They cannot be had; the message says why."""


def interpreter() -> Path:
    """The Python that has them, installed now if it is not there yet.

    Raises:
        Missing: if they cannot be installed.
    """
    python = _ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    requirements = _HERE / "requirements.txt"
    stamp = _ENVIRONMENT / "installed.txt"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == requirements.read_text(encoding="utf-8"):
        return python
    index = ["--index-url", os.environ["TORCH_INDEX"]] if "TORCH_INDEX" in os.environ else []
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    torch = next(line for line in requirements.read_text(encoding="utf-8").splitlines() if line.startswith("torch=="))
    commands = [
        [sys.executable, "-m", "venv", str(_ENVIRONMENT)],
        [*pip, *index, torch],
        [*pip, "-r", str(requirements)],
    ]
    # fastai brings torchvision, whose default build may be for another build of torch; nothing here uses it
    commands += [[str(python), "-m", "pip", "uninstall", "-q", "-y", "torchvision"]]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    stamp.write_text(requirements.read_text(encoding="utf-8"), encoding="utf-8")
    return python


class Finders:
    """Their process; use it in a ``with`` statement."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [str(interpreter()), str(_HERE / "worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"},
        )

    def __enter__(self) -> "Finders":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def run(self, name: str) -> dict[str, Any]:
        """One range test: ``seconds`` of the processor, ``losses`` recorded, ``changed`` parts."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(name, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise Missing("their process has ended")
        return json.loads(answer)
