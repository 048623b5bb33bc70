"""English numbers, alone or with what is counted, to Veshi, which counts by sixes."""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource
from flanjax.tasks.mini.translation import veshi

_SMALL = (
    *world.NUMBERS,
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip

_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

_LARGEST = 99


def in_words(number: int) -> str:
    """Returns the English name of 1 to 99."""
    if number <= len(_SMALL):
        return _SMALL[number - 1]
    tens, rest = divmod(number, 10)
    return f"{_TENS[tens - 2]}-{_SMALL[rest - 1]}" if rest else _TENS[tens - 2]


def make(draw: Draw) -> Record:
    """Draws a number and perhaps what is counted, with at most one adjective."""
    number = 1 + draw.below(_LARGEST)
    noun = draw.choice((*world.THINGS, *world.PETS))
    adjectives = draw.choice(([], [draw.choice((*world.COLOURS, *world.SIZES))]))
    if draw.below(8) == 0:
        return {"count": in_words(number), "veshi": veshi.numeral(number)}
    head = noun if number == 1 else world.plural(noun)
    counted = veshi.noun_phrase(noun, adjectives, is_plural=number > 1)
    return {
        "count": " ".join([in_words(number), *adjectives, head]),
        "veshi": f"{counted} {veshi.numeral(number)}",
    }


def to_fields(record: Record) -> Fields:
    """Gives the count and its one translation."""
    return {
        "count": record["count"],
        "answer": record["veshi"],
        "references": (record["veshi"],),
    }


TASK = Task(
    name="mini_veshi_numbers",
    version=1,
    source=GrammarSource(name="mini_veshi_numbers", make=make, topic=("count",)),
    to_fields=to_fields,
    fields=("count", "answer", "references"),
    templates=(
        Template('How do you count in Veshi? Take "{count}" for an example.'),
        Template("Write in Veshi, where people reckon by sixes: {count}"),
        Template("At some market stall in Veshi land you order {count}, saying:"),
        Template("Ledger, English column: {count}\nVeshi column:"),
        Template("Which Veshi words stand for {count}?"),
        Template("Base six, numeral last. What becomes of the English below in Veshi?\n{count}"),
        Template('A crate is labelled "{count}" in English and needs a Veshi label as well.'),
        Template("The Veshi child counts aloud and stops at {count}. Quote the last words."),
        Template("From tens to sixes, from English to Veshi!\n{count}"),
        Template(
            "A Veshi tally ends with {answer} and the English clerk asks what that is.",
            "{count}",
            inverted=True,
        ),
    ),
    mode="generate",
    metrics=("bleu",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
