"""The compiled engine never trains something else than it was given, and never fails where torch would train."""

import gc
import inspect
import os
import random
import shutil
import stat
import subprocess
import sys
import threading
import typing
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import lrlib
from lrlib import surfaces, tasks, training, updates
from lrlib._compiler import CompilerMissing, UnsupportedOperation, api, compile_step, native
from lrlib._compiler import build as building
from lrlib.training import run, settings
from lrlib.training.run import compilation_for
from lrlib.updates import UpdateRule

MLP = tasks.digits_mlp(hidden=(8,))
SHORT = {"learning_rates": [0.01, 0.1], "steps": 5, "batch_size": 8, "dtype": torch.float64}
SCALE = 1.0


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """No program is there, and names may be kept, as if the sources had been at rest."""
    monkeypatch.setenv("LRLIB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(building, "_temporary", [])
    monkeypatch.setattr(api, "_BUILT", {})
    monkeypatch.setattr(api, "sources", lambda: "at rest")
    return tmp_path / "cache"


def count(monkeypatch, module, name) -> list[None]:
    """One entry for each call of the module's function from now on."""
    calls, real = [], getattr(module, name)

    def counted(*args, **kwargs):
        calls.append(None)
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, counted)
    return calls


def own_rule(sign: float) -> UpdateRule:
    def update(params, grads, state, rate):
        return [p - sign * rate.view(-1, *[1] * (p.dim() - 1)) * g for p, g in zip(params, grads, strict=True)], state

    return UpdateRule("mine", lambda params: {}, update, True, {}, True, 0.1)


def own_task(**changes) -> tasks.Task:
    parts = {"name": "own", "model": lambda: nn.Linear(64, 10), "loss": MLP.loss} | changes
    return tasks.Task(train=MLP.train, validation=MLP.validation, **parts)


def both(task, **changes):
    return [training.sweep(task, engine=engine, **SHORT | changes).loss for engine in ("compiled", "torch")]


# --- two things of one name ---


def test_two_rules_of_one_name_are_two_rules():
    for sign in (1.0, -1.0):
        compiled, plain = both(MLP, rule=own_rule(sign))
        np.testing.assert_allclose(compiled, plain, rtol=1e-9)
        compiled, plain = (
            training.descend(
                surfaces.rosenbrock(), rule=own_rule(sign), learning_rates=[1e-4, 1e-3], steps=5, engine=engine
            )
            for engine in ("compiled", "torch")
        )
        np.testing.assert_allclose(compiled.loss, plain.loss, rtol=1e-9)


def scaled_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    return SCALE * MLP.loss(outputs, targets)


def test_a_global_and_a_closed_over_value_may_change(monkeypatch):
    box = [torch.ones(10)]

    def weighted(outputs, targets):
        return nn.functional.cross_entropy(outputs, targets, weight=box[0].to(outputs.dtype))

    globally, closed = own_task(loss=scaled_loss), own_task(loss=weighted)
    for scale in (1.0, 2.0):
        monkeypatch.setitem(globals(), "SCALE", scale)
        box[0] = torch.linspace(1, 2 * scale, 10)
        for task in (globally, closed):
            compiled, plain = both(task)
            np.testing.assert_allclose(compiled, plain, rtol=1e-9)


def test_a_surface_of_ones_own_may_change():
    from dataclasses import replace

    for factor in (1.0, 3.0):
        own = replace(surfaces.quadratic([1.0, 2.0]), function=lambda x, f=factor: f * (x * x).sum(-1))
        paths = [training.descend(own, learning_rates=[0.1], steps=4, engine=e) for e in ("compiled", "torch")]
        np.testing.assert_allclose(paths[0].loss, paths[1].loss, rtol=1e-12)


class Skipping(nn.Linear):
    def forward(self, x):
        return super().forward(x) * random.random()


def test_a_step_that_is_not_a_function_is_not_compiled(monkeypatch):
    with pytest.raises(UnsupportedOperation, match="not the same function each time it is called"):
        compile_step(lambda x: (x * random.random(),), {"x": torch.ones(3)}, outputs=("y",))
    monkeypatch.setattr(run, "COMPILE_FROM", 1)
    found = training.sweep(own_task(model=lambda: Skipping(64, 10)), **SHORT).provenance
    assert found["engine"] == "torch"
    assert "not the same function" in found["engine_note"]


