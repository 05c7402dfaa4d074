"""The monitor: real scheduler bugs rebuilt, right loops left in peace, and a training that does not feel it."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
)

from lrlib import schedules
from lrlib.diagnostics import Departure, Monitor

N = 40
COSINE = schedules.cosine(0.1, total_steps=N)
WARM = schedules.with_warmup(schedules.linear(0.1, total_steps=N - 8), warmup_steps=8)
STEPS = schedules.multistep(0.1, milestones=[20, 30], gamma=0.1)
ONE_CYCLE = schedules.one_cycle(0.1, total_steps=N)
RISE = schedules.warmup_linear(0.1, warmup_steps=15, start_factor=0.1)
JOINED = schedules.join([RISE, schedules.cosine(0.1, total_steps=25)], boundaries=[15])


class Loop:
    """A loop of updates that a monitor watches; ``seen`` is what it told."""

    def __init__(self, planned: Any = None, *rates: float, start: int = 0) -> None:
        groups = [{"params": [torch.nn.Parameter(torch.zeros(2))], "lr": rate} for rate in rates or (0.1,)]
        self.optimizer = torch.optim.SGD(groups)
        self.planned, self.start = planned, start
        self.seen: list[Departure] = []
        self.monitor: Monitor | None = None

    def watch(self) -> None:
        settings = {"planned": self.planned, "start": self.start, "on_departure": self.seen.append}
        self.monitor = Monitor(torch.nn.Linear(1, 1), self.optimizer, **settings)

    def update(self) -> None:
        if self.monitor is None:
            self.watch()
        self.optimizer.step()

    def run(self, updates: int, *schedulers: LRScheduler, times: int = 1, each: int = 1) -> "Loop":
        """Updates, each followed by ``times`` steps of every scheduler; or only each so many updates."""
        for number in range(1, updates + 1):
            self.update()
            for scheduler in schedulers if number % each == 0 else ():
                for _ in range(times):
                    scheduler.step()
        return self


def factor(plan: schedules.Schedule, stretch: float = 1.0) -> Callable[[int], float]:
    """A plan as the factor of a ``LambdaLR``, its clock ``stretch`` times slower."""
    rates = plan(np.arange(10 * N))
    return lambda step: float(np.interp(step / stretch, np.arange(len(rates)), rates)) / 0.1


def by_lambda(loop: Loop, plan: schedules.Schedule, stretch: float = 1.0) -> LambdaLR:
    return LambdaLR(loop.optimizer, factor(plan, stretch))


# Scheduler bugs of real projects, rebuilt: what goes wrong, at which update the rate first leaves the plan, and words
# of the reason. The numbers are those of the projects' own threads.
Bug = Callable[[], Loop]
BUGS: dict[str, tuple[Bug, int, str]] = {}


def bug(name: str, step: int, words: str) -> Callable[[Bug], Bug]:
    def keep(loop: Bug) -> Bug:
        BUGS[name] = loop, step, words
        return loop

    return keep


@bug("diffusers 3954: a prepared cosine steps once a process", 1, "stepped 4 times an update: once a process")
def _() -> Loop:
    loop = Loop(COSINE)
    return loop.run(N // 2, CosineAnnealingLR(loop.optimizer, N), times=4)


@bug("diffusers 2632: lengths times accumulation, stepped per update", 1, "runs slower than planned")
def _() -> Loop:
    loop = Loop(WARM)
    return loop.run(N, by_lambda(loop, WARM, stretch=4))


@bug(
    "diffusers 4387: a cosine that never reaches zero",
    1,
    "CosineAnnealingLR(T_max=160) ends at step 160, the plan at 40",
)
def _() -> Loop:
    loop = Loop(COSINE)
    return loop.run(N, CosineAnnealingLR(loop.optimizer, 4 * N))


@bug("accelerate 963: stepped at every micro-batch", 1, "stepped 2 times an update")
def _() -> Loop:
    loop = Loop(WARM)
    scheduler = by_lambda(loop, WARM)
    for batch in range(N):
        if batch % 2 == 1:
            loop.update()
        if batch:  # the first batch of all is before the first update
            scheduler.step()
    return loop


@bug("accelerate 500: lengths divided by accumulation, stepped per micro-batch", 1, "once a batch whose gradients are")
def _() -> Loop:
    loop = Loop(COSINE)
    return loop.run(N // 2, by_lambda(loop, COSINE), times=8)


@bug("transformers 24088: warm-up and decay step once a process", 1, "stepped 8 times an update")
def _() -> Loop:
    loop = Loop(WARM)
    return loop.run(5, by_lambda(loop, WARM), times=8)


@bug("Lightning 1476: a warm-up of 16,000 steps takes 1,000", 1, "stepped 16 times an update")
def _() -> Loop:
    loop = Loop(lambda step: 0.1 * min(1.0, (step + 1) / 16_000))
    return loop.run(1100, LambdaLR(loop.optimizer, lambda step: min(1.0, (step + 1) / 16_000)), times=16)


@bug("Lightning 12894: a scheduler of one's own counts batches, not updates", 1, "the rate planned for update 4")
def _() -> Loop:
    loop = Loop(COSINE)
    for batch in range(N):
        for group in loop.optimizer.param_groups:
            group["lr"] = COSINE(max(batch - 3, 0))
        if batch % 4 == 3:
            loop.update()
    return loop


def halfway(plan: schedules.Schedule, make: Callable[[Loop], LRScheduler]) -> tuple[dict[str, Any], dict[str, Any]]:
    first = Loop(plan)
    scheduler = make(first)
    first.run(N // 2, scheduler)
    assert not first.seen
    return first.optimizer.state_dict(), scheduler.state_dict()


def cosine(loop: Loop) -> LRScheduler:
    return CosineAnnealingLR(loop.optimizer, N)


def joined(loop: Loop, fall: int = 25) -> LRScheduler:
    rise = LinearLR(loop.optimizer, start_factor=0.1, total_iters=15)
    return SequentialLR(loop.optimizer, [rise, CosineAnnealingLR(loop.optimizer, fall)], milestones=[15])


@bug("pytorch 60265: a new cosine with last_epoch", N // 2, "resumed")
def _() -> Loop:
    loop = Loop(COSINE, start=N // 2)
    for group in loop.optimizer.param_groups:
        group["initial_lr"] = 0.1
    return loop.run(10, CosineAnnealingLR(loop.optimizer, N, last_epoch=N // 2 - 1))


@bug("Lightning 15462: one-cycle begins anew after a resumption", N // 2, "begins anew")
def _() -> Loop:
    loop = Loop(ONE_CYCLE, start=N // 2)
    return loop.run(10, OneCycleLR(loop.optimizer, 0.1, total_steps=N, cycle_momentum=False))


@bug(
    "Lightning 12812: the resumed scheduler holds another optimizer",
    N // 2 + 1,
    "no scheduler of torch drives this optimizer",
)
def _() -> Loop:
    of_optimizer, of_scheduler = halfway(COSINE, cosine)
    stale = Loop()
    scheduler = cosine(stale)
    scheduler.load_state_dict(of_scheduler)
    loop = Loop(COSINE, start=N // 2)
    loop.optimizer.load_state_dict(of_optimizer)
    return loop.run(10, scheduler)


@bug(
    "Lightning 4655: saved before the scheduler's step, a milestone comes late",
    20,
    "19 times in 20 updates: its state was saved before",
)
def _() -> Loop:
    first = Loop(STEPS)
    scheduler = MultiStepLR(first.optimizer, [20, 30])
    first.run(15, scheduler)
    first.update()  # the state is saved before the step that belongs to this update
    state = scheduler.state_dict()
    loop = Loop(STEPS, start=16)
    late = MultiStepLR(loop.optimizer, [20, 30])
    loop.optimizer.load_state_dict(first.optimizer.state_dict())
    late.load_state_dict(state)
    return loop.run(10, late)


@bug("ColossalAI 5151: the optimizer's rate is not restored", N // 2, "resumed: LambdaLR knows the right rate")
def _() -> Loop:
    _, of_scheduler = halfway(WARM, lambda loop: by_lambda(loop, WARM))
    loop = Loop(WARM, start=N // 2)
    scheduler = by_lambda(loop, WARM)
    scheduler.load_state_dict(of_scheduler)
    return loop.run(10, scheduler)


@bug("torch-points3d 630: the scheduler is made after the optimizer was loaded", N // 2, "make the scheduler first")
def _() -> Loop:
    of_optimizer, of_scheduler = halfway(JOINED, joined)
    loop = Loop(JOINED, start=N // 2)
    loop.optimizer.load_state_dict(of_optimizer)
    scheduler = joined(loop)
    scheduler.load_state_dict(of_scheduler)
    return loop.run(10, scheduler)


@bug("distiller 70: milestones are counted from the resumption", 20, "counts from the resumption at 16: its state")
def _() -> Loop:
    loop = Loop(STEPS, start=16)
    return loop.run(10, MultiStepLR(loop.optimizer, [20, 30]))


@bug("DeepCORO_CLIP 43: step() is never called", 1, "has not been stepped: never, or once an epoch")
def _() -> Loop:
    loop = Loop(COSINE)
    scheduler = cosine(loop)
    loop.run(10)
    del scheduler
    return loop


@bug("direct 54: milestones of updates, stepped once an epoch", 20, "once an epoch")
def _() -> Loop:
    loop = Loop(STEPS)
    return loop.run(N, MultiStepLR(loop.optimizer, [20, 30]), each=10)


def scaled(loop: Loop, slopes: list[float]) -> Iterator[bool]:
    """Updates under a scaler, one for each slope; gives whether it was made."""
    scaler = torch.amp.GradScaler("cpu")
    [weight] = loop.optimizer.param_groups[0]["params"]
    for slope in slopes:
        loop.optimizer.zero_grad()
        scaler.scale(slope * weight.sum()).backward()
        scale = scaler.get_scale()
        scaler.step(loop.optimizer)
        scaler.update()
        yield scaler.get_scale() >= scale


@bug(
    "Lightning 9923: the scheduler steps where the scaler skips",
    0,
    "stepped for 3 that the scaler skipped",
)
def _() -> Loop:
    loop = Loop(WARM)
    loop.watch()
    scheduler = by_lambda(loop, WARM)
    for _ in scaled(loop, [float("inf")] * 3 + [1.0] * 5):
        scheduler.step()
    return loop


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("name", BUGS)
def test_a_real_bug_is_caught_at_its_first_wrong_update(name: str) -> None:
    make, step, words = BUGS[name]
    loop = make()
    assert loop.monitor
    first = loop.seen[0]
    used, planned = loop.monitor.rates[:, 0], loop.monitor.planned_rates[:, 0]
    wrong = loop.start + int(np.flatnonzero(~np.isclose(used, planned, rtol=1e-5, atol=1e-9))[0])
    assert (first.step, wrong) == (step, step)
    assert words in first.why
    assert "\n" not in str(first)
    assert len(str(first)) < 250


# The traps of the book's own page, as far as they change the rate.
TRAPS: dict[str, tuple[Bug, int, str]] = {}


def trap(name: str, step: int, words: str) -> Callable[[Bug], Bug]:
    def keep(loop: Bug) -> Bug:
        TRAPS[name] = loop, step, words
        return loop

    return keep


@trap("order", 0, "scheduler.step() comes before optimizer.step()")
def _() -> Loop:
    loop = Loop(COSINE)
    scheduler = cosine(loop)
    for _ in range(10):
        scheduler.step()
        loop.update()
    return loop


@trap("spent", 0, "stepped 40 times before")
def _() -> Loop:
    loop = Loop(STEPS)
    scheduler = MultiStepLR(loop.optimizer, [20, 30])
    for _ in range(N):
        loop.optimizer.step()
        scheduler.step()
    return loop.run(10, scheduler)


@trap("multiply", 1, "2 schedulers (LinearLR and CosineAnnealingLR) drive this optimizer")
def _() -> Loop:
    loop = Loop(JOINED)
    rise = LinearLR(loop.optimizer, start_factor=0.1, total_iters=15)
    return loop.run(N, rise, CosineAnnealingLR(loop.optimizer, N))


@trap("epoch", 1, "never, or once an epoch")
def _() -> Loop:
    loop = Loop(COSINE)
    return loop.run(N, cosine(loop), each=10)


@trap("climb", N + 1, "CosineAnnealingLR(T_max=40) climbs again past its end")
def _() -> Loop:
    loop = Loop(COSINE)
    return loop.run(N + 10, cosine(loop))


@trap("past end", N, "OneCycleLR(total_steps=40) has no rates past its end")
def _() -> Loop:
    plan = schedules.one_cycle(0.1, total_steps=N, anneal_strategy="linear")
    loop = Loop(plan)
    cycle = OneCycleLR(loop.optimizer, 0.1, total_steps=N, anneal_strategy="linear", cycle_momentum=False)
    loop.run(N, cycle)
    loop.update()
    assert loop.seen[0].used < 0
    return loop


@trap("hand-over", 16, "ends at step 55, the plan at 40")
def _() -> Loop:
    loop = Loop(JOINED)
    return loop.run(N, joined(loop, fall=N))


@trap("scheduler not saved", N // 2 + 1, "counts from the resumption at 20: its state was not loaded")
def _() -> Loop:
    of_optimizer, _ = halfway(COSINE, cosine)
    loop = Loop(COSINE, start=N // 2)
    scheduler = cosine(loop)
    loop.optimizer.load_state_dict(of_optimizer)
    return loop.run(10, scheduler)


@trap("carried plan", N // 2, "brings a plan of its own: CosineAnnealingLR(T_max=40) ends at step 40, the plan at 80")
def _() -> Loop:
    longer = schedules.cosine(0.1, total_steps=2 * N)
    of_optimizer, of_scheduler = halfway(COSINE, cosine)
    loop = Loop(longer, start=N // 2)
    scheduler = CosineAnnealingLR(loop.optimizer, 2 * N)
    loop.optimizer.load_state_dict(of_optimizer)
    scheduler.load_state_dict(of_scheduler)
    return loop.run(10, scheduler)


@trap("formula not saved", N // 2 + 1, "×")
def _() -> Loop:
    loop = Loop(lambda step: 0.1 / (1 + step / 10), start=N // 2)
    first = Loop()
    scheduler = LambdaLR(first.optimizer, lambda step: 1 / (1 + step / 10))
    first.run(N // 2, scheduler)
    other = LambdaLR(loop.optimizer, lambda step: 1 / (1 + step / 100))
    loop.optimizer.load_state_dict(first.optimizer.state_dict())
    other.load_state_dict(scheduler.state_dict())
    return loop.run(5, other)


@trap("flattened groups", 0, "the rate of group 0: one value, such as max_lr")
def _() -> Loop:
    loop = Loop(ONE_CYCLE, 0.1, 0.001)
    loop.watch()
    return loop.run(N, OneCycleLR(loop.optimizer, 0.1, total_steps=N, cycle_momentum=False))


@trap("one floor", 1, "one floor, such as eta_min, for all groups")
def _() -> Loop:
    plan = schedules.cosine(0.1, total_steps=N, eta_min=0.01)
    loop = Loop(plan, 0.1, 0.001)
    return loop.run(N, CosineAnnealingLR(loop.optimizer, N, eta_min=0.01))


@trap("group added late", 10, "joined at 1.172 × the plan")
def _() -> Loop:
    loop = Loop(COSINE)
    scheduler = cosine(loop)
    loop.run(10, scheduler)
    loop.optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(2))], "lr": 0.1})
    return loop.run(10, scheduler)


@trap("base rate ignored", 0, "0.008 × the plan")
def _() -> Loop:
    loop = Loop(schedules.constant(0.5), 0.5)
    return loop.run(N, OneCycleLR(loop.optimizer, 0.1, total_steps=N, cycle_momentum=False))


@trap("ConstantLR by default", 0, "0.3333 × the plan")
def _() -> Loop:
    loop = Loop(schedules.constant(0.1))
    return loop.run(10, ConstantLR(loop.optimizer))


@trap("warm-up and rule", 5, "2 schedulers (LinearLR and ReduceLROnPlateau)")
def _() -> Loop:
    loop = Loop(RISE)
    warm = LinearLR(loop.optimizer, start_factor=0.1, total_iters=15)
    rule = ReduceLROnPlateau(loop.optimizer, patience=3, factor=0.5)
    for _ in range(20):
        loop.update()
        warm.step()
        rule.step(1.0)
    return loop


@trap("NaN is a bad epoch", 8, "0.1 × the plan")
def _() -> Loop:
    loop = Loop(schedules.constant(0.1))
    rule = ReduceLROnPlateau(loop.optimizer, patience=3)
    for metric in [1.0, 0.9, 0.8, 0.7] + [float("nan")] * 4 + [0.5] * 4:
        loop.update()
        rule.step(metric)
    return loop


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_of_the_book_is_caught(name: str) -> None:
    make, step, words = TRAPS[name]
    first = make().seen[0]
    assert first.step == step
    assert words in first.why
