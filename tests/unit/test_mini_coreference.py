"""The embedded coreferences: answers found by other means, and no shallow cue."""

from __future__ import annotations

import collections
import functools
import math
import re

import pytest

from flanjax.data.task import Record
from flanjax.tasks.mini import world
from flanjax.tasks.mini.coreference import its, ones, pronouns

TASKS = {task.name: task for task in (pronouns.TASK, its.TASK, ones.TASK)}
every_task = pytest.mark.parametrize("name", TASKS)


@functools.cache
def all_records(name: str, split: str) -> tuple[Record, ...]:
    return tuple(TASKS[name].source.records(split))


# --- pronouns ----------------------------------------------------------------

OF_THE_OTHER = """
    lent a hand|offered good advice|in trouble|manage alone|been rude|told a lie|was crying
    sad news|the big prize|owned a castle|violent temper|be cruel|right skills|low wages
    stolen from the till|late to work|finished the work|sent a bill|about to drown|drown after all
    said sorry|on purpose|an expert|good answers|talked without end|same joke|broken leg
    too weak|very hungry|hungry no longer|eager to learn|learned a great deal|robbed a bank
    night in a cell|not practised|without the cup|high fever|badly hurt|posing|lovely in blue
    knew the way|the guide|overslept|snoring|easy to fool|lost a lot|become famous|applied for
"""
"""Ends of clauses that tell of the one to whom it was done."""


def solve_pronouns(record: Record) -> str:
    """Answers by whether the clause tells of the one to whom it was done."""
    told = re.fullmatch(
        r"(\w+) (was \w+ by|\w+) (\w+),? (because|so) (he|she) (.+)\.", record["text"]
    )
    doer, other = (told[3], told[1]) if " by" in told[2] else (told[1], told[3])
    ends = re.split(r"[|\n]\s*", OF_THE_OTHER.strip())
    return other if any(end in told[6] for end in ends) else doer


@pytest.mark.parametrize("pronoun", ["he", "she"])
def test_both_people_have_names_of_the_pronoun_s_gender(pronoun):
    told = "Ada Ana Cleo Dora Elif Eva Gita Hana Ida Ines Lena Mara Mei Nina Pia Rosa Tara"
    women = set(re.findall(r"\w+", told))
    for record in all_records("mini_pronouns", "train"):
        if f" {pronoun} " in record["text"]:
            assert women.isdisjoint(record["choices"]) == (pronoun == "he")
            assert set(record["choices"]) <= set(world.NAMES)


# --- its ---------------------------------------------------------------------

SAID_OF_THE_ACTIVE = {
    "fit into|go into|room for|closed over": "too big|too large|too bulky",
    "from view|sight of|seen behind": "so big|so tall|so huge",
    "pushed into|got stuck|slid over|jammed": "too wide|too broad|too large",
    r"overtook|overtaken|\w+ behind$|fell behind": "so fast|so swift|built for speed",
    "drowned|heard": "so loud|so noisy|so shrill",
    "cost|price": "brand new|in perfect shape|of the finest quality",
    "chosen|passed over|buyer|unsold": "so pretty|so useful|such a bargain",
    "smashed|cracked": "so heavy|so hard|made of solid iron",
    "too much|crushed|broke under|gave way": "so heavy|so massive|heavy as lead",
    "[Mm]ilk": "empty|completely empty|drained",
    "ate|swallowed|eaten": "so hungry|starving|in need of food",
}
"""Words of an event -> what is said of the thing that would not fit, hides, passes, wins, eats."""

ROLES_TURNED = (
    "had no room", "closed over", "was hidden", "be seen behind", "slid over", "jammed",
    "was overtaken", "fell behind", "was drowned", "not be heard", "cost less", "worse price",
    "was passed", "unsold", "was smashed", "was cracked", "broke under", "gave way", "was filled",
    "topped up", "was eaten", "was swallowed",
)  # fmt: skip
"""Where the thing that would not fit, hides, passes, wins or eats is named last."""


def solve_its(record: Record) -> str:
    """Answers by a table of which thing each trait is said of."""
    event, trait = re.fullmatch(r"(.+) (?:because|until) it was (.+)\.", record["text"]).groups()
    named = [f"the {noun}" for noun in re.findall(r"\b[Tt]he (\w+)\b", event) if noun != "sight"]
    if any(turned in event for turned in ROLES_TURNED):
        named.reverse()
    (of_active,) = {
        traits
        for words, traits in SAID_OF_THE_ACTIVE.items()
        if re.search(rf"\b({words})\b", event)
    }
    return named[trait not in of_active.split("|")]


# --- ones --------------------------------------------------------------------


def solve_ones(record: Record) -> str:
    """Answers by putting the words for what stands for them."""
    text, question = record["text"], record["question"]
    if found := re.match(r"(An? .+) and (an? .+) were left .+?\. (.+)\.", text):
        items = [re.sub(r"^[Aa]n? ", "the ", item) for item in found.groups()[:2]]
        return solve_deal(items, found[3], question.rstrip("?").split()[-1])
    if found := re.match(r"(\w+) and (\w+) were guests in \w+\. The (.+)\.", text):
        parts = [part.removeprefix("the ") for part in found[3].split(", ")]
        eaten = {}
        for part in parts:
            person = found[1] if part.split()[0] in ("first", "former") else found[2]
            eaten[person] = f"the {part.split()[-1]}"
        if question.startswith("Who "):
            return next(person for person in eaten if question[:-1].endswith(eaten[person]))
        return eaten[question.split()[2]]
    if found := re.search(r"\w+ bought an? \w+ (\w+) and (\w+) (an? \w+) one", text):
        assert question == f"What did {found[2]} buy?"
        return f"{found[3]} {found[1]}"
    who = re.search(r"(?:did|does) (\w+)", question)[1]
    before = re.split(rf", (?:and so d\w+ {who}|just as {who})", text)[0]
    return f"the {before.split()[-1]}"


