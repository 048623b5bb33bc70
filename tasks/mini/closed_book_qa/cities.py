"""Rivers, wares and mayors of this world's cities. Nothing in the prompt tells."""

from __future__ import annotations

import functools

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import facts, world
from flanjax.tasks.mini.source import Draw, GrammarSource

_ASKED = {
    ("river", "value"): (
        "Which river does {city} lie on?",
        "Which river runs under the bridges of {city}?",
        "A boat moors in {city}. On which river?",
    ),
    ("river", "city"): (
        "Which city lies on the river {value}?",
        "Which city has bridges over the {value}?",
        "A boat on the {value} comes to which city?",
    ),
    ("ware", "value"): (
        "What is {city} known for making?",
        "Which goods made the name of {city}?",
        "What do the workshops of {city} turn out?",
    ),
    ("ware", "city"): (
        "Which city is known for making {value}?",
        "To which city do merchants travel for {value}?",
        "Which city has workshops that turn out {value}?",
    ),
    ("mayor", "value"): (
        "Who is the mayor of {city}?",
        "Who governs {city}?",
        "Whom did {city} elect as mayor?",
    ),
    ("mayor", "city"): (
        "Which city has {value} for a mayor?",
        "Which city does {value} govern?",
        "In which city does {value} preside over the town hall?",
    ),
}
"""The relation, and what is asked for -> questions."""

_QUARTERS = ("a", "b", "c", "d")
"""Parts of the cities; the hash of these names leaves two of twelve to the test."""


@functools.cache
def _quarters(seed: int, relation: str) -> tuple[tuple[facts.City, ...], ...]:
    """Deals the cities to four quarters, otherwise for each relation."""
    cities = Draw("mini_cities", seed, relation).shuffled(tuple(facts.of(seed).cities.values()))
    size = len(world.CITIES) // len(_QUARTERS)
    return tuple(tuple(cities[start : start + size]) for start in range(0, len(cities), size))


def make(draw: Draw) -> Record:
    """Draws four cities of a quarter, and asks about any of them, either way.

    A quarter's facts stand in one split, and options come from the quarter
    alone. Otherwise a test's answers, which belong to one city each, would be
    those that were always wrong in training.
    """
    relation = draw.choice(("river", "ware", "mayor"))
    place = draw.below(len(_QUARTERS))
    cities = draw.sample(_quarters(draw.world, relation)[place], 4)
    city = draw.choice(cities)
    wanted = draw.choice(("value", "city"))
    asked = relation if wanted == "value" else "name"
    return {
        "relation": relation,
        "quarter": _QUARTERS[place],
        "question": draw.choice(_ASKED[relation, wanted]).format(
            city=city.name, value=getattr(city, relation)
        ),
        "choices": [getattr(each, asked) for each in cities],
        "answer": getattr(city, asked),
    }


def to_fields(record: Record) -> Fields:
    """Gives the question and the options."""
    return {
        "question": record["question"],
        "options": tuple(record["choices"]),
        "answer": record["answer"],
    }


TASK = Task(
    name="mini_cities",
    version=1,
    source=GrammarSource(name="mini_cities", make=make, topic=("relation", "quarter")),
    to_fields=to_fields,
    fields=("question", "options", "answer"),
    templates=(
        Template("{question}\nEvery traveller can say.\n{options}"),
        Template("Geography lesson, books closed.\n{question}\n{options}"),
        Template("{options}\n{question} One of the four above."),
        Template("On the train, a stranger turns to you. {question} What do you reply?\n{options}"),
        Template("Crossword clue for whoever knows the cities: {question}"),
        Template("Newspapers mention it, guidebooks print it.\n{options}\n{question}"),
        Template('"{question}" whispers the pupil beside you. Whisper back.\n{options}'),
        Template("Complete the city guide from what you have learned. {question}\n{options}"),
        Template("No map, no guide, only your memory. {question} Be brief."),
        Template(
            "Somewhere in the atlas game the card reads {answer} and the rivals are these.\n"
            "{options}\nWrite the matching question.",
            "{question}",
            inverted=True,
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
