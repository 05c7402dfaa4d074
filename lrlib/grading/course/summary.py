"""One page that a teacher reads in a minute: how it went, what was missed and why, whom and what to look at."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from html import escape

from lrlib.grading.course import marking
from lrlib.grading.course.layout import Course, Student, read_state, write
from lrlib.grading.course.results import Result

_BINS = 10
_MOST = 8
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Summary of the marks</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; margin: 0.5rem 0 1.5rem; width: 100%; }}
th, td {{ text-align: left; padding: 0.2rem 0.8rem 0.2rem 0; vertical-align: top; }}
td.n, th.n {{ text-align: right; white-space: nowrap; }}
tr + tr td {{ border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); }}
svg {{ display: block; margin: 0.5rem 0; max-width: 100%; }}
svg rect {{ fill: #0072b2; }} svg text {{ fill: currentColor; font-size: 12px; }}
</style></head><body>
<h1>Summary of the marks</h1>
{body}
</body></html>
"""

Results = dict[tuple[str, str], Result]


def write_summary(course: Course, found: Results, students: dict[str, Student], notes: Sequence[str]) -> None:
    """Write ``summary.html``: for each assignment the distribution and the cells most missed; what needs a look."""
    parts = [_looks(course, found, notes), _waits(found)]
    for name in sorted({assignment for assignment, _ in found}):
        own = [result for (assignment, _), result in sorted(found.items()) if assignment == name]
        parts.append(f"<h2>{escape(name)}</h2>{_distribution(own, len(students))}{_missed(course, own)}")
    write(course.root / "summary.html", _PAGE.format(body="\n".join(part for part in parts if part)))


def _distribution(own: list[Result], students: int) -> str:
    shares = sorted(max(0.0, r.score) / r.max_score for r in own if r.max_score)
    most = max((r.max_score for r in own), default=0)
    counts = Counter(min(int(share * _BINS), _BINS - 1) for share in shares)
    highest = max(counts.values(), default=1)
    bars = []
    for n in range(_BINS):
        height, x = 90 * counts[n] / highest, 44 * n + 4
        bars.append(f'<rect x="{x}" y="{110 - height:.1f}" width="38" height="{height:.1f}"/>')
        if counts[n]:
            bars.append(f'<text x="{x + 19}" y="{105 - height:.1f}" text-anchor="middle">{counts[n]}</text>')
        bars.append(f'<text x="{x}" y="126">{most * n / _BINS:g}</text>')
    middle = shares[len(shares) // 2] * most if shares else 0
    said = f"{len(own)} handed in of {students} students; median {middle:g} of {most:g} points"
    waiting = sum(1 for r in own if r.waiting)
    more = f"; {waiting} of them with cells that wait for a teacher and count 0 until then" if waiting else ""
    chart = f'<svg viewBox="0 0 450 130" width="450" role="img" aria-label="students by points">{"".join(bars)}</svg>'
    return f"<p>{said}{more}.</p>{chart}"


def _missed(course: Course, own: list[Result]) -> str:
    missed: Counter[str] = Counter()
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for result in own:
        state = read_state(marking.place(course, result.assignment, result.student))
        said = {entry["cell"]: entry["reason"] for entry in state.get("marks", ())}
        for cell in result.cells:
            if cell.score < cell.max_score and not cell.waiting:
                missed[cell.name] += 1
                reasons[cell.name][said.get(cell.name, "") or "no answer, or points taken off by a teacher"] += 1
    if not missed:
        return "<p>Nobody lost a point.</p>"
    rows = [["cell", "missed by", "commonest reason"]]
    for name, count in missed.most_common(_MOST):
        [(reason, times)] = reasons[name].most_common(1)
        rows.append([name, f"{count} of {len(own)}", f"{_cut(reason)} ({times})"])
    return _table(rows)


def _looks(course: Course, found: Results, notes: Sequence[str]) -> str:
    lines = dict.fromkeys(notes)
    for (assignment, student), _ in sorted(found.items()):
        state = read_state(marking.place(course, assignment, student))
        lines.update(dict.fromkeys(state.get("notes", ())))
        for entry in state.get("marks", ()):
            if entry["look"]:
                lines[f"{student}, {assignment}: {entry['cell']}: {entry['reason']}"] = None
    if not lines:
        return "<h2>Needs a look</h2><p>Nothing.</p>"
    items = "".join(f"<li>{escape(_cut(line))}</li>" for line in lines)
    return f"<h2>Needs a look</h2><ul>{items}</ul>"


def _waits(found: Results) -> str:
    waiting = Counter((r.assignment, cell.name) for r in found.values() for cell in r.cells if cell.waiting)
    if not waiting:
        return ""
    rows = [["assignment", "cell", "answers"], *([a, name, str(n)] for (a, name), n in sorted(waiting.items()))]
    return f"<h2>Waits for a teacher's mark (in formgrader)</h2>{_table(rows)}"


def _table(rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f"<table><tr>{head}</tr>{body}</table>"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 300 else text[:297] + "..."
