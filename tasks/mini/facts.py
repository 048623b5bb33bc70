"""Who lives in the world of a seed, and what is known of them and their cities.

Nothing of it follows from the words: it must be read to be known. Texts tell it, and closed-book
questions ask for it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw

FAMILY_NAMES = (
    "Abel", "Brook", "Cross", "Dale", "Ember", "Frost", "Grove", "Hill", "Ives", "Jewel",
    "Lake", "Marsh", "North", "Oakley", "Pond", "Quill", "Reed", "Stone", "Thorn", "Wells",
)  # fmt: skip

WARES = (
    "baskets", "bricks", "candles", "carpets", "cloth", "combs", "dolls", "fans", "gloves",
    "knives", "lace", "lanterns", "mirrors", "pencils", "plates", "ribbons", "ropes", "salt",
    "shoes", "soap", "socks", "tea", "tiles", "wax",
)  # fmt: skip
"""What a city may be known for making."""

RIVERS = (
    "Alda", "Bira", "Cani", "Dova", "Elma", "Fira", "Gola", "Hesk", "Ilva", "Jura", "Kova", "Luda",
    "Mira", "Nore", "Osta", "Peva", "Rulo", "Sava", "Tisa", "Ulma", "Vara", "Wira", "Yola", "Zeta",
)  # fmt: skip

_NUM_PEOPLE = 160


class Person(NamedTuple):
    """An inhabitant.

    Attributes:
      name: First name and family name; nobody shares both.
      job: One of JOBS.
      city: Where they live.
      food: What they like best.
      pet: The animal they keep.
      colour: That of their front door.
    """

    name: str
    job: str
    city: str
    food: str
    pet: str
    colour: str


class City(NamedTuple):
    """A city.

    Attributes:
      name: One of CITIES.
      river: What it lies on; no other city does.
      ware: What it is known for making; no other city is.
      mayor: The name of the person who governs it, who lives there.
    """

    name: str
    river: str
    ware: str
    mayor: str


class Facts(NamedTuple):
    """What is true in the world of a seed.

    Attributes:
      people: Every inhabitant, by name.
      cities: Every city, by name.
    """

    people: Mapping[str, Person]
    cities: Mapping[str, City]


@functools.cache
def of(seed: int) -> Facts:
    """Returns the facts of a world; another seed has other people and cities."""
    draw = Draw("facts", seed)
    pairs = [f"{first} {family}" for first in world.NAMES for family in FAMILY_NAMES]
    names = draw.sample(pairs, _NUM_PEOPLE)
    homes = draw.shuffled(world.CITIES)
    # The first person of each city is its mayor, so every city has one.
    lives_in = [homes[i] if i < len(homes) else draw.choice(homes) for i in range(len(names))]
    people = {
        name: Person(
            name,
            draw.choice(world.JOBS),
            city,
            draw.choice(world.FOODS),
            draw.choice(world.PETS),
            draw.choice(world.COLOURS),
        )
        for name, city in zip(names, lives_in, strict=True)
    }
    rivers, wares = draw.shuffled(RIVERS), draw.shuffled(WARES)
    cities = {
        city: City(city, river, ware, mayor)
        for city, river, ware, mayor in zip(homes, rivers, wares, names, strict=False)
    }
    return Facts(people, cities)
