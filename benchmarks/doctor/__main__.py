"""How good the doctor's first advice is, by counterfactual.

``python -m benchmarks.doctor grid development`` trains the runs (kept in ``_build/doctor``, or where ``DOCTOR_CACHE``
says); ``python -m benchmarks.doctor score development`` prints the table; so for ``held-out``. ``--write`` keeps it.
"""

import argparse
import json
import subprocess
from collections import Counter
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
        command = [
            "git",
            "log",
            "-1",
            "--format=%H",
            "--",
            "lrlib/diagnostics/symptoms.py",
            "lrlib/diagnostics/features.py",
        ]
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        counts = {name: dict(Counter(c.truth for c in found if c.task == name)) for name in {c.task for c in found}}
        path = Path(__file__).parent / f"{given.which}.json"
        whole = {"rules at commit": commit, "runs": len(found), "best remedies": counts, "policies": scored}
        path.write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n")
