"""Answers to the assignment on schedules."""

from benchmarks.mutants.answers import Equivalent, Right, Wrong

WRONG = [
    Wrong(
        "warmup_cosine",
        "begins the warm-up at zero",
        """
def warmup_cosine(step, peak, warmup_steps, total_steps):
    if step < warmup_steps:
        return peak * step / warmup_steps
    share = min((step - warmup_steps) / (total_steps - warmup_steps), 1)
    return peak * (1 + np.cos(np.pi * share)) / 2
""",
        points=0,
    ),
    Wrong(
        "warmup_cosine",
        "climbs again past the end",
        """
def warmup_cosine(step, peak, warmup_steps, total_steps):
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    return peak * (1 + np.cos(np.pi * (step - warmup_steps) / (total_steps - warmup_steps))) / 2
""",
        points=3,
    ),
    Wrong(
        "warmup_cosine",
        "lays the warm-up over the cosine",
        """
def warmup_cosine(step, peak, warmup_steps, total_steps):
    cosine = peak * (1 + np.cos(np.pi * min(step / total_steps, 1))) / 2
    return cosine * min(1, (step + 1) / (warmup_steps + 1))
""",
        points=0,
    ),
    Wrong(
        "step_decay",
        "drops one update after the milestone",
        """
def step_decay(step, peak, milestones, factor):
    return peak * factor ** sum(step > milestone for milestone in milestones)
""",
        points=0,
    ),
    Wrong(
        "step_decay",
        "takes the milestones to be in order",
        """
def step_decay(step, peak, milestones, factor):
    rate = peak
    for milestone in milestones:
        if step < milestone:
            break
        rate = rate * factor
    return rate
""",
        points=2,
    ),
    Wrong(
        "step_decay",
        "counts a double milestone once",
        """
def step_decay(step, peak, milestones, factor):
    return peak * factor ** len({m for m in milestones if m <= step})
""",
        points=2,
    ),
    Wrong(
        "hold_then_cool",
        "takes the root of what is left",
        """
def hold_then_cool(step, peak, total_steps, decay_steps):
    share = min(max((step - total_steps + decay_steps) / decay_steps, 0), 1)
    return peak * np.sqrt(1 - share)
""",
        points=0,
    ),
    Wrong(
        "hold_then_cool",
        "goes on below zero past the end",
        """
def hold_then_cool(step, peak, total_steps, decay_steps):
    share = max((step - total_steps + decay_steps) / decay_steps, 0)
    return peak * (1 - np.sqrt(share))
""",
        points=3,
    ),
    Wrong(
        "hold_then_cool",
        "falls along a straight line",
        """
def hold_then_cool(step, peak, total_steps, decay_steps):
    return peak * min(1, max(0, (total_steps - step) / decay_steps))
""",
        points=0,
    ),
    Wrong(
        "first_wrong_update",
        "wants equality to the last bit",
        """
def first_wrong_update(planned, used):
    for update, rate in enumerate(used):
        if update >= len(planned) or rate != planned[update]:
            return update
    return None
""",
        points=3,
    ),
    Wrong(
        "first_wrong_update",
        "takes NaN for a rate that agrees",
        """
def first_wrong_update(planned, used):
    tolerance = 1e-5 * max(planned)
    for update, rate in enumerate(used):
        if update >= len(planned) or abs(rate - planned[update]) > tolerance:
            return update
    return None
""",
        points=3,
    ),
    Wrong(
        "first_wrong_update",
        "returns the last wrong update",
        """
def first_wrong_update(planned, used):
    found = None
    for update, rate in enumerate(used):
        if update >= len(planned) or not abs(rate - planned[update]) <= 1e-5 * max(planned):
            found = update
    return found
""",
        points=0,
    ),
    Wrong(
        "first_wrong_update",
        "takes 0 for no wrong update",
        """
def first_wrong_update(planned, used):
    agree = [u < len(planned) and abs(r - planned[u]) <= 1e-5 * max(planned) for u, r in enumerate(used)]
    return agree.index(False) or None if False in agree else None
""",
        points=3,
    ),
    Wrong(
        "name_fault",
        "calls every restart by its first rate",
        """
def name_fault(planned, used, updates_per_epoch):
    def fits(rates):
        return np.all(abs(rates - used) <= 1e-5 * max(planned))

    t = np.arange(len(used))
    wrong = first_wrong_update(planned, used)
    if wrong is None:
        return "none"
    if fits(planned[t + 1]):
        return "stepped first"
    if fits(planned[t // updates_per_epoch]):
        return "once an epoch"
    if fits(planned[-1] + 0 * t):
        return "spent"
    return "restarted" if abs(used[wrong] - planned[0]) <= 1e-5 * max(planned) else "other"
""",
        points=4,
    ),
    Wrong(
        "name_fault",
        "begins the first epoch one update early",
        """
def name_fault(planned, used, updates_per_epoch):
    t = np.arange(len(used))
    wrong = first_wrong_update(planned, used)
    if wrong is None:
        return "none"
    suspects = {
        "stepped first": planned[t + 1],
        "once an epoch": planned[(t + 1) // updates_per_epoch],
        "spent": planned[-1] + 0 * t,
        "restarted": np.append(planned[:wrong], planned[: len(used) - wrong]),
    }
    tolerance = 1e-5 * max(planned)
    return next((name for name, rates in suspects.items() if np.all(abs(rates - used) <= tolerance)), "other")
""",
        points=0,
    ),
    Wrong(
        "name_fault",
        "calls everything that has no other name spent",
        """
def name_fault(planned, used, updates_per_epoch):
    t = np.arange(len(used))
    wrong = first_wrong_update(planned, used)
    if wrong is None:
        return "none"
    suspects = {
        "stepped first": planned[t + 1],
        "once an epoch": planned[t // updates_per_epoch],
        "restarted": np.append(planned[:wrong], planned[: len(used) - wrong]),
    }
    tolerance = 1e-5 * max(planned)
    return next((name for name, rates in suspects.items() if np.all(abs(rates - used) <= tolerance)), "spent")
""",
        points=4,
    ),
    Wrong(
        "expected_loss",
        "returns the mean square and not the loss",
        """
def expected_loss(rates, curvature, variance, start):
    m = [start**2]
    for rate in rates:
        m.append((1 - rate * curvature) ** 2 * m[-1] + (rate * curvature) ** 2 * variance)
    return np.array(m)
""",
        points=3,
    ),
    Wrong(
        "expected_loss",
        "leaves the curvature out of the noise",
        """
def expected_loss(rates, curvature, variance, start):
    m = [start**2]
    for rate in rates:
        m.append((1 - rate * curvature) ** 2 * m[-1] + rate**2 * variance)
    return curvature / 2 * np.array(m)
""",
        points=0,
    ),
    Wrong(
        "expected_loss",
        "contracts the square like the distance",
        """
def expected_loss(rates, curvature, variance, start):
    m = [start**2]
    for rate in rates:
        m.append(abs(1 - rate * curvature) * m[-1] + (rate * curvature) ** 2 * variance)
    return curvature / 2 * np.array(m)
""",
        points=0,
    ),
    Wrong(
        "best_drop",
        "never tries to do without a drop",
        """
def best_drop(rate, factor, steps, curvature, variance, start):
    def end(drop):
        rates = np.where(np.arange(steps) < drop, rate, factor * rate)
        return expected_loss(rates, curvature, variance, start)[-1]

    return min(range(steps), key=end)
""",
        points=3,
    ),
    Wrong(
        "best_drop",
        "drops where the loss has ceased to fall",
        """
def best_drop(rate, factor, steps, curvature, variance, start):
    losses = expected_loss(np.full(steps, rate), curvature, variance, start)
    return int(np.argmax(losses < 1.01 * losses[-1]))
""",
        points=0,
    ),
    Wrong(
        "place_drop",
        "drops after a fifth, unmeasured",
        """
def place_drop(steps):
    return steps // 5
""",
        points=0,
    ),
    Wrong(
        "place_drop",
        "does not drop",
        """
def place_drop(steps):
    return steps
""",
        points=3,
    ),
    Wrong(
        "place_drop",
        "takes the moment with the largest loss",
        """
def place_drop(steps):
    drops = [int(share * steps) for share in (0.05, 0.2, 0.4, 0.6, 0.8)]
    return max(drops, key=lambda drop: losses_with_drop(drop, steps).mean())
""",
        points=0,
    ),
]

