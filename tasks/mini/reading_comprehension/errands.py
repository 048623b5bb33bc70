"""Who went where to get what? Three errands, and a question on one of them."""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import facts, world
from flanjax.tasks.mini.source import Draw, GrammarSource

_PLACES = (
    "abbey", "barn", "camp", "castle", "dock", "factory", "fair", "farm", "ferry", "fort", "inn",
    "lodge", "market", "mill", "pier", "port", "school", "station", "tower", "villa",
)  # fmt: skip
"""Where anything may be had, so that no place suggests a ware."""

_ASKED = (
    ("who", "Who got the {what}?"),
    ("who", "Who went to the {where}?"),
    ("where", "Where did {who} go?"),
    ("where", "Where were the {what} from?"),
    ("what", "What did {who} get?"),
    ("what", "What came from the {where}?"),
)
"""What is asked for, and how; one of the other two is told."""

_SINGULAR = ("cloth", "lace", "salt", "soap", "tea", "wax")


def _errands(draw: Draw, errands: list[dict[str, str]]) -> str:
    """Tells the errands in a sentence that leaves out what repeats."""
    head, tail = draw.choice(
        (
            ("{who} went to the {where} for {what}", "{who} to the {where} for {what}"),
            ("{who} got {what} at the {where}", "{who} {what} at the {where}"),
            ("{what} were fetched from the {where} by {who}", "{what} from the {where} by {who}"),
        )
    )
    if head.startswith("{what}") and errands[0]["what"] in _SINGULAR:
        head = head.replace("were", "was")
    clauses = [head.format(**errands[0]), *(tail.format(**each) for each in errands[1:])]
    return world.sentence(world.listed(clauses))


def make(draw: Draw) -> Record:
    """Writes three errands and asks for a part of any one of them.

    The options are the three persons, places or wares that are told.
    """
    names = draw.sample(world.NAMES, 3)
    places = draw.sample(_PLACES, 3)
    wares = draw.sample(facts.WARES, 3)
    errands = [
        {"who": who, "where": where, "what": what}
        for who, where, what in zip(names, places, wares, strict=True)
    ]
    wanted, question = draw.choice(_ASKED)
    errand = draw.choice(errands)
    if errand["what"] in _SINGULAR:
        question = question.replace("were", "was")
    return {
        "passage": _errands(draw, errands),
        "question": question.format(**errand),
        "choices": draw.shuffled([each[wanted] for each in errands]),
        "answer": errand[wanted],
    }


def to_fields(record: Record) -> Fields:
    """Gives the errands, the question and the options."""
    return {
        "errands": record["passage"],
        "question": record["question"],
        "options": tuple(record["choices"]),
        "answer": record["answer"],
    }


TASK = Task(
    name="mini_errands",
    version=1,
    source=GrammarSource(name="mini_errands", make=make, topic=("passage",)),
    to_fields=to_fields,
    fields=("errands", "question", "options", "answer"),
    templates=(
        Template("{errands} {question}\n{options}"),
        Template("Errands: {errands}\n{question}\n{options}"),
        Template("{question}\n{options}\nLogbook: {errands}"),
        Template("Three went out this morning. {errands} Now tell me: {question}"),
        Template("{errands}\nOne check: {question}\n{options}"),
        Template("{options}\nDeliveries: {errands} {question}"),
        Template("Mother sent them all out. {errands} In the evening she asks: {question}"),
        Template("{question} This is how it went: {errands}\n{options}"),
        Template("Do not mix them up! {errands}\nA word is enough. {question}"),
        Template(
            "{errands}\nFind a question on these errands that has this answer: {answer}",
            "{question}",
            inverted=True,
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
