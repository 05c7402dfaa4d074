"""Convolution and pooling, forwards and backwards; a one-dimensional image is a two-dimensional one of height 1."""

from collections.abc import Sequence
from typing import Any

from lrlib._compiler.emitter import Emitter, Meta
from lrlib._compiler.expression import Value, c_type
from lrlib._compiler.reductions import sum_
from lrlib._compiler.rules import rule


def _pair(values: Sequence[int], missing: int) -> tuple[int, int]:
    """One number for each of the two axes."""
    if len(values) == 1:
        return missing, values[0]
    return values[0], values[1]


def _square(values: Sequence[int] | int, missing: Sequence[int] = ()) -> tuple[int, int]:
    """torch's shorthand for pooling: one number stands for both axes, none for ``missing``."""
    numbers = [values] if isinstance(values, int) else list(values) or list(missing)
    return (numbers[0], numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])


def _window(
    image: Sequence[int],
    kernel: Sequence[int],
    out: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> str:
    sizes = [*_pair(image, 1), *_pair(kernel, 1), *_pair(out, 1), *_pair(stride, 1), *_pair(padding, 0)]
    return f"(Window){{{', '.join(map(str, [*sizes, *_pair(dilation, 1)]))}}}"


def _only_plain(image: Sequence[int], transposed: bool) -> None:
    if transposed or not 1 <= len(image) <= 2:
        kind = "transposed" if transposed else f"{len(image)}-dimensional"
        raise NotImplementedError(f"a {kind} convolution")


def _area(extents: Sequence[int]) -> int:
    product = 1
    for extent in extents:
        product *= extent
    return product


@rule("convolution")
def convolution(
    emitter: Emitter,
    meta: Meta,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Value:
    _only_plain(input.shape[2:], transposed)
    x, kernel, result = emitter.contiguous(input), emitter.contiguous(weight), emitter.new(meta)
    whole, (out, inner, *size) = emitter.in_memory(result), weight.shape
    columns = emitter.buffer(meta.dtype, inner * _area(size) * _area(meta.shape[2:]))
    window = _window(input.shape[2:], size, meta.shape[2:], stride, padding, dilation)
    emitter.kernel(
        f"convolve_{c_type(meta.dtype)}({whole.pointer()}, {x.pointer()}, {kernel.pointer()}, {columns.name}, "
        f"{meta.shape[0]}, {groups}, {inner}, {out // groups}, {window});",
        reads=[x, kernel],
        writes=[whole, columns],
    )
    if bias is None:
        return result
    shifts = Value((1, out) + (1,) * len(size), emitter.in_memory(bias))
    leaf = emitter.in_memory(bias)
    shifts.expression = type(leaf)(leaf.buffer, shifts.shape, (0, leaf.strides[0]) + (0,) * len(size), leaf.offset)
    return emitter.call("({0} + {1})", meta, [result, shifts], meta.dtype)


@rule("convolution_backward")
def convolution_backward(
    emitter: Emitter,
    metas: Sequence[Meta | None],
    grad_output: Value,
    input: Value,
    weight: Value,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    output_mask: Sequence[bool],
) -> tuple[Value | None, ...]:
    _only_plain(input.shape[2:], transposed)
    y, name = emitter.contiguous(grad_output), c_type(grad_output.dtype)
    out, inner, *size = weight.shape
    window = _window(input.shape[2:], size, grad_output.shape[2:], stride, padding, dilation)
    tail = f"{input.shape[0]}, {groups}, {inner}, {out // groups}, {window});"
    gradients: list[Value | None] = [None, None, None]
    sides = ((0, "convolve_input", weight), (1, "convolve_weight", input))
    for place, function, other in sides:
        meta = metas[place]
        if output_mask[place] and meta:
            source, result = emitter.contiguous(other), emitter.new(meta)
            columns = emitter.buffer(meta.dtype, inner * _area(size) * _area(grad_output.shape[2:]))
            whole = emitter.in_memory(result)
            pointers = f"{whole.pointer()}, {y.pointer()}, {source.pointer()}, {columns.name}"
            emitter.kernel(f"{function}_{name}({pointers}, {tail}", reads=[y, source], writes=[whole, columns])
            gradients[place] = result
    if output_mask[2] and metas[2]:
        gradients[2] = sum_(emitter, metas[2], grad_output, [0, *range(2, len(grad_output.shape))])
    return tuple(gradients)


def _planes(shape: Sequence[int]) -> int:
    return _area(shape[:-2])


@rule("max_pool2d_with_indices")
def max_pool2d_with_indices(
    emitter: Emitter,
    metas: Sequence[Meta],
    input: Value,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] | int = 0,
    dilation: Sequence[int] | int = 1,
    ceil_mode: bool = False,
) -> tuple[Value, Value]:
    x, values, where = emitter.contiguous(input), emitter.new(metas[0]), emitter.new(metas[1])
    kernel = _square(kernel_size)
    window = _window(
        input.shape[-2:], kernel, metas[0].shape[-2:], _square(stride, kernel), _square(padding), _square(dilation)
    )
    to, places = emitter.in_memory(values), emitter.in_memory(where)
    emitter.kernel(
        f"max_pool_{c_type(input.dtype)}({to.pointer()}, {places.pointer()}, {x.pointer()}, "
        f"{_planes(input.shape)}, {window});",
        reads=[x],
        writes=[to, places],
    )
    return values, where


@rule("max_pool2d_with_indices_backward")
def max_pool2d_with_indices_backward(
    emitter: Emitter, meta: Meta, grad_output: Value, indices: Value, **_options: Any
) -> Value:
    y, where, result = emitter.contiguous(grad_output), emitter.contiguous(indices), emitter.new(meta)
    whole = emitter.in_memory(result)
    emitter.kernel(
        f"max_pool_input_{c_type(meta.dtype)}({whole.pointer()}, {y.pointer()}, {where.pointer()}, "
        f"{_planes(meta.shape)}, {_area(meta.shape[-2:])}, {_area(grad_output.shape[-2:])});",
        reads=[y, where],
        writes=[whole],
    )
    return result


def _mean_pool(
    emitter: Emitter,
    meta: Meta,
    source: Value,
    large: Sequence[int],
    small: Sequence[int],
    function: str,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int] | int,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Value:
    if divisor_override is not None:
        raise NotImplementedError("divisor_override")
    kernel, result = _square(kernel_size), emitter.new(meta)
    window = _window(large[-2:], kernel, small[-2:], _square(stride, kernel), _square(padding), (1, 1))
    whole, leaf = emitter.in_memory(result), emitter.contiguous(source)
    backwards = function.endswith("input")
    emitter.kernel(
        f"{function}_{c_type(meta.dtype)}({whole.pointer()}, {leaf.pointer()}, {_planes(large)}, "
        f"{int(count_include_pad)}, {window});",
        reads=[leaf, whole] if backwards else [leaf],
        writes=[whole],
    )
    return result


@rule("avg_pool2d")
def avg_pool2d(
    emitter: Emitter,
    meta: Meta,
    input: Value,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] | int = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Value:
    sizes = (kernel_size, stride, padding, count_include_pad, divisor_override)
    return _mean_pool(emitter, meta, input, input.shape, meta.shape, "mean_pool", *sizes)


@rule("avg_pool2d_backward")
def avg_pool2d_backward(
    emitter: Emitter,
    meta: Meta,
    grad_output: Value,
    input: Value,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int] | int,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Value:
    sizes = (kernel_size, stride, padding, count_include_pad, divisor_override)
    return _mean_pool(emitter, meta, grad_output, meta.shape, grad_output.shape, "mean_pool_input", *sizes)
