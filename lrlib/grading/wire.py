"""What crosses between a student's process and the test's: values as data, functions as calls back. No pickle.

A frame is two lengths (4 bytes each, of a JSON text and of the raw bytes of arrays), the text, and the bytes.
Whatever the other side sends, decoding makes None, bool, int, float, complex, str, list, tuple, dict, arrays and
scalars of numbers, tensors, PNG pictures and :class:`Far` functions: no class of the sender has a say in it.
"""

import json
import re
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_BYTES = 2**26  # of one frame
MAX_DEPTH = 64
_HEAD = struct.Struct(">II")
_DTYPE = re.compile(r"[<>|=](?:[biuf][1248]|f16|c8|c16|c32|b1|U\d{1,6})")
_TENSORS: tuple[str, ...] = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")
_TENSORS += ("bool", "uint8", "int8", "int16", "int32", "int64")


class Ungradable(Exception):
    """A value that cannot cross."""


class Garbled(ValueError):
    """Bytes that no honest sender sends."""


class Picture(bytes):
    """A figure, drawn where it was made: the bytes of a PNG."""


class Far:
    """A function that lives on the other side: calling it calls there, with copies of the arguments."""

    def __init__(self, call: Callable[..., Any], number: int, name: str) -> None:
        self._call, self._number, self.__name__ = call, number, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(self, args, kwargs)

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"


Far.__name__ = "function"  # what Python calls it in its own messages, which students read


