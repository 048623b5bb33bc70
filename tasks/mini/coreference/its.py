"""Which of two things does "it" mean? What is said of it tells."""

from __future__ import annotations

from typing import NamedTuple

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

_HOLDERS = ("basket", "box", "briefcase", "case", "chest", "crate", "sack", "suitcase", "trunk")

_VESSELS = ("bowl", "bucket", "can", "cup", "jar", "jug", "mug", "pot", "tin", "vase")

_BULKY = (
    "barn", "bush", "cart", "fence", "haystack", "hedge", "hut", "lorry", "shed", "tent", "tree",
    "van", "wagon", "wall",
)  # fmt: skip

_BREAKABLE = (
    "bottle", "bowl", "bust", "clock", "cup", "jar", "jug", "lamp", "mug", "plate", "pot", "vase",
)  # fmt: skip

_FURNITURE = (
    "bench", "board", "box", "chair", "chest", "crate", "cupboard", "ladder", "shelf", "stool",
    "table", "trunk",
)  # fmt: skip

_SEA_ANIMALS = (
    "bass", "carp", "cod", "crab", "eel", "lobster", "perch", "pike", "salmon", "squid", "trout",
    "tuna",
)  # fmt: skip

_THINGS = (
    *world.THINGS,
    "basket", "bottle", "candle", "doll", "drum", "fan", "ladder", "mirror", "pillow", "plate",
)  # fmt: skip

_VEHICLES = tuple(world.KINDS["artefact"]["vehicle"])


class _Event(NamedTuple):
    """What may happen between two things, {a} and {b}.

    Attributes:
      a_first: Ways to tell it that name {a} before {b}.
      b_first: Ways to tell the same that name {b} before {a}.
      of_a: What can only be said of {a}, after "because it was".
      of_b: What can only be said of {b}.
      things: What either may be, so that a thing does not tell its part.
      joint: What stands before `of_a` and `of_b`.
    """

    a_first: tuple[str, ...]
    b_first: tuple[str, ...]
    of_a: tuple[str, ...]
    of_b: tuple[str, ...]
    things: tuple[str, ...]
    joint: str = "because it was"


_EVENTS = (
    _Event(
        ("the {a} did not fit into the {b}", "the {a} would not go into the {b}"),
        ("the {b} had no room for the {a}", "the {b} could not be closed over the {a}"),
        ("too big", "too large", "too bulky"),
        ("too small", "too tiny", "not big enough"),
        _HOLDERS,
    ),
    _Event(
        ("the {a} hid the {b} from view", "the {a} blocked the sight of the {b}"),
        ("the {b} was hidden from view by the {a}", "the {b} could not be seen behind the {a}"),
        ("so big", "so tall", "so huge"),
        ("so small", "so low", "so little"),
        _BULKY,
    ),
    _Event(
        ("the {a} could not be pushed into the {b}", "the {a} got stuck in the {b}"),
        ("the {b} could not be slid over the {a}", "the {b} jammed over the {a}"),
        ("too wide", "too broad", "too large"),
        ("too narrow", "too tight", "not wide enough"),
        _VESSELS,
    ),
    _Event(
        ("the {a} overtook the {b}", "the {a} left the {b} behind"),
        ("the {b} was overtaken by the {a}", "the {b} fell behind the {a}"),
        ("so fast", "so swift", "built for speed"),
        ("so slow", "barely moving", "short of power"),
        (*_VEHICLES, "taxi", "train"),
    ),
    _Event(
        ("the {a} drowned out the {b}", "the {a} could be heard over the {b}"),
        ("the {b} was drowned out by the {a}", "the {b} could not be heard over the {a}"),
        ("so loud", "so noisy", "so shrill"),
        ("so quiet", "so soft", "so faint"),
        (*world.KINDS["artefact"]["instrument"], "bell", "radio"),
    ),
    _Event(
        ("the {a} cost more than the {b}", "the {a} fetched a better price than the {b}"),
        ("the {b} cost less than the {a}", "the {b} fetched a worse price than the {a}"),
        ("brand new", "in perfect shape", "of the finest quality"),
        ("badly damaged", "in poor shape", "falling apart"),
        _THINGS,
    ),
    _Event(
        ("the {a} was chosen over the {b}", "the {a} found a buyer before the {b}"),
        ("the {b} was passed over for the {a}", "the {b} stayed unsold longer than the {a}"),
        ("so pretty", "so useful", "such a bargain"),
        ("so ugly", "so useless", "far too dear"),
        _THINGS,
    ),
    _Event(
        ("the {a} smashed the {b}", "the {a} fell and cracked the {b}"),
        ("the {b} was smashed by the {a}", "the {b} was cracked by the {a}"),
        ("so heavy", "so hard", "made of solid iron"),
        ("so fragile", "so thin", "so brittle"),
        _BREAKABLE,
    ),
    _Event(
        ("the {a} was too much for the {b}", "the {a} crushed the {b}"),
        ("the {b} broke under the {a}", "the {b} gave way under the {a}"),
        ("so heavy", "so massive", "heavy as lead"),
        ("so weak", "so flimsy", "so rickety"),
        _FURNITURE,
    ),
    _Event(
        ("milk was poured from the {a} into the {b}", "milk ran out of the {a} into the {b}"),
        (
            "the {b} was filled with milk from the {a}",
            "the {b} was topped up with milk from the {a}",
        ),
        ("empty", "completely empty", "drained"),
        ("full", "full to the brim", "overflowing"),
        ("bottle", "bowl", "bucket", "can", "cup", "jug", "kettle", "pot"),
        "until it was",
    ),
    _Event(
        ("the {a} ate the {b}", "the {a} swallowed the {b}"),
        ("the {b} was eaten by the {a}", "the {b} was swallowed by the {a}"),
        ("so hungry", "starving", "in need of food"),
        ("so tasty", "delicious", "easy to catch"),
        _SEA_ANIMALS,
    ),
)


