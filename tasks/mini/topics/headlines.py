"""Which part of the newspaper does a headline belong to?"""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource

OPTIONS = ("sport", "weather", "money", "food", "music")

_THEMES = {
    "sport": ("boxing", "football", "golf", "hockey", "rowing", "rugby", "swimming", "tennis"),
    "weather": ("cloud", "fog", "frost", "hail", "rain", "snow", "storm", "thunder"),
    "money": ("bank", "budget", "debt", "loan", "pension", "rent", "tax", "wage"),
    "food": ("bread", "cake", "cheese", "curry", "jam", "pasta", "pizza", "soup"),
    "music": ("choir", "drum", "flute", "harp", "jazz", "opera", "piano", "violin"),
}
"""Topic -> words that belong to it and to no other."""

_HEADS = ("facts", "figures", "news", "reports", "stories", "talk")
"""What may be told of any theme; so it says nothing of the topic."""

_PLAIN = (
    "{city} wakes up to {theme}",
    "{job} from {city} lives for {theme}",
    "all of {city} stirred by {theme}",
    "{theme} at the heart of {city}",
    "{city} cannot get enough of {theme}",
    "{theme} keeps {job} in {city} awake",
)

_CONTRASTS = (
    "{theme} rather than {other} for {city}",
    "{city} favours {theme} over {other}",
    "{theme} takes over from {other} in {city}",
    "{city} forgets {other} and turns to {theme}",
    "{job} in {city} drops {other} for {theme}",
    "{other} no longer matters in {city}, {theme} does",
)
"""Name two topics, of which one is over; it stands first as often as last."""

_SINGULAR_HEADS = ("news", "talk")
"""Those in the singular, for frames in which they govern a verb."""


def _theme(draw: Draw, topic: str, frame: str, slot: str) -> str:
    """Draws a theme of the topic that agrees with the verb of the frame."""
    is_subject = frame.startswith(f"{{{slot}}}") or f", {{{slot}}} " in frame
    heads = _SINGULAR_HEADS if is_subject else _HEADS
    return f"{draw.choice(_THEMES[topic])} {draw.choice(heads)}"


def make(draw: Draw) -> Record:
    """Writes a headline whose topic was drawn beforehand.

    Frames, heads, jobs and cities are drawn apart from the topic. Words of a
    topic tell it by nature; yet two of three headlines name a second topic, so
    that words alone leave two open and only reading settles which.
    """
    topic = draw.choice(OPTIONS)
    frame = draw.choice(draw.choice((_PLAIN, _CONTRASTS, _CONTRASTS)))
    city = draw.choice(world.CITIES)
    theme = _theme(draw, topic, frame, "theme")
    headline = frame.format(
        theme=theme,
        other=_theme(draw, draw.choice([o for o in OPTIONS if o != topic]), frame, "other"),
        city=city,
        job=draw.choice(world.JOBS),
    )
    return {
        "headline": headline[0].upper() + headline[1:],
        "theme": theme,
        "city": city,
        "label": topic,
    }


def to_fields(record: Record) -> Fields:
    """Gives the headline and the city it speaks of."""
    return {
        "headline": record["headline"],
        "city": record["city"],
        "options": OPTIONS,
        "answer": record["label"],
    }


TASK = Task(
    name="mini_headlines",
    version=1,
    source=GrammarSource(name="mini_headlines", make=make, topic=("theme", "city")),
    to_fields=to_fields,
    fields=("headline", "city", "options", "answer"),
    templates=(
        Template("{headline}\nTo which page of the paper does this go?\n{options}"),
        Template("Headline: {headline}\nTopic:\n{options}"),
        Template("{options}\nChoose a newspaper section to print it in.\n{headline}"),
        Template("The paper boy shouts: {headline}! What is all the noise about?\n{options}"),
        Template("Does this article deal with sport, weather, money, food or music? {headline}"),
        Template(
            '"{headline}" goes to print tonight. Which desk at the paper wrote it?\n{options}'
        ),
        Template(
            "Music, food, money, weather, sport: on which of these five shelves "
            'would a librarian keep "{headline}"?'
        ),
        Template("Skimming the press of {city} you see: {headline}\nMain subject?\n{options}"),
        Template('Name, in a word, what readers of "{headline}" care for.\n{options}'),
        Template(
            "A robot drops clippings into five folders.\n{options}\nNext clipping: {headline}"
        ),
    ),
    mode="rank",
    metrics=("accuracy",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
