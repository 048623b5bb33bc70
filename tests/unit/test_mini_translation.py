"""Veshi, translated back and forth by a translator of its own.

A word of the source tells the word of the target: that is what a lexicon is, and no test asks for
a bag of words to fail. Order, number and negation are what the translator below checks.
"""

from __future__ import annotations

import collections
import functools
import re

import pytest

from flanjax.data.task import Record
from flanjax.tasks.mini.translation import from_veshi, into_veshi, veshi, veshi_numbers

TASKS = {task.name: task for task in (into_veshi.TASK, from_veshi.TASK, veshi_numbers.TASK)}

ENGLISH_OF = {word: english for english, word in veshi.LEXICON.items()}

PREPOSITIONS = "behind|by|in|near|next to|on|under"


@functools.cache
def records(name: str) -> tuple[Record, ...]:
    return tuple(TASKS[name].source.records("train"))  # type: ignore[arg-type]


# --- words -------------------------------------------------------------------


def test_every_word_differs_from_every_other_in_all_its_forms():
    forms = [*veshi.LEXICON.values(), *(f"{word}sh" for word in veshi.LEXICON.values())]
    assert len(set(forms)) == len(forms)


def test_an_ending_tells_the_class_of_a_word():
    for english, word in veshi.LEXICON.items():
        if english in ("black", "blue", "grey", "pink", "big", "tiny", "orange"):
            assert word.endswith("e"), word
        if english in ("bag", "hamster", "shelf", "window"):
            assert word[-1] in "aou", word
        if english in PREPOSITIONS.split("|"):
            assert word.endswith("im"), word
        assert re.fullmatch(r"[bcdfghjklmnprstvyzwq]{0,3}([aeiou]+[^aeiou]{0,4})+", word), word


def test_no_word_is_one_of_the_english_around_it():
    english = set(veshi.LEXICON)
    for task in TASKS.values():
        for template in task.templates:
            english |= set(re.findall(r"\w+", re.sub(r"\{\w+\}", "", template.inputs.lower())))
        for record in records(task.name):
            text = record["count"] if "count" in record else record["english"]
            english |= set(re.findall(r"\w+", text.lower()))
    assert not english & set(veshi.LEXICON.values())


# --- translating -------------------------------------------------------------


def singular(noun: str) -> tuple[str, bool]:
    """Returns an English noun's singular, and whether it was plural."""
    for ending, single in (("ponies", "pony"), ("boxes", "box")):
        if noun == ending:
            return single, True
    return (noun[:-1], True) if noun.endswith("s") else (noun, False)


def phrase_to_veshi(phrase: str) -> str:
    *adjectives, noun = re.sub(r"^(?:the|an?) ", "", phrase, flags=re.IGNORECASE).split()
    single, is_plural = singular(noun)
    words = [veshi.LEXICON[single] + ("sh" if is_plural else "")]
    return " ".join(words + [veshi.LEXICON[word.lower()] for word in adjectives[::-1]])


def spot_to_veshi(spot: str) -> str:
    preposition, noun = re.fullmatch(rf"({PREPOSITIONS}) the (\w+)", spot).groups()
    return f"{veshi.LEXICON[noun]} {veshi.LEXICON[preposition]}"


def deed_to_veshi(english: str) -> str:
    match = re.fullmatch(
        r"(?P<who>\w+)(?: and (?P<other>\w+))?(?P<no> do(?:es)? not)? (?P<verb>\w+) (?P<what>.+?)"
        rf"(?: to (?P<receiver>[A-Z]\w+)| (?P<spot>(?:{PREPOSITIONS}) the \w+))?\.",
        english,
    )
    who, other, no, verb, what, receiver, spot = match.groups()
    stems = (verb, verb.removesuffix("s"), verb.removesuffix("es"), verb[:-3] + "y")
    words = [who] if other is None else [who, "jeg", other]
    words.append(phrase_to_veshi(what))
    words += [f"{receiver} ezhim"] if receiver else [spot_to_veshi(spot)] if spot else []
    words += ["nuv"] if no else []
    words.append(next(veshi.LEXICON[stem] for stem in stems if stem in veshi.LEXICON))
    return " ".join(words) + "."


