"""Records from grammars: how choices are drawn, and how records are dealt."""

from __future__ import annotations

import hashlib
import itertools

import pytest

from flanjax.data.task import Record
from flanjax.tasks.mini.source import Draw, GrammarSource, dealing


def test_a_draw_is_the_hash_of_its_key_and_count():
    digest = hashlib.blake2b(b"'coins'\x007\x002", digest_size=8).digest()
    draw = Draw("coins", 7)
    draw.below(1000)
    assert draw.below(1000) == int.from_bytes(digest, "little") % 1000


def test_a_sample_takes_each_place_once():
    assert sorted(Draw("places").sample("abcde", 5)) == ["a", "b", "c", "d", "e"]
    shuffles = {tuple(Draw("places", i).shuffled("abc")) for i in range(60)}
    assert shuffles == set(itertools.permutations("abc"))


def make_digit(draw: Draw) -> Record:
    return {"digit": str(draw.below(10))}


def test_records_are_the_first_distinct_ones_dealt_by_a_hash_of_their_topic():
    source = GrammarSource(
        name="digits", make=make_digit, topic=("digit",), num_train=2, num_validation=1, num_test=1
    )
    expected = []
    for index in range(100):
        key = f"'digits'\x000\x00{index}\x001".encode()
        digit = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") % 10
        place = hashlib.blake2b(f"'split'\x00'digits'\x00'{digit}'".encode(), digest_size=8)
        is_train = int.from_bytes(place.digest(), "little") % 2600 < 2000  # shares 2000, 300, 300
        if is_train and digit not in expected:
            expected.append(digit)
    assert [int(record["digit"]) for record in source.records("train")] == expected[:2]


def make_number(draw: Draw) -> Record:
    return {"number": str(draw.below(10_000))}


def test_a_split_holds_the_same_whatever_was_read_before_it():
    def source() -> GrammarSource:
        dealing.cache_clear()
        return GrammarSource(name="numbers", make=make_number, topic=("number",), num_train=200)

    alone = {split: list(source().records(split)) for split in ("train", "validation", "test")}
    together = source()
    interleaved = list(zip(*map(together.records, alone), strict=False))
    assert interleaved == list(zip(*alone.values(), strict=False))
    assert {split: list(together.records(split)) for split in alone} == alone


def test_a_grammar_writes_no_more_than_is_read():
    written = []

    def make(draw: Draw) -> Record:
        written.append(draw)
        return make_number(draw)

    source = GrammarSource(name="lazy", make=make, topic=("number",), num_train=5000)
    first = next(source.records("train"))
    first["number"] = "changed"  # a reader's copy
    assert len(written) < 20
    assert next(source.records("train")) != first


def test_a_grammar_too_small_for_its_split_says_how_many_it_found():
    source = GrammarSource(name="digits", make=make_digit, topic=("digit",), num_train=11)
    with pytest.raises(
        ValueError, match=r"grammar digits: num_train .* distinct .* got 11 where \d+ were found"
    ):
        list(source.records("train"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_test": 0}, "grammar digits: num_test must be positive, got 0"),
        ({"topic": ()}, "grammar digits: topic must name a field of its records, got none"),
    ],
)
def test_a_grammar_refuses_at_construction(changes, message):
    with pytest.raises(ValueError, match=message):
        GrammarSource(**{"name": "digits", "make": make_digit, "topic": ("digit",), **changes})


def test_a_split_that_is_not_there_is_refused_before_reading():
    source = GrammarSource(name="digits", make=make_digit, topic=("digit",))
    with pytest.raises(ValueError, match=r"grammar digits: split must be one of .* got 'dev'"):
        source.records("dev")
