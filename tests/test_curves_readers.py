"""Readers of other tools' logs: look-alikes of each form and each quirk, written here."""

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from lrlib.__main__ import main
from lrlib.curves import Curve, UnreadableLog, read


def written(path: Path, content: str | bytes, name: str = "log.csv") -> Path:
    path.joinpath(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return path / name


def said(curve: Curve, what: str) -> bool:
    return any(what in note for note in curve.notes)


PLAIN = "epoch,loss,val_loss,lr\n0,2.0,2.2,0.1\n1,1.0,1.5,0.1\n2,0.5,1.4,0.05\n"
HALVES = PLAIN.replace(",", ";").replace(".", ",")
SAME = {
    "commas": PLAIN.encode(),
    "CRLF": PLAIN.replace("\n", "\r\n").encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "bars": PLAIN.replace(",", "|").encode(),
    "decimal commas": HALVES.encode(),
    "decimal commas, quoted": "\n".join(
        ",".join(f'"{cell}"' for cell in line.split(";")) for line in HALVES.split()
    ).encode(),
    "aligned by spaces": PLAIN.replace(",", "     ").encode(),
    "spaces after commas": PLAIN.replace(",", ",   ").encode(),
    "Excel's first line": b"sep=,\n" + PLAIN.encode(),
    "header as a comment": b"# " + PLAIN.encode(),
    "BOM": b"\xef\xbb\xbf" + PLAIN.encode(),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16 without a mark": PLAIN.encode("utf-16-le"),
    "Latin-1": (PLAIN.replace("\n", ",é\n", 1)).encode("latin-1"),
    "gzip": gzip.compress(PLAIN.encode()),
    "quoted": PLAIN.replace("loss,", '"loss",', 1).encode(),
    "blank lines": PLAIN.replace("\n", "\n\n").encode(),
    "no newline at the end": PLAIN.rstrip().encode(),
}


@pytest.mark.parametrize("form", SAME)
def test_the_same_table_in_any_writing(tmp_path: Path, form: str) -> None:
    curve = read(written(tmp_path, SAME[form], "whatever.log"))
    assert curve.loss.tolist() == [2.0, 1.0, 0.5]
    assert curve.validation_loss is not None
    assert curve.validation_loss.tolist() == [2.2, 1.5, 1.4]
    assert curve.rates is not None
    assert curve.rates.tolist() == [0.1, 0.1, 0.05]
    assert (curve.unit, curve.steps.tolist()) == ("epoch", [0, 1, 2])
    assert said(curve, "'loss'")
    assert said(curve, "'val_loss'")
    assert said(curve, "'lr'")
    assert said(curve, "'epoch'")


RECORDS = [{"epoch": k, "loss": 2.0 / (k + 1), "val": {"loss": 3.0 / (k + 1)}} for k in range(3)]
DOCUMENTS = {
    "a record a line": "\n".join(map(json.dumps, RECORDS)),
    "a list of records": json.dumps(RECORDS, indent=1),
    "a mapping to lists": json.dumps({"loss": [2, 1, 2 / 3], "val_loss": [3, 1.5, 1], "epoch": [0, 1, 2]}),
    "a history": json.dumps(
        {"history": {"loss": [2, 1, 2 / 3], "val_loss": [3, 1.5, 1], "epoch": [0, 1, 2]}}, indent=1
    ),
}


@pytest.mark.parametrize("form", DOCUMENTS)
def test_json(tmp_path: Path, form: str) -> None:
    curve = read(written(tmp_path, DOCUMENTS[form], "log.txt"))
    assert curve.loss == pytest.approx([2, 1, 2 / 3])
    assert curve.validation_loss == pytest.approx([3, 1.5, 1])
    assert curve.unit == "epoch"


def test_keras_writes_na_where_no_validation_was(tmp_path: Path) -> None:
    log = "epoch,loss,val_loss\n0,3.0,NA\n1,2.0,2.5\n2,1.0,NA\n"
    curve = read(written(tmp_path, log))
    assert (curve.validation_loss, curve.validation_steps) == ([2.5], [1])


LIGHTNING = """epoch,lr-SGD,step,train_loss_epoch,train_loss_step,val_loss
,0.1,1,,,
0,,1,,1.0,
0,,3,,0.8,
0,,{0},,,0.9
0,,3,0.9,,
,0.01,5,,,
1,,5,,0.7,
1,,7,,0.6,
1,,{1},,,0.65
1,,7,0.65,,
"""


@pytest.mark.parametrize("places", [(3, 7), (0, 0)], ids=["steps of validation", "they are 0, as old versions wrote"])
def test_lightning_interleaves_rows_with_holes(tmp_path: Path, places: tuple[int, int]) -> None:
    curve = read(written(tmp_path, LIGHTNING.format(*places), "metrics.csv").parent)
    assert (curve.unit, curve.steps.tolist(), curve.loss.tolist()) == ("step", [1, 3, 5, 7], [1.0, 0.8, 0.7, 0.6])
    assert curve.validation_steps is not None
    assert curve.validation_loss is not None
    assert (curve.validation_steps.tolist(), curve.validation_loss.tolist()) == ([3, 7], [0.9, 0.65])
    assert curve.rates is not None
    assert curve.rates.tolist() == [0.1, 0.1, 0.01, 0.01]
    assert said(curve, "Where a row tells no 'lr-SGD'")
    assert said(curve, "Rows of validation do not count steps") == (places == (0, 0))


def test_yolo_sums_the_parts_and_chooses_among_three_rates(tmp_path: Path) -> None:
    head = "          epoch,   train/box_loss,  train/cls_loss,  val/box_loss,  val/cls_loss,  x/lr0,  x/lr1,  x/lr2"
    rows = ["0, 0.5, 1.5, 0.6, 1.6, 0.0033, 0.0033, 0.0706", "1, 0.25, 1.0, 0.5, 1.5, 0.01, 0.01, 0.01"]
    curve = read(written(tmp_path, "\n".join([head, *rows])))
    assert curve.loss.tolist() == [2.0, 1.25]
    assert curve.validation_loss == pytest.approx([2.2, 2.0])
    assert curve.rates is not None
    assert curve.rates.tolist() == [0.0033, 0.01]
    assert curve.metrics["x/lr2"].tolist() == [0.0706, 0.01]
    assert said(curve, "the sum of 'train/box_loss', 'train/cls_loss'")
    assert said(curve, "There are 3 rates")


def test_wandb_exports_several_runs_with_extremes(tmp_path: Path) -> None:
    names = [f"{run} - train/loss{end}" for run in ("calm-sea-1", "wild-sea-2") for end in ("", "__MIN", "__MAX")]
    head = ",".join(f'"{name}"' for name in ["Step", *names])
    curve = read(written(tmp_path, head + "\n" + '"0","2","2","2","9","9","9"\n"10","1","1","1","8","8","8"\n'))
    assert (curve.steps.tolist(), curve.loss.tolist()) == ([0, 10], [2, 1])
    assert said(curve, "of its 2 runs 'calm-sea-1' was taken")


def test_mlflow_writes_a_value_a_row(tmp_path: Path) -> None:
    rows = "".join(f"a,train_loss,{k},{1.0 / k}\na,lr,{k},0.1\nb,train_loss,{k},7\n" for k in (1, 2))
    curve = read(written(tmp_path, "Run ID,metric,step,value\n" + rows))
    assert (curve.loss.tolist(), curve.steps.tolist()) == ([1.0, 0.5], [1, 2])
    assert said(curve, "2 runs; the first, 'a'")
    store = read(written(tmp_path, "1700000000000 2.5 0\n1700000001000 1.5 1\n", "loss"))
    assert store.loss.tolist() == [2.5, 1.5]


def test_tensorboards_export_of_one_series(tmp_path: Path) -> None:
    curve = read(written(tmp_path, "Wall time,Step,Value\n1700000000.5,0,2\n1700000001.5,10,1\n"))
    assert (curve.loss.tolist(), curve.steps.tolist()) == ([2, 1], [0, 10])


def test_hugging_face(tmp_path: Path) -> None:
    history = [
        {"epoch": 0.1, "step": 10, "loss": 2.0, "learning_rate": 9e-5, "grad_norm": 1.5},
        {"epoch": 0.2, "step": 20, "loss": 1.0, "learning_rate": 8e-5, "grad_norm": float("nan")},
        {"epoch": 0.2, "step": 20, "eval_loss": 1.25, "eval_accuracy": 0.5, "eval_runtime": 3.0},
        {"epoch": 0.2, "step": 20, "train_loss": 1.5, "train_runtime": 9.0},
    ]
    folder = tmp_path / "checkpoint-20"
    folder.mkdir()
    curve = read(
        written(folder, json.dumps({"log_history": history, "best_metric": None}, indent=2), "trainer_state.json")
    )
    assert (curve.steps.tolist(), curve.loss.tolist()) == ([10, 20], [2, 1])
    assert (curve.validation_steps, curve.validation_loss) == ([20], [1.25])
    assert curve.metrics["validation_accuracy"].tolist() == [0.5]
    assert curve.gradient_norm is not None
    assert np.isnan(curve.gradient_norm).tolist() == [False, True]
    assert said(curve, "that of the update after each row")
    assert read(folder).loss.tolist() == [2, 1]
    written(tmp_path, json.dumps({"log_history": [*history[:2], {"step": 30, "loss": 0.5}]}), "trainer_state.json")
    assert read(tmp_path).loss.tolist() == [2, 1, 0.5]  # not a checkpoint's


def record(step: int, tag: str, value: float) -> bytes:
    """One event as TensorBoard's writers put it; its checksums are left 0."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    scalar = field(1, tag.encode()) + b"\x15" + struct.pack("<f", value)
    data = b"\x09" + struct.pack("<d", 1.7e9) + bytes([0x10, step & 127 | 128, step >> 7]) + field(5, field(1, scalar))
    return struct.pack("<QI", len(data), 0) + data + bytes(4)


def test_tensorboards_event_files(tmp_path: Path) -> None:
    version = b"\x09" + bytes(8) + b"\x1a\x0dbrain.Event:2"
    start = struct.pack("<QI", len(version), 0) + version + bytes(4)
    first = start + record(0, "loss", 2.0) + record(200, "loss", 1.0) + record(300, "loss", 5.0)
    then = start + record(300, "loss", 0.5) + record(300, "lr", 0.25) + record(400, "loss", 0.25)[:-7]
    (tmp_path / "train").mkdir()
    (tmp_path / "validation").mkdir()
    one = written(tmp_path / "train", first, "events.out.tfevents.1.host")
    written(tmp_path / "train", then, "events.out.tfevents.2.host")
    written(tmp_path / "validation", start + record(200, "loss", 1.5), "events.out.tfevents.1.host")
    curve = read(tmp_path)
    assert (curve.steps.tolist(), curve.loss.tolist()) == ([0, 200, 300], [2, 1, 0.5])
    assert (curve.validation_steps, curve.validation_loss) == ([200], [1.5])
    assert said(curve, "ends within a record")
    assert said(curve, "3 event files of TensorBoard")
    assert read(one).loss.tolist() == [2, 1, 5]


def test_a_resume_repeats_header_and_steps(tmp_path: Path) -> None:
    log = "step,loss,lr\n1,5,0.1\n2,4,0.1\n3,3,0.1\n4,9,0.1\nlr,step,loss\n0.1,3,2\n0.1,5,1\n"
    curve = read(written(tmp_path, log))
    assert (curve.steps.tolist(), curve.loss.tolist()) == ([1, 2, 3, 5], [5, 4, 2, 1])
    assert said(curve, "The header stands 2 times")
    assert said(curve, "goes on at step 3 (after 4): the run was resumed, and 2 earlier values were replaced")


@pytest.mark.parametrize(
    ("cells", "kept", "note"),
    [
        ("3 2 nan nan", [3, 2, np.nan, np.nan], "counts as a loss, diverged"),
        ("3 nan 2 nan", [3, 2], "counts as not measured"),
        ("nan nan 3 nan nan 2 nan", [3, 2], "counts as not measured"),
        ("3 2 inf", [3, 2, np.inf], ""),
        ("3 nan 2 nan nan nan", [3, 2, np.nan, np.nan, np.nan], "diverged"),
        ("3 2 - None", [3, 2], ""),
    ],
)
def test_nan_is_a_loss_only_where_it_lasts(tmp_path: Path, cells: str, kept: list[float], note: str) -> None:
    rows = "".join(f"{k},{cell}\n" for k, cell in enumerate(cells.split()))
    curve = read(written(tmp_path, "step,loss\n" + rows))
    np.testing.assert_array_equal(curve.loss, kept)
    assert said(curve, note) if note else not said(curve, "NaN")


def test_nan_in_the_other_losss_rows_was_not_measured(tmp_path: Path) -> None:
    log = "step,train_loss,val_loss\n1,3,nan\n2,2,nan\n2,nan,2.5\n"
    curve = read(written(tmp_path, log))
    assert (curve.loss.tolist(), curve.validation_loss) == ([3, 2], [2.5])


def test_validation_that_is_nan_everywhere_was_not_recorded(tmp_path: Path) -> None:
    curve = read(written(tmp_path, "epoch,loss,val_loss\n0,3,nan\n1,2,nan\n"))
    assert curve.validation_loss is None
    assert said(curve, "NaN in every row, so it counts as not recorded")


def test_an_empty_rate_and_a_multiplier(tmp_path: Path) -> None:
    assert read(written(tmp_path, "epoch,loss,lr\n0,3,\n1,2,\n")).rates is None
    assert said(read(written(tmp_path, "epoch,loss,lr\n0,3,1.0\n1,2,1.0\n")), "Prodigy")


def test_percent_thousands_and_batches_of_an_epoch(tmp_path: Path) -> None:
    log = 'epoch,loss,acc,val_acc,val_loss,images\n0,"1,041.52",55.5%,60.5,3,"1,000"\n0,750.78,60%,70.5,2,"2,000"\n'
    curve = read(written(tmp_path, log + '0,425.88,65%,75,1,"3,000"\n'))
    assert curve.loss.tolist() == [1041.52, 750.78, 425.88]
    assert curve.metrics["accuracy"] == pytest.approx([0.555, 0.6, 0.65])
    assert curve.metrics["validation_accuracy"] == pytest.approx([0.605, 0.705, 0.75])
    assert said(curve, "its rows are counted instead")
    assert said(curve, "percent")


def test_no_header(tmp_path: Path) -> None:
    assert read(written(tmp_path, "3\n2\n1.5\n")).loss.tolist() == [3, 2, 1.5]
    path = written(tmp_path, "0,3,0.1\n1,2,0.1\n")
    with pytest.raises(UnreadableLog, match="loss=… names one of 'column 1', 'column 2', 'column 3'"):
        read(path)
    curve = read(path, loss="column 2", step="column 1", rate="column 3")
    assert (curve.loss.tolist(), curve.steps.tolist()) == ([3, 2], [0, 1])


def test_the_reader_decides(tmp_path: Path) -> None:
    path = written(tmp_path, "k,loss,penalty,held,eta\n5,3,1,4,0.5\n6,2,1,3,0.5\n")
    curve = read(path, loss="penalty", validation_loss="held", rate="eta", step="k")
    assert (curve.loss.tolist(), curve.steps.tolist()) == ([1, 1], [5, 6])
    assert curve.validation_loss is not None
    assert curve.rates is not None
    assert (curve.validation_loss.tolist(), curve.rates.tolist()) == ([4, 3], [0.5, 0.5])
    for argument in ("loss", "validation_loss", "rate", "step"):
        with pytest.raises(
            UnreadableLog, match=f"no column 'x' of numbers, which {argument} names; it has 'k', 'loss'"
        ):
            read(path, **{argument: "x"})


NO_CURVE = {
    "is empty": b"",
    "is a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "has a header only: 'epoch', 'loss'": b"epoch,loss\n",
    "holds no row in its first lines": b"sep=,\n",
    "holds no row in its first": "\u00a0\n".encode(),
    "holds no row": b"\xef\xbb\xbf",
    "holds one training loss": b"epoch,loss\r\n0,-0.4029\r\n",
    "is a binary file": bytes(range(256)) * 9,
    "begins like JSON but is not": b'{"loss": [1, 2',
    "is JSON with 'a', none of which is a list": b'{"a": 1}',
    "is a damaged gzip file": gzip.compress(PLAIN.encode())[:-12],
    "looks like a table with a row a run": b"trial,lr,loss\n1,0.1,2\n2,0.2,3\n",
    "holds no column of numbers": "2023-01-01 INFO 训练开始\nTraceback (most recent call last):\n".encode("gbk"),
    "no column that looks like a training loss": b"epoch,accuracy\n0,0.5\n1,0.6\n",
}


@pytest.mark.parametrize("what", NO_CURVE)
def test_what_holds_no_curve_is_said_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    path = written(tmp_path, NO_CURVE[what])
    with pytest.raises(UnreadableLog) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    assert what in str(error.value)
    with pytest.raises(SystemExit) as code:
        main(["diagnose", str(path)])
    assert code.value.code == 2
    assert capsys.readouterr().err == f"{error.value}\n"


def test_a_folder_without_a_log_and_one_with_two(tmp_path: Path) -> None:
    with pytest.raises(UnreadableLog, match="is a folder that holds no log"):
        read(tmp_path)
    written(tmp_path, PLAIN, "a.csv")
    assert len(read(tmp_path).loss) == 3
    written(tmp_path, PLAIN, "b.csv")
    with pytest.raises(UnreadableLog, match=r"several logs: 'a.csv', 'b.csv'"):
        read(tmp_path)
    with pytest.raises(UnreadableLog, match="does not exist"):
        read(tmp_path / "c.csv")


def test_diagnose_prints_draws_and_says_by_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{k},{2 * 3.0**k},0.5\n" for k in range(12))
    path = written(tmp_path, "step,loss,lr\n" + rows)
    with pytest.raises(SystemExit) as code:
        main(["diagnose", str(path), "--json", "--plot", str(tmp_path / "run.png")])
    assert code.value.code == 1
    diagnosis = json.loads(capsys.readouterr().out)
    assert diagnosis["findings"][0]["name"] == "diverging"
    assert (tmp_path / "run.png").stat().st_size > 5000
    with pytest.raises(SystemExit):
        main(["diagnose", str(path), "--loss", "lr"])
    assert "Curve(12 steps" in capsys.readouterr().out


def test_a_figure_that_cannot_be_written_is_no_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in (tmp_path / "nowhere" / "run.png", tmp_path / "run.xyz"):
        with pytest.raises(SystemExit) as code:
            main(["diagnose", str(written(tmp_path, PLAIN, "a.csv")), "--plot", str(file)])
        assert code.value.code == 2
        assert capsys.readouterr().err.startswith(f"--plot could not write {file}: ")
