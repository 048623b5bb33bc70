"""Facts about a person to one sentence."""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

_EXTRAS = (("city",), ("food",), ("pet",), ("city", "food"), ("city", "pet"))
"""What is told of a person besides the job."""

_FOODS = tuple(food for food in world.FOODS if food != "omelette")
"""What one likes without an article."""


def make(draw: Draw) -> Record:
    """Draws a person; what is left untold is None."""
    facts = {
        "name": draw.choice(world.NAMES),
        "job": draw.choice(world.JOBS),
        "city": draw.choice(world.CITIES),
        "food": draw.choice(_FOODS),
        "pet": draw.choice(world.PETS),
    }
    told = ("name", "job", *draw.choice(_EXTRAS))
    return {key: value if key in told else None for key, value in facts.items()}


def _in_one_sentence(record: Record) -> str:
    """Returns, say, "Ana is a baker from Oslo who likes soup."."""
    clause = f"{record['name']} is {world.with_article(record['job'])}"
    if record["city"]:
        clause += f" from {record['city']}"
    if record["food"]:
        clause += f" who likes {record['food']}"
    if record["pet"]:
        clause += f" who has {world.with_article(record['pet'])}"
    return f"{clause}."


def _as_a_list(record: Record) -> str:
    """Returns, say, "Ana works as a baker, comes from Oslo and likes soup."."""
    did = [f"works as {world.with_article(record['job'])}"]
    if record["city"]:
        did.append(f"comes from {record['city']}")
    if record["food"]:
        did.append(f"likes {record['food']}")
    if record["pet"]:
        did.append(f"has {world.with_article(record['pet'])}")
    return f"{record['name']} {world.listed(did)}."


def to_fields(record: Record) -> Fields:
    """Gives the facts as `key: value` pairs and two ways to put them."""
    told = [f"{key}: {value}" for key, value in record.items() if value is not None]
    return {
        "facts": "; ".join(told),
        "name": record["name"],
        "answer": _in_one_sentence(record),
        "references": (_in_one_sentence(record), _as_a_list(record)),
    }


TASK = Task(
    name="mini_people",
    version=1,
    source=GrammarSource(
        name="mini_people", make=make, topic=("name", "job", "city", "food", "pet")
    ),
    to_fields=to_fields,
    fields=("facts", "name", "answer", "references"),
    templates=(
        Template("{facts}\nTurn these facts into a sentence."),
        Template("Write one sentence about {name}, using this profile: {facts}"),
        Template("Facts: {facts}\nSentence:"),
        Template("How would you introduce {name} to a guest? You know this much: {facts}"),
        Template("Say in plain English what the card says.\nCard: {facts}"),
        Template("Please put the entries ({facts}) together so that they read as prose."),
        Template("{name} is new here. Compose a line for the newsletter from the form. {facts}"),
        Template("Record: {facts}\nA sentence that leaves nothing out and adds nothing:"),
        Template("Database row: {facts}\nRewrite it for people who do not read databases."),
        Template(
            "Fill in the form, key by key, from this sentence: {answer}", "{facts}", inverted=True
        ),
    ),
    mode="generate",
    metrics=("rouge",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
