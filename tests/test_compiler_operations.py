"""The compiler's operations are those that this package or the promise in its docstring needs, and no others."""

from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value

from lrlib import models, surfaces, tasks, updates
from lrlib._compiler import lower
from lrlib._compiler.rules import _ALIASES, OPERATIONS, RULES
from lrlib._compiler.trace import operation, trace
from lrlib.training.compiled import Compilation

LAYERS: list[tuple[nn.Module, tuple[int, ...]]] = [
    (nn.Linear(4, 3), (5, 4)),
    (nn.Conv1d(2, 3, 3, padding=1), (2, 2, 8)),
    (nn.Conv2d(2, 4, 3, stride=2, groups=2), (2, 2, 8, 8)),
    (nn.MaxPool2d(2), (2, 2, 8, 8)),
    (nn.AvgPool2d(2), (2, 2, 8, 8)),
    (nn.AdaptiveAvgPool2d(1), (2, 2, 8, 8)),
    (nn.LayerNorm(4), (5, 4)),
    (nn.ZeroPad2d(1), (2, 2, 3, 3)),
    (nn.ReLU(), (5, 4)),
    (nn.Tanh(), (5, 4)),
    (nn.Sigmoid(), (5, 4)),
    (nn.GELU(), (5, 4)),
    (nn.GELU("tanh"), (5, 4)),
    (nn.SiLU(), (5, 4)),
    (nn.ELU(), (5, 4)),
    (nn.LeakyReLU(), (5, 4)),
    (nn.Softplus(), (5, 4)),
    (nn.Softmax(-1), (5, 4)),
    (nn.Flatten(), (2, 3, 4)),
]
CLASSES = torch.tensor([0, 3, 1, 2, 1])
FUNCTIONS: list[tuple[Callable[[Tensor], Tensor], tuple[int, ...]]] = [
    (lambda x: F.cross_entropy(x, CLASSES, label_smoothing=0.1), (5, 4)),
    (lambda x: F.binary_cross_entropy_with_logits(x, (x > 0).to(x.dtype)), (5, 4)),
    (lambda x: F.mse_loss(x, x.detach() + 1), (5, 4)),
    (lambda x: F.l1_loss(x, x.detach() + 1), (5, 4)),
    (lambda x: F.huber_loss(x, x.detach() + 1), (5, 4)),
    (lambda x: F.embedding(CLASSES, x), (4, 3)),
    (lambda x: F.scaled_dot_product_attention(x, x * 2, x + 1), (2, 3, 4)),
    (lambda x: F.scaled_dot_product_attention(x, x * 2, x + 1, is_causal=True), (2, 3, 4)),
    (lambda x: x.masked_fill(torch.ones(4, 4).triu(1).bool(), float("-inf")).softmax(-1), (4, 4)),
    (lambda x: x[CLASSES] + x[:, 1:2] - x.mean(1, keepdim=True), (5, 4)),
    (lambda x: torch.cat([x, x.var(0, keepdim=True)]).logsumexp(1), (5, 4)),
    (lambda x: torch.where((x > 0) & (x != 1) | ~(x < 2), x.clamp(-1, 1), x.norm()), (5, 4)),
    (lambda x: torch.baddbmm(x, x, x), (2, 3, 3)),
    (lambda x: 1 / (1 + x * x), (5, 4)),
]
TASKS: list[Callable[[], tasks.Task]] = [
    tasks.digits_mlp,
    tasks.digits_cnn,
    tasks.breast_cancer_mlp,
    tasks.pydoc_transformer,
    lambda: tasks.noisy_quadratic([1.0, 2.0]),
    lambda: tasks.surface_task(surfaces.rosenbrock()),
]
SURFACES = [
    surfaces.quadratic([1.0, 2.0], rotation=0.3),
    surfaces.ravine(10.0),
    surfaces.saddle(),
    surfaces.double_well(),
    surfaces.two_parabolas(4.0, 1.0),
    surfaces.rosenbrock(),
    surfaces.beale(),
    surfaces.himmelblau(),
]
RULES_OF_THE_PACKAGE = [
    updates.sgd(momentum=0.9, dampening=0.1, weight_decay=0.01),
    updates.nesterov(),
    updates.heavy_ball(),
    updates.adagrad(lr_decay=0.01, weight_decay=0.1),
    updates.rmsprop(momentum=0.5, centered=True),
    updates.adadelta(),
    updates.adam(weight_decay=0.01),
    updates.amsgrad(),
    updates.adamw(),
    updates.nadam(decoupled_weight_decay=True, weight_decay=0.01),
    updates.radam(),
    updates.lion(),
    updates.schedule_free_sgd(),
    updates.schedule_free_adamw(),
]


def operations(step: Callable[..., object], inputs: Sequence[Tensor]) -> set[str]:
    graph = trace(step, list(inputs)).graph  # type: ignore[arg-type]
    return {operation(n) for n in graph.nodes if n.op == "call_function" and n.target is not lower.operator.getitem}


def with_gradient(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], object]:
    return grad_and_value(lambda x: function(x).square().sum())


def of_parameters(layer: nn.Module) -> Callable[..., object]:
    names = [name for name, _ in layer.named_parameters()]

    def loss(params: list[Tensor], x: Tensor) -> Tensor:
        return functional_call(layer, dict(zip(names, params, strict=True)), (x,)).square().sum()

    return lambda x, *params: grad_and_value(loss)(list(params), x)


def promised() -> Iterator[set[str]]:
    for function, shape in [*LAYERS, *FUNCTIONS]:
        yield operations(with_gradient(function), [torch.rand(shape)])
    for layer, shape in LAYERS:
        if params := [parameter.detach() for parameter in layer.parameters()]:
            yield operations(of_parameters(layer), [torch.rand(shape), *params])


def shipped() -> Iterator[set[str]]:
    def of(task: tasks.Task, rule: updates.UpdateRule) -> set[str]:
        asked = Compilation(task, rule, batch_size=1, dtype=torch.float64, record_updates=True, clip_norm=None)._request
        given = [x.detach().double() if x.is_floating_point() else x for x in asked["inputs"].values()]
        return operations(asked["step"], given)

    yield from (of(task(), updates.sgd()) for task in TASKS)
    yield from (of(tasks.digits_mlp(), rule) for rule in RULES_OF_THE_PACKAGE)
    for activation in models.networks.ACTIVATIONS:
        model = models.mlp((4, 4, 3), activation=activation)
        yield operations(with_gradient(model), [torch.rand(5, 4)])
    for surface in SURFACES:
        yield operations(with_gradient(surface.function), [torch.rand(2, surface.dimension)])
    order = torch.zeros(3, dtype=torch.int32)  # what the programs for a page do around a model
    yield operations(lambda order, x: x[order.long()], [order, torch.rand(5, 4)])


def test_the_table_of_rules_is_the_list_of_operations() -> None:
    assert set(RULES) == OPERATIONS


def test_every_operation_is_needed() -> None:
    reached = set().union(*promised(), *shipped())
    assert reached <= OPERATIONS
    assert OPERATIONS - reached <= set(_ALIASES.split())


@pytest.mark.parametrize("call", [torch.sin, torch.cumsum, torch.flip])
def test_what_nothing_here_needs_is_left_to_torch(call: Callable[..., Tensor]) -> None:
    assert call.__name__ not in OPERATIONS
