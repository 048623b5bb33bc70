"""Veshi sentences about how and where things are, to English."""

from __future__ import annotations

from flanjax.data.task import Fields, Record, Task, Template
from flanjax.tasks.mini import world
from flanjax.tasks.mini.source import Draw, GrammarSource
from flanjax.tasks.mini.translation import veshi

_MAX_ENGLISH_BYTES = 60


def _description(draw: Draw) -> tuple[str, list[str], str, str, str]:
    """Draws the noun, its adjectives, and what is said of it.

    Returns:
      noun, adjectives, place after the noun in English (or ""), what is said in English, and
      both in Veshi.
    """
    size, colour = draw.choice(world.SIZES), draw.choice(world.COLOURS)
    preposition, spot = draw.choice(veshi.PLACES)
    where, veshi_where = f"{preposition} the {spot}", veshi.place(preposition, spot)
    noun = draw.choice((*world.THINGS, *world.PETS))
    pet = draw.choice(world.PETS)
    is_so = veshi.LEXICON[colour]
    return draw.choice(
        (
            (noun, [size], f" {where}", colour, f"{veshi_where} {is_so}"),
            (noun, [size], "", colour, is_so),
            (noun, [colour], "", size, veshi.LEXICON[size]),
            (pet, [size, colour], "", where, veshi_where),
        )
    )


def _sentence(draw: Draw) -> tuple[str, list[str]]:
    """Returns the Veshi, and its English: "the", "a", and perhaps "there is"."""
    noun, adjectives, where, what, veshi_rest = _description(draw)
    is_plural, is_negated = draw.below(2) == 0, draw.below(3) == 0
    head = world.plural(noun) if is_plural else noun
    known = " ".join(["the", *adjectives, head])
    some = " ".join([*adjectives, head])
    some = some if is_plural else world.with_article(some)
    verb = "are" if is_plural else "is"
    said = f"{where} {verb}{' not' * is_negated} {what}"
    told = [f"{who}{said}" for who in (known, some)]
    if " the " in what and not is_negated:
        told.append(f"there {verb} {some} {what}")
    subject = veshi.noun_phrase(noun, adjectives, is_plural=is_plural)
    original = veshi.sentence(subject, veshi_rest, verb="be", is_negated=is_negated)
    return original, [world.sentence(clause) for clause in told]


def make(draw: Draw) -> Record:
    """Writes a description in both languages.

    Veshi has no articles, so that English may have either; the plainest is "the".
    """
    original, translations = _sentence(draw)
    while len(translations[0]) > _MAX_ENGLISH_BYTES or len(original) > _MAX_ENGLISH_BYTES:
        original, translations = _sentence(draw)
    return {"veshi": original, "english": translations[0], "variants": translations}


def to_fields(record: Record) -> Fields:
    """Gives the Veshi sentence and its translations."""
    return {
        "veshi": record["veshi"],
        "answer": record["english"],
        "references": tuple(record["variants"]),
    }


TASK = Task(
    name="mini_from_veshi",
    version=1,
    source=GrammarSource(name="mini_from_veshi", make=make, topic=("english",)),
    to_fields=to_fields,
    fields=("veshi", "answer", "references"),
    templates=(
        Template("{veshi}\nWhat does this Veshi sentence mean in English?"),
        Template("Veshi original: {veshi}\nEnglish rendering:"),
        Template("Read the Veshi sign to visitors who have no language but English. {veshi}"),
        Template('The guide points and says "{veshi}" What do you whisper, in English?'),
        Template("Decode it from Veshi to English.\n{veshi}"),
        Template("English subtitles wanted. On screen somebody remarks in Veshi: {veshi}"),
        Template("It is Veshi, verb at the end. Give the sense in English. {veshi}"),
        Template("{veshi} Pardon? I never learnt Veshi, just English."),
        Template("As interpreter from Veshi, you hear: {veshi} Your English, then?"),
        Template(
            "Somebody has already turned it into English: {answer} Restore the lost Veshi.",
            "{veshi}",
            inverted=True,
        ),
    ),
    mode="generate",
    metrics=("bleu",),
    license="Apache-2.0",
    citation="flanjax, generated",
)
