"""The arithmetic that a model needs for one training step."""

from __future__ import annotations

from typing import NamedTuple

from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config


class Product(NamedTuple):
    """Matrices that every one of some tokens is multiplied by."""

    parameters: int
    tokens: int


class Pairs(NamedTuple):
    """Queries times keys of one row, and the channels that each pair mixes."""

    pairs: int
    channels: int


class Work(NamedTuple):
    """The arithmetic of one step, counted as the model needs it.

    Attributes:
      products: Products with weights.
      attention: All layers of each kind of attention.
      num_rows: Rows.
    """

    products: tuple[Product, ...]
    attention: tuple[Pairs, ...]
    num_rows: int

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
        return 6 * products + 12 * self.num_rows * attention

    @property
    def formula(self) -> str:
        """Returns `flops` written out, terms in the order of the fields."""
        products = " + ".join(f"{parameters} x {tokens}" for parameters, tokens in self.products)
        attention = " + ".join(f"{pairs} x {channels}" for pairs, channels in self.attention)
        return (
            f"6 x (parameters x tokens: {products}) + "
            f"12 x {self.num_rows} rows x (pairs x channels of all layers: {attention})"
        )


def count_work(
    config: T5Config | DecoderConfig,
    num_rows: int,
    input_length: int | None,
    target_length: int,
) -> Work:
    """Counts the arithmetic of a step on full rows.

    Args:
      config: The model.
      num_rows: Rows, each filled by one example.
      input_length: Tokens of an encoder row; None for a causal model.
      target_length: Tokens of a decoder row.
    """
    d_q = config.num_heads * config.d_head
    mlp = 3 * config.d_model * config.d_ff
    num_targets = num_rows * target_length
    head = Product(config.vocab_size * config.d_model, num_targets)
    causal_pairs = target_length**2 // 2
    if isinstance(config, DecoderConfig):
        d_kv = config.num_kv_heads * config.d_head
        block = 2 * config.d_model * (d_q + d_kv) + mlp
        layers = Product(config.num_layers * block, num_targets)
        causal = Pairs(causal_pairs, config.num_layers * d_q)
        return Work((layers, head), (causal,), num_rows)
    if input_length is None:
        raise ValueError("input_length must be given for an encoder-decoder, got None; name it.")
    num_inputs = num_rows * input_length
    square = config.d_model * d_q
    encoder = Product(config.num_encoder_layers * (4 * square + mlp), num_inputs)
    decoder = Product(config.num_decoder_layers * (6 * square + mlp), num_targets)
    cross_keys = Product(config.num_decoder_layers * 2 * square, num_inputs)
    encoder_channels = config.num_encoder_layers * d_q
    decoder_channels = config.num_decoder_layers * d_q
    attention = (
        Pairs(input_length**2, encoder_channels),
        Pairs(causal_pairs, decoder_channels),
        Pairs(target_length * input_length, decoder_channels),
    )
    return Work((encoder, decoder, cross_keys, head), attention, num_rows)
