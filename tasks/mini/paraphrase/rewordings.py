"""Do two sentences about the same pair say the same, or the reverse?"""

from __future__ import annotations

from typing import NamedTuple

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

OPTIONS = ("yes", "no")

_DEEDS = (
    "admired", "blamed", "called", "encouraged", "feared", "followed", "greeted", "helped",
    "hired", "interviewed", "invited", "praised", "pushed", "rescued", "thanked", "trusted",
    "visited", "warned",
)  # fmt: skip
"""Their past tense is their participle, and either side can do it to the other."""

_TRANSFERS = (("lent", "borrowed"), ("rented", "rented"), ("sold", "bought"))
"""What the giver does "to" the taker, and the taker "from" the giver; each implies the other."""

_SCALES = (
    ("rich", "richer", "poor", "poorer"), ("strong", "stronger", "weak", "weaker"),
    ("happy", "happier", "sad", "sadder"), ("loud", "louder", "quiet", "quieter"),
    ("tidy", "tidier", "messy", "messier"), ("calm", "calmer", "nervous", "more nervous"),
)  # fmt: skip

_TIES = (
    ("creditor", "debtor"), ("employer", "employee"), ("guardian", "ward"), ("host", "guest"),
    ("landlord", "tenant"), ("parent", "child"), ("teacher", "pupil"),
)  # fmt: skip
"""Nobody is the one but to somebody who is the other."""

_PLACED = (
    ("above", "below"), ("in front of", "behind"), ("to the left of", "to the right of"),
    ("west of", "east of"),
)  # fmt: skip


class _Relation(NamedTuple):
    """One relation in all its wordings.

    Attributes:
      about: What it is, whichever side begins.
      forward: Wordings that name {a}, who acts or has more, before {b}.
      backward: Wordings of the same that name {b} before {a}.
    """

    about: str
    forward: tuple[str, ...]
    backward: tuple[str, ...]


def _deed(draw: Draw) -> _Relation:
    verb = draw.choice(_DEEDS)
    return _Relation(
        verb,
        (
            f"{{a}} {verb} {{b}}",
            f"it was {{a}} who {verb} {{b}}",
            f"{{a}} was the one who {verb} {{b}}",
        ),
        (
            f"{{b}} was {verb} by {{a}}",
            f"it was {{b}} whom {{a}} {verb}",
            f"{{b}} was the one whom {{a}} {verb}",
        ),
    )


def _transfer(draw: Draw) -> _Relation:
    give, take = draw.choice(_TRANSFERS)
    thing = world.with_article(f"{draw.choice(world.COLOURS)} {draw.choice(world.THINGS)}")
    return _Relation(
        f"{give} {thing}",
        (f"{{a}} {give} {thing} to {{b}}", f"it was {{a}} who {give} {thing} to {{b}}"),
        (f"{{b}} {take} {thing} from {{a}}", f"it was {{b}} who {take} {thing} from {{a}}"),
    )


def _comparison(draw: Draw) -> _Relation:
    more, comparative, less, opposite = draw.choice(_SCALES)
    return _Relation(
        comparative,
        (f"{{a}} is {comparative} than {{b}}", f"{{a}} is not as {less} as {{b}}"),
        (f"{{b}} is {opposite} than {{a}}", f"{{b}} is not as {more} as {{a}}"),
    )


def _tie(draw: Draw) -> _Relation:
    about, below = draw.choice(_TIES)
    over, under = world.with_article(about), world.with_article(below)
    return _Relation(
        about,
        (f"{{a}} is {over} of {{b}}", f"{{a}} has {{b}} as {under}"),
        (f"{{b}} is {under} of {{a}}", f"{{b}} has {{a}} as {over}"),
    )


def _placed(draw: Draw) -> _Relation:
    here, there = draw.choice(_PLACED)
    return _Relation(
        here,
        (f"{{a}} is {here} {{b}}", f"{{a}} has {{b}} {there} it"),
        (f"{{b}} is {there} {{a}}", f"{{b}} has {{a}} {here} it"),
    )


def make(draw: Draw) -> Record:
    """Writes two wordings of a relation, the roles kept or exchanged.

    Apart from the answer, it draws whether the second sentence begins with the
    same name as the first. So neither the words, which are the same for both
    answers, nor the order of the names tell anything: only together with what
    the wordings mean.
    """
    label = draw.choice(OPTIONS)
    begins_alike, is_forward = draw.below(2) == 0, draw.below(2) == 0
    write = draw.choice((_deed, _transfer, _comparison, _tie, _placed))
    relation = write(draw)
    sides = [f"the {thing}" for thing in world.THINGS] if write is _placed else world.NAMES
    a, b = draw.sample(sides, 2)
    first = draw.choice(relation.forward if is_forward else relation.backward)
    turns = is_forward == begins_alike
    second_forms = relation.forward if turns == (label == "yes") else relation.backward
    second = draw.choice([form for form in second_forms if form != first])
    c, d = (a, b) if label == "yes" else (b, a)
    return {
        "about": f"{relation.about}: {world.listed(sorted((a, b)))}",
        "first": first.format(a=a, b=b),
        "second": second.format(a=c, b=d),
        "label": label,
    }


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
    name="mini_rewordings",
    version=1,
    source=GrammarSource(name="mini_rewordings", make=make, topic=("about",)),
    to_fields=to_fields,
    fields=("first", "second", "one", "other", "options", "answer"),
    templates=(
        Template(
            "{first}\n{second}\nAre those merely two ways of putting a single thing?\n{options}"
        ),
        Template(
            'Proofreader: may "{one}" be printed as "{other}" without changing the news?\n{options}'
        ),
        Template("{options}\nAre these twins in meaning? Left: {first} Right: {second}"),
        Template(
            "Whoever believes that {one} also believes that {other}, and the reverse. "
            "Do you agree?\n{options}"
        ),
        Template(
            "A line of a letter was redone. Old: {first} New: {second} "
            "Did its sense survive? Reply with a yes or a no."
        ),
        Template('"{one}" and "{other}": do both paint one picture?\n{options}'),
        Template(
            "An interpreter hears: {first}\nShe passes on: {second}\nIs she faithful?\n{options}"
        ),
        Template(
            "Archive, card 1: {first} Card 2: {second} "
            "Could we burn either card and lose nothing?\n{options}"
        ),
        Template("Yes or no, is it the style alone that differs here? {first} {second}"),
        Template(
            'Homework: reword "{one}". The pupil\'s page: {second} '
            "Does that deserve full marks?\n{options}"
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