def test_the_default_dtype_is_part_of_a_name(empty_cache):
    given = {"inputs": {"x": torch.ones(3, dtype=torch.float32)}, "outputs": ("y",), "identity": "a constant"}

    def step(x):
        return (x * torch.tensor(1.0).to(x.dtype) + torch.zeros(3),)

    single = compile_step(step, **given).run({"x": np.ones(3)}, steps=1).recorded["y"]
    torch.set_default_dtype(torch.float64)
    try:
        double = compile_step(step, **given).run({"x": np.ones(3)}, steps=1).recorded["y"]
    finally:
        torch.set_default_dtype(torch.float32)
    assert (single.dtype, double.dtype) == (np.float32, np.float64)


class Branded(nn.Linear):
    def forward(self, x):
        return super().forward(x) * SCALE


def hooked(factor: float) -> nn.Module:
    layer = nn.Linear(64, 10)
    layer.register_forward_hook(lambda module, inputs, output: factor * output)
    return layer


def overridden(factor: float) -> nn.Module:
    layer = nn.Identity()
    layer.forward = lambda x: factor * x
    return nn.Sequential(nn.Linear(64, 10), layer)


def twice(shared: bool) -> nn.Module:
    middle, other = (nn.Linear(64, 64).requires_grad_(False) for _ in range(2))
    return nn.Sequential(middle, nn.Tanh(), middle if shared else other, nn.Tanh(), nn.Linear(64, 10))


SWITCHED = {  # a model that a value closed over decides, and two values
    "size": (lambda value: nn.Sequential(nn.Linear(64, value), nn.ReLU(), nn.Linear(value, 10)), 4, 8),
    "slope": (lambda value: nn.Sequential(nn.Linear(64, 10), nn.LeakyReLU(value)), 0.1, 0.5),
    "kind": (lambda value: nn.Sequential(nn.Linear(64, 10), value()), nn.ReLU, nn.Tanh),
    "epsilon": (lambda value: nn.Sequential(nn.Linear(64, 10), nn.LayerNorm(10, eps=value)), 1e-5, 1.0),
    "bias": (lambda value: nn.Linear(64, 10, bias=value), True, False),
    "frozen": (lambda value: nn.Sequential(nn.Linear(64, 10).requires_grad_(value), nn.Linear(10, 10)), True, False),
    "shared": (twice, True, False),
    "hook": (hooked, 1.0, 2.0),
    "forward": (overridden, 1.0, 2.0),
    "class": (lambda value: nn.Sequential(nn.Linear(64, 10), nn.Tanh(), (Branded, nn.Linear)[value](10, 10)), 0, 1),
}


@pytest.mark.parametrize("switched", SWITCHED)
def test_models_of_one_function_are_told_apart(empty_cache, monkeypatch, switched):
    make, *values = SWITCHED[switched]
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    for value in values:
        compiled, plain = both(own_task(model=lambda value=value: make(value)))
        np.testing.assert_allclose(compiled, plain, rtol=1e-9)


def test_a_model_of_torchs_own_modules_is_traced_once_whoever_makes_it(empty_cache, monkeypatch):
    def scaled(gain):
        layer = nn.Linear(64, 10)
        layer.weight.data *= gain
        return layer

    traced = count(monkeypatch, api, "lower")
    for gain in (1.0, 2.0):
        compiled, plain = both(own_task(model=lambda gain=gain: scaled(gain)))
        np.testing.assert_allclose(compiled, plain, rtol=1e-9)
    assert len(traced) == 1
    both(own_task(model=lambda: Branded(64, 10)))
    assert len(traced) == 3  # twice: such a step must be the same function each time


# --- the cache on disk ---

RACE = """
import os, sys, time
from pathlib import Path
import lrlib, lrlib.updates
path = Path(lrlib.__file__).parent / "updates" / "gradient_descent.py"
before, edit = path.stat(), sys.argv[1]
if edit != "none":
    path.write_text(path.read_text() + "# edited")
    if edit == "kept":  # as a tool does that preserves times
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    time.sleep(0.05)
from lrlib._compiler import identity
identity._AT_REST = 0.0
print(identity.sources() is not None)
"""


