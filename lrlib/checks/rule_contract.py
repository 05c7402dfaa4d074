"""What every update rule promises, tried on a small problem: one function a promise."""

import importlib.util
import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map

from lrlib import _check
from lrlib.checks.promises import broken, tried
from lrlib.checks.trial import RATES, Shapes, descend, flat, problem, slope, trial_task
from lrlib.training import sweep
from lrlib.updates import State, UpdateRule

TENSORS: Shapes = {"0.weight": (3, 2), "0.bias": (2,), "scale": ()}
Promise = Callable[[UpdateRule, Shapes], str | None]


def check_rule(rule: UpdateRule, *, tensors: Shapes | None = None) -> dict[str, str]:
    """Try out whether an update rule keeps the contract of :class:`lrlib.updates.UpdateRule`.

    Every promise is tried in float64 on a few updates of three runs with noisy gradients. A rule that keeps them all
    can be trained, swept and stacked, by either engine, and shown in a page's lab. That it is the rule one wanted is
    another matter: write a twin for that.

    Args:
        rule: the rule.
        tensors: names and shapes of the parameters to try it on; a weight, a bias and a lone number if none are given.

    Returns:
        Each promise with ``"kept"``, or with ``"not tried: "`` and why.

    Raises:
        TypeError: if ``rule`` is no :class:`lrlib.updates.UpdateRule`, or ``tensors`` no mapping.
        ValueError: for the first promise that is broken, by its name.

    >>> from lrlib.updates import sgd
    >>> check_rule(sgd())["leaves its inputs as they were"]
    'kept'
    """
    if not isinstance(rule, UpdateRule):
        _check.fail("rule", "an UpdateRule", rule, error=TypeError)
    tensors = TENSORS if tensors is None else tensors
    if not isinstance(tensors, Mapping):
        _check.fail("tensors", "a mapping from names to shapes", tensors, error=TypeError)
    if not tensors:
        _check.fail("tensors", "one or more shapes by name", tensors)
    rule = rule.bind(list(tensors), list(tensors.values()))
    return tried(PROMISES, rule, tensors)


def _keeps_shapes(rule: UpdateRule, tensors: Shapes) -> None:
    need = "gives parameters and a state of the shapes and types that it was given"  # a state may begin empty
    params, noise = problem(tensors, runs=3, steps=3)
    state, rates = rule.init(params), torch.tensor(RATES, dtype=torch.float64)
    if not _is_state(state):
        broken("rule", rule, need, f"init gave {_kind(state)}, where a state is a dict of tensors and lists of tensors")
    for n in noise:
        grads, loss = slope(params, n)
        found = rule.step(params, grads, state, rates, loss=loss)
        if not (isinstance(found, tuple) and len(found) == 2 and _are_tensors(found[0]) and _is_state(found[1])):
            broken("rule", rule, need, f"update gave {_kind(found)}, where (list of tensors, state) is due")
        new, new_state = found
        told = [(p.shape, p.dtype) for p in new]
        if told != [(p.shape, p.dtype) for p in params]:
            broken("rule", rule, need, f"parameters became {told}")
        (old_leaves, old), (leaves, spec) = tree_flatten(state), tree_flatten(new_state)
        if state and (old != spec or [t.shape for t in old_leaves] != [t.shape for t in leaves]):
            broken("rule", rule, need, f"the state's {list(state)} became {list(new_state)}, or changed its shapes")
        params, state = new, new_state
    small = [p.float() for p in params]
    moved, _ = rule.step(small, small, rule.init(small), rates.float(), loss=loss.float())
    if any(p.dtype != torch.float32 for p in moved):
        broken("rule", rule, need, "float32 parameters became float64")


def _are_tensors(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(t, Tensor) for t in value)


def _is_state(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(part, Tensor) or _are_tensors(part) for part in value.values())


def _kind(value: object) -> str:
    """The type of a value, and of what a tuple or a dict holds."""
    if isinstance(value, tuple):
        return f"({', '.join(type(part).__name__ for part in value)})"
    held = {type(part).__name__ for part in value.values()} if isinstance(value, dict) else set()
    return type(value).__name__ + (f" of {', '.join(sorted(held))}" if held else "")


def _is_pure(rule: UpdateRule, tensors: Shapes) -> None:
    def watch(params: list[Tensor], grads: list[Tensor], state: State, rates: Tensor, loss: Tensor) -> None:
        given = {"params": params, "grads": grads, "state": state, "learning_rate": rates, "loss": loss}
        before = tree_map(torch.clone, given)
        first = rule.step(params, grads, state, rates, loss=loss)
        for name in given:
            pairs = zip(tree_leaves(given[name]), tree_leaves(before[name]), strict=True)
            if not all(torch.equal(a, b) for a, b in pairs):
                broken("rule", rule, "leaves its inputs as they were", f"it changed {name}")
        again = rule.step(params, grads, state, rates, loss=loss)
        if not all(torch.equal(a, b) for a, b in zip(tree_leaves(first), tree_leaves(again), strict=True)):
            broken("rule", rule, "gives the same whenever it is given the same", "a second call gave something else")

    descend(rule, tensors, steps=4, watch=watch)


def _isolates_runs(rule: UpdateRule, tensors: Shapes) -> None:
    calm = flat(descend(rule, tensors)[0])[[0, 2]]
    for poison in (math.inf, math.nan, 1e308):
        if not torch.equal(flat(descend(rule, tensors, poison=poison)[0])[[0, 2]], calm):
            broken("rule", rule, "keeps every run to itself", f"a gradient of {poison} in one run changed another")
    alone = flat(_alone(rule, tensors))
    together = flat(descend(rule, tensors)[0])[1:2]
    if not torch.allclose(alone, together, rtol=1e-12, atol=1e-12):
        broken("rule", rule, "keeps every run to itself", "a run alone goes elsewhere than beside two others")


