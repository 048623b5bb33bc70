"""Products and norms, each as one function of arrays."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from flanjax import parallel
from flanjax.base import Key

_LARGEST: Mapping[Any, float] = {jnp.float8_e4m3fn: 448.0, jnp.float8_e5m2: 57344.0}
"""Type -> its largest number (Micikevicius et al. 2022, table 1)."""


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


class Transposed(NamedTuple):
    """A weight that is kept as [O, I] and read as [I, O].

    It stands in a parameter tree where a matrix would stand, and `dot` and
    `project_logits` read it. XLA:CPU multiplies a few rows by a weight two to
    six times faster in this order.

    Attributes:
      w: [O, I].
    """

    w: Any


READ = "read by attention"
"""What `jax.checkpoint` knows the results of an attention kernel by."""

_FEW_ROWS = 64
"""Products of no more rows than this take the order of a Transposed weight on a CPU."""


class Float8(NamedTuple):
    """A weight whose products are taken in eight-bit floats.

    Attributes:
      weight: [I, O], in the compute type; it is narrowed in each product.
    """

    weight: Any


def dot(x: jax.Array, w: Any, key: Key | None = None) -> jax.Array:
    """Returns x @ w over the last axis of x, in x's type.

    Leading axes are merged, so that the product and both of its gradients are
    single matrix products; not so where a mesh splits two of them.

    Args:
      x: [..., I].
      w: [I, O] of any float type, a LowRank, a Transposed or a Float8.
      key: Turns on the dropout of a typed weight; plain weights ignore it.
    """
    if isinstance(w, LowRank):
        narrow = x if key is None else dropout(x, w.dropout_rate, key)
        return dot(x, w.base) + w.scale.astype(x.dtype) * dot(dot(narrow, w.a), w.b)
    if isinstance(w, Float8):
        out_NO = _float8_product(x.reshape(-1, x.shape[-1]), w.weight)
        return out_NO.reshape(*x.shape[:-1], out_NO.shape[-1])
    return _matrix_product(x, w, x.dtype)


def project_logits(x: jax.Array, w: Any) -> jax.Array:
    """Returns x @ w as float32, whatever the type of x: [..., I] x [I, V]."""
    return _matrix_product(x, w, jnp.float32)


def _matrix_product(x: jax.Array, w: Any, dtype: Any) -> jax.Array:
    is_turned = isinstance(w, Transposed)
    if x.ndim == 3 and parallel.splits_columns():  # merged, rows and columns would have to move
        w_IO = w.w.T if is_turned else w
        return einsum("bti,io->bto", x, w_IO.astype(x.dtype), dtype)
    x_NI = x.reshape(-1, x.shape[-1])
    if is_turned and x_NI.shape[0] <= _FEW_ROWS and parallel.platform() == "cpu":
        # The barrier keeps XLA from turning the product around again.
        out_ON = einsum("oi,ni->on", w.w.astype(x.dtype), x_NI, dtype)
        out_NO = jax.lax.optimization_barrier(out_ON).T
    else:
        w_IO = w.w.T if is_turned else w
        out_NO = einsum("ni,io->no", x_NI, w_IO.astype(x.dtype), dtype)
    return out_NO.reshape(*x.shape[:-1], out_NO.shape[-1])


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


def spread_einsum(spec: str, a: jax.Array, b: jax.Array, dtype: Any) -> jax.Array:
    """Returns `einsum` computed as products that are added up, in `dtype`.

    XLA:CPU copies an operand whose batch axes do not come first before it
    multiplies. This reads it where it lies, which is faster where the other
    operand has few rows. Sums are in float32.

    Args:
      spec: An einsum formula in which no operand has a letter to itself.
      a: First operand.
      b: Second operand.
      dtype: Type of the result.
    """
    left, right, out = _letters(spec)
    added = [letter for letter in left if letter not in out]

    def spread(x: jax.Array, letters: str) -> jax.Array:
        order = [letter for letter in (*out, *added) if letter in letters]
        missing = [i for i, letter in enumerate((*out, *added)) if letter not in letters]
        x = jnp.transpose(x, [letters.index(letter) for letter in order])
        return jnp.expand_dims(x.astype(jnp.float32), missing)

    axes = tuple(range(len(out), len(out) + len(added)))
    return jnp.sum(spread(a, left) * spread(b, right), axis=axes).astype(dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _narrow_einsum(spec: str, dtype: Any, a: jax.Array, b: jax.Array) -> jax.Array:
    if parallel.platform() != "cpu":
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


@jax.custom_vjp
def _float8_product(x_NI: jax.Array, w_IO: jax.Array) -> jax.Array:
    """Returns x @ w in x's type, of operands in eight bits, summed in float32.

    Values and weights are e4m3, gradients e5m2; each array is divided by a scale
    of its own, so that its largest magnitude is the type's largest, and the
    product is multiplied by both. That is how cuBLASLt takes them: XLA makes
    one call of it from a dot of two such arrays on a GPU that has it, and
    elsewhere widens them first. Source: Micikevicius et al. 2022, sections 3
    and 4.1.
    """
    return _float8_forward(x_NI, w_IO)[0]


def _float8_forward(
    x_NI: jax.Array, w_IO: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array]]:
    x8_NI, x_scale = narrowed(x_NI, jnp.float8_e4m3fn)
    w8_IO, w_scale = narrowed(w_IO, jnp.float8_e4m3fn)
    out_NO = _float8_dot(x8_NI, w8_IO, (1, 0)) * (x_scale * w_scale)
    return out_NO.astype(x_NI.dtype), (x8_NI, x_scale, w_IO)


def _float8_backward(
    kept: tuple[jax.Array, jax.Array, jax.Array], grad_NO: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x8_NI, x_scale, w_IO = kept
    w8_IO, w_scale = narrowed(w_IO, jnp.float8_e4m3fn)
    grad8_NO, grad_scale = narrowed(grad_NO, jnp.float8_e5m2)
    grad_NI = _float8_dot(grad8_NO, w8_IO, (1, 1)) * (grad_scale * w_scale)
    grad_IO = _float8_dot(x8_NI, grad8_NO, (0, 0)) * (x_scale * grad_scale)
    return grad_NI.astype(grad_NO.dtype), grad_IO.astype(w_IO.dtype)


_float8_product.defvjp(_float8_forward, _float8_backward)


def narrowed(x: jax.Array, dtype: Any) -> tuple[jax.Array, jax.Array]:
    """Returns x / scale in an eight-bit type, and the scale, float32 [].

    The scale is that at which the largest magnitude is the type's largest; 1
    for zeros.
    """
    wide = x.astype(jnp.float32)
    largest = jnp.max(jnp.abs(wide))
    scale = jnp.where(largest == 0, 1.0, largest / _LARGEST[dtype])
    return (wide / scale).astype(dtype), scale


def _float8_dot(a: jax.Array, b: jax.Array, contracted: tuple[int, int]) -> jax.Array:
    left, right = contracted
    if parallel.platform() == "cpu":  # the same numbers: XLA:CPU has no fast product of them
        a, b = a.astype(jnp.float32), b.astype(jnp.float32)
    dims = (((left,), (right,)), ((), ()))
    return jax.lax.dot_general(a, b, dims, preferred_element_type=jnp.float32)


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
