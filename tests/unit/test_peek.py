"""What a step's rows hold, against rows laid out by hand in both families."""

from __future__ import annotations

import json

import numpy as np
import pytest

from flanjax.data.tokenize import ByteTokenizer
from flanjax.engine import gather, peek, shard
from flanjax.engine.cache import Tokens, TokenStore
from flanjax.engine.pack import Layout
from flanjax.engine.peek import Piece, Segment
from flanjax.engine.plan import PlannedTask, Position, Rows
from flanjax.engine.row_index import RowIndex

TOKENIZER = ByteTokenizer(extra_ids=4)
EOS = TOKENIZER.eos_id
COLOURS = [
    # (prompt, target, template, source row, flags)
    ("Sky?", "blue", 3, 17, 0),
    ("Sea?", "green", 0, 4, shard.INPUTS_CUT),
]
COLOURS_AGAIN = [("Hue of sky", "blue", 5, 17, 0)]
SIZES = [("Ant", "tiny", 9, 250, shard.TARGETS_CUT)]


def make_shard(examples):
    index = np.zeros(len(examples), shard.EXAMPLE)
    tokens: list[int] = []
    for number, (prompt, target, template, row, flags) in enumerate(examples):
        sides = [[*TOKENIZER.encode_batch([text])[0].tolist(), EOS] for text in (prompt, target)]
        index[number] = (len(tokens), len(sides[0]), len(sides[1]), row, template, flags)
        tokens += sides[0] + sides[1]
    return shard.in_memory(shard.Part(np.asarray(tokens, "<u2"), index, {}))


class FixedPlan:
    """Two windows: three rows, then one."""

    tasks = (PlannedTask("colours", (2, 1), len), PlannedTask("sizes", (1,), len))
    windows = (
        # rows [sizes 0], [colours 0, sizes 0], [colours 1]
        Rows(np.array([1, 0, 1, 0], np.int32), np.array([0, 0, 0, 1]), np.array([0, 1, 3, 4])),
        # rows [colours 2], the first of its second pass
        Rows(np.array([0], np.int32), np.array([2]), np.array([0, 1])),
    )

    def rows(self, window):
        return self.windows[window]


def make_reader(layout, batch_size=2):
    stores = [
        TokenStore("colours", (make_shard(COLOURS), make_shard(COLOURS_AGAIN)), {}),
        TokenStore("sizes", (make_shard(SIZES),), {}),
    ]
    plan = FixedPlan()
    return peek.Reader(plan, Tokens(stores), layout, TOKENIZER, RowIndex(plan), batch_size)


def piece(text, is_trained):
    """Returns a piece, its ids written out from its text."""
    body = TOKENIZER.encode_batch([text.removesuffix("<end>")])[0].tolist()
    return Piece(text, (*body, *[EOS] * text.endswith("<end>")), is_trained)


ENCODER_DECODER = Layout(12, 11, EOS)
CAUSAL = Layout(None, 20, EOS)
CAUSAL_LM = CAUSAL._replace(loss_on_inputs=True)


def test_an_encoder_decoder_trains_every_target_token_and_no_prompt_token():
    seen = peek.seen_batch(make_reader(ENCODER_DECODER), 1, rows=[1])
    (row,) = seen.rows
    assert (row.number, row.position) == (1, Position(0, 1))
    sky = Segment(
        "colours", 3, 17, 0, False, False,
        (piece("Sky?<end>", False),), (piece("blue<end>", True),),
    )  # fmt: skip
    ant = Segment(
        "sizes", 9, 250, 0, False, True,
        (piece("Ant<end>", False),), (piece("tiny<end>", True),),
    )  # fmt: skip
    assert row.segments == (sky, ant)
    assert row.num_padding == (3, 1)


def test_a_causal_row_trains_the_target_and_its_end_but_not_the_separator():
    seen = peek.seen_batch(make_reader(CAUSAL), 1, rows=[1])
    (row,) = seen.rows
    assert [(s.task, s.prompt, s.target) for s in row.segments] == [
        ("colours", (piece("Sky?<end>", False),), (piece("blue<end>", True),)),
        ("sizes", (piece("Ant<end>", False),), (piece("tiny<end>", True),)),
    ]
    assert row.num_padding == (20 - 9 - 8,)


def test_a_language_model_trains_all_but_a_segment_s_first_token():
    seen = peek.seen_batch(make_reader(CAUSAL_LM), 1, rows=[0])
    ((segment,),) = [row.segments for row in seen.rows]
    assert segment.prompt == (piece("A", False), piece("nt<end>", True))
    assert segment.target == (piece("tiny<end>", True),)


