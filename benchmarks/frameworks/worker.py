"""The process in the frameworks' environment; it imports nothing of this repository. Its parent: ``record.py``.

It reads a line of JSON, ``{"of": "run" or "ledger" or "about", "framework": "keras" or "optax", "call": …}``, and
answers with one. A call is evaluated as it is written, so that the record shows exactly what was run.
"""

import json
import os
import sys
from importlib.metadata import version

import numpy as np

given = dict(np.load(sys.argv[1]))
KERAS_ON = os.environ["KERAS_BACKEND"]
inputs, targets, order = given["inputs"], given["targets"], given["order"]
start = [given["w0"].T, given["b0"], given["w1"].T, given["b1"]]  # as Keras and Optax shape them
every, watched = int(given["every"]), given["watched"]

import jax  # noqa: E402

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import keras  # noqa: E402
import optax  # noqa: E402

keras.config.set_floatx("float64")


def flat(weights):
    """All weights in a row, in torch's order."""
    return np.concatenate([np.asarray(w, np.float64).T.ravel() for w in weights])


def scores(weights, x):
    w0, b0, w1, b1 = weights
    return jax.nn.relu(x @ w0 + b0) @ w1 + b1


def loss_of(weights, x, y):
    logits = jax.nn.log_softmax(scores(weights, x))
    return -jnp.take_along_axis(logits, y[:, None], 1).mean()


def with_optax(call, penalty):
    assert not penalty
    rule, weights = eval(call, {"optax": optax, "jnp": jnp}), [jnp.asarray(w) for w in start]

    @jax.jit
    def update(weights, state, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(weights, x, y)
        updates, state = rule.update(gradients, state, weights)
        return optax.apply_updates(weights, updates), state, loss

    state, losses = rule.init(weights), []
    for rows in order:
        weights, state, loss = update(weights, state, inputs[rows], targets[rows])
        losses.append(float(loss))
    return losses, float(loss_of(weights, inputs, targets)), flat(weights)


def on_tensorflow(model, rule, cross_entropy):
    import tensorflow as tf

    @tf.function
    def update(x, y):
        with tf.GradientTape() as tape:
            loss = cross_entropy(y, model(x, training=True))
            whole = tf.add_n([loss, *model.losses])
        rule.apply(tape.gradient(whole, model.trainable_variables), model.trainable_variables)
        return loss

    return update


def on_jax(model, rule, cross_entropy):
    assert not model.losses

    @jax.jit
    def compiled(weights, state, x, y):
        def loss_of(weights):
            return cross_entropy(y, model.stateless_call(weights, [], x)[0])

        loss, gradients = jax.value_and_grad(loss_of)(weights)
        return loss, *rule.stateless_apply(state, gradients, weights)

    def update(x, y):
        ours, its = model.trainable_variables, rule.variables
        loss, weights, state = compiled([w.value for w in ours], [v.value for v in its], x, y)
        for variable, value in zip([*ours, *its], [*weights, *state], strict=True):
            variable.assign(value)
        return loss

    return update


def with_keras(call, penalty):
    """A Keras model trained by a Keras optimizer; ``penalty`` is the l2 of an L2 regularizer on all its weights."""
    decay = {f"{what}_regularizer": keras.regularizers.L2(penalty) for what in ("kernel", "bias")} if penalty else {}
    layers = [keras.layers.Dense(32, activation="relu", **decay), keras.layers.Dense(10, **decay)]
    model = keras.Sequential([keras.layers.Input((64,)), *layers])
    model.set_weights(start)
    rule = eval(call, {"keras": keras})
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rule.build(model.trainable_variables)
    update, losses = {"tensorflow": on_tensorflow, "jax": on_jax}[KERAS_ON](model, rule, cross_entropy), []
    for rows in order:
        losses.append(float(update(inputs[rows], targets[rows])))
    return losses, float(cross_entropy(targets, model(inputs))), flat(model.get_weights())


def run(framework, call, penalty=None):
    """Losses before every few updates and over all examples at the end, and the watched weights at the end."""
    losses, final, weights = {"keras": with_keras, "optax": with_optax}[framework](call, penalty)
    return {
        "losses": [round(loss, 12) for loss in losses[::every]],
        "final": round(final, 12),
        "weights": [round(float(weight), 12) for weight in weights[watched]],
    }


def ledger(framework, call, steps):
    """The rate that each update uses: how far it moves a weight at 0 whose slope is -1."""
    if framework == "optax":
        rule = optax.sgd(eval(call, {"optax": optax, "jnp": jnp}))
        weight = jnp.zeros((), jnp.float64)
        state, rates = rule.init(weight), []
        for _ in range(steps):
            moved, state = rule.update(-jnp.ones_like(weight), state, weight)
            rates.append(float(moved))
    else:
        rule = keras.optimizers.SGD(learning_rate=eval(call, {"keras": keras}))
        weight, rates = keras.Variable(np.zeros(()), dtype="float64"), []
        for _ in range(steps):
            weight.assign(np.zeros(()))
            rule.apply([keras.ops.convert_to_tensor(np.array(-1.0))], [weight])
            rates.append(float(weight.numpy() if hasattr(weight, "numpy") else weight.value))
    return [float(f"{rate:.15g}") for rate in rates]


def about():
    """Versions, and what each framework has by name."""

    def classes(module):
        return sorted(name for name in dir(module) if name[0].isupper())

    return {
        "versions": {name: version(name) for name in ("tensorflow-cpu", "keras", "jax", "optax", "numpy")},
        "has": {
            "keras.optimizers": classes(keras.optimizers),
            "keras.optimizers.schedules": classes(keras.optimizers.schedules),
            "keras.callbacks": [name for name in classes(keras.callbacks) if "LR" in name or "LearningRate" in name],
            "optax.schedules": sorted(name for name in dir(optax.schedules) if name.endswith(("_schedule", "_decay"))),
        },
    }


for line in sys.stdin:
    asked = json.loads(line)
    answer = {"run": run, "ledger": ledger, "about": about}[asked.pop("of")](**asked)
    print(json.dumps(answer), flush=True)
