"""How good the doctor's first advice is, by counterfactual.

``python -m benchmarks.doctor grid development`` trains the runs (kept in ``_build/doctor``, or where ``DOCTOR_CACHE``
says); ``python -m benchmarks.doctor score development`` prints the table; so for ``held-out``. ``--write`` keeps it.
"""

import argparse
import json
import subprocess
from pathlib import Path

from benchmarks.doctor import grid
from benchmarks.doctor.labels import Case, cases
from benchmarks.doctor.score import table, text
from benchmarks.doctor.tasks import DEVELOPMENT, HELD_OUT

parser = argparse.ArgumentParser(prog="python -m benchmarks.doctor", description=__doc__)
parser.add_argument("what", choices=["grid", "score"])
parser.add_argument("which", choices=["development", "held-out"])
parser.add_argument("--write", action="store_true")
given = parser.parse_args()
if given.what == "grid":
    grid.main(given.which)
else:
    settings = {"development": DEVELOPMENT, "held-out": HELD_OUT}[given.which]
    found: list[Case] = []
    for setting in settings:
        for rule in setting.top:
            if grid.path_of(setting, rule).exists():
                found += cases(grid.load_grid(setting, rule))
    scored = table(found)
    print(text(scored))
    for name in ("doctor", "doctor, cough"):
        print(name, scored[name]["families"])
    if given.write:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        path = Path(__file__).parent / f"{given.which}.json"
        path.write_text(json.dumps({"rules at commit": commit, "runs": len(found), **scored}, indent=1) + "\n")