RIGHT = [
    Right(
        "warmup_cosine",
        "the package",
        """
def warmup_cosine(step, peak, warmup_steps, total_steps):
    fall = schedules.cosine(peak, total_steps=total_steps - warmup_steps)
    return schedules.with_warmup(fall, warmup_steps=warmup_steps)(step)
""",
    ),
    Right(
        "warmup_cosine",
        "both formulas and a where, in float32",
        """
def warmup_cosine(t, peak, W, T):
    t = np.float32(t)
    angle = np.pi * np.clip((t - W) / (T - W), 0, 1)
    return np.where(t < W, peak * (t + 1) / (W + 1), peak * np.cos(angle / 2, dtype=np.float32) ** 2)
""",
    ),
    Right(
        "warmup_cosine",
        "math, with three branches and the hand-over a step later",
        """
import math


def warmup_cosine(step, peak, warmup_steps, total_steps):
    if step <= warmup_steps:
        return peak / (warmup_steps + 1) * (step + 1)
    if step >= total_steps:
        return 0
    left = (total_steps - step) / (total_steps - warmup_steps)
    return peak * math.sin(math.pi / 2 * left) ** 2
""",
    ),
    Right(
        "step_decay",
        "a loop in place",
        """
def step_decay(step, peak, milestones, factor):
    rate = peak
    for milestone in sorted(milestones):
        if milestone <= step:
            rate *= factor
    return rate
""",
    ),
    Right(
        "step_decay",
        "searchsorted, and a tensor",
        """
def step_decay(step, peak, milestones, factor):
    return torch.tensor(peak * factor ** np.searchsorted(np.sort(np.array(milestones, dtype=int)), step, side="right"))
""",
    ),
    Right(
        "hold_then_cool",
        "branches",
        """
def hold_then_cool(step, peak, total_steps, decay_steps):
    begin = total_steps - decay_steps
    if step <= begin:
        return peak
    if step >= total_steps:
        return 0.0
    return peak - peak * ((step - begin) / decay_steps) ** 0.5
""",
    ),
    Right(
        "hold_then_cool",
        "a closure, and an array without axes",
        """
def cooling(peak, begin, length):
    return lambda t: peak * (1 - np.sqrt(np.clip((np.asarray(t) - begin) / length, 0, 1)))


def hold_then_cool(step, peak, total_steps, decay_steps):
    return cooling(peak, total_steps - decay_steps, decay_steps)(step).astype(np.float32)
""",
    ),
    Right(
        "first_wrong_update",
        "whole arrays",
        """
def first_wrong_update(planned, used):
    planned, used = np.asarray(planned), np.asarray(used)
    padded = np.append(planned, np.full(max(0, len(used) - len(planned)), np.nan))[: len(used)]
    wrong = ~(np.abs(padded - used) <= 1e-5 * planned.max())
    return int(np.argmax(wrong)) if wrong.any() else None
""",
    ),
    Right(
        "first_wrong_update",
        "next and isclose",
        """
def first_wrong_update(planned, used):
    same = lambda u: u < len(planned) and np.isclose(used[u], planned[u], rtol=0, atol=1e-5 * np.max(planned))
    return next((u for u in range(len(used)) if not same(u)), None)
""",
    ),
    Right(
        "name_fault",
        "one function after the other",
        """
def name_fault(planned, used, updates_per_epoch):
    planned, used = list(planned), list(used)
    near = lambda t, s: abs(used[t] - planned[s]) <= 1e-5 * max(planned)
    every = range(len(used))
    wrong = next((t for t in every if not near(t, t)), None)
    if wrong is None:
        return "none"
    if all(near(t, t + 1) for t in every):
        return "stepped first"
    if all(near(t, t // updates_per_epoch) for t in every):
        return "once an epoch"
    if all(near(t, -1) for t in every):
        return "spent"
    if all(near(t, t - wrong) for t in every[wrong:]):
        return "restarted"
    return "other"
""",
    ),
    Right(
        "name_fault",
        "by the function of task 4, with the plan's scale kept",
        """
def name_fault(planned, used, updates_per_epoch):
    t = np.arange(len(used))
    k = first_wrong_update(planned, used)
    if k is None:
        return "none"
    known = [("stepped first", t + 1), ("once an epoch", t // updates_per_epoch), ("spent", 0 * t - 1)]
    known.append(("restarted", np.where(t < k, t, t - k)))
    top = max(planned)
    fits = [name for name, s in known if first_wrong_update([*planned[s], top], [*used, top]) is None]
    return fits[0] if fits else "other"
""",
    ),
    Right(
        "expected_loss",
        "a loss that is carried on, as a list",
        """
def expected_loss(rates, curvature, variance, start):
    losses = [0.5 * curvature * start * start]
    for x in curvature * np.asarray(rates):
        losses += [(1 - x) ** 2 * losses[-1] + x * x * curvature * variance / 2]
    return losses
""",
    ),
    Right(
        "expected_loss",
        "a tensor that is filled",
        """
def expected_loss(rates, curvature, variance, start):
    m = torch.zeros(len(rates) + 1, dtype=torch.float32)
    m[0] = start**2
    for t, rate in enumerate(rates):
        m[t + 1] = (1 - rate * curvature) ** 2 * m[t] + (rate * curvature) ** 2 * variance
    return m * curvature / 2
""",
    ),
    Right(
        "best_drop",
        "the formula of a run with one drop",
        """
def best_drop(rate, factor, steps, curvature, variance, start):
    a, b = (1 - rate * curvature) ** 2, (1 - factor * rate * curvature) ** 2
    floor = lambda r: r * curvature**2 * variance / (2 * (2 - r * curvature))
    s = np.arange(steps + 1)
    m = floor(rate) + (curvature * start**2 / 2 - floor(rate)) * a**s
    end = floor(factor * rate) + (m - floor(factor * rate)) * b ** (steps - s)
    return end.argmin()
""",
    ),
    Right(
        "best_drop",
        "min with a key",
        """
def best_drop(rate, factor, steps, curvature, variance, start):
    def end(drop):
        plan = [rate] * drop + [factor * rate] * (steps - drop)
        return float(expected_loss(np.array(plan), curvature, variance, start)[-1])

    return min(range(steps + 1), key=end)
""",
    ),
    Right(
        "place_drop",
        "other moments and seeds",
        """
def place_drop(steps):
    moments = np.linspace(0, steps, 9).round().astype(int)[1:]
    table = np.array([losses_with_drop(int(m), steps, seeds=(40, 41, 42)) for m in moments])
    return moments[np.prod(table, axis=1).argmin()]
""",
    ),
]

