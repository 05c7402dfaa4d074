"""The command line: ``python -m lrlib diagnose PATH`` reads a log and says what it tells; ``cache`` cares for programs.

``diagnose`` exits with 0 if there is no sign of a rate problem, with 1 if there are findings, and with 2 if no curve
could be read or the figure not written. ``cache`` says where compiled programs are kept and how many; with ``--clear``
it deletes them.
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrlib.curves import Curve
    from lrlib.diagnostics import Diagnosis

# A directory that was named by mistake may hold other things: nothing else is counted or deleted.
_OURS = re.compile(r"[0-9a-f]{32}\b.*\.(so|dylib|dll|wasm|o|json|note)")
_COLUMNS = ("loss", "validation_loss", "rate", "step")


def _programs(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from (path for path in sorted(directory.iterdir()) if path.is_file() and _OURS.fullmatch(path.name))


def _cache(options: argparse.Namespace) -> None:
    from lrlib._compiler.build import cache_directory

    directory = cache_directory()
    programs = list(_programs(directory))
    size = sum(path.stat().st_size for path in programs) / 1e6
    if options.clear:
        for path in programs:
            path.unlink(missing_ok=True)
        shutil.rmtree(directory / "zig", ignore_errors=True)  # the C compiler's own
    print(f"{directory}: {len(programs)} files, {size:.1f} MB{', deleted' if options.clear else ''}")


def _diagnose(options: argparse.Namespace) -> None:
    from lrlib.curves import read
    from lrlib.diagnostics import diagnose

    try:
        curve = read(options.path, **{name: getattr(options, name) for name in _COLUMNS})
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    diagnosis = diagnose(curve)
    if options.plot:
        _draw(options.plot, curve, diagnosis)
    print(json.dumps(diagnosis.as_dict(), indent=2) if options.json else f"{curve}\n{diagnosis}")
    raise SystemExit(1 if diagnosis.findings else 0)


def _draw(file: str, curve: "Curve", diagnosis: "Diagnosis") -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    from lrlib import style
    from lrlib.plots import plot_diagnosis

    style.use()
    plot_diagnosis(curve, diagnosis)
    try:
        plt.savefig(file, bbox_inches="tight")
    except (OSError, ValueError) as error:
        print(f"--plot could not write {file}: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m lrlib", description="Diagnose a run; care for what lrlib keeps.")
    commands = parser.add_subparsers(dest="command", required=True)
    cache = commands.add_parser("cache", help="compiled programs: where they are, how many, how large")
    cache.add_argument("--clear", action="store_true", help="delete them; they are made again when needed")
    cache.set_defaults(run=_cache)
    codes = "Exit code: 0 no sign of a rate problem, 1 findings, 2 no curve could be read, or the figure not written."
    doctor = commands.add_parser("diagnose", help="what a run's log tells of its learning rate", epilog=codes)
    doctor.add_argument("path", help="a log (CSV, JSON, TensorBoard's event file), or a folder that holds one")
    doctor.add_argument("--plot", metavar="FILE", help="draw the curves with what was found")
    doctor.add_argument("--json", action="store_true", help="print the diagnosis as JSON")
    for name in _COLUMNS:
        doctor.add_argument(f"--{name.replace('_', '-')}", metavar="COLUMN", help="this column, instead of a guess")
    doctor.set_defaults(run=_diagnose)
    options = parser.parse_args(arguments)
    options.run(options)


if __name__ == "__main__":
    main()
