"""A diary's page to its one piece of news."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

_MAX_ENTRY_BYTES = 136
"""A page with every wording around it stays a short prompt."""

_WORDS: Mapping[str, tuple[str, ...]] = {
    "city": world.CITIES,
    "food": tuple(food for food in world.FOODS if food != "omelette"),
    "job": world.JOBS,
    "limb": ("ankle", "arm", "finger", "leg", "thumb", "toe", "wrist"),
    "name": world.NAMES,
    "pet": world.PETS,
    "thing": world.THINGS,
}


class _Event(NamedTuple):
    """What changes somebody's life.

    Attributes:
      kind: Of the word it is about, a key of _WORDS.
      told: Ways to tell it: {i}, {my} and {me} are whom it befell, {word} and
        {a_word} what it is about.
      summaries: Ways to sum it up, the plainest first; {who} is a name.
    """

    kind: str
    told: tuple[str, ...]
    summaries: tuple[str, ...]


_EVENTS = (
    _Event(
        "city",
        (
            "the boxes are unpacked in {my} new flat in {word}",
            "{i} left the old house for good and took a room in {word}",
        ),
        ("{who} moved to {word}.", "{who} now lives in {word}."),
    ),
    _Event(
        "job",
        (
            "{i} signed the contract and will start on Monday as {a_word}",
            "out of twenty people they chose {me} to be the new {word}",
        ),
        ("{who} got a job as {a_word}.", "{who} became {a_word}."),
    ),
    _Event(
        "job",
        (
            "{i} handed in the keys after ten years as {a_word}",
            "{my} very last day as {a_word} ended with flowers",
        ),
        ("{who} stopped working as {a_word}.", "{who} is no longer {a_word}."),
    ),
    _Event(
        "food",
        (
            "the jury put {my} {word} in first place",
            "{i} came home with the gold medal for the best {word}",
        ),
        ("{who} won a prize for {word}.", "{who} won first prize with {word}."),
    ),
    _Event(
        "pet",
        (
            "{my} {word} got out by the back gate and never came back",
            "all the calling was in vain: {my} {word} has run away",
        ),
        ("{who} lost {a_word}.", "{who}'s {word} is gone."),
    ),
    _Event(
        "pet",
        (
            "{i} came back from the shelter with {a_word} to keep",
            "from today {a_word} will share {my} home",
        ),
        ("{who} got {a_word}.", "{who} has {a_word} now."),
    ),
    _Event(
        "name",
        (
            "{word} and {i} exchanged rings before the whole town",
            "{word} and {i} left the town hall as newlyweds",
        ),
        ("{first} and {second} got married.", "{who} married {word}.", "{word} married {who}."),
    ),
    _Event(
        "thing",
        (
            "a thief got in by night and took {my} {word}",
            "the lock was forced, and {my} {word} is in the hands of thieves",
        ),
        ("{who}'s {word} was stolen.", "A thief took {who}'s {word}."),
    ),
    _Event(
        "limb",
        (
            "{i} fell off a ladder, and the X-ray shows a cracked {word}",
            "the plaster on {my} {word} must stay for six weeks",
        ),
        ("{who} broke {a_word}.", "{who} has a broken {word}."),
    ),
)

_PADDING = (
    ("food", "{Word} for lunch, as ever"),
    ("food", "Too much {word} at noon"),
    ("name", "Chatted with {word} over the fence"),
    ("name", "A long call from {word}"),
    ("city", "Read a chapter about {word}"),
    ("city", "A postcard from {word} came"),
    ("job", "Waved to the {word} next door"),
    ("job", "Ran into the {word} at the shop"),
    ("thing", "Dusted the {word} again"),
    ("thing", "Put the {word} back in its place"),
    ("pet", "The neighbours' {word} stared at me"),
    ("pet", "Saw {a_word} in the lane"),
    ("limb", "My {word} itched a bit"),
)
"""Kind of the word, and what happens on any day and changes nothing.

Their words are of the kinds that events are about: to find a city is not to find where somebody
moved.
"""


def _filled(text: str, word: str, **others: str) -> str:
    return text.format(word=word, Word=word.capitalize(), a_word=world.with_article(word), **others)


def _padding(draw: Draw, count: int, names: Sequence[str], news: str) -> list[str]:
    """Writes that many everyday sentences; they name only `names` and not `news`."""
    told = []
    for kind, text in draw.sample(_PADDING, count):
        words = names if kind == "name" else _WORDS[kind]
        word = draw.choice([word for word in words if word != news])
        told.append(_filled(f"{text}.", word))
    return told


def make(draw: Draw) -> Record:
    """Writes one event of the writer or a friend, and everyday sentences.

    The event stands first, between or last with equal chance.
    """
    writer, friend, partner, *others = draw.sample(world.NAMES, 6)
    event = draw.choice(_EVENTS)
    is_writer = draw.below(2) == 0
    who = writer if is_writer else friend
    person = {"i": "I", "my": "my", "me": "me"}
    if not is_writer:
        person = {"i": friend, "my": f"{friend}'s", "me": friend}
    word = partner if event.kind == "name" else draw.choice(_WORDS[event.kind])
    told = world.sentence(_filled(draw.choice(event.told), word, **person))
    count = draw.choice((1, 2))
    entry = " ".join(draw.shuffled([told, *_padding(draw, count, others, word)]))
    while len(entry) > _MAX_ENTRY_BYTES:
        entry = " ".join(draw.shuffled([told, *_padding(draw, count, others, word)]))
    first, second = sorted((who, word))
    summaries = [_filled(s, word, who=who, first=first, second=second) for s in event.summaries]
    return {"writer": writer, "entry": entry, "event": summaries[0], "variants": summaries}


def to_fields(record: Record) -> Fields:
    """Gives the page, who wrote it, and ways to sum it up."""
    return {
        "writer": record["writer"],
        "entry": record["entry"],
        "answer": record["event"],
        "references": tuple(record["variants"]),
    }


TASK = Task(
    name="mini_diaries",
    version=1,
    source=GrammarSource(name="mini_diaries", make=make, topic=("event",)),
    to_fields=to_fields,
    fields=("writer", "entry", "answer", "references"),
    templates=(
        Template("{writer}'s diary: {entry}\nSo what is the news?"),
        Template("{entry}\nSigned {writer}\nSum up whatever changed for somebody, in one line."),
        Template("Tonight {writer} wrote: {entry} Keep just the part that matters."),
        Template("One line for the family chronicle, out of a page by {writer}: {entry}"),
        Template("The day of {writer} at length: {entry} And in brief?"),
        Template("Most of this is idle chatter. Which event is not?\n{writer} notes: {entry}"),
        Template('{writer} confided to you: "{entry}" What would you pass on to others?'),
        Template("Skip the trifles that {writer} jots down. {entry} What remains?"),
        Template("Strip the page to its single big event.\n{entry}\n({writer})"),
        Template("Years later {writer} rereads: {entry} Which memory is worth a caption?"),
    ),
    mode="generate",
    metrics=("rouge",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
