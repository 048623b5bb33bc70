"""Did the writer of a letter enjoy the outing or the parcel, all in all?"""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

OPTIONS = ("positive", "negative")

_OUTING = "day out"
_PARCEL = "parcel"

_GOALS = ("castle", "circus", "fair", "forest", "lake", "seaside", "theatre", "zoo")

_MOODS = {
    "positive": (
        "I beamed with joy", "I danced about", "I felt blessed", "I hummed with delight",
        "I laughed out loud", "I was in high spirits", "I was over the moon", "my heart leapt",
    ),
    "negative": (
        "I felt cheated", "I fought back tears", "I grumbled", "I groaned with dismay",
        "I sulked", "I was close to despair", "I was in a foul mood", "my heart sank",
    ),
}  # fmt: skip

_OTHER = {"positive": "negative", "negative": "positive"}


def _opening(draw: Draw, subject: str) -> str:
    """Tells what the letter is about, without any feeling."""
    day = draw.choice(world.DAYS)
    if subject == _OUTING:
        goal = draw.choice(_GOALS)
        return draw.choice((f"on {day} we went to the {goal}", f"we saw the {goal} on {day}"))
    thing = f"{draw.choice(world.COLOURS)} {draw.choice(world.THINGS)}"
    return draw.choice((f"the {thing} came by post on {day}", f"{day}'s post brought the {thing}"))


def _feeling(draw: Draw, label: str) -> str:
    """Writes one feeling, two of a kind, or a turn of which the later one counts."""
    first, second = draw.sample(_MOODS[label], 2)
    before = draw.choice(_MOODS[_OTHER[label]])
    plain = (f"{first}.", f"{first}, and {second}.")
    turned = (
        f"At first {before}, but in the end {first}.",
        f"In the end {first}, though at first {before}.",
        f"{_raised(first)}, even though for a moment {before}.",
        f"For a moment {before}. After that {first}.",
    )
    return _raised(draw.choice(draw.choice((plain, turned, turned))))


def _raised(text: str) -> str:
    return text[0].upper() + text[1:]


def make(draw: Draw) -> Record:
    """Writes a letter whose mood was drawn beforehand.

    Two of three letters turn, and so hold words of both moods; the one that
    counts stands first as often as last. In the rest words tell the mood, as
    is the nature of the task.
    """
    label = draw.choice(OPTIONS)
    subject = draw.choice((_OUTING, _PARCEL))
    reader = draw.choice(world.NAMES)
    letter = f"Dear {reader}, {_opening(draw, subject)}. {_feeling(draw, label)}"
    return {"letter": letter, "subject": subject, "label": label}


def to_fields(record: Record) -> Fields:
    """Gives the letter and what it tells of."""
    return {
        "letter": record["letter"],
        "subject": record["subject"],
        "options": OPTIONS,
        "answer": record["label"],
    }


TASK = Task(
    name="mini_letters",
    version=1,
    source=GrammarSource(name="mini_letters", make=make, topic=("letter",)),
    to_fields=to_fields,
    fields=("letter", "subject", "options", "answer"),
    templates=(
        Template("{letter}\nOverall mood of this letter?\n{options}"),
        Template("Postbag: {letter}\nIn what frame of mind is its sender?\n{options}"),
        Template("Which stamp would you put on the mail below?\n{options}\nMail: {letter}"),
        Template("Was the {subject} in hindsight a negative affair or a positive one? {letter}"),
        Template("{options}\nUnder which of the two headings is this filed? {letter}"),
        Template(
            '"{letter}" So the page ends. Did its author find the {subject} negative or positive?'
        ),
        Template("Found in an old book: {letter}\nWhich tone does it strike?\n{options}"),
        Template("Weigh the sender's whole view of the {subject}.\n{letter}\n{options}"),
        Template("{letter} That {subject} was an experience of which sort?\n{options}"),
        Template(
            "Ann reads: {letter}\nTom: The {subject}, was it positive or negative?\n{options}"
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
