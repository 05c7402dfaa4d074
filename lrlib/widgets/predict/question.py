"""A question that the reader answers before running the lab."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import anywidget
import traitlets

from lrlib import _check
from lrlib.widgets.hosting.portable import Portable, escape
from lrlib.widgets.predict.curve_mark import CurveMark


@dataclass(frozen=True)
class Answer:
    """One choice: what it says, why it is right or wrong, and whether it is right."""

    text: str
    reason: str
    right: bool = False


class Predict(Portable, anywidget.AnyWidget):
    """A question answered before the lab is run: by one of a few choices, or by a mark set on an axis.

    Each choice's reason, or the curve and where on it the true place is, is shown after.

    Args:
        question: the question.
        answers: two or more choices, one of them or more right, in any order: the reader sees them in one that the
            question's own words decide, the same in each build, so that the place of the right one tells nothing.
        mark: the axis to mark, the curve and the true place; instead of ``answers``.

    Raises:
        TypeError, ValueError: for both or neither of ``answers`` and ``mark``, for fewer than two answers, or none
            that is right.

    >>> question = Predict(
    ...     "What does a rate above 2/λ_{max} do to gradient descent on a quadratic?",
    ...     answers=[
    ...         Answer("It converges more slowly.", "That is what a rate far below does."),
    ...         Answer("It diverges.", "Each step overshoots by more than it came from.", right=True),
    ...     ],
    ... )
    >>> question.summary()
    'Predict: What does a rate above 2/λ_{max} do to gradient descent on a quadratic?'
    """

    module = "predict/question.js"
    styles = ("hosting/lab.css", "predict/predict.css")
    without_scripts = "Decide before you unfold."

    content = traitlets.Dict().tag(sync=True)
    # The place of the choice, or the value that was marked; None until the reader has answered.
    answer = traitlets.Union([traitlets.Int(), traitlets.Float()], default_value=None, allow_none=True).tag(sync=True)
    host = traitlets.Unicode("kernel").tag(sync=True)

    def __init__(
        self, question: str, *, answers: Sequence[Answer] | None = None, mark: CurveMark | None = None
    ) -> None:
        if not isinstance(question, str):
            _check.fail("question", "text", question, error=TypeError)
        if (answers is None) == (mark is None):
            _check.fail("answers", "given if and only if mark is not", answers)
        self.mark = mark
        if mark is not None:
            if not isinstance(mark, CurveMark):
                _check.fail("mark", "a CurveMark", mark, error=TypeError)
            super().__init__(content={"question": question, "mark": mark.content()})
            return
        choices = _shuffled(question, _checked(answers))
        super().__init__(content={"question": question, "choices": [asdict(answer) for answer in choices]})

    def page_state(self) -> dict[str, Any]:
        """The question and its answers."""
        return {"content": self.content}

    def still(self) -> str:
        """The question, each choice unfolding to its reason, or the figure to the answer: works without scripts."""
        folds = self._folded_choices() if self.mark is None else self._folded_mark(self.mark)
        return f"<div class='lrlab-predict'><p><strong>{escape(self.content['question'])}</strong></p>{folds}</div>"

    def _folded_choices(self) -> str:
        return "".join(
            f"<details><summary>{escape(choice['text'])}</summary><p class='lrlab-reason'>"
            f"<strong>{'Right.' if choice['right'] else 'Not so.'}</strong> {escape(choice['reason'])}</p></details>"
            for choice in self.content["choices"]
        )

    def _folded_mark(self, mark: CurveMark) -> str:
        return (
            f"{mark.still(answered=False)}<details><summary>Where it is</summary>{mark.still(answered=True)}"
            f"<p class='lrlab-reason'><strong>{mark.truth()}</strong> {escape(mark.reason)}</p></details>"
        )

    def summary(self) -> str:
        """The question."""
        return f"Predict: {self.content['question']}"


def _shuffled(question: str, answers: Sequence[Answer]) -> list[Answer]:
    return sorted(answers, key=lambda answer: hashlib.sha256(f"{question}\n{answer.text}".encode()).digest())


def _checked(answers: Any) -> Sequence[Answer]:
    if not all(isinstance(answer, Answer) for answer in answers):
        _check.fail("answers", "a sequence of Answer", answers, error=TypeError)
    if len(answers) < 2 or not any(answer.right for answer in answers):
        _check.fail("answers", "two or more, at least one of them right", answers)
    return answers
