"""A curve from the log that another tool wrote."""

from pathlib import Path
from typing import Any

import numpy as np

from lrlib.curves import log_roles as roles
from lrlib.curves.curve import Curve
from lrlib.curves.log_columns import Columns
from lrlib.curves.log_events import is_event_file, read_events
from lrlib.curves.log_files import UnreadableLog, as_text, refuse
from lrlib.curves.log_tables import read_text

__all__ = ["UnreadableLog", "read"]

Array = np.ndarray[Any, np.dtype[Any]]
_KNOWN = ("metrics.csv", "results.csv", "trainer_state.json")
_ENDINGS = (".csv", ".tsv", ".jsonl", ".json", ".csv.gz")


def read(
    path: str | Path,
    *,
    loss: str | None = None,
    validation_loss: str | None = None,
    rate: str | None = None,
    step: str | None = None,
) -> Curve:
    """The curve of a training run from its log, in whatever form; what it is, is told by what it holds.

    Read are: tables (commas, semicolons, tabs; Keras' ``CSVLogger``, Lightning's ``metrics.csv``, YOLO's
    ``results.csv``, exports of wandb, MLflow and TensorBoard), JSON (``trainer_state.json`` of Hugging Face, lists of
    records, mappings to lists, a record a line), TensorBoard's event files, each also compressed by gzip where it is
    text, and a folder that holds one of these.

    Each guess is a sentence of the curve's ``notes``. Of steps that were trained again after a resume the later values
    count. NaN counts as a loss where it stands at the end, after numbers, for longer than any gap before it; anywhere
    else it means that nothing was measured. Nothing is thinned; a file of more than 400 MB of text is refused,
    and a table takes about three times its text of memory while it is read, at most 1.2 GB.

    Args:
        path: a file or a folder.
        loss: the column of the training loss, if it is not to be guessed.
        validation_loss: that of the loss on examples held out.
        rate: that of the learning rate.
        step: that of the steps, or of the epochs if its name says so.

    Raises:
        UnreadableLog: (a ValueError) for what holds no curve, or not the column that was named.
    """
    path = Path(path)
    if not path.exists():
        refuse(path, "does not exist")
    return Curve(**_series(path, loss, validation_loss, rate, step))  # its columns are gone before the curve copies


def _series(
    path: Path, loss: str | None, validation_loss: str | None, rate: str | None, step: str | None
) -> dict[str, Any]:
    """What makes the curve."""
    notes = list[str]()
    log, columns = _columns(path, notes)
    values, written = columns.finished()
    names, guessed = roles.wandb_names(list(values))
    notes += guessed
    values = {new: values[old] for old, new in names.items()}
    written = {new: written[old] for old, new in names.items()}
    if list(map(str.lower, values)) == ["wall time", "step", "value"]:
        loss = loss or list(values)[2]
        notes.append(f"It is TensorBoard's export of one series, {path.name!r}, which was taken as the loss.")
    if not values:
        refuse(log, "holds no column of numbers: it may be free text; a log has a loss in each of several rows")
    counts = {name: int(np.isfinite(column).sum()) for name, column in values.items()}
    chosen = _losses(log, "loss", loss, values, counts, notes)
    held_out = _losses(log, "validation_loss", validation_loss, values, counts, notes)
    if not chosen:
        refuse(log, f"has no column that looks like a training loss; loss=… names one of {roles.listed(values)}")
    table = _Rows(log, values, written, notes)
    losses, losses_v = table.total(chosen), table.total(held_out) if held_out else None
    apart = losses_v is not None and not (np.isfinite(losses) & np.isfinite(losses_v)).any()
    kept = table.measured("training loss", losses, chosen, apart)
    kept_v = table.measured("validation loss", losses_v, held_out, apart) if losses_v is not None else None
    table.count(kept, step, given=loss is not None)
    rows = table.in_order(kept, "the training loss")
    if len(rows) < 2:
        what = "no training loss" if len(rows) == 0 else "one training loss"
        refuse(log, f"holds {what} in {roles.listed(chosen)}; a curve needs at least two")
    steps = table.steps[rows]
    rows_v = table.validation_rows(kept_v, rows) if kept_v is not None else None
    series: dict[str, Any] = {}
    further = {name for name in values if name not in {*chosen, *held_out, table.axis}}
    picked, why = (roles.named(log, "rate", rate, values), "") if rate else roles.rate_column(values, counts)
    if picked and counts[picked]:
        series["rates"] = table.rates(picked, steps, why)
    for part, is_it in (("gradient_norm", roles.is_gradient_norm), ("update_ratio", roles.is_update_ratio)):
        name = next((name for name in values if is_it(name)), "")
        if name and np.isfinite(values[name][rows]).any():
            series[part] = np.where(values[name][rows] >= 0, values[name][rows], np.nan)
            further.discard(name)
    if rows_v is not None and len(rows_v):
        assert losses_v is not None
        series |= {"validation_loss": losses_v[rows_v], "validation_steps": table.steps[rows_v]}
    series["metrics"] = table.metrics(sorted(further - {picked}), rows, rows_v)
    for name, texts in columns.texts.items():
        if texts and name in {*chosen, *held_out, picked}:
            notes.append(f"{texts} cells of {name!r} hold no number and count as not measured.")
    return {"loss": losses[rows], "steps": steps, "unit": table.unit, "source": log.name, "notes": notes, **series}


