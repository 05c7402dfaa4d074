"""Run every call in its framework and write the record: ``python -m benchmarks.frameworks``, four minutes."""

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


def filled(rows: list[dict[str, Any]], worker: Worker) -> list[dict[str, Any]]:
    """The rows with what each framework came to."""
    done = []
    for row in rows:
        found = dict(row)
        for framework in ("keras", "optax"):
            if framework in row:
                penalty = row.get("penalty") if framework == "keras" else None
                asked = {"of": "run", "framework": framework, "call": row[framework], "penalty": penalty}
                found[f"of_{framework}"] = worker.ask(json.dumps(asked))
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
        on_jax = [row["of_keras"] for row in filled(TENTHS, jax)]
        record = {
            "digest": digest(),
            "platform": {"machine": platform.machine(), "python": platform.python_version()},
            **tensorflow.ask(json.dumps({"of": "about"})),
            "alone": filled(ALONE, tensorflow),
            "translated": filled(TRANSLATED, tensorflow),
            "tenths": [
                row | {"of_keras_on_jax": found} for row, found in zip(filled(TENTHS, tensorflow), on_jax, strict=True)
            ],
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
