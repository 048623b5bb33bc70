"""Scores and generates text with a model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from flanjax import parallel
from flanjax.base import Params
from flanjax.data.batch import EncoderInput
from flanjax.data.tokenize import Tokenizer, encode_prompts
from flanjax.engine.pack import prompts as prompt_rows
from flanjax.evaluation.converted import EvaluatorFunctions, evaluator_functions
from flanjax.evaluation.stop_texts import before_special, cut_at, stop_ids
from flanjax.models import decode, unrolled
from flanjax.models.api import Model
from flanjax.models.generation import DecodeConfig, Written, generate

_SMALLEST_BUCKET = 16
_GREEDY = DecodeConfig()


class Answer(NamedTuple):
    """What a model wrote after a prompt.

    Attributes:
      text: Up to the end, or to the first stop text.
      score: log p of the tokens written, divided by the length penalty where
        the answer was searched for; nats.
    """

    text: str
    score: float


class ModelPredictor:
    """A model that answers prompts given as text.

    Requests are sorted by length and padded to a few sizes, so a whole
    cluster compiles a handful of programs. A prompt is encoded once and all
    its options are scored from that.

    Args:
      model: The model.
      params: Its parameters.
      tokenizer: Text to ids.
      max_input_length: Longer prompts are cut; `num_truncated` counts them.
      max_target_length: Options must fit this, their end included.
      batch_size: Prompts at a time.
      mesh: Where rows go.
      decode_config: How answers are written.
      stop_texts: Texts that end an answer, and are not part of it.
      is_cut_left: Whether a prompt that is cut loses its beginning, not its
        end; it begins with `bos_id` all the same.
      seed: Seeds draws. A prompt's depend on this and on its place among the
        prompts of a call, not on the batch it falls into.

    Raises:
      ValueError: A stop text is one that the tokenizer cannot write.
    """

    def __init__(
        self,
        model: Model,
        params: Params,
        tokenizer: Tokenizer,
        *,
        max_input_length: int,
        max_target_length: int,
        batch_size: int,
        mesh: Mesh,
        decode_config: DecodeConfig = _GREEDY,
        stop_texts: Sequence[str] = (),
        is_cut_left: bool = False,
        seed: int = 0,
    ):
        shards = parallel.num_batch_shards(mesh)
        self._model = model
        self._params = params
        self._tokenizer = tokenizer
        self._max_target_length = max_target_length
        self._batch_size = -(-batch_size // shards) * shards
        self._mesh = mesh
        self._is_encoder = model.start_id is not None
        self._max_input_length = max_input_length
        self._input_room = max_input_length - self._is_encoder
        self._start_id = tokenizer.eos_id if model.start_id is None else model.start_id
        self.num_truncated = 0
        self._evaluators: dict[int, EvaluatorFunctions] = {}
        whole = parallel.replicated(mesh)
        score = functools.partial(decode.score_options, model, start_id=self._start_id)
        self._score = jax.jit(parallel.on_mesh(score, mesh), out_shardings=whole)
        self._stop_texts = tuple(stop_texts)
        self._is_cut_left = is_cut_left
        self._seed = seed
        self._decode_config = decode_config
        write = functools.partial(
            generate,
            model,
            config=decode_config,
            start_id=self._start_id,
            eos_id=tokenizer.eos_id,
            stops=(*stop_ids(self._stop_texts, tokenizer), *((i,) for i in tokenizer.end_ids)),
            lay_cache=functools.partial(unrolled.lay_cache, mesh=mesh),
        )
        self._write = jax.jit(
            parallel.on_mesh(functools.partial(_write, write, seed), mesh),
            static_argnames="max_length",
            out_shardings=whole,
        )

    def evaluator_functions(self, max_length: int) -> EvaluatorFunctions:
        """Returns what SeqIO's Evaluator calls; see `converted.evaluator_functions`."""
        if max_length not in self._evaluators:
            self._evaluators[max_length] = evaluator_functions(
                self._model,
                self._params,
                eos_id=self._tokenizer.eos_id,
                max_length=max_length,
                batch_size=self._batch_size,
                mesh=self._mesh,
                decode_config=self._decode_config,
                seed=self._seed,
            )
        return self._evaluators[max_length]

    def fits(self, prompt: str) -> bool:
        """Returns whether a prompt is short enough not to be cut."""
        return encode_prompts(self._tokenizer, [prompt])[0].size <= self._input_room

    def score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """Returns log p(option, end | prompt) in nats, float32 [N] per prompt.

        Raises:
          ValueError: An option is longer than `max_target_length`.
        """
        inputs = self._encode_prompts(prompts)
        targets = [self._encode_options(choices) for choices in options]
        target_length = _bucket(
            max((len(ids) for choices in targets for ids in choices), default=1)
        )
        num_options = _bucket(max(map(len, targets), default=1), 2)
        results: list[Any] = []
        for indices, input_length in self._groups(inputs):
            tokens = np.zeros((self._batch_size, num_options, target_length), np.int32)
            mask = np.zeros(tokens.shape, bool)  # an id of 0 may be a word of its own
            for row, index in enumerate(indices):
                for column, ids in enumerate(targets[index]):
                    tokens[row, column, : len(ids)] = ids
                    mask[row, column, : len(ids)] = True
            rows = self._rows([inputs[index] for index in indices], input_length)
            scores = self._score(self._params, rows, self._put(tokens), self._put(mask))
            results.append((indices, scores))
        scored = _in_order(results, len(prompts))
        return [row[: len(choices)] for row, choices in zip(scored, options, strict=True)]

    def generate(self, prompts: Sequence[str], *, max_length: int) -> list[str]:
        """Returns what the model writes after each prompt, its best answer.

        Args:
          prompts: Texts.
          max_length: Tokens written at most, the end included.
        """
        return [answers[0].text for answers in self.answers(prompts, max_length=max_length)]

    def answers(self, prompts: Sequence[str], *, max_length: int) -> list[list[Answer]]:
        """Returns all answers to each prompt, the best first if searched for.

        Args:
          prompts: Texts.
          max_length: Tokens written at most, the end included.
        """
        inputs = self._encode_prompts(prompts)
        results = []
        for indices, input_length in self._groups(inputs):
            rows = self._rows([inputs[index] for index in indices], input_length)
            places_B = np.resize(np.array(indices, np.int32), self._batch_size)
            written = self._write(self._params, rows, self._put(places_B), max_length=max_length)
            results.append((indices, written))
        tokens = _in_order([(places, each.tokens) for places, each in results], len(prompts))
        scores = _in_order([(places, each.scores) for places, each in results], len(prompts))
        return [
            [
                Answer(self._text(ids.tolist()), float(score))
                for ids, score in zip(*answers, strict=True)
            ]
            for answers in zip(tokens, scores, strict=True)
        ]

    def _text(self, ids: Sequence[int]) -> str:
        ids = before_special(self._stop_texts, ids, self._tokenizer)
        return cut_at(self._stop_texts, self._tokenizer.decode(ids))

    def _encode_prompts(self, prompts: Sequence[str]) -> list[np.ndarray]:
        encoded = encode_prompts(self._tokenizer, prompts)
        limit = self._input_room
        self.num_truncated += sum(ids.size > limit for ids in encoded)
        return [self._cut(ids, limit) for ids in encoded]

    def _cut(self, ids: np.ndarray, limit: int) -> np.ndarray:
        if ids.size <= limit or not self._is_cut_left:
            return ids[:limit]
        begin = ids[: self._tokenizer.bos_id is not None]
        return np.concatenate([begin, ids[ids.size - limit + begin.size :]])

    def _encode_options(self, options: Sequence[str]) -> list[np.ndarray]:
        end = np.int32(self._tokenizer.eos_id)
        encoded = [np.append(ids, end) for ids in self._tokenizer.encode_batch(options)]
        for text, ids in zip(options, encoded, strict=True):
            if ids.size > self._max_target_length:
                raise ValueError(
                    f"an option must fit the target length {self._max_target_length}, got "
                    f"{ids.size} tokens in {text!r}; raise TASK_FEATURE_LENGTHS['targets']."
                )
        return encoded

    def _groups(self, inputs: Sequence[np.ndarray]) -> Iterator[tuple[list[int], int]]:
        """Yields a batch's worth of requests at a time, with their row length."""
        by_length: dict[int, list[int]] = {}
        for index, ids in enumerate(inputs):
            length = min(_bucket(len(ids) + self._is_encoder), self._max_input_length)
            by_length.setdefault(length, []).append(index)
        for length, indices in sorted(by_length.items()):
            for start in range(0, len(indices), self._batch_size):
                yield indices[start : start + self._batch_size], length

    def _rows(self, inputs: Sequence[np.ndarray], length: int) -> EncoderInput:
        padded = [*inputs, *[inputs[0]] * (self._batch_size - len(inputs))]
        end_id = self._tokenizer.eos_id if self._is_encoder else None
        rows: EncoderInput = self._put(prompt_rows(padded, length, end_id=end_id))
        return rows

    def _put(self, tree: Any) -> Any:
        return parallel.put_rows(tree, mesh=self._mesh)


def _write(
    generate_rows: Callable[..., Written],
    seed: int,
    params: Params,
    rows: EncoderInput,
    places_B: jax.Array,
    *,
    max_length: int,
) -> Written:
    """Returns answers whose draws come from the seed and a prompt's place alone."""
    keys_B = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), places_B)
    return generate_rows(params, rows, max_length=max_length, keys_B=keys_B)


def _bucket(size: int, smallest: int = _SMALLEST_BUCKET) -> int:
    """Returns the least power of two, or three quarters of one, that fits."""
    bucket = smallest
    while bucket < size:
        if bucket * 3 // 2 >= size and bucket >= _SMALLEST_BUCKET:
            return bucket * 3 // 2
        bucket *= 2
    return bucket


def _in_order(results: Sequence[tuple[list[int], Any]], num_requests: int) -> list[np.ndarray]:
    """Fetches batches of results, all already dispatched, in request order."""
    ordered: list[Any] = [None] * num_requests
    for indices, values in results:
        fetched = np.asarray(values)
        for row, index in enumerate(indices):
            ordered[index] = fetched[row]
    return ordered
