"""The C text of a lowered step: helpers, the step, the loop over steps, the entry points for a page."""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import torch

from lrlib._compiler.expression import Buffer, c_type, literal
from lrlib._compiler.lower import Lowered
from lrlib._compiler.plan import Plan, aligned, plan

_KERNELS_IN_A_PART = 48
_FLOATING = {torch.float32: 4, torch.float64: 8}


@cache
def _text(name: str) -> str:
    return files("lrlib._compiler").joinpath(name).read_text(encoding="utf-8")


def source(lowered: Lowered, *, wasm: bool) -> tuple[str, int]:
    """The whole text, and the bytes of workspace that it needs."""
    emitter = lowered.emitter
    memory = plan(emitter.kernels, parents=emitter.parents, elsewhere=set(lowered.in_place))
    parts = [_text("types.c"), _text("prelude.c"), _text("maths.c"), *_templates(), *_literals(emitter.buffers)]
    parts += [_step(lowered, memory), _loop(lowered)]
    if wasm:
        parts.append(_page(lowered, memory))
    return "\n".join(parts), max(memory.size, 64)


def products(text: str) -> list[str]:
    """The texts of the matrix products that a program calls, to be compiled apart and linked to it."""
    called = [dtype for dtype in _FLOATING if re.search(rf"\b(mm|convolve\w*)_{c_type(dtype)}\(", text)]
    return ["\n".join([_text("types.c"), _named(dtype), _text("product.c")]) for dtype in called]


def _named(dtype: torch.dtype) -> str:
    """Definitions that make a generic C file one for this type."""
    name = c_type(dtype)
    return f"#define T {name}\n#define FN(name) name##_{name}\n#define FLOATING {_FLOATING.get(dtype, 0)}"


def _templates() -> Iterator[str]:
    """The generic C files, once for each type they are for."""
    for dtype in (torch.float32, torch.float64, torch.int64, torch.int32, torch.bool):
        yield _named(dtype)
        yield _text("scalars.c")
        if dtype in _FLOATING:
            yield _text("kernels.c")
        yield "#undef T\n#undef FN\n#undef FLOATING"


def _literals(buffers: list[Buffer]) -> Iterator[str]:
    for buffer in buffers:
        if buffer.literal is not None:
            values = ", ".join(literal(value, buffer.dtype) for value in buffer.literal.flatten().tolist()) or "0"
            yield f"static const {c_type(buffer.dtype)} {buffer.name}[] = {{{values}}};"


def _step(lowered: Lowered, memory: Plan) -> str:
    """The step in parts: the C compiler's time grows faster than the length of a function."""
    kernels = lowered.emitter.kernels
    written = {buffer for kernel in kernels for buffer in kernel.writes} | set(lowered.in_place.values())
    parameters = [
        f"{'' if buffer in written else 'const '}{c_type(buffer.dtype)} *restrict {buffer.name}"
        for buffer in lowered.buffers
    ]
    head = f"({', '.join([*parameters, 'char *restrict work', 'i32 *restrict bad'])}) {{"
    names = []
    for buffer, place in lowered.in_place.items():
        names.append((buffer, f"{c_type(buffer.dtype)} *const {buffer.name} = {place.name};"))
    for buffer, offset in memory.offsets.items():
        names.append(
            (buffer, f"{c_type(buffer.dtype)} *const {buffer.name} = ({c_type(buffer.dtype)} *)(work + {offset});")
        )
    parts: list[str] = []
    for start in range(0, len(kernels), _KERNELS_IN_A_PART):
        part = kernels[start : start + _KERNELS_IN_A_PART]
        used = {buffer for kernel in part for buffer in kernel.reads | kernel.writes}
        lines = [f"KERNEL void part{len(parts)}{head}", *(text for buffer, text in names if buffer in used)]
        parts.append("\n".join([*lines, *(kernel.text for kernel in part), "}"]))
    passed = ", ".join([buffer.name for buffer in lowered.buffers] + ["work", "bad"])
    calls = [f"part{index}({passed});" for index in range(len(parts))]
    return "\n".join([*parts, f"INLINE void step{head}", *calls, "}"])


def _loop(lowered: Lowered) -> str:
    """``run(work, ports, start, stop)`` does these steps; -1, or the number of the step with an index out of range."""
    passed = [
        f"({c_type(port.dtype)} *)ports[{index}]" + (f" + s * {port.size}" if port.streamed else "")
        for index, port in enumerate(lowered.ports)
    ]
    return (
        "EXPORT(run) i64 run(char *work, char *const *ports, i64 start, i64 stop) {\ni32 bad = 0;\n"
        f"for (i64 s = start; s < stop; s++) {{\nstep({', '.join([*passed, 'work', '&bad'])});\n"
        "if (bad) return s;\n}\nreturn -1;\n}"
    )


def _page(lowered: Lowered, memory: Plan) -> str:
    """Entry points of a module that owns its memory. ``reserve(steps)`` makes room for a run of that many steps and
    returns 1, or 0 where memory does not suffice; tensors that are not streamed stay where they were, values and all.
    """
    fixed, streams, at = [], [], 0
    for index, port in enumerate(lowered.ports):
        if port.streamed:
            streams.append(f"ports[{index}] = at; at += ((size)steps * {port.bytes} + 63) / 64 * 64;")
        else:
            fixed.append(f"ports[{index}] = base + {at};")
            at += aligned(port.bytes)
    assign = "\n".join([*fixed, f"work = base + {at};", f"char *at = work + {aligned(memory.size)};", *streams])
    return f"""
extern char __heap_base;
static char *ports[{max(len(lowered.ports), 1)}], *work;
EXPORT(reserve) i32 reserve(i32 steps) {{
char *base = (char *)(((size)&__heap_base + 63) / 64 * 64);
{assign}
size have = __builtin_wasm_memory_size(0), need = ((size)at + 65535) / 65536;
return need <= have || __builtin_wasm_memory_grow(0, need - have) != (size)-1;
}}
EXPORT(ptr) void *ptr(i32 index) {{ return ports[index]; }}
EXPORT(train) i32 train(i32 start, i32 stop) {{ return (i32)run(work, ports, start, stop); }}
"""
