"""Triples about an object to one sentence that describes it."""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

_TOLD = (
    ("size", "place"),
    ("colour", "place"),
    ("material", "place"),
    ("size", "colour", "place"),
    ("colour", "material", "place"),
    ("size", "colour", "material"),
)
"""Which attributes are told, in the order in which English puts adjectives."""


def make(draw: Draw) -> Record:
    """Draws an object; what is left untold is None."""
    thing = draw.choice(world.THINGS)
    attributes = {
        "size": draw.choice(world.SIZES),
        "colour": draw.choice(world.COLOURS),
        "material": draw.choice(world.MATERIALS[thing]),
        "place": draw.choice(world.PLACES),
    }
    told = draw.choice(_TOLD)
    kept = {key: value if key in told else None for key, value in attributes.items()}
    return {"thing": thing, **kept}


def _descriptions(record: Record) -> tuple[str, ...]:
    """Returns ways to describe the object, the plainest first."""
    thing, place = record["thing"], record["place"]
    if place is None:
        size, colour, material = record["size"], record["colour"], record["material"]
        return (
            f"The {thing} is {size}, {colour} and made of {material}.",
            f"This is {world.with_article(size)} {colour} {thing} made of {material}.",
        )
    adjectives = [record[key] for key in ("size", "colour", "material") if record[key]]
    noun = " ".join([*adjectives, thing])
    return f"The {noun} is {place}.", f"There is {world.with_article(noun)} {place}."


def to_fields(record: Record) -> Fields:
    """Gives the attributes as triples and two ways to put them."""
    triples = [
        f"({record['thing']}, {key}, {value})"
        for key, value in record.items()
        if key != "thing" and value is not None
    ]
    descriptions = _descriptions(record)
    return {
        "triples": " ".join(triples),
        "thing": record["thing"],
        "answer": descriptions[0],
        "references": descriptions,
    }


TASK = Task(
    name="mini_objects",
    version=1,
    source=GrammarSource(
        name="mini_objects", make=make, topic=("thing", "size", "colour", "material", "place")
    ),
    to_fields=to_fields,
    fields=("triples", "thing", "answer", "references"),
    templates=(
        Template("Describe the {thing}: {triples}"),
        Template("{triples}\nWhat do these triples tell us?"),
        Template("Triples: {triples}\nText:"),
        Template("Verbalise the data below in a single short statement.\n{triples}"),
        Template("Help a listener picture this {thing} by saying what is in {triples}."),
        Template("{triples} Make an English description out of that."),
        Template("A catalogue lists {triples} and needs a caption. Supply it."),
        Template("Express {triples} the way a person would talk about a {thing}."),
        Template("Lost property office, today's entry: {triples}\nWhat was noted, in words?"),
        Template("{answer}\nName the object this is about.", "{thing}", inverted=True),
    ),
    mode="generate",
    metrics=("rouge",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
