"""Logs as delimited text and as JSON, read in one pass."""

import csv
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from lrlib.curves.log_columns import Columns, comma_is_decimal, number
from lrlib.curves.log_files import MOST, refuse

CHUNK = 4096  # rows that are turned into numbers at once
SAMPLE = 40  # lines by which a file's form is told
LARGEST_DOCUMENT = 256_000_000  # characters of one JSON document, which must be held as a whole
_METRIC = {"key", "metric", "metric_name", "tag"}  # a row a value, as MLflow exports it


def read_text(path: Path, text: IO[str], notes: list[str]) -> Columns:
    """The columns of a table or of JSON."""
    sample = list(itertools.islice(text, SAMPLE))
    lines = _at_most(path, itertools.chain(sample, text))
    first = next(line.lstrip() for line in sample if line.strip()) if any(map(str.strip, sample)) else ""
    if first[:1] in ("{", "["):
        return _json(path, first, lines, notes)
    return _table(path, sample, lines, notes)


def _at_most(path: Path, lines: Iterable[str]) -> Iterator[str]:
    size = 0
    for line in lines:
        size += len(line)
        if size > MOST:
            refuse(path, f"holds more than {MOST / 1e6:g} MB of text: keep every tenth row, or the columns of interest")
        yield line


def _json(path: Path, first: str, lines: Iterator[str], notes: list[str]) -> Columns:
    """A record a line if the first line is a whole one and more follow; else one document."""
    columns, torn, start = Columns(), 0, list(itertools.islice(lines, 2))
    lines = itertools.chain(start, lines)
    if not (isinstance(_parsed(first), dict) and any(line.strip() for line in start[1:])):
        text = "".join(itertools.takewhile(_Room(path), lines))
        try:
            document = json.loads(text)
        except ValueError as error:
            refuse(path, f"begins like JSON but is not: {error}")
        return _document(path, document, columns, notes)
    for line in lines:
        record = _parsed(line)
        if isinstance(record, Mapping):
            columns.append(record)
        else:
            torn += bool(line.strip())
    if torn:
        notes.append(f"{torn} lines are not JSON and were passed over.")
    return columns


class _Room:
    """Lets lines pass until they are too long for one document."""

    def __init__(self, path: Path) -> None:
        self.path, self.size = path, 0

    def __call__(self, line: str) -> bool:
        self.size += len(line)
        if self.size > LARGEST_DOCUMENT:
            refuse(self.path, f"is one JSON document of more than {LARGEST_DOCUMENT / 1e6:g} MB: write a record a line")
        return True


def _document(path: Path, document: Any, columns: Columns, notes: list[str]) -> Columns:
    records = document
    if isinstance(document, Mapping):
        if isinstance(document.get("log_history"), list):
            records = document["log_history"]
            notes.append("It is the state of a Hugging Face Trainer, whose rate is that of the update after each row.")
        else:
            inner = document.get("history", document)
            lists = {k: v for k, v in inner.items() if isinstance(v, list)} if isinstance(inner, Mapping) else {}
            if not lists:
                refuse(path, f"is JSON with {_names(list(document))}, none of which is a list of numbers")
            records = [dict(zip(lists, row, strict=True)) for row in itertools.zip_longest(*lists.values())]
    if not isinstance(records, list) or not all(isinstance(record, Mapping) for record in records):
        refuse(path, "is JSON, but neither a list of records nor a mapping to lists of numbers")
    for record in records:
        columns.append(record)
    return columns


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _table(path: Path, sample: Sequence[str], lines: Iterable[str], notes: list[str]) -> Columns:
    if sample and sample[0].lower().startswith("sep="):
        sample, lines = sample[1:], itertools.islice(lines, 1, None)
    written = [line for line in sample if line.strip()]
    if not written:
        refuse(path, "holds no row in its first lines")
    delimiter = _delimiter(written)
    rows = _rows(path, lines, delimiter)
    header = next(rows, None)
    if header is None:
        refuse(path, "holds no row")
    header = [cell.strip().removeprefix("\ufeff").lstrip("#").strip() for cell in header]
    if all(number(cell, True) is not None for cell in header):
        rows = itertools.chain([header], rows)
        header = _headless(path, header, notes)
    names = _distinct(header)
    head = list(itertools.islice(rows, SAMPLE))
    if not head:
        refuse(path, f"has a header only: {_names(names)}")
    decimal_comma = comma_is_decimal([cell for row in head for cell in row], delimiter or " ")
    if decimal_comma:
        notes.append("A comma in a number was read as the decimal mark.")
    rows = itertools.chain(head, rows)
    lower = [name.lower().replace(" ", "_") for name in names]
    if _METRIC & set(lower) and "value" in lower:
        return _long(names, lower, rows, decimal_comma, notes)
    return _wide(names, rows, decimal_comma, notes)


