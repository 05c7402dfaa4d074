"""Findings as HTML: a card for each, and the small pictures of intervals that the cards and the ledger's table share.

Colours are the page's own (``currentColor``), so that a card reads well on a light page and on a dark one.
"""

import math
import re
from html import escape

from lrlib.evidence.checks import MARKS, Check
from lrlib.evidence.findings import Finding, Verdict
from lrlib.evidence.intervals import LOGARITHMIC, Interval

VERDICT_MARKS: dict[Verdict, str] = {
    "holds": "✓",
    "holds when": "◐",
    "does not hold as stated": "✗",
    "not decided here": "?",
}
_WIDTH, _HEIGHT, _MARGIN = 190, 30, 10


def card(finding: Finding, *, anchor: bool = True) -> str:
    """The claim in the article's words, its verdict, and each check with its picture and its numbers.

    With ``anchor`` the card can be linked to as ``#finding-c07``: right on the page that makes the finding.
    """
    name = f' id="finding-{finding.claim.lower()}"' if anchor else ""
    verdict = finding.verdict
    detail = f" {escape(finding.detail.rstrip('.'))}." if finding.detail else ""
    checks = "".join(_row(check) for check in finding.checks)
    return (
        f'<div class="finding"{name} data-verdict="{verdict}">'
        f"<blockquote><p><strong>{finding.claim}</strong> {escape(finding.quoted.text)}</p></blockquote>"
        f'<p class="finding-verdict"><strong>{VERDICT_MARKS[verdict]} {verdict.capitalize()}</strong>{detail}</p>'
        f"<ul>{checks}</ul><p><small>{escape(finding.where)}</small></p></div>"
    )


def _row(check: Check) -> str:
    side = "for the claim" if check.side == "supports" else "a limit of the claim"
    statement = escape(check.statement[0].upper() + check.statement[1:])
    return (
        f"<li>{picture(check)}<div><strong>{MARKS[check.outcome]} {check.outcome}</strong>, {side}: {statement}. "
        f"<small>{escape(check.on)}</small><br>"
        f"<small>{numbers(check.estimate)}; asked for: {check.region}</small></div></li>"
    )


def numbers(estimate: Interval) -> str:
    """The numbers with their scale in words, as HTML."""
    return re.sub(r"-(?=[\d.i])", "−", escape(str(estimate)))


def picture(check: Check) -> str:
    """The interval as a line with a dot, over the region asked for (shaded) and the line of no effect (dotted).

    A ratio and a geometric mean are drawn on a logarithmic axis. An arrow's head marks an end that is off the picture.
    """
    estimate, region = check.estimate, check.region
    logarithmic = estimate.scale in LOGARITHMIC
    bounds = [bound for bound in (region.low, region.high) if math.isfinite(bound)]
    neutral = {"ratio": [1.0], "difference": [0.0], "percent": [0.0]}.get(estimate.scale, [])
    ends = [x for x in (estimate.low, estimate.high) if math.isfinite(x) and (x > 0 or not logarithmic)]

    def axis(x: float) -> float:
        return math.log(x) if logarithmic and x > 0 else -math.inf if logarithmic else x

    places = [axis(x) for x in (*bounds, *neutral, *ends)]
    low, high = min(places), max(places)
    room = 0.15 * (high - low) or 1.0
    low, high = low - room, high + room

    def at(x: float) -> float:
        """The horizontal place, kept inside the picture."""
        share = min(max((axis(x) - low) / (high - low), 0.0), 1.0)
        return round(_MARGIN + share * (_WIDTH - 2 * _MARGIN), 1)

    edges = 0.0, float(_WIDTH)
    first, last = (at(x) if math.isfinite(x) else end for x, end in zip((region.low, region.high), edges, strict=True))
    inside = [(edges[0], first), (last, edges[1])] if region.complement else [(first, last)]
    ink = 'stroke="currentColor"'
    parts = [
        f'<rect x="{a:g}" y="3" width="{b - a:g}" height="14" fill="currentColor" opacity="0.13"/>' for a, b in inside
    ]
    parts += [
        f'<line x1="{at(x):g}" x2="{at(x):g}" y1="1" y2="19" {ink} stroke-dasharray="1 2" opacity="0.8"/>'
        for x in neutral
    ]
    a, b = at(estimate.low), at(estimate.high)
    parts.append(f'<line x1="{a:g}" x2="{b:g}" y1="10" y2="10" {ink} stroke-width="1.6"/>')
    for end, x, shift in ((estimate.low, a, 5), (estimate.high, b, -5)):
        if axis(end) == -math.inf or not math.isfinite(end):
            points = f"{x:g},10 {x + shift:g},6.5 {x + shift:g},13.5"
            parts.append(f'<polygon points="{points}" fill="currentColor"/>')
    if math.isfinite(estimate.estimate):
        fill = "none" if check.outcome == "undecided" else "currentColor"
        parts.append(f'<circle cx="{at(estimate.estimate):g}" cy="10" r="3.6" fill="{fill}" {ink} stroke-width="1.4"/>')
    labels = dict.fromkeys([*bounds, *neutral])
    shown: list[float] = []
    for x in labels:
        if all(abs(at(x) - other) > 26 for other in shown):
            shown.append(at(x))
            parts.append(
                f'<text x="{at(x):g}" y="28" font-size="9" text-anchor="middle" fill="currentColor">{_short(x)}</text>'
            )
    title = escape(f"{estimate!s}; asked for: {region}: {check.outcome}", quote=True)
    return (
        f'<svg class="finding-picture" role="img" aria-label="{title}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}">{"".join(parts)}</svg>'
    )


def _short(x: float) -> str:
    return f"{x:.3g}".replace("-", "−")
