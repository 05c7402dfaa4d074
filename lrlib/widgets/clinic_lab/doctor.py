"""The doctor and the reader of logs as the page runs them: put into JavaScript from this package's own modules."""

import functools
from collections.abc import Mapping

from lrlib.curves import curve, log_files, log_tables, reading
from lrlib.diagnostics import doctor, findings
from lrlib.widgets.hosting.bundling import bundle
from lrlib.widgets.translation.translate import translate

TRANSLATED = (
    *(f"{doctor.__name__}.diagnose", f"{curve.__name__}.Curve", f"{reading.__name__}.read"),
    *(f"{log_files.__name__}.{name}" for name in ("HEAD", "_encoding", "refuse")),
    f"{log_tables.__name__}.read_text",
    *(f"{findings.__name__}.{name}" for name in ("NOTHING", "SCORE")),
)
BY_THE_PAGE = {f"{reading.__name__}._columns": "page.columns", "pathlib.Path": "page.Path"}  # a page has no folders


@functools.cache
def with_doctor(module: str) -> str:
    """A lab's module, such as ``"clinic_lab/lab.js"``, with all that it imports and the doctor."""
    return f"{bundle(module)}\n{translated_doctor()}"


def translated_doctor(sources: Mapping[str, str] | None = None) -> str:
    """The doctor and the reader, for ``doctor.js``; of other texts than the modules' own if they are given."""
    return translate("translatedDoctor", TRANSLATED, given=BY_THE_PAGE, sources=sources)
