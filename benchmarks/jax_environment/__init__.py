"""JAX beside the other engines: an environment of its own, made when it is first asked for, and a process in it.

The process trains the digits MLP with ``jit(vmap(scan))``. It reads one request a line and answers with one, so that
its rounds can stand between those of this process.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_HERE = Path(__file__).parent
_ENVIRONMENT = _HERE.parents[1] / ".venv-jax"
_ONE_THREAD = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OMP_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
}


class Missing(Exception):
    """JAX cannot be had; the message says why."""


def interpreter() -> Path:
    """The Python that has JAX, installed now if it is not there yet.

    Raises:
        Missing: if it cannot be installed.
    """
    python = _ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    requirements = _HERE / "requirements.txt"
    stamp = _ENVIRONMENT / "installed.txt"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == requirements.read_text(encoding="utf-8"):
        return python
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(requirements)]
    for command in ([sys.executable, "-m", "venv", str(_ENVIRONMENT)], install):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    stamp.write_text(requirements.read_text(encoding="utf-8"), encoding="utf-8")
    return python


class Jax:
    """A JAX process that holds one data set; use it in a ``with`` statement.

    ``arrays`` are ``inputs`` (examples, 64), ``targets`` (examples,), ``order`` (steps, batch) and the weights and
    biases ``p0``, ``p1``, … as torch shapes them.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], *, double: bool = False) -> None:
        python = interpreter()
        self._folder = tempfile.TemporaryDirectory()
        given = Path(self._folder.name, "given.npz")
        np.savez(given, **arrays)  # type: ignore[arg-type]
        self._process = subprocess.Popen(
            [str(python), str(_HERE / "worker.py"), str(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | _ONE_THREAD | {"JAX_ENABLE_X64": str(int(double)), "PYTHONPATH": ""},
        )

    def __enter__(self) -> "Jax":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()

    def train(self, rule: str, rates: np.ndarray) -> dict[str, Any]:
        """Train once at all rates: ``loss`` (runs, steps), ``seconds`` of the processor, and the seconds that compiling
        took, ``compile`` (0 from the second time on).
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"rule": rule, "rates": rates.tolist()}), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise Missing("its process has ended")
        found = json.loads(answer)
        return found | {"loss": np.load(found["loss"])}
