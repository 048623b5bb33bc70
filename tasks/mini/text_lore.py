"""What everybody in the small world knows: kinds, materials, work, days, numbers."""

from __future__ import annotations

from collections.abc import Callable

from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw

_TRAITS = {
    "bird": ("has feathers and two wings", "hatches from an egg", "builds a nest"),
    "fish": ("lives in water", "has fins and scales", "swims from the day it hatches"),
    "insect": ("has six legs", "is a very small creature", "has no bones"),
    "flower": ("has petals and a stem", "needs light and water", "wilts when it is dry"),
    "tree": ("has a trunk and branches", "has deep roots", "grows for many years"),
    "instrument": ("is played to make music", "makes a sound", "takes long to master"),
    "tool": ("makes work easier", "is kept in the shed", "is held in the hand"),
    "vehicle": ("has wheels", "carries people or goods", "moves along the streets"),
}
"""Kind -> what is true of all its members."""

_REALMS = {
    "animal": ("eats and breathes", "moves about and must be fed"),
    "plant": ("grows out of the ground", "drinks with its roots"),
    "artefact": ("was made by people", "does not grow but is built"),
}

_STUFF = {
    "brass": ("shines like gold", "is a yellow metal"),
    "clay": ("is soft when wet and hard when baked", "comes out of the ground"),
    "cotton": ("is light and can be washed", "grows on a plant"),
    "glass": ("breaks when it falls", "lets the light through"),
    "iron": ("is a heavy metal and rusts in the rain", "is drawn to a magnet"),
    "leather": ("is tough and comes from animals", "keeps out the wind"),
    "oak": ("is a hard and heavy wood", "comes from a tree"),
    "paper": ("tears and burns with ease", "is spoilt by water"),
    "pine": ("is a soft and light wood", "burns and floats"),
    "silk": ("is thin, smooth and dear", "weighs hardly anything"),
    "steel": ("is a strong metal and hardly ever breaks", "does not burn"),
    "wool": ("is warm and soft", "comes from sheep"),
}

_USES = {
    "bag": "carries the shopping", "bell": "rings when it is struck", "bowl": "holds the soup",
    "box": "keeps small things together", "chair": "is there to sit on",
    "clock": "tells the time", "coat": "keeps its wearer warm", "cup": "is there to drink from",
    "hat": "sits on the head", "key": "opens a lock", "kite": "flies in the wind",
    "lamp": "gives light in the dark", "spoon": "brings the soup to the mouth",
    "vase": "holds flowers and water",
}  # fmt: skip

_WORK = {
    "actor": "plays a part on the stage", "artist": "makes pictures and statues",
    "baker": "bakes bread in an oven", "barber": "cuts hair and trims beards",
    "cook": "makes meals in a kitchen", "dentist": "looks after teeth",
    "doctor": "heals the sick", "editor": "mends what writers write",
    "farmer": "grows wheat and keeps cows", "judge": "decides who is guilty",
    "lawyer": "pleads for others in court", "miner": "digs for coal under the ground",
    "nurse": "looks after the sick", "painter": "covers walls with colour",
    "pilot": "flies a plane", "plumber": "mends pipes and taps",
    "potter": "shapes bowls out of clay", "sailor": "works on a ship",
    "singer": "sings songs for a crowd", "tailor": "sews coats and trousers",
    "teacher": "helps children to learn", "waiter": "brings the food to the guests",
    "weaver": "makes cloth on a loom", "writer": "writes books and letters",
}  # fmt: skip

_PETS = {
    "cat": "purrs and catches mice", "dog": "barks and guards the house",
    "duck": "quacks and swims in the pond", "goat": "bleats and gives milk",
    "hamster": "runs in its little wheel", "owl": "hoots and hunts at night",
    "parrot": "learns to speak", "pony": "neighs and carries children",
    "rabbit": "hops and nibbles carrots", "tortoise": "crawls and hides in its shell",
}  # fmt: skip

_CAUSES = (
    ("it rained all night", "the streets were wet"), ("the sun shone", "the snow melted"),
    ("a glass fell on the stones", "there were splinters"),
    ("nobody watered the roses", "all the petals fell"),
    ("the fire went out", "the room grew cold"), ("the night was clear", "the stars could be seen"),
    ("the wind was strong", "the kites flew high"), ("the soup was too hot", "{a} waited a little"),
    ("the lamp was off", "{a} could not read"), ("the plates were empty", "{a} stayed hungry"),
    ("the hill was steep", "{a} was out of breath"), ("the party ended late", "{a} was tired"),
    ("{a} lost the key", "the door stayed shut"), ("the coat was thin", "{a} felt the cold"),
    ("the bus was late", "{a} had to wait"), ("the bell rang", "{a} woke up"),
)  # fmt: skip
"""A cause and its effect; {a} is a person, and nobody and nothing is named in both."""

