"""How answers are written, as one value; and their writing, in both families."""

from __future__ import annotations

import dataclasses
from typing import Literal, NamedTuple, TypeAlias, get_args

import jax

from flanjax.base import Key, Params
from flanjax.data.batch import EncoderInput
from flanjax.models import beam, decode, sampling
from flanjax.models.api import Model
from flanjax.models.stops import Ends, make_ends

MethodName: TypeAlias = Literal["greedy", "sample", "beam"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodeConfig:
    """How the tokens of an answer are chosen.

    A field that the method does not read must be left at its default.

    Attributes:
      method: "greedy" takes the likeliest token each time, "sample" draws
        one, "beam" searches for the answers of the highest score.
      num_answers: Answers of each prompt: draws, or the best of a search.
      temperature: Draws are from softmax(logits / temperature).
      top_k: Draws are among so many tokens; 0 for all.
      top_p: Draws are among the fewest tokens that hold this share of the
        probability; 1 for all.
      num_beams: Answers that a search keeps in sight (T5: Raffel et al. 2020,
        section 3.1.2).
      length_penalty: A search divides log p by ((5 + length) / 6) ** this;
        0 for no division, above it longer answers score higher (T5's 0.6, in
        the same place).
    """

    method: MethodName = "greedy"
    num_answers: int = 1
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    num_beams: int = 4
    length_penalty: float = 0.6

    def __post_init__(self) -> None:
        if self.method not in get_args(MethodName):
            raise ValueError(
                f"decode method must be greedy, sample or beam, got {self.method!r}; choose one."
            )
        for name, methods in _READ_BY.items():
            is_set = getattr(self, name) != _DEFAULTS[name]
            if is_set and self.method not in methods:
                raise ValueError(
                    f"decode {name} must go with method {' or '.join(methods)}, got "
                    f"{getattr(self, name)} with {self.method}; leave it out."
                )
        self._check_ranges()

    def _check_ranges(self) -> None:
        if not self.temperature > 0:
            raise ValueError(
                f"decode temperature must be positive, got {self.temperature}; use method greedy."
            )
        if self.top_k < 0:
            raise ValueError(f"decode top_k must not be negative, got {self.top_k}; use 0 for all.")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"decode top_p must lie in (0, 1], got {self.top_p}; use 1 for all.")
        for name in ("num_beams", "num_answers"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"decode {name} must be positive, got {getattr(self, name)}; use 1."
                )
        if self.length_penalty < 0:
            raise ValueError(
                f"decode length_penalty must not be negative, got {self.length_penalty}; "
                "use 0 for none."
            )
        if self.method == "beam" and self.num_answers > self.num_beams:
            raise ValueError(
                f"decode num_answers must be at most the {self.num_beams} beams, got "
                f"{self.num_answers}; raise num_beams."
            )


_READ_BY = {
    "num_answers": ("sample", "beam"),
    "temperature": ("sample",),
    "top_k": ("sample",),
    "top_p": ("sample",),
    "num_beams": ("beam",),
    "length_penalty": ("beam",),
}
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(DecodeConfig)}


class Written(NamedTuple):
    """Answers of prompts, the best first where they were searched for.

    Attributes:
      tokens: int32 [B, N, T], each with what ended it, its end id or stop
        sequence, and 0 after that.
      scores: float32 [B, N], log p of these tokens in nats, as the model has
        it whatever was drawn from; of a search divided by the length penalty,
        and minus infinity where there are fewer than N sequences at all.
    """

    tokens: jax.Array
    scores: jax.Array


def generate(
    model: Model,
    params: Params,
    inputs: EncoderInput,
    config: DecodeConfig,
    *,
    start_id: int | jax.Array,
    eos_id: int,
    max_length: int,
    stops: tuple[tuple[int, ...], ...] = (),
    keys_B: Key | None = None,
    lay_cache: decode.Lay = decode.as_it_lies,
) -> Written:
    """Returns what a model writes after each prompt.

    A prompt is read once, whatever the number of its answers. Its answers are
    the same whichever prompts stand beside it, and however many.

    Args:
      model: The model.
      params: Its parameters.
      inputs: Prompts, one segment a row.
      config: How tokens are chosen.
      start_id: What is read before the first of them; its own for each prompt
        where that is an array [B].
      eos_id: Ends an answer.
      max_length: T, tokens written at most, the end included.
      stops: Sequences of ids that end an answer too.
      keys_B: A key for each prompt, which its draws come from and nothing
        else's; for method "sample".
      lay_cache: Lays the cache over devices.

    Raises:
      ValueError: There are no keys to draw by, or a stop sequence is empty.
    """
    ends = make_ends(eos_id, stops)
    num_rows = config.num_beams if config.method == "beam" else config.num_answers
    begun = decode.begin(
        model,
        params,
        inputs,
        num_rows_per_prompt=num_rows,
        start_id=start_id,
        max_length=max_length,
        lay_cache=lay_cache,
    )
    if config.method == "beam":
        return _search(model, begun, config, ends, max_length)
    written = decode.write(
        model,
        begun,
        _chooser(config, keys_B),
        ends=ends,
        max_length=max_length,
        has_scores=True,
    )
    tokens_BNT = written.tokens.reshape(-1, num_rows, max_length)
    return Written(tokens_BNT, written.scores.reshape(-1, num_rows))


def _search(
    model: Model,
    begun: decode.Begun,
    config: DecodeConfig,
    ends: Ends,
    max_length: int,
) -> Written:
    tokens_BKT, scores_BK = beam.search(
        model,
        begun,
        num_beams=config.num_beams,
        alpha=config.length_penalty,
        ends=ends,
        max_length=max_length,
    )
    return Written(tokens_BKT[:, : config.num_answers], scores_BK[:, : config.num_answers])


def _chooser(config: DecodeConfig, keys_B: Key | None) -> decode.Choose:
    if config.method == "greedy":
        return decode.likeliest
    if keys_B is None:
        raise ValueError("method sample must have a key for each prompt, got None; pass keys_B.")
    return sampling.drawer(
        sampling.row_keys(keys_B, config.num_answers),
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
    )
