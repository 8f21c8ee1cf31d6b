"""A normalizing flow of a thousand layers on handwritten digits, trained in memory that hardly grows with depth.

Only the forward direction is written. `inv.forward_and_fldj` adds the log-det-Jacobian, and `inv.reversible` makes its
gradient reconstruct the states of the layers from the output instead of keeping them: what grows is one number for each image and
layer, the log-dets before they are added up. The data are the 1,797 images of 8x8 pixels
that come with scikit-learn. Needs `pip install 'invcompiler[examples]'`.

    python examples/deep_flow.py        # some minutes on two cores; writes build/deep_flow/
"""

import argparse
import math
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
from sklearn.datasets import load_digits
from tqdm import trange

import invcompiler as inv

PIXELS, LEVELS = 64, 17  # an image is 64 integers from 0 to 16
HIDDEN, STEEPEST = 32, 0.02  # one layer of a thousand changes a scale by at most two percent

# ---- the model, forward only -------------------------------------------------------------------------


def coupling(layer, x):
    a, b = jnp.split(x, 2, axis=-1)
    out = jnp.tanh(a @ layer["w1"] + layer["b1"]) @ layer["w2"]
    s, t = jnp.split(out, 2, axis=-1)
    return jnp.concatenate([b * jnp.exp(STEEPEST * jnp.tanh(s)) + t, a], axis=-1)


def flow(params, x):
    x = (x - params["shift"]) * jnp.exp(params["scale"])
    return jax.lax.scan(lambda x, layer: (coupling(layer, x), None), x, params["layers"])[0]


with_log_det = inv.forward_and_fldj(flow, argnums=1, batch_ndims=1)
reversible = inv.reversible(with_log_det, argnums=1)


def loss_of(forward):
    """Return the bits per dimension of images whose pixels were made real by uniform noise."""

    def loss(params, x):
        z, log_det = forward(params, x)
        log_p = jnp.sum(-0.5 * z**2 - 0.5 * math.log(2 * math.pi), axis=-1) + log_det
        return jnp.mean(-log_p / PIXELS + math.log(LEVELS)) / math.log(2)

    return loss


def initial(key, layers, data):
    w1 = jax.random.normal(key, (layers, PIXELS // 2, HIDDEN)) / math.sqrt(PIXELS // 2)
    stack = {"w1": w1, "b1": jnp.zeros((layers, HIDDEN)), "w2": jnp.zeros((layers, HIDDEN, PIXELS))}
    spread = data.std(axis=0) + 0.05
    return {"layers": stack, "shift": jnp.asarray(data.mean(axis=0)), "scale": -jnp.log(spread)}


# ---- training ----------------------------------------------------------------------------------------


def images():
    pixels = load_digits().data.astype(np.float32)
    order = np.random.default_rng(0).permutation(len(pixels))
    return pixels[order[:1500]], pixels[order[1500:]]


def made_real(pixels, rng):
    return (pixels + rng.uniform(size=pixels.shape).astype(np.float32)) / LEVELS


def train(forward, params, pixels, steps, batch=128):
    """Return trained parameters, and the loss and the seconds after each step."""
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(1e-3, steps))
    )
    loss = loss_of(forward)

    @jax.jit
    def step(params, state, x):
        value, grads = jax.value_and_grad(loss)(params, x)
        updates, state = optimiser.update(grads, state)
        return optax.apply_updates(params, updates), state, value

    state, rng = optimiser.init(params), np.random.default_rng(1)
    x = made_real(pixels[:batch], rng)
    step = step.lower(params, state, x).compile()
    losses, seconds, start = [], [], time.perf_counter()
    for _ in trange(steps, disable=None):
        x = made_real(pixels[rng.integers(len(pixels), size=batch)], rng)
        params, state, value = step(params, state, x)
        losses.append(float(value))
        seconds.append(time.perf_counter() - start)
    return params, losses, seconds


def temp_megabytes(forward, layers, batch=128):
    """Return what XLA sets aside for one gradient, without running it."""
    params = jax.eval_shape(
        lambda: initial(jax.random.key(0), layers, np.zeros((2, PIXELS), np.float32))
    )
    x = jax.ShapeDtypeStruct((batch, PIXELS), jnp.float32)
    compiled = jax.jit(jax.grad(loss_of(forward))).lower(params, x).compile()
    return compiled.memory_analysis().temp_size_in_bytes / 1e6


# ---- the run -----------------------------------------------------------------------------------------


def run(out, layers=1000, steps=200, depths=(8, 32, 128, 512, 1000), compared=20):
    """Train, plot, and return the numbers. `compared` steps are trained by `jax.grad` too, for its time."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    training, held_out = images()
    params = initial(jax.random.key(0), layers, made_real(training, np.random.default_rng(2)))
    x = made_real(held_out, np.random.default_rng(3))
    before = float(loss_of(with_log_det)(params, x))
    memory = {d: (temp_megabytes(reversible, d), temp_megabytes(with_log_det, d)) for d in depths}
    _, by_jax, seconds_by_jax = train(with_log_det, params, training, compared)
    trained, losses, seconds = train(reversible, params, training, steps)
    after = float(loss_of(with_log_det)(trained, x))
    (out / "flow_adjoint.py").write_text(reversible.source)
    plot(out, memory, (seconds, losses), (seconds_by_jax, by_jax))
    deepest = max(depths)
    return {
        "bits per dimension before": before,
        "bits per dimension": after,
        "temp MB": memory[deepest][0],
        "temp MB of jax.grad": memory[deepest][1],
        "growth with depth": memory[deepest][0] / memory[min(depths)][0],
        "seconds a step": seconds[-1] / steps,
        "seconds a step of jax.grad": seconds_by_jax[-1] / compared,
    }


def plot(out, memory, ours, theirs):
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for number, label in enumerate(("inv.reversible", "jax.grad")):
        left.loglog(list(memory), [pair[number] for pair in memory.values()], "o-", label=label)
    left.set(xlabel="layers", ylabel="temporary memory of a gradient, MB")
    left.legend()
    right.plot(*ours, label="inv.reversible")
    right.plot(*theirs, label="jax.grad")
    right.set(xlabel="seconds", ylabel="bits per dimension, training")
    right.legend()
    figure.savefig(out / "deep_flow.png", dpi=150)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build/deep_flow")
    parser.add_argument("--layers", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=200)
    given = parser.parse_args()
    depths = sorted({*(d for d in (8, 32, 128, 512) if d < given.layers), given.layers})
    for name, value in run(given.out, given.layers, given.steps, tuple(depths)).items():
        print(f"{name:32} {value:.3f}")


if __name__ == "__main__":
    main()
