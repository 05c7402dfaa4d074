"""``python -m benchmarks.mutants``: grade all mutants and write the score; or name the assignments to grade anew."""

import argparse
import json

from benchmarks.mutants.assignment import FOLDER, assignment_names, read_assignment
from benchmarks.mutants.score import score

FILE = FOLDER / "mutation_score.json"

parser = argparse.ArgumentParser(
    prog="python -m benchmarks.mutants", description="How sharp the assignments' tests are."
)
parser.add_argument("assignments", nargs="*", choices=[[], *assignment_names()], help="all if none is named")
names = parser.parse_args().assignments or assignment_names()
written = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
scores = {name: score(read_assignment(name)) for name in names}
print(json.dumps(scores, indent=1, ensure_ascii=False))
written = {name: one for name, one in sorted((written | scores).items()) if name in assignment_names()}
FILE.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
