"""Different rules for different tensors of one model, and a rule at a fixed multiple of the rate."""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lrlib import _check
from lrlib.updates.rule import State, UpdateRule

Which = str | Callable[[str, tuple[int, ...]], bool]


def partition(rules: Mapping[Which, UpdateRule], *, rest: UpdateRule | None = None) -> UpdateRule:
    """One rule for each group of a model's parameters, as torch's parameter groups have it.

    A group is told by a pattern of names, such as ``"*.bias"`` or ``"0.*"`` (as in ``fnmatch``; the names are those of
    ``model.named_parameters()``), or by a function ``(name, shape) -> bool``, such as :func:`lrlib.updates.matrices`.
    All groups get the run's learning rate; :func:`scaled` gives one a multiple of it.

    Args:
        rules: a rule for each group.
        rest: the rule for all that no group names; without it every parameter must be in a group.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind; and, when training begins, for a parameter that is in
            two groups or in none, and for a group without a parameter: each is named.

    Torch twin: one optimizer a group, or ``param_groups`` where the groups differ by numbers only.
    ``optax.partition`` is the model.

    >>> from lrlib.updates import adamw, matrices, muon, scaled
    >>> partition({matrices: muon()}, rest=scaled(adamw(), 0.1)).name
    'partition'
    >>> partition({"0.*": adamw(), "*.bias": adamw()}).bind(["0.weight", "0.bias", "2.weight"], [(2, 3), (2,), (1, 2)])
    Traceback (most recent call last):
    ValueError: rules must be groups that name each parameter once, but got '0.bias' in '0.*' and in '*.bias'
    """
    if not isinstance(rules, Mapping) or not all(isinstance(rule, UpdateRule) for rule in rules.values()):
        _check.fail("rules", "a mapping from groups to update rules", rules, error=TypeError)
    if not rules:
        _check.fail("rules", "at least one group", rules)
    for which in rules:
        if not isinstance(which, str) and not callable(which):
            _check.fail("rules", "told by patterns or functions of name and shape", which, error=TypeError)
    if rest is not None and not isinstance(rest, UpdateRule):
        _check.fail("rest", "an UpdateRule", rest, error=TypeError)
    groups = tuple(rules.items())
    shown = {which if isinstance(which, str) else which.__name__: rule for which, rule in groups}
    return UpdateRule(
        name="partition",
        init=_unbound,
        update=_unbound,
        flattenable=False,
        hyperparameters={"rules": shown, "rest": rest},
        traceable=all(rule.traceable for _, rule in groups) and (rest is None or rest.traceable),
        default_learning_rate=groups[0][1].default_learning_rate,
        needs_loss=any(rule.needs_loss for _, rule in groups) or (rest is not None and rest.needs_loss),
        for_tensors=partial(_bound, groups=groups, rest=rest),
    )


def scaled(rule: UpdateRule, factor: float) -> UpdateRule:
    """``rule`` at ``factor`` times the learning rate: for a group of :func:`partition` with a rate of its own.

    Args:
        rule: any rule.
        factor: > 0.

    Raises:
        TypeError, ValueError: for an argument of the wrong kind or out of its range.

    Torch twin: a parameter group with a rate of its own. Schedules keep the ratio.

    >>> import torch
    >>> from lrlib.updates import sgd
    >>> rule, params = scaled(sgd(), 0.1), [torch.tensor([[1.0]])]
    >>> rule.update(params, params, rule.init(params), torch.tensor([0.5]))[0]
    [tensor([[0.9500]])]
    """
    if not isinstance(rule, UpdateRule):
        _check.fail("rule", "an UpdateRule", rule, error=TypeError)
    factor = _check.real("factor", factor, above=0)
    return UpdateRule(
        name="scaled",
        init=rule.init,
        update=partial(_scaled, rule=rule, factor=factor),
        evaluated=rule.evaluated,
        flattenable=rule.flattenable,
        hyperparameters={"rule": rule, "factor": factor},
        traceable=rule.traceable,
        default_learning_rate=rule.default_learning_rate / factor,
        needs_loss=rule.needs_loss,
        for_tensors=None if rule.for_tensors is None else partial(_scaled_bound, rule=rule, factor=factor),
    )


def _scaled(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    rule: UpdateRule,
    factor: float,
    loss: Any = None,
) -> tuple[list[Tensor], State]:
    return rule.step(params, grads, state, learning_rate * factor, loss=loss)


def _scaled_bound(names: Sequence[str], shapes: Sequence[tuple[int, ...]], *, rule: UpdateRule, factor: float) -> Any:
    return scaled(rule.bind(names, shapes), factor)


