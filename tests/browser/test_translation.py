"""The doctor and the reader that a page runs against Python's own: every number, every word; and the means to it."""

import base64
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrlib.curves import Curve, UnreadableLog, read
from lrlib.diagnostics import diagnose, symptoms
from lrlib.widgets.clinic_lab.doctor import translated_doctor, with_doctor
from lrlib.widgets.hosting.bundling import bundle
from lrlib.widgets.translation.translate import translate

TESTS = Path(__file__).parents[1]
CURVES, DAMAGED = 1000, 400
COLUMNS = ("loss", "steps", "validation_loss", "validation_steps", "rates")


@pytest.fixture(scope="module")
def ask(chromium: Any) -> Iterator[Callable[..., Any]]:
    """``ask(source, names, body, given)``: what ``body`` returns where the ``names`` of source are known."""
    page = chromium.new_page()

    def evaluate(source: str, names: str, body: str, given: Any) -> Any:
        script = f"""async ([source, given]) => {{
          const url = URL.createObjectURL(new Blob([source], {{ type: 'text/javascript' }}));
          const {{ {names} }} = await import(url);
          const number = (v) => (typeof v === 'string' ? Number(v) : v);
          const text = (key, v) => (typeof v === 'number' && !Number.isFinite(v) ? String(v) : v);
          return JSON.stringify(await (async (given) => {{ {body} }})(JSON.parse(given)), text);
        }}"""
        return json.loads(page.evaluate(script, [f"{source}\nexport {{ {names} }};", json.dumps(given)]))

    yield evaluate
    page.close()


def plain(value: Any) -> Any:
    """As JSON has it; what is not finite as JavaScript writes it."""
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not np.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(float(value))]
    return float(value) if isinstance(value, np.floating) else value


# curves


def curve_at_random(seed: int) -> dict[str, np.ndarray]:
    """A run of any length and shape, with or without validation, rates and steps, whole or with holes."""
    g = np.random.default_rng(seed)
    n = int(g.choice([1, 2, 3, 4, 5, 7, 9, 12, 20, 21, 22, 40, 150, 400]))
    t, speed = np.linspace(0, 1, n), 10 ** g.uniform(-1.5, 2)
    shapes: list[Callable[[], np.ndarray]] = [
        lambda: np.exp(-speed * t),
        lambda: 1 - t * g.uniform(0, 1),
        lambda: np.exp(speed * t * g.choice([0.01, 0.1, 1])),
        lambda: np.ones(n),
        lambda: np.abs(np.cumsum(g.normal(size=n))) + 0.1,
        lambda: np.exp(-speed * t) + np.maximum(0, t - g.uniform(0.3, 0.8)) * g.uniform(0, 3),
        lambda: np.full(n, np.log(g.integers(2, 12)) / 2),
        lambda: np.round(g.uniform(0, 3, n)),
    ]
    scale = 2.0 if g.random() < 0.6 else 10 ** g.uniform(-4, 4)
    wave = 1 + g.choice([0, 1e-3, 0.02, 0.2]) * g.normal(size=n)
    loss = scale * (shapes[g.integers(8)]() + g.choice([0, 0, 0.1, 0.5])) * wave
    if g.random() < 0.15:
        loss = loss - scale * g.uniform(0.2, 2)
    found = {"loss": loss}
    if g.random() < 0.7:
        m = int(min(n + 1, g.choice([1, 3, 4, 6, 8, 10, 21, 30, n])))
        at = np.sort(g.choice(max(2 * n, m), size=m, replace=False)) * g.choice([1, 0.5])
        held_out = np.interp(at, np.arange(n), loss) * g.choice([1, 1.3, 0.8])
        held_out = held_out * (1 + g.choice([0, 0.003, 0.03, 0.3]) * g.normal(size=m))
        if g.random() < 0.3:
            held_out = held_out + scale * g.uniform(0, 2) * np.maximum(0, np.linspace(-0.5, 1, m))
        found |= {"validation_loss": np.full(m, 0.2) if g.random() < 0.05 else held_out, "validation_steps": at}
    if g.random() < 0.7:
        spent = np.where(t < g.uniform(0.1, 0.9), 1, g.choice([0, 1e-3, 0.1]))
        kinds = [np.ones(n), 1 - t, spent, np.minimum(1, 5 * t), (1 + np.cos(np.pi * t)) / 2]
        found["rates"] = np.maximum(0, 10 ** g.uniform(-5, 1) * kinds[g.integers(5)])
        if g.random() < 0.1:
            found["rates"][g.integers(n)] = np.nan
    if g.random() < 0.3:
        found["steps"] = np.cumsum(g.choice([1, 1, 1, 10, 0.25], size=n))
    for name in ("loss", "validation_loss"):
        if name in found and g.random() < 0.12:
            for _ in range(g.integers(1, 4)):
                found[name][g.integers(len(found[name]))] = g.choice([np.nan, np.inf, -np.inf])
    return found


