"""A question that the reader answers before running the lab."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import anywidget
import traitlets

from lrlib import _check
from lrlib.widgets.portable import Portable, escape


@dataclass(frozen=True)
class Answer:
    """One choice: what it says, why it is right or wrong, and whether it is right."""

    text: str
    reason: str
    right: bool = False


class Predict(Portable, anywidget.AnyWidget):
    """A question with choices, answered before the lab is run; each choice's reason is shown after.

    Args:
        question: the question.
        answers: two or more, one of them or more right.

    Raises:
        TypeError, ValueError: for fewer than two answers, or none that is right.

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

    module = "predict.js"
    styles = ("lab.css", "predict.css")
    without_scripts = "Decide on one before you unfold the reasons."

    content = traitlets.Dict().tag(sync=True)
    answer = traitlets.Int(-1).tag(sync=True)
    host = traitlets.Unicode("kernel").tag(sync=True)

    def __init__(self, question: str, *, answers: Sequence[Answer]) -> None:
        if not isinstance(question, str):
            _check.fail("question", "text", question, error=TypeError)
        if not all(isinstance(answer, Answer) for answer in answers):
            _check.fail("answers", "a sequence of Answer", answers, error=TypeError)
        if len(answers) < 2 or not any(answer.right for answer in answers):
            _check.fail("answers", "two or more, at least one of them right", answers)
        super().__init__(content={"question": question, "choices": [asdict(answer) for answer in answers]})

    def page_state(self) -> dict[str, Any]:
        """The question and its answers."""
        return {"content": self.content}

    def still(self) -> str:
        """The question, each choice unfolding to its reason: works without scripts."""
        folds = "".join(
            f"<details><summary>{escape(choice['text'])}</summary><p class='lrlab-reason'>"
            f"<strong>{'Right.' if choice['right'] else 'Not so.'}</strong> {escape(choice['reason'])}</p></details>"
            for choice in self.content["choices"]
        )
        return f"<div class='lrlab-predict'><p><strong>{escape(self.content['question'])}</strong></p>{folds}</div>"

    def summary(self) -> str:
        """The question."""
        return f"Predict: {self.content['question']}"
