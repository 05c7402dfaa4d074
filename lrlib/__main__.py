"""``python -m lrlib cache`` says where compiled programs are kept and how many; with ``--clear`` it deletes them."""

import argparse
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from lrlib._compiler.build import cache_directory

# A directory that was named by mistake may hold other things: nothing else is counted or deleted.
_OURS = re.compile(r"[0-9a-f]{32}\b.*\.(so|dylib|dll|wasm|json)")


def _programs(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from (path for path in sorted(directory.iterdir()) if path.is_file() and _OURS.fullmatch(path.name))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m lrlib", description="Care for what lrlib keeps on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    cache = commands.add_parser("cache", help="compiled programs: where they are, how many, how large")
    cache.add_argument("--clear", action="store_true", help="delete them; they are made again when needed")
    clear = parser.parse_args(arguments).clear

    directory = cache_directory()
    programs = list(_programs(directory))
    size = sum(path.stat().st_size for path in programs) / 1e6
    if clear:
        for path in programs:
            path.unlink(missing_ok=True)
        shutil.rmtree(directory / "zig", ignore_errors=True)  # the C compiler's own
    print(f"{directory}: {len(programs)} files, {size:.1f} MB{', deleted' if clear else ''}")


if __name__ == "__main__":
    main()
