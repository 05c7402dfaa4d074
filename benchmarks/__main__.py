"""All benchmarks, one after the other: ``make bench``; or those named: ``python -m benchmarks engines``."""

import argparse

from benchmarks import engines, labs, monitoring, range_tests, sweeps

PARTS = {
    "engines": engines.main,
    "sweeps": sweeps.main,
    "labs": labs.main,
    "monitoring": monitoring.main,
    "range_tests": range_tests.main,
}

parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Print how fast things are; assert nothing.")
parser.add_argument(
    "parts", nargs="*", choices=[[], *PARTS], help=f"one or more of {', '.join(PARTS)}; all if none is named"
)
for part in parser.parse_args().parts or PARTS:
    PARTS[part]()