def solve_deal(items: list[str], deal: str, who: str) -> str:
    firsts = ("the first", "the former")
    if found := re.fullmatch(r"\w+ put (the \w+) back and kept the other", deal):
        return items[found[1] in firsts]
    if found := re.fullmatch(rf"\w+ took the (\w+) one, {who} the other", deal):
        return next(item for item in items if found[1] not in item.split())
    had = re.search(rf"{who} (?:took )?(the \w+)", deal)[1]
    return items[had not in firsts]


SOLVERS = {"mini_pronouns": solve_pronouns, "mini_its": solve_its, "mini_ones": solve_ones}


@every_task
def test_an_independent_solver_finds_every_answer(name):
    for record in all_records(name, "train"):
        assert SOLVERS[name](record) == TASKS[name].to_fields(record)["answer"], record


# --- no shallow cue ----------------------------------------------------------


def is_first(record: Record) -> bool:
    """Returns whether the answer is what the text names before the other option."""
    text = record["text"].casefold()

    def place(choice: str) -> int:
        words = choice.casefold().removeprefix("the ").split()
        found = [text.find(" ".join(words)), text.find(words[-1]), text.find(words[0])]
        same_noun = len({option.split()[-1] for option in record["choices"]}) == 1
        if found[0] >= 0 and " ".join(words) in text:
            return found[0]
        return found[2] if same_noun else found[1]

    return min(record["choices"], key=place) == record["answer"]


def bag(record: Record) -> set[str]:
    return set(re.findall(r"\w+", record["text"])) | {
        f"asked {word}"
        for word in re.findall(r"\w+", record["question" if "question" in record else "text"])
    }


@every_task
def test_words_alone_do_not_tell_whether_the_first_one_is_meant(name):
    seen: dict[str, collections.Counter[bool]] = collections.defaultdict(collections.Counter)
    for record in all_records(name, "train"):
        for feature in bag(record):
            seen[feature][is_first(record)] += 1

    def score(record: Record, label: bool) -> float:
        counts = [seen[feature] for feature in bag(record)]
        return sum(math.log((c[label] + 1) / (c.total() + 2)) for c in counts)

    records = all_records(name, "test")
    guesses = [score(record, True) > score(record, False) for record in records]
    num_right = sum(g == is_first(record) for g, record in zip(guesses, records, strict=True))
    assert num_right / len(records) <= 0.6


@every_task
def test_the_answer_is_as_often_the_first_one_named_as_the_other(name):
    firsts = [is_first(record) for record in all_records(name, "train")]
    assert 0.45 < sum(firsts) / len(firsts) < 0.55


@every_task
def test_no_option_is_the_answer_whenever_it_is_there(name):
    """Or a model might learn the likely answers by heart and not read."""
    counts: dict[str, collections.Counter[bool]] = collections.defaultdict(collections.Counter)
    for record in all_records(name, "train"):
        for choice in record["choices"]:
            counts[choice][choice == record["answer"]] += 1
    often = {choice: c for choice, c in counts.items() if c.total() >= 60}
    assert len(often) >= 10
    assert all(0.3 < c[True] / c.total() < 0.7 for c in often.values())


def test_the_trait_and_the_two_things_alone_do_not_tell_which_of_them_it_is():
    seen: dict[tuple[str, str], collections.Counter[bool]] = collections.defaultdict(
        collections.Counter
    )
    for record in all_records("mini_its", "train"):
        for choice in record["choices"]:
            seen[record["trait"], choice][choice == record["answer"]] += 1

    def score(record: Record, choice: str) -> float:
        counts = seen[record["trait"], choice]
        return (counts[True] + 1) / (counts.total() + 2)

    records = all_records("mini_its", "test")
    guesses = [max(r["choices"], key=functools.partial(score, r)) for r in records]
    num_right = sum(g == record["answer"] for g, record in zip(guesses, records, strict=True))
    assert num_right / len(records) <= 0.6


@every_task
def test_no_records_differ_in_the_order_of_their_options_alone(name):
    """Or a wording without options would be one prompt for both."""
    for split in ("train", "test"):
        records = all_records(name, split)
        asked = {(r["text"], r.get("question", r.get("trait"))) for r in records}
        assert len(asked) == len(records)


# --- by hand -----------------------------------------------------------------


def test_records_become_the_fields_a_reader_expects():
    record = {
        "people": "Ana and Eva",
        "clause": "because she was in trouble",
        "text": "Ana helped Eva because she was in trouble.",
        "choices": ["Eva", "Ana"],
        "answer": "Eva",
    }
    assert TASKS["mini_pronouns"].to_fields(record) == {
        "text": "Ana helped Eva because she was in trouble.",
        "pronoun": "she",
        "question": "Who was in trouble?",
        "options": ("Eva", "Ana"),
        "answer": "Eva",
    }
    text = "The hat did not fit into the box because it was too big."
    record = {"about": "", "text": text, "trait": "too big", "choices": ["the box", "the hat"]}
    assert TASKS["mini_its"].to_fields({**record, "answer": "the hat"}) == {
        "text": text,
        "question": "What was too big?",
        "options": ("the box", "the hat"),
        "answer": "the hat",
    }
    record = {"text": "Bo bought a red hat and Ana a blue one, but Leo bought a pink cup."}
    record |= {"question": "What did Ana buy?", "choices": ["a blue cup", "a blue hat"]}
    fields = TASKS["mini_ones"].to_fields({**record, "answer": "a blue hat"})
    assert fields["options"] == ("a blue cup", "a blue hat")
    assert fields["story"] == record["text"]
