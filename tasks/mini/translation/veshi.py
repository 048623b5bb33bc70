"""Veshi, a toy language: its words and its grammar.

Invented here. The subject stands first, then the object, then places and receivers, then the
particle of negation, and the verb last: "Ana lempash kirme nuv lomar." is "Ana does not find the
red hats." There are no articles and no tenses. Adjectives follow their noun, the nearest in English
staying the nearest, and numerals follow them; a preposition follows its noun too; a plural ends in
-sh. Nouns end in a, o or u, adjectives in e, verbs in -ar, postpositions in -im. People count by
sixes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flanjax.tasks.mini import world

LEXICON: Mapping[str, str] = {
    # things
    "bag": "tolva", "bell": "dinku", "bowl": "gumo", "box": "kesto", "chair": "sitra",
    "clock": "orlaga", "coat": "veluna", "cup": "shobo", "hat": "lempa", "key": "zikra",
    "kite": "fluva", "lamp": "osha", "spoon": "pilko", "vase": "yarno",
    # animals
    "cat": "mirru", "dog": "bauvo", "duck": "kwelo", "goat": "grenka", "hamster": "tishu",
    "owl": "huvola", "parrot": "raskola", "pony": "ekvara", "rabbit": "dolpa",
    "tortoise": "shelduna",
    # where things are
    "attic": "trasko", "bed": "numva", "door": "porgo", "garden": "zelma", "gate": "vrato",
    "hall": "halzu", "kitchen": "kochna", "shelf": "polvu", "table": "meslo", "window": "okrena",
    # colours and sizes
    "black": "morne", "blue": "sinhe", "brown": "ture", "green": "yashe", "grey": "pelde",
    "orange": "ronje", "pink": "rovve", "red": "kirme", "white": "belshe", "yellow": "zulte",
    "big": "grome", "huge": "omwe", "little": "pikte", "small": "minze", "tiny": "iltse",
    # verbs
    "be": "yesar", "buy": "kupvar", "carry": "nosdar", "draw": "rizgar", "find": "lomar",
    "give": "dolvar", "hide": "skruvar", "lend": "zaimar", "lose": "gubnar", "sell": "prodar",
    "see": "vidnar", "show": "pokzar", "wash": "mulshar",
    # prepositions, which Veshi puts behind
    "behind": "ozgim", "by": "eklim", "in": "unvim", "near": "ablim", "next to": "idrim",
    "on": "osnim", "to": "ezhim", "under": "ukpim",
    # numerals
    "one": "uth", "two": "dvu", "three": "tsi", "four": "kav", "five": "pesk", "six": "shom",
    "thirty-six": "vorth",
    # particles
    "and": "jeg", "not": "nuv",
}  # fmt: skip
"""English word -> Veshi word; a name stays what it is."""

PLURAL = "sh"

BASE = 6

LARGEST = BASE**3 - 1
"""The largest number that has a name."""

PLACES = (
    ("behind", "door"), ("behind", "gate"), ("by", "door"), ("by", "window"), ("in", "attic"),
    ("in", "garden"), ("in", "hall"), ("in", "kitchen"), ("near", "gate"), ("near", "window"),
    ("next to", "bed"), ("next to", "table"), ("on", "shelf"), ("on", "table"), ("under", "bed"),
    ("under", "table"),
)  # fmt: skip
"""English preposition, and noun with "the"."""


def noun_phrase(noun: str, adjectives: Sequence[str] = (), *, is_plural: bool) -> str:
    """Returns the Veshi of a noun after its adjectives, as English has them.

    Example:
      noun_phrase("hat", ("big", "red"), is_plural=True) == "lempash kirme grome"
    """
    head = LEXICON[noun] + PLURAL * is_plural
    return " ".join([head, *(LEXICON[word] for word in reversed(adjectives))])


def place(preposition: str, noun: str) -> str:
    """Returns the Veshi of, say, "in the hall": "halzu unvim"."""
    return f"{LEXICON[noun]} {LEXICON[preposition]}"


def sentence(*parts: str, verb: str, is_negated: bool) -> str:
    """Returns a sentence of Veshi parts, and a verb given in English."""
    particle = [LEXICON["not"]] if is_negated else []
    clause = " ".join([*parts, *particle, LEXICON[verb]])
    return f"{clause[0].upper()}{clause[1:]}."


def numeral(number: int) -> str:
    """Returns the Veshi name of a number: so many 36s, so many sixes, and the rest.

    A single six or 36 has no "one" before it, and what is zero is left out.

    Raises:
      ValueError: The number has no name.

    Example:
      numeral(50) == "vorth dvu shom dvu", as 50 = 36 + 2 * 6 + 2
    """
    if not 1 <= number <= LARGEST:
        raise ValueError(f"a Veshi number must be 1 to {LARGEST}, got {number}; count less.")
    words = []
    for unit, name in ((BASE**2, "thirty-six"), (BASE, "six"), (1, None)):
        count, number = divmod(number, unit)
        if count and (count > 1 or name is None):
            words.append(LEXICON[world.NUMBERS[count - 1]])
        if count and name:
            words.append(LEXICON[name])
    return " ".join(words)
