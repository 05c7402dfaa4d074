"""Every primitive against torch: on random inputs, broadcast, strided, with negative axes, with NaN and infinities."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lrlib._compiler import compile_step
from lrlib._compiler.rules import _ALIASES, RULES
from lrlib._compiler.trace import operation, trace

NAN, INF = float("nan"), float("inf")
SPECIAL = torch.tensor([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, 3.0, -2.5, 1e-3, 40.0])


def inputs(dtype: torch.dtype) -> dict[str, Tensor]:
    """What every case may read, by name."""
    g = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=g, dtype=torch.float64).to(dtype)

    return {
        "a": normal(4, 6),
        "b": normal(4, 6),
        "row": normal(6),
        "column": normal(4, 1),
        "scalar": normal(),
        "counter": torch.tensor(3.0, dtype=torch.float64),
        "special": SPECIAL.to(dtype),
        "c": normal(3, 4, 5),
        "d": normal(3, 5, 7),
        "tall": normal(300, 9),
        "wide": normal(9, 37),
        "image": normal(2, 4, 6, 5),
        "filters": normal(6, 2, 3, 2),
        "signal": normal(2, 3, 9),
        "taps": normal(4, 3, 3),
        "i": torch.randint(-9, 9, (4, 6), generator=g),
        "rows": torch.tensor([2, 0, -1, 2]),
        "picks": torch.randint(0, 6, (4, 3), generator=g),
        "flags": torch.rand(4, 6, generator=g) > 0.5,
    }


Case = Callable[..., Tensor]

SPECIAL_SAFE = {
    "relu": lambda special: torch.relu(special),
    "maximum": lambda special: torch.maximum(special, special[[3, 0, 2, 1, 4, 6, 5, 8, 7, 10, 11, 9]]),
    "minimum": lambda special: torch.minimum(special, special[[3, 0, 2, 1, 4, 6, 5, 8, 7, 10, 11, 9]]),
    "abs": lambda special: special.abs(),
    "sign": lambda special: torch.sign(special),
    "sqrt": lambda special: special.sqrt(),
    "rsqrt": lambda special: special.rsqrt(),
    "reciprocal": lambda special: special.reciprocal(),
    "exp": lambda special: special.exp(),
    "exp_far": lambda special: (special * 1000).exp(),
    "expm1": lambda special: special.expm1(),
    "log": lambda special: special.log(),
    "log1p": lambda special: special.log1p(),
    "tanh": lambda special: special.tanh(),
    "sigmoid": lambda special: special.sigmoid(),
    "erf": lambda special: special.erf(),
    "erf_all": lambda special: torch.erf(torch.arange(-70, 70).to(special.dtype) * 0.1),
    "clamp": lambda special: special.clamp(-1.0, 2.0),
    "clamp_min": lambda special: special.clamp(min=0.25),
    "clamp_tensor": lambda special: special.clamp(max=special[[3, 0, 2, 1, 4, 6, 5, 8, 7, 10, 11, 9]]),
    "amax": lambda special: special.amax(),
    "amax_clean": lambda special: special[1:].amax(0),
    "sum_nan": lambda special: special.sum(),
    "where_hides": lambda special: torch.where(special != special, 0.0, special),
    "masked_fill": lambda special: special.masked_fill(special > 1, -INF),
    "pow_2": lambda special: special**2,
    "pow_3": lambda special: special**3,
    "pow_-1": lambda special: special**-1,
    "pow_half": lambda special: special**0.5,
    "pow_1.7": lambda special: special**1.7,
    "pow_base": lambda special: 0.9**special,
    "pow_tensor": lambda special: torch.pow(special, special[[3, 0, 2, 1, 4, 6, 5, 8, 7, 10, 11, 9]]),
    "softplus": lambda special: F.softplus(special),
    "silu": lambda special: F.silu(special),
    "gelu": lambda special: F.gelu(special.clamp(-60, 60)),  # at infinity torch itself differs from CPU to CPU
    "gelu_tanh": lambda special: F.gelu(special, approximate="tanh"),
    "elu": lambda special: F.elu(special),
    "leaky_relu": lambda special: F.leaky_relu(special),
    "softmax_inf": lambda special: torch.softmax(special[1:].masked_fill(special[1:] > 30, -INF)[1:], 0),
    "nan_comparisons": lambda special: torch.stack([special > 0, special <= special, special != special, special == 0]),
}
ELEMENTWISE = {
    "add": lambda a, b: a + b,
    "add_row": lambda a, row: a + row,
    "add_alpha": lambda a, column: torch.add(a, column, alpha=0.3),
    "sub_column": lambda a, column: column - a,
    "rsub": lambda a: 1.5 - a,
    "mul_scalar": lambda a, scalar: a * scalar,
    "mul_outer": lambda row, column: row * column,
    "div": lambda a, b: a / b,
    "div_int": lambda i: i / 4,
    "neg": lambda a: -a,
    "counter": lambda a, counter: a / (1 - 0.9**counter),
    "counter_alone": lambda counter: torch.exp(-(counter + 1)),
    "transposed": lambda a, b: a.t() * b.t() + a.t(),
    "mixed_layout": lambda a, b: a.t().contiguous() + b.t(),
    "strided": lambda a: a[::2, 1::2] * 2,
    "logical": lambda flags, a: (flags & (a > 0)) | ~flags,
    "logical_of_numbers": lambda i, a: torch.logical_and(i, a) | torch.logical_not(i),
    "bitwise_int": lambda i: (i & 5) | (i & 3),
    "where_mixed": lambda flags, i, a: torch.where(flags, i, a),
    "to_int": lambda a: (a * 3).long(),
    "to_bool": lambda i: i.bool(),
    "to_double": lambda a: a.double() + 1,
    "bool_times": lambda flags, a: flags * a,
    "int_abs_sign": lambda i: i.abs() + i.sign() * i.clamp(-2, 3),
    "arange": lambda a: torch.arange(6) * a,
    "arange_step": lambda a: torch.arange(10, -2, -2, dtype=a.dtype) + a,
    "arange_float": lambda a: torch.arange(0.0, 3.0, 0.5, dtype=a.dtype) * a,
    "full": lambda a: torch.full_like(a, 2.5) + torch.zeros_like(a) + torch.ones(6, dtype=a.dtype),
    "lerp": lambda a, b: torch.lerp(a, b, 0.3),
    "addcmul": lambda a, b, row: torch.addcmul(a, b, row, value=0.5),
    "addcdiv": lambda a, b, row: torch.addcdiv(a, b, row, value=-2.0),
    "copysign": lambda a: torch.where(a < 0, -torch.ones_like(a), torch.ones_like(a)),
    "huge_integer": lambda i: i + 4_000_000_000,
}
STRUCTURE = {
    "view": lambda c: c.view(-1, 10) + 0,
    "view_of_transposed": lambda c: c.transpose(0, 2).reshape(5, 12) * 1.0,
    "view_of_expression": lambda c: (c.permute(1, 0, 2) + 1).reshape(-1),
    "permute_negative": lambda c: c.permute(-1, 0, 1) + 0,
    "unsqueeze_squeeze": lambda a: a.unsqueeze(-1).unsqueeze(0).squeeze(0).squeeze() * 2,
    "expand": lambda column: column.expand(2, 4, 3) + 0,
    "select": lambda c: c.select(-2, -1) + c.select(1, 0),
    "slice_negative": lambda c: c[:, -3:-1, ::2] + 0,
    "split": lambda a: a.split([1, 2, 3], 1)[1] * a.split(2, -1)[0],
    "unbind": lambda c: c.unbind(1)[3] - c.unbind(1)[0],
    "chunk": lambda a: a.chunk(3, 1)[2] + 0,
    "cat": lambda a, b: torch.cat([a, (b * 2), a[:, :0]], -1),
    "cat_parts": lambda a, b: torch.cat([(a @ b.t()).reshape(-1), b.sum(0), a.reshape(-1)]),
    "cat_twice": lambda a: torch.cat([torch.cat([a + 1, a + 2]), torch.cat([a + 3, a + 4])]),
    "stack": lambda a, b: torch.stack([a, b * 2, a + b], -1),
    "pad": lambda a: F.pad(a, (1, -2, 2, 0), value=0.5),
    "repeat_interleave": lambda a: a.unsqueeze(-1).expand(4, 6, 2).reshape(4, 12),
    "tril_triu": lambda c: c.tril(1) + c.triu(-1) * 2,
    "empty_sum": lambda a: a[:, :0].sum(1),
}
REDUCTIONS = {
    "sum": lambda c: c.sum(),
    "sum_rows": lambda c: c.sum(0),
    "sum_middle": lambda c: c.sum(1),
    "sum_last": lambda c: c.sum(-1, keepdim=True),
    "sum_two": lambda c: c.sum((0, -1)),
    "sum_two_keep": lambda c: c.sum((0, 2), keepdim=True),
    "sum_transposed": lambda c: c.permute(2, 0, 1).sum(0),
    "sum_expression": lambda a, b: (a * b).sum(1),
    "sum_bool": lambda flags: flags.sum(),
    "sum_int": lambda i: i.sum(0),
    "sum_to_double": lambda a: a.sum(dtype=torch.float64),
    "sum_0dim": lambda scalar: scalar.sum(),
    "mean": lambda c: c.mean((1, 2)),
    "mean_all": lambda c: c.mean(),
    "amax": lambda c: c.amax((0, 2)),
    "amax_last": lambda tall: tall.amax(-1, keepdim=True),
    "amax_long": lambda tall: tall.t().contiguous().amax(1),
    "amax_strided": lambda tall: tall[:, ::2].amax(1),
    "any_all": lambda flags: flags.any(1) & flags.all(1),
    "any_numbers": lambda i: i.any(),
    "var": lambda a: a.var(1),
    "var_mean": lambda c: sum(torch.var_mean(c, (0, 1), correction=0)),
    "std": lambda a: a.std(0),
    "norm": lambda a: torch.linalg.vector_norm(a) + a.norm(dim=1),
    "norm_1": lambda a: torch.linalg.vector_norm(a, 1, dim=0),
    "norm_inf": lambda a: torch.linalg.vector_norm(a, INF),
    "logsumexp": lambda c: torch.logsumexp(c, -1),
    "softmax": lambda c: torch.softmax(c, 1),
    "log_softmax": lambda a: torch.log_softmax(a, -1),
    "layer_norm": lambda a, row: F.layer_norm(a, (6,), row, row * 2),
    "group_norm": lambda image: F.group_norm(image, 2),
    "cross_entropy": lambda a, rows: F.cross_entropy(a, rows.abs()),
}
INDEXING = {
    "index": lambda a, rows: a[rows],
    "index_of_view": lambda a, rows: a.t()[rows],
    "index_two": lambda a, rows, picks: a[rows.unsqueeze(1), picks],
    "index_last": lambda c, rows: c[:, :, rows],
    "index_split": lambda c, rows: c[rows.clamp(-1, 2), :, rows],
    "index_size_1": lambda column, rows: column[rows, torch.zeros_like(rows)],
    "embedding": lambda a, picks: F.embedding(picks.clamp(max=3), a),
    "gather": lambda a, picks: a.gather(1, picks),
    "scatter": lambda a, picks, b: a.scatter(1, picks[:, :1], b),
    "scatter_value": lambda a, picks: a.scatter(1, picks, 2.5),
    "scatter_add": lambda a, picks, b: a.scatter_add(1, picks, b),
    "index_put": lambda a, rows, b: a.index_put((rows.abs()[:2],), b[:2]),
    "index_add": lambda a, rows, b: a.index_put((rows,), b, accumulate=True),
    "index_put_column": lambda c, rows: c.index_put((rows.abs()[:3], rows.abs()[:3]), c[:, 0], accumulate=True),
}
PRODUCTS = {
    "mm": lambda a, b: a @ b.t(),
    "mm_odd": lambda tall, wide: tall @ wide,
    "mm_deep": lambda tall: tall.t() @ tall,
    "mm_strided": lambda tall, wide: tall[::3, 1::2] @ wide[:4, ::2],
    "mm_expression": lambda a, b: (a + 1) @ (b.t() * 2),
    "mm_one_row": lambda tall, wide: tall[:1] @ wide,
    "mv": lambda a, row: a @ row,
    "dot": lambda row: row @ (row + 1),
    "bmm": lambda c, d: c @ d,
    "bmm_transposed": lambda c: c.transpose(1, 2) @ c,
    "bmm_broadcast": lambda c, d: c[:1] @ d,
    "matmul_4d": lambda c, d: c.expand(2, 3, 4, 5) @ d,
    "addmm": lambda a, b, column: torch.addmm(column, a, b.t(), beta=0.5, alpha=2.0),
    "addmm_zero": lambda a, b, column: torch.addmm(column * NAN, a, b.t(), beta=0.0),
    "baddbmm": lambda c, d: torch.baddbmm(c[:, :, :1], c, d),
    "linear": lambda c: F.linear(c, c[0], c[0, :, 0]),
    "einsum": lambda c, d: torch.einsum("nij,njk->ik", c, d),
    "attention": lambda c: F.scaled_dot_product_attention(c, c * 2, c + 1, is_causal=True),
}
CONVOLUTION = {
    "conv": lambda image, filters: F.conv2d(image[:, :2], filters),
    "conv_full": lambda image, filters, row: F.conv2d(image, filters, row, (2, 1), (1, 2), (2, 1), 2),
    "conv_1d": lambda signal, taps: F.conv1d(signal, taps, padding=1, stride=2),
    "max_pool": lambda image: F.max_pool2d(image, 2),
    "max_pool_full": lambda image: F.max_pool2d(image, (3, 2), (2, 1), 1),
    "max_pool_dilated": lambda image: F.max_pool2d(image, 2, 1, 0, 2),
    "max_pool_ceil": lambda image: F.max_pool2d(image, 2, ceil_mode=True),
    "max_pool_nan": lambda image: F.max_pool2d(torch.where(image > 1.5, NAN, image), 2),
    "avg_pool": lambda image: F.avg_pool2d(image, 2),
    "avg_pool_full": lambda image: F.avg_pool2d(image, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    "avg_pool_padded": lambda image: F.avg_pool2d(image, 3, 2, 1, ceil_mode=True),
    "adaptive": lambda image: F.adaptive_avg_pool2d(image, 1),
}
GRADIENTS = {
    "conv": lambda image, filters: F.conv2d(image[:, :2], filters).square().sum(),
    "conv_full": lambda image, filters, row: F.conv2d(image, filters, row, (2, 1), (1, 2), (2, 1), 2).square().sum(),
    "conv_1d": lambda signal, taps: F.conv1d(signal, taps, padding=1, stride=2).square().sum(),
    "max_pool": lambda image: F.max_pool2d(image, 3, 2, 1).square().sum(),
    "avg_pool": lambda image: F.avg_pool2d(image, 3, 2, 1, count_include_pad=False).square().sum(),
    "adaptive": lambda image: F.adaptive_avg_pool2d(image, (2, 1)).square().sum(),
    "layer_norm": lambda a, row: (F.layer_norm(a, (6,), row, row * 2) * row).square().sum(),
    "group_norm": lambda image: F.group_norm(image, 2).pow(3).sum(),
    "attention": lambda c: F.scaled_dot_product_attention(c, c * 2, c + 1, is_causal=True).square().sum(),
    "embedding": lambda a, picks: F.embedding(picks.clamp(max=3), a).square().sum(),
    "indexing": lambda a, rows: a[rows].square().sum() + a[:, rows].sum() + a[1:, 2].sum(),
    "activations": lambda a: sum(f(a).sum() for f in (F.gelu, F.silu, F.elu, F.softplus, F.leaky_relu, torch.tanh)),
    "gelu_tanh": lambda a: F.gelu(a, approximate="tanh").square().sum(),
    "cross_entropy": lambda a, rows: F.cross_entropy(a, rows.abs(), label_smoothing=0.1),
    "binary": lambda a, flags: F.binary_cross_entropy_with_logits(a, flags.to(a.dtype)),
    "mse_huber": lambda a, b: F.mse_loss(a, b) + F.huber_loss(a, b) + F.l1_loss(a, b),
    "extremes": lambda a: a.amax(1).sum() + a.amax(),
    "norms": lambda a: a.norm() + a.var() + a.std(1).sum(),
}


def named(function: Case) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[: code.co_argcount]


GROUPS = [SPECIAL_SAFE, ELEMENTWISE, STRUCTURE, REDUCTIONS, INDEXING, PRODUCTS, CONVOLUTION]
CASES: dict[str, tuple[Case, tuple[str, ...]]] = {}
for number, group in enumerate(GROUPS):
    for key, case in group.items():
        CASES[f"{number}_{key}"] = (case, named(case))
for key, case in GRADIENTS.items():
    for place in range(len([n for n in named(case) if n not in ("rows", "picks", "flags", "b")])):
        CASES[f"d_{key}_{named(case)[place]}"] = (torch.func.grad(case, argnums=place), named(case))


@pytest.fixture(scope="module", params=[torch.float64, torch.float32], ids=["float64", "float32"])
def everything(request: pytest.FixtureRequest) -> tuple[torch.dtype, dict[str, Tensor], dict[str, np.ndarray]]:
    """All cases in one program: their inputs and their outputs."""
    tensors = inputs(request.param)

    def step(*values: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(tensors, values, strict=True))
        return tuple(case(*(given[name] for name in names)) for case, names in CASES.values())

    program = compile_step(step, tensors, outputs=tuple(CASES))
    return request.param, tensors, program.run(tensors).recorded


@pytest.mark.parametrize("name", CASES)
def test_primitive_agrees_with_torch(
    name: str, everything: tuple[torch.dtype, dict[str, Tensor], dict[str, np.ndarray]]
) -> None:
    dtype, tensors, recorded = everything
    case, names = CASES[name]
    wanted = case(*(tensors[key].clone() for key in names))
    found = torch.from_numpy(recorded[name])[0]
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5
    assert found.dtype == wanted.dtype
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance, equal_nan=True)


def test_every_rule_is_exercised() -> None:
    tensors = inputs(torch.float64)
    seen = set()
    for case, names in CASES.values():
        seen |= {operation(node) for node in trace(case, [tensors[name] for name in names]).graph.nodes}
    unseen = set(RULES) - seen
    assert unseen <= set(_ALIASES.split()), f"rules that no case reaches: {sorted(unseen)}"


LONG_SUMS: dict[str, tuple[Tensor, Callable[[Tensor], Tensor]]] = {
    "rows": (torch.rand(60_000, 10, generator=torch.Generator().manual_seed(0)), lambda x: x.sum(0)),
    "tenths": (torch.full((1_000_000, 3), 0.1), lambda x: x.sum(0)),
    "adjacent_tenths": (torch.full((1_000_000,), 0.1), lambda x: x.sum()),
    "middle": (torch.full((3, 5000, 4), 0.1), lambda x: x.sum(1)),
    "around": (torch.full((300, 4, 50, 6), 0.1), lambda x: x.sum((0, 2))),
    "last_two": (torch.full((4, 300, 50), 0.1), lambda x: x.sum((1, 2))),
    "outer_two": (torch.full((300, 7, 50), 0.1), lambda x: x.sum((0, 2))),
    "squares": (torch.full((60_000, 5), 0.1), lambda x: (x * x).mean(0)),
}


@pytest.mark.parametrize("name", LONG_SUMS)
def test_long_sums_in_float32_keep_their_digits(name: str) -> None:
    x, total = LONG_SUMS[name]
    found = compile_step(lambda x: (total(x),), {"x": x}, outputs=("y",)).run({"x": x}, steps=1).recorded["y"][0]
    np.testing.assert_allclose(found, total(x.double()).numpy(), rtol=1e-6)  # torch's own: 6e-7
