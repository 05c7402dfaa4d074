"""Arrays and programs as text, small enough to travel inside a page."""

import base64
import zlib
from functools import lru_cache
from typing import Any

import numpy as np

from lrlib import _check

KINDS = ("float64", "float32", "int32", "uint16", "uint8")


def pack(array: np.ndarray, *, dtype: str = "float64") -> dict[str, Any]:
    """An array as ``{"dtype", "shape", "data"}``, its little-endian bytes in base64.

    >>> pack(np.array([1.0, 2.0]), dtype="float32")
    {'dtype': 'float32', 'shape': [2], 'data': 'AACAPwAAAEA='}
    """
    _check.choice("dtype", dtype, KINDS)
    with np.errstate(over="ignore"):  # a diverged run may leave float32's range: then it is infinite
        plain = np.ascontiguousarray(array, dtype=np.dtype(dtype).newbyteorder("<"))
    return {"dtype": dtype, "shape": list(plain.shape), "data": base64.b64encode(plain.tobytes()).decode()}


@lru_cache(maxsize=256)  # labs of one kind send the same programs and data
def pack_bytes(data: bytes) -> str:
    """Bytes, deflated, in base64: compressed first, since a server's own compression does little for base64."""
    return base64.b64encode(zlib.compress(data, 9)).decode()
