"""What is known of a person of this world? Nothing in the prompt tells."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import facts
from flanjax.tasks.mini.source import Draw, GrammarSource

_ASKED = {
    "job": (
        "What does {name} do for a living?",
        "Which job earns {name} money?",
        "Which trade did {name} take up?",
    ),
    "city": (
        "Which city does {name} call home?",
        "To which city would you write to reach {name}?",
        "In which city has {name} settled?",
    ),
    "food": (
        "What does {name} like best to eat?",
        "Which food would {name} never refuse?",
        "What should you serve to delight {name}?",
    ),
    "pet": (
        "Which animal does {name} keep?",
        "Which animal shares the house of {name}?",
        "What kind of animal belongs to {name}?",
    ),
    "colour": (
        "What is the colour of the front door of {name}?",
        "Which colour did {name} give the front door?",
        "The front door of {name} is painted in which colour?",
    ),
}


@functools.cache
def _holders(seed: int, attribute: str) -> Mapping[str, tuple[str, ...]]:
    """Returns each value of an attribute with the people who have it."""
    people = facts.of(seed).people
    values = sorted({getattr(person, attribute) for person in people.values()})
    return {
        value: tuple(name for name in people if getattr(people[name], attribute) == value)
        for value in values
    }


def make(draw: Draw) -> Record:
    """Draws four values that people have, and asks about one who has one of them.

    Each of the four is the answer as often as the others, however many people
    have it: over the world, no value is right more often than it is shown. In a
    split it may be less so, where few of its people are among those who have it.
    """
    attribute = draw.choice(tuple(_ASKED))
    holders = _holders(draw.world, attribute)
    choices = draw.sample(tuple(holders), 4)
    answer = draw.choice(choices)
    name = draw.choice(holders[answer])
    return {
        "name": name,
        "question": draw.choice(_ASKED[attribute]).format(name=name),
        "choices": choices,
        "answer": answer,
    }


def to_fields(record: Record) -> Fields:
    """Gives the person, the question and the options."""
    return {
        "name": record["name"],
        "question": record["question"],
        "options": tuple(record["choices"]),
        "answer": record["answer"],
    }


TASK = Task(
    name="mini_residents",
    version=1,
    source=GrammarSource(name="mini_residents", make=make, topic=("name",)),
    to_fields=to_fields,
    fields=("name", "question", "options", "answer"),
    templates=(
        Template("{question}\nReply from memory.\n{options}"),
        Template("You have heard of {name}. {question}\n{options}"),
        Template("{options}\nNo book is at hand, yet you know it. {question}"),
        Template("Town gossip, first question: {question}\nChoose among four.\n{options}"),
        Template("Recall what you learned about {name}.\n{options}\n{question}"),
        Template("Excuse me! {question} Anyone in the street could tell you.\n{options}"),
        Template(
            "The census clerk lost the form of {name} and needs a single entry. "
            "{question}\n{options}"
        ),
        Template("{question} Without looking it up, reply in one word."),
        Template(
            "Friends of {name} win this round with ease: {question}\nThe host reads out:\n{options}"
        ),
        Template(
            'Concerning {name}, the reply was "{answer}". Restore what had been asked.',
            "{question}",
            inverted=True,
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
