"""What was handed in, read out of a folder and the zip files in it; nothing is written, and no archive can ask for it.

A file in an archive is known by its name alone, as one more part of a path: it is read into memory up to a bound, so
that a name with ``..`` leads nowhere and a small file that unpacks to gigabytes is refused.
"""

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

NOTEBOOK_BYTES = 20_000_000
ARCHIVE_BYTES = 500_000_000  # of the notebooks and inner archives in one zip file, unpacked
ARCHIVE_FILES = 20_000
_DEPTH = 3  # a zip file from a student in the zip file of an LMS, and one more


@dataclass(frozen=True)
class File:
    """One file handed in: where a teacher finds it, its last change, its bytes (of a notebook; else none)."""

    where: PurePosixPath
    time: datetime
    data: bytes = b""


def files(directory: Path, say: Callable[[str], None]) -> Iterator[File]:
    """All files under ``directory``, or in a zip file, by name; ``say`` is told what is left out."""
    if directory.is_file():
        yield from _archive(directory.read_bytes(), PurePosixPath(), say, 1, directory.name)
        return
    for folder, inner, names in os.walk(directory):
        inner[:] = sorted(name for name in inner if not _unwanted(name))
        for name in sorted(name for name in names if not _unwanted(name)):
            path = Path(folder, name)
            where = PurePosixPath(path.relative_to(directory).as_posix())
            if path.is_symlink() or not path.is_file():
                say(f"{where} is a link or no plain file: left out")
            elif path.suffix.lower() == ".zip":
                if path.stat().st_size > ARCHIVE_BYTES:
                    say(f"{where} has more than {ARCHIVE_BYTES // 1_000_000} MB: left out")
                else:
                    yield from _archive(path.read_bytes(), where.with_suffix(""), say, 1, str(where))
            else:
                status = path.stat()
                time = datetime.fromtimestamp(status.st_mtime)
                if path.suffix.lower() != ".ipynb":
                    yield File(where, time)
                elif status.st_size > NOTEBOOK_BYTES:
                    say(f"{where} has {status.st_size / 1e6:.0f} MB, more than a notebook may have: left out")
                else:
                    yield File(where, time, path.read_bytes())


def _unwanted(name: str) -> bool:
    return name.startswith(".") or name in {"__MACOSX", "__pycache__"}


def _archive(data: bytes, at: PurePosixPath, say: Callable[[str], None], depth: int, name: str) -> Iterator[File]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = [member for member in archive.infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        say(f"{name} is no zip file that can be read: {error}")
        return
    if len(members) > ARCHIVE_FILES:
        say(f"{name} holds {len(members)} files, more than {ARCHIVE_FILES}: left out")
        return
    left = ARCHIVE_BYTES
    for member in sorted(members, key=lambda member: member.filename):
        inside = PurePosixPath(member.filename.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts or any(":" in part for part in inside.parts[:1]):
            say(f"{name} holds a file that would be written outside of its folder, {member.filename!r}: left out")
            continue
        if any(_unwanted(part) for part in inside.parts):
            continue
        try:
            time = datetime(*member.date_time)
        except ValueError:
            time = datetime(1980, 1, 1)
        kind = inside.suffix.lower()
        if kind not in {".ipynb", ".zip"}:
            yield File(at / inside, time)
            continue
        bound = min(left, NOTEBOOK_BYTES if kind == ".ipynb" else ARCHIVE_BYTES)
        try:
            with archive.open(member) as file:
                content = file.read(bound + 1)
        except Exception as error:  # encrypted, damaged, or packed in a way that this Python does not know
            say(f"{name}: {inside} cannot be unpacked: {error}")
            continue
        if len(content) > bound:
            say(f"{name}: {inside} unpacks to more than {bound / 1e6:.0f} MB: left out")
            continue
        left -= len(content)
        if kind == ".ipynb":
            yield File(at / inside, time, content)
        elif depth < _DEPTH:
            yield from _archive(content, at / inside.with_suffix(""), say, depth + 1, f"{name}: {inside}")
        else:
            say(f"{name}: {inside} is a zip file in a zip file in a zip file: left out")