class Codec:
    """Values to frames and back.

    Args:
        call: What a :class:`Far` function does when it is called: ``call(far, args, kwargs)``.
        keep_grad: Whether a decoded leaf tensor still requires its gradient.
    """

    def __init__(self, call: Callable[..., Any], *, keep_grad: bool) -> None:
        self._call, self._keep_grad = call, keep_grad
        self._near: list[Callable[..., Any]] = []  # functions of this side that the other one may call
        self._numbers: dict[
            int, int
        ] = {}  # of these functions, by identity: what they say of their equality counts for nothing

    def lend(self, function: Callable[..., Any]) -> int:
        """The number by which the other side may call ``function`` from now on."""
        number = self._numbers.setdefault(id(function), len(self._near))
        if number == len(self._near):
            self._near.append(function)
        return number

    def near(self, number: Any) -> Callable[..., Any]:
        """The function of this side that the other side calls by ``number``."""
        if type(number) is not int or not 0 <= number < len(self._near):
            raise Garbled(f"there is no function {number!r}")
        return self._near[number]

    def encode(self, value: Any) -> bytes:
        """One frame."""
        blobs: list[bytes] = []
        tree = self._tree(value, blobs, 0)
        try:
            text = json.dumps(tree, separators=(",", ":"), check_circular=False).encode()
        except ValueError:  # an integer of more digits than Python writes
            raise Ungradable("an integer with thousands of digits") from None
        size = sum(map(len, blobs))
        if len(text) + size > MAX_BYTES:
            raise Ungradable(f"a value of {(len(text) + size) / 1e6:.0f} MB")
        return b"".join((_HEAD.pack(len(text), size), text, *blobs))

    def decode(self, text: bytes, blob: bytes) -> Any:
        """The value of one frame, from its two parts."""
        try:
            return self._value(json.loads(text), memoryview(blob), 0)
        except Garbled:
            raise
        except (ValueError, TypeError, LookupError, RecursionError, OverflowError) as error:
            raise Garbled(str(error)) from None

    def _tree(self, value: Any, blobs: list[bytes], depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise Ungradable(f"something nested more than {MAX_DEPTH} deep")
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, np.generic):
            value = np.asarray(value)
            return ["s", *self._array(value, blobs)]
        if isinstance(value, np.ndarray):
            return ["a", *self._array(np.asarray(value), blobs)]
        if isinstance(value, Picture):
            return ["p", *_place(bytes(value), blobs)]
        for kind, plain in ((bool, bool), (int, int), (float, float), (str, str)):
            if isinstance(value, kind):  # of a subclass
                return plain(value)
        if isinstance(value, complex):
            return ["c", value.real, value.imag]
        if isinstance(value, list | range):
            return ["l", *(self._tree(entry, blobs, depth + 1) for entry in value)]
        if isinstance(value, tuple):
            return ["t", *(self._tree(entry, blobs, depth + 1) for entry in value)]
        if isinstance(value, dict):
            return ["d", *(self._tree(part, blobs, depth + 1) for pair in value.items() for part in pair)]
        return self._rarer(value, blobs)

    def _rarer(self, value: Any, blobs: list[bytes]) -> Any:
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            name = str(value.dtype).removeprefix("torch.")
            if name not in _TENSORS or value.layout != torch.strided:
                raise Ungradable(f"a tensor of {name}")
            flat = value.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
            blob = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
            leaf = bool(value.requires_grad and value.is_leaf)
            return ["T", name, list(value.shape), leaf, *_place(blob, blobs)]
        if isinstance(value, Far):
            return ["b", value._number]
        if "matplotlib.figure" in sys.modules and isinstance(value, sys.modules["matplotlib.figure"].Figure):
            return ["p", *_place(draw(value), blobs)]
        if callable(value):
            return ["f", self.lend(value), str(getattr(value, "__name__", type(value).__name__))[:60]]
        raise Ungradable(_article(type(value).__name__))

    def _array(self, value: np.ndarray, blobs: list[bytes]) -> list[Any]:
        if not _DTYPE.fullmatch(value.dtype.str):
            raise Ungradable(f"an array of {value.dtype}")
        return [value.dtype.str, list(value.shape), *_place(value.tobytes(), blobs)]

    def _value(self, tree: Any, blob: memoryview, depth: int) -> Any:
        if tree is None or type(tree) in (bool, int, float, str):
            return tree
        if type(tree) is not list or not tree or depth > MAX_DEPTH:
            raise Garbled("a value of no known kind")
        kind, *rest = tree
        if kind in ("l", "t"):
            entries = [self._value(entry, blob, depth + 1) for entry in rest]
            return entries if kind == "l" else tuple(entries)
        if kind == "d":
            parts = [self._value(entry, blob, depth + 1) for entry in rest]
            return dict(zip(parts[::2], parts[1::2], strict=True))
        if kind in ("a", "s"):
            dtype, shape, *place = rest
            if type(dtype) is not str or not _DTYPE.fullmatch(dtype):
                raise Garbled("an array of no known kind")
            raw = _cut(blob, place)
            flat = np.frombuffer(raw, dtype=dtype) if len(raw) else np.empty(0, dtype)
            array = flat.reshape(_shape(shape)).copy()
            return array if kind == "a" else array[()]
        if kind == "T":
            return self._tensor(blob, *rest)
        if kind == "c":
            real, imaginary = rest
            return complex(float(real), float(imaginary))
        if kind == "p":
            return Picture(_cut(blob, rest))
        if kind == "b":
            return self.near(*rest)
        if kind == "f":
            number, name = rest
            if type(number) is not int or type(name) is not str:
                raise Garbled("a function without a number")
            return Far(self._call, number, name[:60])
        raise Garbled("a value of no known kind")

    def _tensor(self, blob: memoryview, name: Any, shape: Any, grad: Any, *place: Any) -> Any:
        import torch

        if name not in _TENSORS:
            raise Garbled("a tensor of no known kind")
        raw = torch.from_numpy(np.frombuffer(_cut(blob, place), dtype=np.uint8).copy())
        dtype = getattr(torch, name)
        tensor = raw.view(dtype) if len(raw) else torch.empty(0, dtype=dtype)
        return tensor.reshape(_shape(shape)).requires_grad_(self._keep_grad and grad is True)


def draw(figure: Any) -> bytes:
    """A figure of matplotlib as PNG, 100 dots an inch and at most 2000 a side."""
    from io import BytesIO

    figure.set_dpi(min(100.0, 2000 / max(figure.get_size_inches())))
    file = BytesIO()
    figure.savefig(file, format="png", dpi=figure.dpi)
    return file.getvalue()


def _place(blob: bytes, blobs: list[bytes]) -> list[int]:
    start = sum(map(len, blobs))
    blobs.append(blob)
    return [start, len(blob)]


def _cut(blob: memoryview, place: Any) -> memoryview:
    start, size = place
    if type(start) is not int or type(size) is not int or not 0 <= start <= start + size <= len(blob):
        raise Garbled("bytes that were not sent")
    return blob[start : start + size]


def _shape(shape: Any) -> list[int]:
    if type(shape) is not list or len(shape) > 16 or not all(type(n) is int and n >= 0 for n in shape):
        raise Garbled("an array of no known shape")
    return shape


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
