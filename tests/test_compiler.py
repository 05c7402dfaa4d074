"""The compiler's contracts: names and roles, memory, threads, the cache, what is refused and how it says so."""

import base64
import json
import os
import pickle
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lrlib import _compiler, models, surfaces, updates
from lrlib._compiler import Program, UnsupportedOperation, api, cache_directory, compile_step, export_step, is_compiled
from lrlib._compiler import build as building
from lrlib._compiler.emitter import Kernel
from lrlib._compiler.expression import Buffer, Leaf
from lrlib._compiler.identity import identity, sources
from lrlib._compiler.layout import expand, narrow, permute, reshape
from lrlib._compiler.lower import lower
from lrlib._compiler.plan import plan
from lrlib._compiler.source import source
from lrlib.tasks import losses


def descent(weights: Tensor, velocity: Tensor, rate: Tensor, target: Tensor, batch: Tensor) -> tuple[Tensor, ...]:
    """Gradient descent with momentum on a mean of squares."""
    error = weights - target[batch]
    velocity = 0.5 * velocity + error
    return (error * error).sum(), weights - rate * velocity, velocity


EXAMPLE = {
    "weights": torch.zeros(3),
    "velocity": torch.zeros(3),
    "rate": torch.tensor(0.1),
    "target": torch.arange(5.0),
    "batch": torch.tensor([0, 1, 2]),
}
NAMES = ("loss", "weights", "velocity")


def compiled(dtype: torch.dtype = torch.float64) -> Program:
    return compile_step(descent, EXAMPLE, outputs=NAMES, per_step=("rate", "batch"), dtype=dtype)


def a_run(steps: int = 6, seed: int = 0) -> dict[str, np.ndarray]:
    g = np.random.default_rng(seed)
    return {
        "weights": g.normal(size=3),
        "velocity": np.zeros(3),
        "rate": g.uniform(0.1, 0.3, steps),
        "target": g.normal(size=5),
        "batch": g.integers(0, 5, (steps, 3)),
    }


def by_torch(given: dict[str, np.ndarray]) -> tuple[list[float], np.ndarray]:
    weights, velocity = torch.tensor(given["weights"]), torch.tensor(given["velocity"])
    losses = []
    for rate, batch in zip(given["rate"], given["batch"], strict=True):
        loss, weights, velocity = descent(
            weights, velocity, torch.tensor(rate), torch.tensor(given["target"]), torch.tensor(batch)
        )
        losses.append(loss.item())
    return losses, weights.numpy()


def test_inputs_are_carried_streamed_or_constant() -> None:
    program, given = compiled(), a_run()
    roles = {port.name: port.role for port in program.ports}
    assert roles == {
        "weights": "carried",
        "velocity": "carried",
        "rate": "per_step",
        "target": "constant",
        "batch": "per_step",
        "loss": "recorded",
    }
    before = {name: array.copy() for name, array in given.items()}
    result = program.run(given)
    losses, weights = by_torch(given)
    np.testing.assert_allclose(result.recorded["loss"], losses, rtol=1e-13)
    np.testing.assert_allclose(result.carried["weights"], weights, rtol=1e-13)
    for name, array in given.items():
        np.testing.assert_array_equal(array, before[name])


def test_a_run_in_pieces_is_the_run() -> None:
    program, given = compiled(), a_run(steps=8)
    whole = program.run(given)
    first = program.run(given | {"rate": given["rate"][:3], "batch": given["batch"][:3]})
    second = program.run(given | first.carried | {"rate": given["rate"][3:], "batch": given["batch"][3:]})
    np.testing.assert_array_equal(
        np.concatenate([first.recorded["loss"], second.recorded["loss"]]), whole.recorded["loss"]
    )
    np.testing.assert_array_equal(second.carried["weights"], whole.carried["weights"])


def test_no_steps_change_nothing() -> None:
    given = a_run(steps=0)
    result = compiled().run(given)
    assert result.recorded["loss"].shape == (0,)
    np.testing.assert_array_equal(result.carried["weights"], given["weights"])


