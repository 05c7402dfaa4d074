"""JAX beside the other engines, in an environment of its own: it trains the digits MLP with ``jit(vmap(scan))``."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environment import Missing, Worker, interpreter

__all__ = ["Jax", "Missing"]

_HERE = Path(__file__).parent
_ENVIRONMENT = _HERE.parents[1] / ".venv-jax"
_ONE_THREAD = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}


class Jax(Worker):
    """A JAX process that holds one data set.

    ``arrays`` are ``inputs`` (examples, 64), ``targets`` (examples,), ``order`` (steps, batch) and the weights and
    biases ``p0``, ``p1``, … as torch shapes them.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], *, double: bool = False) -> None:
        python = interpreter(_ENVIRONMENT, _HERE / "requirements.txt")
        self._folder = tempfile.TemporaryDirectory()
        given = Path(self._folder.name, "given.npz")
        np.savez(given, **arrays)  # type: ignore[arg-type]
        command = [str(python), str(_HERE / "worker.py"), str(given)]
        super().__init__(command, variables=_ONE_THREAD | {"JAX_ENABLE_X64": str(int(double))})

    def __exit__(self, *reasons: object) -> None:
        super().__exit__(*reasons)
        self._folder.cleanup()

    def train(self, rule: str, rates: np.ndarray) -> dict[str, Any]:
        """Train once at all rates: ``loss`` (runs, steps), ``seconds`` of the processor, and the seconds that compiling
        took, ``compile`` (0 from the second time on).
        """
        found = self.ask(json.dumps({"rule": rule, "rates": rates.tolist()}))
        return found | {"loss": np.load(found["loss"])}
