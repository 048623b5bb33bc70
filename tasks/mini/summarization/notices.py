"""A wordy notice to a headline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

_OCCASIONS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "music": (world.KINDS["artefact"]["instrument"], ("concert", "lesson")),
    "food": (world.FOODS, ("contest", "tasting")),
    "pets": (world.PETS, ("parade", "show")),
    "things": (world.THINGS, ("auction", "sale")),
}
"""What there may be an occasion for, and the occasions."""

_VENUES = (
    "the castle", "the church", "the harbour", "the library", "the museum", "the old mill",
    "the school", "the station", "the theatre", "the town hall",
)  # fmt: skip

_HOURS = ("3", "3:30", "4", "4:30", "5", "5:30", "6", "6:30", "7", "7:30", "8", "8:30", "9", "10")

_MAX_NOTICE_BYTES = 160
"""A notice with every wording around it stays a short prompt."""


class _News(NamedTuple):
    """What a notice may have to say.

    Attributes:
      told: Fussy ways to say it: {what} at {venue} on {day} at {hour} is true,
        {old_venue} and {old_day} no longer are.
      headlines: Short ways, the plainest first.
    """

    told: tuple[str, ...]
    headlines: tuple[str, ...]


_NEWS = (
    _News(
        (
            (
                "the committee begs to announce that, all being well, {a_what} will be held at "
                "{venue} on {day} at {hour} sharp"
            ),
            (
                "it is our privilege to invite one and all to {a_what}, for which {venue} will "
                "open at {hour} on {day}"
            ),
            (
                "members of the public are advised that {day} will see, from {hour} onwards, "
                "{a_what} at {venue}"
            ),
        ),
        (
            "{what} at {venue} on {day} at {hour}",
            "{what}: {day} at {hour} at {venue}",
            "{day} at {hour}: {what} at {venue}",
        ),
    ),
    _News(
        (
            (
                "we deeply regret to say that the {what} foreseen for {day} at {venue} will, after "
                "all, not take place"
            ),
            (
                "despite its best efforts, {venue} finds itself unable to hold the {what} on "
                "{day}, as had been hoped"
            ),
        ),
        (
            "{what} at {venue} on {day} cancelled",
            "no {what} at {venue} on {day}",
            "{what} on {day} at {venue} is off",
        ),
    ),
    _News(
        (
            (
                "for reasons of a private nature, the {what} at {venue} will be held not on "
                "{old_day}, as printed, but on {day} at {hour}"
            ),
            (
                "those who had meant to attend the {what} at {venue} on {old_day} must kindly wait "
                "until {day} at {hour}"
            ),
        ),
        (
            "{what} at {venue} moved to {day} at {hour}",
            "{what} at {venue} now on {day} at {hour}",
        ),
    ),
    _News(
        (
            (
                "as {old_venue} is under repair, the {what} due there on {day} at {hour} will, "
                "with apologies, be held at {venue}"
            ),
            (
                "guests of the {what} on {day} at {hour} are most humbly asked to proceed not to "
                "{old_venue} but to {venue}"
            ),
        ),
        (
            "{what} on {day} at {hour} moved to {venue}",
            "{what} on {day} at {hour} now at {venue}",
        ),
    ),
)

_TAILS = (
    "",
    " Posted on {other_day}.",
    " Lost umbrellas lie at {other_venue}.",
    " Questions may be left at {other_venue}.",
    " Our office is shut on {other_day}.",
)
"""Days and places that a headline leaves out."""


def make(draw: Draw) -> Record:
    """Draws what is on or off or moved, says it at length, and in short."""
    subjects, occasions = _OCCASIONS[draw.choice(tuple(_OCCASIONS))]
    what = f"{draw.choice(subjects)} {draw.choice(occasions)}"
    venue, old_venue, other_venue = draw.sample(_VENUES, 3)
    day, old_day, other_day = draw.sample(world.DAYS, 3)
    news = draw.choice(_NEWS)
    words = {
        "what": what,
        "a_what": world.with_article(what),
        "venue": venue,
        "old_venue": old_venue,
        "other_venue": other_venue,
        "day": day,
        "old_day": old_day,
        "other_day": other_day,
        "hour": draw.choice(_HOURS),
    }
    told = world.sentence(draw.choice(news.told).format(**words))
    notice = told + draw.choice(_TAILS).format(**words)
    headlines = [world.sentence(h.format(**words)).removesuffix(".") for h in news.headlines]
    return {
        "notice": notice if len(notice) <= _MAX_NOTICE_BYTES else told,
        "headline": headlines[0],
        "variants": headlines,
    }


def to_fields(record: Record) -> Fields:
    """Gives the notice and its headlines."""
    return {
        "notice": record["notice"],
        "answer": record["headline"],
        "references": tuple(record["variants"]),
    }


TASK = Task(
    name="mini_notices",
    version=1,
    source=GrammarSource(name="mini_notices", make=make, topic=("headline",)),
    to_fields=to_fields,
    fields=("notice", "answer", "references"),
    templates=(
        Template("{notice}\nHeadline?"),
        Template("Cut these solemn words to a headline: {notice}"),
        Template("Paint a poster with the gist.\n{notice}"),
        Template("{notice} Plainly, please."),
        Template("Far too wordy: {notice}\nShort version:"),
        Template("A hurried reader grants you three seconds. {notice} Go!"),
        Template("Pinned to the board: {notice}\nFor the front page:"),
        Template("{notice}\nTelegraph that, without the courtesies:"),
        Template("What would a newspaper print in big letters?\n{notice}"),
        Template('The clerk drones on: "{notice}" You scribble just this:'),
    ),
    mode="generate",
    metrics=("rouge",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