_DISHES = tuple(world.dish(food) for food in world.FOODS if food != "honey")
"""What people make and eat; bees make honey."""

_ACTS = (
    "{a} bought {noun} and put it {place}",
    "{noun} was {place} until {a} took it to {b}",
    "{a} wrapped {noun} for {b}",
    "{a} borrowed {noun} from {b} and brought it back on {day}",
    "{a} and {b} ate {food} together",
    "{a} made {food} for {b} on {day}",
    "on {day} {a} took the {ride} to {city}",
    "{a} went from {city} to {city2} to see {b}",
    "the {pet} slept {place} while {a} played the {instrument}",
    "the {pet} of a neighbour followed {a} home",
    "{a} mended the fence with the {tool} and then ate {food}",
    "in the evening {a} told {b} about {city}",
)  # fmt: skip

_BY_SIZE = (("insect", "bird"), ("bird", "vehicle"), ("flower", "tree"), ("insect", "tree"))
"""Kinds of which all members of the first are smaller than those of the second."""

_KIND_OF = {
    kind: (realm, members)
    for realm, kinds in world.KINDS.items()
    for kind, members in kinds.items()
}


def _nature(draw: Draw) -> list[str]:
    """Tells what a kind is, what belongs to it and what does not."""
    kind = draw.choice(tuple(_KIND_OF))
    realm, members = _KIND_OF[kind]
    first, second, third = draw.sample(members, 3)
    stranger_kind = draw.choice([other for other in _KIND_OF if other != kind])
    stranger = draw.choice(_KIND_OF[stranger_kind][1])
    a = world.with_article
    clauses = [
        f"{a(first)} is {a(kind)}, and every {kind} is {a(realm)}",
        f"the {first}, the {second} and the {third} are counted as {world.plural(kind)}",
        f"like any {kind}, the {second} {draw.choice(_TRAITS[kind])}",
        f"{a(third)} {draw.choice(_REALMS[realm])}, as every {realm} does"
        if realm != "artefact"
        else f"{a(third)} {draw.choice(_REALMS[realm])}, like every {realm}",
        f"no {stranger} is {a(kind)}, because it is {a(stranger_kind)}",
        f"whoever sees {a(second)} sees {a(kind)}",
        f"{a(kind)} {draw.choice(_TRAITS[kind])}, and so it is with {a(first)}",
    ]
    return [world.sentence(clause) for clause in draw.shuffled(clauses)]


def _sizes(draw: Draw) -> list[str]:
    """Compares kinds by size, and orders the words for it."""
    sentences = []
    for small, large in draw.sample(_BY_SIZE, 3):
        less, more = draw.choice(_KIND_OF[small][1]), draw.choice(_KIND_OF[large][1])
        less, more = world.with_article(less), world.with_article(more)
        clauses = (
            f"next to {more}, {less} looks tiny",
            f"compared with {less}, {more} is huge",
            f"{less} is small beside {more}",
            f"{more} is big, and {less} is little",
        )
        sentences.append(world.sentence(draw.choice(clauses)))
    orders = (
        "Huge things are more than big, and tiny things are less than small.",
        "Small and little mean much the same, and tiny means smaller still.",
        "What is huge does not fit into what is tiny.",
        "A big box has room for a small one, and a small one for a tiny one.",
    )
    first, second = draw.sample(orders, 2)
    return [*draw.shuffled([*sentences, first]), second]


def _materials(draw: Draw) -> list[str]:
    """Tells what things are made of and what that means."""
    clauses = []
    for thing in draw.sample(world.THINGS, 3):
        choices = world.MATERIALS[thing]
        stuff = draw.choice(choices)
        either = f"{', '.join(choices[:-1])} or {choices[-1]}"
        told = (
            f"{world.with_article(thing)} {_USES[thing]} and may be of {either}",
            f"{stuff} {draw.choice(_STUFF[stuff])}, and {world.plural(thing)} can be made of it",
            f"{world.with_article(f'{stuff} {thing}')} {_USES[thing]}",
            f"{world.plural(thing)} are made of {either}",
        )
        clauses += draw.sample(told, 2)
    stuff = draw.choice(tuple(_STUFF))
    made = [world.plural(thing) for thing in world.THINGS if stuff in world.MATERIALS[thing]]
    clauses.append(f"out of {stuff} people make {world.listed(made)}")
    return [world.sentence(clause) for clause in draw.shuffled(clauses)]


