"""A log file as text, whatever its encoding and compression; or one clear sentence on why it is none."""

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

HEAD = 65_536  # bytes by which a file is judged
MOST = 400_000_000  # characters of text; nothing is thinned, and a table takes about three times as many bytes


class UnreadableLog(ValueError):
    """A file in which no training curve was found: the message names the file and says what was found in it."""


def refuse(path: Path, found: str) -> NoReturn:
    raise UnreadableLog(f"{path} {found}")


@contextmanager
def as_text(path: Path, notes: list[str]) -> Iterator[IO[str]]:
    """The file's text, to be read once; a guess of its encoding goes to ``notes``."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    opened: Any = gzip.open if packed else open
    with opened(path, "rb") as raw:
        try:
            encoding = _encoding(path, raw.read(HEAD), notes)
            raw.seek(0)
            with io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="") as text:
                yield text
        except (EOFError, gzip.BadGzipFile) as error:
            refuse(path, f"is a damaged gzip file: {error}")


def _encoding(path: Path, head: bytes, notes: list[str]) -> str:
    if not head.strip():
        refuse(path, "is empty")
    if head.startswith(b"version https://git-lfs"):
        refuse(path, "is a pointer of Git LFS, not the log itself: `git lfs pull` fetches that")
    if head.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in head:
        pairs = len(head) // 2
        low, high = head[1::2].count(0), head[::2].count(0)
        if max(low, high) < 0.9 * pairs or min(low, high) > 0.01 * pairs:
            refuse(path, "is a binary file and no event file of TensorBoard; arrays go into Curve(...) as they are")
        notes.append("The file does not say its encoding; every second byte is 0, so it was read as UTF-16.")
        return "utf-16-le" if low > high else "utf-16-be"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4 or len(head) < HEAD:
            notes.append("The file is not UTF-8 and was read as Latin-1: letters outside ASCII may be wrong.")
            return "latin-1"
    return "utf-8"
