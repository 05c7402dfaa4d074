"""Descents on a test surface, every point kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.func import grad

from lrlib import _check
from lrlib._compiler import Program, compile_step
from lrlib._compiler.identity import identity
from lrlib.streams import stream
from lrlib.surfaces import Surface
from lrlib.updates import State, UpdateRule, named_tensors, nested_tensors, sgd


@dataclass(frozen=True)
class Trajectory:
    """Where each run went: ``points`` (runs, steps + 1, dimension), the ``loss`` there (runs, steps + 1), its rate.

    ``provenance`` tells the engine, and why it was torch where nobody asked for it.
    """

    points: np.ndarray
    loss: np.ndarray
    learning_rates: np.ndarray
    provenance: dict[str, str | None] = field(default_factory=dict)


COMPILE_FROM = 10_000  # steps of some 100 µs from which compiling one pays


def descend(
    surface: Surface,
    *,
    learning_rates: Sequence[float] | np.ndarray,
    steps: int,
    rule: UpdateRule | None = None,
    start: Sequence[float] | np.ndarray | None = None,
    gradient_noise: float = 0.0,
    seed: int = 0,
    engine: str = "auto",
) -> Trajectory:
    """Follow ``rule`` down ``surface`` at each rate, in float64.

    ``start`` is one point (dimension,) for all runs or one for each (runs, dimension); the surface's own if none is
    given. Each step adds Gaussian noise of standard deviation ``gradient_noise`` to each entry of the gradient.
    Points that overflow are recorded as infinite or NaN. ``engine`` is ``"torch"``, ``"compiled"`` or ``"auto"``, as in
    :func:`lrlib.training.sweep`.

    >>> from lrlib import surfaces
    >>> path = descend(surfaces.quadratic([2.0]), learning_rates=[0.5, 1.1], steps=3)
    >>> path.loss.shape, bool(path.loss[0, 1] == 0), bool(path.loss[1, 3] > path.loss[1, 0])
    ((2, 4), True, True)
    """
    if not isinstance(surface, Surface):
        _check.fail("surface", "a Surface", surface, error=TypeError)
    rates = torch.from_numpy(_check.reals("learning_rates", learning_rates, above=0))
    steps = _check.integer("steps", steps, at_least=1)
    noise = _check.real("gradient_noise", gradient_noise, at_least=0)
    rule = (sgd() if rule is None else rule).bind(["point"], [(surface.dimension,)])
    generator = stream("noise", seed)
    first = np.asarray(surface.start if start is None else start, dtype=np.float64)
    shape = (len(rates), surface.dimension)
    if first.shape not in {shape, shape[1:]} or not np.isfinite(first).all():
        _check.fail("start", f"finite numbers of shape {shape[1:]} or {shape}", start)
    points = torch.from_numpy(np.broadcast_to(first, shape).copy())
    noises = torch.zeros((steps + 1, *shape), dtype=torch.float64)  # one more step, for the loss at the end
    if noise > 0:
        noises[:-1] = noise * torch.randn((steps, *shape), generator=generator, dtype=torch.float64)
    program, note = _choice(surface, rule, engine, runs=len(rates), steps=steps)
    if program is None:
        visited, loss = _eager(surface, rule, points, rates, noises)
    else:
        visited, loss = _compiled(program, rule, points, rates, noises)
    provenance = {"engine": "torch" if program is None else "compiled", "engine_note": note}
    return Trajectory(visited.swapaxes(0, 1), loss.T, rates.numpy(), provenance)


def _choice(
    surface: Surface, rule: UpdateRule, engine: str, *, runs: int, steps: int
) -> tuple[Program | None, str | None]:
    """The compiled step, if one is wanted and can be had; else why not, if nobody asked for torch."""
    if _check.choice("engine", engine, ("auto", "torch", "compiled")) == "torch":
        return None, None
    if engine == "auto" and steps < COMPILE_FROM:
        return None, f"{steps} steps are too few to compile one for"
    cause, reason = None, f"the rule {rule.name} cannot be traced"
    if rule.traceable:
        try:
            return _program(surface, rule, runs), None
        except Exception as error:  # tracer, compiler, loader or disk: whatever fails here, torch can do without
            cause, reason = error, f"{type(error).__name__}: {error}"
    if engine == "compiled":
        raise ValueError(f"engine must be 'auto' or 'torch' here, since {reason}, but got 'compiled'") from cause
    return None, reason


def _step(
    surface: Surface, rule: UpdateRule, points: Tensor, state: State, rates: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor, State]:
    """The loss where the runs are, then where they go."""
    gradient, loss = grad(lambda x: (surface.function(x).sum(), surface.function(x)), has_aux=True)(points)
    [points], state = rule.step([points], [gradient + noise], state, rates, loss=loss)
    return loss, points, state


def _eager(
    surface: Surface, rule: UpdateRule, points: Tensor, rates: Tensor, noises: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    state = rule.init([points])
    visited, losses = [points], []
    for noise in noises[:-1]:
        here = points.detach().requires_grad_()  # torch.autograd, since torch.func takes a second to load
        loss = surface.function(here)
        [gradient] = torch.autograd.grad(loss.sum(), here)
        [points], state = rule.step([points], [gradient + noise], state, rates, loss=loss.detach())
        visited.append(points)
        losses.append(loss.detach())
    losses.append(surface.function(points))
    return torch.stack(visited).numpy(), torch.stack(losses).numpy()


def _compiled(
    program: Program, rule: UpdateRule, points: Tensor, rates: Tensor, noises: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    state = named_tensors(rule.init([points]))
    result = program.run({"points": points, **state, "rates": rates, "noise": noises})
    return result.recorded["visited"], result.recorded["loss"]


def _program(surface: Surface, rule: UpdateRule, runs: int) -> Program:
    """The compiled step of so many runs."""
    points = torch.zeros(runs, surface.dimension, dtype=torch.float64)
    state = rule.init([points])
    names = list(named_tensors(state))

    def step(points: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        nested = nested_tensors(dict(zip(names, rest, strict=False)), state)
        loss, after, new_state = _step(surface, rule, points, nested, *rest[len(names) :])
        return (loss, points, after, *named_tensors(new_state).values())

    return compile_step(
        step,
        {"points": points, **named_tensors(state), "rates": points[:, 0], "noise": points},
        outputs=("loss", "visited", "points", *names),
        per_step=("noise",),
        identity=identity("descent", surface.function, rule),
    )