def _work(draw: Draw) -> list[str]:
    """Tells what people of a trade do, and animals in the house."""
    clauses = []
    for job in draw.sample(tuple(_WORK), 3):
        name, day = draw.choice(world.NAMES), draw.choice(world.DAYS)
        a_job = world.with_article(job)
        clauses += [
            draw.choice((f"{a_job} {_WORK[job]}", f"whoever {_WORK[job]} is {a_job}")),
            draw.choice(
                (f"on {day} {name} had to send for {a_job}", f"{name} met {a_job} on {day}")
            ),
        ]
    pet = draw.choice(tuple(_PETS))
    clauses.append(f"{world.with_article(pet)} {_PETS[pet]}")
    return [world.sentence(clause) for clause in draw.shuffled(clauses)]


def _happenings(draw: Draw) -> list[str]:
    """Tells what two people did in the course of a week."""
    a, b = draw.sample(world.NAMES, 2)
    sentences = []
    for frame in draw.sample(_ACTS, 6):
        thing = draw.choice(world.THINGS)
        adjectives = draw.choice(
            (
                [draw.choice(world.SIZES), draw.choice(world.COLOURS)],
                [draw.choice(world.COLOURS), draw.choice(world.MATERIALS[thing])],
                [draw.choice(world.SIZES), draw.choice(world.MATERIALS[thing])],
            )
        )
        city, city2 = draw.sample(world.CITIES, 2)
        artefacts = world.KINDS["artefact"]
        clause = frame.format(
            a=a,
            b=b,
            noun=world.with_article(" ".join([*adjectives, thing])),
            place=draw.choice(world.PLACES),
            day=draw.choice(world.DAYS),
            food=draw.choice(_DISHES),
            pet=draw.choice(world.PETS),
            city=city,
            city2=city2,
            ride=draw.choice(("bus", "car", "tram", "van")),
            instrument=draw.choice(artefacts["instrument"]),
            tool=draw.choice(("axe", "drill", "hammer", "saw")),
        )
        sentences.append(world.sentence(clause))
    return sentences


def _numbers(draw: Draw) -> list[str]:
    """Counts things."""
    name, thing = draw.choice(world.NAMES), world.plural(draw.choice(world.THINGS))
    first, second = 2 + draw.below(5), 2 + draw.below(5)
    few, more, both = (world.NUMBERS[count - 1] for count in (first, second, first + second))
    start = draw.below(len(world.NUMBERS) - 3)
    low, high = sorted(draw.sample(range(1, len(world.NUMBERS)), 2))
    clauses = [
        f"{name} had {few} {thing} and got {more} more, which makes {both} {thing}",
        f"after {world.NUMBERS[start]} come {world.listed(world.NUMBERS[start + 1 : start + 4])}",
        f"{world.NUMBERS[high]} {thing} are more than {world.NUMBERS[low]}",
        f"{name} gave away {few} of {both} {thing} and was left with {more}",
        f"counting down, {name} says {', '.join(reversed(world.NUMBERS[start : start + 4]))}",
    ]
    return [world.sentence(clause) for clause in draw.shuffled(clauses)]


def _days(draw: Draw) -> list[str]:
    """Tells the days of a week and the hours of a day."""
    name, day = draw.choice(world.NAMES), draw.below(7)
    hour, length = draw.below(8), 2 + draw.below(2)
    city, food = draw.choice(world.CITIES), draw.choice(_DISHES)
    today, tomorrow, later = (world.DAYS[(day + step) % 7] for step in range(3))
    begun, spent, done = (world.NUMBERS[place] for place in (hour, length - 1, hour + length))
    clauses = [
        f"the day after {today} is {tomorrow}, and then comes {later}",
        f"{today} comes just before {tomorrow}",
        f"{name} left for {city} on {today} and came back two days later, on {later}",
        f"{name} began to make {food} at {begun} and was done {spent} hours later, at {done}",
        f"when {today} is over, {name} knows that it is {tomorrow}",
        f"a week has seven days, and if it is {later}, the day before was {tomorrow}",
    ]
    return [world.sentence(clause) for clause in draw.shuffled(clauses)]


def _causes(draw: Draw) -> list[str]:
    """Tells causes with their effects, in either order."""
    name, other = draw.sample(world.NAMES, 2)
    sentences = []
    for cause, effect in draw.sample(_CAUSES, 5):
        told = (f"{cause}, so {effect}", f"{effect}, because {cause}", f"since {cause}, {effect}")
        clause = draw.choice(told).format(a=draw.choice((name, other)))
        sentences.append(world.sentence(clause))
    return sentences


BUILDERS: tuple[tuple[int, Callable[[Draw], list[str]]], ...] = (
    (5, _nature),
    (2, _sizes),
    (5, _materials),
    (5, _work),
    (8, _happenings),
    (4, _numbers),
    (4, _days),
    (5, _causes),
)
"""How often each kind of paragraph comes, and what writes its sentences."""
