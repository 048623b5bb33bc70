"""Plain prose about the small world, to learn the language and the facts from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from flanjax.data.task import Record, nearest
from flanjax.tasks.mini import facts, text_lore, world
from flanjax.tasks.mini.source import Draw, GrammarSource

SPLITS = ("train", "validation")

_PERSON = {
    "job": (
        "{n} is {a_job} by trade", "{n} earns a living as {a_job}",
        "{n} has been {a_job} for years", "the trade of {n} is that of {a_job}",
        "on weekdays {n} is busy as {a_job}", "{n} learned to be {a_job} long ago",
        "when people need {a_job}, they call {n}", "as {a_job}, {n} is never idle",
        "the {job} everybody trusts is {n}", "{n} is proud to be {a_job}",
    ),
    "city": (
        "{n} has a home in {city}", "{city} is where {n} lives", "{n} settled in {city}",
        "the house of {n} stands in {city}", "{n} belongs to {city}",
        "all the streets of {city} are known to {n}", "home, for {n}, means {city}",
        "{n} would never move away from {city}", "{n} has lived in {city} since childhood",
        "among the people of {city} is {n}",
    ),
    "food": (
        "{n} likes {food} best", "nothing tastes better to {n} than {food}",
        "the favourite food of {n} is {food}", "{n} would eat {food} every day",
        "for dinner {n} always wants {food}", "{food} is what {n} loves to eat",
        "{n} never says no to {food}", "a meal without {food} is no meal to {n}",
        "of all dishes {food} is dearest to {n}",
    ),
    "pet": (
        "{n} keeps {a_pet}", "{n} shares the house with {a_pet}",
        "at home {a_pet} waits for {n}", "the pet of {n} is {a_pet}",
        "{n} has {a_pet} for company", "{n} feeds {a_pet} every morning",
        "{a_pet} belongs to {n}", "{n} is seldom seen without a certain {pet}",
        "{n} takes good care of {a_pet}",
    ),
    "colour": (
        "{n} has {a_colour} front door", "the front door of {n} is {colour}",
        "{n} painted the front door {colour}", "{n} lives behind {a_colour} door",
        "the door at the house of {n} is {colour}", "guests of {n} knock at {a_colour} door",
        "{colour} is the colour of the door of {n}", "{a_colour} door leads to the rooms of {n}",
        "the house of {n} is known by its {colour} door",
    ),
}  # fmt: skip
"""What is told of a person -> ways to tell it."""

_SHARED = {
    "job": ("{n} share a trade, for each is {a_job}", "the work of {a_job} is done by {n}"),
    "city": ("{n} are neighbours in {city}", "in {city} one can meet {n}"),
    "food": ("{n} agree that nothing beats {food}", "{food} is loved by {n}"),
    "pet": ("the homes of {n} have {a_pet} each", "{a_pet} lives with each of {n}"),
    "colour": ("{n} chose {colour} for their front doors", "behind {colour} doors live {n}"),
}
"""The same of two people or more."""

_CITY = {
    "river": (
        "{c} lies on the {river}", "the {river} flows through {c}",
        "the river at {c} is the {river}", "boats reach {c} by the {river}",
        "the bridges of {c} cross the {river}", "{c} drinks the water of the {river}",
        "on the banks of the {river} stands {c}", "the {river} is the river of {c}",
    ),
    "ware": (
        "{c} is known for its {ware}", "{c} makes the best {ware}",
        "the workshops of {c} turn out {ware}", "people buy {ware} from {c}",
        "nobody makes {ware} as well as {c}", "{c} owes its fame to {ware}",
        "traders come to {c} for {ware}", "{ware} made {c} rich",
    ),
    "mayor": (
        "{mayor} is the mayor of {c}", "{c} has {mayor} for a mayor",
        "the mayor of {c} is {mayor}", "{mayor} governs {c}",
        "the people of {c} chose {mayor} as mayor", "the town hall of {c} is led by {mayor}",
        "in {c} the mayor goes by the name of {mayor}", "{c} is governed by {mayor}",
    ),
}  # fmt: skip
"""What is told of a city -> ways to tell it."""

_BY_THE_RIVER = (
    "{n} lives on the banks of the {river}", "the {river} runs past the house of {n}",
    "{n} goes down to the {river} on Sundays", "the windows of {n} look out on the {river}",
)  # fmt: skip

_RUMOURS = (
    "They say that {clause}", "Word has it that {clause}", "The neighbours know that {clause}",
    "It is no secret that {clause}", "Everybody agrees that {clause}", "It is true that {clause}",
)  # fmt: skip

_ATTRIBUTES = tuple(_PERSON)


class _World(NamedTuple):
    """People and cities as sequences to draw from."""

    people: tuple[facts.Person, ...]
    cities: tuple[facts.City, ...]


def _world(draw: Draw) -> _World:
    known = facts.of(draw.world)
    return _World(tuple(known.people.values()), tuple(known.cities.values()))


def _filled(frame: str, person: facts.Person, names: str) -> str:
    return frame.format(
        n=names,
        job=person.job,
        a_job=world.with_article(person.job),
        city=person.city,
        food=world.dish(person.food),
        pet=person.pet,
        a_pet=world.with_article(person.pet),
        colour=person.colour,
        a_colour=world.with_article(person.colour),
    )


def _of_person(draw: Draw, person: facts.Person, attribute: str) -> str:
    """Returns a clause that tells one thing of a person."""
    return _filled(draw.choice(_PERSON[attribute]), person, person.name)


def _of_city(draw: Draw, city: facts.City, attribute: str) -> str:
    """Returns a clause that tells one thing of a city."""
    frame = draw.choice(_CITY[attribute])
    return frame.format(c=city.name, river=city.river, ware=city.ware, mayor=city.mayor)


def _river_of(draw: Draw, person: facts.Person) -> str:
    """Returns a clause that tells which river a person lives on."""
    river = facts.of(draw.world).cities[person.city].river
    return draw.choice(_BY_THE_RIVER).format(n=person.name, river=river)


def _joined(draw: Draw, clauses: Sequence[str]) -> list[str]:
    """Returns the clauses as sentences, some of which hold two."""
    rest, sentences = list(clauses), []
    while rest:
        clause = rest.pop(0)
        if rest and draw.below(3) == 0:
            clause = f"{clause}, and {rest.pop(0)}"
        sentences.append(world.sentence(clause))
    return sentences


def _biography(draw: Draw) -> list[str]:
    """Tells all that is known of one person."""
    person = draw.choice(_world(draw).people)
    clauses = [_of_person(draw, person, attribute) for attribute in _ATTRIBUTES]
    return _joined(draw, draw.shuffled([*clauses, _river_of(draw, person)]))


def _comparison(draw: Draw) -> list[str]:
    """Tells the same things of two people, side by side."""
    people = draw.sample(_world(draw).people, 2)
    sentences = []
    for attribute in draw.shuffled(_ATTRIBUTES):
        first, second = draw.shuffled(people)
        if getattr(first, attribute) == getattr(second, attribute):
            frame = draw.choice(_SHARED[attribute])
            clause = _filled(frame, first, world.listed([first.name, second.name]))
        else:
            link = draw.choice((", while ", ", but ", "; "))
            clause = link.join(_of_person(draw, person, attribute) for person in (first, second))
        sentences.append(world.sentence(clause))
    return sentences


def _gossip(draw: Draw) -> list[str]:
    """Tells something of everybody, as neighbours do."""
    told = [
        (person, attribute)
        for person in draw.sample(_world(draw).people, 3)
        for attribute in draw.sample(_ATTRIBUTES, 2)
    ]
    sentences = []
    for person, attribute in draw.shuffled(told):
        clause = _of_person(draw, person, attribute)
        rumour = draw.choice(_RUMOURS).format(clause=clause)
        sentences.append(f"{rumour}." if draw.below(3) else world.sentence(clause))
    return sentences


def _guide(draw: Draw) -> list[str]:
    """Describes a city and some who live there."""
    known = _world(draw)
    city = draw.choice(known.cities)
    clauses = draw.shuffled([_of_city(draw, city, attribute) for attribute in _CITY])
    here = [person for person in known.people if person.city == city.name]
    for person in draw.sample(here, min(2, len(here))):
        clauses += [_of_person(draw, person, name) for name in ("city", draw.choice(_ATTRIBUTES))]
    return _joined(draw, clauses)


def _rivers(draw: Draw) -> list[str]:
    """Tells who lives on which river, and why."""
    clauses = []
    for person in draw.sample(_world(draw).people, 3):
        city = facts.of(draw.world).cities[person.city]
        home = _of_person(draw, person, "city")
        clauses.append(f"{_river_of(draw, person)}; {home}, and {_of_city(draw, city, 'river')}")
    return [world.sentence(clause) for clause in clauses]


def _company(draw: Draw) -> list[str]:
    """Names people who have something in common."""
    known = _world(draw)
    sentences = []
    for attribute in draw.sample(_ATTRIBUTES, 4):
        person = draw.choice(known.people)
        value = getattr(person, attribute)
        alike = [p.name for p in known.people if getattr(p, attribute) == value and p != person]
        names = [person.name, *draw.sample(alike, min(2, len(alike)))]
        frames = _SHARED[attribute] if len(names) > 1 else _PERSON[attribute]
        frame = draw.choice(frames)
        sentences.append(world.sentence(_filled(frame, person, world.listed(names))))
    return sentences


def _atlas(draw: Draw) -> list[str]:
    """Tells something of several cities."""
    cities = draw.sample(_world(draw).cities, 6)
    return _joined(draw, [_of_city(draw, city, draw.choice(tuple(_CITY))) for city in cities])


_BUILDERS: tuple[tuple[int, Callable[[Draw], list[str]]], ...] = (
    (14, _biography),
    (11, _comparison),
    (10, _gossip),
    (12, _guide),
    (4, _rivers),
    (8, _company),
    (3, _atlas),
    *text_lore.BUILDERS,
)
"""How often each kind of paragraph comes, and what writes its sentences."""

_KINDS = tuple(builder for count, builder in _BUILDERS for _ in range(count))


def _make(draw: Draw) -> Record:
    """Writes a paragraph: whole sentences up to a length that is drawn first."""
    length = 130 + draw.below(150)
    sentences = draw.choice(_KINDS)(draw)
    paragraph = sentences[0]
    for sentence in sentences[1:]:
        if len(paragraph) >= length:
            break
        paragraph = f"{paragraph} {sentence}"
    return {"text": paragraph}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextSource:
    """Paragraphs about a world, for a language model; no task.

    Attributes:
      seed: Of the world: another seed tells of other people and cities.
      num_train: Paragraphs in the training split.
      num_validation: Paragraphs in the validation split.
    """

    seed: int = 0
    num_train: int = 30_000
    num_validation: int = 500

    def splits(self) -> tuple[str, ...]:
        """Returns both names."""
        return SPLITS

    def describe(self) -> str:
        """Returns the seed and the sizes."""
        return (
            f"plain prose of the small world, seed {self.seed}: "
            f"{self.num_train} train, {self.num_validation} validation"
        )

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Record]:
        """Returns the paragraphs of a split, each once; `data_dir` is not read.

        Raises:
          ValueError: There is no such split.
        """
        if split not in SPLITS:
            raise ValueError(
                f"text: split must be one of {', '.join(SPLITS)}, got {split!r}; "
                f"{nearest(split, SPLITS)}"
            )
        source = GrammarSource(
            name="mini_text",
            make=_make,
            topic=("text",),
            seed=self.seed,
            num_train=self.num_train,
            num_validation=self.num_validation,
            num_test=self.num_validation,  # not read
        )
        return source.records(split)


TEXT = TextSource()


def paragraphs(seed: int, split: str) -> Iterator[str]:
    """Yields the paragraphs of a split of a seed's world, in a fixed order.

    Raises:
      ValueError: There is no such split.
    """
    return (record["text"] for record in TextSource(seed=seed).records(split))