DIAGNOSE = """
  return given.map((series) => {
    for (const name in series) series[name] = series[name].map(number);
    return doctor.diagnose(series);
  });
"""


def told(curves: list[dict[str, np.ndarray]]) -> list[dict[str, Any]]:
    found = [diagnose(Curve(**curve)) for curve in curves]
    return [{**diagnosis.as_dict(), "report": str(diagnosis)} for diagnosis in found]


def apart(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether two diagnoses differ: in a word, or in a number by more than 1e-9 of its size."""

    def split(diagnosis: dict[str, Any]) -> tuple[str, list[float | None]]:
        seen = [e for finding in diagnosis["findings"] for e in finding["evidence"]]
        numbers = [e[name] for e in seen for name in ("value", "threshold")]
        findings = [{**f, "evidence": [e["feature"] for e in f["evidence"]]} for f in diagnosis["findings"]]
        return json.dumps({**diagnosis, "findings": findings}, sort_keys=True), numbers

    (words, numbers), (their_words, their_numbers) = split(ours), split(theirs)
    return words != their_words or any(
        a != b and (a is None or b is None or abs(a - b) > 1e-9 * max(1, abs(a)))
        for a, b in zip(numbers, their_numbers, strict=True)
    )


def asked(curves: list[dict[str, np.ndarray]]) -> list[dict[str, Any]]:
    return [{name: plain(values) for name, values in curve.items()} for curve in curves]


def test_the_page_finds_in_any_curve_what_python_finds(ask: Any) -> None:
    curves = [curve_at_random(seed) for seed in range(CURVES)]
    ours = told(curves)
    theirs = ask(with_doctor("clinic_lab/doctor.js"), "doctor", DIAGNOSE, asked(curves))
    assert [k for k, pair in enumerate(zip(ours, theirs, strict=True)) if apart(*pair)] == []
    names = {finding["name"] for diagnosis in ours for finding in diagnosis["findings"]}
    assert len(names) == len(symptoms.SYMPTOMS)  # each symptom was met


MUTANTS = {
    "a threshold": (symptoms, "Bar(0.012, GRID)", "Bar(0.013, GRID)"),
    "a word": (symptoms, "falls without a stumble", "falls without stumbling"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_page_with_another_doctor_is_caught(name: str, ask: Any) -> None:
    module, old, new = MUTANTS[name]
    text = Path(module.__file__).read_text(encoding="utf-8")
    assert old in text
    mutant = translated_doctor({module.__name__: text.replace(old, new)})
    curves = [curve_at_random(seed) for seed in range(200)]
    theirs = ask(bundle("clinic_lab/doctor.js") + mutant, "doctor", DIAGNOSE, asked(curves))
    assert any(apart(*pair) for pair in zip(told(curves), theirs, strict=True))


# logs


class Onlooker:
    """Notes every file that a module of tests reads."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes, dict[str, str]]] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for module in {item.module for item in items}:  # type: ignore[attr-defined]
            module.read = self.reading(module.read)

    def reading(self, plainly: Callable[..., Curve]) -> Callable[..., Curve]:
        def looked_at(path: Path, **columns: str) -> Curve:
            if path.is_file():
                self.seen.append((path.name, path.read_bytes(), columns))
            return plainly(path, **columns)

        return looked_at


@pytest.fixture(scope="module")
def logs() -> list[tuple[str, bytes, dict[str, str]]]:
    """All look-alikes of the readers' tests, as files."""
    onlooker = Onlooker()
    code = pytest.main(["-q", "-p", "no:cacheprovider", str(TESTS / "test_curves_readers.py")], plugins=[onlooker])
    assert code == 0
    return onlooker.seen


EVENTS = b"brain.Event:"
READ = """
  const found = [];
  for (const { name, data, columns } of given) {
    try {
      const file = new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name);
      const { curve, diagnosis } = doctor.read({ name, bytes: await bytesOfFile(file) }, columns);
      found.push({ ...curve, metrics: [...doctor.curve.metrics].map(([key, series]) => [key, [...series]]),
        report: diagnosis.report });
    } catch (error) {
      found.push({ error: error.message });
    }
  }
  return found;
"""
OWN_WORDS = ("begins like JSON but is not", "is a damaged gzip file")  # after these, a parser speaks for itself


def as_python_reads(folder: Path, name: str, data: bytes, columns: dict[str, str]) -> dict[str, Any]:
    path = folder / name
    path.write_bytes(data)
    try:
        curve = read(path, **columns)
    except UnreadableLog as error:
        return {"error": str(error).replace(str(path), name)}
    series = {key: None if (values := getattr(curve, key)) is None else plain(values) for key in COLUMNS}
    metrics = [[key, plain(values)] for key, values in curve.metrics.items()]
    said = {"unit": curve.unit, "notes": list(curve.notes), "report": str(diagnose(curve))}
    return {**series, **said, "metrics": metrics}


def read_apart(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    for words in OWN_WORDS:
        if words in ours.get("error", "") and words in theirs.get("error", ""):
            return False
    return ours != theirs


def differences(ask: Any, folder: Path, logs: list[tuple[str, bytes, dict[str, str]]]) -> list[Any]:
    ours = [as_python_reads(folder, *log) for log in logs]
    given = [{"name": n, "data": base64.b64encode(data).decode(), "columns": columns} for n, data, columns in logs]
    theirs = ask(with_doctor("clinic_lab/doctor.js"), "doctor, bytesOfFile", READ, given)
    return [found for found in zip(logs, ours, theirs, strict=True) if read_apart(*found[1:])]


def test_the_page_reads_every_log_as_python_does(ask: Any, tmp_path: Path, logs: list[Any]) -> None:
    assert len(logs) > 50
    for (name, data, _), _, theirs in differences(ask, tmp_path, logs):
        assert EVENTS in data[:64]
        assert theirs["error"] == (
            f"{name} is an event file of TensorBoard, which this page does not read; python -m lrlib diagnose reads it"
        )


SNIPPETS = [b",", b";", b'"', b"\n", b"nan", b"-", b"e5", b"\r", b" ", b"\t", b"1", b".", b"inf", b"\xc3\xa9", b"'"]
SNIPPETS += [b"|", b"#", b"{", b"_", b"%", b"\xef\xbb\xbf", b"\xa0", b"]", b"None", b"0x1", b"\x1c"]


def damaged(data: bytes, g: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(g.randint(1, 4)):
        place = g.randrange(len(found) + 1)
        start = g.randrange(len(found) + 1)
        found[place : place + g.choice([0, 0, 1, 4])] = g.choice([g.choice(SNIPPETS), found[start : start + 30], b""])
    return bytes(found)


def test_the_page_reads_damaged_logs_as_python_does(ask: Any, tmp_path: Path, logs: list[Any]) -> None:
    g = random.Random(0)
    whole = [log for log in logs if EVENTS not in log[1] and log[1][:2] != b"\x1f\x8b"]
    cases = [(n, damaged(data, g), columns) for n, data, columns in (g.choice(whole) for _ in range(DAMAGED))]
    assert differences(ask, tmp_path, cases) == []


# the language


PROGRAM = '''
import csv, itertools, json, math, re
import numpy as np
from dataclasses import dataclass
from typing import NamedTuple

class Pair(NamedTuple):
    a: float
    b: float = 2.0

@dataclass(frozen=True)
class Named:
    name: str
    parts: tuple[str, ...] = ()

    @property
    def first(self) -> str | None:
        return next((part for part in self.parts if part), None)

    def __str__(self) -> str:
        return f"{self.name}: {', '.join(self.parts)}"

def texts():
    words = "  a, b ;c\\u00a0\\x1c".strip().split(",", 1)
    found = [w.lower().removeprefix(" ") for w in words] + ["ab"[::-1], "abcdef"[-3:-1], "ab" * 2, "x".join("123")]
    quoted = [repr(t) for t in ("it's", 'say "no"', "\\ttab\\u00a0", "\\ufeffé", "both ' and \\"", "\\x07")]
    return found + quoted + [f"{'b'!r} {3} {None} {True} {2.5} {1e-7} {1e16}"]

def containers():
    counts = {}
    for word in ["a", "b", "a"]:
        counts[word] = counts.get(word, 0) + 1
    merged = {**counts, "c": 3}
    merged |= {"a": 9}
    kept = [k for k, v in merged.items() if v > 1 and not k == "b"]
    first, (second, third) = 1, (2, 3)
    total = [0]
    alias = total
    alias += [first, second, third]
    pairs = list(zip([1, 2], "ab", strict=True))
    most = [max([(1, 2), (1, 3)]), max("abc", "abd"), min([], default=7)]
    return [merged["a"], kept, total, sorted({3, 1, 2} - {2}), pairs, 1 < 2 < 3, 3 in alias,
            [] or "empty", 0 and 1, most, list(dict.fromkeys("aba"))]

def streams():
    lines = iter(["1", "2", "3", "4", "5"])
    head = list(itertools.islice(lines, 2))
    for line in lines:
        if line == "3":
            break
    return [head, next(lines), list(itertools.chain(head, lines)), list(itertools.zip_longest([1], [2, 3])),
            list(itertools.takewhile(lambda k: k < 3, [1, 2, 3, 1]))]

def rows():
    return [list(csv.reader(['a,"b ""c""",d\\n', ',\\n', '\\n', '"two\\n', 'lines",x'], delimiter=",")),
            list(csv.reader(['1;2"3;\\r\\n', '"q"x;y\\r'], delimiter=";"))]

def parsed():
    found = json.loads('{"a": [1, NaN, -Infinity, "NaN in a text", "\\\\u0000NaN"], "b": {"c": null, "d": true}}')
    try:
        json.loads("{")
    except ValueError:
        return [len(found["a"]), math.isfinite(found["a"][1]), found["a"][3], found["b"]["c"], found["b"]["d"]]

def classes():
    pair, named = Pair(1.0), Named("n", ("", "x"))
    a, b = pair
    return [a + b, named.first, str(named), isinstance(named, Named | Pair), isinstance(True, int), isinstance("", int)]

def patterns():
    whole = re.fullmatch("A", "a", re.IGNORECASE) is None
    return [bool(re.fullmatch(r"\\d+", "12\\n")), re.split(r"[^a-z]+", "a-b"), re.sub(r"[,']", "", "1,2'3"), whole]

def arrays():
    x = np.array([3.0, np.nan, 1.0, 2.0])
    good = x[np.isfinite(x)]
    good[good > 2] = 5.0
    table = np.stack([good, good[::-1]])
    places = np.searchsorted(np.array([1.0, 2.0, 2.0]), np.array([2.0, 0.5]), side="right")
    found = [good, np.sort(table, axis=0)[0], np.abs(table - good).sum(axis=1), places, np.unique(good),
             np.where(good > 1, good, 0.0), np.diff(good, 2), np.linspace(0, 1, 4), ~np.isnan(x),
             np.minimum.accumulate(good), good[[0, -1]], np.clip(good, 2, 3), np.flatnonzero(np.array([0.0, 1.0])),
             np.append(good, 1.0), np.concatenate([good[:1], good]), np.isin(good, x[:1]), np.arange(3) == 1]
    single = [float(x.max()), int(x.argmin()), float(np.median(table, axis=0)[0]), len(x), float(np.nanmax(x)),
              bool((good > 0).all()), bool(np.isnan(x).any()), float(np.ptp(good)), int(good.max(initial=9))]
    return [[part.tolist() for part in found], single,
            [round(0.5), round(1.5), round(2.5), -7 // 2, -7 % 3, 2**3, int(-2.5), abs(-1)]]

def means(values):
    return float(np.array(values).mean())

def shown(values):
    return [[f"{v:g}", f"{v:.3g}", f"{v:.15g}", f"{v:.0%}", f"{v:.2f}", f"{v:.0f}", f"{v:.1f}"] for v in values]

def numbers(texts):
    found = []
    for text in texts:
        try:
            found.append(float(text))
        except ValueError:
            found.append("no number")
    return found
'''
NUMBERS = [
    "1",
    " 2.5\t",
    "1_000",
    "1__0",
    "0x1A",
    "1e5",
    "+.5",
    "5.",
    ".",
    "",
    "inf",
    "-Infinity",
    "nan",
    "NaN1",
    "1,5",
]
NUMBERS += ["\x1c1", "\x1c1\u00a0", "\ufeff1", "1\u00a0", "1e", "--1", "1e400", "infinit"]


def test_python_means_the_same_in_a_page(ask: Any) -> None:
    g = np.random.default_rng(0)
    ties = [
        *(k / 8 for k in range(-40, 40)),
        *(k / 200 for k in range(100)),
        0.0,
        1e5,
        999999.5,
        123456.5,
        1e-5,
        2.5e-5,
    ]
    drawn = [float(x) for x in g.normal(size=200) * 10.0 ** g.integers(-12, 12, 200)]
    given = {
        **dict.fromkeys(("texts", "containers", "streams", "rows", "parsed", "classes", "patterns", "arrays"), ()),
        "means": [[float(x) for x in g.normal(size=n)] for n in (1, 7, 8, 9, 127, 128, 129, 1000, 4097)],
        "shown": [ties + drawn + [float("nan"), float("inf")]],
        "numbers": [NUMBERS],
    }
    name = "lrlib.made_up"
    source = translate("translated", [f"{name}.{one}" for one in given], sources={name: PROGRAM})
    scope: dict[str, Any] = {"__name__": name}
    exec(PROGRAM, scope)
    ours = {one: [scope[one](a) for a in args] or scope[one]() for one, args in given.items()}
    source = f"{bundle('translation/numpy.js')}\n{source}"
    body = """
      const found = translated(python, numpy, {});
      const many = (v) => typeof v !== 'string' && v?.[Symbol.iterator];
      const deep = (v) => (many(v) ? [...v].map(deep) : v);
      const turned = (v) => (Array.isArray(v) ? v.map(turned) : { NaN: NaN, Infinity: Infinity }[v] ?? v);
      const told = {};
      for (const [name, given_] of Object.entries(given)) {
        const say = name === 'numbers' ? (a) => a : turned;
        told[name] = given_.length ? given_.map((a) => deep(found[name](say(a)))) : deep(found[name]());
      }
      return told;
    """
    theirs = ask(source, "translated, python, numpy", body, {one: plain(args) for one, args in given.items()})
    for one in given:
        assert theirs[one] == json.loads(json.dumps(plain(ours[one]))), one


def test_every_name_that_may_be_translated_is_known_to_the_page(ask: Any) -> None:
    from lrlib.widgets.translation.subset import BUILTINS, LIBRARIES
    from lrlib.widgets.translation.translate import PLACES

    names = [f"py.{name}" for name in BUILTINS]
    names += [f"{PLACES[library]}.{name}" for library, parts in LIBRARIES.items() for name in parts]
    body = "const [py, np] = [python, numpy]; return given.filter((name) => eval(name) === undefined);"
    assert ask(bundle("translation/numpy.js"), "python, numpy", body, names) == []
