"""The numbers of a log by column, which grow while the log is read."""

import re
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_NOTHING = {"", "-", "--", "na", "n/a", "none", "null", "<na>"}
_DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+(e[+-]?\d+)?", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}([,' \u00a0]\d{3})+(\.\d+)?")


def comma_is_decimal(cells: Sequence[str], delimiter: str) -> bool:
    """Whether ``0,5`` is a half: some comma parts no thousands, or no point is there and commas do not part columns."""
    cells = [cell.strip() for cell in cells]
    commas = [cell for cell in cells if _DECIMAL_COMMA.fullmatch(cell)]
    points = any(re.fullmatch(r"[+-]?\d*\.\d+(e[+-]?\d+)?", cell, re.IGNORECASE) for cell in cells)
    if any(not _THOUSANDS.fullmatch(cell) for cell in commas):
        return True
    return bool(commas) and not points and delimiter != ","


def number(cell: Any, decimal_comma: bool = False) -> float | None:
    """What the cell says as a number, None if it says none; ``12 %`` is 0.12."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    try:
        return float(cell)
    except (ValueError, OverflowError):
        text = str(cell).strip().replace("−", "-")
    if decimal_comma and _DECIMAL_COMMA.fullmatch(text):
        return float(text.replace(".", "").replace(",", "."))
    if _THOUSANDS.fullmatch(text):
        return float(re.sub(r"[,' \u00a0]", "", text))
    if text.endswith("%"):
        share = number(text[:-1].strip(), decimal_comma)
        return None if share is None else share / 100
    if re.fullmatch(r"tensor\(.*\)", text):  # a loss that was printed with its tensor
        return number(re.split(r"[(,)]", text)[1])
    return None


class Columns:
    """Columns by name: numbers, and whether each was written at all; 9 bytes a cell.

    A cell that was left empty is NaN and not written; one that says ``nan`` is NaN and written.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.texts: dict[str, int] = {}  # cells that say something, but no number
        self._values: dict[str, array[float]] = {}
        self._written: dict[str, bytearray] = {}

    def extend(self, names: Sequence[str], rows: Sequence[Sequence[str]], decimal_comma: bool) -> None:
        """Rows of text, each as long as ``names``."""
        for name, cells in zip(names, zip(*rows, strict=True), strict=True):
            try:
                values, written = array("d", map(float, cells)), b"\1" * len(cells)
            except ValueError:
                numbers = [number(cell, decimal_comma) if cell else None for cell in cells]
                values = array("d", [np.nan if value is None else value for value in numbers])
                written = bytes(value is not None for value in numbers)
                wrong = sum(
                    value is None and cell != "" and cell.strip().lower() not in _NOTHING
                    for cell, value in zip(cells, numbers, strict=True)
                )
                self.texts[name] = self.texts.get(name, 0) + wrong
            self._reach(name)
            self._values[name].extend(values)
            self._written[name].extend(written)
        self.rows += len(rows)

    def append(self, record: Mapping[str, Any]) -> None:
        """One row, of the columns that it names; a mapping within it makes columns ``outer/inner``."""
        for name, cell in _flat(record):
            value = number(cell)
            if value is not None:
                self._reach(name)
                self._values[name].append(value)
                self._written[name].append(1)
            elif isinstance(cell, str) and cell.strip().lower() not in _NOTHING:
                self.texts[name] = self.texts.get(name, 0) + 1
        self.rows += 1

    def _reach(self, name: str) -> None:
        missing = self.rows - len(self._values.setdefault(name, array("d")))
        self._values[name].extend([np.nan] * missing)
        self._written.setdefault(name, bytearray()).extend(bytes(missing))

    def finished(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """Numbers and whether they were written, of each column that holds any number, each (rows,)."""
        for name in self._values:
            self._reach(name)
        kept = [name for name, written in self._written.items() if any(written)]
        values = {name: np.frombuffer(self._values[name], np.float64)[: self.rows] for name in kept}
        return values, {name: np.frombuffer(self._written[name], bool)[: self.rows] for name in kept}


def _flat(record: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found = []
    for name, cell in record.items():
        found += _flat(cell, f"{before}{name}/") if isinstance(cell, Mapping) else [(f"{before}{name}", cell)]
    return found
