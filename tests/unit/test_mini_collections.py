"""The embedded quantifiers: answers by rules of logic, and no shallow cue."""

from __future__ import annotations

import collections
import functools
import math
from typing import NamedTuple

import pytest

from flanjax.data.task import Record
from flanjax.tasks.mini import world
from flanjax.tasks.mini.entailment.collections import OPTIONS, TASK


@functools.cache
def all_records(split: str) -> tuple[Record, ...]:
    return tuple(TASK.source.records(split))


class Told(NamedTuple):
    """A statement: its quantifier, how wide its sort is, and the colour."""

    quantifier: str
    width: int
    colour: str


def read(clause: str) -> Told:
    """Reads a statement; sizes narrow a sort, the house widens it."""
    is_denied = " not " in clause and not clause.startswith("not ")
    start = clause.split()[0]
    quantifier = {"all": "all", "every": "all", "no": "no", "one": "some", "at": "some"}.get(start)
    if start == "not":
        quantifier = "no" if clause.startswith("not one ") else "not all"
    if is_denied:
        assert quantifier == "some", clause
        quantifier = "not all"
    words = clause.split()
    width = 1 if set(words) & set(world.SIZES) else 3 if clause.count("in the house") else 2
    return Told(quantifier, width, words[-1])


OPPOSITE = {"all": "not all", "not all": "all", "some": "no", "no": "some"}


def follows(known: Told, told: Told) -> bool:
    """Answers by rules: what is universal holds below, what is particular above."""
    is_same, up, down = (
        known.colour == told.colour,
        told.width >= known.width,
        told.width <= known.width,
    )
    rules = {
        ("all", "all"): is_same and down,
        ("all", "some"): is_same and up,
        ("all", "no"): not is_same and down,
        ("all", "not all"): not is_same and up,
        ("no", "no"): is_same and down,
        ("no", "not all"): is_same and up,
        ("some", "some"): is_same and up,
        ("some", "not all"): not is_same and up,
        ("not all", "not all"): is_same and up,
    }
    return rules.get((known.quantifier, told.quantifier), False)


def test_rules_of_logic_find_every_answer():
    for record in all_records("train"):
        known, told = read(record["premise"]), read(record["claim"])
        denied = told._replace(quantifier=OPPOSITE[told.quantifier])
        answer = "yes" if follows(known, told) else "no" if follows(known, denied) else OPTIONS[2]
        assert record["label"] == answer, record


@pytest.mark.parametrize(
    ("premise", "claim", "answer"),
    [
        ("all the cups in the hall are red", "at least one cup in the house is red", "yes"),
        ("all the cups in the hall are red", "at least one big cup in the hall is red", None),
        ("all the cups in the hall are red", "not one big cup in the hall is blue", "yes"),
        ("one or more cups in the hall are red", "no cup in the house is red", "no"),
        (
            "no cup in the hall is red",
            "at least one cup in the hall is blue",
            "not possible to tell",
        ),
        ("not every big cup in the hall is red", "every cup in the house is red", "no"),
    ],
)
def test_answers_by_hand(premise, claim, answer):
    """None where nothing is asked, because there may be no big cup."""
    known, told = shape(premise, claim)
    answers = {
        record["label"]
        for record in all_records("train")
        if shape(record["premise"], record["claim"]) == (known, told)
    }
    assert answers == ({answer} if answer else set())


def shape(premise: str, claim: str) -> tuple[Told, Told]:
    """Returns both statements with the colours' names left out."""
    known, told = read(premise), read(claim)
    is_same = known.colour == told.colour
    return known._replace(colour="one"), told._replace(colour="one" if is_same else "other")


def bag(record: Record) -> set[str]:
    """Returns the words of each statement, and whether the colour is the same."""
    parts = {f"{part} {word}" for part in ("premise", "claim") for word in record[part].split()}
    return parts | {f"same colour: {record['premise'].split()[-1] in record['claim'].split()}"}


def test_words_alone_find_hardly_more_answers_than_chance():
    seen: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for record in all_records("train"):
        for feature in bag(record):
            seen[feature][record["label"]] += 1

    def score(record: Record, label: str) -> float:
        counts = [seen[feature] for feature in bag(record)]
        return sum(math.log((c[label] + 1) / (c.total() + 3)) for c in counts)

    records = all_records("test")
    guesses = [max(OPTIONS, key=functools.partial(score, record)) for record in records]
    num_right = sum(g == record["label"] for g, record in zip(guesses, records, strict=True))
    assert num_right / len(records) <= 1 / 3 + 0.1


@pytest.mark.parametrize("part", ["premise", "claim"])
def test_every_answer_is_as_frequent_for_each_quantifier(part):
    found: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for record in all_records("train"):
        found[read(record[part]).quantifier][record["label"]] += 1
    assert set(found) == set(OPPOSITE)
    for quantifier, counts in found.items():
        assert min(counts[label] for label in OPTIONS) > 0.23 * counts.total(), quantifier


def test_a_record_becomes_the_sentences_a_reader_expects():
    record = {
        "premise": "no cup in the hall is red",
        "claim": "at least one cup in the hall is red",
    }
    fields = TASK.to_fields({**record, "label": "no"})
    assert fields == {
        "given": "no cup in the hall is red",
        "premise": "No cup in the hall is red.",
        "claim": "at least one cup in the hall is red",
        "statement": "At least one cup in the hall is red.",
        "options": ("yes", "no", "not possible to tell"),
        "answer": "no",
    }
