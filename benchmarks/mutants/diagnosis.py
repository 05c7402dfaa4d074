"""Answers to the assignment on the diagnosis of five runs and a script."""

from benchmarks.mutants.answers import Equivalent, Right, Wrong

TRAIN = """
def train(seed, steps=60, warmup_steps=10, peak=0.5, every=20):
    model = new_model(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=peak)

    def factor(t):
        if t < warmup_steps:
            return {warm}
        return (1 + np.cos(np.pi * (t - warmup_steps) / ({length}))) / 2

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    rates, losses, validation = [], [], []
    for number, (inputs, labels) in enumerate(minibatches(seed, steps), start=1):
        loss = nn.functional.cross_entropy(model(inputs), labels)
        {zero}
        loss.backward()
        {first}
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        {second}
        losses.append({loss})
        if number % every == 0:
            {mode}
            validation.append(validation_loss(model.state_dict()))
    return {{"rates": rates, "losses": losses, "validation": validation, "state": model.state_dict()}}
"""
MENDED = {
    "warm": "(t + 1) / (warmup_steps + 1)",
    "length": "steps - warmup_steps",
    "zero": "optimizer.zero_grad()",
    "first": "pass",
    "second": "scheduler.step()",
    "loss": "loss.item()",
    "mode": "pass",
}


def _train(**mistakes: str) -> str:
    return TRAIN.format(**MENDED | mistakes)


EVALUATION = """
def validation_loss(state, batch_size=64):
    model = new_model(0)
    model.load_state_dict(state)
    {mode}
    inputs, labels = data.digits().validation
    losses = []
    with torch.no_grad():
        for x, y in zip(inputs.split(batch_size), labels.split(batch_size)):
            losses.append({loss})
    return {result}
"""

WRONG = [
    Wrong(
        "smoothed",
        "begins the average at zero",
        """
def smoothed(losses, beta):
    average, averages = 0.0, []
    for loss in losses:
        average = beta * average + (1 - beta) * loss
        averages.append(average)
    return np.array(averages)
""",
        points=0,
    ),
    Wrong(
        "smoothed",
        "begins the average at the first loss",
        """
def smoothed(losses, beta):
    averages = [losses[0]]
    for loss in losses[1:]:
        averages.append(beta * averages[-1] + (1 - beta) * loss)
    return np.array(averages)
""",
        points=0,
    ),
    Wrong(
        "update_ratio",
        "averages the ratios of the entries",
        """
def update_ratio(before, after):
    return {name: np.mean(np.abs(after[name] - before[name]) / np.abs(before[name])) for name in before}
""",
        points=3,
    ),
    Wrong(
        "update_ratio",
        "divides by the size after the update",
        """
def update_ratio(before, after):
    norm = np.linalg.norm
    return {name: norm(after[name] - before[name]) / norm(after[name]) for name in before}
""",
        points=0,
    ),
    Wrong(
        "time_spent",
        "compares with the first rate",
        """
def time_spent(rates, level=0.12):
    return np.mean(rates < level * rates[0])
""",
        points=0,
    ),
    Wrong(
        "time_spent",
        "counts rates at the level, too",
        """
def time_spent(rates, level=0.12):
    return np.mean(rates <= level * max(rates))
""",
        points=2,
    ),
    Wrong("answers", "all healthy", 'answers = {letter: "healthy" for letter in "ABC"}', points=2),
    Wrong("answers", "names of its own", 'answers = {letter: "overfitted" for letter in "ABC"}', points=0),
    Wrong("last_answers", "one run forgotten", 'last_answers = {"D": "healthy"}', points=0),
    Wrong(
        "validation_loss",
        "in training mode",
        EVALUATION.format(
            mode="pass",
            loss="nn.functional.cross_entropy(model(x), y).item() * len(y)",
            result="sum(losses) / len(labels)",
        ),
        points=0,
    ),
    Wrong(
        "validation_loss",
        "the mean of the batches' means",
        EVALUATION.format(
            mode="model.eval()",
            loss="nn.functional.cross_entropy(model(x), y).item()",
            result="sum(losses) / len(losses)",
        ),
        points=0,
    ),
    Wrong("train", "gradients pile up", _train(zero="pass"), points=8),
    Wrong("train", "the scheduler steps first", _train(first="scheduler.step()", second="pass"), points=0),
    Wrong("train", "the cosine is too long", _train(length="steps"), points=0),
    Wrong("train", "the warm-up begins at the peak", _train(warm="1.0"), points=0),
    Wrong("train", "stays in evaluation mode", _train(mode="model.eval()"), points=8),
    Wrong("train", "keeps the graphs of the losses", _train(loss="loss"), points=13),
]

