"""Answers to the assignment on gradient descent and its limit."""

from benchmarks.mutants.answers import Equivalent, Right, Wrong

WRONG = [
    Wrong(
        "step",
        "goes up the slope",
        """
def step(w, gradient, learning_rate):
    return w + learning_rate * gradient(w)
""",
        points=0,
    ),
    Wrong(
        "step",
        "makes every step of length η",
        """
def step(w, gradient, learning_rate):
    g = gradient(w)
    return w - learning_rate * g / np.linalg.norm(g)
""",
        points=0,
    ),
    Wrong(
        "step",
        "knows the gradient of the example only",
        """
def step(w, gradient, learning_rate):
    return w - learning_rate * np.array([2, 1]) * w
""",
        points=2,
    ),
    Wrong(
        "descend",
        "leaves out the first point",
        """
def descend(w, gradient, learning_rate, steps):
    points = []
    for _ in range(steps):
        w = step(w, gradient, learning_rate)
        points.append(w)
    return np.array(points)
""",
        points=0,
    ),
    Wrong(
        "descend",
        "keeps one array and changes it in place",
        """
def descend(w, gradient, learning_rate, steps):
    points = [w]
    for _ in range(steps):
        w -= learning_rate * gradient(w)
        points.append(w)
    return np.array(points)
""",
        points=0,
    ),
    Wrong(
        "descend",
        "follows one coordinate",
        """
def descend(w, gradient, learning_rate, steps):
    points = [w[0]]
    for _ in range(steps):
        w = step(w, gradient, learning_rate)
        points.append(w[0])
    return np.array(points)[:, None]
""",
        points=3,
    ),
    Wrong(
        "stability_limit",
        "reads the curvatures off the diagonal",
        """
def stability_limit(hessian):
    return 2 / np.max(np.diag(hessian))
""",
        points=0,
    ),
    Wrong(
        "stability_limit",
        "takes the rate of Newton's step for the limit",
        """
def stability_limit(hessian):
    return 1 / np.linalg.eigvalsh(hessian).max()
""",
        points=0,
    ),
    Wrong(
        "stability_limit",
        "takes the largest sum of a row for the largest curvature",
        """
def stability_limit(hessian):
    return 2 / abs(hessian).sum(axis=1).max()
""",
        points=2,
    ),
    Wrong(
        "best_rate",
        "divides by the mean curvature",
        """
def best_rate(hessian):
    curvatures = np.linalg.eigvalsh(hessian)
    eta = 1 / curvatures.mean()
    return eta, abs(1 - eta * curvatures).max()
""",
        points=3,
    ),
    Wrong(
        "best_rate",
        "takes half of the limit",
        """
def best_rate(hessian):
    curvatures = np.linalg.eigvalsh(hessian)
    return 1 / curvatures[-1], 1 - curvatures[0] / curvatures[-1]
""",
        points=0,
    ),
    Wrong(
        "best_rate",
        "returns the condition number instead of the contraction",
        """
def best_rate(hessian):
    curvatures = np.linalg.eigvalsh(hessian)
    return 2 / (curvatures[0] + curvatures[-1]), curvatures[-1] / curvatures[0]
""",
        points=0,
    ),
    Wrong(
        "steps_needed",
        "rounds to the nearest number",
        """
def steps_needed(hessian, learning_rate, factor):
    rho = abs(1 - learning_rate * np.linalg.eigvalsh(hessian)).max()
    return round(np.log(factor) / -np.log(rho)) if rho < 1 else np.inf
""",
        points=0,
    ),
    Wrong(
        "steps_needed",
        "forgets that one step may reach the minimum",
        """
def steps_needed(hessian, learning_rate, factor):
    rho = abs(1 - learning_rate * np.linalg.eigvalsh(hessian)).max()
    return int(np.ceil(np.log(factor) / -np.log(rho))) if rho < 1 else np.inf
""",
        points=3,
    ),
    Wrong(
        "steps_needed",
        "looks at the flattest direction only",
        """
def steps_needed(hessian, learning_rate, factor):
    curvatures = np.linalg.eigvalsh(hessian)
    if learning_rate * curvatures[-1] >= 2:
        return np.inf
    return max(1, int(np.ceil(np.log(factor) / -np.log(max(1e-300, abs(1 - learning_rate * curvatures[0]))))))
""",
        points=3,
    ),
    Wrong(
        "minibatch_descent",
        "uses the first minibatch at every step",
        """
def minibatch_descent(w, gradient, learning_rate, batches, momentum=0.0):
    velocity, points = 0, [w]
    for _ in batches:
        velocity = momentum * velocity + gradient(points[-1], batches[0])
        points.append(points[-1] - learning_rate * velocity)
    return np.array(points)
""",
        points=4,
    ),
    Wrong(
        "minibatch_descent",
        "weights the gradient by 1 − β",
        """
def minibatch_descent(w, gradient, learning_rate, batches, momentum=0.0):
    velocity, points = 0, [w]
    for batch in batches:
        velocity = momentum * velocity + (1 - momentum) * gradient(points[-1], batch)
        points.append(points[-1] - learning_rate * velocity)
    return np.array(points)
""",
        points=0,
    ),
    Wrong(
        "minibatch_descent",
        "takes the gradient at the first point throughout",
        """
def minibatch_descent(w, gradient, learning_rate, batches, momentum=0.0):
    velocity, points = 0, [w]
    for batch in batches:
        velocity = momentum * velocity + gradient(w, batch)
        points.append(points[-1] - learning_rate * velocity)
    return np.array(points)
""",
        points=4,
    ),
    Wrong(
        "choose_rate",
        "takes the mean over the seeds",
        """
def choose_rate(rates, losses):
    best = int(np.where(np.isfinite(losses), losses, np.inf).mean(axis=1).argmin())
    return rates[best], best in (0, len(rates) - 1)
""",
        points=0,
    ),
    Wrong(
        "choose_rate",
        "leaves diverged seeds out",
        """
def choose_rate(rates, losses):
    best = int(np.nanargmin(np.nanmean(np.log(losses), axis=1)))
    return rates[best], best in (0, len(rates) - 1)
""",
        points=0,
    ),
    Wrong(
        "choose_rate",
        "knows one end of the list only",
        """
def choose_rate(rates, losses):
    typical = np.where(np.isfinite(losses), np.log(losses), np.inf).mean(axis=1)
    best = int(typical.argmin())
    return rates[best], best == len(rates) - 1
""",
        points=3,
    ),
    Wrong(
        "choose_rate",
        "takes the best seed of each rate",
        """
def choose_rate(rates, losses):
    finished = np.isfinite(losses).all(axis=1)
    best = int(np.where(finished, np.min(losses, axis=1), np.inf).argmin())
    return rates[best], best in (0, len(rates) - 1)
""",
        points=3,
    ),
    Wrong(
        "find_rate",
        "takes the highest rate that did not diverge",
        """
def find_rate(hidden):
    rates = np.geomspace(0.1, 20, 9)
    sweep = training.sweep(tasks.digits_mlp(hidden=hidden), learning_rates=rates, seeds=range(3), steps=100)
    return rates[~sweep.diverged.reshape(3, -1).any(axis=0)][-1], 30.0
""",
        points=0,
    ),
    Wrong(
        "find_rate",
        "takes the step after the best rate for the cliff",
        """
def find_rate(hidden):
    rates = np.geomspace(0.05, 4, 20)
    sweep = training.sweep(tasks.digits_mlp(hidden=hidden), learning_rates=rates, seeds=range(3), steps=100)
    best = int(sweep.typical("train_loss").argmin())
    return rates[best], rates[best + 1]
""",
        points=0,
    ),
]