def test_float32_keeps_its_dtypes_beside_a_float64_counter() -> None:
    def step(x: Tensor, count: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        count = count + 1
        return x * (1 - 0.9**count), x + 1, count

    example = {"x": torch.zeros(2), "count": torch.tensor(0.0, dtype=torch.float64)}
    program = compile_step(step, example, outputs=("y", "x", "count"), dtype=torch.float32)
    result = program.run({"x": [1.0, 2.0], "count": 0.0}, steps=3)
    assert (result.recorded["y"].dtype, result.carried["count"].dtype) == (np.float32, np.float64)
    wanted = [[(x + n) * (1 - 0.9 ** (n + 1)) for x in (1, 2)] for n in range(3)]
    np.testing.assert_allclose(result.recorded["y"], wanted, rtol=1e-6)
    assert result.carried["count"] == 3


def test_a_function_that_carries_nothing_is_evaluated() -> None:
    program = compile_step(lambda x, y: (x @ y,), {"x": torch.ones(2, 3), "y": torch.ones(3, 2)}, outputs=("product",))
    x, y = np.arange(6, dtype=np.float32).reshape(2, 3), np.eye(3, 2, dtype=np.float32)
    np.testing.assert_array_equal(program.run({"x": x, "y": y}).recorded["product"], [x @ y])


def test_inputs_may_change_places() -> None:
    def step(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        return b, a, c

    example = {name: torch.zeros(2) for name in "abc"}
    program = compile_step(step, example, outputs=("a", "b", "c"))
    carried = program.run({"a": [1.0, 1.0], "b": [2.0, 2.0], "c": [3.0, 3.0]}, steps=3).carried
    assert [carried[name][0] for name in "abc"] == [2.0, 1.0, 3.0]


def test_an_output_that_reads_what_another_replaces_sees_the_old_value() -> None:
    def step(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        return a + b, a * b + a[[1, 0]], (a - b).sum(), a

    program = compile_step(step, {"a": torch.zeros(2), "b": torch.zeros(2)}, outputs=("a", "b", "gap", "before"))
    a, b = np.array([1.0, 2.0], np.float32), np.array([3.0, 5.0], np.float32)
    result = program.run({"a": a, "b": b}, steps=4)
    for step_number in range(4):
        assert result.recorded["gap"][step_number] == (a - b).sum()
        np.testing.assert_array_equal(result.recorded["before"][step_number], a)
        a, b = a + b, a * b + a[::-1]
    np.testing.assert_array_equal(result.carried["b"], b)


def test_one_output_under_two_names() -> None:
    def step(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        c = a + 1
        return c, c, c

    result = compile_step(step, {"a": torch.zeros(2), "b": torch.zeros(2)}, outputs=("a", "b", "c")).run(
        {"a": [0.0, 1.0], "b": [5.0, 5.0]}, steps=2
    )
    assert result.carried["a"].tolist() == result.carried["b"].tolist() == [2.0, 3.0]
    assert result.recorded["c"].tolist() == [[1.0, 2.0], [2.0, 3.0]]


def test_a_tensor_closed_over_is_part_of_the_program() -> None:
    table = torch.tensor([[1.0, -2.0], [float("inf"), 0.5]])
    found = compile_step(lambda x: (x + table,), {"x": torch.zeros(2, 2)}, outputs=("y",)).run({"x": np.ones((2, 2))})
    np.testing.assert_array_equal(found.recorded["y"][0], table.numpy() + 1)


def test_a_program_runs_in_many_threads_at_once() -> None:
    program = compiled()
    runs = [a_run(steps=2000, seed=seed) for seed in range(8)]
    alone = [program.run(run).recorded["loss"] for run in runs]
    barrier = threading.Barrier(8)

    def one(run: dict[str, np.ndarray]) -> np.ndarray:
        barrier.wait()
        return program.run(run).recorded["loss"]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(one, runs))
    np.testing.assert_array_equal(together, alone)


def test_a_program_travels_to_another_process() -> None:
    program, given = compiled(), a_run()
    copy = pickle.loads(pickle.dumps(program))
    np.testing.assert_array_equal(copy.run(given).recorded["loss"], program.run(given).recorded["loss"])


def test_an_artifact_is_self_contained_and_reproducible() -> None:
    first, second = (
        export_step(descent, EXAMPLE, outputs=NAMES, per_step=("rate", "batch")).to_json() for _ in range(2)
    )
    assert first == second
    content = json.loads(first)
    assert base64.b64decode(content["wasm"])[:4] == b"\0asm"
    assert content["ports"][4] == {
        "index": 4,
        "name": "batch",
        "role": "per_step",
        "shape": [3],
        "dtype": "int64",
        "array": "BigInt64Array",
    }


def test_programs_are_cached_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRLIB_CACHE_DIR", str(tmp_path))
    assert cache_directory() == tmp_path
    made = compiled().library
    assert made.parent == tmp_path
    monkeypatch.setattr(building, "_compile", None)  # a second call must not compile
    assert compiled().library == made
    monkeypatch.setattr(building, "_processor", lambda: "another machine")
    with pytest.raises(TypeError):
        compiled()


def test_a_step_with_an_identity_is_traced_once_on_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRLIB_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(api, "sources", lambda: "the same sources")
    given = {"step": lambda x: (x * 2,), "inputs": {"x": torch.ones(3)}, "outputs": ("y",), "identity": "twice"}
    assert not is_compiled(**given)
    first = compile_step(**given)
    page = export_step(**given)
    monkeypatch.setattr(api, "_BUILT", {})  # as in another process
    monkeypatch.setattr(api, "lower", None)  # a second call must not trace
    assert is_compiled(**given)
    assert compile_step(**given) == first
    assert export_step(**given) == page
    np.testing.assert_array_equal(compile_step(**given).run({"x": [1, 2, 3]}, steps=1).recorded["y"], [[2, 4, 6]])
    for change in ({"identity": None}, {"identity": "thrice"}, {"inputs": {"x": torch.ones(4)}}, {"outputs": ("z",)}):
        assert not is_compiled(**given | change)
    monkeypatch.setattr(api, "_BUILT", {})
    monkeypatch.setattr(api, "sources", lambda: None)  # they changed while this process ran
    assert not is_compiled(**given)
    monkeypatch.setattr(api, "sources", lambda: "other sources")
    assert not is_compiled(**given)


def test_without_one_of_its_sources_a_program_has_no_name(monkeypatch, tmp_path):
    there, ours = tmp_path / "there.py", "lrlib._compiler.identity."
    there.write_text("")
    monkeypatch.setattr(f"{ours}STARTED", there.stat().st_mtime + 60)  # all have been at rest
    monkeypatch.setattr(f"{ours}_ROOT", tmp_path)
    monkeypatch.setattr(f"{ours}_files", lambda: [str(there)])
    assert sources()
    there.unlink()
    assert sources() is None


def test_only_what_is_fully_told_by_names_and_numbers_has_an_identity() -> None:
    named = identity(partial(models.mlp, (64, 10)), losses.cross_entropy, updates.adam(), surfaces.rosenbrock(), 0.1)
    assert named == identity(
        partial(models.mlp, (64, 10)), losses.cross_entropy, updates.adam(), surfaces.rosenbrock(), 0.1
    )
    assert identity(updates.adam()) != identity(updates.adam(betas=(0.9, 0.95)))
    assert identity(updates.sgd(momentum=0.5)) != identity(updates.sgd(momentum=0.9))
    for nameless in (lambda x: x, partial(lambda x: x), compiled, torch.nn.Linear(1, 1), torch.ones(1), object()):
        assert identity(nameless) is None


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRLIB_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(building, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install ziglang"):
        compiled()


def test_a_refusal_of_the_c_compiler_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRLIB_CACHE_DIR", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"error: (.|\n)*nonsense"):
        building.build("nonsense", wasm=False)
    assert not list(tmp_path.glob("*.so"))


def test_a_refusal_is_reported_on_a_machine_that_knows_no_utf_8(tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "LRLIB_CACHE_DIR": str(tmp_path)}
    code = "from lrlib._compiler.build import build\ntry: build('\\u03b7', wasm=False)\n"
    code += "except RuntimeError as error: print(ascii(error))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | plain, capture_output=True, text=True, check=True)
    assert "the C compiler refused the program" in done.stdout
    assert "\\u03b7" in done.stdout


def test_an_operation_without_a_rule_is_named_with_its_place() -> None:
    with pytest.raises(UnsupportedOperation, match=r"aten\.i0.*no rule(.|\n)*test_compiler\.py.*torch\.i0\(x\)"):
        compile_step(lambda x: (torch.i0(x).sum(),), {"x": torch.ones(3)}, outputs=("y",))


def test_an_option_without_a_rule_is_named_with_its_place() -> None:
    weight = torch.ones(3, 2, 2, 2)
    with pytest.raises(UnsupportedOperation, match="transposed convolution"):
        compile_step(
            lambda x: (torch.nn.functional.conv_transpose2d(x, weight),), {"x": torch.ones(1, 3, 4, 4)}, outputs=("y",)
        )


def test_branching_on_values_is_refused() -> None:
    with pytest.raises(Exception, match=r"(?i)data-dependent"):
        compile_step(lambda x: (x if x.sum() > 0 else -x,), {"x": torch.ones(3)}, outputs=("y",))


def test_an_index_out_of_range_is_an_error_and_names_the_step() -> None:
    given = a_run()
    given["batch"][4, 1] = 5
    with pytest.raises(IndexError, match="in step 4"):
        compiled().run(given)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"weights": np.zeros(4)}, ValueError, r"inputs\['weights'\] must be of shape \(3,\), but got \(4,\)"),
        ({"rate": np.zeros((6, 1))}, ValueError, r"inputs\['rate'\] must be of shape \(6,\)"),
        ({"rate": np.zeros(5)}, ValueError, r"of one length along the steps, but got \[5, 6\]"),
        ({"batch": np.zeros((6, 3))}, TypeError, "of a dtype that converts to int64, but got dtype"),
        ({"momentum": 0.5}, KeyError, "inputs must be given for weights, velocity, rate, target, batch"),
    ],
)
def test_inputs_that_do_not_fit(change: dict[str, np.ndarray], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        compiled().run(a_run() | change)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"outputs": ("loss", "weights")}, ValueError, "outputs must be as many names as the step has outputs, 3"),
        ({"outputs": ("loss", "weights", "weights")}, ValueError, "outputs must be names that differ"),
        ({"outputs": ("weights", "loss", "velocity")}, ValueError, r"output 'weights' must be of the shape and dtype"),
        ({"per_step": ("momentum",)}, ValueError, "per_step must be names of inputs that no output replaces"),
        ({"per_step": ("weights",)}, ValueError, "per_step must be names of inputs that no output replaces"),
        ({"dtype": torch.float16}, ValueError, "dtype must be torch.float32, torch.float64 or None"),
    ],
)
def test_names_and_types_that_do_not_fit(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        compile_step(descent, EXAMPLE, **({"outputs": NAMES, "per_step": ("rate", "batch")} | options))  # type: ignore[arg-type]


def test_what_is_not_a_step_is_refused() -> None:
    with pytest.raises(TypeError, match="step must be callable"):
        compile_step(3, EXAMPLE, outputs=NAMES)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"inputs\['x'\] must be a tensor"):
        compile_step(lambda x: (x,), {"x": 1.0}, outputs=("y",))  # type: ignore[dict-item]


