"""A normalizing flow on handwritten digits, of which only the forward direction is written.

`flow` maps an image to noise. invcompiler writes the other direction, which draws samples, and the
log-det-Jacobian, with which it is trained by maximum likelihood. The data are the 1,797 images of 8x8
pixels that come with scikit-learn; the measure is bits per dimension on images held out, against a
Gaussian with full covariance in the same space. Needs `pip install 'invcompiler[examples]'`.

    python examples/digits_flow.py        # less than two minutes on two cores; writes build/digits_flow/
"""

import argparse
import os
import time
from functools import partial
from pathlib import Path

# The matrices are small: threads of OpenBLAS would wait for one another for longer than they work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
from jax.scipy.special import logit
from sklearn.datasets import load_digits
from tqdm import trange

import invcompiler as inv

PIXELS, LEVELS = 64, 17  # an image is 64 integers from 0 to 16
LAYERS, HIDDEN = 6, 64
MARGIN = 0.01  # keeps the logit of a black or white pixel finite

# ---- the model, forward only -------------------------------------------------------------------------


def to_reals(x):
    """From the open unit interval to the real line (Dinh et al. 2017, arXiv:1605.08803, section 4.1)."""
    return logit(MARGIN + (1 - 2 * MARGIN) * x)


def bend(layer, x):
    """Heavier or lighter tails and skew, for each dimension (Jones and Pewsey 2009, sinh-arcsinh)."""
    return jnp.sinh(jnp.exp(layer["tail"]) * jnp.arcsinh(x) + layer["skew"])


def conditioner(net, a):
    h = jax.nn.gelu(a @ net["w1"] + net["b1"])
    h = h + jax.nn.gelu(h @ net["w2"] + net["b2"])
    s, t = jnp.split(h @ net["w3"] + net["b3"], 2, axis=-1)
    return 2 * jnp.tanh(s / 2), t


def coupling(layer, x):
    a, b = jnp.split(x, 2, axis=-1)
    s, t = conditioner(layer["net"], a)
    return jnp.concatenate([a, b * jnp.exp(s) + t], axis=-1)


def flow(params, x):
    x = to_reals(x)
    x = (x - params["mean"]) @ params["whiten"]
    for layer in params["layers"]:
        x = bend(layer, x)
        x = x @ layer["mix"]
        x = coupling(layer, x)
    return x


encode = inv.forward_and_fldj(flow, argnums=1, batch_ndims=1)
decode = inv.inverse(flow, argnums=1)

# ---- likelihoods -------------------------------------------------------------------------------------


def log_prob(params, x):
    z, fldj = encode(params, x)
    return fldj + jnp.sum(jax.scipy.stats.norm.logpdf(z), axis=-1)


def gaussian_log_prob(params, x):
    """A Gaussian in the space of `to_reals`: what the flow is before its first layer."""
    z, fldj = inv.forward_and_fldj(gaussian, argnums=1, batch_ndims=1)(params, x)
    return fldj + jnp.sum(jax.scipy.stats.norm.logpdf(z), axis=-1)


def gaussian(params, x):
    return (to_reals(x) - params["mean"]) @ params["whiten"]


def bits_per_dim(log_prob):
    """Of the integer pixels: a density on the unit cube, where a pixel's bin is 1/17 wide.

    By Jensen's inequality a bound from above, the same for every model (Theis et al. 2016, arXiv:1511.01844).
    """
    return (PIXELS * jnp.log(LEVELS) - jnp.mean(log_prob)) / (PIXELS * jnp.log(2.0))


# ---- data and parameters ---------------------------------------------------------------------------------


def split_digits(seed=2017, held_out=360):
    images = np.random.default_rng(seed).permutation(load_digits().data.astype(np.float32))
    return jnp.asarray(images[held_out:]), jnp.asarray(images[:held_out])


def dequantise(key, images):
    """Spread every integer evenly over its bin, and all bins over the unit interval."""
    return (images + jax.random.uniform(key, images.shape)) / LEVELS


def whitening(key, images):
    """Mean of the data, and a matrix that makes its covariance the identity: the Gaussian's fit."""
    x = to_reals(dequantise(key, jnp.repeat(images, 20, axis=0)))
    scale = jnp.linalg.cholesky(jnp.cov(x.T))
    return jnp.mean(x, axis=0), jnp.linalg.inv(scale).T


