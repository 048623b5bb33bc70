"""Records from grammars: how choices are drawn, and how records are dealt."""

from __future__ import annotations

import hashlib
import itertools

import pytest

from flanjax.data.task import Record
from flanjax.tasks.mini.source import Draw, GrammarSource


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
        is_train = int.from_bytes(place.digest(), "little") % 4 < 2
        if is_train and digit not in expected:
            expected.append(digit)
    assert [int(record["digit"]) for record in source.records("train")] == expected[:2]


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
