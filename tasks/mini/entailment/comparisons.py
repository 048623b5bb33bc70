"""Do one or two comparisons settle a third?"""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

OPTIONS = ("yes", "no", "not possible to tell")

_THINGS = tuple(f"the {thing}" for thing in world.THINGS)

_SCALES = (
    ("taller", "shorter", world.NAMES),
    ("older", "younger", world.NAMES),
    ("faster", "slower", world.NAMES),
    ("bigger", "smaller", _THINGS),
    ("heavier", "lighter", _THINGS),
)
"""The word for more, the word for less, and who or what is compared."""


def _answer(facts: list[tuple[str, str]], more: str, less: str) -> str:
    """Answers whether `more` stands above `less`, given at most two facts."""
    above = {*facts, *((a, d) for a, b in facts for c, d in facts if b == c)}
    if (more, less) in above:
        return "yes"
    return "no" if (less, more) in above else "not possible to tell"


def _situation(
    draw: Draw, ranked: list[str], num_facts: int
) -> tuple[list[tuple[str, str]], str, str]:
    """Draws facts in which `ranked` goes downwards, and a pair to ask about."""
    first, second, third = ranked
    facts = draw.sample([(first, second), (second, third), (first, third)], num_facts)
    more, less = draw.sample(ranked, 2)
    return facts, more, less


def make(draw: Draw) -> Record:
    """Writes facts and a claim whose answer was drawn beforehand.

    So was the number of facts, which therefore says nothing about the answer.
    One fact leaves open only what it does not name, so most records have two.
    A claim that a fact makes word for word is mostly turned round.
    """
    answer = draw.choice(OPTIONS)
    num_facts = draw.choice((1, 2, 2, 2))
    up, down, compared = draw.choice(_SCALES)
    ranked = draw.sample(compared, 3)
    facts, more, less = _situation(draw, ranked, num_facts)
    while _answer(facts, more, less) != answer:
        facts, more, less = _situation(draw, ranked, num_facts)
    premise = [_compared(fact, draw.choice((up, down)), down) for fact in facts]
    claim = _compared((more, less), draw.choice((up, down)), down)
    if claim in premise and draw.below(4):
        claim = _compared((more, less), up if claim[1] == down else down, down)
    subject, word, other = claim
    return {
        "premise": " ".join(world.sentence(f"{a} is {b} than {c}") for a, b, c in premise),
        "subject": subject,
        "relation": f"{word} than {other}",
        "label": answer,
    }


def _compared(pair: tuple[str, str], word: str, down: str) -> tuple[str, str, str]:
    """Returns subject, word and object; the word for less turns the pair."""
    more, less = pair
    return (less, word, more) if word == down else (more, word, less)


def to_fields(record: Record) -> Fields:
    """Gives the claim as a clause, a sentence and a question."""
    claim = f"{record['subject']} is {record['relation']}"
    return {
        "facts": record["premise"],
        "claim": claim,
        "statement": world.sentence(claim),
        "question": f"Is {record['subject']} {record['relation']}?",
        "options": OPTIONS,
        "answer": record["label"],
    }


TASK = Task(
    name="mini_comparisons",
    version=1,
    source=GrammarSource(name="mini_comparisons", make=make, topic=("premise",)),
    to_fields=to_fields,
    fields=("facts", "claim", "statement", "question", "options", "answer"),
    templates=(
        Template("{facts}\n{question}\n{options}"),
        Template("Compare with care. {facts} {question} Write yes, no or not possible to tell."),
        Template("Problem: {question}\nGiven: {facts}\nAnswer with one of these.\n{options}"),
        Template("Statement: {statement}\nIs it correct? Use these notes. {facts}\n{options}"),
        Template("All you read is this: {facts} You bet that {claim}. Do you win?\n{options}"),
        Template("{facts} Taking this as settled, does it hold that {claim}?\n{options}"),
        Template("{question} All we know so far: {facts}\n{options}"),
        Template(
            "Somebody reports: {facts} Say yes, no or not possible to tell "
            "to the claim that {claim}."
        ),
        Template("First read this: {facts}\nThen consider: {question}\n{options}"),
        Template("{options}\nTick one box. {facts} {question}"),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
