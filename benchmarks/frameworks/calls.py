"""What is run: calls, as they are written in a program, of the same rule in each framework.

The numbers of translated calls are sums of few powers of two, which float32 holds exactly: with TensorFlow, Keras keeps
hyperparameters in float32 even where all else is float64. ``TENTHS`` has the others.
"""

from typing import Any


def call(name: str, **settings: Any) -> list[Any]:
    return [name, settings]


def row(rule: str, rate: float, **calls: Any) -> dict[str, Any]:
    return {"rule": rule, "rate": rate} | calls


# The same name and the same rate, and of the rest what has no default. Keras runs on TensorFlow, and where it is said
# on JAX, too.
ALONE = [
    row(
        "SGD with momentum",
        0.05,
        lrlib=call("sgd", momentum=0.9),
        torch=call("SGD", lr=0.05, momentum=0.9),
        keras="keras.optimizers.SGD(0.05, momentum=0.9)",
        optax="optax.sgd(0.05, momentum=0.9)",
    ),
    row(
        "Nesterov",
        0.05,
        lrlib=call("sgd", momentum=0.9, nesterov=True),
        torch=call("SGD", lr=0.05, momentum=0.9, nesterov=True),
        keras="keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True)",
        optax="optax.sgd(0.05, momentum=0.9, nesterov=True)",
    ),
    row(
        "SGD with momentum, falling rate",
        1.0,
        lrlib=call("sgd", momentum=0.9),
        torch=call("SGD", lr=0.05, momentum=0.9),
        keras="keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay("
        "0.05, 100, 0.1, staircase=True), momentum=0.9)",
        optax="optax.sgd(optax.exponential_decay(0.05, 100, 0.1, staircase=True), momentum=0.9)",
        schedule=call("step_decay", learning_rate=0.05, step_size=100, gamma=0.1),
    ),
    row(
        "SGD with weight decay",
        0.05,
        lrlib=call("sgd", momentum=0.9, weight_decay=0.02),
        torch=call("SGD", lr=0.05, momentum=0.9, weight_decay=0.02),
        keras="keras.optimizers.SGD(0.05, momentum=0.9, weight_decay=0.02)",
        optax="optax.chain(optax.add_decayed_weights(0.02), optax.sgd(0.05, momentum=0.9))",
    ),
    row(
        "Adagrad",
        0.01,
        lrlib=call("adagrad"),
        torch=call("Adagrad", lr=0.01),
        keras="keras.optimizers.Adagrad(0.01)",
        keras_on_jax=True,
        optax="optax.adagrad(0.01)",
    ),
    row(
        "RMSprop",
        0.001,
        lrlib=call("rmsprop"),
        torch=call("RMSprop", lr=0.001),
        keras="keras.optimizers.RMSprop(0.001)",
        keras_on_jax=True,
        optax="optax.rmsprop(0.001)",
    ),
    row(
        "Adadelta",
        1.0,
        lrlib=call("adadelta"),
        torch=call("Adadelta", lr=1.0),
        keras="keras.optimizers.Adadelta(1.0)",
        optax="optax.adadelta(1.0)",
    ),
    row(
        "Adam",
        0.001,
        lrlib=call("adam"),
        torch=call("Adam", lr=0.001),
        keras="keras.optimizers.Adam(0.001)",
        keras_on_jax=True,
        optax="optax.adam(0.001)",
    ),
    row(
        "Adam with weight decay",
        0.001,
        lrlib=call("adam", weight_decay=0.02),
        torch=call("Adam", lr=0.001, weight_decay=0.02),
        keras="keras.optimizers.Adam(0.001, weight_decay=0.02)",
    ),
    row(
        "AdamW",
        0.001,
        lrlib=call("adamw"),
        torch=call("AdamW", lr=0.001),
        keras="keras.optimizers.AdamW(0.001)",
        optax="optax.adamw(0.001)",
    ),
    row(
        "AMSGrad",
        0.001,
        lrlib=call("amsgrad"),
        torch=call("Adam", lr=0.001, amsgrad=True),
        keras="keras.optimizers.Adam(0.001, amsgrad=True)",
        optax="optax.amsgrad(0.001)",
    ),
    row(
        "NAdam",
        0.001,
        lrlib=call("nadam"),
        torch=call("NAdam", lr=0.001),
        keras="keras.optimizers.Nadam(0.001)",
        optax="optax.nadam(0.001)",
    ),
    row(
        "Adamax",
        0.001,
        torch=call("Adamax", lr=0.001),
        keras="keras.optimizers.Adamax(0.001)",
        optax="optax.adamax(0.001)",
    ),
    row(
        "Lion",
        0.001,
        lrlib=call("lion"),
        keras="keras.optimizers.Lion(0.001)",
        optax="optax.lion(0.001)",
    ),
]

