"""The two entrances: compile a step for this machine, or export it for a page."""

import contextlib
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from lrlib._check import fail, function
from lrlib._compiler.build import build, intact, recall, remember
from lrlib._compiler.identity import sources
from lrlib._compiler.lower import UnsupportedOperation, lower
from lrlib._compiler.native import Program
from lrlib._compiler.package import Artifact
from lrlib._compiler.ports import Port
from lrlib._compiler.source import products, source
from lrlib._compiler.trace import Step


def compile_step(
    step: Step,
    inputs: Mapping[str, Tensor],
    *,
    outputs: Sequence[str],
    per_step: Collection[str] = (),
    dtype: torch.dtype | None = None,
    identity: str | None = None,
) -> Program:
    """Compile one pure step for this machine's CPU.

    ``step(*inputs.values())`` returns a tuple of tensors named ``outputs``. An output with the name of an input
    replaces it in the next step (parameters, optimizer state); any other is recorded, one value a step (the loss).
    Nothing but shapes and dtypes of the example inputs is built in; a tensor that ``step`` closes over is.

    Args:
        step: a pure function of tensors that does not branch on their values.
        inputs: example tensors, by the names that ``Program.run`` will ask for, in the order of the step's arguments.
        outputs: a name for each output.
        per_step: the inputs that come with one value for each step (learning rate, minibatch indices).
        dtype: float32 or float64; what floating-point inputs are converted to, but for 0-dim float64 ones (a step
            counter beside float32 parameters). As they are, if not given.
        identity: what tells this step from every other whose inputs look the same; see :mod:`lrlib._compiler.identity`.
            A step with an identity is traced once on a machine, not once in each process.

    Raises:
        UnsupportedOperation: the step uses an operation that has no rule, the message says which and where; or it
            computes something else at each call, such as by numbers from ``random``.
        CompilerMissing: the package ``ziglang`` is not installed.
        ValueError, TypeError: names or types that do not fit together.

    >>> def step(weights, rate, target):
    ...     error = weights - target
    ...     return (error * error).sum(), weights - rate * 2 * error
    >>> example = {"weights": torch.zeros(3), "rate": torch.tensor(0.1), "target": torch.ones(3)}
    >>> program = compile_step(step, example, outputs=("loss", "weights"), per_step=("rate",), dtype=torch.float64)
    >>> result = program.run({"weights": [0, 0, 0], "rate": [0.5, 0.5], "target": [1.0, 2.0, 3.0]})
    >>> result.recorded["loss"], result.carried["weights"]
    (array([14.,  0.]), array([1., 2., 3.]))
    """
    return Program(*_built(step, inputs, outputs, per_step, dtype, identity, wasm=False))


def is_compiled(
    step: Step,
    inputs: Mapping[str, Tensor],
    *,
    outputs: Sequence[str],
    per_step: Collection[str] = (),
    dtype: torch.dtype | None = None,
    identity: str | None = None,
) -> bool:
    """Whether :func:`compile_step` with these arguments has nothing left to do but to load the program."""
    name = _name(identity, _checked(step, inputs, outputs, per_step, dtype), outputs, per_step)
    return name is not None and _recalled(name, wasm=False) is not None


def export_step(
    step: Step,
    inputs: Mapping[str, Tensor],
    *,
    outputs: Sequence[str],
    per_step: Collection[str] = (),
    dtype: torch.dtype | None = torch.float64,
    identity: str | None = None,
) -> Artifact:
    """Compile one pure step to WebAssembly. Arguments and errors are those of :func:`compile_step`."""
    ports, path, _ = _built(step, inputs, outputs, per_step, dtype, identity, wasm=True)
    return Artifact(ports, path.read_bytes())


def _built(
    step: Step,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    per_step: Collection[str],
    dtype: torch.dtype | None,
    identity: str | None,
    *,
    wasm: bool,
) -> "_Built":
    """Ports, the file with the compiled program, and the bytes of workspace that it needs."""
    examples = _checked(step, inputs, outputs, per_step, dtype)
    name = _name(identity, examples, outputs, per_step)
    known = name and _recalled(name, wasm=wasm)
    if known:
        return known
    lowered = lower(step, examples, outputs, sorted(per_step))
    text, workspace = source(lowered, wasm=wasm)
    if identity is None and text != source(lower(step, examples, outputs, sorted(per_step)), wasm=wasm)[0]:
        raise UnsupportedOperation("the step is not the same function each time it is called")
    built = lowered.ports, build(text, wasm=wasm, apart=products(text)), workspace
    if name:
        _BUILT[name, wasm] = built
        described = [dataclasses.asdict(port) | {"dtype": _short(port.dtype)} for port in lowered.ports]
        with contextlib.suppress(OSError):  # then it is traced again in another process
            remember(name, built[1], {"ports": described, "workspace": workspace}, wasm=wasm)
    return built


_Built = tuple[tuple[Port, ...], Path, int]
_BUILT: dict[tuple[str, bool], _Built] = {}  # in this process, by name


def _recalled(name: str, *, wasm: bool) -> _Built | None:
    """What was built under this name, in this process or before it."""
    known = _BUILT.get((name, wasm))
    if known and intact(known[1]):
        return known
    noted = recall(name, wasm=wasm)
    if noted is None:
        return None
    path, facts = noted
    ports = [(p["name"], p["role"], tuple(p["shape"]), getattr(torch, p["dtype"])) for p in facts["ports"]]
    _BUILT[name, wasm] = tuple(Port(*port) for port in ports), path, facts["workspace"]
    return _BUILT[name, wasm]


def _name(
    identity: str | None, examples: Mapping[str, Tensor], outputs: Sequence[str], per_step: Collection[str]
) -> str | None:
    """All that the compiled program hangs on; None without an identity, or if this package's sources have changed."""
    package = None if identity is None else sources()
    if package is None:
        return None
    inputs = [(name, _short(x.dtype), tuple(x.shape)) for name, x in examples.items()]
    default = _short(torch.get_default_dtype())  # which a step may make numbers of
    return package + repr((identity, default, inputs, tuple(outputs), sorted(per_step)))


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _checked(
    step: Step,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    per_step: Collection[str],
    dtype: torch.dtype | None,
) -> dict[str, Tensor]:
    """Blank tensors like the example inputs, in the dtype that the program is for."""
    function("step", step)
    if dtype not in (None, torch.float32, torch.float64):
        fail("dtype", "torch.float32, torch.float64 or None", dtype)
    for name, tensor in inputs.items():
        if not isinstance(tensor, Tensor):
            fail(f"inputs[{name!r}]", "a tensor", tensor, error=TypeError)
    if len(set(outputs)) != len(outputs):
        fail("outputs", "names that differ", tuple(outputs))
    unknown = set(per_step) - set(inputs)
    if unknown or set(per_step) & set(outputs):
        fail("per_step", "names of inputs that no output replaces", tuple(per_step))
    return {
        name: torch.empty(tensor.shape, dtype=dtype if dtype and _converts(tensor) else tensor.dtype)
        for name, tensor in inputs.items()
    }


def _converts(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and (tensor.dim() > 0 or tensor.dtype != torch.float64)
