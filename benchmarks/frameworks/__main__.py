"""Run every call in its framework and write the record: ``python -m benchmarks.frameworks``, a few minutes."""

import json
import platform
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environment import Missing, Worker, interpreter
from benchmarks.frameworks.calls import ALONE, TENTHS, TRANSLATED
from benchmarks.frameworks.plans import SCHEDULES, STEPS
from benchmarks.frameworks.problem import HERE, digest, problem

ENVIRONMENT = HERE.parents[1] / ".venv-frameworks"
VARIABLES = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def framework_worker(python: Path, given: Path, backend: str) -> Worker:
    command = [str(python), str(HERE / "worker.py"), str(given)]
    return Worker(command, variables=VARIABLES | {"KERAS_BACKEND": backend}, quiet=True)


def filled(rows: list[dict[str, Any]], tensorflow: Worker, jax: Worker) -> list[dict[str, Any]]:
    """The rows with what each framework came to."""
    done = []
    for row in rows:
        asked = {"of": "run", "framework": "keras", "call": row.get("keras"), "penalty": row.get("penalty")}
        found = dict(row)
        if "keras" in row:
            found["of_keras"] = tensorflow.ask(json.dumps(asked))
        if row.get("keras_on_jax"):
            found["of_keras_on_jax"] = jax.ask(json.dumps(asked))
        if "optax" in row:
            found["of_optax"] = jax.ask(json.dumps({"of": "run", "framework": "optax", "call": row["optax"]}))
        print(row["rule"], flush=True)
        done.append(found)
    return done


def ledgers(worker: Worker) -> list[dict[str, Any]]:
    done = []
    for row in SCHEDULES:
        found = dict(row)
        for name in ("keras", "optax", "keras_alone", "optax_alone"):
            if name in row:
                asked = {"of": "ledger", "framework": name.partition("_")[0], "call": row[name], "steps": STEPS}
                found[f"of_{name}"] = worker.ask(json.dumps(asked))
        print(row["schedule"], flush=True)
        done.append(found)
    return done


def main() -> None:
    python = interpreter(ENVIRONMENT, HERE / "requirements.txt")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as open_:
        given = Path(folder, "given.npz")
        np.savez(given, **problem())  # type: ignore[arg-type]
        tensorflow, jax = (
            open_.enter_context(framework_worker(python, given, backend)) for backend in ("tensorflow", "jax")
        )
        record = {
            "digest": digest(),
            "platform": {"machine": platform.machine(), "python": platform.python_version()},
            **tensorflow.ask(json.dumps({"of": "about"})),
            "alone": filled(ALONE, tensorflow, jax),
            "translated": filled(TRANSLATED, tensorflow, jax),
            "tenths": filled(TENTHS, tensorflow, jax),
            "schedules": ledgers(tensorflow),
        }
    lines = json.dumps(record, separators=(",", ":"), ensure_ascii=False).replace('{"rule"', '\n{"rule"')
    path = HERE / "record.json"
    path.write_text(lines.replace('{"schedule"', '\n{"schedule"') + "\n", encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    try:
        main()
    except Missing as missing:
        print(f"not recorded: {missing}")
