"""Row lengths for a mixture: counts by hand, what is recommended, real lengths."""

from __future__ import annotations

import json
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from flanjax.data.tokenize import TokenizerConfig, make_tokenizer
from flanjax.engine import advise as advisor
from flanjax.engine.advise import Advice, Choice, Rows, advise, draw, examine, recommend

LENGTHS = np.array([[3, 1], [1, 3], [2, 2], [9, 2]])


def approx_choice(**expected):
    return Choice(*(pytest.approx(expected[name]) for name in Choice._fields))


def test_rows_of_two_sides_are_counted_as_by_hand():
    # Rows {3+1, 1+3}, {2+2}, {4+2}: 18 of 24 slots; the prompt of 9 loses 5 of 23 tokens.
    assert examine(LENGTHS, Rows(4, 4, 8)) == approx_choice(
        inputs=4,
        targets=4,
        batch_size=8,
        slots=8,
        fill=18 / 24,
        bound=18 / 24,
        inputs_cut=1 / 4,
        targets_cut=0,
        tokens_lost=5 / 23,
        examples_per_row=4 / 3,
        tokens_per_step=48,
        attention_per_token=(16 + 16 + 16) / 6,
    )


def test_causal_rows_are_counted_as_by_hand():
    # Caps 5 + 1 and 3; an example takes a slot less than its tokens: 5, 4 and 8 of 8.
    lengths = np.array([[4, 2], [3, 2], [9, 4]])
    assert examine(lengths, Rows(5, 3, 2, is_causal=True)) == approx_choice(
        inputs=5,
        targets=3,
        batch_size=2,
        slots=8,
        fill=17 / 24,
        bound=17 / 24,
        inputs_cut=1 / 3,
        targets_cut=1 / 3,
        tokens_lost=4 / 24,
        examples_per_row=1,
        tokens_per_step=2 * 17 / 3,
        attention_per_token=64 / (17 / 3),
    )


def test_the_bound_may_be_out_of_reach():
    # 42 tokens fill 2.6 rows of 16, but no two of 5 stand together.
    found = examine(np.array([[5, 5]] * 4 + [[1, 1]]), Rows(8, 8, 8))
    assert (found.fill, found.bound) == (42 / 64, 42 / 48)


def test_where_long_examples_are_dropped_no_slot_goes_to_them():
    found = examine(LENGTHS, Rows(4, 4, 8, is_dropping=True))
    assert (found.fill, found.inputs_cut, found.examples_per_row) == (12 / 16, 1 / 4, 1.5)
    assert found.tokens_lost == pytest.approx(11 / 23)


def test_rows_that_drop_every_example_are_refused():
    with pytest.raises(ValueError, match="rows of 2 inputs and 2 targets must fit an example"):
        examine(np.array([[3, 1], [1, 3]]), Rows(2, 2, 8, is_dropping=True))


@pytest.mark.parametrize(
    ("slots_per_step", "slots", "multiple", "batch_size"),
    [(128 * 1280, 1280, 8, 128), (1000, 100, 8, 8), (1200, 100, 8, 16), (1199, 100, 8, 8),
     (10, 100, 8, 8), (1000, 100, 1, 10), (0, 7, 3, 3)],
)  # fmt: skip
def test_batch_sizes_keep_the_slots_of_a_step(slots_per_step, slots, multiple, batch_size):
    assert advisor.fitting_batch_size(slots_per_step, slots, multiple) == batch_size


def choice(inputs: int, fill: float, cut=(0.0, 0.0), attention=1.0) -> Choice:
    return Choice(inputs, 10, 8, inputs + 10, fill, 1.0, *cut, 0.0, 1.0, 1.0, attention)


NOW = choice(50, 0.5)


@pytest.mark.parametrize(
    ("choices", "taken"),
    [
        ([choice(100, 0.90), choice(200, 0.92)], 1),  # the best filled
        ([choice(100, 0.90), choice(200, 0.904)], 0),  # or a shorter one filled as well
        ([choice(100, 0.90), choice(200, 0.906)], 1),
        ([choice(100, 0.95, (0.011, 0.0)), choice(200, 0.9)], 1),  # inputs cut too often
        ([choice(100, 0.95, (0.0, 0.011)), choice(200, 0.9)], 1),  # targets cut too often
        ([choice(100, 0.95, (0.01, 0.01)), choice(200, 0.9)], 0),  # just allowed
        ([choice(100, 0.9), choice(200, 0.99, attention=2.1)], 0),  # too much attention
        ([choice(100, 0.9), choice(200, 0.99, attention=2.0)], 1),  # just worth it
        ([choice(100, 0.3)], None),  # the run as it is
        ([choice(100, 0.90), choice(100, 0.902)], 1),  # equal rows: the better filled
        ([choice(100, 0.9, (0.01, 0)), choice(100, 0.9)], 1),  # then the less cut
    ],
)
def test_the_recommended_choice(choices, taken):
    advice = Advice(NOW, tuple(choices), None, 0.01, 2.0)
    assert recommend(advice) == (NOW if taken is None else choices[taken])


def test_nothing_is_recommended_where_all_cut_too_much():
    now = choice(50, 0.9, (0.02, 0.0))
    assert recommend(Advice(now, (choice(100, 0.9, (0.0, 0.02)),), None, 0.01, 2.0)) is None


def test_where_all_need_more_attention_the_least_is_recommended():
    now = choice(50, 0.9, (0.5, 0.0), attention=1.0)
    choices = (choice(100, 0.8, attention=3.0), choice(200, 0.9, attention=4.0))
    assert recommend(Advice(now, choices, None, 0.01, 2.0)) == choices[0]


