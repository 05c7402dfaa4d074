"""Where this package keeps what would take long to make again: compiled programs, and data sets in a quicker form."""

import os
import sys
from pathlib import Path


def cache_directory() -> Path:
    """``LRLIB_CACHE_DIR``, else the platform's place for caches. It need not be there yet."""
    if own := os.environ.get("LRLIB_CACHE_DIR"):
        return Path(own).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "lrlib"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "lrlib"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lrlib"
