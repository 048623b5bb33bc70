"""The prose of the small world: its facts, its words and its splits."""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import re

import pytest

from flanjax.tasks.mini import CATALOGUE, facts, text_lore, world
from flanjax.tasks.mini.text import TEXT, paragraphs

FULL_NAME = re.compile(rf"\b(?:{'|'.join(world.NAMES)}) (?:{'|'.join(facts.FAMILY_NAMES)})\b")


@functools.cache
def told(split: str) -> tuple[str, ...]:
    return tuple(paragraphs(0, split))


def found(words: tuple[str, ...], clause: str) -> set[str]:
    """Returns which of the words stand in a clause, a raised first letter aside."""
    return set(re.findall(r"\w+", f"{clause} {clause[:1].lower()}{clause[1:]}")) & set(words)


def clauses_of(paragraph: str) -> list[str]:
    """Returns the clauses of a paragraph; none sets persons against each other."""
    return [c for c in re.split(r"(?<=\w)(?:[.;] ?|, while |, but |, and )", paragraph) if c]


def values_in(clause: str) -> dict[str, set[str]]:
    """Returns attribute -> values that a clause gives to those it names."""
    plain = FULL_NAME.sub("", clause).strip()
    return {
        "job": found(world.JOBS, plain),
        "city": found(world.CITIES, plain),
        "food": found(world.FOODS, plain),
        "pet": found(world.PETS, plain),
        "colour": found(world.COLOURS, plain),
        "river": found(facts.RIVERS, plain),
    }


def test_every_fact_of_a_person_is_told_often_and_never_contradicted():
    known = facts.of(0)
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for clause in itertools.chain.from_iterable(map(clauses_of, told("train"))):
        for name in FULL_NAME.findall(clause):
            person = known.people[name]
            river = known.cities[person.city].river
            for attribute, values in values_in(clause).items():
                expected = river if attribute == "river" else getattr(person, attribute)
                assert values <= {expected}, (clause, attribute)
                counts[name, attribute] += len(values)
    attributes = ("job", "city", "food", "pet", "colour")
    assert min(counts[name, key] for name in known.people for key in attributes) >= 20


def test_every_fact_of_a_city_is_told_often_and_never_contradicted():
    known = facts.of(0)
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for clause in itertools.chain.from_iterable(map(clauses_of, told("train"))):
        for name in found(world.CITIES, clause):
            city = known.cities[name]
            rivers, wares = found(facts.RIVERS, clause), found(facts.WARES, clause)
            assert rivers <= {city.river}, clause
            assert wares <= {city.ware}, clause
            counts[name, "river"] += len(rivers)
            counts[name, "ware"] += len(wares)
            if re.search(r"\bmayor\b|\bgovern|town hall", clause):
                assert FULL_NAME.findall(clause) == [city.mayor], clause
                counts[name, "mayor"] += 1
    keys = ("river", "ware", "mayor")
    assert min(counts[name, key] for name in known.cities for key in keys) >= 20


def frames_of(attribute: str) -> collections.Counter[str]:
    """Returns the clauses that tell an attribute of one person, values left out."""
    frames: collections.Counter[str] = collections.Counter()
    for clause in itertools.chain.from_iterable(map(clauses_of, told("train"))):
        names = FULL_NAME.findall(clause)
        if len(names) == 1:
            value = getattr(facts.of(0).people[names[0]], attribute)
            plain = clause.replace(names[0], "N")
            if re.search(rf"(?i)\b{value}\b", plain):
                frames[re.sub(rf"(?i)(\ban? )?\b{value}\b", "V", plain).lower()] += 1
    return frames


@pytest.mark.parametrize("attribute", ["job", "city", "food", "pet", "colour"])
def test_a_fact_is_told_in_at_least_eight_ways(attribute):
    frequent = [frame for frame, count in frames_of(attribute).items() if count >= 100]
    assert len(frequent) >= 8


