"""Packed rows, written out by hand."""

import numpy as np
import pytest

from flanjax.data.batch import Example
from flanjax.engine.pack import Layout, pack, prompts

EOS = 1


def example(inputs, targets, **flags):
    return Example(np.array(inputs, np.int32), np.array(targets, np.int32), **flags)


PAIR = [example([11, 12], [21, EOS]), example([13], [22, 23, EOS])]


def test_encoder_decoder_row():
    batch = pack([PAIR], Layout(7, 6, EOS))
    assert batch.encoder.tokens.tolist() == [[11, 12, EOS, 13, EOS, 0, 0]]
    assert batch.encoder.segments.tolist() == [[1, 1, 1, 2, 2, 0, 0]]
    assert batch.encoder.positions.tolist() == [[0, 1, 2, 0, 1, 0, 0]]
    assert batch.tokens.tolist() == [[0, 21, 0, 22, 23, 0]]
    assert batch.targets.tolist() == [[21, EOS, 22, 23, EOS, 0]]
    assert batch.weights.tolist() == [[1, 1, 1, 1, 1, 0]]
    assert batch.segments.tolist() == [[1, 1, 2, 2, 2, 0]]
    assert batch.positions.tolist() == [[0, 1, 0, 1, 2, 0]]
    assert not batch.prefix.any()


def test_causal_row_trains_targets_and_their_end_alone():
    batch = pack([PAIR], Layout(None, 10, EOS))
    assert batch.encoder is None
    assert batch.tokens.tolist() == [[11, 12, EOS, 21, 13, EOS, 22, 23, 0, 0]]
    assert batch.targets.tolist() == [[12, EOS, 21, EOS, EOS, 22, 23, EOS, 0, 0]]
    assert batch.weights.tolist() == [[0, 0, 1, 1, 0, 1, 1, 1, 0, 0]]
    assert batch.segments.tolist() == [[1, 1, 1, 1, 2, 2, 2, 2, 0, 0]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 0, 1, 2, 3, 0, 0]]


def test_causal_lm_trains_every_token():
    row = [example([11, 12], [21, EOS], loss_on_inputs=True)]
    assert pack([row], Layout(None, 5, EOS)).weights.tolist() == [[1, 1, 1, 1, 0]]


def test_prefix_lm_marks_the_prompt_without_its_separator():
    row = [example([11, 12], [21, EOS], prefix=True)]
    assert pack([row], Layout(None, 5, EOS)).prefix.tolist() == [[True, True, False, False, False]]


def test_the_stop_token_is_trained_exactly_once_per_example():
    for layout in (Layout(7, 6, EOS), Layout(None, 10, EOS)):
        batch = pack([PAIR], layout)
        assert ((batch.targets == EOS) * batch.weights).sum() == 2


def test_costs_are_what_rows_use():
    lengths = np.array([[3, 2], [2, 3]])  # the prompts' ends included
    assert Layout(7, 6, EOS).costs(lengths).tolist() == [[3, 2], [2, 3]]
    assert Layout(None, 8, EOS).costs(lengths).tolist() == [[4], [4]]


def test_a_row_too_long_is_refused():
    with pytest.raises(ValueError, match="a packed row must fit 4 tokens, got 5"):
        pack([PAIR], Layout(7, 4, EOS))


def test_prompts_stand_one_a_row():
    rows = prompts([np.array([5, 6], np.int32), np.array([7], np.int32)], 4, end_id=EOS)
    assert rows.tokens.tolist() == [[5, 6, EOS, 0], [7, EOS, 0, 0]]
    assert rows.segments.tolist() == [[1, 1, 1, 0], [1, 1, 0, 0]]
    assert prompts([np.array([5], np.int32)], 2, end_id=None).tokens.tolist() == [[5, 0]]