def description_to_veshi(english: str) -> str:
    english = re.sub(rf"^There (is|are) (.+) ((?:{PREPOSITIONS}) the)", r"\2 \1 \3", english)
    match = re.fullmatch(
        rf"(?P<what>[\w ]+?)(?: (?P<at>(?:{PREPOSITIONS}) the \w+))? (?:is|are)(?P<no> not)?"
        r" (?P<so>[\w ]+)\.",
        english,
    )
    what, spot, no, so = match.groups()
    words = [phrase_to_veshi(what)]
    words += [spot_to_veshi(spot)] if spot else []
    words.append(spot_to_veshi(so) if " " in so else veshi.LEXICON[so])
    words += ["nuv"] if no else []
    text = " ".join([*words, "yesar"])
    return text[0].upper() + text[1:] + "."


def without_articles(english: str) -> str:
    return re.sub(r"\b(?:the|an?) ", "", english, flags=re.IGNORECASE).lower()


def phrase_to_english(words: list[str]) -> tuple[str, bool]:
    """Returns noun and adjectives in English order, and whether it is plural."""
    noun, *adjectives = words
    is_plural = noun.endswith("sh")
    single = ENGLISH_OF[noun.removesuffix("sh")]
    plural = {"pony": "ponies", "box": "boxes"}.get(single, f"{single}s")
    english = [ENGLISH_OF[word] for word in reversed(adjectives)]
    return " ".join([*english, plural if is_plural else single]), is_plural


def to_english(text: str) -> str:
    """Translates any Veshi sentence by its words' endings, without articles."""
    words = text.rstrip(".").split()
    if words[0].lower().removesuffix("sh") in ENGLISH_OF:
        words[0] = words[0].lower()
    *words, verb = words
    no = words[-1] == "nuv"
    words = words[:-1] if no else words
    line = " ".join(words)
    match = re.fullmatch(
        r"(?P<who>[A-Z]\w+(?: jeg [A-Z]\w+)?)? ?(?P<what>[a-z]+[aou](?:sh)?(?: [a-z]+e)*)"
        r"(?: (?P<spot>\w+ [a-z]+im))?(?: (?P<so>[a-z]+e))?",
        line,
    )
    who, what, spot, so = match.groups()
    where = ""
    if spot:
        noun, postposition = spot.split()
        where = f"{ENGLISH_OF[postposition]} {ENGLISH_OF.get(noun, noun)}"
    if who is None:
        *rest, last = what.split()
        if so is None and not where:  # the last adjective is what is said
            what, so = " ".join(rest), last
        said, is_plural = phrase_to_english(what.split())
        where, so = (where, ENGLISH_OF[so]) if so else ("", where)
        parts = [said, where, "are" if is_plural else "is", "not" * no, so]
    else:
        base = ENGLISH_OF[verb]
        is_two = "jeg" in who
        ending = "ies" if base == "carry" else "es" if base.endswith("sh") else "s"
        does = base if is_two else base.removesuffix("y" if ending == "ies" else "") + ending
        does = f"{'do' if is_two else 'does'} not {base}" if no else does
        parts = [who.replace(" jeg ", " and "), does, phrase_to_english(what.split())[0], where]
    return " ".join(part for part in parts if part).lower() + "."


def test_a_translator_of_its_own_makes_every_deed_veshi():
    for record in records("mini_into_veshi"):
        assert deed_to_veshi(record["english"]) == record["veshi"], record


def test_a_translator_of_its_own_makes_every_description_veshi():
    for record in records("mini_from_veshi"):
        for english in record["variants"]:
            assert description_to_veshi(english) == record["veshi"], record


@pytest.mark.parametrize("name", ["mini_into_veshi", "mini_from_veshi"])
def test_the_lexicon_inverted_brings_every_sentence_back(name):
    for record in records(name):
        assert to_english(record["veshi"]) == without_articles(record["english"]), record


def test_a_veshi_sentence_has_every_english_the_articles_allow():
    for record in records("mini_from_veshi"):
        known, some, *there = record["variants"]
        is_place = re.search(rf"(is|are) (?:{PREPOSITIONS}) the \w+\.$", known)
        assert len(there) == bool(is_place), record
        assert known.startswith("The ") and known == record["english"]
        assert not some.startswith("The ")
        assert without_articles(known) == without_articles(some)


# --- numbers -----------------------------------------------------------------

