"""Gathered rows are the rows that are laid out one example at a time."""

import jax
import numpy as np
import pytest

from flanjax.engine import gather as gathering
from flanjax.engine import shard
from flanjax.engine.cache import Tokens, TokenStore
from flanjax.engine.gather import gather, lay_out
from flanjax.engine.pack import Layout, pack
from tests.unit.token_stores import EOS, make_plan, make_store, random_pairs

LAYOUTS = {
    "encoder-decoder": Layout(24, 12, EOS),
    "another start id": Layout(24, 12, EOS, start_id=7),
    "causal": Layout(None, 30, EOS),
    "causal_lm": Layout(None, 30, EOS, loss_on_inputs=True),
    "prefix_lm": Layout(None, 30, EOS, prefix=True),
}
STORES = [
    make_store("a", random_pairs(40, seed=0), random_pairs(33, seed=1)),
    make_store("b", random_pairs(70, seed=2)),
]


def plainly(rows, start, stop, tokens, layout):
    """Returns rows laid out by `pack`, which is tested by hand."""
    made = []
    for number in range(start, stop):
        examples = [tokens.example(task, example) for task, example in rows.row(number)]
        flags = {"loss_on_inputs": layout.loss_on_inputs, "prefix": layout.prefix}
        made.append([e._replace(inputs=e.inputs[:-1], **flags) for e in examples])
    return pack(made, layout)


def assert_same(left, right):
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("block", [1, 100, 1 << 17])
def test_gathered_rows_are_the_plain_ones(layout, block, monkeypatch):
    monkeypatch.setattr(gathering, "_BLOCK", block)
    tokens = Tokens(STORES)
    rows = make_plan(STORES, layout).rows(1)
    laid = lay_out(tokens.place(rows), layout, tokens.arena)
    for start, stop in ((0, len(rows)), (3, 4), (2, 9)):
        found = gather(laid, start, stop)
        assert_same(found, plainly(rows, start, stop, tokens, layout))


@pytest.mark.parametrize("family", ["encoder-decoder", "causal"])
def test_rows_without_padding_are_the_plain_ones(family):
    layout = LAYOUTS[family]
    pairs = [([3] * 10, [4] * 4)] * 8  # 11 + 5 tokens: 15 slots of a causal row
    stores = [make_store("full", pairs)]
    layout = layout._replace(input_length=22, target_length=10) if family != "causal" else layout
    tokens = Tokens(stores)
    rows = make_plan(stores, layout, window=8).rows(0)
    found = gather(lay_out(tokens.place(rows), layout, tokens.arena), 0, len(rows))
    assert (found.segments > 0).all()
    assert_same(found, plainly(rows, 0, len(rows), tokens, layout))


def test_a_row_too_long_is_refused():
    stores = [make_store("a", [([3] * 9, [4])])]
    tokens = Tokens(stores)
    placed = tokens.place(make_plan(stores, Layout(None, 30, EOS), window=1).rows(0))
    with pytest.raises(ValueError, match="a packed row must fit 10 tokens, got 11"):
        lay_out(placed, Layout(None, 10, EOS), tokens.arena)


def test_a_causal_row_without_a_prompt_predicts_each_token_from_those_before():
    part = shard.Part(
        np.asarray([5, 6, 7, EOS, 8, 9, 3, EOS], "<u2"),
        np.array([(0, 0, 4, 1, 0, 0), (4, 2, 2, 2, 0, 0)], shard.EXAMPLE),
        {},
    )
    store = TokenStore("text", (shard.in_memory(part),), {}, 1)
    tokens = Tokens([store])
    layout = Layout(None, 7, EOS)
    rows = make_plan([store], layout).rows(0)
    batch = gather(lay_out(tokens.place(rows), layout, tokens.arena), 0, len(rows))
    text = ([5, 6, 7], [6, 7, EOS], [1, 1, 1], [0, 1, 2])
    pair = ([8, 9, 3], [9, 3, EOS], [0, 1, 1], [0, 1, 2])
    seen = set()
    for row in range(len(rows)):
        drawn = [number for _, number in rows.row(row)]
        seen.update(drawn)
        examples = [(text, pair)[number] for number in drawn]
        for place, found in enumerate(
            (batch.tokens, batch.targets, batch.weights, batch.positions)
        ):
            laid = [value for example in examples for value in example[place]]
            assert found[row].tolist() == laid + [0] * (7 - len(laid))
        assert batch.segments[row].tolist()[:6] == [1, 1, 1, 2, 2, 2][: 3 * len(drawn)]
    assert seen == {0, 1}
