"""Does saying what a thing is make another statement about it true?"""

from __future__ import annotations

import functools
from typing import NamedTuple

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

OPTIONS = ("yes", "no", "not possible to tell")

_SUBJECTS = ("what {name} drew was", "what {name} found was", "what {name} saw was")


class _Path(NamedTuple):
    """A member with its kind and realm; "other" stands for unnamed ones."""

    realm: str
    kind: str
    member: str


_NAMED = tuple(
    _Path(realm, kind, member)
    for realm, kinds in world.KINDS.items()
    for kind, members in kinds.items()
    for member in (*members, "other")
)
_POSSIBLE = frozenset(
    (*_NAMED, *(_Path(realm, "other", "other") for realm in world.KINDS), _Path(*["other"] * 3))
)
"""Everything that a thing may turn out to be."""


class _Statement(NamedTuple):
    """Says that a thing is, or is not, what a word means."""

    word: str
    is_negated: bool

    def clause(self, subject: str) -> str:
        return f"{subject} {'not ' * self.is_negated}{world.with_article(self.word)}"


@functools.cache
def _left_open(statement: _Statement) -> frozenset[_Path]:
    """Returns what the thing may still be if the statement is true."""
    meant = frozenset(path for path in _POSSIBLE if statement.word in path)
    return _POSSIBLE - meant if statement.is_negated else meant


def _answer(premise: _Statement, claim: _Statement) -> str:
    known, claimed = _left_open(premise), _left_open(claim)
    if known <= claimed:
        return "yes"
    return "not possible to tell" if known & claimed else "no"


def _statements(draw: Draw, *, is_negated: bool) -> tuple[_Statement, _Statement]:
    """Draws a premise, negated or not, and a claim often of the same kind."""
    told, other = draw.sample([path for path in _NAMED if path.member != "other"], 2)
    premise = draw.choice((told.member, told.member, told.kind))
    words = (told.kind, told.kind, told.realm, told.member, other.kind, other.realm, other.member)
    claim = draw.choice([word for word in words if word != premise])
    return _Statement(premise, is_negated), _Statement(claim, draw.below(3) == 0)


def make(draw: Draw) -> Record:
    """Writes a premise and a claim whose answer was drawn beforehand.

    So was the premise's "not", which therefore says nothing about the answer.
    """
    answer = draw.choice(OPTIONS)
    is_negated = draw.below(4) == 0
    premise, claim = _statements(draw, is_negated=is_negated)
    while _answer(premise, claim) != answer:
        premise, claim = _statements(draw, is_negated=is_negated)
    subject = draw.choice(_SUBJECTS).format(name=draw.choice(world.NAMES))
    return {"premise": premise.clause(subject), "claim": claim.clause(subject), "label": answer}


def to_fields(record: Record) -> Fields:
    """Gives both statements as sentences, and as clauses to build upon."""
    return {
        "given": record["premise"],
        "premise": world.sentence(record["premise"]),
        "claim": record["claim"],
        "hypothesis": world.sentence(record["claim"]),
        "options": OPTIONS,
        "answer": record["label"],
    }


TASK = Task(
    name="mini_kinds",
    version=1,
    source=GrammarSource(name="mini_kinds", make=make, topic=("premise",)),
    to_fields=to_fields,
    fields=("given", "premise", "claim", "hypothesis", "options", "answer"),
    templates=(
        Template("{premise}\nIs it then true that {claim}?\n{options}"),
        Template(
            "Premise: {premise}\nHypothesis: {hypothesis}\nIs the hypothesis true?\n{options}"
        ),
        Template("Suppose {given}. Would it also be true that {claim}?\n{options}"),
        Template(
            "I was told this: {premise}\nMy friend says: {hypothesis}\nIs that so?\n{options}"
        ),
        Template(
            "Given that {given}, is it the case that {claim}? "
            "Reply yes, no or not possible to tell."
        ),
        Template(
            "{options}\nPick the reply that fits. We know that {given}. "
            "Is the statement that {claim} correct?"
        ),
        Template("Fact: {premise}\nGuess: {hypothesis}\nDid the guess hit the truth?\n{options}"),
        Template("{hypothesis} Am I right about this? One thing is sure, that {given}.\n{options}"),
        Template(
            "Tell me whether {claim}. The only clue: {premise} "
            "You may say yes, no or not possible to tell."
        ),
        Template(
            "A note reads: {premise} If the note is right, is it a fact that {claim}?\n{options}"
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
