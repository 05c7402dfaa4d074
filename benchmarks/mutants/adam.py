"""Answers to the assignment on Adam and fair comparisons."""

from benchmarks.mutants.answers import Equivalent, Right, Wrong

ADAM = """
def adam(w, g, state, rate, betas=(0.9, 0.999), eps=1e-8):
    t = state.get("t", 0) + 1
    m = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
    v = betas[1] * state.get("v", 0) + (1 - betas[1]) * g**2
    {step}
    return w, {{"t": t, "m": m, "v": v}}
"""

WRONG = [
    Wrong(
        "adagrad",
        "puts ε inside the root",
        """
def adagrad(w, g, state, rate, eps=1e-10):
    s = state.get("s", 0) + g**2
    return w - rate * g / np.sqrt(s + eps), {"s": s}
""",
        points=3,
    ),
    Wrong(
        "adagrad",
        "keeps the sum in a global",
        """
memory = {"s": 0}


def adagrad(w, g, state, rate, eps=1e-10):
    memory["s"] = memory["s"] + g**2
    return w - rate * g / (np.sqrt(memory["s"]) + eps), memory
""",
        points=3,
    ),
    Wrong(
        "adagrad",
        "forgets the root",
        """
def adagrad(w, g, state, rate, eps=1e-10):
    s = state.get("s", 0) + g**2
    return w - rate * g / (s + eps), {"s": s}
""",
        points=0,
    ),
    Wrong(
        "rmsprop",
        "swaps the weights of old and new",
        """
def rmsprop(w, g, state, rate, alpha=0.99, eps=1e-8):
    v = (1 - alpha) * state.get("v", 0) + alpha * g**2
    return w - rate * g / (np.sqrt(v) + eps), {"v": v}
""",
        points=0,
    ),
    Wrong(
        "rmsprop",
        "corrects a bias that RMSprop keeps",
        """
def rmsprop(w, g, state, rate, alpha=0.99, eps=1e-8):
    t = state.get("t", 0) + 1
    v = alpha * state.get("v", 0) + (1 - alpha) * g**2
    return w - rate * g / (np.sqrt(v / (1 - alpha**t)) + eps), {"v": v, "t": t}
""",
        points=0,
    ),
    Wrong(
        "average",
        "corrects by the number of values from zero",
        """
def average(m, x, beta):
    return beta * m + (1 - beta) * x


def corrected(m, beta, count):
    return m / (1 - beta ** (count + 1))
""",
        points=0,
    ),
    Wrong(
        "average",
        "adds without the factor 1 - β",
        """
def average(m, x, beta):
    return beta * m + x


def corrected(m, beta, count):
    return m / (1 - beta**count)
""",
        points=0,
    ),
    Wrong("adam", "has no bias correction", ADAM.format(step="w = w - rate * m / (np.sqrt(v) + eps)"), points=0),
    Wrong(
        "adam",
        "swaps the betas",
        """
def adam(w, g, state, rate, betas=(0.9, 0.999), eps=1e-8):
    beta2, beta1 = betas
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0) + (1 - beta1) * g
    v = beta2 * state.get("v", 0) + (1 - beta2) * g**2
    w = w - rate * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return w, {"t": t, "m": m, "v": v}
""",
        points=0,
    ),
    Wrong(
        "adam",
        "puts ε inside the root",
        ADAM.format(step="w = w - rate * m / (1 - betas[0] ** t) / np.sqrt(v / (1 - betas[1] ** t) + eps)"),
        points=0,
    ),
    Wrong(
        "adam",
        "counts by a global, over all trainings",
        """
count = 0


def adam(w, g, state, rate, betas=(0.9, 0.999), eps=1e-8):
    global count
    count = count + 1
    m = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
    v = betas[1] * state.get("v", 0) + (1 - betas[1]) * g**2
    w = w - rate * m / (1 - betas[0] ** count) / (np.sqrt(v / (1 - betas[1] ** count)) + eps)
    return w, {"m": m, "v": v}
""",
        points=0,
    ),
    Wrong(
        "adamw",
        "adds the decay to the gradient",
        """
def adamw(w, g, state, rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    return adam(w, g + weight_decay * w, state, rate, betas, eps)
""",
        points=0,
    ),
    Wrong(
        "adamw",
        "decays without the rate",
        """
def adamw(w, g, state, rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    return adam((1 - weight_decay) * w, g, state, rate, betas, eps)
""",
        points=0,
    ),
    Wrong(
        "choose_rate",
        "takes the edge of the grid",
        """
def choose_rate(rates, losses):
    return rates[int(np.argmin(np.nan_to_num(np.log(losses).mean(axis=1), nan=np.inf)))]
""",
        points=0,
    ),
    Wrong(
        "choose_rate",
        "overlooks runs that diverged",
        """
def choose_rate(rates, losses):
    losses = np.where(np.isfinite(losses), losses, np.nan)
    best = int(np.nanargmin(np.nanmean(np.log(losses), axis=1)))
    return None if best in (0, len(rates) - 1) else rates[best]
""",
        points=0,
    ),
    Wrong(
        "choose_rate",
        "takes the best seed",
        """
def choose_rate(rates, losses):
    best = int(np.argmin(np.nan_to_num(losses, nan=np.inf).min(axis=1)))
    return None if best in (0, len(rates) - 1) else rates[best]
""",
        points=0,
    ),
    Wrong(
        "paired_ratio",
        "takes the spread for the error of the mean",
        """
def paired_ratio(a, b):
    d = np.log(a / b)
    half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1)
    return np.exp(d.mean()), np.exp(d.mean() - half), np.exp(d.mean() + half)
""",
        points=0,
    ),
    Wrong(
        "paired_ratio",
        "takes the ratio of the means",
        """
def paired_ratio(a, b):
    d = np.log(a / b)
    half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))
    ratio = a.mean() / b.mean()
    return ratio, ratio * np.exp(-half), ratio * np.exp(half)
""",
        points=0,
    ),
    Wrong(
        "fair_comparison",
        "chooses on the fresh seeds",
        """
def fair_comparison(first, second):
    rates = [choose_rate(arm["rates"], arm["fresh"]) for arm in (first, second)]
    if None in rates:
        return None
    return paired_ratio(*(a["fresh"][list(a["rates"]).index(r)] for a, r in zip((first, second), rates)))
""",
        points=0,
    ),
    Wrong(
        "fair_comparison",
        "reports the tuning seeds",
        """
def fair_comparison(first, second):
    rates = [choose_rate(arm["rates"], arm["tuning"]) for arm in (first, second)]
    if None in rates:
        return None
    return paired_ratio(*(a["tuning"][list(a["rates"]).index(r)] for a, r in zip((first, second), rates)))
""",
        points=0,
    ),
]