RIGHT = [
    Right(
        "step",
        "a lambda",
        "step = lambda w, gradient, learning_rate: w - learning_rate * gradient(w)",
    ),
    Right(
        "step",
        "in place, with other names",
        """
def step(point, slope_of, eta):
    point -= eta * slope_of(point)
    return point
""",
    ),
    Right(
        "step",
        "a list, coordinate by coordinate",
        """
def step(w, gradient, learning_rate):
    return [here - learning_rate * slope for here, slope in zip(w, gradient(w))]
""",
    ),
    Right(
        "step",
        "a tensor in float32",
        """
def step(w, gradient, learning_rate):
    slope = torch.as_tensor(gradient(w), dtype=torch.float32)
    return torch.as_tensor(w, dtype=torch.float32).sub(slope, alpha=learning_rate)
""",
    ),
    Right(
        "descend",
        "an array that is filled",
        """
def descend(w, gradient, learning_rate, steps):
    points = np.empty((steps + 1, len(w)), dtype=np.float32)
    points[0] = w
    for t in range(steps):
        points[t + 1] = points[t] - learning_rate * gradient(points[t])
    return points
""",
    ),
    Right(
        "descend",
        "a recursion that returns a list",
        """
def descend(w, gradient, learning_rate, steps):
    rest = descend(step(w, gradient, learning_rate), gradient, learning_rate, steps - 1) if steps else []
    return [list(w), *rest]
""",
    ),
    Right(
        "descend",
        "accumulate, through a helper of its own",
        """
from itertools import accumulate


def advance(learning_rate, gradient):
    return lambda here, _: step(here, gradient, learning_rate)


def descend(w, gradient, learning_rate, steps):
    return torch.tensor(np.stack(list(accumulate(range(steps), advance(learning_rate, gradient), initial=w))))
""",
    ),
    Right(
        "stability_limit",
        "power iteration",
        """
def stability_limit(hessian):
    v = np.random.default_rng(0).normal(size=len(hessian))
    for _ in range(2000):
        v = hessian @ v
        v = v / np.linalg.norm(v)
    return 2 / (v @ hessian @ v)
""",
    ),
    Right(
        "stability_limit",
        "the spectral norm, in float32",
        """
def stability_limit(hessian):
    return 2 / torch.linalg.matrix_norm(torch.tensor(hessian, dtype=torch.float32), 2)
""",
    ),
    Right(
        "best_rate",
        "the contraction from the rate, as a list",
        """
def best_rate(hessian):
    values, _ = np.linalg.eig(np.asarray(hessian))
    eta = 2 / (values.real.min() + values.real.max())
    return [eta, max(abs(1 - eta * value) for value in values.real)]
""",
    ),
    Right(
        "best_rate",
        "by the condition number",
        """
def best_rate(hessian):
    low, *_, high = [*np.linalg.eigvalsh(hessian.astype(np.float32))] * (2 if len(hessian) == 1 else 1)
    kappa = high / low
    return np.array([2 / high * kappa / (kappa + 1), (kappa - 1) / (kappa + 1)])
""",
    ),
    Right(
        "steps_needed",
        "counting",
        """
def steps_needed(hessian, learning_rate, factor):
    rho = np.max(np.abs(1 - learning_rate * np.linalg.eigvalsh(hessian)))
    if rho >= 1:
        return float("inf")
    left, count = 1.0, 0
    while left > (1 + 1e-9) / factor:
        left, count = left * rho, count + 1
    return count
""",
    ),
    Right(
        "steps_needed",
        "a number that is whole but no integer",
        """
def steps_needed(hessian, learning_rate, factor):
    rho = np.linalg.norm(np.eye(len(hessian)) - learning_rate * np.asarray(hessian), 2)
    if rho >= 1 - 1e-12:
        return np.inf
    with np.errstate(divide="ignore"):
        return max(1.0, np.ceil(np.log(factor) / -np.log(rho)))
""",
    ),
    Right(
        "minibatch_descent",
        "the rate inside the velocity",
        """
def minibatch_descent(w, gradient, learning_rate, batches, momentum=0.0):
    move, points = np.zeros_like(w), [w]
    for batch in batches:
        move = momentum * move - learning_rate * gradient(points[-1], batch)
        points.append(points[-1] + move)
    return np.stack(points)
""",
    ),
    Right(
        "minibatch_descent",
        "torch's own optimizer",
        """
def minibatch_descent(w, gradient, learning_rate, batches, momentum=0.0):
    point = torch.nn.Parameter(torch.tensor(np.asarray(w), dtype=torch.float64))
    optimizer = torch.optim.SGD([point], lr=learning_rate, momentum=momentum)
    visited = [point.detach().clone()]
    for batch in batches:
        point.grad = torch.as_tensor(gradient(point.detach().numpy(), batch), dtype=torch.float64)
        optimizer.step()
        visited.append(point.detach().clone())
    return torch.stack(visited)
""",
    ),
    Right(
        "minibatch_descent",
        "in place, with copies kept",
        """
def minibatch_descent(w, gradient, learning_rate, batches, momentum=0.0):
    w = np.array(w, dtype=np.float32)
    velocity = np.zeros(len(w), dtype=np.float32)
    kept = np.tile(w, (len(batches) + 1, 1))
    for t, batch in enumerate(batches, start=1):
        velocity *= momentum
        velocity += gradient(w, batch)
        w -= learning_rate * velocity
        kept[t] = w
    return kept
""",
    ),
    Right(
        "choose_rate",
        "a loop",
        """
def choose_rate(rates, losses):
    best, least = None, float("inf")
    for number, row in enumerate(losses):
        product = 1.0
        for loss in row:
            product *= loss ** (1 / len(row))
        if product < least:
            best, least = number, product
    return float(rates[best]), best == 0 or best == len(rates) - 1
""",
    ),
    Right(
        "choose_rate",
        "a tensor",
        """
def choose_rate(rates, losses):
    typical = torch.as_tensor(losses, dtype=torch.float32).log().mean(dim=1).nan_to_num(nan=torch.inf, posinf=torch.inf)
    best = typical.argmin()
    return [torch.as_tensor(rates)[best], bool(best == 0) or bool(best == len(rates) - 1)]
""",
    ),
    Right(
        "find_rate",
        "the package's own best rate, on a coarse grid from above",
        """
def find_rate(hidden):
    rates = [8.0, 3.5, 1.6, 0.75, 0.35, 0.16, 0.07]
    network = tasks.digits_mlp(hidden=tuple(hidden))
    sweep = training.sweep(network, learning_rates=rates, seeds=[3, 4, 5, 6], steps=100, batch_size=64)
    best = sweep.best_rate("train_loss")
    bad = [r for r, loss in zip(rates, sweep.typical("train_loss")) if r > best and loss > 0.5 * np.log(10)]
    return [best, min(bad)]
""",
    ),
]

