"""A model as the functions that `seqio.Evaluator` calls, over converted features.

```
  EncDec     encoder_input_tokens  a a a $            decoder_target_tokens  A A $
  PrefixLM   decoder_target_tokens  a a a $ A A $     decoder_loss_weights   0 0 0 0 1 1 1
             decoder_input_tokens   0 a a a $ A A
```

SeqIO's causal rows begin with an id that ours do not have; all else of a row is the same, one place
further on. Features are of rows that hold one example each, as an Evaluator makes them.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jax.sharding import Mesh

from flanjax import parallel
from flanjax.base import Params
from flanjax.data.batch import EncoderInput, SeqBatch
from flanjax.engine.pack import prompts as prompt_rows
from flanjax.losses.tokens import LossConfig
from flanjax.models import families
from flanjax.models.api import Model
from flanjax.models.generation import DecodeConfig, generate
from flanjax.train.objectives import example_losses

Features: TypeAlias = Mapping[str, np.ndarray]
_GREEDY = DecodeConfig()
Indexed: TypeAlias = Iterable[tuple[int, Features]]
"""A dataset's own numbers with its features, as `enumerate` gives them."""


class EvaluatorFunctions(NamedTuple):
    """What `seqio.Evaluator.evaluate` takes.

    Attributes:
      predict_fn: (dataset) -> (number, ids that the model wrote) of each row.
      score_fn: (dataset) -> (number, log-likelihood of its targets) of each.
    """

    predict_fn: Callable[[Any], list[tuple[int, list[int]]]]
    score_fn: Callable[[Any], list[tuple[int, float]]]


def evaluator_functions(
    model: Model,
    params: Params,
    *,
    eos_id: int,
    max_length: int,
    batch_size: int,
    mesh: Mesh | None = None,
    decode_config: DecodeConfig = _GREEDY,
    seed: int = 0,
) -> EvaluatorFunctions:
    """Returns a model's functions for `seqio.Evaluator.evaluate`.

    Args:
      model: The model; a decoder must have been given PrefixLM features.
      params: Its parameters.
      eos_id: The vocabulary's end id.
      max_length: Ids written at most.
      batch_size: Rows at a time, a multiple of the mesh's rows.
      mesh: Where rows go; None leaves them to JAX.
      decode_config: How answers are written; the first of several counts.
      seed: Seeds draws, which depend on it and on a row's number.
    """
    exact = families.make_model(dataclasses.replace(model.config, matmul="plain"))
    whole = None if mesh is None else parallel.replicated(mesh)
    put: Callable[[Any], Any] = functools.partial(parallel.put_rows, mesh=mesh) if mesh else _same

    def write_rows(weights: Params, prompts: EncoderInput, starts: Any, numbers: Any) -> jax.Array:
        keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), numbers)
        ids = {"start_id": starts, "eos_id": eos_id, "max_length": max_length}
        return generate(model, weights, prompts, decode_config, keys_B=keys, **ids).tokens[:, 0]

    def row_losses(weights: Params, batch: SeqBatch) -> jax.Array:
        config = LossConfig(z_loss=0.0)
        return example_losses(exact, config, weights, batch, num_segments=1)[0][:, 0]

    write = jax.jit(parallel.on_mesh(write_rows, mesh), out_shardings=whole)
    losses = jax.jit(parallel.on_mesh(row_losses, mesh), out_shardings=whole)

    def predict(dataset: Any) -> list[tuple[int, list[int]]]:
        found: list[tuple[int, list[int]]] = []
        for numbers, rows in _batches(dataset, batch_size):
            starts = _start_ids(rows, model)
            places = np.resize(np.array(numbers, np.int32), batch_size)
            ids = np.asarray(write(params, put(encoder_input(rows)), put(starts), put(places)))
            found += [(n, row.tolist()) for n, row in zip(numbers, ids, strict=False)]
        return found

    def score(dataset: Any) -> list[tuple[int, float]]:
        found: list[tuple[int, float]] = []
        for numbers, rows in _batches(dataset, batch_size):
            batch = put(seq_batch(rows, is_prefix_lm=_is_prefix(model)))
            scores = -np.asarray(losses(params, batch))
            found += [(n, float(value)) for n, value in zip(numbers, scores, strict=False)]
        return found

    return EvaluatorFunctions(predict, score)