RIGHT = [
    Right(
        "adagrad",
        "in place, the state a list's entry",
        """
def adagrad(w, g, state, rate, eps=1e-10):
    if "sums" not in state:
        state["sums"] = [np.zeros_like(g)]
    sums = state["sums"][0] + g * g
    state["sums"] = [sums]
    w = w - rate / (eps + sums**0.5) * g
    return w, state
""",
    ),
    Right(
        "adagrad",
        "with tensors of torch",
        """
def adagrad(w, g, state, rate, eps=1e-10):
    w, g = torch.as_tensor(w), torch.as_tensor(g)
    total = state.get("total", torch.zeros_like(g)) + g.square()
    return w - rate * g / (total.sqrt() + eps), {"total": total}
""",
    ),
    Right(
        "rmsprop",
        "an exponential average as a step towards the new",
        """
def rmsprop(w, g, state, rate, alpha=0.99, eps=1e-8):
    old = state["avg"] if state else np.zeros_like(g)
    new = old + (1 - alpha) * (np.square(g) - old)
    return w - np.divide(rate * g, np.sqrt(new) + eps), dict(avg=new)
""",
    ),
    Right(
        "rmsprop",
        "a loop over the coordinates",
        """
def rmsprop(w, g, state, rate, alpha=0.99, eps=1e-8):
    shape = np.shape(w)
    weights, gradient = np.ravel(w).tolist(), np.ravel(g).tolist()
    v = state.get("v", [0.0] * len(weights))
    v = [alpha * a + (1 - alpha) * b * b for a, b in zip(v, gradient)]
    weights = [x - rate * y / (z**0.5 + eps) for x, y, z in zip(weights, gradient, v)]
    return np.reshape(weights, shape), {"v": v}
""",
    ),
    Right(
        "average",
        "a step towards the new, and the sum of the weights",
        """
def average(m, x, beta):
    return m + (1 - beta) * (x - m)


def corrected(m, beta, count):
    weights = [(1 - beta) * beta**k for k in range(count)]
    return m / sum(weights)
""",
    ),
    Right(
        "adam",
        "one rate for both corrections",
        """
def adam(w, g, state, rate, betas=(0.9, 0.999), eps=1e-8):
    b1, b2 = betas
    t, m, v = state.get("all", (0, np.zeros_like(w), np.zeros_like(w)))
    t, m, v = t + 1, b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    root = np.sqrt(1 - b2**t)
    return w - rate * root / (1 - b1**t) * m / (np.sqrt(v) + eps * root), {"all": (t, m, v)}
""",
    ),
    Right(
        "adam",
        "in float32",
        """
def adam(w, g, state, rate, betas=(0.9, 0.999), eps=1e-8):
    w, g = np.asarray(w, dtype=np.float32), np.asarray(g, dtype=np.float32)
    t = state.get("t", 0) + 1
    m = (betas[0] * state.get("m", 0) + (1 - betas[0]) * g).astype(np.float32)
    v = (betas[1] * state.get("v", 0) + (1 - betas[1]) * g**2).astype(np.float32)
    return w - rate * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps), {"t": t, "m": m, "v": v}
""",
    ),
    Right(
        "adamw",
        "everything written out",
        """
def adamw(w, g, state, rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    t = state.get("t", 0) + 1
    m = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
    v = betas[1] * state.get("v", 0) + (1 - betas[1]) * g**2
    step = m / (1 - betas[0] ** t) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return w - rate * (step + weight_decay * w), {"t": t, "m": m, "v": v}
""",
    ),
    Right(
        "choose_rate",
        "a loop with products",
        """
def choose_rate(rates, losses):
    best, least = None, float("inf")
    for k, row in enumerate(losses):
        typical = float(np.prod(row)) ** (1 / len(row))
        if typical < least:
            best, least = k, typical
    if best is None or best == 0 or best == len(rates) - 1:
        return None
    return rates[best]
""",
    ),
    Right(
        "paired_ratio",
        "by scipy's test, as an array",
        """
def paired_ratio(a, b):
    logs = np.log(np.asarray(a) / np.asarray(b))
    ends = stats.ttest_1samp(logs, 0.0).confidence_interval(0.95)
    return np.exp([logs.mean(), ends.low, ends.high])
""",
    ),
    Right(
        "fair_comparison",
        "the place by comparison",
        """
def fair_comparison(first, second):
    def losses(arm):
        rate = choose_rate(arm["rates"], arm["tuning"])
        return None if rate is None else arm["fresh"][np.isclose(arm["rates"], rate)][0]

    a, b = losses(first), losses(second)
    if a is None or b is None:
        return None
    return list(paired_ratio(a, b))
""",
    ),
]

EQUIVALENT = [
    Equivalent(
        "choose_rate",
        ("np.log(losses).mean(axis=1) → np.log(losses).sum(axis=1)",),
        "every rate has equally many seeds, so the least sum is the least mean",
    ),
    Equivalent("choose_rate", ("int(np.argmin(typical)) → np.argmin(typical)",), "an integer of numpy indexes as well"),
]
