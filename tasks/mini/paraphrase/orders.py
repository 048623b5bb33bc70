"""Do two sentences tell the same two events in the same order of time?"""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

OPTIONS = ("yes", "no")

_DEEDS = (
    "baked a cake", "closed the gate", "combed the pony", "fed the goat", "filled the vase",
    "knocked at the door", "left the house", "lit the lamp", "made the soup", "mended the coat",
    "opened the box", "played the harp", "posted a letter", "rang the bell", "read the paper",
    "rode to town", "sang a song", "sharpened the axe", "swept the hall", "took a bath",
    "told a joke", "wound the clock", "walked the dog", "watered the roses",
)  # fmt: skip

_FORMS = {
    True: (
        "{early} before {late}",
        "after {early}, {late}",
        "first {early}, then {late}",
        "{early}, and afterwards {late}",
    ),
    False: (
        "{late} after {early}",
        "before {late}, {early}",
        "{late}, but before that {early}",
        "{late}, but {early} earlier",
    ),
}
"""Whether the earlier event is named first -> ways to say it."""


def make(draw: Draw) -> Record:
    """Writes two sentences of the same events, the order kept or swapped.

    Apart from the answer, it draws which event the first sentence names first
    and whether the second names the same one first. So neither the words, the
    same for both answers, nor the order of mention tell anything by themselves.
    """
    label = draw.choice(OPTIONS)
    begins_alike, is_in_order = draw.below(2) == 0, draw.below(2) == 0
    people, deeds = draw.sample(world.NAMES, 2), draw.sample(_DEEDS, 2)
    early, late = (f"{person} {deed}" for person, deed in zip(people, deeds, strict=True))
    first = draw.choice(_FORMS[is_in_order])
    turns = is_in_order == begins_alike
    second = draw.choice([form for form in _FORMS[turns == (label == "yes")] if form != first])
    then = (early, late) if label == "yes" else (late, early)
    return {
        "about": world.listed(sorted((early, late))),
        "first": first.format(early=early, late=late),
        "second": second.format(early=then[0], late=then[1]),
        "label": label,
    }


def to_fields(record: Record) -> Fields:
    """Gives both as sentences, and as clauses to build upon."""
    return {
        "first": world.sentence(record["first"]),
        "second": world.sentence(record["second"]),
        "one": record["first"],
        "other": record["second"],
        "options": OPTIONS,
        "answer": record["label"],
    }


TASK = Task(
    name="mini_orders",
    version=1,
    source=GrammarSource(name="mini_orders", make=make, topic=("about",)),
    to_fields=to_fields,
    fields=("first", "second", "one", "other", "options", "answer"),
    templates=(
        Template("{first}\n{second}\nIs the course of events unchanged?\n{options}"),
        Template("Timeline 1: {first}\nTimeline 2: {second}\nDo these run alike?\n{options}"),
        Template("The script has it that {one}. On film, {other}. Was it filmed as scripted?"),
        Template(
            "{options}\nMind the clock, not the style. {first} {second} Is the sequence kept?"
        ),
        Template(
            "Her diary: {first} His: {second} Are they at one on what came earlier? "
            "Yes or no will do."
        ),
        Template('From "{one}" a historian infers "{other}". Sound thinking?\n{options}'),
        Template("Act it out: {first} Now act out: {second} Was it the same scene?\n{options}"),
        Template(
            "Two versions reached us. {first} {second} Do they agree on the order?\n{options}"
        ),
        Template("Granted that {one}, is it safe to put down that {other}?\n{options}"),
        Template("On oath: {first}\nLater: {second}\nDoes this bear out the oath?\n{options}"),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
