"""Errands: their answers by a reading of one's own, and what position tells."""

from __future__ import annotations

import collections
import functools
import re
from collections.abc import Callable

from flanjax.data.task import Fields, Record
from flanjax.tasks.mini import facts, world
from flanjax.tasks.mini.reading_comprehension import errands

TASK = errands.TASK


@functools.cache
def all_records(split: str) -> tuple[Record, ...]:
    records = tuple(TASK.source.records(split))
    return records  # type: ignore[return-value]


def all_fields(split: str) -> list[Fields]:
    return [TASK.to_fields(record) for record in all_records(split)]  # type: ignore[misc]


def read(passage: str) -> list[dict[str, str]]:
    """Reads each clause by the words it holds, whatever their order."""
    errands_told = []
    for clause in re.split(r", | and ", passage.rstrip(".")):
        words = re.findall(r"\w+", clause)
        (who,) = (word for word in words if word in world.NAMES)
        (what,) = (word.lower() for word in words if word.lower() in facts.WARES)
        (where,) = re.findall(r"the (\w+)", clause)
        errands_told.append({"who": who, "where": where, "what": what})
    return errands_told


def solve(record: Record) -> str:
    """Answers by the one errand that the question speaks of."""
    question = record["question"]
    words = set(re.findall(r"\w+", question))
    (errand,) = (each for each in read(record["passage"]) if words & set(each.values()))
    return errand[question.split()[0].lower()]


def test_a_reading_of_ones_own_finds_every_answer():
    for record in all_records("train"):
        assert solve(record) == record["answer"], record


def test_the_options_are_what_the_passage_tells_of_that_kind():
    for record in all_records("train"):
        wanted = record["question"].split()[0].lower()
        assert sorted(record["choices"]) == sorted(e[wanted] for e in read(record["passage"]))


def test_all_six_questions_are_asked_alike_often():
    kinds = collections.Counter(
        " ".join(record["question"].replace("was", "were").split()[:2])
        for record in all_records("train")
    )
    starts = {"Who got", "Who went", "Where did", "Where were", "What did", "What came"}
    assert set(kinds) == starts
    assert min(kinds.values()) > 0.85 * sum(kinds.values()) / 6


def accuracy(choose: Callable[[Record], str]) -> float:
    test = all_records("test")
    return sum(choose(record) == record["answer"] for record in test) / len(test)


def test_neither_its_errand_nor_its_place_among_the_options_nor_length_tells_the_answer():
    def told(place: int) -> Callable[[Record], str]:
        return lambda record: read(record["passage"])[place][record["question"].split()[0].lower()]

    def listed(place: int) -> Callable[[Record], str]:
        return lambda record: record["choices"][place]

    rules = [rule(place) for rule in (told, listed) for place in range(3)]
    rules += [lambda record, pick=pick: pick(record["choices"], key=len) for pick in (min, max)]
    assert all(accuracy(rule) <= 1 / 3 + 0.10 for rule in rules)


def test_the_words_of_the_options_alone_do_not_tell_the_answer():
    shown: collections.Counter[str] = collections.Counter()
    right: collections.Counter[str] = collections.Counter()
    for fields in all_fields("train"):
        shown.update(fields["options"])
        right[fields["answer"]] += 1

    def oftenest(record: Record) -> str:
        return max(record["choices"], key=lambda word: right[word] / max(shown[word], 1))

    assert accuracy(oftenest) <= 1 / 3 + 0.10


def test_words_that_say_was_where_english_does():
    for record in all_records("train"):
        for text in (record["passage"], record["question"]):
            for subject, verb in re.findall(r"(\w+) (was|were) fetched", text):
                is_one = subject.lower() in {"cloth", "lace", "salt", "soap", "tea", "wax"}
                assert verb == ("was" if is_one else "were"), text
            for verb, subject in re.findall(r"(was|were) the (\w+) from", text):
                is_one = subject in {"cloth", "lace", "salt", "soap", "tea", "wax"}
                assert verb == ("was" if is_one else "were"), text


def test_a_hand_written_record_becomes_the_fields_a_reader_expects():
    record = {
        "passage": "Ada got tea at the mill, Bo wax at the fair and Leo soap at the inn.",
        "question": "Where did Bo go?",
        "choices": ["inn", "fair", "mill"],
        "answer": "fair",
    }
    assert TASK.to_fields(record) == {
        "errands": record["passage"],
        "question": "Where did Bo go?",
        "options": ("inn", "fair", "mill"),
        "answer": "fair",
    }
    assert solve(record) == "fair"
