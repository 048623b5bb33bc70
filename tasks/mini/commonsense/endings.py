"""What became of it? A mishap or a chore, ended as its material has it."""

from __future__ import annotations

import functools
from typing import NamedTuple

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

_METAL = ("brass", "iron", "steel")
_CLOTH = ("cotton", "silk", "wool")
_WEARABLE = ("bag", "coat", "hat")


class _Ending(NamedTuple):
    """What happens to things of some materials, in several wordings."""

    materials: tuple[str, ...]
    wordings: tuple[str, ...]


class _Event(NamedTuple):
    """What befalls a thing: how it is told, to which things, and how it ends.

    No material stands in two of its endings, and no ending fits another event.
    """

    wordings: tuple[str, ...]
    things: tuple[str, ...]
    endings: tuple[_Ending, ...]


_EVENTS = {
    "fall": _Event(
        ("{name} let the {thing} fall on the stone floor.",
         "On the stone steps {name} lost hold of the {thing}."),
        world.THINGS,
        (
            _Ending(("clay", "glass"), ("It broke to pieces.", "Shards lay everywhere.",
                                        "It was smashed beyond repair.")),
            _Ending(_METAL, ("It rang out and stayed whole.", "It landed with a loud clang.",
                             "It stayed whole but for a dent.")),
            _Ending((*_CLOTH, "paper"), (
                "It hit the ground without a sound.", "It landed softly on the ground.",
                "Nobody heard it hit the ground.")),
        ),
    ),
    "rain": _Event(
        ("{name} forgot the {thing} in the rain for a week.",
         "All through a wet week {name} left the {thing} outside."),
        world.THINGS,
        (
            _Ending(("paper",), ("It turned to mush.", "Only soggy scraps were left.",
                                 "It went limp and fell apart.")),
            _Ending(("iron", "steel"), ("Rust spots covered it.", "It turned brown and rusty.",
                                        "The rust had to be scraped off.")),
            _Ending(_CLOTH, ("It was soaked but dried on a line.", "It had to be wrung out.",
                             "Wrung out and dried, it was fine.")),
        ),
    ),
    "fire": _Event(
        ("{name} threw the {thing} into the bonfire.",
         "By mistake {name} put the {thing} on the fire."),
        ("bag", "bell", "box", "chair", "coat", "hat", "key", "kite", "spoon"),
        (
            _Ending(("cotton", "oak", "paper", "pine", "silk"), (
                "Soon it was ashes.", "It fed the flames.", "It burned to nothing.")),
            _Ending(_METAL, ("It began to glow red.", "It got red-hot but did not burn.",
                             "It glowed and had to cool down.")),
            _Ending(("glass",), ("It cracked in the heat.", "The heat made it crack.",
                                 "A crack ran through it at once.")),
        ),
    ),
    "lake": _Event(
        ("{name} threw the {thing} far out into the lake.",
         "From the boat {name} dropped the {thing} into the lake."),
        ("bag", "bell", "chair", "clock", "coat", "key", "spoon"),
        (
            _Ending(("oak", "pine"), ("It floated to the shore.", "It bobbed on the waves.",
                                      "The wind drove it ashore.")),
            _Ending((*_METAL, "glass"), ("It sank like a stone.", "It went straight to the bottom.",
                                         "Only a diver could get it.")),
            _Ending(("cotton", "wool"), ("It grew heavy and sank slowly.", "It soaked and sank.",
                                         "Soaked through, it slowly sank.")),
        ),
    ),
    "wash": _Event(
        ("{name} washed the {thing} as hot as could be.",
         "Into a boiling wash {name} put the {thing}."),
        _WEARABLE,
        (
            _Ending(("wool",), ("It shrank.", "It came out as felt, far too small.",
                                "It became small enough for a doll.")),
            _Ending(("cotton",), (
                "It came out clean and soft.", "It stayed as soft and big as ever.",
                "It only needed ironing.")),
            _Ending(("leather",), ("It dried stiff as a board.", "It went hard and brittle.",
                                   "It stiffened and needed grease.")),
        ),
    ),
    "hole": _Event(
        ("{name} found a hole in the {thing} and got it mended.",
         "The {thing} had a hole, so {name} had it repaired."),
        ("bag", "bowl", "box", "coat", "cup", "hat", "kite", "lamp"),
        (
            _Ending(_CLOTH, ("It was sewn up.", "Stitches held it together.",
                             "A neat seam closed the hole.")),
            _Ending(("paper",), ("It was pasted over.", "Sticky tape held it together.",
                                 "A strip of paper covered the hole.")),
            _Ending(_METAL, ("It was soldered shut.", "It came back welded.",
                             "A drop of solder filled the hole.")),
        ),
    ),
    "polish": _Event(
        ("{name} rubbed the dull {thing} until it shone.",
         "All morning {name} polished the dusty {thing}."),
        ("bell", "bowl", "clock", "cup", "key", "lamp", "spoon", "vase"),
        (
            _Ending(("brass",), ("It gleamed like gold.", "Its yellow gleam was back.",
                                 "You might have thought it gold.")),
            _Ending(("steel",), ("It gleamed like silver.", "Its grey gleam was back.",
                                 "You might have thought it silver.")),
            _Ending(("glass",), ("You could see through it again.", "It was as clear as water.",
                                 "Light passed through it again.")),
        ),
    ),
}  # fmt: skip

