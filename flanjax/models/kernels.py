"""Products and norms, each as one function of arrays."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from flanjax import target
from flanjax.base import Key


class LowRank(NamedTuple):
    """A weight plus a product of two narrow ones: base + scale * a @ b.

    It stands in a parameter tree where a matrix would stand, and `dot` reads
    it. In a stack of layers every field has a leading layer axis.

    Attributes:
      base: [I, O], the weight that is adapted.
      a: [I, R].
      b: [R, O].
      scale: [], the weight of the product (LoRA's alpha / rank).
      dropout_rate: [], the share of inputs that the product does not see.
    """

    base: Any
    a: Any
    b: Any
    scale: Any
    dropout_rate: Any


def dot(x: jax.Array, w: Any, key: Key | None = None) -> jax.Array:
    """Returns x @ w over the last axis of x, in x's type.

    Leading axes are merged, so that the product and both of its gradients are
    single matrix products.

    Args:
      x: [..., I].
      w: [I, O] of any float type, or a LowRank.
      key: Turns on the dropout of a typed weight; plain weights ignore it.
    """
    if isinstance(w, LowRank):
        narrow = x if key is None else dropout(x, w.dropout_rate, key)
        return dot(x, w.base) + w.scale.astype(x.dtype) * dot(dot(narrow, w.a), w.b)
    return _matrix_product(x, w, x.dtype)


def project_logits(x: jax.Array, w: jax.Array) -> jax.Array:
    """Returns x @ w as float32, whatever the type of x: [..., I] x [I, V]."""
    return _matrix_product(x, w, jnp.float32)


def _matrix_product(x: jax.Array, w: jax.Array, dtype: Any) -> jax.Array:
    x_NI = x.reshape(-1, x.shape[-1])
    out_NO = einsum("ni,io->no", x_NI, w.astype(x.dtype), dtype)
    return out_NO.reshape(*x.shape[:-1], w.shape[-1])


def einsum(spec: str, a: jax.Array, b: jax.Array, dtype: Any) -> jax.Array:
    """Returns the product `spec` of two arrays of one type, in `dtype`.

    Sums are accumulated in float32. Below float32 the gradient of the result
    is rounded to the operands' type first, so the backward products read
    narrow operands too.

    Args:
      spec: An einsum formula in which every letter of an operand stands in
        the other operand or in the result.
      a: First operand.
      b: Second operand, of the same type.
      dtype: Type of the result.
    """
    if a.dtype == jnp.float32:
        return jnp.einsum(spec, a, b).astype(dtype)
    return _narrow_einsum(spec, jnp.dtype(dtype), a, b)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _narrow_einsum(spec: str, dtype: Any, a: jax.Array, b: jax.Array) -> jax.Array:
    if target.platform() != "cpu":
        return jnp.einsum(spec, a, b, preferred_element_type=dtype)
    # XLA:CPU runs bfloat16 products several times faster into float32 than into bfloat16, and has
    # none of the batched ones for some layouts (DotThunk, jax 0.10): those read float32.
    if _is_batched(spec):
        a, b = a.astype(jnp.float32), b.astype(jnp.float32)
    return jnp.einsum(spec, a, b, preferred_element_type=jnp.float32).astype(dtype)


def _narrow_einsum_forward(
    spec: str, dtype: Any, a: jax.Array, b: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _narrow_einsum(spec, dtype, a, b), (a, b)


def _narrow_einsum_backward(
    spec: str, dtype: Any, operands: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array, jax.Array]:
    a, b = operands
    left, right, out = _letters(spec)
    grad = grad.astype(a.dtype)
    grad_a = _narrow_einsum(f"{out},{right}->{left}", a.dtype, grad, b)
    grad_b = _narrow_einsum(f"{left},{out}->{right}", b.dtype, a, grad)
    return grad_a, grad_b


_narrow_einsum.defvjp(_narrow_einsum_forward, _narrow_einsum_backward)


def _letters(spec: str) -> tuple[str, str, str]:
    operands, out = spec.split("->")
    left, right = operands.split(",")
    return left, right, out


def _is_batched(spec: str) -> bool:
    left, right, out = _letters(spec)
    return bool(set(left) & set(right) & set(out))


def rms_norm(x: jax.Array, scale_D: jax.Array, eps: float) -> jax.Array:
    """Returns x / rms(x) * scale over the last axis; computed in float32.

    Source: Zhang and Sennrich 2019, equation 4, with eps under the root.
    """
    wide = x.astype(jnp.float32)
    mean_square = jnp.mean(jnp.square(wide), axis=-1, keepdims=True)
    return (wide * jax.lax.rsqrt(mean_square + eps) * scale_D).astype(x.dtype)


def layer_norm(x: jax.Array, scale_D: jax.Array, bias_D: jax.Array | None, eps: float) -> jax.Array:
    """Returns (x - mean) / sqrt(variance + eps) * scale + bias, in float32.

    Source: Ba et al. 2016, equation 4, with eps under the root.
    """
    wide = x.astype(jnp.float32)
    centred = wide - jnp.mean(wide, axis=-1, keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
    normed = centred * jax.lax.rsqrt(variance + eps) * scale_D
    return (normed if bias_D is None else normed + bias_D).astype(x.dtype)


def soft_cap(x: jax.Array, cap: float) -> jax.Array:
    """Returns cap * tanh(x / cap), or x where the cap is 0."""
    return cap * jnp.tanh(x / cap) if cap else x


def dropout(x: jax.Array, rate: Any, key: Key | None) -> jax.Array:
    """Zeroes a share `rate` of x and scales the rest; x itself without a key."""
    if key is None or (isinstance(rate, float) and rate == 0.0):
        return x
    keep = jax.random.bernoulli(key, 1.0 - rate, x.shape)
    return jnp.where(keep, x / jnp.asarray(1.0 - rate, x.dtype), jnp.zeros((), x.dtype))