def _wide(names: list[str], rows: Iterable[list[str]], decimal_comma: bool, notes: list[str]) -> Columns:
    columns, chunk = Columns(), list[list[str]]()
    known, headers, torn = set(names), 0, 0
    for row in rows:
        if row[0].strip() in known and number(row[0]) is None and len(known & {c.strip() for c in row}) * 2 > len(row):
            columns.extend(names, chunk, decimal_comma) if chunk else None
            chunk, names, headers = [], _distinct([cell.strip() for cell in row]), headers + 1
            known |= set(names)
            continue
        if len(row) != len(names):
            torn += any(cell.strip() for cell in row[len(names) :]) or len(row) < len(names)
            row = (row + [""] * len(names))[: len(names)]
        chunk.append(row)
        if len(chunk) == CHUNK:
            columns.extend(names, chunk, decimal_comma)
            chunk = []
    if chunk:
        columns.extend(names, chunk, decimal_comma)
    if headers:
        notes.append(f"The header stands {headers + 1} times: the run was resumed, or another was appended.")
    if torn:
        notes.append(f"{torn} rows do not have as many cells as the header; what they lack counts as not measured.")
    return columns


def _long(
    names: list[str], lower: list[str], rows: Iterable[list[str]], decimal_comma: bool, notes: list[str]
) -> Columns:
    """A row a value: the metric's name, its value, and perhaps its step and its run."""
    metric, value = next(k for k, name in enumerate(lower) if name in _METRIC), lower.index("value")
    step = next((k for k, name in enumerate(lower) if name in ("step", "epoch")), None)
    run = next((k for k, name in enumerate(lower) if name in ("run_id", "run", "run_uuid", "run_name")), None)
    columns, runs = Columns(), dict[str, int]()
    for row in rows:
        if len(row) != len(names) or (run is not None and runs.setdefault(row[run], len(runs))):
            continue
        record: dict[str, Any] = {row[metric].strip(): number(row[value], decimal_comma)}
        if step is not None:
            record[names[step]] = number(row[step], decimal_comma)
        columns.append(record)
    notes.append(f"Each row holds one value, of the metric that its column {names[metric]!r} names.")
    if len(runs) > 1:
        notes.append(f"The file holds {len(runs)} runs; the first, {next(iter(runs))!r}, was taken.")
    return columns


def _rows(path: Path, lines: Iterable[str], delimiter: str | None) -> Iterator[list[str]]:
    lines = (line.replace("\0", "") for line in lines)
    table: Iterable[list[str]]
    table = (line.split() for line in lines) if delimiter is None else csv.reader(lines, delimiter=delimiter)
    first = True
    try:
        for row in table:
            if any(row) and any(map(str.strip, row)) and (first or not row[0].startswith("#")):
                first = False
                yield row
    except csv.Error as error:
        refuse(path, f"cannot be read as a table: {error}")


def _delimiter(lines: Sequence[str]) -> str | None:
    """The mark that parts the first line, and most of the next alike, into the most cells; None is white space."""
    best: tuple[float, str | None] = (0, None)
    for mark in (";", "\t", "|", ","):
        counts = [len(row) - 1 for row in csv.reader(lines, delimiter=mark) if row]
        share = sum(count == counts[0] for count in counts) / len(counts)
        if counts[0] and (share * counts[0] > best[0]):
            best = (share * counts[0], mark)
    if best[1] is None and len({len(line.split()) for line in lines}) > 1:
        return ","
    return best[1]


def _headless(path: Path, first: list[str], notes: list[str]) -> list[str]:
    if len(first) == 1:
        notes.append("The file has one column and no header: it was taken as the loss.")
        return ["loss"]
    if len(first) == 3 and float(number(first[0]) or 0) > 1e11:  # milliseconds: a metric of MLflow's file store
        notes.append(f"The rows look like those of MLflow's store (time, value, step): {path.name!r} is the value.")
        return ["timestamp", path.name, "step"]
    names = [f"column {k + 1}" for k in range(len(first))]
    notes.append(f"The file has no header: its columns are called {_names(names)}.")
    return names


def _distinct(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for k, name in enumerate(names):
        name = name or f"column {k + 1}"
        found.append(name if name not in found else f"{name} ({k + 1})")
    return found


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:40])) + (", …" if len(names) > 40 else "")
