"""Examples to rows of arrays, one by one: the plain way, and what it means.

Training reads rows with `gather`, which gives the same arrays.

```
 encoder-decoder   encoder  a a a $ b b $ .      causal  tokens   a a a $ A A b b $ B .
                   segments 1 1 1 1 2 2 2 0              targets  a a $ A A $ b $ B $ .
                   tokens   0 A A 0 B . . .              weights  0 0 0 1 1 1 0 0 1 1 .
                   targets  A A $ B $ . . .              segments 1 1 1 1 1 1 2 2 2 2 0
                   segments 1 1 1 2 2 0 0 0
```
`$` is the end id: it ends prompts for an encoder, separates prompt and target
in a causal row, and ends every target. A prompt's ids hold what begins it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flanjax.data.batch import PAD_ID, EncoderInput, Example, SeqBatch


class Layout(NamedTuple):
    """How examples are laid into rows.

    Attributes:
      input_length: Tokens of an encoder row; None for a causal model.
      target_length: Tokens of a decoder row.
      eos_id: Ends prompts and targets.
      start_id: What an encoder-decoder's decoder reads first.
      loss_on_inputs: Whether a causal row's prompts are trained on too.
      prefix: Whether a causal row's prompts are seen in both directions.
    """

    input_length: int | None
    target_length: int
    eos_id: int
    start_id: int = PAD_ID
    loss_on_inputs: bool = False
    prefix: bool = False

    @property
    def capacities(self) -> tuple[int, ...]:
        """Room in a row, per axis of `costs`."""
        if self.input_length is None:
            return (self.target_length,)
        return (self.input_length, self.target_length)

    def costs(self, lengths: np.ndarray) -> np.ndarray:
        """Returns the room that examples take, int64 [n, axes].

        Args:
          lengths: int64 [n, 2], prompt and target tokens, each with its end.
        """
        if self.input_length is None:
            return lengths.sum(axis=1, keepdims=True) - 1
        return lengths


def pack(rows: Sequence[Sequence[Example]], layout: Layout) -> SeqBatch:
    """Returns the batch of some rows; room left over is padding.

    Raises:
      ValueError: A row does not fit its length.
    """
    batch = SeqBatch(
        tokens=np.full((len(rows), layout.target_length), PAD_ID, np.int32),
        targets=np.full((len(rows), layout.target_length), PAD_ID, np.int32),
        weights=np.zeros((len(rows), layout.target_length), np.float32),
        segments=np.zeros((len(rows), layout.target_length), np.int32),
        positions=np.zeros((len(rows), layout.target_length), np.int32),
        prefix=np.zeros((len(rows), layout.target_length), np.bool_),
        encoder=None if layout.input_length is None else _empty(len(rows), layout.input_length),
    )
    for index, examples in enumerate(rows):
        at, encoder_at = 0, 0
        for number, example in enumerate(examples):
            segment = number + 1
            if batch.encoder is None:
                at = _put_causal(batch, index, at, segment, example, layout)
            else:
                prompt = np.append(example.inputs, np.int32(layout.eos_id))
                encoder_at = _put_segment(batch.encoder, index, encoder_at, segment, prompt)
                at = _put_decoder(batch, index, at, segment, example, layout)
    return batch


def prompts(inputs: Sequence[np.ndarray], length: int, *, end_id: int | None) -> EncoderInput:
    """Returns prompts one a row, right padded to `length`.

    Args:
      inputs: Prompt ids without end marker.
      length: Tokens of a row.
      end_id: Appended to each, for an encoder; None for a decoder's prefill.
    """
    rows = _empty(len(inputs), length)
    for index, ids in enumerate(inputs):
        ended = ids if end_id is None else np.append(ids, np.int32(end_id))
        _put_segment(rows, index, 0, 1, ended)
    return rows


def _empty(num_rows: int, length: int) -> EncoderInput:
    return EncoderInput(*(np.zeros((num_rows, length), np.int32) for _ in range(3)))


def _room(at: int, size: int, length: int) -> slice:
    if at + size > length:
        raise ValueError(
            f"a packed row must fit {length} tokens, got {at + size}; plan with costs()."
        )
    return slice(at, at + size)


def _put_segment(rows: EncoderInput, index: int, at: int, segment: int, ids: np.ndarray) -> int:
    place = _room(at, ids.size, rows.tokens.shape[1])
    rows.tokens[index, place] = ids
    rows.segments[index, place] = segment
    rows.positions[index, place] = np.arange(ids.size)
    return at + ids.size


def _put_decoder(
    batch: SeqBatch, index: int, at: int, segment: int, example: Example, layout: Layout
) -> int:
    size = example.targets.size
    place = _room(at, size, layout.target_length)
    batch.tokens[index, place] = np.concatenate([[layout.start_id], example.targets[:-1]])
    batch.targets[index, place] = example.targets
    batch.weights[index, place] = 1.0
    batch.segments[index, place] = segment
    batch.positions[index, place] = np.arange(size)
    return at + size


def _put_causal(
    batch: SeqBatch, index: int, at: int, segment: int, example: Example, layout: Layout
) -> int:
    sequence = np.concatenate([example.inputs, [layout.eos_id], example.targets])
    size, num_prompt = sequence.size - 1, example.inputs.size
    place = _room(at, size, layout.target_length)
    batch.tokens[index, place] = sequence[:-1]
    batch.targets[index, place] = sequence[1:]
    batch.weights[index, place] = np.arange(size) >= (0 if example.loss_on_inputs else num_prompt)
    batch.segments[index, place] = segment
    batch.positions[index, place] = np.arange(size)
    batch.prefix[index, place] = example.prefix & (np.arange(size) < num_prompt)
    return at + size