EQUIVALENT = [
    Equivalent(
        "warmup_cosine",
        ("step < warmup_steps → step <= warmup_steps",),
        "at step W both formulas give the peak",
    ),
    Equivalent(
        "first_wrong_update",
        (
            "abs(rate - planned[update]) <= tolerance → abs(rate - planned[update]) < tolerance",
            "rate - planned[update] → planned[update] - rate",
        ),
        "rounding decides whether a difference equals the tolerance; the sign is dropped",
    ),
    Equivalent(
        "name_fault",
        (
            "abs(rates - used) <= 1e-05 * max(planned) → abs(rates - used) < 1e-05 * max(planned)",
            "rates - used → used - rates",
        ),
        "rounding decides whether a difference equals the tolerance; the sign is dropped",
    ),
    Equivalent("expected_loss", ("1 - rate * curvature → rate * curvature - 1",), "it is squared"),
    Equivalent(
        "best_drop",
        ("range(steps + 1) → range(steps + 1 + 1)", "1 → 2"),
        "a drop after the end is no drop, and of two equals the first is taken",
    ),
    Equivalent("best_drop", ("int(np.argmin(ends)) → np.argmin(ends)",), "the number may be an integer of any kind"),
    Equivalent(
        "place_drop",
        ("np.log(losses_with_drop(drop, steps)).mean() → np.log(losses_with_drop(drop, steps)).sum()",),
        "all moments have equally many seeds, so the order stays",
    ),
    Equivalent("place_drop", ("int(np.argmin(losses)) → np.argmin(losses)",), "an index may be an integer of any kind"),
    Equivalent(
        "place_drop",
        (
            *("0.2 → 0.4", "0.2 → 0.1", "0.4 → 0.8", "0.4 → 0.2", "0.6 → 1.2", "0.6 → 0.3"),
            *("0.8 → 1.6", "0.8 → 0.4", "1.0 → 2.0", "1.0 → 0.5"),
        ),
        "other moments, of which one is as good as the best of the model's",
    ),
]