def test_gin_lines_are_what_a_gin_file_binds():
    assert NOW.gin_lines() == (
        "TASK_FEATURE_LENGTHS = {'inputs': 50, 'targets': 10}",
        "BATCH_SIZE = 8",
    )


def test_draws_are_exact_by_share_and_take_each_example_once_before_any_twice():
    lengths = {"a": np.array([[1, 1]]), "b": np.array([[2, 2], [3, 3], [4, 4]]), "c": LENGTHS}
    drawn = draw(lengths, {"a": 0.3, "b": 0.7, "c": 0.0}, num_draws=10, seed=1)
    values, counts = np.unique(drawn[:, 0], return_counts=True)
    assert values.tolist() == [1, 2, 3, 4]
    assert counts[0] == 3 and sorted(counts[1:]) == [2, 2, 3]
    again = draw(lengths, {"a": 0.3, "b": 0.7, "c": 0.0}, num_draws=10, seed=1)
    np.testing.assert_array_equal(drawn, again)
    other = draw(lengths, {"a": 0.3, "b": 0.7, "c": 0.0}, num_draws=10, seed=2)
    assert drawn.tolist() != other.tolist()


def flan_like(num: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    inputs = rng.lognormal(np.log(90), 0.85, num).astype(np.int64) + 2
    targets = np.where(rng.random(num) < 0.6, 4, rng.lognormal(np.log(40), 0.7, num)).astype(int)
    return np.stack([inputs, targets + 2], axis=1)


def test_no_targets_of_the_ladder_fill_an_input_cap_better():
    lengths = flan_like(600)
    current = Rows(512, 128, 64)
    caps = [4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, *range(80, 513, 16)]
    allowed = [cap for cap in caps if (lengths[:, 1] > cap).mean() <= 0.01]
    (found,) = (c for c in advise(lengths, current).choices if c.inputs == 512)
    best = max(examine(lengths, Rows(512, cap, 8)).fill for cap in allowed)
    assert best - found.fill <= 0.001
    assert found.targets_cut <= 0.01


def test_a_causal_row_is_split_where_the_fewest_tokens_are_lost():
    lengths = flan_like(1500)
    for found in advise(lengths, Rows(512, 128, 64, is_causal=True)).choices:
        assert found.slots == found.inputs + found.targets in advisor.ROW_LENGTHS
        others = [
            examine(lengths, Rows(found.slots - targets, targets, 8, is_causal=True))
            for targets in range(16, min(found.slots, 300), 64)
        ]
        assert all(
            found.tokens_lost <= other.tokens_lost or (other.cut > 0.01 >= found.cut)
            for other in others
        )


def test_candidates_fit_half_of_the_examples_and_end_where_length_gains_nothing():
    lengths = np.full((300, 2), [300, 20])
    assert [c.inputs for c in advise(lengths, Rows(512, 32, 64)).choices] == [
        384, 512, 768, 1024, 1536,
    ]  # fmt: skip
    causal = advise(lengths, Rows(512, 32, 64, is_causal=True))
    assert [c.slots for c in causal.choices] == [384, 512, 768, 1024, 1536]
    long = np.full((300, 2), [9000, 20])
    advice = advise(long, Rows(512, 32, 64))
    assert advice.choices == () and advice.recommended is None
    assert advice.listed() == (advice.current,)


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 400),
    st.floats(2, 700),
    st.floats(1, 200),
    st.sampled_from([0.0, 0.01, 0.05]),
    st.booleans(),
    st.booleans(),
)
def test_a_recommended_choice_cuts_no_more_than_allowed(
    seed, num, inputs, targets, limit, is_causal, is_dropping
):
    rng = np.random.default_rng(seed)
    lengths = 1 + np.stack([rng.exponential(inputs, num), rng.exponential(targets, num)], axis=1)
    lengths = lengths.astype(np.int64)
    current = Rows(4096, 2048, 16, is_causal=is_causal, is_dropping=is_dropping)
    advice = advise(lengths, current, max_truncation=limit)
    for found in advice.listed():
        caps = np.array([found.inputs + is_causal, found.targets])
        assert (lengths > caps).mean(axis=0).tolist() == [found.inputs_cut, found.targets_cut]
        assert found.fill <= found.bound + 1e-12 <= 1 + 1e-9
        assert found.batch_size % 8 == 0
        slots_off = abs(found.batch_size * found.slots - current.batch_size * current.slots)
        assert found.batch_size == 8 or slots_off <= 4 * found.slots
    if advice.recommended is None:
        assert all(found.cut > limit for found in advice.listed())
    else:
        assert advice.recommended.cut <= limit


def test_p3_s_rows_are_filled_to_88_per_cent_with_one_in_a_hundred_cut(test_data):
    model = test_data / "reference" / "t5_vocab" / "sentencepiece.model"
    tokenizer = make_tokenizer(TokenizerConfig(kind="sentencepiece", path=str(model)))
    rows = [
        json.loads(line)
        for path in sorted((test_data / "p3").rglob("*.jsonl"))
        for line in path.read_text("utf-8").rstrip("\n").split("\n")
    ]
    texts = (
        [row["prompt"] for row in rows],
        [row["completion"].removesuffix("<|endoftext|>") for row in rows],
    )
    lengths = np.stack([tokenizer.encode_flat(side)[1] + 1 for side in texts], axis=1)
    drawn = draw({"p3": lengths}, {"p3": 1.0}, num_draws=len(lengths))
    found = advise(drawn, Rows(512, 128, 128)).recommended
    assert found is not None
    assert found.inputs_cut <= 0.01 and found.targets_cut <= 0.01
    assert found.fill >= 0.88
    assert math.isclose(found.batch_size * found.slots, 128 * 640, rel_tol=0.06)
