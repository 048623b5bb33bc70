"""Do two sentences speak of the same amounts?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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

_CONFUSED = ((2, 4), (4, 8), (6, 12), (12, 24), (2, 24))
"""Amounts of which one is called by the other's number: "two" and "two pairs of"."""

_NEXT = ((2, 4), (4, 6), (6, 8), (8, 12), (12, 24), (24, 36))

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


def _kinds(draw: Draw) -> tuple[bool, bool]:
    """Draws whether each sentence tells the amount the long way; a third agree."""
    first = draw.below(2) == 0
    return first, first == (draw.below(3) == 0)


def _part(
    subject: str, verb: str, things: str, told: tuple[int, int], style: Sequence[bool]
) -> str:
    """Says that somebody did it to `told[0]` of `told[1]` things."""
    amount, total = told
    is_long, is_of_first = style
    number = f"all but {_NUMBERS[total - amount]}" if is_long else _NUMBERS[amount]
    whole = f"of the {_NUMBERS[total]} {things}"
    if is_of_first:
        return f"{whole}, {subject} {verb} {number}"
    return f"{subject} {verb} {number} {whole}"


def _parts(draw: Draw, *, is_same: bool) -> tuple[str, str, str]:
    """Writes "three of the five" and "all but two of the five"."""
    person, verb = draw.choice(world.NAMES), draw.choice(_HANDLED)
    things, total = world.plural(draw.choice(world.THINGS)), 4 + draw.below(9)
    is_long, is_long_next = _kinds(draw)
    if is_long != is_long_next and draw.below(2):
        amount = draw.choice([k for k in range(1, total) if 2 * k != total])
        amounts = [amount, total - amount]
    else:
        amount = 1 + draw.below(total - 2)
        amounts = draw.shuffled([amount, amount + 1])
    is_of_first = draw.below(2) == 0
    then = amounts[0] if is_same else amounts[1]
    styles = (is_long, is_of_first), (is_long_next, not is_of_first)
    return (
        f"{person} {verb} {things}, {total}",
        _part(person, verb, things, (amounts[0], total), styles[0]),
        _part(person, verb, things, (then, total), styles[1]),
    )


def _multiples(draw: Draw, *, is_same: bool) -> tuple[str, str, str]:
    """Writes what two people have, one of them twice as much as the other."""
    things, (a, b) = world.plural(draw.choice(world.THINGS)), draw.sample(world.NAMES, 2)
    low = 2 + draw.below(5)
    situations = [(a, b, low), (b, a, low)]
    if draw.below(3) == 0:
        low = 2 + draw.below(2)
        situations = [(a, b, low), (a, b, 2 * low)]
    situations = draw.shuffled(situations)
    chosen = situations[0], situations[0 if is_same else 1]
    first = draw.choice(draw.choice(_PEOPLE_FORMS))
    second = draw.choice([form for form in draw.choice(_PEOPLE_FORMS) if form != first])
    told = [
        form.format(more=more, less=less, things=things, low=_NUMBERS[n], high=_NUMBERS[2 * n])
        for form, (more, less, n) in zip((first, second), chosen, strict=True)
    ]
    return f"{world.listed(sorted((a, b)))}: {things}", told[0], told[1]


def _bundles(draw: Draw, *, is_same: bool) -> tuple[str, str, str]:
    """Writes "six socks" and "three pairs of socks"."""
    person, verb, things = (draw.choice(it) for it in (world.NAMES, _HANDLED, _PAIRED))
    kinds = _kinds(draw)
    amounts = draw.shuffled(draw.choice(_NEXT if kinds[0] == kinds[1] else _CONFUSED))
    told = amounts[0], amounts[0 if is_same else 1]
    numbers = [
        draw.choice(_BUNDLES[amount]) if is_long else _NUMBERS[amount]
        for amount, is_long in zip(told, kinds, strict=True)
    ]
    forms = draw.shuffled(
        (f"{person} {verb} {{}} {things}", f"what {person} {verb} was {{}} {things}")
    )
    first, second = (form.format(number) for form, number in zip(forms, numbers, strict=True))
    return f"{person} {verb} {things}", first, second


def make(draw: Draw) -> Record:
    """Writes an amount twice, or two amounts of which either might come first.

    Because the two amounts of a "no" change places freely, every number and
    turn of phrase is as frequent in a "yes". The sentences share a number in a
    third of both: a "yes" where they differ in the order of the words alone, a
    "no" where one amount is called by the other's number.
    """
    label = draw.choice(OPTIONS)
    write = draw.choice((_parts, _parts, _multiples, _bundles))
    about, first, second = write(draw, is_same=label == "yes")
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
