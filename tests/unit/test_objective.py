"""What each objective asks to predict."""

import numpy as np
import pytest

from flanjax.data.objective import (
    ObjectiveConfig,
    corrupt_spans,
    longest_text,
    noise_mask,
)
from flanjax.data.tokenize import ByteTokenizer

TOKENIZER = ByteTokenizer(extra_ids=4)
SPANS = ObjectiveConfig(name="span_corruption")
X, Y = TOKENIZER.sentinel(0), TOKENIZER.sentinel(1)


def ids(*values):
    return np.array(values, np.int32)


def test_spans_become_sentinels():
    mask = np.array([0, 1, 1, 0, 1, 0], bool)
    inputs, targets = corrupt_spans(ids(10, 11, 12, 13, 14, 15), mask, TOKENIZER)
    assert inputs.tolist() == [10, X, 13, Y, 15]
    assert targets.tolist() == [X, 11, 12, Y, 14]


def test_more_spans_than_sentinels_are_refused():
    mask = np.tile([False, True], 6)
    with pytest.raises(
        ValueError, match="sentinel must be below the tokenizer's extra_ids 4, got 4"
    ):
        corrupt_spans(np.arange(10, 22, dtype=np.int32), mask, TOKENIZER)


@pytest.mark.parametrize("length", [2, 7, 100, 512])
def test_noise_has_the_stated_density_and_mean_length(length):
    masks = [noise_mask(SPANS, length, seed=s) for s in range(50)]
    num_noise = min(max(round(length * 0.15), 1), length - 1)
    starts = [int((m & ~np.concatenate([[False], m[:-1]])).sum()) for m in masks]
    assert {int(m.sum()) for m in masks} == {num_noise}
    assert set(starts) == {max(round(num_noise / 3.0), 1)}
    assert not any(m[0] for m in masks)


def test_the_same_seed_gives_the_same_spans():
    first = noise_mask(SPANS, 200, seed=5)
    again = noise_mask(SPANS, 200, seed=5)
    other = noise_mask(SPANS, 200, seed=6)
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "electra"}, "objective must be one of instruction, causal_lm"),
        ({"noise_density": 1.0}, "noise_density must lie between 0 and 1, got 1.0"),
        ({"mean_span_length": 0.5}, "mean_span_length must be at least 1, got 0.5"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ObjectiveConfig(**settings)


def test_the_longest_text_is_t5_s():
    """T5's rows of 512 hold texts of 568 tokens, whose targets are 114; ends included."""
    sizes = {"max_inputs": 511, "num_sentinels": 100}
    assert longest_text(SPANS, max_targets=113, **sizes) == 568
    assert longest_text(SPANS, max_targets=500, **sizes) == 568
    assert longest_text(SPANS, max_targets=112, **sizes) < 568


@pytest.mark.parametrize(("max_inputs", "max_targets"), [(40, 30), (90, 12), (7, 90), (300, 300)])
@pytest.mark.parametrize("num_sentinels", [3, 100])
def test_a_longer_text_would_not_fit(max_inputs, max_targets, num_sentinels):
    longest = longest_text(
        SPANS, max_inputs=max_inputs, max_targets=max_targets, num_sentinels=num_sentinels
    )
    tokenizer = ByteTokenizer(extra_ids=1000)
    for length, expected in ((longest, True), (longest + 1, False)):
        mask = noise_mask(SPANS, length, seed=1)
        num_spans = int((mask & ~np.concatenate([[False], mask[:-1]])).sum())
        inputs, targets = corrupt_spans(np.arange(length, dtype=np.int32), mask, tokenizer)
        fits = len(inputs) <= max_inputs and len(targets) <= max_targets
        assert (fits and num_spans <= num_sentinels) == expected