def _columns(path: Path, notes: list[str]) -> tuple[Path, Columns]:
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        logs = [p for p in files if p.name in _KNOWN] or [p for p in files if p.name.endswith(_ENDINGS)]
        shallow = min((len(p.parts) for p in logs), default=0)  # checkpoints below hold what was known by then
        logs = [p for p in logs if len(p.parts) == shallow]
        events = [p for p in files if "tfevents" in p.name and is_event_file(p)]
        if len(logs) != 1 and events:
            folders = sorted({p.parent for p in events})
            notes.append(f"{len(events)} event files of TensorBoard in {len(folders)} folders were read as one run.")
            return path, read_events(events, path, notes)
        if len(logs) != 1:
            found = f"several logs: {roles.listed([p.relative_to(path).as_posix() for p in logs])}; name one of them"
            refuse(path, "is a folder that holds " + (found if logs else "no log"))
        path = logs[0]
        notes.append(f"Of the folder, {path.name!r} was read.")
    if is_event_file(path):
        return path, read_events([path], path.parent, notes)
    with as_text(path, notes) as text:
        return path, read_text(path, text, notes)


def _losses(
    path: Path, argument: str, name: str | None, values: dict[str, Array], counts: dict[str, int], notes: list[str]
) -> list[str]:
    if name is not None:
        return [roles.named(path, argument, name, values)]
    found, why = roles.losses(values, counts, of_validation=argument == "validation_loss")
    notes += [why] if why else []
    return found


