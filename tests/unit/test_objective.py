"""What each objective asks to predict."""

import numpy as np
import pytest

from flanjax.data.objective import ObjectiveConfig, corrupt_spans, make_example, noise_mask
from flanjax.data.tokenize import ByteTokenizer

TOKENIZER = ByteTokenizer(extra_ids=4)
X, Y = TOKENIZER.sentinel(0), TOKENIZER.sentinel(1)


def ids(*values):
    return np.array(values, np.int32)


def test_instruction_ends_its_targets():
    made = make_example(ObjectiveConfig(), TOKENIZER, ids(5, 6), ids(7), uid=0)
    assert made.inputs.tolist() == [5, 6]
    assert made.targets.tolist() == [7, TOKENIZER.eos_id]
    assert not made.loss_on_inputs and not made.prefix


def test_causal_and_prefix_lm_set_their_flags():
    causal = make_example(ObjectiveConfig(name="causal_lm"), TOKENIZER, ids(5), ids(7), uid=0)
    prefix = make_example(ObjectiveConfig(name="prefix_lm"), TOKENIZER, ids(5), ids(7), uid=0)
    assert (causal.loss_on_inputs, causal.prefix) == (True, False)
    assert (prefix.loss_on_inputs, prefix.prefix) == (False, True)


def test_spans_become_sentinels():
    mask = np.array([0, 1, 1, 0, 1, 0], bool)
    inputs, targets = corrupt_spans(ids(10, 11, 12, 13, 14, 15), mask, TOKENIZER)
    assert inputs.tolist() == [10, X, 13, Y, 15]
    assert targets.tolist() == [X, 11, 12, Y, 14]


def test_spans_beyond_the_last_sentinel_stay_in_the_inputs():
    mask = np.tile([False, True], 6)
    inputs, targets = corrupt_spans(np.arange(10, 22, dtype=np.int32), mask, TOKENIZER)
    assert inputs.tolist()[-4:] == [18, 19, 20, 21]
    assert len(targets) == 8
    restored = sorted([t for t in [*inputs, *targets] if t < 22])
    assert restored == list(range(10, 22))


@pytest.mark.parametrize("length", [2, 7, 100, 512])
def test_noise_has_the_stated_density_and_mean_length(length):
    masks = [
        noise_mask(length, noise_density=0.15, mean_span_length=3.0, seed=s) for s in range(50)
    ]
    num_noise = min(max(round(length * 0.15), 1), length - 1)
    starts = [int((m & ~np.concatenate([[False], m[:-1]])).sum()) for m in masks]
    assert {int(m.sum()) for m in masks} == {num_noise}
    assert set(starts) == {max(round(num_noise / 3.0), 1)}
    assert not any(m[0] for m in masks)


def test_the_same_seed_gives_the_same_spans():
    first = noise_mask(200, noise_density=0.15, mean_span_length=3.0, seed=5)
    again = noise_mask(200, noise_density=0.15, mean_span_length=3.0, seed=5)
    other = noise_mask(200, noise_density=0.15, mean_span_length=3.0, seed=6)
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
