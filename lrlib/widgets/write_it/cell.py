"""A formula that the reader writes, drawn as it is typed and checked against the library's own numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import anywidget
import numpy as np
import traitlets

from lrlib import _check
from lrlib.widgets.drawing.still import Axis, Still
from lrlib.widgets.hosting.packing import pack
from lrlib.widgets.hosting.portable import Portable, escape
from lrlib.widgets.write_it.formula import FUNCTIONS, Array, evaluate

TOLERANCE = 1e-3  # of the greatest value: 3.14 passes for π, a shift by one step of a few hundred does not


@dataclass(frozen=True)
class Slip:
    """A formula that is wrong in a way that readers often are, and a hint for whoever writes it."""

    formula: str
    hint: str


class WriteIt(Portable, anywidget.AnyWidget):
    """A task whose answer is a formula: drawn against ours while it is typed, and checked at every point, in the page.

    Args:
        task: what to write.
        expected: ours: a function of the points, such as a :class:`~lrlib.schedules.Schedule`, or its values there.
        at: (points,) increasing values of the variable.
        variable: its name in formulas.
        given: the names besides it that formulas may use, with their values.
        answer: one right formula, shown under a fold.
        reason: why it is right, shown there too.
        slips: wrong formulas with a hint for each.
        x, y: the axes of the drawing.
        left: what the formula is, such as "η(t)"; ``_{...}`` is a subscript.
        tolerance: how far from ours still counts as right, as a share of our greatest absolute value.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or value; for an answer that is not right, a slip that
            is, or two slips that are the same.

    >>> from lrlib import schedules
    >>> cell = WriteIt(
    ...     "Write a linear decay to zero.",
    ...     expected=schedules.linear(0.1, total_steps=100),
    ...     at=range(100),
    ...     variable="t",
    ...     given={"T": 100, "peak": 0.1},
    ...     answer="peak * (1 - t / T)",
    ...     reason="A share of t/T is gone.",
    ...     slips=[Slip("peak * t / T", "This rises: what is left is one minus that.")],
    ...     x=Axis("step t", 0, 100),
    ...     y=Axis("rate η", 0, 0.12),
    ... )
    >>> cell.check("0.1 - t / 1000"), cell.check("peak")
    (None, 1.0)
    """

    module = "write_it/cell.js"
    styles = ("hosting/lab.css", "write_it/cell.css")
    without_scripts = "To have a formula drawn and checked takes JavaScript, which is switched off here."

    content = traitlets.Dict().tag(sync=True)
    formula = traitlets.Unicode("").tag(sync=True)  # what the reader has written
    host = traitlets.Unicode("kernel").tag(sync=True)

    def __init__(
        self,
        task: str,
        *,
        expected: Callable[[Array], Any] | Sequence[float] | np.ndarray,
        at: Sequence[float] | range | np.ndarray,
        variable: str,
        given: Mapping[str, float],
        answer: str,
        reason: str,
        x: Axis,
        y: Axis,
        slips: Sequence[Slip] = (),
        left: str = "η(t)",
        tolerance: float = TOLERANCE,
    ) -> None:
        for name, text in {"task": task, "reason": reason, "left": left, "variable": variable}.items():
            if not isinstance(text, str):
                _check.fail(name, "text", text, error=TypeError)
        self._at = _check.reals("at", at)
        if len(self._at) < 2 or (np.diff(self._at) <= 0).any():
            _check.fail("at", "two or more in increasing order", at)
        names = (variable, *given)
        for name in names:
            if not name.isidentifier() or name in FUNCTIONS or name == "pi":
                _check.fail("given", "names that no function has", name)
        self._given = {name: _check.real(f"given[{name!r}]", value) for name, value in given.items()}
        self._variable = variable
        values = expected(np.asarray(at)) if callable(expected) else expected
        self._expected = _check.reals("expected", np.asarray(values, dtype=np.float64))
        if self._expected.shape != self._at.shape:
            _check.fail("expected", f"{len(self._at)} values, one for each of at", values)
        self._tolerance = _check.real("tolerance", tolerance, above=0) * float(np.abs(self._expected).max())
        for name, axis in {"x": x, "y": y}.items():
            if not isinstance(axis, Axis):
                _check.fail(name, "an Axis", axis, error=TypeError)
        self._x, self._y = x, y
        if (where := self.check(answer)) is not None:
            _check.fail("answer", f"right, and it is not at {variable} = {where:g}", answer)
        super().__init__(
            content={
                "task": task,
                "left": left,
                "given": self._given_in_words(),
                "variable": variable,
                "names": self._given,
                "at": [float(f"{value:.9g}") for value in self._at],
                "expected": pack(self._expected),
                "tolerance": self._tolerance,
                "slips": self._checked(slips),
                "answer": answer,
                "reason": reason,
                "x": asdict(x),
                "y": asdict(y),
            }
        )

    def check(self, formula: str) -> float | None:
        """The first value of the variable at which ``formula`` parts from ours, or None if it does nowhere.

        Raises:
            TypeError, ValueError: for text that is not a formula.
        """
        apart = ~self._near(evaluate(formula, {self._variable: self._at, **self._given}), self._expected)
        return float(self._at[apart.argmax()]) if apart.any() else None

    def _near(self, values: Array, others: Array) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # what is not a number is near nothing
            return np.asarray((values == others) | (np.abs(values - others) <= self._tolerance))

    def _checked(self, slips: Any) -> list[dict[str, Any]]:
        if not all(isinstance(slip, Slip) for slip in slips):
            _check.fail("slips", "a sequence of Slip", slips, error=TypeError)
        told: list[dict[str, Any]] = []
        seen = [("ours", self._expected)]
        for slip in slips:
            values = evaluate(slip.formula, {self._variable: self._at, **self._given})
            for name, others in seen:
                if self._near(values, others).all():
                    _check.fail("slips", f"different from {name}", slip.formula)
            seen.append((slip.formula, values))
            told.append({"values": pack(values), "hint": slip.hint})
        return told

    def _given_in_words(self) -> str:
        first, second, last = (f"{value:.4g}" for value in (self._at[0], self._at[1], self._at[-1]))
        names = [f"{self._variable} = {first}, {second}, …, {last}"]
        names += [f"{name} = {value:g}" for name, value in self._given.items()]
        return f"You may use {'; '.join(names)}; pi; {', '.join(FUNCTIONS)}; + - * / ^ and comparisons."

    def page_state(self) -> dict[str, Any]:
        """The task, ours as numbers, and what to say of which slip."""
        return {"content": self.content, "formula": ""}

    def still(self) -> str:
        """The task, our curve, and the answer under a fold: works without scripts."""
        content = self.content
        figure = Still(self._x, self._y, alt=f"{self._y.label} against {self._x.label}: ours", width=520)
        figure.line(self._at, self._expected, style="planned")
        return (
            f"<div class='lrlab-write'><p><strong>{escape(content['task'])}</strong></p>"
            f"<p class='lrlab-given'>{escape(content['given'])}</p><div class='lrlab-chart'>{figure.svg()}</div>"
            f"<details><summary>One way to write it</summary><p><code>{escape(content['answer'])}</code></p>"
            f"<p>{escape(content['reason'])}</p></details></div>"
        )

    def summary(self) -> str:
        """The task."""
        return f"Write it: {self.content['task']}"