def test_step_two_goes_on_after_step_one_and_into_the_next_window():
    told = []
    reader = make_reader(ENCODER_DECODER)
    seen = peek.seen_batch(reader, 2, rows=[0, 1], on_window=lambda *at: told.append(at))
    assert told == [(3, 2)]
    assert (seen.first_row, seen.num_rows) == (2, 2)
    assert [row.position for row in seen.rows] == [Position(0, 2), Position(1, 0)]
    (cut,), (again,) = (row.segments for row in seen.rows)
    assert (cut.source_row, cut.pass_index, cut.inputs_cut) == (4, 0, True)
    assert (again.source_row, again.template, again.pass_index) == (17, 5, 1)
    assert again.prompt[0].text == "Hue of sky<end>"
    assert seen.num_examples == {"colours": 2}


def test_sums_are_over_the_whole_batch():
    seen = peek.seen_batch(make_reader(ENCODER_DECODER), 1, rows=[])
    assert seen.rows == ()
    assert seen.num_examples == {"colours": 1, "sizes": 2}
    assert seen.num_slots == 2 * (12 + 11)
    assert seen.num_tokens == (4 + 5) + (9 + 10)
    assert seen.num_trained == 5 + 10
    assert seen.fill == 28 / 46
    causal = peek.seen_batch(make_reader(CAUSAL), 1, rows=[])
    assert (causal.num_slots, causal.num_tokens, causal.num_trained) == (40, 8 + 17, 5 + 10)


def test_what_is_trained_is_read_from_the_weights_of_the_arrays(monkeypatch):
    def weightless(*given):
        batch = gather.gather(*given)
        weights = batch.weights.copy()
        weights[1, :2] = 0
        return batch._replace(weights=weights)

    monkeypatch.setattr(peek, "gather", weightless)
    seen = peek.seen_batch(make_reader(ENCODER_DECODER), 1, rows=[1])
    sky = seen.rows[0].segments[0]
    assert sky.target == (piece("bl", False), piece("ue<end>", True))
    assert seen.num_trained == 13


def test_a_row_s_arrays_are_those_of_the_batch():
    reader = make_reader(ENCODER_DECODER)
    placed = reader.tokens.place(reader.plan.rows(0))
    laid = gather.lay_out(placed, ENCODER_DECODER, reader.tokens.arena)
    batch = gather.gather(laid, 0, 2)
    (row,) = peek.seen_batch(reader, 1, rows=[1]).rows
    for name, array in row.arrays._asdict().items():
        if name != "encoder":
            np.testing.assert_array_equal(array[0], getattr(batch, name)[1])
    np.testing.assert_array_equal(row.arrays.encoder.tokens[0], batch.encoder.tokens[1])


@pytest.mark.parametrize(
    ("ids", "is_trained", "expected"),
    [
        ([], [], []),
        ([75, 108, EOS], [0, 0, 0], [("Hi<end>", False)]),
        ([75, 108, EOS], [0, 1, 1], [("H", False), ("i<end>", True)]),
        (
            [TOKENIZER.sentinel(0), 75, TOKENIZER.sentinel(1), 108, EOS],
            [1, 1, 1, 1, 1],
            [("<extra_id_0>H<extra_id_1>i<end>", True)],
        ),
        ([198, 172, 36], [1, 1, 1], [("\N{LATIN SMALL LETTER E WITH ACUTE}!", True)]),
    ],
)
def test_texts_come_in_pieces_with_special_ids_by_name(ids, is_trained, expected):
    names = peek.special_names(TOKENIZER)
    found = peek.pieces(np.array(ids, np.int32), np.array(is_trained, bool), TOKENIZER, names)
    assert [(piece.text, piece.is_trained) for piece in found] == expected
    assert [id for piece in found for id in piece.ids] == ids


class Spaced:
    """Decodes words as SentencePiece does: without the space that begins the text."""

    def decode(self, ids):
        return "".join({5: " I", 6: " saw", 7: " it"}.get(i, "") for i in ids).removeprefix(" ")


def test_a_piece_keeps_the_space_before_it():
    found = peek.pieces(np.array([5, 6, EOS, 7]), np.array([0, 1, 1, 1]), Spaced(), {EOS: "<end>"})
    assert [piece.text for piece in found] == ["I", " saw<end> it"]


def test_ids_are_plain_numbers():
    (row,) = peek.seen_batch(make_reader(CAUSAL), 1, rows=[0]).rows
    assert json.loads(json.dumps(row.segments[0])) == [
        "sizes", 9, 250, 0, False, True,
        [["Ant<end>", [68, 113, 119, 1], False]],
        [["tiny<end>", [119, 108, 113, 124, 1], True]],
    ]  # fmt: skip
