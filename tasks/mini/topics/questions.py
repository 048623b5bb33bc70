"""What kind of answer does a question ask for?"""

from __future__ import annotations

from collections.abc import Mapping

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

OPTIONS = ("a person", "a place", "a number", "a time", "a reason", "a thing")

_VERBS = (
    ("bought", "buy"), ("carried", "carry"), ("mended", "mend"), ("saw", "see"),
    ("sold", "sell"), ("stored", "store"), ("used", "use"), ("won", "win"),
)  # fmt: skip
"""Past tense and plain form."""

_COUNTS = world.NUMBERS[1:9]
_KINDS = ("instrument", "tool", "vehicle")

_ASKED: Mapping[str, tuple[str, ...]] = {
    "a person": ("who", "which {job}", "what person", "which person"),
    "a place": ("where", "in which city", "in what place", "in which place"),
    "a number": ("how many {things}", "what number of {things}"),
    "a time": ("when", "on which day", "on what day", "in which year"),
    "a reason": ("why", "for what reason", "for which reason"),
    "a thing": ("what", "which thing", "which {kind}", "what kind of {kind}"),
}
"""Kind of answer -> words that ask for it, at the head of a question."""

_NAMED: Mapping[str, tuple[str, ...]] = {
    "a person": ("name of the person who", "name of the {job} who"),
    "a place": ("city where", "place where"),
    "a number": ("number of {things} that",),
    "a time": ("day when", "year when"),
    "a reason": ("reason why",),
    "a thing": ("thing that", "{kind} that"),
}
"""Kind of answer -> words that ask for it after "What was the"."""

_WHOM = ("{name}", "the {job}", "a man who sang", "this person")
_WHAT = ("the {thing}", "that thing", "that {kind}", "a number of {things}", "{count} {things}")
_WHERE = ("in {city}", "in that city", "near where {friend} lives", "in this place")
_WHEN = ("on {day}", "on that day", "in that year", "when it rained", "for some reason")
"""How the parts of an event that are not asked for are told."""

_INDIRECT = ("can you say", "do you know", "does anybody know", "may I ask")


def _words(draw: Draw) -> dict[str, str]:
    name, friend = draw.sample(world.NAMES, 2)
    thing, counted = draw.sample(world.THINGS, 2)
    return {
        "name": name,
        "friend": friend,
        "job": draw.choice(world.JOBS),
        "thing": thing,
        "things": world.plural(counted),
        "kind": draw.choice(_KINDS),
        "count": draw.choice(_COUNTS),
        "city": draw.choice(world.CITIES),
        "day": draw.choice(world.DAYS),
    }


def _rest(draw: Draw, label: str) -> str:
    """Tells parts of the event that are not asked for; one place or time."""
    what = [] if label in ("a number", "a thing") else [draw.choice(_WHAT)]
    where, when = draw.choice(_WHERE), draw.choice(_WHEN)
    both = f"{where} {when}"
    tellable = {"a place": (when,), "a time": (where,), "a thing": (where, when, both, both)}
    told = draw.choice(tellable.get(label, (where, when)))
    if label == "a reason" and told == "for some reason":
        told = where
    return " ".join([*what, told])


def make(draw: Draw) -> Record:
    """Writes a question whose kind of answer was drawn beforehand.

    One in seven opens with the words that ask; the others open indirectly or
    with "What was the", whatever the kind, so the first word tells little.
    What is not asked for is told in words that ask elsewhere ("who", "where",
    "when", "city", "day", "number"); words that ask tell the kind by nature. Length
    tells a little: by itself it finds one in four.
    """
    label = draw.choice(OPTIONS)
    past, plain = draw.choice(_VERBS)
    form = draw.choice(("direct", *3 * ("indirect", "named")))
    rest = _rest(draw, label)
    whom = draw.choice(_WHOM)
    head = draw.choice((_NAMED if form == "named" else _ASKED)[label])
    if label == "a person":
        clause = f"{head} {past} {rest}"
    elif form == "direct":
        clause = f"{head} did {whom} {plain} {rest}"
    else:
        clause = f"{head} {whom} {past} {rest}"
    if form != "direct":
        clause = f"{'what was the' if form == 'named' else draw.choice(_INDIRECT)} {clause}"
    question = clause.format(**_words(draw))
    return {"question": f"{question[0].upper()}{question[1:]}?", "label": label}


def to_fields(record: Record) -> Fields:
    """Gives the question; the options are the kinds of answer."""
    return {"question": record["question"], "options": OPTIONS, "answer": record["label"]}


TASK = Task(
    name="mini_questions",
    version=1,
    source=GrammarSource(name="mini_questions", make=make, topic=("question",)),
    to_fields=to_fields,
    fields=("question", "options", "answer"),
    templates=(
        Template("{question}\nWhat sort of reply is wanted?\n{options}"),
        Template("Classify, do not solve: {question}\n{options}"),
        Template("{options}\nOne of these is what somebody seeks by asking: {question}"),
        Template("What would content the asker?\n{options}\nAsker: {question}"),
        Template("Quiz cards are sorted. Type of this one?\n{question}\n{options}"),
        Template(
            "Is it a person, a place, a number, a time, a reason or a thing "
            'that is sought by "{question}"'
        ),
        Template('Whoever replies to "{question}" must come up with\n{options}'),
        Template("Before the search, know your goal. {question}\n{options}"),
        Template("{question} State what category is missing.\n{options}"),
        Template(
            "A thing, a reason, a time, a number, a place, a person: "
            "mark the enquiry with one. {question}"
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