ONES = (
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
TEENS = ("thir", "four", "fif", "six", "seven", "eigh", "nine")
TENS = ("twen", "thir", "for", "fif", "six", "seven", "eigh", "nine")
VALUES = {
    **{word: value for value, word in enumerate(ONES, 1)},
    **{f"{word}teen": value for value, word in enumerate(TEENS, 13)},
    **{f"{word}ty": 10 * value for value, word in enumerate(TENS, 2)},
}


def value_of_veshi(words: list[str]) -> int:
    """Reads a numeral from left to right: a digit waits for its unit."""
    digits = {"uth": 1, "dvu": 2, "tsi": 3, "kav": 4, "pesk": 5}
    total, waiting = 0, 0
    for word in words:
        if word in digits:
            assert not waiting
            waiting = digits[word]
        else:
            total += (waiting or 1) * {"shom": 6, "vorth": 36}[word]
            waiting = 0
    return total + waiting


def test_every_count_has_its_value_in_sixes_behind_what_is_counted():
    for record in records("mini_veshi_numbers"):
        first, *counted = record["count"].split()
        value = sum(VALUES[word] for word in first.split("-"))
        phrase = phrase_to_veshi(" ".join(counted)).split() if counted else []
        words = record["veshi"].split()
        assert words[: len(phrase)] == phrase, record
        assert value_of_veshi(words[len(phrase) :]) == value, record
        assert not counted or counted[-1].endswith("s") == (value > 1)


def test_numerals_have_the_least_words_and_never_a_single_one_before_a_unit():
    names = [veshi.numeral(number) for number in range(1, veshi.LARGEST + 1)]
    assert [value_of_veshi(name.split()) for name in names] == list(range(1, 216))
    assert not any("uth shom" in name or "uth vorth" in name for name in names)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (1, "uth"),
        (6, "shom"),
        (7, "shom uth"),
        (12, "dvu shom"),
        (36, "vorth"),
        (50, "vorth dvu shom dvu"),
        (99, "dvu vorth kav shom tsi"),
    ],
)
def test_numerals_by_hand(number, name):
    assert veshi.numeral(number) == name


@pytest.mark.parametrize("number", [0, 216])
def test_a_number_without_a_name_is_refused(number):
    with pytest.raises(ValueError, match=f"a Veshi number must be 1 to 215, got {number}"):
        veshi.numeral(number)


# --- balance -----------------------------------------------------------------


def test_numbers_are_drawn_alike():
    counted = [r["count"].split()[0] for r in records("mini_veshi_numbers") if " " in r["count"]]
    counts = collections.Counter(counted)
    assert len(counts) == 99
    assert max(counts.values()) < 3 * len(counted) / 99


@pytest.mark.parametrize("name", ["mini_into_veshi", "mini_from_veshi"])
def test_a_third_of_the_sentences_is_negated_and_half_are_plural(name):
    texts = [record["veshi"] for record in records(name)]
    assert 0.28 < sum(" nuv " in text for text in texts) / len(texts) < 0.38
    assert 0.4 < sum("sh " in text for text in texts) / len(texts) < 0.6


def test_the_tasks_share_no_sentence():
    english = {
        name: {r["count"] if "count" in r else r["english"] for r in records(name)}
        for name in TASKS
    }
    first, second, third = english.values()
    assert not first & second and not first & third and not second & third


# --- by hand -----------------------------------------------------------------


def test_sentences_are_what_the_grammar_says():
    deed = {"english": "Ana does not find the big red hats.", "veshi": ""}
    assert deed_to_veshi(deed["english"]) == "Ana lempash kirme grome nuv lomar."
    red_hats = veshi.noun_phrase("hat", ("big", "red"), is_plural=True)
    found = veshi.sentence("Ana", red_hats, verb="find", is_negated=True)
    assert found == "Ana lempash kirme grome nuv lomar."
    assert into_veshi.to_fields({"english": deed["english"], "veshi": found}) == {
        "english": deed["english"],
        "answer": found,
        "references": (found,),
    }
    sign = {
        "veshi": "Bauvo ture zelma unvim yesar.",
        "english": "The brown dog is in the garden.",
        "variants": ["The brown dog is in the garden.", "A brown dog is in the garden."],
    }
    assert from_veshi.to_fields(sign) == {
        "veshi": "Bauvo ture zelma unvim yesar.",
        "answer": "The brown dog is in the garden.",
        "references": ("The brown dog is in the garden.", "A brown dog is in the garden."),
    }
    count = {"count": "eight ponies", "veshi": "ekvarash shom dvu"}
    assert veshi_numbers.to_fields(count) == {
        "count": "eight ponies",
        "answer": "ekvarash shom dvu",
        "references": ("ekvarash shom dvu",),
    }