def make(draw: Draw) -> Record:
    """Writes what happened, and why, or until when, as a trait of one thing.

    Whether the first or the second thing is meant is drawn first, then whether
    it is {a} or {b}; the order in which they are named follows. So the trait
    does not say which it is, nor does the order: only both together do.
    """
    means_first, is_of_a = draw.below(2) == 0, draw.below(2) == 0
    event = draw.choice(_EVENTS)
    a, b = draw.sample(event.things, 2)
    told = draw.choice(event.a_first if means_first == is_of_a else event.b_first)
    trait = draw.choice(event.of_a if is_of_a else event.of_b)
    text = world.sentence(f"{told.format(a=a, b=b)} {event.joint} {trait}")
    things = sorted((f"the {a}", f"the {b}"))
    return {
        "about": f"{event.joint} {event.of_a[0]}: {world.listed(things)}",
        "text": text,
        "trait": trait,
        "choices": Draw(text).shuffled(things),
        "answer": f"the {a}" if is_of_a else f"the {b}",
    }


def to_fields(record: Record) -> Fields:
    """Gives the text and a question about the trait."""
    return {
        "text": record["text"],
        "question": f"What was {record['trait']}?",
        "options": tuple(record["choices"]),
        "answer": record["answer"],
    }


TASK = Task(
    name="mini_its",
    version=1,
    source=GrammarSource(name="mini_its", make=make, topic=("about",)),
    to_fields=to_fields,
    fields=("text", "question", "options", "answer"),
    templates=(
        Template("{text}\n{question}\n{options}"),
        Template('Which of the two is called "it" below?\n{text}\n{options}'),
        Template('{options}\nA tiny word, "it", takes the place of either. {text} Of which?'),
        Template('{text} Spelled out in full, "it" would be'),
        Template('Picture the scene: {text} Put your finger on what "it" is.\n{options}'),
        Template("A robot is puzzled. {text} {question} Enlighten the robot.\n{options}"),
        Template("Common sense will do. {question} This much is known: {text}"),
        Template('Underline the noun that "it" refers back to.\n{text}\n{options}'),
        Template("{question} (Context: {text})\n{options}"),
        Template("Child: {text}\nFather: Wait. {question}\nChild:\n{options}"),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
