"""What both parts of the clinic are to their host: they work in the browser alone, beside a kernel as in a page."""

from typing import Any, ClassVar

import anywidget
import traitlets

from lrlib import _check
from lrlib.widgets.clinic_lab.doctor import with_doctor
from lrlib.widgets.hosting.portable import Portable


class Clinic(Portable, anywidget.AnyWidget):
    """A widget whose script brings the doctor along; all that it reads is its ``config``."""

    script: ClassVar[str]
    styles = ("hosting/lab.css", "clinic_lab/clinic.css")

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    host = traitlets.Unicode("kernel").tag(sync=True)
    config = traitlets.Dict().tag(sync=True)

    def __init__(self, *, hint: str, **config: Any) -> None:
        if not isinstance(hint, str):
            _check.fail("hint", "text", hint, error=TypeError)
        super().__init__(_esm=self.source(), _css=self.style(), config={"hint": hint, **config})

    @classmethod
    def source(cls) -> str:
        """The script with all that it imports, and the doctor."""
        return with_doctor(cls.script)

    def page_state(self) -> dict[str, Any]:
        """The ``config``."""
        return {"config": self.config}
