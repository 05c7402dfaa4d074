"""Other range tests side by side with ours, in an environment of their own."""

from pathlib import Path
from typing import Any

from benchmarks.environment import Missing, Worker, interpreter

__all__ = ["Finders", "Missing"]

_HERE = Path(__file__).parent
_ENVIRONMENT = _HERE.parents[1] / ".venv-finders"


class Finders(Worker):
    """Their process."""

    def __init__(self) -> None:
        # fastai brings torchvision, whose default build may be for another build of torch; nothing here uses it
        python = interpreter(_ENVIRONMENT, _HERE / "requirements.txt", without=["torchvision"])
        super().__init__([str(python), str(_HERE / "worker.py")], variables={}, quiet=True)

    def run(self, name: str) -> dict[str, Any]:
        """One range test: ``seconds`` of the processor, ``losses`` recorded, ``changed`` parts."""
        return self.ask(name)
