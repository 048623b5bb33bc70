"""What do all, some, not all or no things of one sort say about another sort?"""

from __future__ import annotations

import functools
import itertools
from typing import NamedTuple

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

OPTIONS = ("yes", "no", "not possible to tell")

_SORTS = ("{size} {thing}{s} {place}", "{thing}{s} {place}", "{thing}{s} in the house")
"""Each holds the one before, for the places are in the house."""

_PLACES = tuple(
    place
    for place in world.PLACES
    if place not in ("behind the door", "in the garden", "near the gate")
)

_FORMS = {
    "all": ("all the {sorts} are {colour}", "every {sort} is {colour}"),
    "no": ("no {sort} is {colour}", "not one {sort} is {colour}"),
    "some": ("one or more {sorts} are {colour}", "at least one {sort} is {colour}"),
    "not all": ("not every {sort} is {colour}", "at least one {sort} is not {colour}"),
}

_ROUNDS = 60
_NUM_ASPECTS = 4
_SHARES = 1_000_000


class _Statement(NamedTuple):
    """Says which things of a sort, an index into _SORTS, have a colour."""

    quantifier: str
    sort: int
    colour: str

    def holds(self, present: frozenset[tuple[int, str]]) -> bool:
        """Returns whether it is true where there are only those things.

        Each of them is the narrowest sort it belongs to, and its colour.
        """
        colours = {colour for sort, colour in present if sort <= self.sort}
        return {
            "all": colours <= {self.colour},
            "no": self.colour not in colours,
            "some": self.colour in colours,
            "not all": not colours <= {self.colour},
        }[self.quantifier]

    def speaks_of_any(self, present: frozenset[tuple[int, str]]) -> bool:
        """Returns whether there is a thing of its sort."""
        return any(sort <= self.sort for sort, _ in present)


_Pair = tuple[_Statement, _Statement]

_KINDS = tuple(itertools.product(range(len(_SORTS)), ("one", "other", "third")))
_STATES = tuple(
    frozenset(kinds)
    for size in range(len(_KINDS) + 1)
    for kinds in itertools.combinations(_KINDS, size)
)
"""Every set of things that there may be."""


def _answer(premise: _Statement, claim: _Statement) -> str | None:
    """Answers; None where it hangs on whether the claim speaks of any thing."""
    possible = [s for s in _STATES if premise.speaks_of_any(s) and premise.holds(s)]
    found = [{claim.holds(s) for s in possible}]
    found.append({claim.holds(s) for s in possible if claim.speaks_of_any(s)})
    if found[0] != found[1]:
        return None
    if len(found[0]) == 2:
        return "not possible to tell"
    return "yes" if True in found[0] else "no"


def _aspects(pair: _Pair) -> tuple[object, ...]:
    """Returns what must not tell the answer by itself."""
    premise, claim = pair
    return premise, claim.quantifier, claim.sort, claim.colour


@functools.cache
def _pairs() -> dict[str, list[tuple[int, _Pair]]]:
    """Returns premises and claims by answer, each with its share.

    The shares make each answer as frequent for any premise, and for any
    quantifier, sort and colour of a claim: they are fitted to one after the
    other until all hold (iterative proportional fitting).
    """
    words, colours = tuple(_FORMS), ("one", "other")
    pairs = {
        pair: answer
        for p, i, c, j, colour in itertools.product(words, (0, 1), words, (0, 1, 2), colours)
        if (pair := (_Statement(p, i, "one"), _Statement(c, j, colour)))[0] != pair[1]
        and (answer := _answer(*pair))
    }
    shares = dict.fromkeys(pairs, 1.0)
    for _, index in itertools.product(range(_ROUNDS), range(_NUM_ASPECTS)):
        sums: dict[tuple[object, str | None], float] = {}
        for pair, share in shares.items():
            about = _aspects(pair)[index]
            for key in ((about, pairs[pair]), (about, None)):
                sums[key] = sums.get(key, 0.0) + share
        for pair in shares:
            about = _aspects(pair)[index]
            shares[pair] *= sums[about, None] / (len(OPTIONS) * sums[about, pairs[pair]])
    found: dict[str, list[tuple[int, _Pair]]] = {option: [] for option in OPTIONS}
    for pair, share in shares.items():
        found[pairs[pair]].append((round(_SHARES * share), pair))
    return found


def _drawn(draw: Draw, answer: str) -> _Pair:
    shared = _pairs()[answer]
    place = draw.below(sum(share for share, _ in shared))
    for share, pair in shared:
        if place < share:
            return pair
        place -= share
    raise AssertionError("unreachable")


def make(draw: Draw) -> Record:
    """Writes a premise and a claim whose answer was drawn beforehand.

    Whatever the premise, and whatever quantifier, sort or colour the claim
    has, each answer is as frequent: only both together decide. Where it would
    hang on whether there is any thing of the sort claimed about, as in "all the
    cups, so some big cup", nothing is asked.
    """
    label = draw.choice(OPTIONS)
    premise, claim = _drawn(draw, label)
    colours = dict(zip(("one", "other"), draw.sample(world.COLOURS, 2), strict=True))
    thing, size, place = (draw.choice(it) for it in (world.THINGS, world.SIZES, _PLACES))

    def told(statement: _Statement) -> str:
        singular, plural = (
            _SORTS[statement.sort].format(size=size, thing=thing, place=place, s=ending)
            for ending in ("", "es" if thing.endswith("x") else "s")
        )
        form = draw.choice(_FORMS[statement.quantifier])
        return form.format(sort=singular, sorts=plural, colour=colours[statement.colour])

    return {"premise": told(premise), "claim": told(claim), "label": label}


def to_fields(record: Record) -> Fields:
    """Gives both statements as sentences, and as clauses to build upon."""
    return {
        "given": record["premise"],
        "premise": world.sentence(record["premise"]),
        "claim": record["claim"],
        "statement": world.sentence(record["claim"]),
        "options": OPTIONS,
        "answer": record["label"],
    }


TASK = Task(
    name="mini_collections",
    version=1,
    source=GrammarSource(name="mini_collections", make=make, topic=("premise",)),
    to_fields=to_fields,
    fields=("given", "premise", "claim", "statement", "options", "answer"),
    templates=(
        Template("{premise}\nAnd this, is it true? {statement}\n{options}"),
        Template("Inventory: {premise}\nIs it a fact there that {claim}?\n{options}"),
        Template('{options}\nGoing by what follows, is "{claim}" true? {premise}'),
        Template("The owner swears that {given}. Then {claim}, right?\n{options}"),
        Template(
            "Mind the little words. {premise} Is it so that {claim}: "
            "yes, no or not possible to tell?"
        ),
        Template("Is it true that {claim}? I only learned this: {premise}\n{options}"),
        Template("{statement}\nIs that so, according to the next line?\n{premise}\n{options}"),
        Template("Knowing that {given}, will one find that {claim}?\n{options}"),
        Template(
            'A guide to the house says "{claim}". Is he right? '
            "(yes / no / not possible to tell) Seen for sure: {premise}"
        ),
        Template("Guest: {statement} Owner: {premise} Is the guest right?\n{options}"),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
