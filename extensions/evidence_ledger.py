"""The evidence ledger shows what other pages computed, so it is read again whenever one of them is."""

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

LEDGER = "chapters/appendix/evidence_ledger"


def _read_after_any_change(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    return [LEDGER] if LEDGER in env.found_docs and (added | changed | removed) else []


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("env-get-outdated", _read_after_any_change)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
