"""What families do differently: fields that both networks read."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias, get_args

RematName: TypeAlias = Literal["none", "full", "dots"]
"""What the backward pass computes again; `layers.REMAT` says what each keeps."""
MatmulName: TypeAlias = Literal["plain", "fp8"]
"""How training multiplies by the layers' weights: in the compute type, or in eight-bit floats."""

BackendName: TypeAlias = Literal["auto", "xla", "flash", "cudnn", "splash"]
"""How whole rows attend; `row_attention` says what each can."""


def _check_choice(config: Any, name: str, choices: tuple[str, ...]) -> None:
    if (value := getattr(config, name)) not in choices:
        known = f"{', '.join(choices[:-1])} or {choices[-1]}"
        raise ValueError(
            f"{type(config).__name__} {name} must be {known}, got {value!r}; choose one."
        )


def _check_positive(config: Any, *names: str) -> None:
    for name in names:
        if not getattr(config, name) > 0:
            raise ValueError(
                f"{type(config).__name__} {name} must be positive, got {getattr(config, name)}; "
                "leave it at its default."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RotaryConfig:
    """Rotary positions (Su et al. 2021, section 3.2.2).

    Attributes:
      theta: Base of the frequencies.
      local_theta: The base in layers that read a window; None for `theta`,
        scaled alike. Given, it is not scaled (Gemma 3).
      fraction: Share of a head's channels that are rotated, the first ones.
      scaling: "linear" divides every frequency by `factor` (Chen et al. 2023);
        "llama3" only the low ones (Llama 3.1); "longrope" divides each by a
        number of its own and enlarges both sides (Ding et al. 2024).
      factor: How many times as long as `original_length` contexts may be.
      low_frequency: Frequencies with fewer turns than this within
        `original_length` are divided by the whole factor ("llama3").
      high_frequency: Those with more turns stay as they are ("llama3").
      original_length: Tokens that pre-training read at most.
      short_factors: A divisor for each frequency ("longrope").
      long_factors: The same for contexts beyond `original_length`.
      uses_long: Which of the two is in force. transformers looks at each
        input's length; here it is fixed, so that packing changes nothing.
    """

    theta: float = 10_000.0
    local_theta: float | None = None
    fraction: float = 1.0
    scaling: Literal["none", "linear", "llama3", "longrope"] = "none"
    factor: float = 1.0
    low_frequency: float = 1.0
    high_frequency: float = 4.0
    original_length: int = 8192
    short_factors: tuple[float, ...] = ()
    long_factors: tuple[float, ...] = ()
    uses_long: bool = False

    def __post_init__(self) -> None:
        for name in ("short_factors", "long_factors"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON has lists
        _check_choice(self, "scaling", ("none", "linear", "llama3", "longrope"))
        _check_positive(self, "theta", "factor", "low_frequency", "original_length")
        if self.local_theta is not None:
            _check_positive(self, "local_theta")
        if not 0 < self.fraction <= 1:
            raise ValueError(
                f"RotaryConfig fraction must lie in (0, 1], got {self.fraction}; Pythia uses 0.25."
            )
        if self.high_frequency <= self.low_frequency:
            raise ValueError(
                "RotaryConfig high_frequency must exceed low_frequency, got "
                f"{self.high_frequency} and {self.low_frequency}; Llama 3 uses 4 and 1."
            )

    def width(self, d_head: int) -> int:
        """Returns how many channels of a head are rotated."""
        return int(d_head * self.fraction)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RelativeConfig:
    """T5's learned bias by distance.

    Attributes:
      num_buckets: Rows of the table.
      max_distance: Positions farther apart share the last bucket.
      is_shared: Whether one table serves a stack; else each layer has its own
        (UMT5, and T5X's scalable_t5).
    """

    num_buckets: int = 32
    max_distance: int = 128
    is_shared: bool = True

    def __post_init__(self) -> None:
        if self.num_buckets < 4 or self.num_buckets % 2:
            raise ValueError(
                f"RelativeConfig num_buckets must be even and at least 4, got {self.num_buckets}; "
                "T5 uses 32."
            )
        if self.max_distance <= self.num_buckets // 2:
            raise ValueError(
                "RelativeConfig max_distance must exceed half of num_buckets, got "
                f"{self.max_distance} for {self.num_buckets}; T5 uses 128."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnedConfig:
    """A learned embedding of each position, added to the token's (GPT-2).

    Attributes:
      max_length: Positions there are; a row may hold longer examples only at
        the price of an error.
    """

    max_length: int = 1024

    def __post_init__(self) -> None:
        _check_positive(self, "max_length")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttentionConfig:
    """What families do differently in attention.

    Attributes:
      scale: Factor of the logits; None for d_head ** -0.5. T5 has 1.
      cap: Logits become cap * tanh(logits / cap); 0 for none (Gemma 2).
      qk_norm: RMSNorm of queries and keys: over each head's channels (Qwen 3),
        or over all of them (OLMo 2).
      has_qkv_bias: Whether queries, keys and values have biases (Qwen 2.5).
      has_out_bias: Whether the output product has one (GPT-2).
      window: Tokens that a local layer sees, its own included, and as many
        ahead beside it in an encoder; 0 for none.
      layer_pattern: A letter a layer, repeated to the last: "l" for a local
        layer, "g" for one that sees everything. Gemma 3 has "lllllg".
    """

    scale: float | None = None
    cap: float = 0.0
    qk_norm: Literal["none", "head", "all"] = "none"
    has_qkv_bias: bool = False
    has_out_bias: bool = False
    window: int = 0
    layer_pattern: str = "g"

    def __post_init__(self) -> None:
        _check_choice(self, "qk_norm", ("none", "head", "all"))
        if self.scale is not None:
            _check_positive(self, "scale")
        for name in ("cap", "window"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"AttentionConfig {name} must not be negative, got {getattr(self, name)}; "
                    "0 is for none."
                )
        if not self.layer_pattern or set(self.layer_pattern) - set("gl"):
            raise ValueError(
                "AttentionConfig layer_pattern must consist of g and l, got "
                f"{self.layer_pattern!r}; Gemma 2 has 'lg'."
            )
        if ("l" in self.layer_pattern) != bool(self.window):
            raise ValueError(
                "AttentionConfig window must be given with local layers alone, got window "
                f"{self.window} for layer_pattern {self.layer_pattern!r}; set both or neither."
            )

    def local_layers(self, num_layers: int) -> tuple[bool, ...]:
        """Returns whether each layer is a local one."""
        pattern = self.layer_pattern
        return tuple(pattern[layer % len(pattern)] == "l" for layer in range(num_layers))


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlockConfig:
    """What families do differently in a residual block.

    Attributes:
      norm: "rms", or "layer" with the mean taken away.
      norm_eps: Added to mean squares.
      has_norm_bias: Whether a LayerNorm has a bias.
      is_norm_offset: Whether a norm's factor is its parameter plus 1 (Gemma).
      norm_at: "pre" the attention and the MLP, "post" them (OLMo 2), "both"
        (Gemma 2).
      is_parallel: Whether attention and MLP read the same stream (GPT-NeoX).
      shares_norm: Whether both read it through one norm (PaLM).
      activation: Of the MLP; "gelu" is exact, "gelu_tanh" its approximation.
      is_gated: Whether the MLP is act(x @ gate) * (x @ up) @ down.
      has_mlp_bias: Whether its products have biases.
      attention: The same of attention.
    """

    norm: Literal["rms", "layer"] = "rms"
    norm_eps: float = 1e-5
    has_norm_bias: bool = False
    is_norm_offset: bool = False
    norm_at: Literal["pre", "post", "both"] = "pre"
    is_parallel: bool = False
    shares_norm: bool = False
    activation: Literal["silu", "gelu", "gelu_tanh", "relu"] = "silu"
    is_gated: bool = True
    has_mlp_bias: bool = False
    attention: AttentionConfig = dataclasses.field(default_factory=AttentionConfig)

    def __post_init__(self) -> None:
        _check_choice(self, "norm", ("rms", "layer"))
        _check_choice(self, "norm_at", ("pre", "post", "both"))
        _check_choice(self, "activation", ("silu", "gelu", "gelu_tanh", "relu"))
        _check_positive(self, "norm_eps")
        if self.has_norm_bias and self.norm == "rms":
            raise ValueError(
                "BlockConfig has_norm_bias must go with norm 'layer', got 'rms'; change one."
            )
        if self.is_parallel and self.norm_at != "pre":
            raise ValueError(
                f"BlockConfig is_parallel must go with norm_at 'pre', got {self.norm_at!r}; "
                "change one."
            )
        if self.shares_norm and not self.is_parallel:
            raise ValueError(
                "BlockConfig shares_norm must go with is_parallel, got a block in turns; "
                "change one."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """How tokens enter and leave.

    Attributes:
      is_tied: Whether the output matrix is the embedding.
      scales_inputs: Whether embeddings are multiplied by d_model ** 0.5 (Gemma).
      scales_outputs: Whether the last hidden states are multiplied by
        d_model ** -0.5 before the output matrix (T5 1.0).
      cap: Output logits become cap * tanh(logits / cap); 0 for none (Gemma 2).
      num_unused: The last rows of the vocabulary that stand for no token: they
        make it a round number and are never predicted.
      has_encoder_table: Whether an encoder embeds its tokens by a table of its
        own (T5Gemma).
      start_id: What an encoder-decoder's decoder reads first: the padding id
        in T5, the beginning of a sequence in T5Gemma.
    """

    is_tied: bool = False
    scales_inputs: bool = False
    scales_outputs: bool = False
    cap: float = 0.0
    num_unused: int = 0
    has_encoder_table: bool = False
    start_id: int = 0

    def __post_init__(self) -> None:
        for name in ("cap", "num_unused"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"EmbeddingConfig {name} must not be negative, got {getattr(self, name)}; "
                    "0 is for none."
                )


def check_sizes(config: Any) -> None:
    """Checks what the configs of both networks share.

    Raises:
      ValueError: A size, rate or choice is out of range.
    """
    family = type(config).__name__
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.type == "int" and value < 1:
            raise ValueError(f"{family} {field.name} must be positive, got {value}; raise it.")
    if not 0 <= config.dropout_rate < 1:
        raise ValueError(
            f"{family} dropout_rate must lie in [0, 1), got {config.dropout_rate}; T5 uses 0.1."
        )
    _check_choice(config, "dtype", ("float32", "bfloat16"))
    _check_choice(config, "remat", get_args(RematName))
    _check_choice(config, "attention_backend", get_args(BackendName))
    _check_choice(config, "matmul", get_args(MatmulName))
    num_kv_heads = config.num_kv_heads or config.num_heads
    if num_kv_heads < 1 or config.num_heads % num_kv_heads:
        raise ValueError(
            f"{family} num_kv_heads must divide num_heads, got {num_kv_heads} and "
            f"{config.num_heads}; use {config.num_heads} for one key head per query head."
        )
    if isinstance(config.positions, RotaryConfig):
        _check_rotary(family, config.positions, config.d_head)
    if config.embedding.num_unused >= config.vocab_size:
        raise ValueError(
            f"EmbeddingConfig num_unused must be less than vocab_size {config.vocab_size}, got "
            f"{config.embedding.num_unused}; lower it."
        )


def _check_rotary(family: str, rotary: RotaryConfig, d_head: int) -> None:
    width = rotary.width(d_head)
    if width < 2 or width % 2:
        raise ValueError(
            f"{family} d_head times RotaryConfig.fraction must be even for rotary pairs, got "
            f"{width} of {d_head}; Llama uses 64 or 128."
        )
    if rotary.scaling != "longrope":
        return
    for name in ("short_factors", "long_factors"):
        if len(getattr(rotary, name)) != width // 2:
            raise ValueError(
                f"RotaryConfig {name} must give {width // 2} factors, one a frequency, got "
                f"{len(getattr(rotary, name))}; copy them from the checkpoint's config."
            )
