"""What does somebody want of a helper in the house?"""

from __future__ import annotations

from collections.abc import Mapping

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

OPTIONS = ("alarm", "shopping list", "message", "music", "directions")

_WISHES: Mapping[str, Mapping[str, str]] = {
    "alarm": {
        "get": "me up at {hour}",
        "let": "me sleep until {hour}",
        "help": "me wake at {hour}",
        "give": "me a shake at {hour}",
    },
    "shopping list": {
        "get": "{item} onto my list",
        "let": "my list include {item}",
        "help": "me to buy {item}",
        "give": "{item} a line on my list",
    },
    "message": {
        "get": "word to {friend} that {said}",
        "let": "{friend} know that {said}",
        "help": "me tell {friend} that {said}",
        "give": "{friend} word that {said}",
    },
    "music": {
        "get": "me a song about {theme}",
        "let": "me hear a song about {theme}",
        "help": "me sing about {theme}",
        "give": "me a tune about {theme}",
    },
    "directions": {
        "get": "me to {city}",
        "let": "me know the way to {city}",
        "help": "me find the way to {city}",
        "give": "me a route to {city}",
    },
}
"""Intent -> verb -> what follows it; the same verbs serve every intent."""

_PAST = {"get": "got", "let": "let", "help": "helped", "give": "gave"}

_FRAMES = (
    "yesterday {told}, today please {wish}.",
    "earlier {told}. Now {wish}.",
    "last time {told}. Could you {wish}?",
    "please {wish}. Yesterday {told}.",
    "could you {wish}? Last time {told}.",
    "now {wish}. Before that {told}.",
)
"""A wish and what was done before, which stands first as often as last."""

_HOURS = tuple(
    f"{part}{hour}"
    for part in ("", "half past ", "ten past ", "ten to ")
    for hour in world.NUMBERS[4:9]
)


def _written(draw: Draw, pattern: str, friend: str) -> str:
    """Fills a pattern with what it may speak of."""
    city, food = draw.choice(world.CITIES), world.dish(draw.choice(world.FOODS))
    thing = world.with_article(draw.choice(world.THINGS))
    said = draw.choice(("{city} is far", "{city} is big", "{food} is good"))
    return pattern.format(
        city=city,
        friend=friend,
        hour=draw.choice(_HOURS),
        item=draw.choice((food, thing)),
        said=said.format(city=city, food=food),
        theme=draw.choice((city, food, thing)),
    )


def make(draw: Draw) -> Record:
    """Writes an utterance whose intent was drawn beforehand.

    Beside the wish it tells, in the same words but for the tense, of another
    intent that somebody served before. So verbs and frames say nothing, and
    words of an intent, informative by nature, leave two open. Length tells a
    little, as messages are longer: by itself it finds one in four.
    """
    intent = draw.choice(OPTIONS)
    other = draw.choice([option for option in OPTIONS if option != intent])
    verb, other_verb = draw.choice(tuple(_PAST)), draw.choice(tuple(_PAST))
    helper, friend, other_friend = draw.sample(world.NAMES, 3)
    wish = f"{verb} {_written(draw, _WISHES[intent][verb], friend)}"
    done = _written(draw, _WISHES[other][other_verb], other_friend)
    told = f"{helper} {_PAST[other_verb]} {done}"
    request = draw.choice(_FRAMES).format(wish=wish, told=told)
    return {
        "request": request[0].upper() + request[1:],
        "wish": wish,
        "told": told,
        "label": intent,
    }


def to_fields(record: Record) -> Fields:
    """Gives the utterance; the options are what a helper can do."""
    return {"request": record["request"], "options": OPTIONS, "answer": record["label"]}


TASK = Task(
    name="mini_requests",
    version=1,
    source=GrammarSource(name="mini_requests", make=make, topic=("wish", "told")),
    to_fields=to_fields,
    fields=("request", "options", "answer"),
    templates=(
        Template("User: {request}\nWhat should be opened now?\n{options}"),
        Template("{request}\nIntent behind these words?\n{options}"),
        Template("{options}\nPick what the voice wants.\n{request}"),
        Template(
            "Does this call for an alarm, a shopping list, a message, music or directions? "
            "{request}"
        ),
        Template("Which phone app handles it? {request}\n{options}"),
        Template('Butler, which duty is meant?\n"{request}"\n{options}'),
        Template("Route this order.\n{options}\nOrder: {request}"),
        Template(
            '"{request}" Name the service this takes: directions, music, message, '
            "shopping list or alarm."
        ),
        Template("Guest, at the desk: {request}\nWhat is wanted?\n{options}"),
        Template("{request}\nAt your service! That is about\n{options}"),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