@pytest.mark.parametrize(("edit", "named"), [("none", True), ("plain", False), ("kept", False)])
def test_sources_edited_between_two_imports_are_not_named(tmp_path, edit, named):
    shutil.copytree(Path(lrlib.__file__).parent, tmp_path / "lrlib", ignore=shutil.ignore_patterns("__pycache__"))
    result = subprocess.run(
        [sys.executable, "-c", RACE, edit],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert result.stdout.split() == [str(named)]


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b"\0" * len(b)])
def test_a_damaged_program_is_made_again(empty_cache, monkeypatch, damage):
    given = {"step": lambda x: (x * 2,), "inputs": {"x": torch.ones(3)}, "outputs": ("y",), "identity": "twice"}
    library = compile_step(**given).library
    fresh = library.with_name("fresh")  # what is loaded must not change under this process
    fresh.write_bytes(damage(library.read_bytes()))
    os.replace(fresh, library)
    monkeypatch.setattr(api, "_BUILT", {})
    assert not api.is_compiled(**given)
    again = compile_step(**given)
    np.testing.assert_array_equal(again.run({"x": [1, 2, 3]}, steps=1).recorded["y"], [[2, 4, 6]])
    assert building.intact(again.library)


@pytest.mark.parametrize("text", ["", "{}", '{"program": 1}', "\0\xff", "0" * 32 + '\n{"program": "x"}', None])
def test_a_damaged_note_is_as_none(empty_cache, monkeypatch, text):
    given = {"step": lambda x: (x * 2,), "inputs": {"x": torch.ones(3)}, "outputs": ("y",), "identity": "twice"}
    compile_step(**given)
    [note] = empty_cache.glob("*.note")
    changed = note.read_text().replace('"workspace": ', '"workspace": 1') if text is None else text
    note.write_text(changed, encoding="latin-1")
    monkeypatch.setattr(api, "_BUILT", {})
    assert not api.is_compiled(**given)
    np.testing.assert_array_equal(compile_step(**given).run({"x": [1, 2, 3]}, steps=1).recorded["y"], [[2, 4, 6]])


def test_the_cache_is_for_its_user_alone(empty_cache):
    compile_step(lambda x: (x * 2,), {"x": torch.ones(3)}, outputs=("y",))
    if sys.platform != "win32":
        assert stat.S_IMODE(empty_cache.stat().st_mode) == 0o700


