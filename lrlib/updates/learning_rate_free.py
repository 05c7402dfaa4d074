"""Rules that estimate how far the start is from a solution, and take their rate from it: D-Adaptation and Prodigy."""

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lrlib import _check
from lrlib.updates.adam_family import check_betas
from lrlib.updates.rule import State, UpdateRule, check_params, check_rates, dot, each_run, per_run, zeros


def prodigy(
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    beta3: float | None = None,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    d0: float = 1e-6,
    d_coef: float = 1.0,
    growth_rate: float = math.inf,
    use_bias_correction: bool = False,
    safeguard_warmup: bool = False,
) -> UpdateRule:
    """Prodigy: Adam whose rate is an estimate d of the distance from the start to a solution, times a factor near 1.

    Formula, with x₀ the start, β₃ ``beta3`` (√β₂ if none), λ ``weight_decay``; all sums run over all parameters::

        γ = d η        r ← β₃ r + (d/d₀) γ ⟨g, x₀ - θ⟩        s ← β₃ s + (d/d₀) γ g
        m ← β₁ m + (1 - β₁) d g        v ← β₂ v + (1 - β₂) d² g²
        d̂ = d_coef · r / ‖s‖₁        d ← max(d, d̂), from d to at most d · growth_rate
        θ ← θ - λ γ θ        θ ← θ - γ m / (√v + d ε)

    where γ is still the d of before. The learning rate η is a factor, 1 by default, and takes any schedule; with η = 0
    nothing changes, not even the averages. As in the authors' package, ``growth_rate`` does not hold back the first
    rise, off d₀: only the later ones; with β₁ = 0 the new d stands in the place of the old in m; and until there is a
    gradient, nothing moves.

    Args:
        betas: (β₁, β₂), each in [0, 1).
        beta3: β₃ in [0, 1).
        eps: ε > 0.
        weight_decay: λ >= 0, decoupled, as in AdamW.
        d0: d₀ > 0, the first estimate: far too small is right.
        d_coef: multiplies the estimate: 0.5 or 2 corrects a rate that comes out too large or too small.
        growth_rate: the most that d grows by in an update.
        use_bias_correction: multiplies γ by √(1 - β₂ᵗ) / (1 - β₁ᵗ).
        safeguard_warmup: whether s takes d in the place of γ, so that a warm-up of η does not inflate d.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    Torch twin: none in torch; ``Prodigy`` of the authors' package ``prodigyopt``.

    Source: K. Mishchenko, A. Defazio, "Prodigy: an expeditiously adaptive parameter-free learner", ICML (2024),
    arXiv:2306.06101.

    >>> import torch
    >>> rule, params, rates = prodigy(d0=0.01), [torch.tensor([[1.0]])], torch.tensor([1.0])
    >>> state = rule.init(params)
    >>> for step in range(50):  # θ²/2 from 1
    ...     params, state = rule.update(params, params, state, rates)
    >>> round(state["d"].item(), 2)  # of a distance of 1
    0.33
    """
    betas = check_betas(betas)
    settings: dict[str, Any] = {
        "betas": betas,
        "beta3": math.sqrt(betas[1]) if beta3 is None else _check.real("beta3", beta3, at_least=0, below=1),
        "eps": _check.real("eps", eps, above=0),
        "weight_decay": _check.real("weight_decay", weight_decay, at_least=0),
        "d0": _check.real("d0", d0, above=0),
        "d_coef": _check.real("d_coef", d_coef, above=0),
        "growth_rate": _growth(growth_rate),
        "use_bias_correction": _check.boolean("use_bias_correction", use_bias_correction),
        "safeguard_warmup": _check.boolean("safeguard_warmup", safeguard_warmup),
    }
    return UpdateRule(
        name="prodigy",
        init=_init_prodigy,
        update=partial(_prodigy, **settings),
        flattenable=True,
        hyperparameters=settings,
        traceable=True,
        default_learning_rate=1.0,
    )


