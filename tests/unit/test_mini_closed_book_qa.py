"""Closed-book tasks: answers from the facts, and what the prompt alone tells."""

from __future__ import annotations

import collections
import functools
import re
from collections.abc import Callable, Mapping

import pytest

from flanjax.data.task import Fields, Record
from flanjax.tasks.mini import facts, world
from flanjax.tasks.mini.closed_book_qa import cities, neighbours, residents
from flanjax.tasks.mini.source import Draw

TASKS = {task.name: task for task in (residents.TASK, cities.TASK, neighbours.TASK)}
every_task = pytest.mark.parametrize("name", TASKS)
every_choice = pytest.mark.parametrize("name", ["mini_residents", "mini_cities"])

PERSON = re.compile(rf"\b(?:{'|'.join(world.NAMES)}) (?:{'|'.join(facts.FAMILY_NAMES)})\b")


@functools.cache
def all_records(name: str, split: str) -> tuple[Record, ...]:
    records = tuple(TASKS[name].source.records(split))
    return records  # type: ignore[return-value]


def all_fields(name: str, split: str) -> list[Fields]:
    fields = [TASKS[name].to_fields(record) for record in all_records(name, split)]
    return fields  # type: ignore[return-value]


# --- answers -----------------------------------------------------------------

ATTRIBUTES = (
    ("job", r"living|earn|trade|job"),
    ("city", r"city|write to"),
    ("colour", r"colour"),
    ("pet", r"animal|pet"),
    ("food", r"food|eat|serve"),
)
"""What is asked for, and words by which to know it, written anew."""


def attribute_of(question: str) -> str:
    (attribute,) = (name for name, words in ATTRIBUTES if re.search(words, question))
    return attribute


def solve_residents(record: Record) -> str:
    """Answers by looking up the person whom the question names."""
    (name,) = PERSON.findall(record["question"])
    person = facts.of(0).people[name]._asdict()
    return person[attribute_of(record["question"])]


def solve_cities(record: Record) -> str:
    """Answers by looking for the city that the question names or hints at."""
    question = record["question"]
    relation = (
        "mayor"
        if re.search(r"mayor|govern|hall", question)
        else "river"
        if re.search(r"river|boat|bridges", question)
        else "ware"
    )
    found = []
    for city in facts.of(0).cities.values():
        value = city._asdict()[relation]
        if re.search(rf"\b{city.name}\b", question):
            found.append(value)
        if re.search(rf"\b{value}\b", question):
            found.append(city.name)
    (answer,) = found
    return answer


def solve_neighbours(record: Record) -> str:
    """Answers by comparing the two people whom the question names."""
    first, second = PERSON.findall(record["question"])
    people = facts.of(0).people
    attribute = attribute_of(record["question"])
    is_same = people[first]._asdict()[attribute] == people[second]._asdict()[attribute]
    return "yes" if is_same else "no"


SOLVERS: Mapping[str, Callable[[Record], str]] = {
    "mini_residents": solve_residents,
    "mini_cities": solve_cities,
    "mini_neighbours": solve_neighbours,
}


@every_task
def test_the_facts_give_every_answer(name):
    for record in all_records(name, "train"):
        assert SOLVERS[name](record) == TASKS[name].to_fields(record)["answer"], record


def test_a_claim_about_two_people_says_what_the_question_asks():
    for record in all_records("mini_neighbours", "train"):
        assert attribute_of(record["claim"]) == attribute_of(record["question"]), record
        assert PERSON.findall(record["claim"]) == PERSON.findall(record["question"]), record


@every_choice
def test_the_options_are_of_one_kind_and_people_or_cities_have_them(name):
    found = facts.of(0)
    kinds = [
        {person._asdict()[attribute] for person in found.people.values()}
        for attribute, _ in ATTRIBUTES
    ]
    kinds += [set(column) for column in zip(*found.cities.values(), strict=True)]
    for fields in all_fields(name, "train"):
        assert any(set(fields["options"]) <= kind for kind in kinds), fields


@every_task
def test_another_world_has_other_answers(name):
    make = TASKS[name].source.make  # type: ignore[attr-defined]
    here = [make(Draw("worlds", index)) for index in range(100)]
    there = [make(Draw("worlds", index, world=1)) for index in range(100)]
    assert sum(a != b for a, b in zip(here, there, strict=True)) > 90


# --- splits ------------------------------------------------------------------


def test_who_is_asked_about_in_the_test_never_was_in_training():
    asked = {
        split: {record["name"] for record in all_records("mini_residents", split)}
        for split in ("train", "test")
    }
    assert not asked["train"] & asked["test"]
    assert len(asked["test"]) > 10


