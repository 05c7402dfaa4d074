"""TensorBoard's event files: records of a length, its checksum, a protocol buffer and its checksum.

Only scalars are read, as torch and Keras write them; nothing but the standard library and numpy is needed.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from lrlib.curves.log_columns import Columns

_NUMBERS = {1: "f", 2: "d", 3: "i", 9: "q"}  # TensorProto.dtype: float32, float64, int32, int64


def is_event_file(path: Path) -> bool:
    with open(path, "rb") as file:
        return b"brain.Event:" in file.read(64)


def read_events(paths: list[Path], root: Path, notes: list[str]) -> Columns:
    """The scalars of several files, in this order; a file in a folder of ``root`` gives columns ``folder/tag``."""
    columns = Columns()
    for path in paths:
        folder = path.parent.relative_to(root).as_posix()
        for data in _records(path, notes):
            step, values = _event(data)
            if values:
                tags = {tag if folder == "." else f"{folder}/{tag}": value for tag, value in values.items()}
                columns.append({"step": step, **tags})
    return columns


def _records(path: Path, notes: list[str]) -> Iterator[bytes]:
    with open(path, "rb") as file:
        size = path.stat().st_size
        while head := file.read(12):
            length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else size
            if file.tell() + length + 4 > size:
                notes.append(f"{path.name} ends within a record: the run was cut off, or still writes.")
                return
            yield file.read(length)
            file.read(4)


def _event(data: bytes) -> tuple[int, dict[str, float]]:
    step, values = 0, {}
    for field, content in _fields(data):
        if field == 2 and isinstance(content, int):
            step = content
        elif field == 5 and isinstance(content, bytes):  # the summary
            for _, value in _fields(content):
                tag, scalar = _value(value) if isinstance(value, bytes) else ("", None)
                if scalar is not None:
                    values[tag] = scalar
    return step, values


def _value(data: bytes) -> tuple[str, float | None]:
    tag, scalar = "", None
    for field, content in _fields(data):
        if not isinstance(content, bytes):
            continue
        if field == 1:
            tag = content.decode("utf-8", "replace")
        elif field == 2:
            scalar = struct.unpack("<f", content)[0]
        elif field == 8:
            scalar = _tensor(content)
    return tag, scalar


def _tensor(data: bytes) -> float | None:
    """The one number of a tensor without dimensions; None for anything else."""
    kind, content = 0, b""
    for field, part in _fields(data):
        if field == 1 and isinstance(part, int):
            kind = part
        elif field == 2 and part:
            return None  # it has dimensions
        elif field in (4, 5, 6) and isinstance(part, bytes):
            content = part
    code = _NUMBERS.get(kind)
    return float(struct.unpack(f"<{code}", content)[0]) if code and len(content) == struct.calcsize(code) else None


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and content of each field of a protocol buffer: an integer, or bytes."""
    place = 0
    while place < len(data):
        key, place = _integer(data, place)
        kind = key & 7
        if kind == 0:
            value, place = _integer(data, place)
            yield key >> 3, value
            continue
        length = {1: 8, 5: 4}.get(kind)
        if length is None:
            if kind != 2:
                return
            length, place = _integer(data, place)
        yield key >> 3, data[place : place + length]
        place += length


def _integer(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data):
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            break
    return value, place
