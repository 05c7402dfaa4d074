"""A reader's own log, looked at in the page."""

import numpy as np

from lrlib.widgets.clinic_lab.clinic import Clinic
from lrlib.widgets.hosting.portable import escape


class LogClinic(Clinic):
    """A place to drop the log of one's own run: it is read and diagnosed in the page, and never leaves it.

    Tables and JSON are read as :func:`lrlib.curves.read` reads them, up to 100 MB, packed by gzip or not; columns that
    were guessed wrong can be chosen. TensorBoard's event files are for ``python -m lrlib diagnose``.

    Args:
        hint: one line that says what to do; ``_{...}`` is a subscript.

    Raises:
        TypeError: if it is no text.
    """

    script = "clinic_lab/log_clinic.js"
    without_scripts = "Reading a log in the page needs JavaScript, which is switched off here."

    def __init__(
        self,
        *,
        hint: str = "Drop a run’s log here (CSV or JSON, up to 100 MB): it is read in this page and never leaves it.",
    ) -> None:
        super().__init__(hint=hint, example=example())

    def still(self) -> str:
        """What it does."""
        return f"<p>{escape(self.config['hint'])} Elsewhere: <code>python -m lrlib diagnose PATH</code>.</p>"

    def summary(self) -> str:
        """What it is."""
        return "Log clinic: reads and diagnoses a log that is dropped on it"


def example() -> str:
    """A log as Keras writes it, of a made-up run whose validation loss turns."""
    draws = np.random.default_rng(0).normal(size=(40, 2))
    time = np.arange(40) / 39
    rows = ["epoch,accuracy,loss,lr,val_loss"]
    for k, (t, (a, b)) in enumerate(zip(time, draws, strict=True)):
        loss = 0.12 + 2.1 * np.exp(-5 * t) * (1 + 0.02 * a)
        held_out = 0.6 + 1.7 * np.exp(-7 * t) + 0.7 * max(0.0, t - 0.3) + 0.01 * b
        rows.append(f"{k},{1 - loss / 2.6:.4f},{loss:.4f},0.001,{held_out:.4f}")
    return "\n".join(rows) + "\n"