_APART = (("fall", "fire"), ("hole",), ("polish",), ("lake", "rain", "wash"))
"""Events of which only one stands among the same options: they break alike, or wet alike."""


@functools.cache
def _befallen(event: str, index: int) -> tuple[tuple[str, str], ...]:
    """Returns the things, with their materials, to which an ending happens."""
    kind = _EVENTS[event]
    return tuple(
        (thing, material)
        for thing in kind.things
        for material in world.MATERIALS[thing]
        if material in kind.endings[index].materials
    )


def make(draw: Draw) -> Record:
    """Draws three endings, and then what leads to any one of them.

    They are those of one event for three materials, or of three events. A set
    of endings stands in one split, where each of the three is right as often as
    the others: the endings alone say nothing.
    """
    if draw.below(2):
        event = draw.choice(tuple(_EVENTS))
        endings = [(event, index) for index in draw.shuffled(range(3))]
    else:
        endings = [(draw.choice(events), draw.below(3)) for events in draw.sample(_APART, 3)]
    texts = [draw.choice(_EVENTS[event].endings[index].wordings) for event, index in endings]
    right = draw.below(3)
    event, index = endings[right]
    thing, material = draw.choice(_befallen(event, index))
    name = draw.choice(world.NAMES)
    told = draw.choice(_EVENTS[event].wordings)
    return {
        "set": "|".join(sorted(texts)),
        "name": name,
        "thing": thing,
        "beginning": told.format(name=name, thing=f"{material} {thing}"),
        "choices": texts,
        "answer": texts[right],
    }


def to_fields(record: Record) -> Fields:
    """Gives the beginning and the endings, and whom and what they are about."""
    return {
        "beginning": record["beginning"],
        "name": record["name"],
        "thing": record["thing"],
        "options": tuple(record["choices"]),
        "answer": record["answer"],
    }


TASK = Task(
    name="mini_endings",
    version=1,
    source=GrammarSource(name="mini_endings", make=make, topic=("set",)),
    to_fields=to_fields,
    fields=("beginning", "name", "thing", "options", "answer"),
    templates=(
        Template("{beginning}\nHow does it end?\n{options}"),
        Template("{beginning} What became of the {thing}?\n{options}"),
        Template("Finish the tale.\n{beginning}\n{options}"),
        Template("{options}\nWhich of those could follow? {beginning}"),
        Template("First: {beginning}\nThen, most likely:\n{options}"),
        Template("Mind what the {thing} is made of. {beginning} Next?\n{options}"),
        Template("Cause: {beginning}\nEffect?\n{options}"),
        Template("{beginning} Can you foresee the rest?\n{options}"),
        Template("Somebody tore off the last line. {beginning}\n{options}"),
        Template(
            "An anecdote about {name} and the {thing} closes like this. {answer} "
            "Invent its opening line.",
            "{beginning}",
            inverted=True,
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
