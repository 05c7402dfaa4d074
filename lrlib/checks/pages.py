"""A rule's page program, run outside a browser."""

import ctypes
from typing import Any

import numpy as np

from lrlib.checks.trial import Shapes
from lrlib.updates import UpdateRule
from lrlib.widgets.trainer.programs import rule_program


def run_in_a_page(
    rule: UpdateRule, tensors: Shapes, *, start: np.ndarray, rate: float, given: list[tuple[np.ndarray, float]]
) -> np.ndarray:
    """(updates, parameters) after each update by the WebAssembly program, as a page drives it."""
    import wasmtime

    artifact = rule_program(rule, tensors=tensors)
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    exports: Any = wasmtime.Instance(store, wasmtime.Module(engine, artifact.wasm), []).exports(store)
    assert exports["reserve"](store, 1) == 1
    ports: dict[str, np.ndarray] = {}
    base = ctypes.addressof(exports["memory"].data_ptr(store).contents)
    for index, port in enumerate(artifact.ports):
        size = int(np.prod(port.shape, dtype=np.int64))
        place = (ctypes.c_double * size).from_address(base + exports["ptr"](store, index))
        ports[port.name] = np.ctypeslib.as_array(place)
    for name, values in ports.items():
        if name.startswith("state:"):
            values[:] = 0
    ports["params"][:] = start
    after = []
    for gradient, loss in given:
        ports["gradient"][:] = gradient
        ports["learning_rate"][:] = rate
        if "loss" in ports:
            ports["loss"][:] = loss
        assert exports["train"](store, 0, 1) == -1
        after.append(ports["params"].copy())
    return np.stack(after)