def test_without_a_place_to_keep_programs_they_are_temporary(empty_cache, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LRLIB_CACHE_DIR", str(tmp_path / "file" / "cache"))
    calls = count(monkeypatch, building, "_compile")
    for _ in range(2):
        assert training.sweep(MLP, engine="compiled", **SHORT).provenance["engine"] == "compiled"
    assert len(calls) == 1
    assert building._temporary


# --- falling back ---


def fails(error):
    def function(*args, **kwargs):
        raise error

    return function


def branching(params, grads, state, rate):
    if float(params[0].abs().max()) > 1e9:
        return params, state
    return own_rule(1.0).update(params, grads, state, rate)


FAILURES = {
    "a compiler that refuses": (building, "_compile", RuntimeError("the C compiler refused")),
    "a compiler that cannot be started": (building.subprocess, "run", PermissionError("not executable")),
    "a compiler that is not there": (building, "find_spec", CompilerMissing("no ziglang")),
    "a home without execution": (native.ctypes, "CDLL", OSError("failed to map segment")),
    "a tracer that fails": (api, "lower", RuntimeError("Batching rule not implemented")),
    "an unknown operation": (api, "lower", UnsupportedOperation("aten.i0 has no rule")),
    "any other failure": (api, "lower", AssertionError("inside torch")),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_auto_trains_with_torch_where_compiling_fails_and_says_why(empty_cache, monkeypatch, failure):
    module, name, error = FAILURES[failure]
    monkeypatch.setattr(run, "COMPILE_FROM", 1)
    monkeypatch.setattr(training.trajectory, "COMPILE_FROM", 1)
    monkeypatch.setattr(module, name, fails(error))
    found = training.sweep(MLP, **SHORT)
    assert found.provenance["engine"] == "torch"
    assert str(error) in found.provenance["engine_note"]
    np.testing.assert_array_equal(found.loss, training.sweep(MLP, engine="torch", **SHORT).loss)
    assert training.train(MLP, learning_rate=0.1, steps=5).provenance["engine"] == "torch"
    assert training.start(MLP, learning_rates=[0.1], steps=5).engine == "torch"
    path = training.descend(surfaces.rosenbrock(), learning_rates=[1e-3], steps=5)
    assert path.provenance["engine"] == "torch"
    assert str(error) in path.provenance["engine_note"]
    for call in (
        lambda: training.sweep(MLP, engine="compiled", **SHORT),
        lambda: training.descend(surfaces.rosenbrock(), learning_rates=[1e-3], steps=5, engine="compiled"),
    ):
        with pytest.raises(ValueError, match="engine must be 'auto' or 'torch' here, since") as raised:
            call()
        assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "rule",
    [
        UpdateRule("branching", lambda params: {}, branching, True, {}, True, 0.1),
    ],
    ids=lambda rule: rule.name,
)
def test_auto_trains_with_torch_what_cannot_be_traced(monkeypatch, rule):
    monkeypatch.setattr(run, "COMPILE_FROM", 1)
    found = training.sweep(MLP, rule=rule, **SHORT)
    assert found.provenance["engine"] == "torch"
    np.testing.assert_array_equal(found.loss, training.sweep(MLP, rule=rule, engine="torch", **SHORT).loss)


def test_what_was_asked_for_needs_no_note():
    assert training.sweep(MLP, engine="torch", **SHORT).provenance["engine_note"] is None
    assert training.sweep(MLP, engine="compiled", **SHORT).provenance["engine_note"] is None


# --- devices ---


def device(task=MLP, **given) -> str:
    return settings.checked_plan(task, model=task.model(), steps=1, **given).device.type


def test_a_gpu_is_for_torch_and_for_large_models(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert [device(engine=engine) for engine in ("auto", "compiled", "torch")] == ["cpu", "cpu", "cuda"]
    assert training.sweep(MLP, engine="compiled", **SHORT).provenance["device"] == "cpu"
    monkeypatch.setattr(settings, "LARGE", 10)
    assert [device(engine=engine) for engine in ("auto", "compiled", "torch")] == ["cuda", "cpu", "cuda"]
    assert device(engine="auto", device="cpu") == "cpu"
    with pytest.raises(ValueError, match="engine must be 'auto' or 'torch' here, since the device is cuda"):
        training.sweep(MLP, engine="compiled", device="cuda", **SHORT)


def test_an_apple_gpu_has_no_float64(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert training.find_device("auto").type == "mps"
    assert training.find_device("auto", dtype=torch.float64).type == "cpu"
    assert [device(engine="torch", dtype=dtype) for dtype in (torch.float32, torch.float64)] == ["mps", "cpu"]
    with pytest.raises(ValueError, match="device must be 'cpu' or 'auto' for float64, which Apple's GPUs do not have"):
        training.sweep(MLP, device="mps", **SHORT)


# --- signatures ---

ENTRANCES = [training.sweep, training.train, training.start, compilation_for]


@pytest.mark.parametrize("function", ENTRANCES, ids=lambda f: f.__name__)
def test_every_setting_is_in_the_signature(function):
    shown = inspect.signature(function).parameters
    checked = inspect.signature(settings.checked_plan).parameters
    names = set(settings.Settings.__annotations__)
    assert names == set(checked) - {"task", "model"}
    assert all(shown[name] == checked[name] for name in names)
    assert not any(p.kind is p.VAR_KEYWORD for p in shown.values())


@pytest.mark.parametrize("function", ENTRANCES, ids=lambda f: f.__name__)
def test_an_unknown_or_missing_keyword_is_the_usual_error(function):
    taken = inspect.signature(function).parameters
    needed = {name: [0.1] for name in ("learning_rate", "learning_rates") if name in taken}
    with pytest.raises(TypeError, match=rf"{function.__name__}\(\) got an unexpected keyword argument 'lr'"):
        function(MLP, **needed, steps=1, lr=0.1)
    with pytest.raises(TypeError, match=rf"{function.__name__}\(\) missing a required"):
        function(MLP, **needed)


def test_settings_have_the_types_that_are_checked():
    declared = typing.get_type_hints(settings.Settings)
    taken = typing.get_type_hints(settings.checked_plan)
    assert all(taken[name] == declared[name] for name in declared)


@pytest.mark.parametrize("seed", [2**32, 2**40])
def test_seeds_have_32_bits(seed):
    with pytest.raises(ValueError, match=r"seeds must be less than 2\*\*32, but got"):
        training.sweep(MLP, seeds=[0, seed], **SHORT)
    with pytest.raises(ValueError, match=r"seed must be less than 2\*\*32, but got"):
        training.train(MLP, learning_rate=0.1, seed=seed, steps=1)
    with pytest.raises(ValueError, match=r"seed must be less than 2\*\*32, but got"):
        training.start(MLP, learning_rates=[0.1], seed=seed, steps=1)


# --- what is shared and what is let go ---


def split(seed: int) -> tasks.Task:
    order = torch.randperm(len(MLP.train[0]), generator=torch.Generator().manual_seed(seed))
    train = MLP.train[0][order].clone(), MLP.train[1][order].clone()
    return tasks.Task(f"split {seed}", MLP.model, train, MLP.validation, MLP.loss)


@pytest.mark.parametrize("engine", ["compiled", "torch", "auto"])
def test_no_task_is_kept_alive(empty_cache, engine):
    def used(make) -> list[weakref.ref]:
        task = make()
        training.sweep(task, engine=engine, **SHORT)
        compilation = compilation_for(task, steps=5, batch_size=8)
        compilation.program()
        return [weakref.ref(task), weakref.ref(task.train[0]), weakref.ref(compilation)]

    held = [
        *used(lambda: split(0)),
        *used(lambda: tasks.Task("own", lambda: nn.Linear(64, 10), split(1).train, MLP.validation, scaled_loss)),
    ]
    gc.collect()
    assert [reference() for reference in held] == [None] * 6


def test_a_compilation_that_has_its_program_holds_no_data():
    task = split(0)
    compilation = compilation_for(task, steps=5, batch_size=8)
    compilation.program()
    data = weakref.ref(task.train[0])
    del task
    gc.collect()
    assert data() is None


def test_tasks_that_differ_in_their_data_share_one_program(empty_cache, monkeypatch):
    traced, made = count(monkeypatch, api, "lower"), count(monkeypatch, building, "_compile")
    for seed in range(20):
        task = split(seed)
        compiled, plain = both(task)
        np.testing.assert_allclose(compiled, plain, rtol=1e-9)
    assert (len(traced), len(made)) == (1, 1)


def test_steps_compile_side_by_side_and_once_each(empty_cache, monkeypatch):
    made = count(monkeypatch, building, "_compile")
    own = own_task(model=partial(nn.Linear, 64, 10), loss=scaled_loss)  # without an identity
    rules = [updates.sgd(), updates.adam(), updates.sgd()]
    calls = [{"task": task, "rule": rule, **SHORT} for task in (MLP, own) for rule in rules]
    eager = {"task": split(0), "engine": "torch", **SHORT}
    training.compile_ahead([*calls, eager])
    assert len(made) == 4
    for call in calls:
        assert training.sweep(**call, engine="compiled").provenance["engine"] == "compiled"
    assert len(made) == 4


def test_two_compilers_run_at_once(empty_cache, monkeypatch):
    meeting, real = threading.Barrier(2, timeout=100), building._compile

    def together(*args):
        meeting.wait()  # for the other
        return real(*args)

    monkeypatch.setattr(building, "_compile", together)
    training.compile_ahead([{"task": MLP, "rule": rule, **SHORT} for rule in (updates.sgd(), updates.adam())])
    assert not meeting.broken
    assert len(list(empty_cache.glob("*.note"))) == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_compiled_run_has_the_same_bits_beside_others(dtype):
    given = SHORT | {"dtype": dtype, "steps": 100, "engine": "compiled"}
    alone = training.sweep(MLP, **given | {"learning_rates": [1.0]})
    among = training.sweep(MLP, seeds=[3, 0], **given | {"learning_rates": [0.1, 1.0, 3.0]})
    np.testing.assert_array_equal(among[4].loss, alone[0].loss)
    for name, value in alone[0].parameters.items():
        assert torch.equal(among[4].parameters[name], value)
