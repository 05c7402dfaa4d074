"""The process in JAX's environment; it imports nothing of this repository. Its parent is ``Jax``."""

import json
import sys
import time
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

given = dict(np.load(sys.argv[1]))
real = jnp.float64 if jax.config.jax_enable_x64 else jnp.float32
inputs, targets, order = jnp.asarray(given["inputs"], real), jnp.asarray(given["targets"]), jnp.asarray(given["order"])
start = [jnp.asarray(given[f"p{i}"], real) for i in range(sum(name[0] == "p" for name in given))]


def loss_of(params, x, y):
    for weight, bias in zip(params[:-2:2], params[1:-2:2], strict=True):
        x = jax.nn.relu(x @ weight.T + bias)
    logits = jax.nn.log_softmax(x @ params[-2].T + params[-1])
    return -jnp.take_along_axis(logits, y[:, None], 1).mean()


def sgd(params, state, gradients, rate):
    return [p - rate * g for p, g in zip(params, gradients, strict=True)], state


def adam(params, state, gradients, rate):
    mean, square, step = state
    step = step + 1
    mean = [m + 0.1 * (g - m) for m, g in zip(mean, gradients, strict=True)]
    square = [0.999 * v + 0.001 * g * g for v, g in zip(square, gradients, strict=True)]
    scale, root = rate / (1 - 0.9**step), jnp.sqrt(1 - 0.999**step)
    params = [p - scale * m / (jnp.sqrt(v) / root + 1e-8) for p, m, v in zip(params, mean, square, strict=True)]
    return params, (mean, square, step)


def zeros():
    return [jnp.zeros_like(parameter) for parameter in start]


RULES = {
    "sgd": (sgd, lambda: ()),
    "adam": (
        adam,
        lambda: ([jnp.zeros_like(p) for p in start], [jnp.zeros_like(p) for p in start], jnp.zeros((), real)),
    ),
}


@cache
def compiled(rule, runs):
    update, init = RULES[rule]

    def run(rate, params, order, inputs, targets):
        def step(carry, rows):
            params, state = carry
            loss, gradients = jax.value_and_grad(loss_of)(params, inputs[rows], targets[rows])
            norm = jnp.sqrt(sum((g * g).sum() for g in gradients))
            return update(params, state, gradients, rate), (loss, norm)

        (params, _), recorded = jax.lax.scan(step, (params, init()), order)
        return params, recorded

    begin = time.perf_counter()
    function = jax.jit(jax.vmap(run, in_axes=(0, None, None, None, None)))
    program = function.lower(jnp.zeros(runs, real), start, order, inputs, targets).compile()
    return program, time.perf_counter() - begin


for line in sys.stdin:
    asked = json.loads(line)
    rates = jnp.asarray(asked["rates"], real)
    known = compiled.cache_info().misses
    program, seconds = compiled(asked["rule"], len(rates))
    begin = time.process_time()
    _, (loss, norm) = jax.block_until_ready(program(rates, start, order, inputs, targets))
    used = time.process_time() - begin
    path = str(Path(sys.argv[1]).with_name("loss.npy"))
    np.save(path, np.asarray(loss))
    made = compiled.cache_info().misses > known
    print(json.dumps({"loss": path, "seconds": used, "compile": seconds if made else 0.0}), flush=True)