EQUIVALENT = [
    Equivalent(
        "steps_needed",
        ("int(np.ceil(np.log(factor) / -np.log(rho))) → np.ceil(np.log(factor) / -np.log(rho))",),
        "a whole number that is no integer counts as one",
    ),
    Equivalent(
        "steps_needed",
        ("1 - learning_rate * np.linalg.eigvalsh(hessian) → learning_rate * np.linalg.eigvalsh(hessian) - 1",),
        "its absolute value is taken",
    ),
    Equivalent("choose_rate", ("int(typical.argmin()) → typical.argmin()",), "an index may be an integer of any kind"),
    Equivalent(
        "choose_rate",
        ("np.log(losses).mean(axis=1) → np.log(losses).sum(axis=1)",),
        "all rates have equally many seeds, so the order stays",
    ),
    Equivalent(
        "find_rate",
        (
            "np.geomspace(0.05, 12.8, 9) → np.geomspace(12.8, 0.05, 9)",
            "0.05 → 0.1",
            "0.05 → 0.025",
            "12.8 → 25.6",
            "12.8 → 6.4",
            "9 → 10",
            "9 → 8",
        ),
        "another list of rates, as wide and as fine as the task wants it",
    ),
    Equivalent("find_rate", ("range(3) → range(3 + 1)", "3 → 4"), "more seeds than three are allowed"),
    Equivalent("find_rate", ("100 → 101", "100 → 99"), "one step of a hundred moves no rate by a factor of 2.5"),
    Equivalent(
        "find_rate",
        (
            "np.exp(np.log(losses).mean(axis=1)) > np.log(10) / 2"
            " → np.exp(np.log(losses).mean(axis=1)) >= np.log(10) / 2",
            "np.log(10) / 2 → 2 / np.log(10)",
            "2 → 3",
            "10 → 11",
            "10 → 9",
        ),
        "the loss jumps past all these bounds between a rate and the next",
    ),
    Equivalent("find_rate", ("rates > best → rates >= best",), "training does not fail at the best rate"),
    Equivalent(
        "find_rate",
        ("failed & (rates > best) → failed",),
        "the list has no rate so low that it fails as well",
    ),
]
