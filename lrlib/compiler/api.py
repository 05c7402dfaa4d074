"""The two entrances: compile a step for this machine, or export it for a page."""

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from lrlib._check import fail, function
from lrlib.compiler.build import build
from lrlib.compiler.lower import Lowered, lower
from lrlib.compiler.native import Program
from lrlib.compiler.package import Artifact
from lrlib.compiler.source import source
from lrlib.compiler.trace import Step


def compile_step(
    step: Step,
    inputs: Mapping[str, Tensor],
    *,
    outputs: Sequence[str],
    per_step: Collection[str] = (),
    dtype: torch.dtype | None = None,
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

    Raises:
        UnsupportedOperation: the step uses an operation that has no rule; the message says which and where.
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
    lowered = _lowered(step, inputs, outputs, per_step, dtype)
    text, workspace = source(lowered, wasm=False)
    return Program(lowered.ports, build(text, wasm=False), workspace)


def export_step(
    step: Step,
    inputs: Mapping[str, Tensor],
    *,
    outputs: Sequence[str],
    per_step: Collection[str] = (),
    dtype: torch.dtype | None = torch.float64,
) -> Artifact:
    """Compile one pure step to WebAssembly. Arguments and errors are those of :func:`compile_step`."""
    lowered = _lowered(step, inputs, outputs, per_step, dtype)
    text, _ = source(lowered, wasm=True)
    return Artifact(lowered.ports, build(text, wasm=True).read_bytes())


def _lowered(
    step: Step,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    per_step: Collection[str],
    dtype: torch.dtype | None,
) -> Lowered:
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
    examples = {
        name: (tensor if dtype is None or not _converts(tensor) else tensor.to(dtype)).detach()
        for name, tensor in inputs.items()
    }
    return lower(step, examples, outputs, sorted(per_step))


def _converts(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and (tensor.dim() > 0 or tensor.dtype != torch.float64)
