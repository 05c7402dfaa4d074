"""What is run: the same schedule in each framework, as it is written in a program."""

from typing import Any

from benchmarks.frameworks.calls import call

STEPS = 130  # of the ledgers; the plans are made for 100
FALLS = "keras.optimizers.schedules."


def plan(name: str, lrlib: list[Any], **calls: Any) -> dict[str, Any]:
    return {"schedule": name, "lrlib": lrlib} | calls


# ``keras_alone`` and ``optax_alone`` are what one writes
# who takes the same numbers, or the defaults, to mean the same.
SCHEDULES = [
    plan(
        "time-based",
        call("inverse_time", learning_rate=1 / 8, decay_rate=1, decay_steps=20),
        keras=FALLS + "InverseTimeDecay(1/8, 20, 1)",
        optax="lambda count: 1/8 / (1 + count/20)",
    ),
    plan(
        "step",
        call("step_decay", learning_rate=1 / 8, step_size=20, gamma=1 / 2),
        keras=FALLS + "ExponentialDecay(1/8, 20, 1/2, staircase=True)",
        optax="optax.exponential_decay(1/8, 20, 1/2, staircase=True)",
        keras_alone=FALLS + "ExponentialDecay(1/8, 20, 1/2)",
        optax_alone="optax.exponential_decay(1/8, 20, 1/2)",
    ),
    plan(
        "multistep",
        call("multistep", learning_rate=1 / 8, milestones=[30, 60], gamma=1 / 8),
        keras=FALLS + "PiecewiseConstantDecay([29, 59], [1/8, 1/64, 1/512])",
        optax="optax.piecewise_constant_schedule(1/8, {30: 1/8, 60: 1/8})",
        keras_alone=FALLS + "PiecewiseConstantDecay([30, 60], [1/8, 1/64, 1/512])",
    ),
    plan(
        "exponential",
        call("exponential", learning_rate=1 / 8, gamma=0.5 ** (1 / 20)),
        keras=FALLS + "ExponentialDecay(1/8, 20, 1/2)",
        optax="optax.exponential_decay(1/8, 20, 1/2)",
    ),
    plan(
        "polynomial",
        call("polynomial", learning_rate=1 / 8, total_steps=100, power=2),
        keras=FALLS + "PolynomialDecay(1/8, 100, end_learning_rate=0, power=2)",
        optax="optax.polynomial_schedule(1/8, 0, power=2, transition_steps=100)",
        keras_alone=FALLS + "PolynomialDecay(1/8, 100, power=2)",
    ),
    plan(
        "cosine with a floor",
        call("cosine", learning_rate=1 / 8, total_steps=100, eta_min=1 / 64),
        keras=FALLS + "CosineDecay(1/8, 100, alpha=1/8)",
        optax="optax.cosine_decay_schedule(1/8, 100, alpha=1/8)",
        keras_alone=FALLS + "CosineDecay(1/8, 100, alpha=1/64)",
        optax_alone="optax.cosine_decay_schedule(1/8, 100, alpha=1/64)",
    ),
    plan(
        "warm-up and cosine",
        call(
            "with_warmup",
            schedule=call("cosine", learning_rate=1 / 8, total_steps=80),
            warmup_steps=20,
            start_factor=1 / 8,
        ),
        keras=FALLS + "CosineDecay(1/64, 80, warmup_target=1/8, warmup_steps=20)",
        optax="optax.warmup_cosine_decay_schedule(1/64, 1/8, 20, 100)",
        keras_alone=FALLS + "CosineDecay(1/64, 100, warmup_target=1/8, warmup_steps=20)",
        optax_alone="optax.warmup_cosine_decay_schedule(1/64, 1/8, 20, 80)",
    ),
    plan(
        "restarts",
        call("warm_restarts", learning_rate=1 / 8, T_0=20),
        keras=FALLS + "CosineDecayRestarts(1/8, 20, t_mul=1.0)",
        optax="optax.join_schedules([optax.cosine_decay_schedule(1/8, 20)] * 7, [20, 40, 60, 80, 100, 120])",
        keras_alone=FALLS + "CosineDecayRestarts(1/8, 20)",
    ),
    plan(
        "one-cycle",
        call("one_cycle", max_lr=1 / 8, total_steps=100),
        optax="optax.cosine_onecycle_schedule(99, 1/8, pct_start=29.5/99)",
        optax_alone="optax.cosine_onecycle_schedule(100, 1/8)",
    ),
    plan(
        "cyclic",
        call("cyclic", base_lr=1 / 64, max_lr=1 / 8, step_size_up=20),
    ),
]
