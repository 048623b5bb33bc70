"""What a model saw at a step: the very rows, and which examples they hold."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from flanjax.data.batch import EncoderInput, SeqBatch
from flanjax.data.tokenize import Tokenizer
from flanjax.engine.cache import Placed, Tokens
from flanjax.engine.gather import gather, lay_out, stacked
from flanjax.engine.pack import Layout
from flanjax.engine.plan import Plan, Position
from flanjax.engine.row_index import RowIndex
from flanjax.engine.shard import INPUTS_CUT, TARGETS_CUT

BEGIN, END = "<begin>", "<end>"
"""Stand for the ids that begin a prompt and end a text, where texts are shown."""


class Piece(NamedTuple):
    """Neighbouring tokens that are all trained on, or none of them.

    Attributes:
      text: What they say; special ids stand by name.
      ids: The tokens.
      is_trained: Whether their weights in the batch are positive.
    """

    text: str
    ids: tuple[int, ...]
    is_trained: bool


class Segment(NamedTuple):
    """One example of a row.

    Attributes:
      task: Its task.
      template: Its wording, from 0.
      source_row: Its record's row among those of the training split, from 1.
      pass_index: How often the record was prepared before, in other wordings.
      inputs_cut: Whether its prompt was too long.
      targets_cut: Whether its target was too long.
      prompt: The prompt, end id included.
      target: The target, end id included.
    """

    task: str
    template: int
    source_row: int
    pass_index: int
    inputs_cut: bool
    targets_cut: bool
    prompt: tuple[Piece, ...]
    target: tuple[Piece, ...]


class SeenRow(NamedTuple):
    """One row of a batch.

    Attributes:
      number: Its place in the batch, from 0.
      position: Its place in the plan.
      segments: Its examples; segment ids count them from 1.
      num_padding: Slots that no token takes, per axis of the row.
      arrays: The row as the model saw it, a batch of one.
    """

    number: int
    position: Position
    segments: tuple[Segment, ...]
    num_padding: tuple[int, ...]
    arrays: SeqBatch


class SeenBatch(NamedTuple):
    """The batch of a step; sums are over all of its rows.

    Attributes:
      first_row: Number of its first row in the sequence of the run, from 0.
      num_rows: Rows.
      rows: The rows that were asked for.
      num_slots: Room for tokens, an encoder's and a decoder's.
      num_tokens: Slots that a token takes.
      num_trained: Tokens of positive weight.
      num_examples: Task -> examples.
    """

    first_row: int
    num_rows: int
    rows: tuple[SeenRow, ...]
    num_slots: int
    num_tokens: int
    num_trained: int
    num_examples: dict[str, int]

    @property
    def fill(self) -> float:
        """The share of slots that a token takes."""
        return self.num_tokens / self.num_slots


class Reader(NamedTuple):
    """What batches are read from.

    Attributes:
      plan: The order of rows.
      tokens: The tokens of its tasks.
      layout: How examples are laid into rows.
      tokenizer: Ids to text.
      row_index: Finds the window of a row.
      batch_size: Rows of the global batch.
    """

    plan: Plan
    tokens: Tokens
    layout: Layout
    tokenizer: Tokenizer
    row_index: RowIndex
    batch_size: int


def seen_batch(
    reader: Reader,
    step: int,
    *,
    rows: Sequence[int],
    on_window: Callable[[int, int], None] | None = None,
) -> SeenBatch:
    """Returns what the model saw at a step: the arrays, and what they hold.

    Step s reads the rows from (s - 1) * batch_size on.

    Args:
      reader: What the run reads.
      step: The step, from 1.
      rows: Places in the batch of the rows to take apart, from 0.
      on_window: Called with (rows known, row sought) for each window planned.
    """
    first_row = (step - 1) * reader.batch_size
    parts = _parts(reader, reader.row_index.locate(first_row, on_window=on_window))
    batch = stacked(
        [
            gather(lay_out(p.placed, reader.layout, reader.tokens.arena), p.start, p.stop)
            for p in parts
        ]
    )
    seen = [_Place(part, row) for part in parts for row in range(part.start, part.stop)]
    axes = [batch.segments] + ([batch.encoder.segments] if batch.encoder is not None else [])
    names = special_names(reader.tokenizer)
    return SeenBatch(
        first_row,
        len(seen),
        tuple(_row(reader, number, seen[number], batch, names) for number in rows),
        sum(segments.size for segments in axes),
        sum(int((segments > 0).sum()) for segments in axes),
        int((batch.weights > 0).sum()),
        _num_examples(reader.plan, parts),
    )


class _Part(NamedTuple):
    """The rows of a batch that lie in one window."""

    window: int
    placed: Placed
    start: int
    stop: int


class _Place(NamedTuple):
    part: _Part
    row: int


def _parts(reader: Reader, position: Position) -> list[_Part]:
    """Returns where a batch lies, as training reads it."""
    parts: list[_Part] = []
    window, row = position
    left = reader.batch_size
    while left:
        placed = reader.tokens.place(reader.plan.rows(window))
        stop = min(row + left, len(placed.rows))
        parts.append(_Part(window, placed, row, stop))
        left -= stop - row
        window, row = window + 1, 0
    return parts


def _num_examples(plan: Plan, parts: Sequence[_Part]) -> dict[str, int]:
    counts = np.zeros(len(plan.tasks), np.int64)
    for part in parts:
        start, stop = part.placed.rows.offsets[[part.start, part.stop]]
        counts += np.bincount(part.placed.rows.tasks[start:stop], minlength=len(counts))
    return {task.name: int(count) for task, count in zip(plan.tasks, counts, strict=True) if count}


def _row(
    reader: Reader, number: int, place: _Place, batch: SeqBatch, names: Mapping[int, str]
) -> SeenRow:
    placed = place.part.placed
    arrays = batch_row(batch, number)
    start, stop = placed.rows.offsets[[place.row, place.row + 1]].tolist()
    segments = []
    for segment, at in enumerate(range(start, stop), start=1):
        store = reader.tokens.stores[placed.rows.tasks[at]]
        (about,), (pass_of,) = store.about(placed.rows.examples[at : at + 1])
        prompt, target = _sides(arrays, segment, int(placed.inputs[at]))
        segments.append(
            Segment(
                store.task,
                int(about["template"]),
                int(about["row"]),
                int(pass_of),
                bool(about["flags"] & INPUTS_CUT),
                bool(about["flags"] & TARGETS_CUT),
                pieces(*prompt, reader.tokenizer, names),
                pieces(*target, reader.tokenizer, names),
            )
        )
    encoder = () if arrays.encoder is None else (arrays.encoder.segments,)
    padding = tuple(int((axis == 0).sum()) for axis in (*encoder, arrays.segments))
    return SeenRow(number, Position(place.part.window, place.row), tuple(segments), padding, arrays)


def batch_row(batch: SeqBatch, number: int) -> SeqBatch:
    """Returns one row of a batch as a batch."""
    here = slice(number, number + 1)
    tokens, targets, weights, segments, positions, prefix = (array[here] for array in batch[:-1])
    encoder = batch.encoder
    if encoder is not None:
        encoder = EncoderInput(*(array[here] for array in encoder))
    return SeqBatch(tokens, targets, weights, segments, positions, prefix, encoder)


Side = tuple[np.ndarray, np.ndarray]
"""Ids of a prompt or a target, and which of them are trained on."""


def _sides(row: SeqBatch, segment: int, num_inputs: int) -> tuple[Side, Side]:
    """Returns the prompt and the target of a segment.

    Nothing predicts the first token of a causal segment, so it has no weight.
    """
    here = row.segments[0] == segment
    written, is_trained = row.targets[0][here], row.weights[0][here] > 0
    if row.encoder is not None:
        read = row.encoder.tokens[0][row.encoder.segments[0] == segment]
        return (read, np.zeros(len(read), bool)), (written, is_trained)
    ids = np.concatenate([row.tokens[0][here][:1], written])
    is_trained = np.concatenate([[False], is_trained])
    return (ids[:num_inputs], is_trained[:num_inputs]), (ids[num_inputs:], is_trained[num_inputs:])


def special_names(tokenizer: Tokenizer) -> dict[int, str]:
    """Returns what stands for ids that decoding leaves out."""
    sentinels = range(tokenizer.num_sentinels)
    begin = {} if tokenizer.bos_id is None else {tokenizer.bos_id: BEGIN}
    ends = {tokenizer.eos_id: END}  # GPT-2 begins and ends with one id
    return begin | ends | {tokenizer.sentinel(i): f"<extra_id_{i}>" for i in sentinels}


def pieces(
    ids: np.ndarray, is_trained: np.ndarray, tokenizer: Tokenizer, names: Mapping[int, str]
) -> tuple[Piece, ...]:
    """Returns a text in pieces that are trained on and pieces that are not.

    Example (the last two of four tokens are trained on):
      ids         72 108 113   1
      is_trained   0   0   1   1
      pieces      "Ei"         "n<end>"
    """
    found = []
    said = ""
    for trained, run in itertools.groupby(range(len(ids)), key=lambda at: bool(is_trained[at])):
        here = list(run)
        text = ""
        for special, part in itertools.groupby(here, key=lambda at: int(ids[at]) in names):
            places = list(part)
            if special:
                text += "".join(names[int(ids[at])] for at in places)
                continue
            # What decoding adds: a piece by itself would lose the space it begins with.
            before = [id for id in ids[: places[-1] + 1].tolist() if id not in names]
            whole = tokenizer.decode(before)
            text, said = text + whole[len(said) :], whole
        found.append(Piece(text, tuple(ids[here].tolist()), trained))
    return tuple(found)
