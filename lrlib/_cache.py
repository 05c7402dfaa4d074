"""What is kept between processes: where, and arrays that take long to make."""

import os
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]

_DAMAGED = (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)


def cache_directory() -> Path:
    """``LRLIB_CACHE_DIR``, else the platform's place for caches."""
    chosen = os.environ.get("LRLIB_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "lrlib"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "lrlib"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lrlib"


def kept_arrays(name: str, make: Callable[[], Arrays], *, shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
    """Bytes (uint8) of these ``shapes`` by name, from the file ``name``.npz of the cache if that is whole, else made.

    A file that is damaged, or holds something else, is made anew; one that cannot be written costs time, not an error.
    """
    path = cache_directory() / f"{name}.npz"
    with suppress(*_DAMAGED), path.open("rb") as file, np.load(file) as found:
        arrays = {key: found[key] for key in shapes}
        if all(arrays[key].shape == shape and arrays[key].dtype == np.uint8 for key, shape in shapes.items()):
            return arrays
    arrays = make()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as workshop:
            np.savez_compressed(Path(workshop, path.name), **arrays)  # type: ignore[arg-type]
            os.replace(Path(workshop, path.name), path)  # atomic: others see all of it or nothing
    return arrays
