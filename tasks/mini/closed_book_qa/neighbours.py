"""Have two people of this world something in common? Nothing in the prompt tells."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import facts
from flanjax.tasks.mini.source import Draw, GrammarSource

OPTIONS = ("yes", "no")

_SHARED = {
    "city": (
        ("Do {a} and {b} live in the same city?", "{a} and {b} live in the same city"),
        ("Are {a} and {b} from the same city?", "{a} is from the city of {b}"),
    ),
    "pet": (
        ("Do {a} and {b} keep the same animal?", "{a} keeps the same animal as {b}"),
        ("Do {a} and {b} have the same sort of pet?", "{a} and {b} keep the same sort of pet"),
    ),
    "food": (
        ("Do {a} and {b} like the same food best?", "{a} likes the same food best as {b}"),
        ("Do {a} and {b} share a favourite food?", "{a} and {b} share a favourite food"),
    ),
    "job": (
        ("Do {a} and {b} have the same job?", "{a} and {b} have the same job"),
        ("Are {a} and {b} of the same trade?", "{a} is of the same trade as {b}"),
    ),
}
"""What may be shared -> the question and the claim, in pairs."""


@functools.cache
def _sharing(seed: int, attribute: str) -> Mapping[str, frozenset[str]]:
    """Returns those who share an attribute, each with those they share it with."""
    people = facts.of(seed).people
    alike = {
        name: frozenset(
            other
            for other in people
            if other != name and getattr(people[other], attribute) == getattr(person, attribute)
        )
        for name, person in people.items()
    }
    return {name: others for name, others in alike.items() if others}


def make(draw: Draw) -> Record:
    """Draws the answer, then a person, then another who makes it true.

    Whoever shares with nobody is not asked about, and a first person is drawn
    without regard to the answer: over the world neither name tells it. As a pair
    stands in one split, those who often had "yes" in training have a little less
    of it left for the test.
    """
    label = draw.choice(OPTIONS)
    attribute = draw.choice(tuple(_SHARED))
    alike = _sharing(draw.world, attribute)
    person = draw.choice(tuple(alike))
    others = [
        other for other in alike if other != person and (other in alike[person]) == (label == "yes")
    ]
    pair = draw.shuffled((person, draw.choice(others)))
    question, claim = (
        text.format(a=pair[0], b=pair[1]) for text in draw.choice(_SHARED[attribute])
    )
    return {
        "pair": " and ".join(sorted(pair)),
        "question": question,
        "claim": claim,
        "label": label,
    }


def to_fields(record: Record) -> Fields:
    """Gives the pair, and what is asked as a question and as a claim."""
    return {
        "pair": record["pair"],
        "question": record["question"],
        "claim": record["claim"],
        "options": OPTIONS,
        "answer": record["label"],
    }


TASK = Task(
    name="mini_neighbours",
    version=1,
    source=GrammarSource(name="mini_neighbours", make=make, topic=("pair",)),
    to_fields=to_fields,
    fields=("pair", "question", "claim", "options", "answer"),
    templates=(
        Template("{question}\nAnswer by heart.\n{options}"),
        Template("{pair} are on the guest list. {question}\n{options}"),
        Template("True to the facts? Claim: {claim}.\n{options}"),
        Template("People say that {claim}. Are people right in this, yes or no?"),
        Template("{options}\n{question} You know the two of them."),
        Template("Would a local nod on hearing that {claim}?\n{options}"),
        Template("Seating plan for {pair}\nThe hostess wonders: {question}\n{options}"),
        Template("Can one truthfully write that {claim}? Put yes or no."),
        Template('The postman, who knows every household, is asked: "{question}"\n{options}'),
        Template(
            'When asked about {pair}, the postman said "{answer}" to one thing. To which?',
            "{question}",
            inverted=True,
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
