"""English sentences about what people do, to Veshi."""

from __future__ import annotations

from collections.abc import Mapping

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource
from flanjax.tasks.mini.translation import veshi

_MAX_ENGLISH_BYTES = 60

_DEEDS: Mapping[str, str] = {
    "buy": "buys", "carry": "carries", "draw": "draws", "find": "finds", "hide": "hides",
    "lose": "loses", "see": "sees", "sell": "sells", "wash": "washes",
}  # fmt: skip
"""What one does with a thing or an animal, and how it goes after one name."""

_GIFTS: Mapping[str, str] = {"give": "gives", "lend": "lends", "show": "shows"}
"""What one does with it for somebody."""


def _subject(draw: Draw, names: list[str]) -> tuple[str, str, bool]:
    """Returns English, Veshi and whether there are two of them."""
    if draw.below(3):
        return names[0], names[0], False
    first, second = names
    return f"{first} and {second}", f"{first} {veshi.LEXICON['and']} {second}", True


def _object(draw: Draw) -> tuple[str, str]:
    """Returns, say, "the red hats" in English and Veshi."""
    noun = draw.choice((*world.THINGS, *world.PETS))
    is_plural = draw.below(2) == 0
    adjectives = [draw.choice(words) for words in (world.SIZES, world.COLOURS) if draw.below(2)]
    head = world.plural(noun) if is_plural else noun
    english = " ".join([*adjectives, head])
    if draw.below(2):
        english = f"the {english}"
    elif not is_plural:
        english = world.with_article(english)
    return english, veshi.noun_phrase(noun, adjectives, is_plural=is_plural)


def _adverbial(draw: Draw, receiver: str, *, is_gift: bool) -> tuple[str, str]:
    """Returns to whom, or where, in English and Veshi; perhaps nowhere."""
    if is_gift:
        return f" to {receiver}", f"{receiver} {veshi.LEXICON['to']}"
    if draw.below(2):
        return "", ""
    preposition, noun = draw.choice(veshi.PLACES)
    return f" {preposition} the {noun}", veshi.place(preposition, noun)


def _sentence(draw: Draw) -> tuple[str, str]:
    """Returns the sentence in both languages."""
    *names, receiver = draw.sample(world.NAMES, 3)
    subject, veshi_subject, is_two = _subject(draw, names)
    is_gift, is_negated = draw.below(3) == 0, draw.below(3) == 0
    verbs = _GIFTS if is_gift else _DEEDS
    verb = draw.choice(tuple(verbs))
    what, veshi_what = _object(draw)
    where, veshi_where = _adverbial(draw, receiver, is_gift=is_gift)
    does = verb if is_two else verbs[verb]
    if is_negated:
        does = f"{'do' if is_two else 'does'} not {verb}"
    parts = [part for part in (veshi_subject, veshi_what, veshi_where) if part]
    english = world.sentence(f"{subject} {does} {what}{where}")
    return english, veshi.sentence(*parts, verb=verb, is_negated=is_negated)


def make(draw: Draw) -> Record:
    """Writes a deed in both languages; articles have no trace in Veshi."""
    english, translation = _sentence(draw)
    while len(english) > _MAX_ENGLISH_BYTES or len(translation) > _MAX_ENGLISH_BYTES:
        english, translation = _sentence(draw)
    return {"english": english, "veshi": translation}


def to_fields(record: Record) -> Fields:
    """Gives the sentence and its one translation."""
    return {
        "english": record["english"],
        "answer": record["veshi"],
        "references": (record["veshi"],),
    }


TASK = Task(
    name="mini_into_veshi",
    version=1,
    source=GrammarSource(name="mini_into_veshi", make=make, topic=("english",)),
    to_fields=to_fields,
    fields=("english", "answer", "references"),
    templates=(
        Template("{english}\nSay it in Veshi."),
        Template("Translate from English into Veshi: {english}"),
        Template("English: {english}\nVeshi:"),
        Template("How would a native speaker of Veshi put the following?\n{english}"),
        Template('A traveller lacks the Veshi words to tell a host: "{english}" Help!'),
        Template("Drop the articles, move the verb last, and so on into Veshi. {english}"),
        Template("{english} I need that in Veshi; mind where the adjectives go."),
        Template("Phrase book, left column: {english}\nRight column, in Veshi:"),
        Template("My pen friend reads only Veshi. What must I write to convey this?\n{english}"),
        Template(
            "{answer}\nThus it was said in Veshi. And in English?", "{english}", inverted=True
        ),
    ),
    mode="generate",
    metrics=("bleu",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
