"""Did a person like the food or the city, to judge by what they did or said?"""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

OPTIONS = ("yes", "no")

_FOOD = {
    "yes": (
        "asked for more", "asked for the recipe", "could not stop eating", "licked the plate",
        "savoured every mouthful", "smiled at every mouthful", "took a second helping",
        "wanted it again",
    ),
    "no": (
        "gave up after one mouthful", "grimaced at every mouthful", "made a sour face",
        "pushed the plate away in disgust", "spat it out", "threw it away", "winced at the taste",
        "would not touch it again",
    ),
}  # fmt: skip

_CITY = {
    "yes": (
        "asked to stay longer", "booked a second trip", "could not bear to leave",
        "did not want to go home", "enjoyed every minute", "praised it to everyone",
        "took a hundred photos", "wanted to move there",
    ),
    "no": (
        "asked to go home", "complained every minute", "could not wait to leave",
        "did not want to stay", "left a day early", "swore never to return",
        "took the first train home", "warned everyone about it",
    ),
}  # fmt: skip

_OTHER = {"yes": "no", "no": "yes"}


def make(draw: Draw) -> Record:
    """Writes what one person did, or two who disagreed, and asks about one."""
    label = draw.choice(OPTIONS)
    if draw.below(2):
        thing, reactions = f"the {draw.choice(world.FOODS)}", _FOOD
        met = draw.choice(("tasted", "tried", "was served"))
    else:
        thing, reactions = draw.choice(world.CITIES), _CITY
        met = draw.choice(("saw", "toured", "visited"))
    person, other = draw.sample(world.NAMES, 2)
    did = f"{person} {draw.choice(reactions[label])}"
    other_did = f"{other} {draw.choice(reactions[_OTHER[label]])}"
    text = f"{person} {met} {thing} and {did.removeprefix(person).strip()}."
    if draw.below(2):
        met = "were served" if met == "was served" else met
        both = world.listed(draw.shuffled((person, other)))
        first, second = draw.shuffled((did, other_did))
        text = f"{both} {met} {thing}. {first}, but {second}."
    return {"text": text, "person": person, "thing": thing, "label": label}


def to_fields(record: Record) -> Fields:
    """Gives the text, the person asked about, and the thing they met."""
    return {
        "text": record["text"],
        "person": record["person"],
        "thing": record["thing"],
        "options": OPTIONS,
        "answer": record["label"],
    }


TASK = Task(
    name="mini_reactions",
    version=1,
    source=GrammarSource(name="mini_reactions", make=make, topic=("text",)),
    to_fields=to_fields,
    fields=("text", "person", "thing", "options", "answer"),
    templates=(
        Template("{text}\nDid {person} like {thing}?\n{options}"),
        Template("{text} Would {person} speak well of {thing}? Say yes or no."),
        Template("Was {person} pleased with {thing}? Read and answer.\n{text}\n{options}"),
        Template("Story: {text}\nQuestion: was {thing} a success with {person}?\n{options}"),
        Template(
            "Does the following sound as if {person} were happy with {thing}?\n{text}\n{options}"
        ),
        Template("{options}\nChoose one. {text} Did {thing} win {person} over?"),
        Template("Yes or no: did {thing} please {person}? {text}"),
        Template("Here is what happened. {text}\nDid {person} think highly of {thing}?\n{options}"),
        Template("Would {person} recommend {thing}? Let this guide you.\n{text}\n{options}"),
        Template(
            "Put yourself in the shoes of {person}. {text} Are you fond of {thing}?\n{options}"
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
