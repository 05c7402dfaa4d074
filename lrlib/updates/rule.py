"""What an update rule is: a pair of pure functions over a stack of runs."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from lrlib._check import fail

State = dict[str, Any]  # each value a Tensor or a list of Tensors, one per parameter


@dataclass(frozen=True, repr=False, eq=False)
class UpdateRule:
    """How one optimizer step turns gradients into new parameters, for a whole stack of runs at once.

    ``init(params) -> state`` and ``update(params, grads, state, learning_rate) -> (params, state)`` are pure: they
    return new tensors and leave their inputs as they were. ``params`` and ``grads`` are lists of tensors of shape
    (runs, ...); ``learning_rate`` has shape (runs,) and the parameters' dtype. No run ever sees another's numbers.
    Whoever trains calls ``step``, which gives ``update`` the loss, too, if it needs it.
    :func:`lrlib.checks.check_rule` tries all of this out on a rule of one's own.

    Two rules are equal if they compute the same: the same functions, given the same values (of ``functools.partial``),
    under the same name. A function that was defined anew is another one, even if it has the old one's name.

    Attributes:
        name: the constructor's name.
        init: the state before the first update; a flat dict of tensors and lists of tensors.
        update: one step.
        flattenable: whether all parameters may as well be given as one flat tensor (runs, parameters).
        hyperparameters: what the constructor was given, read-only.
        traceable: whether ``torch.fx.experimental.proxy_tensor.make_fx`` can trace ``update``.
        default_learning_rate: the rate that ``torch.optim`` would use if none was given.
        evaluated: ``evaluated(params, state)``, the parameters to evaluate and to keep, for a rule that takes its
            gradients elsewhere; ``None`` for all others.
        needs_loss: whether ``update`` takes a keyword ``loss``, (runs,): the losses that ``grads`` are gradients of.
        for_tensors: ``for_tensors(names, shapes)``, the rule for tensors of these names and shapes (without the axis
            of runs), for a rule that treats them differently, such as :func:`lrlib.updates.partition`; ``None`` for
            all others. Whoever trains calls ``bind``.

    >>> import torch
    >>> from lrlib.updates import sgd
    >>> rule = sgd()
    >>> params = [torch.tensor([[1.0], [1.0]])]  # two runs of one parameter
    >>> params, state = rule.update(params, params, rule.init(params), torch.tensor([0.1, 0.5]))
    >>> params
    [tensor([[0.9000],
            [0.5000]])]
    """

    name: str
    init: Callable[[list[Tensor]], State]
    update: Callable[..., tuple[list[Tensor], State]]
    flattenable: bool
    hyperparameters: Mapping[str, Any]
    traceable: bool
    default_learning_rate: float
    evaluated: Callable[[list[Tensor], State], list[Tensor]] | None = None
    needs_loss: bool = False
    for_tensors: "Callable[[Sequence[str], Sequence[tuple[int, ...]]], UpdateRule] | None" = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "hyperparameters", MappingProxyType(dict(self.hyperparameters)))

    def step(
        self, params: list[Tensor], grads: list[Tensor], state: State, learning_rate: Tensor, *, loss: Tensor
    ) -> tuple[list[Tensor], State]:
        """``update``, given the losses (runs,) if it needs them."""
        if self.needs_loss:
            return self.update(params, grads, state, learning_rate, loss=loss)
        return self.update(params, grads, state, learning_rate)

    def bind(self, names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> "UpdateRule":
        """The rule for these tensors: itself, unless it treats them differently."""
        if self.for_tensors is None:
            return self
        return self.for_tensors(tuple(names), tuple(tuple(shape) for shape in shapes))

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in self.hyperparameters.items())})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UpdateRule):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    def __hash__(self) -> int:
        functions = (self.init, self.update, self.evaluated)
        return hash((self.name, *(f.func if isinstance(f, partial) else f for f in functions)))

    def __reduce__(self) -> tuple[Any, ...]:  # a mapping proxy does not pickle
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return UpdateRule, tuple((parts | {"hyperparameters": dict(self.hyperparameters)}).values())


def _same(a: Any, b: Any) -> bool:
    """Whether two parts of a rule are the same: partial functions and containers part by part, tensors by identity."""
    if a is b:
        return True
    if type(a) is not type(b) or isinstance(a, Tensor):
        return False
    if isinstance(a, partial):
        return _same((a.func, a.args, a.keywords), (b.func, b.args, b.keywords))
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b) if isinstance(a, Hashable) else False


def check_params(params: list[Tensor]) -> None:
    """A non-empty list of floating-point tensors that agree on the number of runs."""
    need = "a non-empty list of floating-point tensors of shape (runs, ...)"
    if not isinstance(params, list | tuple) or not all(isinstance(p, Tensor) for p in params):
        fail("params", need, params, error=TypeError)
    if not params or not all(p.is_floating_point() and p.dim() > 0 and len(p) == len(params[0]) for p in params):
        fail("params", need, [(str(p.dtype), tuple(p.shape)) for p in params])


def each_run(params: list[Tensor], value: float = 0.0) -> Tensor:
    """(runs,) of one number, beside the parameters."""
    return torch.full_like(params[0].reshape(len(params[0]), -1)[:, 0], value)


def dot(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """(runs,) the inner product of all that a run has in ``a`` with all that it has in ``b``."""
    return torch.stack([(x * y).reshape(len(x), -1).sum(dim=1) for x, y in zip(a, b, strict=True)]).sum(dim=0)


def zeros(params: list[Tensor]) -> list[Tensor]:
    """One zero tensor for each parameter."""
    return [torch.zeros_like(p) for p in params]


def scalar(value: float, params: list[Tensor]) -> Tensor:
    """A 0-dim tensor beside the parameters: 0-dim, so that float64 does not promote float32 parameters."""
    device = params[0].device
    dtype = torch.float32 if device.type == "mps" else torch.float64  # the one device without float64
    return torch.full((), value, dtype=dtype, device=device)


def check_rates(learning_rate: Tensor, params: list[Tensor]) -> None:
    """One rate for each run."""
    if not isinstance(learning_rate, Tensor):
        fail("learning_rate", "a tensor of shape (runs,)", learning_rate, error=TypeError)
    if learning_rate.shape != params[0].shape[:1]:
        fail("learning_rate", f"a tensor of shape ({len(params[0])},)", tuple(learning_rate.shape))


def per_run(values: Tensor, like: Tensor) -> Tensor:
    """Values of shape (runs,), shaped so that they broadcast against ``like`` of shape (runs, ...)."""
    return values.reshape(-1, *[1] * (like.dim() - 1))


def power(base: float, exponent: Tensor) -> Tensor:
    """``base ** exponent`` for 0 <= base < 1 and exponent > 0."""
    return torch.exp(exponent * (math.log(base) if base > 0 else -1e3))  # exp(-1000) is 0 in every float type


def named_tensors(state: State) -> dict[str, Tensor]:
    """A state's tensors by names of their own."""
    named: dict[str, Tensor] = {}
    for key, value in state.items():
        tensors = value if isinstance(value, list) else [value]
        named |= {f"{key}[{i}]": tensor for i, tensor in enumerate(tensors)}
    return named


def nested_tensors(named: dict[str, Tensor], like: State) -> State:
    """The inverse of :func:`named_tensors`."""
    return {
        key: [named[f"{key}[{i}]"] for i in range(len(value))] if isinstance(value, list) else named[f"{key}[0]"]
        for key, value in like.items()
    }
