"""The arithmetic of a model's training step.

Model FLOPs utilization (Chowdhery et al. 2022, section 4.1) is this over the time and what devices
can do: `Work.flops / seconds / (devices * peak)`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flanjax import chips
from flanjax.data.batch import SeqBatch
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config


class Counted(NamedTuple):
    """What a step has to read, padding left out.

    Attributes:
      num_inputs: Tokens of the encoder.
      num_targets: Tokens of the decoder.
      input_pairs: Encoder tokens times those that each sees.
      target_pairs: Decoder tokens times those before, half of all; those of
        a prefix times all of it.
      cross_pairs: Decoder tokens times the encoder's that each sees.
    """

    num_inputs: int
    num_targets: int
    input_pairs: int
    target_pairs: int
    cross_pairs: int


def full_rows(num_rows: int, input_length: int | None, target_length: int) -> Counted:
    """Counts rows that one example fills; an input_length of None is a causal model's."""
    inputs = input_length or 0
    return Counted(
        num_inputs=num_rows * inputs,
        num_targets=num_rows * target_length,
        input_pairs=num_rows * inputs**2,
        target_pairs=num_rows * (target_length**2 // 2),
        cross_pairs=num_rows * target_length * inputs,
    )


def packed_rows(batch: SeqBatch) -> Counted:
    """Counts a batch of packed rows, whose examples see nothing of one another.

    Args:
      batch: Its segments must be numpy's.

    Example:
      segments  1 1 1 2 2 0    3 and 2 tokens: 3 * 3 // 2 + 2 * 2 // 2 = 6 target pairs
    """
    targets = _segment_sizes(batch.segments)
    prefixes = _segment_sizes(batch.segments * batch.prefix)
    inputs = np.zeros_like(targets)
    if batch.encoder is not None:
        inputs = _segment_sizes(batch.encoder.segments)
    most = max(inputs.shape[1], targets.shape[1])
    inputs, targets = (np.pad(n, ((0, 0), (0, most - n.shape[1]))) for n in (inputs, targets))
    return Counted(
        num_inputs=int(inputs.sum()),
        num_targets=int(targets.sum()),
        input_pairs=int((inputs**2).sum()),
        target_pairs=int((targets**2 // 2).sum() + (prefixes**2 // 2).sum()),
        cross_pairs=int((inputs * targets).sum()),
    )


def _segment_sizes(segments: np.ndarray) -> np.ndarray:
    """Returns how many tokens each segment has, [B, segments], padding left out."""
    num_rows, most = segments.shape[0], int(segments.max(initial=0)) + 1
    of_row = segments + most * np.arange(num_rows)[:, None]
    return np.bincount(of_row.ravel(), minlength=num_rows * most).reshape(num_rows, most)[:, 1:]


def peak_flops(device_kind: str) -> float | None:
    """Returns the FLOP/s of a kind of device in bfloat16; None where it is not known."""
    chip = chips.of_kind(device_kind)
    return chip and chip.peak_flops


class Product(NamedTuple):
    """Matrices that every one of some tokens is multiplied by."""

    parameters: int
    tokens: int


class Pairs(NamedTuple):
    """Queries times keys of all rows, and the channels that each pair mixes."""

    pairs: int
    channels: int


class Work(NamedTuple):
    """The arithmetic of one step, counted as the model needs it.

    Attributes:
      products: Products with weights.
      attention: All layers of each kind of attention.
    """

    products: tuple[Product, ...]
    attention: tuple[Pairs, ...]

    @property
    def matmul_parameters(self) -> int:
        return sum(product.parameters for product in self.products)

    @property
    def flops(self) -> int:
        """A multiply-add is two, and backward takes twice what forward takes.

        A product with weights is thus 6 per parameter and token; attention
        has two products, so 12 per pair and channel. A causal model needs half
        of its pairs. What is computed twice to save memory is not counted.
        """
        products = sum(parameters * tokens for parameters, tokens in self.products)
        attention = sum(pairs * channels for pairs, channels in self.attention)
        return 6 * products + 12 * attention

    @property
    def formula(self) -> str:
        """Returns `flops` written out, terms in the order of the fields."""
        products = " + ".join(f"{parameters} x {tokens}" for parameters, tokens in self.products)
        attention = " + ".join(f"{pairs} x {channels}" for pairs, channels in self.attention)
        return (
            f"6 x (parameters x tokens: {products}) + "
            f"12 x (pairs x channels of all layers: {attention})"
        )


def count_work(config: T5Config | DecoderConfig, counted: Counted) -> Work:
    """Counts the arithmetic of a step.

    Windows of attention are counted as if they reached as far as the segment, every token of the
    decoder as if its logits were needed, and parameters that are not trained as if they were.

    Args:
      config: The model.
      counted: The tokens of a step, `full_rows` or `packed_rows`.
    """
    d_q = config.num_heads * config.d_head
    d_kv = (config.num_kv_heads or config.num_heads) * config.d_head
    own = 2 * config.d_model * (d_q + d_kv)
    mlp = (3 if config.block.is_gated else 2) * config.d_model * config.d_ff
    head = Product(config.vocab_size * config.d_model, counted.num_targets)
    if isinstance(config, DecoderConfig):
        layers = Product(config.num_layers * (own + mlp), counted.num_targets)
        causal = Pairs(counted.target_pairs, config.num_layers * d_q)
        return Work((layers, head), (causal,))
    # Cross-attention reads its keys and values from the inputs, the rest from the targets.
    cross_keys = config.num_decoder_layers * 2 * config.d_model * d_kv
    cross_queries = 2 * config.d_model * d_q
    encoder = Product(config.num_encoder_layers * (own + mlp), counted.num_inputs)
    decoder = Product(config.num_decoder_layers * (own + cross_queries + mlp), counted.num_targets)
    attention = (
        Pairs(counted.input_pairs, config.num_encoder_layers * d_q),
        Pairs(counted.target_pairs, config.num_decoder_layers * d_q),
        Pairs(counted.cross_pairs, config.num_decoder_layers * d_q),
    )
    return Work((encoder, decoder, Product(cross_keys, counted.num_inputs), head), attention)
