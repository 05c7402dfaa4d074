"""A compiled program for a web page: the WebAssembly module and what a page must know to feed it."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from lrlib._compiler.ports import Port


@dataclass(frozen=True)
class Artifact:
    """A self-contained WebAssembly module; it imports nothing.

    The module exports ``memory``, ``reserve(steps)``, ``ptr(index)`` and ``train(start, stop)``. Call ``reserve`` first
    (1: there is room for a run of that many steps, 0: there is not), and make typed arrays over ``memory.buffer`` only
    after it, since memory may have moved. ``ptr(index)`` is the byte address of the port with that index: a carried or
    constant one holds its shape, row-major; one per step or recorded holds ``steps`` times its shape. ``train`` does
    the steps from ``start`` to ``stop - 1`` and returns -1, or the number of a step that met an index out of range.

    Attributes:
        ports: inputs and outputs in the order of their indices.
        wasm: the bytes of the module.
    """

    ports: tuple[Port, ...]
    wasm: bytes

    def manifest(self) -> dict[str, Any]:
        """Ports as plain data: index, name, role, shape, dtype, and the JavaScript array type that fits."""
        return {
            "ports": [
                {
                    "index": index,
                    "name": port.name,
                    "role": port.role,
                    "shape": list(port.shape),
                    "dtype": str(port.dtype).removeprefix("torch."),
                    "array": _ARRAYS[str(port.dtype).removeprefix("torch.")],
                }
                for index, port in enumerate(self.ports)
            ]
        }

    def to_json(self) -> str:
        """Manifest and module as one JSON text, the module in base64 under ``"wasm"``; the same bits every time."""
        return json.dumps(self.manifest() | {"wasm": base64.b64encode(self.wasm).decode("ascii")}, sort_keys=True)


_ARRAYS = {
    "float32": "Float32Array",
    "float64": "Float64Array",
    "int64": "BigInt64Array",
    "int32": "Int32Array",
    "bool": "Uint8Array",
}