def test_the_same_paragraphs_come_every_time():
    assert list(itertools.islice(paragraphs(0, "train"), 50)) == list(told("train")[:50])
    assert next(paragraphs(0, "train")) == (
        "The trade of Yuki Abel is that of an editor, but on weekdays Ada Hill is busy as a nurse. "
        "Rice is what Yuki Abel loves to eat, but nothing tastes better to Ada Hill than an "
        "omelette."
    )


def test_splits_have_their_sizes_and_share_no_paragraph():
    sizes = {split: len(set(told(split))) for split in ("train", "validation")}
    assert sizes == {"train": 30_000, "validation": 500}
    assert {split: len(told(split)) for split in sizes} == sizes
    assert not set(told("train")) & set(told("validation"))


def test_paragraphs_are_short_and_clean():
    for paragraph in (*told("train"), *told("validation")):
        assert 120 <= len(paragraph.encode()) <= 400, paragraph
        assert not re.search(r"  | [.,;]|[.,;]{2}|[{}?\n]", paragraph), paragraph
        assert not re.search(r"(?i)\ba [aeiou]|\ban [^aeiou]", paragraph), paragraph
        assert re.fullmatch(r"[A-Z].*\.", paragraph), paragraph
        assert not re.search(r"\. [a-z]", paragraph), paragraph


def test_another_seed_tells_other_facts():
    other = list(itertools.islice(paragraphs(1, "train"), 2000))
    assert not set(other) & set(told("train"))
    names = {name for paragraph in other for name in FULL_NAME.findall(paragraph)}
    assert names <= set(facts.of(1).people)
    assert len(names - set(facts.of(0).people)) > 80


def test_people_eat_an_omelette_and_make_no_honey():
    for paragraph in told("train"):
        assert not re.search(r"(?i)(?<!an )\bomelette\b", paragraph), paragraph
        assert not re.search(r"\b(?:make|made) honey|\bate \w+ (?:on|under|behind) ", paragraph)


def test_a_cause_and_its_effect_do_not_name_the_same():
    for cause, effect in text_lore._CAUSES:
        named = (set(re.findall(r"\{a\}|\w{3,}", text)) for text in (cause, effect))
        assert set.intersection(*named) <= {"the", "was"}, (cause, effect)
        assert not re.search(r"\b(?:it|they)\b", effect), effect


def test_every_word_of_the_world_is_met_often():
    counts = collections.Counter(re.findall(r"\w+", " ".join(told("train")).lower()))
    kinds = [(kind, *members) for kinds in world.KINDS.values() for kind, members in kinds.items()]
    words = {*world.NAMES, *world.JOBS, *world.CITIES, *world.FOODS, *world.PETS, *world.COLOURS}
    words |= {*world.SIZES, *world.THINGS, *world.KINDS, *itertools.chain(*kinds)}
    words |= {*itertools.chain(*world.MATERIALS.values()), *facts.WARES, *facts.RIVERS}
    rare = {word: counts[word.lower()] for word in words if counts[word.lower()] < 50}
    assert rare == {}
    text = " ".join(told("train"))
    assert [place for place in world.PLACES if text.count(place) < 50] == []


def test_no_sentence_is_one_of_a_task():
    prose = {s for p in told("train") for s in re.split(r"(?<=\.) ", p)}
    for task in CATALOGUE.tasks():
        for record in task.source.records("train"):
            texts = (value for value in task.to_fields(record).values() if isinstance(value, str))
            sentences = {s for text in texts for s in re.split(r"(?<=[.?!]) ", text)}
            assert not sentences & prose, task.name


def test_the_source_gives_paragraphs_as_records_of_its_seed():
    assert TEXT.splits() == ("train", "validation")
    assert next(TEXT.records("train")) == {"text": told("train")[0]}
    other = dataclasses.replace(TEXT, seed=1)
    assert next(other.records("train")) == {"text": next(paragraphs(1, "train"))}
    assert other.describe() == "plain prose of the small world, seed 1: 30000 train, 500 validation"


@pytest.mark.parametrize("read", [lambda: paragraphs(0, "test"), lambda: TEXT.records("test")])
def test_a_split_that_is_not_there_is_refused_before_reading(read):
    with pytest.raises(ValueError, match="text: split must be one of train, validation, got 'tes"):
        read()