def _alone(rule: UpdateRule, tensors: Shapes) -> list[Tensor]:
    params, noise = problem(tensors, runs=3, steps=12)
    params = [p[1:2] for p in params]
    state, rates = rule.init(params), torch.tensor(RATES[1:2], dtype=torch.float64)
    for n in noise:
        grads, loss = slope(params, [x[1:2] for x in n])
        params, state = rule.step(params, grads, state, rates, loss=loss)
    return params


def _may_be_flattened(rule: UpdateRule, tensors: Shapes) -> str | None:
    if not rule.flattenable:
        return "the rule says that it is not flattenable"
    params, noise = problem(tensors, runs=3, steps=12)
    row, rates = [flat(params)], torch.tensor(RATES, dtype=torch.float64)
    state = rule.init(row)
    for n in noise:
        pieces = _cut(row[0], params)
        grads, loss = slope(pieces, n)
        row, state = rule.step(row, [flat(grads)], state, rates, loss=loss)
    if not torch.allclose(row[0], flat(descend(rule, tensors)[0]), rtol=1e-12, atol=1e-12):
        broken("rule", rule, "does on one flat tensor what it does on a list of them", "it does something else")
    return None


def _cut(row: Tensor, like: list[Tensor]) -> list[Tensor]:
    parts = row.split([p[0].numel() for p in like], dim=1)
    return [part.reshape(p.shape) for part, p in zip(parts, like, strict=True)]


def _can_be_traced(rule: UpdateRule, tensors: Shapes) -> str | None:
    if not rule.traceable:
        return "the rule says that it is not traceable"
    params, noise = problem(tensors, runs=3, steps=8)
    state, rates = rule.init(params), torch.tensor(RATES, dtype=torch.float64)

    def one(params: list[Tensor], grads: list[Tensor], state: State, rates: Tensor, loss: Tensor) -> object:
        return rule.step(params, grads, state, rates, loss=loss)

    grads, loss = slope(params, noise[0])
    try:
        traced = make_fx(one)(params, grads, state, rates, loss)
    except Exception as error:
        raise ValueError(f"rule must be one that can be traced, but got {rule!r}: {error}") from error
    for n in noise:
        grads, loss = slope(params, n)
        mirror = traced(params, grads, state, rates, loss)
        params, state = rule.step(params, grads, state, rates, loss=loss)
        if not _same(mirror, (params, state)):
            broken("rule", rule, "does the same at every update when it is traced once", "the trace went elsewhere")
    return None


def _same(a: object, b: object) -> bool:
    pairs = zip(tree_leaves(a), tree_leaves(b), strict=True)
    return all(torch.allclose(x, y, rtol=1e-12, atol=1e-12, equal_nan=True) for x, y in pairs)


def _engines_agree(rule: UpdateRule, tensors: Shapes) -> str | None:
    if not rule.traceable:
        return "the rule says that it is not traceable"
    if importlib.util.find_spec("ziglang") is None:
        return "the package ziglang is not installed"
    task = trial_task(tensors)
    runs = [
        sweep(task, learning_rates=RATES, rule=rule, steps=12, batch_size=8, dtype=torch.float64, engine=engine)
        for engine in ("torch", "compiled")
    ]
    eager, compiled = (np.nan_to_num(run.loss, nan=np.inf) for run in runs)
    if not np.allclose(eager, compiled, rtol=1e-8, atol=1e-12):
        broken("rule", rule, "trains alike on both engines", "the compiled engine's losses are others than torch's")
    return None


def _page_agrees(rule: UpdateRule, tensors: Shapes) -> str | None:
    if not rule.traceable:
        return "the rule says that it is not traceable"
    for package in ("ziglang", "wasmtime", "matplotlib", "ipywidgets", "anywidget"):
        if importlib.util.find_spec(package) is None:
            return f"the package {package} is not installed"
    from lrlib.checks.pages import run_in_a_page

    params, noise = problem(tensors, runs=1, steps=12)
    if any(bool(t.any()) for t in tree_leaves(rule.init(params))):
        return "its state does not start at zero, which is what a page can start"
    state, rates = rule.init(params), torch.tensor(RATES[2:], dtype=torch.float64)
    given, wanted = [], []
    for n in noise:
        grads, loss = slope(params, n)
        given.append((flat(grads)[0].numpy(), float(loss)))
        params, state = rule.step(params, grads, state, rates, loss=loss)
        wanted.append(flat(params)[0].numpy())
    start = flat(problem(tensors, runs=1, steps=0)[0])[0].numpy()
    found = run_in_a_page(rule, tensors, start=start, rate=RATES[2], given=given)
    if not np.allclose(found, np.stack(wanted), rtol=1e-9, atol=1e-12):
        broken("rule", rule, "does in a page what it does in Python", "the page's program went elsewhere")
    return None


PROMISES: dict[str, Promise] = {
    "keeps shapes and types": _keeps_shapes,
    "leaves its inputs as they were": _is_pure,
    "keeps every run to itself": _isolates_runs,
    "does the same on one flat tensor": _may_be_flattened,
    "can be traced": _can_be_traced,
    "trains alike on both engines": _engines_agree,
    "does in a page what it does in Python": _page_agrees,
}
