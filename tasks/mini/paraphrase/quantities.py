"""Do two sentences speak of the same amounts?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

OPTIONS = ("yes", "no")

_NUMBERS: Mapping[int, str] = {
    **dict(enumerate(world.NUMBERS, start=1)),
    24: "twenty-four",
    36: "thirty-six",
}

_HANDLED = ("cleaned", "counted", "drew", "kept", "lost", "moved", "packed", "sold", "wanted")

_PAIRED = ("boots", "earrings", "gloves", "mittens", "sandals", "shoes", "slippers", "socks")

_BUNDLES: Mapping[int, tuple[str, ...]] = {
    2: ("a pair of",),
    4: ("two pairs of",),
    6: ("half a dozen", "three pairs of"),
    8: ("four pairs of",),
    12: ("a dozen", "six pairs of"),
    24: ("two dozen", "twelve pairs of"),
    36: ("three dozen",),
}
"""Amount -> what else it is called."""

_PEOPLE_FORMS = (
    (
        "{more} has {high} {things} and {less} has {low}",
        "{more} has twice as many {things} as {less}, who has {low}",
        "{more} has {low} more {things} than {less}, who has {low}",
    ),
    (
        "{less} has {low} {things} and {more} has {high}",
        "{less} has half as many {things} as {more}, who has {high}",
        "{less} has {low} fewer {things} than {more}, who has {high}",
    ),
)
"""All say that {more} has {high}, twice what {less} has, {low}; who is named first differs."""


_Told = tuple[str, str, tuple[str, str]]
"""What it is about, a sentence, and another of the same amounts and one of other amounts."""


def _part(
    subject: str, verb: str, things: str, told: tuple[int, int], *, is_long: bool, is_of_first: bool
) -> str:
    """Says that somebody did it to `told[0]` of `told[1]` things."""
    amount, total = told
    number = f"all but {_NUMBERS[total - amount]}" if is_long else _NUMBERS[amount]
    whole = f"of the {_NUMBERS[total]} {things}"
    if is_of_first:
        return f"{whole}, {subject} {verb} {number}"
    return f"{subject} {verb} {number} {whole}"


def _parts(draw: Draw) -> _Told:
    """Writes "three of the five" and "all but two of the five"."""
    person, verb = draw.choice(world.NAMES), draw.choice(_HANDLED)
    things, total = world.plural(draw.choice(world.THINGS)), 4 + draw.below(9)
    is_long, is_of_first = draw.below(2) == 0, draw.below(2) == 0
    amount = 1 + draw.below(total - 2)
    amounts = draw.shuffled([amount, amount + 1])

    def told(amount: int, *, is_next: bool) -> str:
        return _part(
            person,
            verb,
            things,
            (amount, total),
            is_long=is_long != is_next,
            is_of_first=is_of_first != is_next,
        )

    seconds = told(amounts[0], is_next=True), told(amounts[1], is_next=True)
    return f"{person} {verb} {things}, {total}", told(amounts[0], is_next=False), seconds


def _multiples(draw: Draw) -> _Told:
    """Writes what two people have, one of them twice as much as the other."""
    things, (a, b) = world.plural(draw.choice(world.THINGS)), draw.sample(world.NAMES, 2)
    low = 2 + draw.below(5)
    situations = [(a, b, low), (b, a, low)]
    if draw.below(2):
        low = 2 + draw.below(2)
        situations = [(a, b, low), (a, b, 2 * low)]
    situations = draw.shuffled(situations)
    first = draw.choice(draw.choice(_PEOPLE_FORMS))
    second = draw.choice([form for form in draw.choice(_PEOPLE_FORMS) if form != first])

    def told(form: str, more: str, less: str, n: int) -> str:
        return form.format(
            more=more, less=less, things=things, low=_NUMBERS[n], high=_NUMBERS[2 * n]
        )

    seconds = told(second, *situations[0]), told(second, *situations[1])
    return f"{world.listed(sorted((a, b)))}: {things}", told(first, *situations[0]), seconds


def _bundles(draw: Draw) -> _Told:
    """Writes "six socks" and "three pairs of socks"."""
    person, verb, things = (draw.choice(it) for it in (world.NAMES, _HANDLED, _PAIRED))
    place = draw.below(len(_BUNDLES) - 2)
    amount, other = draw.sample(tuple(_BUNDLES)[place : place + 3], 2)
    words = {number: (_NUMBERS[number], *_BUNDLES[number]) for number in (amount, other)}
    number, same = draw.sample(words[amount], 2)
    forms = draw.shuffled(
        (f"{person} {verb} {{}} {things}", f"what {person} {verb} was {{}} {things}")
    )
    seconds = forms[1].format(same), forms[1].format(draw.choice(words[other]))
    return f"{person} {verb} {things}", forms[0].format(number), seconds


def _overlap(first: str, second: str) -> tuple[int, int]:
    """Returns how many words both have, and how many only one of them."""
    a, b = (set(re.findall(r"[\w-]+", clause)) for clause in (first, second))
    return len(a & b), len(a ^ b)


def make(draw: Draw) -> Record:
    """Writes an amount twice, or two amounts of which either might come first.

    Because the two amounts of a "no" change places freely, every number and
    turn of phrase is as frequent in a "yes". And a sentence is taken only if
    the same amounts, said anew, and the others share as many words with it:
    what differs is what the words add up to.
    """
    label = draw.choice(OPTIONS)
    write = draw.choice((_parts, _parts, _multiples, _bundles))
    about, first, (same, other) = write(draw)
    while _overlap(first, same) != _overlap(first, other):
        about, first, (same, other) = write(draw)
    second = same if label == "yes" else other
    return {"about": about, "first": first, "second": second, "label": label}


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
    name="mini_quantities",
    version=1,
    source=GrammarSource(name="mini_quantities", make=make, topic=("about",)),
    to_fields=to_fields,
    fields=("first", "second", "one", "other", "options", "answer"),
    templates=(
        Template("{first}\n{second}\nDo they agree to the last piece?\n{options}"),
        Template("Ledger: {first} Receipt: {second} Do ledger and receipt tally?\n{options}"),
        Template("Count along. {first} Is that as much as to say that {other}?\n{options}"),
        Template("{options}\nDo the figures come out equal? {first} {second}"),
        Template(
            "{first} Knowing this, may I tell people that {other}? Mind the numbers: yes or no?"
        ),
        Template('A pupil turns "{one}" into "{other}". Correctly reckoned?\n{options}'),
        Template("One clerk: {first} Next clerk: {second} Do their counts match?\n{options}"),
        Template(
            "Put a figure to every line, then compare.\n{first}\n{second}\n"
            "Equal? Say so with yes or no."
        ),
        Template("{first}\nCan one say, and miscount nothing, that {other}?\n{options}"),
        Template("Told: {first} Retold: {second} Is every amount intact?\n{options}"),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
