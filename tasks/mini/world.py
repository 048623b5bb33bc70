"""The small world that every mini task speaks of: its words and its kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

NAMES = (
    "Ada", "Ali", "Ana", "Ben", "Bo", "Carl", "Cleo", "Dan", "Dora", "Elif",
    "Emil", "Eva", "Femi", "Finn", "Gita", "Hana", "Hugo", "Ida", "Ines", "Ivan",
    "Jan", "Joy", "Kai", "Kofi", "Lena", "Leo", "Lin", "Mara", "Mei", "Milo",
    "Nina", "Noor", "Omar", "Otto", "Pia", "Raj", "Rosa", "Sam", "Tara", "Yuki",
)  # fmt: skip

JOBS = (
    "actor", "artist", "baker", "barber", "cook", "dentist", "doctor", "editor",
    "farmer", "judge", "lawyer", "miner", "nurse", "painter", "pilot", "plumber",
    "potter", "sailor", "singer", "tailor", "teacher", "waiter", "weaver", "writer",
)  # fmt: skip

CITIES = (
    "Accra", "Athens", "Bern", "Cairo", "Delhi", "Dublin", "Hanoi", "Kyoto", "Lagos", "Lima",
    "Lisbon", "London", "Madrid", "Milan", "Oslo", "Paris", "Perth", "Prague", "Quito", "Riga",
    "Rome", "Seoul", "Tunis", "Vienna",
)  # fmt: skip

FOODS = (
    "bread", "cake", "cheese", "curry", "honey", "jam", "omelette", "pasta", "pizza",
    "porridge", "pudding", "rice", "salad", "soup", "stew", "toast", "tofu",
)  # fmt: skip

PETS = ("cat", "dog", "duck", "goat", "hamster", "owl", "parrot", "pony", "rabbit", "tortoise")

COLOURS = ("black", "blue", "brown", "green", "grey", "orange", "pink", "red", "white", "yellow")

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

NUMBERS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
)  # fmt: skip

SIZES = ("big", "huge", "little", "small", "tiny")

PLACES = (
    "behind the door", "by the window", "in the attic", "in the garden", "in the hall",
    "in the kitchen", "near the gate", "next to the bed", "on the shelf", "under the table",
)  # fmt: skip

MATERIALS: Mapping[str, tuple[str, ...]] = {
    "bag": ("leather", "paper", "wool"),
    "bell": ("brass", "glass", "steel"),
    "bowl": ("clay", "glass", "steel"),
    "box": ("oak", "paper", "steel"),
    "chair": ("oak", "pine", "steel"),
    "clock": ("brass", "oak", "steel"),
    "coat": ("cotton", "leather", "wool"),
    "cup": ("clay", "glass", "steel"),
    "hat": ("cotton", "leather", "wool"),
    "key": ("brass", "iron", "steel"),
    "kite": ("cotton", "paper", "silk"),
    "lamp": ("brass", "glass", "paper"),
    "spoon": ("brass", "pine", "steel"),
    "vase": ("brass", "clay", "glass"),
}
"""Thing -> what it may be made of."""

THINGS = tuple(MATERIALS)

KINDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "animal": {
        "bird": ("crow", "dove", "hawk", "robin", "sparrow", "swan"),
        "fish": ("carp", "eel", "herring", "salmon", "shark", "trout"),
        "insect": ("ant", "bee", "beetle", "fly", "moth", "wasp"),
    },
    "plant": {
        "flower": ("daisy", "lily", "orchid", "poppy", "rose", "tulip"),
        "tree": ("birch", "elm", "fir", "maple", "oak", "willow"),
    },
    "artefact": {
        "instrument": ("drum", "flute", "harp", "piano", "trumpet", "violin"),
        "tool": ("axe", "drill", "hammer", "rake", "saw", "spade"),
        "vehicle": ("bus", "car", "lorry", "tractor", "tram", "van"),
    },
}
"""Realm -> kind -> members; nothing belongs to two kinds."""


def with_article(noun: str) -> str:
    """Returns the noun after "a" or "an", by its first letter."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def dish(food: str) -> str:
    """Returns a food as one eats it: "rice", but "an omelette"."""
    return with_article(food) if food == "omelette" else food


def plural(noun: str) -> str:
    """Returns the plural of a noun of this world: "hats", "boxes", "ponies", "fish"."""
    if noun == "fish":
        return noun
    if noun.endswith("x"):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def listed(items: Sequence[str]) -> str:
    """Returns the items as a list in prose: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def sentence(clause: str) -> str:
    """Returns a clause with its first letter raised and a full stop."""
    return f"{clause[0].upper()}{clause[1:]}."