class _Rows:
    """The rows of a log, and which of them count."""

    def __init__(self, path: Path, values: dict[str, Array], written: dict[str, Array], notes: list[str]) -> None:
        self.path, self.values, self.written, self.notes = path, values, written, notes
        self.steps = np.arange(len(next(iter(values.values()))), dtype=np.float64)
        self.axis, self.unit = "", "step"

    def total(self, names: list[str]) -> Array:
        parts = [self.values[name] for name in names]
        return np.sum(parts, axis=0) if len(parts) > 1 else parts[0]

    def measured(self, what: str, losses: Array, names: list[str], apart: bool) -> Array:
        """Rows of a loss that was measured; of NaN that was written down, evidence decides."""
        written = np.all([self.written[name] for name in names], axis=0)
        rows = np.flatnonzero(written)
        nan = np.isnan(losses[rows])
        if not nan.any():
            return written
        if nan.all():
            self.notes.append(f"The {what} is NaN in every row, so it counts as not recorded.")
            return np.zeros_like(written)
        last, first = len(nan) - 1 - int((~nan)[::-1].argmax()), int((~nan).argmax())
        between = np.diff(np.flatnonzero(~nan)) - 1
        gap, tail = int(between.max(initial=0)), len(nan) - 1 - last
        diverged = tail > max(gap, first) and not apart
        skipped = rows[: last + 1][nan[: last + 1]] if diverged else rows[nan]
        if len(skipped):
            why = "numbers follow, or it comes as often as before" if not apart else "its rows hold the other loss"
            self.notes.append(f"NaN in {len(skipped)} rows of the {what} counts as not measured, since {why}.")
        if diverged:
            self.notes.append(
                f"The {what} is NaN in the last {tail} rows, after numbers: that counts as a loss, diverged."
            )
        written = written.copy()
        written[skipped] = False
        return written

    def count(self, kept: Array, step: str | None, *, given: bool) -> None:
        """Find what counts the steps."""
        if step is not None:
            self.axis = roles.named(self.path, "step", step, self.values)
            self.unit = "epoch" if "epoch" in roles.words(step) else "step"
        else:
            self.axis, self.unit = roles.axis(self.values, kept)
        if self.axis:
            if step is None:
                self.notes.append(f"The {self.unit}s are {self.axis!r}, by its name.")
            self.steps = self.values[self.axis]
            return
        hyper = [name for name in self.values if {"seed", "trial", "run", "id", "optimizer"} & set(roles.words(name))]
        if hyper and not given:
            refuse(
                self.path, f"looks like a table with a row a run ({roles.listed(self.values)}), not the log of one run"
            )
        self.notes.append("No column counts the steps of the training loss: its rows are counted instead.")

    def in_order(self, kept: Array, what: str) -> Array:
        """The rows that count, in rising order of step: what is trained again later replaces what came before."""
        rows = np.flatnonzero(kept & np.isfinite(self.steps))
        steps = self.steps[rows]
        if (np.diff(steps) > 0).all():
            return rows
        later = np.append(np.minimum.accumulate(steps[::-1])[::-1][1:], np.inf)
        good = steps < later
        back = np.flatnonzero(np.diff(steps) < 0)
        if len(back):
            places = ", ".join(f"{steps[k + 1]:g} (after {steps[k]:g})" for k in back[:3])
            said = f"{what} goes on at {self.unit} {places}{', …' if len(back) > 3 else ''}: the run was resumed"
            self.notes.append(
                f"The {self.unit} of {said}, and {(~good).sum()} earlier values were replaced by later ones."
            )
        else:
            self.notes.append(
                f"{(~good).sum()} values of {what} share their {self.unit} with a later one, which counts."
            )
        return rows[good]

    def validation_rows(self, kept: Array, training: Array) -> Array:
        rows = np.flatnonzero(kept)
        if len(rows) > 1 and (np.isnan(self.steps[rows]).all() or len(np.unique(self.steps[rows])) == 1):
            self.notes.append(
                "Rows of validation do not count steps: each takes that of the last training row before it."
            )
            before = np.searchsorted(training, rows, side="right") - 1
            self.steps = self.steps.copy()
            self.steps[rows] = self.steps[training[np.maximum(before, 0)]]
        return self.in_order(kept, "the validation loss")

    def rates(self, name: str, steps: Array, why: str) -> Array:
        """The rate at each step: that of the last row that tells one, at or before it."""
        known = np.isfinite(self.values[name]) & (self.values[name] >= 0)
        silent = list[str]()
        self.notes, noted = silent, self.notes
        rows = self.in_order(known, "rate")
        self.notes = noted
        noted += [why] if why else []
        if not len(rows):
            return np.full(len(steps), np.nan)
        told = self.steps[rows]
        if len(told) == len(steps) and (told == steps).all():
            rates = self.values[name][rows]
        else:
            place = np.searchsorted(told, steps, side="right") - 1
            rates = np.where(place >= 0, self.values[name][rows[np.maximum(place, 0)]], np.nan)
            if not np.isin(steps, told).all():
                noted.append(f"Where a row tells no {name!r}, the last one before it was taken.")
        if len(rates) > 1 and (rates == 1).all():
            noted.append("The rate is 1 throughout: for Prodigy or D-Adaptation it is a multiplier, not the rate.")
        return rates

    def metrics(self, names: list[str], rows: Array, rows_v: Array | None) -> dict[str, Array]:
        """Other series that hold a number in a row that counts; accuracies as shares."""
        found: dict[str, Array] = {}
        for name in names:
            of_validation = roles.held_out(name)
            if of_validation and (rows_v is None or not len(rows_v)):
                continue
            taken = rows_v if of_validation and rows_v is not None else rows
            series = self.values[name][taken]
            if not np.isfinite(series).any():
                continue
            key = name
            if roles.is_accuracy(name):
                key = "accuracy"
                if 1.5 < np.nanmax(series) <= 100:
                    series = series / 100
                    self.notes.append(
                        f"{name!r} goes up to {100 * np.nanmax(series):.3g}: percent, turned into a share."
                    )
            key = f"validation_{key}" if of_validation else key.removeprefix("validation_")
            found[key if key not in found else f"{key} ({name})"] = series
        return found
