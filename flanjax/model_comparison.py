"""Whether two checkpoints hold the same model: by parameters, and by logits."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np

from flanjax.base import path_name
from flanjax.conversion import unpadded
from flanjax.data.batch import EncoderInput, SeqBatch
from flanjax.experiment import differences, to_plain
from flanjax.interop.places import Arrays, StoredArray, everything
from flanjax.models import families
from flanjax.models.t5 import T5Config
from flanjax.opened import Opened

_ROWS, _LENGTH, _SEED = 2, 16, 0


class Comparison(NamedTuple):
    """How far two checkpoints are apart.

    Attributes:
      config: `field: first -> second` where the models differ.
      missing: Parameters of the first that the second lacks.
      unexpected: Those that the second has besides.
      tensors: Parameter -> the largest difference of its values; infinite for
        another shape, NaN where a value is none.
      logits: The largest difference of logits on a fixed batch; None where the
        models cannot both be run on it, NaN where a logit is none.
      largest_logit: The largest logit of the first.
    """

    config: list[str]
    missing: list[str]
    unexpected: list[str]
    tensors: dict[str, float]
    logits: float | None
    largest_logit: float

    def agrees(self, tolerance: float) -> bool:
        """Returns whether they are the same model, within a tolerance."""
        if self.missing or self.unexpected or self.logits is None:
            return False
        return all(apart <= tolerance for apart in (*self.tensors.values(), self.logits))


def compare(a: Opened, b: Opened) -> Comparison:
    """Compares two checkpoints, parameter by parameter and by logits."""
    config_a, arrays_a, _ = unpadded(a)
    config_b, arrays_b, _ = unpadded(b)
    both = sorted(set(arrays_a) & set(arrays_b))
    tensors = {name: _distance(arrays_a[name], arrays_b[name]) for name in both}
    can_run = isinstance(config_a, T5Config) == isinstance(config_b, T5Config)
    can_run &= config_a.vocab_size == config_b.vocab_size
    logits_a = _logits(config_a, arrays_a)
    apart = None
    if can_run:
        apart = float(np.abs(logits_a - _logits(config_b, arrays_b)).max())
    return Comparison(
        differences(to_plain(config_a), to_plain(config_b)),
        sorted(set(arrays_a) - set(arrays_b)),
        sorted(set(arrays_b) - set(arrays_a)),
        tensors,
        apart,
        float(np.abs(logits_a).max()),
    )


def _distance(a: StoredArray, b: StoredArray) -> float:
    if a.shape != b.shape:
        return float("inf")
    left, right = (x.read(everything(x.shape)).astype(np.float32) for x in (a, b))
    return float(np.abs(left - right).max(initial=0.0))


def _logits(config: Any, arrays: Arrays) -> np.ndarray:
    """Returns the logits of a fixed batch, float32, however the run computes."""
    plain = {"dtype": "float32", "matmul": "plain", "attention_backend": "xla"}
    model = families.make_model(dataclasses.replace(config, dropout_rate=0.0, **plain))
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    params = jax.tree_util.tree_map_with_path(
        lambda path, like: arrays[path_name(path)].read(everything(like.shape)).astype(np.float32),
        shapes,
    )
    batch = _fixed_batch(config)
    logits: jax.Array = jax.jit(lambda p: model.unembed(p, model.hidden(p, batch)))(params)
    return np.asarray(logits)


def _fixed_batch(config: Any) -> SeqBatch:
    """Returns rows of made-up tokens, of two examples each."""
    rng = np.random.default_rng(_SEED)
    shape = (_ROWS, _LENGTH)
    num_ids = config.vocab_size - config.embedding.num_unused
    half = _LENGTH // 2
    segments = np.repeat([[1] * half + [2] * half], _ROWS, axis=0).astype(np.int32)
    positions = np.broadcast_to(np.tile(np.arange(half, dtype=np.int32), 2), shape)
    tokens, inputs = (rng.integers(1, num_ids, shape).astype(np.int32) for _ in range(2))
    zeros = np.zeros(shape, np.int32)
    encoder = None
    if isinstance(config, T5Config):
        encoder = EncoderInput(inputs, segments, positions)
    return SeqBatch(tokens, zeros, zeros, segments, positions, zeros.astype(bool), encoder)
