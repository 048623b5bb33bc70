"""Token losses: arrays in, sums out."""

from __future__ import annotations

import dataclasses
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp

Average = Literal["tokens", "examples"]
"""What counts alike in a loss."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
    """How a token is scored.

    Attributes:
      z_loss: Weight of log(Z)^2, which keeps the softmax normaliser near one
        (PaLM, section 5; T5X trains with 1e-4).
      label_smoothing: Probability spread over the whole vocabulary.
      average: "tokens": every weighted token counts alike, so long targets count
        more than short ones. "examples": every example does, each of its tokens
        by one part of its weight (T5X's AVERAGE_PER_SEQUENCE).
      chunk: Columns of a batch whose logits exist at a time, [B, chunk, V]; 0
        for all. Any value gives the same sums. A multiple of the mesh's
        `context` axis splits evenly.
    """

    z_loss: float = 0.0
    label_smoothing: float = 0.0
    average: Average = "tokens"
    chunk: int = 0

    def __post_init__(self) -> None:
        if self.average not in get_args(Average):
            raise ValueError(
                f"average must be one of {', '.join(get_args(Average))}, got {self.average!r}; "
                "use 'tokens' for what most trainers do."
            )
        if self.z_loss < 0:
            raise ValueError(f"z_loss must not be negative, got {self.z_loss}; T5X uses 1e-4.")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                f"label_smoothing must lie in [0, 1), got {self.label_smoothing}; use 0.0 for none."
            )
        if self.chunk < 0:
            raise ValueError(f"chunk must not be negative, got {self.chunk}; use 0 for no chunks.")


class TokenSums(NamedTuple):
    """Sums over tokens, each times the token's weight.

    All fields have one shape: [] for a set of tokens, [B, T] where each token
    is a set of its own.

    Attributes:
      loss: Cross-entropy with label smoothing, plus z-loss; nats.
      cross_entropy: -log p(target) alone; nats.
      z_loss: The z-loss alone.
      correct: Weight of tokens whose target is the argmax.
      weight: Sum of weights.
    """

    loss: jax.Array
    cross_entropy: jax.Array
    z_loss: jax.Array
    correct: jax.Array
    weight: jax.Array


def token_sums(
    logits_BTV: jax.Array, targets_BT: jax.Array, weights_BT: jax.Array, config: LossConfig
) -> TokenSums:
    """Returns the weighted sums of a set of tokens, as `token_values` has each."""
    return jax.tree.map(jnp.sum, token_values(logits_BTV, targets_BT, weights_BT, config))


def token_values(
    logits_BTV: jax.Array, targets_BT: jax.Array, weights_BT: jax.Array, config: LossConfig
) -> TokenSums:
    """Returns what each token adds to the sums, float32 [B, T] in every field.

    Other leading axes than [B, T] do as well.

    With smoothing e the target distribution is (1 - e) on the target plus
    e / V everywhere, and the loss its cross-entropy (Szegedy et al. 2016,
    section 7); a constant is not subtracted, so a perfect prediction does not
    score zero.
    """
    logits_BTV = logits_BTV.astype(jnp.float32)
    log_z_BT, target_BT = _normalizer_and_target(logits_BTV, targets_BT)
    cross_entropy_BT = log_z_BT - target_BT
    loss_BT = cross_entropy_BT
    if config.label_smoothing:
        uniform_BT = log_z_BT - jnp.mean(logits_BTV, axis=-1)
        loss_BT = (1 - config.label_smoothing) * loss_BT + config.label_smoothing * uniform_BT
    z_loss_BT = config.z_loss * jnp.square(log_z_BT)
    correct_BT = jnp.argmax(logits_BTV, axis=-1) == targets_BT
    return TokenSums(
        loss=(loss_BT + z_loss_BT) * weights_BT,
        cross_entropy=cross_entropy_BT * weights_BT,
        z_loss=z_loss_BT * weights_BT,
        correct=correct_BT * weights_BT,
        weight=weights_BT,
    )


@jax.custom_vjp
def _normalizer_and_target(
    logits_BTV: jax.Array, targets_BT: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns log sum exp of each row, and its target's logit.

    The gradient is written out: softmax and target in one pass over the logits, where that of an
    index is an array of zeros with a scatter into it.
    """
    target_BT = jnp.take_along_axis(logits_BTV, targets_BT[..., None], axis=-1)[..., 0]
    return jax.nn.logsumexp(logits_BTV, axis=-1), target_BT


def _normalizer_and_target_forward(
    logits_BTV: jax.Array, targets_BT: jax.Array
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array, jax.Array]]:
    log_z_BT, target_BT = _normalizer_and_target(logits_BTV, targets_BT)
    return (log_z_BT, target_BT), (logits_BTV, targets_BT, log_z_BT)


def _normalizer_and_target_backward(
    kept: tuple[jax.Array, jax.Array, jax.Array], grads: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, None]:
    logits_BTV, targets_BT, log_z_BT = kept
    of_log_z_BT1, of_target_BT1 = (grad[..., None] for grad in grads)
    is_target_BTV = jnp.arange(logits_BTV.shape[-1]) == targets_BT[..., None]
    softmax_BTV = jnp.exp(logits_BTV - log_z_BT[..., None])
    return of_log_z_BT1 * softmax_BTV + jnp.where(is_target_BTV, of_target_BT1, 0.0), None


_normalizer_and_target.defvjp(_normalizer_and_target_forward, _normalizer_and_target_backward)


def per_example(weights_BT: jax.Array, segments_BT: jax.Array) -> jax.Array:
    """Returns weights that add up to one in every example.

    Args:
      weights_BT: Each token's weight; an example without any keeps zeros.
      segments_BT: int32, 0 for padding.

    Example:
      weights 0 1 1 0 2, segments 1 1 1 2 2
      becomes 0 .5 .5 0 1
    """
    is_same_BTT = segments_BT[:, :, None] == segments_BT[:, None, :]
    sums_BT = jnp.sum(is_same_BTT * weights_BT[:, None, :], axis=-1)
    return weights_BT / jnp.where(sums_BT > 0, sums_BT, 1.0)


def example_sums(
    losses_BT: jax.Array, weights_BT: jax.Array, segments_BT: jax.Array, *, num_segments: int
) -> tuple[jax.Array, jax.Array]:
    """Returns the loss sum and the weight of each packed example.

    Both are [B, num_segments]: column n holds segment n + 1 of its row, and
    zero where the row has no such segment. Padding (segment 0) is in no
    column, and neither is a segment beyond num_segments.

    Args:
      losses_BT: Each token's loss, already times its weight.
      weights_BT: Each token's weight.
      segments_BT: int32, 0 for padding.
      num_segments: Columns; the most examples that a row may hold.

    Example:
      losses 1 2 4 8 0, weights 1 1 1 2 0, segments 1 1 2 2 0, 3 segments
        losses  3 12 0
        weights 2  3 0
    """

    def row_sums(values_T: jax.Array, segments_T: jax.Array) -> jax.Array:
        return jax.ops.segment_sum(values_T, segments_T, num_segments + 1)[1:]

    sums = jax.vmap(row_sums)
    return sums(losses_BT, segments_BT), sums(weights_BT, segments_BT)


def target_logps(logits_NTV: jax.Array, targets_NT: jax.Array) -> jax.Array:
    """Returns log p of each target token, float32, of the targets' shape."""
    logits_NTV = logits_NTV.astype(jnp.float32)
    target_NT = jnp.take_along_axis(logits_NTV, targets_NT[..., None], axis=-1)[..., 0]
    return target_NT - jax.nn.logsumexp(logits_NTV, axis=-1)
