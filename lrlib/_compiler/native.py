"""A compiled program in this process."""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lrlib._check import fail, integer
from lrlib._compiler.ports import Port

Array = np.ndarray[Any, np.dtype[Any]]

NUMPY_TYPES = {
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.int64: np.int64,
    torch.int32: np.int32,
    torch.bool: np.bool_,
}


@dataclass(frozen=True)
class Result:
    """What a run of N steps leaves.

    Attributes:
        recorded: each recorded output, of shape (N, ...).
        carried: each carried input as it is after the last step.
    """

    recorded: dict[str, Array]
    carried: dict[str, Array]


@dataclass(frozen=True)
class Program:
    """One pure step of tensors, compiled for this machine's CPU.

    Any number of threads may ``run`` one program at once: each run has memory of its own, and the interpreter's lock
    is released while it lasts.
    """

    ports: tuple[Port, ...]
    library: Path
    workspace_bytes: int
    _spare: list[Array] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        function = ctypes.CDLL(str(self.library)).run
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
        function.restype = ctypes.c_int64
        object.__setattr__(self, "_function", function)

    def __reduce__(self) -> tuple[Any, ...]:
        return Program, (self.ports, self.library, self.workspace_bytes)

    def run(self, inputs: Mapping[str, Any], *, steps: int | None = None) -> Result:
        """Run N steps.

        Args:
            inputs: an array or tensor for every input by its name, with the shape of the example that the program was
                compiled for; those given per step have one more axis in front, of length N. They are not written to.
            steps: N; may be left out where an input is given per step.

        Raises:
            KeyError: an input is missing or unknown.
            ValueError: a shape does not fit.
            IndexError: an index in the data is out of range.
        """
        wanted = [port for port in self.ports if port.role != "recorded"]
        if set(inputs) != {port.name for port in wanted}:
            names = ", ".join(port.name for port in wanted)
            raise KeyError(f"inputs must be given for {names}, but got {', '.join(inputs) or 'none'}")
        count = self._steps(inputs, steps)
        arrays = [self._array(port, inputs, count) for port in self.ports]
        table = (ctypes.c_void_p * max(len(arrays), 1))(*(array.ctypes.data for array in arrays))
        workspace = self._workspace()
        start = -(-workspace.ctypes.data // 64) * 64
        stopped = self._function(start, table, 0, count)  # type: ignore[attr-defined]
        self._spare.append(workspace)
        if stopped >= 0:
            raise IndexError(f"an index is out of range in step {stopped}")
        named = {port: array for port, array in zip(self.ports, arrays, strict=True)}
        return Result(
            {port.name: array for port, array in named.items() if port.role == "recorded"},
            {port.name: array for port, array in named.items() if port.role == "carried"},
        )

    def _workspace(self) -> Array:
        try:
            return self._spare.pop()  # one step, unlike a test followed by a pop: threads share the list
        except IndexError:
            return np.empty(self.workspace_bytes + 64, np.uint8)

    def _steps(self, inputs: Mapping[str, Any], steps: int | None) -> int:
        lengths = {len(inputs[port.name]) for port in self.ports if port.role == "per_step"}
        if steps is not None:
            lengths.add(integer("steps", steps, at_least=0))
        if len(lengths) > 1:
            fail("inputs", "of one length along the steps", sorted(lengths))
        return lengths.pop() if lengths else 1

    def _array(self, port: Port, inputs: Mapping[str, Any], count: int) -> Array:
        dtype = NUMPY_TYPES[port.dtype]
        shape = (count, *port.shape) if port.streamed else port.shape
        if port.role == "recorded":
            return np.empty(shape, dtype)
        given = inputs[port.name]
        array = given.detach().cpu().numpy() if isinstance(given, torch.Tensor) else np.asarray(given)
        if array.shape != shape:
            fail(f"inputs[{port.name!r}]", f"of shape {shape}", array.shape)
        if not np.can_cast(array.dtype, dtype, casting="same_kind"):
            fail(
                f"inputs[{port.name!r}]", f"of a dtype that converts to {np.dtype(dtype)}", array.dtype, error=TypeError
            )
        return np.array(array, dtype, order="C", copy=True if port.role == "carried" else None)