# The same rule, by whatever settings it takes. ``inside``: with torch the loss is multiplied by the rate, which is 1.
# ``penalty``: the l2 of Keras' L2 regularizer.
TRANSLATED = [
    row(
        "SGD with momentum",
        1 / 16,
        lrlib=call("sgd", momentum=7 / 8),
        torch=call("SGD", lr=1 / 16, momentum=7 / 8),
        keras="keras.optimizers.SGD(1/16, momentum=7/8)",
        optax="optax.sgd(1/16, momentum=7/8)",
    ),
    row(
        "Nesterov",
        1 / 16,
        lrlib=call("sgd", momentum=7 / 8, nesterov=True),
        torch=call("SGD", lr=1 / 16, momentum=7 / 8, nesterov=True),
        keras="keras.optimizers.SGD(1/16, momentum=7/8, nesterov=True)",
        optax="optax.sgd(1/16, momentum=7/8, nesterov=True)",
    ),
    row(
        "SGD with momentum, falling rate",
        1.0,
        lrlib=call("sgd", momentum=7 / 8),
        torch=call("SGD", lr=1.0, momentum=7 / 8),
        keras="keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay("
        "1/16, 100, 1/8, staircase=True), momentum=7/8)",
        optax="optax.chain(optax.scale_by_learning_rate(optax.exponential_decay("
        "1/16, 100, 1/8, staircase=True)), optax.trace(7/8))",
        schedule=call("step_decay", learning_rate=1 / 16, step_size=100, gamma=1 / 8),
        inside=True,
    ),
    row(
        "SGD with weight decay",
        1 / 16,
        lrlib=call("sgd", momentum=7 / 8, weight_decay=1 / 64),
        torch=call("SGD", lr=1 / 16, momentum=7 / 8, weight_decay=1 / 64),
        keras="keras.optimizers.SGD(1/16, momentum=7/8)",
        penalty=1 / 128,
        optax="optax.chain(optax.add_decayed_weights(1/64), optax.sgd(1/16, momentum=7/8))",
    ),
    row(
        "Adagrad",
        1 / 64,
        lrlib=call("adagrad", initial_accumulator_value=1 / 8 + 2**-20, eps=0),
        torch=call("Adagrad", lr=1 / 64, initial_accumulator_value=1 / 8 + 2**-20, eps=0),
        keras="keras.optimizers.Adagrad(1/64, initial_accumulator_value=1/8, epsilon=2**-20)",
        optax="optax.adagrad(1/64, initial_accumulator_value=1/8, eps=2**-20)",
    ),
    row(
        "RMSprop",
        2**-10,
        lrlib=call("rmsprop", alpha=63 / 64, eps=2**-50),
        torch=call("RMSprop", lr=2**-10, alpha=63 / 64, eps=2**-50),
        keras="keras.optimizers.RMSprop(2**-10, rho=63/64, epsilon=2**-100)",
        optax="optax.rmsprop(2**-10, decay=63/64, eps=2**-50, eps_in_sqrt=False)",
    ),
    row(
        "RMSprop, centred",
        2**-10,
        lrlib=call("rmsprop", alpha=63 / 64, eps=2**-50, centered=True),
        torch=call("RMSprop", lr=2**-10, alpha=63 / 64, eps=2**-50, centered=True),
        keras="keras.optimizers.RMSprop(2**-10, rho=63/64, epsilon=2**-100, centered=True)",
        optax="optax.rmsprop(2**-10, decay=63/64, eps=2**-50, eps_in_sqrt=False, centered=True)",
    ),
    row(
        "Adadelta",
        1.0,
        lrlib=call("adadelta", rho=7 / 8, eps=2**-20),
        torch=call("Adadelta", lr=1.0, rho=7 / 8, eps=2**-20),
        keras="keras.optimizers.Adadelta(1.0, rho=7/8, epsilon=2**-20)",
        optax="optax.adadelta(1.0, rho=7/8, eps=2**-20)",
    ),
    row(
        "Adam",
        2**-10,
        lrlib=call("adam", betas=(7 / 8, 127 / 128), eps=2**-50),
        torch=call("Adam", lr=2**-10, betas=(7 / 8, 127 / 128), eps=2**-50),
        keras="keras.optimizers.Adam(2**-10, beta_1=7/8, beta_2=127/128, epsilon=2**-50)",
        optax="optax.adam(2**-10, b1=7/8, b2=127/128, eps=2**-50)",
    ),
    row(
        "Adam with weight decay",
        2**-10,
        lrlib=call("adam", betas=(7 / 8, 127 / 128), eps=2**-50, weight_decay=1 / 64),
        torch=call("Adam", lr=2**-10, betas=(7 / 8, 127 / 128), eps=2**-50, weight_decay=1 / 64),
        keras="keras.optimizers.Adam(2**-10, beta_1=7/8, beta_2=127/128, epsilon=2**-50)",
        penalty=1 / 128,
        optax="optax.chain(optax.add_decayed_weights(1/64), optax.adam(2**-10, b1=7/8, b2=127/128, eps=2**-50))",
    ),
    row(
        "AdamW",
        2**-10,
        lrlib=call("adamw", betas=(7 / 8, 127 / 128), eps=2**-50, weight_decay=1 / 4),
        torch=call("AdamW", lr=2**-10, betas=(7 / 8, 127 / 128), eps=2**-50, weight_decay=1 / 4),
        keras="keras.optimizers.AdamW(2**-10, beta_1=7/8, beta_2=127/128, epsilon=2**-50, weight_decay=1/4)",
        optax="optax.adamw(2**-10, b1=7/8, b2=127/128, eps=2**-50, weight_decay=1/4)",
    ),
    row(
        "AMSGrad",
        2**-10,
        lrlib=call("amsgrad", betas=(7 / 8, 127 / 128), eps=2**-50),
        torch=call("Adam", lr=2**-10, betas=(7 / 8, 127 / 128), eps=2**-50, amsgrad=True),
        keras="keras.optimizers.Adam(2**-10, beta_1=7/8, beta_2=127/128, epsilon=2**-50, amsgrad=True)",
        optax="optax.chain(optax.scale_by_amsgrad(b1=7/8, b2=127/128, eps=2**-50, bias_correction_nu=False), "
        "optax.scale_by_schedule(lambda count: jnp.sqrt(1 - jnp.float64(127/128) ** (count + 1))), "
        "optax.scale_by_learning_rate(2**-10))",
    ),
    row(
        "NAdam",
        2**-10,
        lrlib=call("nadam", betas=(7 / 8, 127 / 128), eps=2**-50, momentum_decay=1),
        torch=call("NAdam", lr=2**-10, betas=(7 / 8, 127 / 128), eps=2**-50, momentum_decay=1),
        keras="keras.optimizers.Nadam(2**-10, beta_1=7/8, beta_2=127/128, epsilon=2**-50)",
        keras_on_jax=True,
    ),
    row(
        "NAdam without momentum decay",
        2**-10,
        lrlib=call("nadam", betas=(7 / 8, 127 / 128), eps=2**-50, momentum_decay=1e9),
        torch=call("NAdam", lr=2**-10, betas=(7 / 8, 127 / 128), eps=2**-50, momentum_decay=1e9),
        optax="optax.nadam(2**-10, b1=7/8, b2=127/128, eps=2**-50)",
    ),
    row(
        "Adamax",
        2**-10,
        torch=call("Adamax", lr=2**-10, betas=(7 / 8, 127 / 128), eps=2**-50),
        keras="keras.optimizers.Adamax(2**-10, beta_1=7/8, beta_2=127/128, epsilon=2**-50)",
        optax="optax.adamax(2**-10, b1=7/8, b2=127/128, eps=2**-50)",
    ),
    row(
        "Lion",
        2**-10,
        lrlib=call("lion", betas=(7 / 8, 127 / 128)),
        keras="keras.optimizers.Lion(2**-10, beta_1=7/8, beta_2=127/128)",
        optax="optax.lion(2**-10, b1=7/8, b2=127/128, weight_decay=0)",
    ),
]

# Translated as above, with the usual numbers instead.
TENTHS = [
    row(
        "SGD with momentum",
        0.05,
        lrlib=call("sgd", momentum=0.9),
        torch=call("SGD", lr=0.05, momentum=0.9),
        keras="keras.optimizers.SGD(0.05, momentum=0.9)",
        keras_on_jax=True,
    ),
    row(
        "RMSprop",
        0.001,
        lrlib=call("rmsprop", alpha=0.9, eps=1e-15),
        torch=call("RMSprop", lr=0.001, alpha=0.9, eps=1e-15),
        keras="keras.optimizers.RMSprop(0.001, rho=0.9, epsilon=1e-30)",
        keras_on_jax=True,
    ),
    row(
        "Adam",
        0.001,
        lrlib=call("adam", eps=1e-15),
        torch=call("Adam", lr=0.001, eps=1e-15),
        keras="keras.optimizers.Adam(0.001, epsilon=1e-15)",
        keras_on_jax=True,
    ),
]