def test_no_two_live_buffers_share_memory() -> None:
    g = np.random.default_rng(0)
    buffers = [Buffer(f"t{i}", torch.float64, int(g.integers(1, 40)), temporary=True) for i in range(60)]
    kernels = [
        Kernel("", frozenset(buffers[j] for j in g.integers(max(0, i - 6), i + 1, 3) if j < i), frozenset({buffers[i]}))
        for i in range(60)
    ]
    planned = plan(kernels, parents={})
    uses = {b: [t for t, k in enumerate(kernels) if b in k.reads | k.writes] for b in buffers}
    for i, one in enumerate(buffers):
        assert planned.offsets[one] % 64 == 0
        assert planned.offsets[one] + one.bytes <= planned.size
        for other in buffers[:i]:
            together = uses[one][0] <= uses[other][-1] and uses[other][0] <= uses[one][-1]
            start, end = planned.offsets[one], planned.offsets[one] + one.bytes
            apart = end <= planned.offsets[other] or planned.offsets[other] + other.bytes <= start
            assert apart or not together
    assert planned.size < sum(b.bytes for b in buffers) / 3


def test_parts_lie_inside_their_whole() -> None:
    whole, part, inner = (
        Buffer(name, torch.float32, size, temporary=True) for name, size in (("a", 64), ("b", 16), ("c", 4))
    )
    kernels = [Kernel("", frozenset(), frozenset({inner})), Kernel("", frozenset({part}), frozenset({whole}))]
    planned = plan(kernels, parents={part: (whole, 32), inner: (part, 8)})
    assert planned.offsets[part] - planned.offsets[whole] == 32 * 4
    assert planned.offsets[inner] - planned.offsets[whole] == 40 * 4
    assert planned.size == 256


