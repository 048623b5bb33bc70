"""What does not tell the answers of the embedded kinds, comparisons and reviews."""

from __future__ import annotations

import collections
import functools
import re

from flanjax.data.task import Record
from flanjax.tasks.mini import CATALOGUE, world

KINDS = {kind for kinds in world.KINDS.values() for kind in kinds}
LEVELS = dict.fromkeys(world.KINDS, "realm") | dict.fromkeys(KINDS, "kind")


@functools.cache
def all_records(name: str, split: str) -> tuple[Record, ...]:
    return tuple(CATALOGUE.task(name).source.records(split))


def shape(record: Record) -> tuple[str, ...]:
    """Returns which statements are negated, and the levels of what they name."""
    told = [record[part].split() for part in ("premise", "claim")]
    return tuple(f"{'not' in words} {LEVELS.get(words[-1], 'member')}" for words in told)


def test_levels_and_negation_alone_leave_two_answers_open():
    """A look at what belongs to what is needed to choose between the two."""
    seen: dict[tuple[str, ...], collections.Counter[str]] = collections.defaultdict(
        collections.Counter
    )
    for record in all_records("mini_kinds", "train"):
        seen[shape(record)][record["label"]] += 1
    assert all(len(counts) == 2 for counts in seen.values())
    records = all_records("mini_kinds", "test")
    guesses = [seen[shape(record)].most_common(1)[0][0] for record in records]
    num_right = sum(g == record["label"] for g, record in zip(guesses, records, strict=True))
    assert num_right / len(records) <= 0.6


def test_what_is_asked_about_is_seldom_told_word_for_word():
    records = all_records("mini_comparisons", "train")
    entailed = [record for record in records if record["label"] == "yes"]
    told = [f"{r['subject']} is {r['relation']}.".lower() in r["premise"].lower() for r in entailed]
    assert 0 < sum(told) / len(told) < 0.2


def test_most_of_what_is_left_open_is_about_somebody_the_facts_name():
    left_open = [
        record
        for record in all_records("mini_comparisons", "train")
        if record["label"] == "not possible to tell"
    ]
    both = [f"{r['subject']} {r['relation'].split(' than ')[1]}" for r in left_open]
    pairs = [set(re.findall(r"[A-Z]\w+|(?<=the )\w+", asked)) for asked in both]
    named = [
        p <= set(re.findall(r"\w+", r["premise"])) for p, r in zip(pairs, left_open, strict=True)
    ]
    assert sum(named) / len(named) > 0.65


def test_a_word_of_praise_or_blame_is_as_frequent_in_either_kind_of_review():
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for record in all_records("mini_reviews", "train"):
        for word in set(re.findall(r"\w+", record["review"])):
            counts[word][record["label"]] += 1
    frequent = {word: c["positive"] / c.total() for word, c in counts.items() if c.total() >= 150}
    assert len(frequent) > 20
    assert all(0.4 <= share <= 0.6 for share in frequent.values()), frequent
