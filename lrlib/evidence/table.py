"""A small table that a page shows and a text can hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, repr=False)
class Table:
    """Rows of texts, the first of which is the head; ``note`` stands below."""

    rows: Sequence[Sequence[str]]
    note: str = ""

    def _repr_html_(self) -> str:
        head, *body = [[escape(cell) for cell in row] for row in self.rows]
        top = "".join(f"<th>{cell}</th>" for cell in head)
        lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in body)
        note = f"<p><small>{escape(self.note)}</small></p>" if self.note else ""
        return f'<table class="table"><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>{note}'

    @property
    def markdown(self) -> str:
        """The rows as a Markdown table."""
        head, *body = ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join([head, "|" + "---|" * len(self.rows[0]), *body])

    def __repr__(self) -> str:
        return self.markdown + (f"\n\n{self.note}" if self.note else "")