def test_parameters_are_updated_in_place_and_gradients_joined_without_copies() -> None:
    def step(params: Tensor, rate: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        w = params.view(4, 4)
        gradient = torch.cat([(x.t() @ (x @ w[:, :2])).reshape(-1), (x.t() @ (x @ w[:, 2:])).reshape(-1)])
        return gradient.sum(), params - rate * gradient

    example = {"params": torch.ones(16), "rate": torch.tensor(0.1), "x": torch.ones(5, 4)}
    lowered = lower(step, example, ("loss", "params"), ())
    assert list(lowered.in_place.values()) == [lowered.buffers[0]]
    assert len(lowered.emitter.parents) == 2
    assert sum("mm_" in kernel.text for kernel in lowered.emitter.kernels) == 4
    assert len(lowered.emitter.kernels) == 7  # 4 products, a sum, the record, the update


def test_the_sample_in_the_docstring_is_what_comes_out() -> None:
    def step(w: Tensor, rate: Tensor, x: Tensor) -> tuple[Tensor]:
        return (torch.relu(x @ w) - rate * w,)

    example = {"w": torch.zeros(3, 4), "rate": torch.tensor(0.1), "x": torch.zeros(3, 3)}
    text, _ = source(lower(step, example, ("w",), ("rate",)), wasm=False)
    documented = (_compiler.__doc__ or "").split("::\n\n")[1]
    sample = re.sub(r"//.*", "", documented).split()
    start = text.index("KERNEL void part0")
    assert text[start:].split()[: len(sample)] == sample
    assert len(sample) > 50


@pytest.mark.parametrize("shape", [(6, 4), (24,), (2, 3, 4), (3, 2, 2, 2), (4, 6), (1, 24, 1), (8, 3)])
def test_views_are_torch_views(shape: tuple[int, ...]) -> None:
    base = torch.arange(200)
    leaf = Leaf(Buffer("t", torch.int64, 200), (2, 3, 4), (24, 4, 1), 7)
    tensor = base.as_strided((2, 3, 4), (24, 4, 1), 7)
    pairs = [
        (leaf, tensor),
        (permute(leaf, (0, 2, 1)), tensor.permute(0, 2, 1)),
        (permute(leaf, (-1, 0, 1)), tensor.permute(-1, 0, 1)),
        (narrow(leaf, 1, 0, 3), tensor),
        (expand(Leaf(leaf.buffer, (3, 1), (4, 4)), (2, 3, 4)), base.as_strided((3, 1), (4, 4)).expand(2, 3, 4)),
    ]
    for mine, theirs in pairs:
        changed = reshape(mine, shape)
        try:
            wanted = theirs.view(shape)
        except RuntimeError:
            assert changed is None
            continue
        assert changed is not None
        torch.testing.assert_close(base.as_strided(changed.shape, changed.strides, changed.offset), wanted)