def dadapt_adam(
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    d0: float = 1e-6,
    growth_rate: float = math.inf,
    use_bias_correction: bool = False,
) -> UpdateRule:
    """D-Adaptation for Adam: as Prodigy, with a more cautious estimate of the distance d that never falls.

    Formula, with q = √β₂ and γ = d η; all sums run over all parameters::

        r ← q r + (1 - q) γ ⟨g, s / (√v + ε)⟩        s ← q s + (1 - q) γ g
        m ← β₁ m + (1 - β₁) γ g        v ← β₂ v + (1 - β₂) g²
        d̂ = r / ((1 - q) ‖s‖₁)        d ← max(d, min(d̂, d · growth_rate))
        θ ← θ - λ γ θ        θ ← θ - m / (√v + ε)

    where the first line reads the v and the s of the update before. The rate is inside m, so a schedule of η acts
    with the delay of the average. With η = 0 nothing changes, and until there is a gradient, nothing moves.

    Args:
        betas: (β₁, β₂), each in [0, 1).
        eps: ε > 0, as in Adam: beside √v of the gradients, which does not hold d.
        weight_decay: λ >= 0, decoupled, as in AdamW.
        d0: the first estimate, > 0.
        growth_rate: the most that d grows by in an update.
        use_bias_correction: multiplies γ by √(1 - β₂ᵗ) / (1 - β₁ᵗ); without it d̂ may exceed the true distance.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    Torch twin: none in torch; ``DAdaptAdam(decouple=True)`` of the authors' package ``dadaptation``.

    Source: A. Defazio, K. Mishchenko, "Learning-rate-free learning by D-Adaptation", ICML (2023), arXiv:2301.07733.

    >>> import torch
    >>> rule, params, rates = dadapt_adam(d0=0.01), [torch.tensor([[1.0]])], torch.tensor([1.0])
    >>> state = rule.init(params)
    >>> for step in range(50):  # θ²/2 from 1
    ...     params, state = rule.update(params, params, state, rates)
    >>> bool(state["d"] > 0.01)
    True
    """
    settings: dict[str, Any] = {
        "betas": check_betas(betas),
        "eps": _check.real("eps", eps, above=0),
        "weight_decay": _check.real("weight_decay", weight_decay, at_least=0),
        "d0": _check.real("d0", d0, above=0),
        "growth_rate": _growth(growth_rate),
        "use_bias_correction": _check.boolean("use_bias_correction", use_bias_correction),
    }
    return UpdateRule(
        name="dadapt_adam",
        init=_init_dadapt,
        update=partial(_dadapt, **settings),
        flattenable=True,
        hyperparameters=settings,
        traceable=True,
        default_learning_rate=1.0,
    )


def _growth(value: float) -> float:
    return math.inf if value == math.inf else _check.real("growth_rate", value, above=1)


def _init_dadapt(params: list[Tensor]) -> State:
    check_params(params)
    return {
        "exp_avg": zeros(params),
        "exp_avg_sq": zeros(params),
        "s": zeros(params),
        "d": each_run(params),  # 0 until the first update: that begins with d0
        "numerator": each_run(params),
        "step": each_run(params),
    }


def _init_prodigy(params: list[Tensor]) -> State:
    return {**_init_dadapt(params), "start": zeros(params), "d_max": each_run(params)}  # the first update sets both


def _corrected(step: Tensor, betas: tuple[float, float], wanted: bool) -> Tensor | float:
    """Adam's bias correction of the rate in the update after ``step`` others, (runs,)."""
    if not wanted:
        return 1.0
    roots = [torch.exp((step + 1) * math.log(b)) if b > 0 else torch.zeros_like(step) for b in betas]
    return torch.sqrt(1 - roots[1]) / (1 - roots[0])