def _unbound(*_: Any, **__: Any) -> Any:
    raise ValueError("rule must be bound to a model's parameters first, by bind(names, shapes), but got a partition")


def _bound(
    names: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
    *,
    groups: tuple[tuple[Which, UpdateRule], ...],
    rest: UpdateRule | None,
) -> UpdateRule:
    """The rule of all groups for a list of tensors of these names and shapes."""
    members: list[list[int]] = [[] for _ in range(len(groups) + 1)]
    for i, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        found = [k for k, (which, _) in enumerate(groups) if _matches(which, name, shape)]
        if len(found) > 1:
            both = " and in ".join(repr(_label(groups[k][0])) for k in found)
            raise ValueError(f"rules must be groups that name each parameter once, but got {name!r} in {both}")
        if not found and rest is None:
            raise ValueError(f"rules must name each parameter, or rest must be a rule, but got {name!r} in no group")
        members[found[0] if found else -1].append(i)
    for (which, _), indices in zip(groups, members, strict=False):
        if not indices:
            raise ValueError(f"rules must be groups with a parameter in each, but got none in {_label(which)!r}")
    rules = [rule for _, rule in groups] + ([] if rest is None else [rest])
    chosen = tuple(
        (rule.bind([names[i] for i in indices], [shapes[i] for i in indices]), tuple(indices))
        for rule, indices in zip(rules, members, strict=False)
        if indices
    )
    evaluated = any(rule.evaluated is not None for rule, _ in chosen)
    return UpdateRule(
        name="partition",
        init=partial(_init, groups=chosen),
        update=partial(_update, groups=chosen),
        evaluated=partial(_evaluated, groups=chosen) if evaluated else None,
        flattenable=False,
        hyperparameters={"rules": {_label(which): rule for which, rule in groups}, "rest": rest},
        traceable=all(rule.traceable for rule, _ in chosen),
        default_learning_rate=groups[0][1].default_learning_rate,
        needs_loss=any(rule.needs_loss for rule, _ in chosen),
        for_tensors=partial(_bound, groups=groups, rest=rest),  # another model may hold the same tensors in other order
    )


def _matches(which: Which, name: str, shape: tuple[int, ...]) -> bool:
    return fnmatchcase(name, which) if isinstance(which, str) else bool(which(name, shape))


def _label(which: Which) -> str:
    return which if isinstance(which, str) else which.__name__


Groups = tuple[tuple[UpdateRule, tuple[int, ...]], ...]


def _given(rule: UpdateRule, tensors: list[Tensor], indices: tuple[int, ...]) -> list[Tensor]:
    """A group's tensors as its rule takes them: one row a run where that does as well."""
    own = [tensors[i] for i in indices]
    return [torch.cat([t.reshape(len(t), -1) for t in own], dim=1)] if rule.flattenable else own


def _taken(rule: UpdateRule, found: list[Tensor], like: list[Tensor], indices: tuple[int, ...]) -> list[Tensor]:
    """The inverse of :func:`_given`."""
    if not rule.flattenable:
        return found
    own = [like[i] for i in indices]
    parts = found[0].split([t[0].numel() for t in own], dim=1)
    return [part.reshape(t.shape) for part, t in zip(parts, own, strict=True)]


def _state_of(state: State, k: int) -> State:
    return {key.partition(".")[2]: value for key, value in state.items() if key.partition(".")[0] == str(k)}


def _init(params: list[Tensor], *, groups: Groups) -> State:
    return {
        f"{k}.{key}": value
        for k, (rule, indices) in enumerate(groups)
        for key, value in rule.init(_given(rule, params, indices)).items()
    }


def _update(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    groups: Groups,
    loss: Any = None,
) -> tuple[list[Tensor], State]:
    moved = list(params)
    after: State = {}
    for k, (rule, indices) in enumerate(groups):
        own, own_grads = _given(rule, params, indices), _given(rule, grads, indices)
        found, new = rule.step(own, own_grads, _state_of(state, k), learning_rate, loss=loss)
        for i, tensor in zip(indices, _taken(rule, found, params, indices), strict=True):
            moved[i] = tensor
        after |= {f"{k}.{key}": value for key, value in new.items()}
    return moved, after


def _evaluated(params: list[Tensor], state: State, *, groups: Groups) -> list[Tensor]:
    shown = list(params)
    for k, (rule, indices) in enumerate(groups):
        if rule.evaluated is not None:
            found = rule.evaluated(_given(rule, params, indices), _state_of(state, k))
            for i, tensor in zip(indices, _taken(rule, found, params, indices), strict=True):
                shown[i] = tensor
    return shown
