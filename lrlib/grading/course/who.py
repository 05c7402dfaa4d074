"""Whose a file is, read from where it lies: folders by student or by assignment, and the downloads of two LMSs."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from lrlib.grading.course.layout import Student

LAYOUTS = """\
<student>/<assignment>/*.ipynb  ·  <student>/*.ipynb  ·  <assignment>/<student>.ipynb
Moodle's download:  <name>_<number>_assignsubmission_file/*.ipynb
Canvas's download:  <lastfirst>_<number>_<number>_*.ipynb
each also inside zip files"""
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_[a-z]+_?(?P<file>.*)")
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<number>\d+)_\d+_(?P<file>.+)")


@dataclass(frozen=True)
class Origin:
    """What a path tells: by which name the student goes there, the LMS's number, the folder's assignment, the file."""

    name: str
    number: str
    assignment: str
    file: str


def origin(path: PurePosixPath, assignments: Collection[str], roster: dict[str, Student], wrappers: int) -> Origin:
    """Read ``path``; its first ``wrappers`` folders mean nothing. Where there is no student, the name is ""."""
    *folders, file = path.parts
    folders = folders[wrappers:]
    known = {name.casefold(): name for name in assignments}
    here = next((known[folder.casefold()] for folder in reversed(folders) if folder.casefold() in known), "")
    for part in [*folders, file]:
        for pattern in (_MOODLE, _CANVAS) if part == file else (_MOODLE,):
            if found := pattern.fullmatch(part):
                return Origin(found["name"], found["number"], here, found["file"] if part == file else file)
    stem = PurePosixPath(file).stem
    others = [folder for folder in folders if folder.casefold() not in known]
    listed = {name.casefold() for student in roster.values() for name in (student.id, student.name) if name}
    for name in [*others, stem]:
        if name.casefold() in listed:
            return Origin(name, "", here, file)
    if others:
        return Origin(others[0], "", here, file)
    return Origin("" if stem.casefold() in known else stem, "", here, file)


def wrappers(paths: Iterable[PurePosixPath], assignments: Collection[str], roster: dict[str, Student]) -> int:
    """How many first folders all ``paths`` share that are neither a student nor an assignment: ``download/class/…``."""
    folders = [path.parts[:-1] for path in paths]
    known = {name.casefold() for name in (*assignments, *roster)}
    depth = 0
    while folders and all(len(parts) > depth for parts in folders):
        first = folders[0][depth]
        below = [[part for part in parts[depth + 1 :] if part.casefold() not in known] for parts in folders]
        if (
            any(parts[depth] != first for parts in folders)
            or first.casefold() in known
            or "_assignsubmission_" in first
        ):
            break
        if not roster and not all(below):
            break  # without a roster the last folder of a path may well be the student
        depth += 1
    return depth


def words(name: str) -> list[str]:
    return re.findall(r"\w+", name.casefold())


def in_roster(where: Origin, roster: dict[str, Student]) -> list[Student]:
    """The students of the roster who may be meant: by id, by the LMS's number, else by name, however it is turned."""
    ids = [s for s in roster.values() if s.id.casefold() == where.name.casefold()]
    numbers = [s for s in roster.values() if where.number and s.lms_id == where.number]
    if ids or numbers:
        return ids or numbers
    wanted = "".join(words(where.name))
    return [s for s in roster.values() if s.name and wanted and wanted in _turned(words(s.name))]


def _turned(parts: list[str]) -> set[str]:
    """``Ada Maria Byron`` is also ``byronadamaria``."""
    return {"".join(parts[n:] + parts[:n]) for n in range(len(parts))}


def as_id(name: str) -> str:
    """``name`` as an id that can be a folder: letters without accents, digits and ``. _ @ + -``; it may be empty."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._@+-]+", "-", plain).strip("-._@+")[:64]