def _prodigy(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    betas: tuple[float, float],
    beta3: float,
    eps: float,
    weight_decay: float,
    d0: float,
    d_coef: float,
    growth_rate: float,
    use_bias_correction: bool,
    safeguard_warmup: bool,
) -> tuple[list[Tensor], State]:
    check_rates(learning_rate, params)
    first = state["d"] == 0
    d = torch.where(first, d0, state["d"])
    d_max = torch.where(first, d0, state["d_max"])
    start = [torch.where(per_run(first, p), p, p0) for p, p0 in zip(params, state["start"], strict=True)]
    rate = d * learning_rate * _corrected(state["step"], betas, use_bias_correction)
    weight = (d / d0) * (d if safeguard_warmup else rate)

    gained = (d / d0) * rate * dot(grads, [p0 - p for p, p0 in zip(params, start, strict=True)])
    means = _mean(state["exp_avg"], grads, betas[0], (1 - betas[0]) * d)
    squares = _mean(state["exp_avg_sq"], [g * g for g in grads], betas[1], (1 - betas[1]) * d * d)
    s = _mean(state["s"], grads, beta3, weight)
    numerator = state["numerator"] * beta3 + gained
    size = dot(s, [torch.sign(t) for t in s])

    estimate = d_coef * numerator / size
    # The order of the authors: off d0 at once, then never faster than growth_rate allows.
    off = torch.where(d == d0, torch.maximum(d, estimate), d)
    largest = torch.maximum(d_max, estimate)
    grown = torch.minimum(largest, off * growth_rate) if growth_rate < math.inf else largest

    moved = []
    directions = means if betas[0] else [per_run(grown, g) * g for g in grads]
    for p, m, v in zip(params, directions, squares, strict=True):
        shrunk = p - p * per_run(weight_decay * rate, p) if weight_decay else p
        moved.append(shrunk - per_run(rate, p) * m / (torch.sqrt(v) + per_run(grown * eps, p)))
    before = {**state, "start": start, "d": d, "d_max": d_max}
    after = {
        "exp_avg": means,
        "exp_avg_sq": squares,
        "s": s,
        "d": grown,
        "numerator": numerator,
        "step": state["step"] + 1,
        "start": start,
        "d_max": largest,
    }
    return _unless_still(params, moved, before, after, learning_rate, size)


def _dadapt(
    params: list[Tensor],
    grads: list[Tensor],
    state: State,
    learning_rate: Tensor,
    *,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    d0: float,
    growth_rate: float,
    use_bias_correction: bool,
) -> tuple[list[Tensor], State]:
    check_rates(learning_rate, params)
    root = math.sqrt(betas[1])
    d = torch.where(state["d"] == 0, d0, state["d"])
    rate = d * learning_rate * _corrected(state["step"], betas, use_bias_correction)

    pulled = [s / (torch.sqrt(v) + eps) for s, v in zip(state["s"], state["exp_avg_sq"], strict=True)]
    gained = rate * dot(grads, pulled)
    means = _mean(state["exp_avg"], grads, betas[0], (1 - betas[0]) * rate)
    squares = _mean(state["exp_avg_sq"], [g * g for g in grads], betas[1], torch.full_like(rate, 1 - betas[1]))
    s = _mean(state["s"], grads, root, (1 - root) * rate)
    numerator = root * state["numerator"] + (1 - root) * gained
    size = dot(s, [torch.sign(t) for t in s])

    estimate = numerator / ((1 - root) * size)
    grown = torch.maximum(d, torch.minimum(estimate, d * growth_rate) if growth_rate < math.inf else estimate)

    moved = []
    for p, m, v in zip(params, means, squares, strict=True):
        shrunk = p - p * per_run(weight_decay * rate, p) if weight_decay else p
        moved.append(shrunk - m / (torch.sqrt(v) + eps))
    after = {
        "exp_avg": means,
        "exp_avg_sq": squares,
        "s": s,
        "d": grown,
        "numerator": numerator,
        "step": state["step"] + 1,
    }
    return _unless_still(params, moved, {**state, "d": d}, after, learning_rate, size)


def _mean(averages: list[Tensor], values: list[Tensor], beta: float, weight: Tensor) -> list[Tensor]:
    """β a + w x, where w (runs,) is one number for each run."""
    return [a * beta + per_run(weight, x) * x for a, x in zip(averages, values, strict=True)]


def _unless_still(
    params: list[Tensor], moved: list[Tensor], before: State, after: State, learning_rate: Tensor, size: Tensor
) -> tuple[list[Tensor], State]:
    """Each run as after the update; where its rate is 0 as before, and where all gradients were 0 unmoved."""
    awake = learning_rate > 0
    alive = awake & (size != 0)  # NaN goes on

    def chosen(where: Tensor, new: Any, old: Any) -> Any:
        if isinstance(new, list):
            return [torch.where(per_run(where, x), x, y) for x, y in zip(new, old, strict=True)]
        return torch.where(where, new, old)

    averages = ("exp_avg", "exp_avg_sq", "s")
    state = {key: chosen(awake if key in averages else alive, after[key], before[key]) for key in after}
    return chosen(alive, moved, params), state
