"""Matrix products: one kernel takes any strides on both sides."""

from lrlib._compiler import layout
from lrlib._compiler.emitter import Emitter, Meta
from lrlib._compiler.expression import Leaf, Value, c_type
from lrlib._compiler.rules import rule


def _product(emitter: Emitter, meta: Meta, a: Value, b: Value) -> Value:
    """``a (batch, M, K) @ b (batch, K, N)``, both already broadcast over the batch."""
    left, right = emitter.in_memory(a), emitter.in_memory(b)
    result = emitter.new(meta)
    whole = emitter.in_memory(result)
    batch, rows, depth = left.shape
    columns = right.shape[2]

    def address(leaf: Leaf, stride: int) -> str:
        return f"{leaf.pointer()} + z * {stride}" if batch > 1 and stride else leaf.pointer()

    text = (
        f"{f'for (i64 z = 0; z < {batch}; z++) ' if batch != 1 else ''}mm_{c_type(meta.dtype)}("
        f"{address(whole, rows * columns)}, {columns}, {address(left, left.strides[0])}, {left.strides[1]}, "
        f"{left.strides[2]}, {address(right, right.strides[0])}, {right.strides[1]}, {right.strides[2]}, "
        f"{rows}, {columns}, {depth}, 0);"
    )
    emitter.kernel(text, reads=[left, right], writes=[whole])
    return result


def _leaf_with(emitter: Emitter, value: Value, *axes: int) -> Value:
    """The value in memory, with axes of size 1 put in."""
    leaf = emitter.in_memory(value)
    for axis in axes:
        leaf = layout.insert(leaf, axis)
    return Value(leaf.shape, leaf)


@rule("mm")
def mm(emitter: Emitter, meta: Meta, input: Value, mat2: Value) -> Value:
    return _product(emitter, meta, _leaf_with(emitter, input, 0), _leaf_with(emitter, mat2, 0))


@rule("bmm")
def bmm(emitter: Emitter, meta: Meta, input: Value, mat2: Value) -> Value:
    return _product(emitter, meta, input, mat2)


def _scaled_sum(emitter: Emitter, meta: Meta, bias: Value, product: Value, beta: float, alpha: float) -> Value:
    if alpha != 1:
        product = emitter.call("({0} * {1})", meta, [product, alpha], meta.dtype)
    if beta == 0:
        return product
    if beta != 1:
        bias = emitter.call("({0} * {1})", Meta(bias.shape, meta.dtype), [bias, beta], meta.dtype)
    return emitter.call("({0} + {1})", meta, [product, bias], meta.dtype)


@rule("addmm")
def addmm(
    emitter: Emitter, meta: Meta, input: Value, mat1: Value, mat2: Value, beta: float = 1, alpha: float = 1
) -> Value:
    return _scaled_sum(emitter, meta, input, mm(emitter, meta, mat1, mat2), beta, alpha)


@rule("baddbmm")
def baddbmm(
    emitter: Emitter, meta: Meta, input: Value, batch1: Value, batch2: Value, beta: float = 1, alpha: float = 1
) -> Value:
    return _scaled_sum(emitter, meta, input, bmm(emitter, meta, batch1, batch2), beta, alpha)