def test_a_fact_of_a_city_stands_in_one_split_whichever_way_it_is_asked():
    def told(split: str) -> set[tuple[str, str]]:
        facts_told = set()
        for record in all_records("mini_cities", split):
            named = [*re.findall(rf"\b({'|'.join(world.CITIES)})\b", record["question"])]
            city = named[0] if named else record["answer"]
            facts_told.add((record["relation"], city))
        return facts_told

    train, validation, test = map(told, ("train", "validation", "test"))
    assert not train & validation and not train & test and not validation & test
    assert len(train | validation | test) == 72 and len(test) == 12


def test_a_pair_stands_in_one_split_in_either_order():
    pairs = {
        split: {
            frozenset(PERSON.findall(record["question"]))
            for record in all_records("mini_neighbours", split)
        }
        for split in ("train", "test")
    }
    assert not pairs["train"] & pairs["test"]


# --- shallow cues ------------------------------------------------------------


def accuracy(name: str, choose: Callable[[Fields], str]) -> float:
    test = all_fields(name, "test")
    return sum(choose(fields) == fields["answer"] for fields in test) / len(test)


def best_by_counts(name: str, cues: Callable[[Fields, str], list[str]]) -> float:
    """Test accuracy of the option whose cues were most often right in training."""
    shown: collections.Counter[str] = collections.Counter()
    right: collections.Counter[str] = collections.Counter()
    for fields in all_fields(name, "train"):
        for option in fields["options"]:
            shown.update(cues(fields, option))
        right.update(cues(fields, fields["answer"]))

    def score(fields: Fields, option: str) -> float:
        found = cues(fields, option)
        chance = 1 / len(fields["options"])
        rates = [right[cue] / shown[cue] if shown[cue] else chance for cue in found]
        return sum(rates) / len(rates)

    return accuracy(
        name, lambda fields: max(fields["options"], key=lambda option: score(fields, option))
    )


CHANCE = {"mini_residents": 0.25, "mini_cities": 0.25, "mini_neighbours": 0.5}


@every_choice
def test_an_option_alone_does_not_tell_that_it_is_right(name):
    assert best_by_counts(name, lambda _, option: [option]) <= CHANCE[name] + 0.10


@every_choice
def test_nor_is_an_option_of_the_test_one_that_training_never_has_right(name):
    """The option least often right in training is no better a guess."""
    shown: collections.Counter[str] = collections.Counter()
    right: collections.Counter[str] = collections.Counter()
    for fields in all_fields(name, "train"):
        shown.update(fields["options"])
        right[fields["answer"]] += 1
    assert not [option for option, count in shown.items() if count > 60 and not right[option]]

    def rate(option: str) -> float:
        return right[option] / shown[option] if shown[option] else CHANCE[name]

    worst = accuracy(name, lambda fields: min(fields["options"], key=rate))
    assert worst <= CHANCE[name] + 0.10


@every_task
def test_the_words_of_the_question_do_not_tell_the_answer(name):
    def cues(fields: Fields, option: str) -> list[str]:
        return [f"{word} {option}" for word in re.findall(r"\w+", fields["question"])]

    assert best_by_counts(name, cues) <= CHANCE[name] + 0.10


@every_choice
def test_neither_length_nor_order_of_the_options_tells_the_answer(name):
    assert accuracy(name, lambda fields: max(fields["options"], key=len)) <= 0.35
    assert accuracy(name, lambda fields: min(fields["options"], key=len)) <= 0.35
    assert accuracy(name, lambda fields: sorted(fields["options"])[0]) <= 0.35
    for place in range(4):
        assert accuracy(name, lambda fields, place=place: fields["options"][place]) <= 0.35


def test_yes_is_as_frequent_whatever_is_shared():
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for record in all_records("mini_neighbours", "train"):
        counts[attribute_of(record["question"]), record["label"]] += 1
    for attribute in ("city", "pet", "food", "job"):
        yes, no = counts[attribute, "yes"], counts[attribute, "no"]
        assert 0.8 < yes / no < 1.25, (attribute, yes, no)


# --- fields ------------------------------------------------------------------


def test_hand_written_records_become_the_fields_a_reader_expects():
    record = {"name": "Ada Hill", "question": "Which animal does Ada Hill keep?"}
    assert residents.TASK.to_fields({**record, "choices": ["owl", "cat"], "answer": "cat"}) == {
        **record,
        "options": ("owl", "cat"),
        "answer": "cat",
    }
    record = {"relation": "river", "quarter": "a", "question": "Which river does Bern lie on?"}
    assert cities.TASK.to_fields({**record, "choices": ["Alda", "Zeta"], "answer": "Alda"}) == {
        "question": "Which river does Bern lie on?",
        "options": ("Alda", "Zeta"),
        "answer": "Alda",
    }
    record = {
        "pair": "Ada Hill and Bo Reed",
        "question": "Do Bo Reed and Ada Hill have the same job?",
        "claim": "Bo Reed and Ada Hill have the same job",
    }
    assert neighbours.TASK.to_fields({**record, "label": "no"}) == {
        **record,
        "options": ("yes", "no"),
        "answer": "no",
    }