def init_layer(key):
    key, *keys = jax.random.split(key, 4)
    half = PIXELS // 2
    net = {
        "w1": jax.random.normal(keys[0], (half, HIDDEN)) / half**0.5,
        "b1": jnp.zeros(HIDDEN),
        "w2": jax.random.normal(keys[1], (HIDDEN, HIDDEN)) / HIDDEN**0.5,
        "b2": jnp.zeros(HIDDEN),
        "w3": jnp.zeros((HIDDEN, PIXELS)),  # so that a coupling starts as the identity
        "b3": jnp.zeros(PIXELS),
    }
    mix = jax.random.orthogonal(keys[2], PIXELS)
    return {"tail": jnp.zeros(PIXELS), "skew": jnp.zeros(PIXELS), "mix": mix, "net": net}


def init(key, images):
    keys = jax.random.split(key, LAYERS + 1)
    mean, whiten = whitening(keys[0], images)
    return {"mean": mean, "whiten": whiten, "layers": [init_layer(key) for key in keys[1:]]}


# ---- training --------------------------------------------------------------------------------------------


def train(params, images, steps, batch=128):
    """Adam with decay of the nets' weights; the result is an average over the last few hundred steps."""
    schedule = optax.cosine_onecycle_schedule(steps, 1.5e-3)
    optimizer = optax.adamw(schedule, weight_decay=4.0, mask=only_net_weights)

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(params, state, average, key):
        rows, noise = jax.random.split(key)
        x = dequantise(noise, jax.random.choice(rows, images, (batch,)))
        bits, grads = jax.value_and_grad(lambda params: bits_per_dim(log_prob(params, x)))(params)
        updates, state = optimizer.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        average = jax.tree.map(lambda old, new: 0.997 * old + 0.003 * new, average, params)
        return params, state, average, bits

    state, average = optimizer.init(params), jax.tree.map(jnp.copy, params)
    progress = trange(steps, desc="training", unit="step")
    for i in progress:
        params, state, average, bits = step(params, state, average, jax.random.key(i))
        if i % 50 == 0:
            progress.set_postfix_str(f"{bits:.3f} bits/dim")
    return average


def only_net_weights(params):
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: jax.tree_util.keystr(path).endswith(("['w1']", "['w2']", "['w3']")),
        params,
    )


# ---- the job ---------------------------------------------------------------------------------------------


def draw(path, rows, titles):
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 1, figsize=(8, 4.6), layout="constrained")
    for axis, images, title in zip(axes, rows, titles, strict=True):
        framed = jnp.pad(images.reshape(4, 16, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
        tiles = framed.transpose(0, 2, 1, 3).reshape(40, 160)
        axis.imshow(tiles, cmap="gray_r", vmin=0, vmax=LEVELS - 1)
        axis.set_title(title)
        axis.set_axis_off()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def run(out, steps):
    """Train, measure, draw; return the numbers."""
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    images, held_out = split_digits()
    fitted = init(jax.random.key(0), images)
    x = dequantise(jax.random.key(1), jnp.repeat(held_out, 10, axis=0))
    params = train(jax.tree.map(jnp.copy, fitted), images, steps)

    z = jax.random.normal(jax.random.key(2), (64, PIXELS))
    samples = decode(z, params)  # the generated inverse draws them
    numbers = {
        "flow": float(bits_per_dim(log_prob(params, x))),
        "gaussian": float(bits_per_dim(gaussian_log_prob(fitted, x))),
        "round trip of images": float(jnp.max(jnp.abs(decode(flow(params, x), params) - x))),
        "round trip of samples": float(jnp.max(jnp.abs(flow(params, samples) - z))),
        "seconds": time.perf_counter() - started,
    }
    shown = jnp.floor(samples * LEVELS)
    draw(out / "samples.png", [held_out[:64], shown], ["digits held out", "samples of the flow"])
    (out / "flow_inverse.py").write_text(inv.source(decode))
    (out / "flow_forward_and_fldj.py").write_text(inv.source(encode))
    return numbers


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--out", type=Path, default=Path("build/digits_flow"))
    options = parser.parse_args()
    numbers = run(options.out, options.steps)
    print(
        f"held-out bits per dimension: flow {numbers['flow']:.3f}, "
        f"full-covariance Gaussian {numbers['gaussian']:.3f}\n"
        f"largest round-trip error: {numbers['round trip of images']:.1e} of an image's range, "
        f"{numbers['round trip of samples']:.1e} of a sample's noise (std 1)\n"
        f"{numbers['seconds']:.0f} s; {options.out}/ has samples.png, and the emitted flow_inverse.py "
        "and flow_forward_and_fldj.py"
    )


if __name__ == "__main__":
    main()