def _is_prefix(model: Model) -> bool:
    return bool(getattr(model.config, "prefix_lm", False))


def _batches(dataset: Any, size: int) -> Iterator[tuple[list[int], list[Features]]]:
    """Yields numbers and rows; the last batch is filled up with its first row."""
    pairs: Indexed = dataset.as_numpy_iterator()
    pairs = iter(pairs)
    while chunk := list(itertools.islice(pairs, size)):
        rows = [features for _, features in chunk]
        yield [int(n) for n, _ in chunk], rows + rows[:1] * (size - len(rows))


def _same(rows: Any) -> Any:
    return rows


def encoder_input(rows: Sequence[Features]) -> EncoderInput:
    """Returns the prompts of rows, for an encoder or for a decoder's prefill.

    The last id of a causal prompt, its end or not, is read with the target.

    Raises:
      ValueError: A causal row has no prompt.
    """
    if "encoder_input_tokens" in rows[0]:
        tokens = np.stack([row["encoder_input_tokens"] for row in rows])
        segments = _real(tokens).astype(np.int32)
        return EncoderInput(tokens, segments, _positions(tokens) * segments)
    found = [row["decoder_target_tokens"][: _num_prompt(row) - 1] for row in rows]
    return prompt_rows(found, len(rows[0]["decoder_target_tokens"]), end_id=None)


def _num_prompt(row: Features) -> int:
    num = int(np.argmax(row["decoder_loss_weights"] > 0))
    if num == 0:
        raise ValueError(
            "a causal row must have a prompt to be answered, got none; convert a task with inputs "
            "by PrefixLMFeatureConverter, or judge it by scores."
        )
    return num


def _start_ids(rows: Sequence[Features], model: Model) -> np.ndarray:
    """Returns what a decoder reads before it writes, int32 [rows]."""
    if model.start_id is not None:
        return np.full(len(rows), model.start_id, np.int32)
    return np.array([row["decoder_target_tokens"][_num_prompt(row) - 1] for row in rows], np.int32)


def seq_batch(rows: Sequence[Features], *, is_prefix_lm: bool = False) -> SeqBatch:
    """Returns the batch that a model reads, of rows that SeqIO has converted.

    Args:
      rows: Features of EncDec-, LM- or PrefixLMFeatureConverter. Of a causal
        row the first token, before which nothing is read, is not scored.
      is_prefix_lm: Whether prompts are seen in both directions. SeqIO counts
        the end id of a prompt to it; here it is what the target begins with.
    """
    has_encoder = "encoder_input_tokens" in rows[0]
    first = 0 if has_encoder else 1
    tokens, targets, weights = (
        np.stack([row[f"decoder_{name}"] for row in rows])[:, first:]
        for name in ("input_tokens", "target_tokens", "loss_weights")
    )
    segments = _real(targets).astype(np.int32)
    positions = _positions(targets) * segments
    num_prompt = np.argmax(weights > 0, axis=1)[:, None]
    prefix = (positions < num_prompt) & (segments > 0) & is_prefix_lm & (not has_encoder)
    return SeqBatch(
        tokens=np.where(segments > 0, tokens, 0).astype(np.int32),
        targets=targets.astype(np.int32),
        weights=weights.astype(np.float32),
        segments=segments,
        positions=positions,
        prefix=prefix,
        encoder=encoder_input(rows) if has_encoder else None,
    )


def _real(tokens: np.ndarray) -> np.ndarray:
    """Returns which places come before the padding at the end; id 0 may stand inside."""
    return np.cumsum((tokens != 0)[:, ::-1], axis=1)[:, ::-1] > 0


def _positions(tokens: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.arange(tokens.shape[1], dtype=np.int32), tokens.shape)
