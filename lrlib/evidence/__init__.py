"""From runs to verdicts: intervals, checks, findings, and one protocol for comparisons.

How a chapter uses it, in the order of its text:

1. **Before the runs** it says which effect would matter, and which side a result is on: a check *supports* the claim,
   or it *limits* it, which is to show where the claim stops.
2. **The runs**: :func:`compare` tunes each arm on its own grid and reports on fresh seeds; :func:`tune` finds a best
   rate seed by seed. What does not fit them is summed up by :func:`interval`, :func:`ratio`, :func:`difference`,
   :func:`geometric`, :func:`share`, or, if it was computed and not sampled, :func:`exact`.
3. **The checks**: :func:`supports` and :func:`limits` hold such an estimate against :func:`at_least`, :func:`at_most`,
   :func:`within` or :func:`outside`. The outcome is *supported*, *contradicted* or *undecided*. That two things do not
   differ can only be shown by :func:`within`: an interval that merely contains no effect is undecided.
4. **The finding**: a :class:`Finding` joins the article's sentence (:data:`lrlib.evidence.CLAIMS`) and the checks. Its
   verdict follows by the rules of :func:`verdict_of`: *holds*, *holds when …*, *does not hold as stated*, or *not
   decided here*. :meth:`Finding.expect` stops the build if the verdict is no longer the one that the prose was written
   for. The last line of the cell shows the finding, and from there the evidence ledger takes it.

A hedged sentence ("can help", "in some cases") is supported by the case where it does; the cases where it does not are
limiting checks. What no rule can see is a check that was left out, or a bound that was chosen after the runs: so the
bounds stand in the text before the runs.
"""

from lrlib.evidence.checks import Check, Region, at_least, at_most, limits, outside, supports, within
from lrlib.evidence.claims import CLAIMS, Claim
from lrlib.evidence.comparison import Arm, Comparison, Tried, arm, compare
from lrlib.evidence.findings import VERDICTS, Finding, verdict_of
from lrlib.evidence.gluing import glue
from lrlib.evidence.intervals import (
    SCALES,
    Interval,
    difference,
    exact,
    geometric,
    interval,
    ratio,
    share,
    share_difference,
)
from lrlib.evidence.search import rates_around
from lrlib.evidence.table import Table
from lrlib.evidence.tuning import Tuning, tune

__all__ = [
    "CLAIMS",
    "SCALES",
    "VERDICTS",
    "Arm",
    "Check",
    "Claim",
    "Comparison",
    "Finding",
    "Interval",
    "Region",
    "Table",
    "Tried",
    "Tuning",
    "arm",
    "at_least",
    "at_most",
    "compare",
    "difference",
    "exact",
    "geometric",
    "glue",
    "interval",
    "limits",
    "outside",
    "rates_around",
    "ratio",
    "share",
    "share_difference",
    "supports",
    "tune",
    "verdict_of",
    "within",
]
