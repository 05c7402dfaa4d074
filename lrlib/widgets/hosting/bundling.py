"""One ECMAScript module out of several: what a lab's mime bundle carries, since ``file://`` cannot import files."""

import functools
import posixpath
import re
from pathlib import Path

from lrlib import _check

FOLDER = Path(__file__).parents[1]  # lrlib/widgets; modules and style sheets are named from here

_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.{1,2}/[\w./]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) )", re.MULTILINE)


@functools.cache
def bundle(entry: str) -> str:
    """The module ``entry``, such as ``"training_lab/lab.js"``, with all that it imports, each once, in order of need.

    The modules share one scope, so a name is declared once in all of a lab's modules; the browser refuses a second.
    Imports are written ``import { a, b } from "../folder/file.js";`` and only ``entry`` has a default export.

    Raises:
        ValueError: if there is no such module, or an import or export is written in another way.
    """
    parts: dict[str, str] = {}
    _collect(entry, parts)
    return "\n".join(parts.values())


def _collect(name: str, parts: dict[str, str]) -> None:
    if name in parts or not name:
        return
    path = FOLDER / name
    if not path.is_file():
        _check.fail("entry", "a JavaScript module of lrlib.widgets", name)
    text = path.read_text(encoding="utf-8")
    for needed in _IMPORT.findall(text):
        _collect(posixpath.normpath(posixpath.join(posixpath.dirname(name), needed)), parts)
    body = _EXPORT.sub("", _IMPORT.sub("", text))
    if re.search(r"^import |^export (?!default )", body, re.MULTILINE):
        _check.fail("entry", "a module whose imports and exports are written as bundle() reads them", name)
    parts[name] = body


@functools.cache
def text_of(name: str) -> str:
    """A JavaScript or style file of this package, as text."""
    return (FOLDER / name).read_text(encoding="utf-8")
