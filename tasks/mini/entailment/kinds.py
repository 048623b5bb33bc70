"""Does saying what a thing is make another statement about it true?"""

from __future__ import annotations

import collections
import functools
import itertools
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


_Answers = dict[str, list[tuple[_Statement, _Statement]]]


@functools.cache
def _shapes() -> tuple[tuple[_Answers, ...], ...]:
    """Returns premises and claims by answer, for each shape that allows two.

    A shape is what levels both words are of, member, kind or realm, and which
    of the statements are negated; none allows all three answers. Shapes with
    the same negations and answers stand together.
    """
    level = {word: place for path in _NAMED for place, word in enumerate(path) if word != "other"}
    statements = [_Statement(word, is_negated) for word in level for is_negated in (False, True)]
    shapes: dict[tuple[object, ...], _Answers] = {}
    for premise, claim in itertools.permutations(statements, 2):
        negations = premise.is_negated, claim.is_negated
        answers = shapes.setdefault((*negations, level[premise.word], level[claim.word]), {})
        answers.setdefault(_answer(premise, claim), []).append((premise, claim))
    groups: dict[tuple[object, ...], list[_Answers]] = collections.defaultdict(list)
    for shape, answers in shapes.items():
        if len(answers) == 2:
            groups[*shape[:2], *sorted(answers)].append(answers)
    return tuple(map(tuple, groups.values()))


def make(draw: Draw) -> Record:
    """Writes a premise and a claim of a shape that allows two answers.

    Each of the two is as frequent whatever the shape: only what belongs to
    what decides.
    """
    answers = draw.choice(draw.choice(_shapes()))
    answer = draw.choice(tuple(answers))
    premise, claim = draw.choice(answers[answer])
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
            "{options}\nPick the reply that fits. We know that {given}. Is it correct that {claim}?"
        ),
        Template("Fact: {premise}\nGuess: {hypothesis}\nIs the guess right?\n{options}"),
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
