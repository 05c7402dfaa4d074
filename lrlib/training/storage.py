"""Named arrays and a header in one ``.npz`` file: written whole or not at all, and read with one error for all else."""

import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import lrlib
from lrlib import _check

FORMAT = 1  # of the file; raised whenever an older reader would misunderstand it


def write(path: str | Path, arrays: Mapping[str, Any], header: Mapping[str, Any]) -> None:
    """Write beside ``path`` first and then rename, so that an interruption leaves an older file as it was."""
    target = Path(path)
    told = json.dumps({"format": FORMAT, "lrlib": lrlib.__version__, **header})
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, header=np.array(told), **arrays)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # mkstemp's own is for its user alone
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read(path: str | Path) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
    """The arrays and the header that :func:`write` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is another file, incomplete, or of a newer format.
    """
    need = "a file written by Sweep.save"
    try:
        if Path(path).is_file() and not zipfile.is_zipfile(path):
            raise ValueError("no .npz file, or a part of one")
        with np.load(Path(path), allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            found = header["format"]
            arrays = {name: file[name] for name in file.files if name != "header"} if found == FORMAT else {}
    except (FileNotFoundError, PermissionError):
        raise
    # what numpy and zipfile raise for files that are empty, cut off, something else, or a folder
    except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"path must be {need}, whole and unchanged, but got {str(path)!r} ({error})") from error
    if found != FORMAT:
        _check.fail("path", f"{need} in format {FORMAT}", f"{path}, in format {found} of lrlib {header.get('lrlib')}")
    return arrays, header
