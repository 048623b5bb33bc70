"""Who did it? A few lines about people and things, and a question on one."""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

_DEEDS = ("cleaned", "dropped", "found", "hid", "lost", "moved", "painted")

_PARTICIPLES = {"hid": "hidden"}
"""Where they differ from the past tense."""

_TRANSFERS = (("gave", "was given"), ("lent", "was lent"), ("sold", "was sold"))


def _deed(draw: Draw, actor: str, thing: str) -> tuple[str, str, str]:
    """Returns a sentence, a question about it, and the answer."""
    verb = draw.choice(_DEEDS)
    told = draw.choice(
        (
            f"{actor} {verb} the {thing}.",
            f"The {thing} was {_PARTICIPLES.get(verb, verb)} by {actor}.",
        )
    )
    return told, f"Who {verb} the {thing}?", actor


def _transfer(draw: Draw, giver: str, taker: str, thing: str) -> tuple[str, str, str]:
    """Returns a sentence, a question about it, and the answer."""
    verb, passive = draw.choice(_TRANSFERS)
    told = draw.choice(
        (
            f"{giver} {verb} {taker} the {thing}.",
            f"{giver} {verb} the {thing} to {taker}.",
            f"{taker} {passive} the {thing} by {giver}.",
        )
    )
    question, answer = draw.choice(
        ((f"Who {passive} the {thing}?", taker), (f"Who {verb} somebody the {thing}?", giver))
    )
    return told, question, answer


def make(draw: Draw) -> Record:
    """Writes two deeds and perhaps a transfer, and asks about one of them."""
    actor, other, giver, taker = draw.sample(world.NAMES, 4)
    first, second, third = draw.sample(world.THINGS, 3)
    deeds = [_deed(draw, actor, first), _deed(draw, other, second)]
    transfer = _transfer(draw, giver, draw.choice((actor, taker)), third)
    events = draw.choice((deeds, [deeds[0], transfer]))
    told = draw.shuffled(events)
    passage = " ".join(text for text, _, _ in told)
    _, question, answer = draw.choice(events)
    people = [name for name in (actor, other, giver, taker) if _is_named(name, passage)]
    return {
        "passage": passage,
        "question": question,
        "choices": Draw(passage, question).shuffled(people),
        "answer": answer,
    }


def _is_named(name: str, passage: str) -> bool:
    return name in passage.replace(".", "").split()


def to_fields(record: Record) -> Fields:
    """Gives passage and question; the options are the people named."""
    return {
        "passage": record["passage"],
        "question": record["question"],
        "options": tuple(record["choices"]),
        "answer": record["answer"],
    }


TASK = Task(
    name="mini_events",
    version=1,
    source=GrammarSource(name="mini_events", make=make, topic=("passage",)),
    to_fields=to_fields,
    fields=("passage", "question", "options", "answer"),
    templates=(
        Template("{passage}\n{question}\n{options}"),
        Template("Passage: {passage}\nQuestion: {question}\nAnswer with a name.\n{options}"),
        Template("{question} Find the person in this report: {passage}\n{options}"),
        Template("A witness says: {passage} The inspector asks: {question}"),
        Template("{options}\nOne of them is the answer. {passage} {question}"),
        Template("Read slowly, for you will be asked one thing. {passage}\n{question}\n{options}"),
        Template("It was a busy day. {passage} Now tell me, please. {question}\n{options}"),
        Template('Somebody texts you "{question}" and all you have is this: {passage}'),
        Template("Look up the name in the diary.\nDiary: {passage}\nWanted: {question}\n{options}"),
        Template(
            "{passage}\nAsk something about these events to which the answer is {answer}.",
            "{question}",
            inverted=True,
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
