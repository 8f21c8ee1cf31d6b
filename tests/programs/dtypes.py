"""Complex numbers, integers, booleans and short floats."""

import jax
import jax.numpy as jnp
from jax import lax

from tests.programs.registry import program
from tests.programs.samples import complex_, integers, real

Z = complex_(3)
WORDS = integers(4)
KEY = integers(4, seed=1)
BITS = jnp.array([True, False, True, True])

BYTES = integers(3, dtype=jnp.uint8)
SINGLE = real(3).astype(jnp.float32)

DISCRETE = "integers have no density"


@program(Z)
def complex_affine(z):
    return (2 + 1j) * z - 3j


@program(Z, complex_(3, seed=4))
def complex_product(z, w):
    return z * w + w


@program(Z)
def conjugate(z):
    return jnp.conj(z) / 2


@program(Z, complex_(3, seed=4))
def complex_division(z, w):
    return (z - w) / w


@program(Z)
def real_and_imaginary(z):
    return jnp.real(z), jnp.imag(z)


@program(real(3), real(3, seed=1), argnums=(0, 1))
def complex_from_parts(a, b):
    return lax.complex(a, b)


@program(Z)
def complex_coupling(z):
    a, b = z[:1], z[1:]
    return jnp.concatenate([a, b * jnp.exp(a)])


@program(WORDS, KEY, no_ildj=DISCRETE)
def xor(x, key):
    return x ^ key


@program(WORDS, KEY, no_ildj=DISCRETE)
def xor_by_name(x, key):
    return jnp.bitwise_xor(x, key)


@program(WORDS, no_ildj=DISCRETE)
def complement(x):
    return ~x


@program(WORDS, KEY, no_ildj=DISCRETE)
def modular_sum(x, key):
    return x + key + 7


@program(WORDS, no_ildj=DISCRETE)
def odd_multiplier(x):
    return x * 2654435761


@program(integers(4, dtype=jnp.int32), no_ildj=DISCRETE)
def negated_integers(x):
    return 5 - x


@program(WORDS, KEY, no_ildj=DISCRETE)
def feistel_round(x, key):
    left, right = x[:2], x[2:]
    left = left ^ ((right * 5 + key[:2]) & 0xFFFF)
    return jnp.concatenate([right, left])


@program(BITS, jnp.array([True, True, False, False]), no_ildj=DISCRETE)
def flipped_bits(x, mask):
    return jnp.logical_xor(x, mask)


@program(BITS, no_ildj=DISCRETE)
def logical_not(x):
    return jnp.logical_not(x)


@program(integers(4, dtype=jnp.int32), example=integers(4, dtype=jnp.int32), no_ildj=DISCRETE)
def permuted_integers(x):
    return x[::-1] + jnp.arange(4)


@program(BYTES, example=BYTES, no_ildj=DISCRETE)
def widened(x):
    return x.astype(jnp.uint32) + 1


@program(real(3).astype(jnp.float32), no_float32="made of float32 already", tolerance=1e-4)
def single_precision(x):
    return jnp.exp(x) * 2 + 1


@program(real(3).astype(jnp.float16), no_float32="made of float16", tolerance=2e-2)
def half_precision(x):
    return 2 * x + 1


@program(real(3).astype(jnp.bfloat16), no_float32="made of bfloat16", tolerance=1e-1)
def brain_precision(x):
    return x / 2 - 1


@program(SINGLE, example=SINGLE, no_float32="made of float32 already", tolerance=1e-5)
def promoted(x):
    return x.astype(jnp.float64) * 2


@program(real(3), WORDS, no_ildj="the integers beside it have no density")
def beside_integers(x, words):
    return x * 2, words + 1


@program((real(4), WORDS), no_ildj=DISCRETE)
def mixed_pair(pair):
    x, words = pair
    return x * jnp.exp(jnp.cos(words.astype(x.dtype))), words ^ jnp.uint32(42)


@program(jnp.asarray(3, jnp.int32), no_ildj=DISCRETE)
def scalar_integer(n):
    return n - 10


@program(jax.random.key_data(jax.random.key(0)), no_ildj=DISCRETE)
def rotated_words(x):
    return (x << 7) | (x >> 25)


WORDS = jnp.array([0, 1, 0x80000005, 0xFFFFFFF9, 12345678], jnp.uint32)


@program(WORDS, WORDS[1], no_ildj=DISCRETE)
def rotated_by_a_known_number(x, bits):
    return (x << bits) | (x >> (32 - bits))


@program(WORDS.astype(jnp.int32), no_ildj=DISCRETE)
def rotated_signed_words(x):
    return (x << 11) | lax.shift_right_logical(x, jnp.int32(21))


@program(WORDS, WORDS[3], no_ildj=DISCRETE)
def mixed_words(x, key):
    x = (x ^ key) * jnp.uint32(0x85EBCA6B)
    x = x ^ (x >> 13)
    return (x + key) ^ (x + key) << 3


@program(WORDS, no_ildj=DISCRETE)
def swapped_bytes(x):
    x = ((x & 0x00FF00FF) << 8) | ((x >> 8) & 0x00FF00FF)
    return (x << 16) + (x >> 16)


OCTETS = jnp.array([0, 1, 0x85, 0xF9, 78], jnp.uint8)


@program(OCTETS, no_ildj=DISCRETE)
def rotated_octets(x):
    return (x << 3) | (x >> 5)


@program(OCTETS, OCTETS[1], no_ildj=DISCRETE)
def octets_rotated_by_a_known_number(x, bits):
    return (x << bits) | (x >> (8 - bits))