RIGHT = [
    Right(
        "smoothed",
        "whole arrays",
        """
def smoothed(losses, beta):
    t = np.arange(len(losses))
    weights = np.where(t[:, None] >= t, float(beta) ** np.abs(t[:, None] - t), 0.0)
    return weights @ losses / weights.sum(axis=1)
""",
    ),
    Right(
        "smoothed",
        "a bias correction, as a list",
        """
def smoothed(losses, beta):
    m, out = 0.0, []
    for t, loss in enumerate(losses, 1):
        m = beta * m + (1 - beta) * float(loss)
        out.append(m / (1 - beta**t))
    return out
""",
    ),
    Right(
        "update_ratio",
        "with tensors of torch",
        """
def update_ratio(before, after):
    result = {}
    for name in after:
        old, new = torch.as_tensor(before[name]), torch.as_tensor(after[name])
        moved, size = (new - old).norm(), old.norm()
        result[name] = moved / size if size else torch.tensor(float("inf") if moved else 0.0)
    return result
""",
    ),
    Right(
        "update_ratio",
        "roots of sums of squares",
        """
def update_ratio(before, after):
    def ratio(old, new):
        moved, size = float(((new - old) ** 2).sum()) ** 0.5, float((old**2).sum()) ** 0.5
        if size == 0:
            return float("inf") if moved else 0
        return moved / size

    return dict((name, ratio(before[name], after[name])) for name in before)
""",
    ),
    Right(
        "time_spent",
        "a count",
        """
def time_spent(rates, level=0.12):
    peak, low = max(rates), 0
    for rate in rates:
        low += rate < level * peak
    return low / len(rates)
""",
    ),
    Right(
        "answers",
        "built entry by entry",
        """
names = ["rate too low", "rate too high", "diverging", "schedule spent early"]
names += ["past its best validation point", "healthy"]
answers = {}
for place, letter in enumerate("ABC"):
    answers[letter] = names[drawn(student)[place]]
""",
    ),
    Right(
        "validation_loss",
        "sums of losses",
        EVALUATION.format(
            mode="model.train(False)",
            loss="float(nn.functional.cross_entropy(model(x), y, reduction='sum'))",
            result="np.sum(losses) / 360",
        ),
    ),
    Right(
        "validation_loss",
        "all examples at once, by hand",
        """
def validation_loss(state, batch_size=64):
    x, y = data.digits().validation
    h = x @ state["0.weight"].T + state["0.bias"]
    h = (h - state["1.running_mean"]) / torch.sqrt(state["1.running_var"] + 1e-5)
    h = torch.relu(h * state["1.weight"] + state["1.bias"])
    z = h @ state["3.weight"].T + state["3.bias"]
    return -(z.log_softmax(1)[torch.arange(len(y)), y]).mean().detach()
""",
    ),
    Right(
        "train",
        "rates set by hand, without a scheduler",
        """
def train(seed, steps=60, warmup_steps=10, peak=0.5, every=20):
    model = new_model(seed)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=peak)
    record = {"rates": [], "losses": [], "validation": []}
    for t, (x, y) in enumerate(minibatches(seed, steps)):
        if t < warmup_steps:
            rate = peak * (t + 1) / (warmup_steps + 1)
        else:
            rate = peak * np.cos(np.pi / 2 * (t - warmup_steps) / (steps - warmup_steps)) ** 2
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=False)
        loss = nn.CrossEntropyLoss()(model(x), y)
        loss.backward()
        optimizer.step()
        record["rates"].append(rate)
        record["losses"].append(float(loss.detach()))
        if (t + 1) % every == 0:
            model.eval()
            record["validation"].append(validation_loss(model.state_dict()))
            model.train()
    return record | {"state": {name: value.clone() for name, value in model.state_dict().items()}}
""",
    ),
    Right(
        "train",
        "zeroed after the step, arrays, a warm-up of torch's",
        """
def train(seed, steps=60, warmup_steps=10, peak=0.5, every=20):
    net = new_model(seed)
    sgd = torch.optim.SGD(net.parameters(), lr=peak)
    t = np.arange(steps)
    plan = np.where(t < warmup_steps, (t + 1) / (warmup_steps + 1), 1.0)
    fall = t >= warmup_steps
    plan[fall] = 0.5 * (1 + np.cos(np.pi * (t[fall] - warmup_steps) / (steps - warmup_steps)))
    scheduler = torch.optim.lr_scheduler.LambdaLR(sgd, lambda step: plan[min(step, steps - 1)])
    used, losses, held = np.zeros(steps), np.zeros(steps), []
    for k, batch in enumerate(minibatches(seed, steps)):
        used[k] = scheduler.get_last_lr()[0]
        loss = nn.functional.cross_entropy(net(batch[0]), batch[1])
        losses[k] = loss.item()
        loss.backward()
        sgd.step()
        sgd.zero_grad()
        scheduler.step()
        if not (k + 1) % every:
            held.append(validation_loss(net.state_dict()))
    return dict(state=net.state_dict(), validation=np.array(held), losses=losses, rates=used)
""",
    ),
]

EQUIVALENT = [
    Equivalent("update_ratio", ("after[name] - old → old - after[name]",), "the norm is the same"),
    Equivalent("answers", ("3 → 4",), "zip stops at the last letter"),
    Equivalent("last_answers", ("5 → 6",), "there are only five runs"),
    Equivalent("validation_loss", ("64 → 65", "64 → 63"), "the batch size changes nothing, as the task asks"),
    Equivalent("validation_loss", ("0 → 1", "0 → -1"), "the initial weights are overwritten by the state"),
    Equivalent(
        "train", ("t < warmup_steps → t <= warmup_steps",), "at the end of the warm-up both formulas give the peak"
    ),
    Equivalent("train", ("0 → -1 (2)",), "there is only one parameter group"),
    Equivalent(
        "train",
        ("steps - warmup_steps → warmup_steps - steps", "t - warmup_steps → warmup_steps - t"),
        "the cosine is even",
    ),
]
