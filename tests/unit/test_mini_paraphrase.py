"""The embedded paraphrases: answers found by other means, and no shallow cue."""

from __future__ import annotations

import collections
import functools
import math
import re

import pytest

from flanjax.data.task import Record
from flanjax.tasks.mini.paraphrase import orders, quantities, rewordings

TASKS = {task.name: task for task in (rewordings.TASK, quantities.TASK, orders.TASK)}
every_task = pytest.mark.parametrize("name", TASKS)


@functools.cache
def all_records(name: str, split: str) -> tuple[Record, ...]:
    return tuple(TASKS[name].source.records(split))


# --- rewordings --------------------------------------------------------------

WHO = r"((?:the )?\w+)"
SIDE_BY_SIDE = {"above": "below", "in front of": "behind", "to the left of": "to the right of"}
SIDE_BY_SIDE["west of"] = "east of"
NOT_AS = {
    "rich": "poorer", "poor": "richer", "strong": "weaker", "weak": "stronger",
    "happy": "sadder", "sad": "happier", "loud": "quieter", "quiet": "louder",
    "tidy": "messier", "messy": "tidier", "calm": "more nervous", "nervous": "calmer",
}  # fmt: skip
LESS = {"poorer": "richer", "weaker": "stronger", "sadder": "happier", "quieter": "louder"}
LESS |= {"messier": "tidier", "more nervous": "calmer"}
TAKING = {"borrowed": "lent", "bought": "sold", "rented": "rented"}
SERVED = {"debtor": "creditor", "employee": "employer", "ward": "guardian", "guest": "host"}
SERVED |= {"tenant": "landlord", "child": "parent", "pupil": "teacher"}


def read_relation(clause: str) -> tuple[str, str, str]:
    """Returns what is so, and the two between whom it is so."""
    if found := re.fullmatch(rf"{WHO} is not as (\w+) as {WHO}", clause):
        clause = f"{found[1]} is {NOT_AS[found[2]]} than {found[3]}"
    if found := re.fullmatch(rf"{WHO} is ([\w ]+) than {WHO}", clause):
        a, word, b = found.groups()
        return (LESS[word], b, a) if word in LESS else (word, a, b)
    if found := re.fullmatch(rf"{WHO} has {WHO} as an? (\w+)", clause):
        clause = f"{found[2]} is a {found[3]} of {found[1]}"
    if found := re.fullmatch(r"(\w+) is an? (\w+) of (\w+)", clause):
        a, word, b = found.groups()
        return (SERVED[word], b, a) if word in SERVED else (word, a, b)
    if found := re.fullmatch(rf"{WHO} has {WHO} ([\w ]+) it", clause):
        clause = f"{found[2]} is {found[3]} {found[1]}"
    for here, there in SIDE_BY_SIDE.items():
        if found := re.fullmatch(rf"{WHO} is {there} {WHO}", clause):
            return here, found[2], found[1]
        if found := re.fullmatch(rf"{WHO} is {here} {WHO}", clause):
            return here, found[1], found[2]
    return read_deed(re.sub(r"^it was (\w+) who ", r"\1 ", clause))


def read_deed(clause: str) -> tuple[str, str, str]:
    clause = clause.replace("was the one who ", "")
    if found := re.fullmatch(r"(\w+) was (\w+) by (\w+)", clause):
        return found[2], found[3], found[1]
    if found := re.fullmatch(r"(?:it was (\w+) whom|(\w+) was the one whom) (\w+) (\w+)", clause):
        return found[4], found[3], found[1] or found[2]
    if found := re.fullmatch(r"(\w+) (\w+) (.+) from (\w+)", clause):
        return f"{TAKING[found[2]]} {found[3]}", found[4], found[1]
    if found := re.fullmatch(r"(\w+) (\w+) (.+) to (\w+)", clause):
        return f"{found[2]} {found[3]}", found[1], found[4]
    a, verb, b = clause.split()
    return verb, a, b


# --- orders ------------------------------------------------------------------


def read_order(clause: str) -> tuple[str, str]:
    """Returns what happened, the earlier first."""
    for pattern in (
        r"first (?P<early>.+), then (?P<late>.+)",
        r"after (?P<early>.+), (?P<late>.+)",
        r"before (?P<late>.+), (?P<early>.+)",
        r"(?P<late>.+), but before that (?P<early>.+)",
        r"(?P<late>.+), but (?P<early>.+) earlier",
        r"(?P<early>.+), and afterwards (?P<late>.+)",
        r"(?P<early>.+) before (?P<late>.+)",
        r"(?P<late>.+) after (?P<early>.+)",
    ):
        if found := re.fullmatch(pattern, clause):
            return found["early"], found["late"]
    raise AssertionError(clause)


# --- quantities --------------------------------------------------------------

ONE_TO_TWELVE = "one two three four five six seven eight nine ten eleven twelve"
COUNT = {word: number for number, word in enumerate(re.findall(r"\w+", ONE_TO_TWELVE), start=1)}
COUNT |= {"twenty-four": 24, "thirty-six": 36, "a": 1}
UNITS = {"dozen": 12, "pair of": 2, "pairs of": 2}


def read_amount(words: str) -> int:
    if words == "half a dozen":
        return 6
    for unit, size in UNITS.items():
        if words.endswith(f" {unit}"):
            return size * COUNT[words.removesuffix(f" {unit}")]
    return COUNT[words]


def read_quantities(clause: str) -> frozenset[tuple[str, int]]:
    """Returns who has, or did it to, how many."""
    if found := re.fullmatch(r"(\w+) has (.+) as many \w+ as (\w+), who has (\S+)", clause):
        factor = {"twice": 2.0, "half": 0.5}[found[2]]
        low = COUNT[found[4]]
        return frozenset({(found[1], int(factor * low)), (found[3], low)})
    if found := re.fullmatch(r"(\w+) has (\S+) (more|fewer) \w+ than (\w+), who has (\S+)", clause):
        sign = 1 if found[3] == "more" else -1
        base = COUNT[found[5]]
        return frozenset({(found[1], base + sign * COUNT[found[2]]), (found[4], base)})
    if found := re.fullmatch(r"(\w+) has (\S+) \w+ and (\w+) has (\S+)", clause):
        return frozenset({(found[1], COUNT[found[2]]), (found[3], COUNT[found[4]])})
    if found := re.fullmatch(r"of the (\S+) \w+, (\w+) \w+ (all but )?(\S+)", clause):
        total, who, is_rest, number = found.groups()
    elif found := re.fullmatch(r"(\w+) \w+ (all but )?(\S+) of the (\S+) \w+", clause):
        who, is_rest, number, total = found.groups()
    else:
        found = re.fullmatch(r"what (\w+) \w+ was (.+) \w+", clause) or re.fullmatch(
            r"(\w+) \w+ (.+) \w+", clause
        )
        return frozenset({(found[1], read_amount(found[2]))})
    amount = COUNT[total] - COUNT[number] if is_rest else COUNT[number]
    return frozenset({(who, amount)})


READERS = {
    "mini_rewordings": read_relation,
    "mini_orders": read_order,
    "mini_quantities": read_quantities,
}


@every_task
def test_both_sentences_read_alike_where_the_answer_is_yes_and_only_there(name):
    read = READERS[name]
    for record in all_records(name, "train"):
        is_same = read(record["first"]) == read(record["second"])
        assert TASKS[name].to_fields(record)["answer"] == ("yes" if is_same else "no"), record


@pytest.mark.parametrize("name", ["mini_rewordings", "mini_orders"])
def test_a_no_speaks_of_the_same_people_and_things_the_other_way_round(name):
    for record in all_records(name, "train"):
        first, second = READERS[name](record["first"]), READERS[name](record["second"])
        assert sorted(first) == sorted(second), record


def test_what_is_told_of_one_side_always_implies_what_is_told_of_the_other():
    """A boss has others than assistants, and what one got need not have been posted."""
    told = {
        part for r in all_records("mini_rewordings", "train") for part in (r["first"], r["second"])
    }
    roles = {found[1] for t in told if (found := re.search(r" (?:is|as) an? (\w+)( of|$)", t))}
    assert roles == {*SERVED, *SERVED.values()}
    deeds = {found[1] for t in told if (found := re.search(r" (\w+) an? \w+ \w+ (?:to|from) ", t))}
    assert deeds == {*TAKING, *TAKING.values()}


def test_sentences_never_repeat_each_other():
    for name in TASKS:
        assert all(record["first"] != record["second"] for record in all_records(name, "train"))


# --- no shallow cue ----------------------------------------------------------


def bag(record: Record) -> set[str]:
    """Returns the words of each sentence, and how many both have."""
    first, second = (set(re.findall(r"[\w-]+", record[part])) for part in ("first", "second"))
    marked = {f"1 {word}" for word in first} | {f"2 {word}" for word in second}
    return marked | {f"shared {len(first & second)}", f"more {len(first) - len(second)}"}


def begins_alike(record: Record) -> set[str]:
    """Returns which of the names and numbers stand at the same place of order."""
    names = [re.findall(r"the \w+|[A-Z]\w+", record[part])[:1] for part in ("first", "second")]
    counts = [
        [w for w in re.findall(r"[\w-]+", record[p]) if w in COUNT] for p in ("first", "second")
    ]
    shared = len(set(counts[0]) & set(counts[1]))
    return {f"same name first: {names[0] == names[1]}", f"numbers shared: {shared}"}


def naive_accuracy(name: str, features) -> float:
    """Returns the share of test answers found by counting features in training."""
    seen: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for record in all_records(name, "train"):
        for feature in features(record):
            seen[feature][record["label"]] += 1

    def score(record: Record, label: str) -> float:
        counts = [seen[feature] for feature in features(record)]
        return sum(math.log((c[label] + 1) / (c.total() + 2)) for c in counts)

    records = all_records(name, "test")
    guesses = [max(("yes", "no"), key=functools.partial(score, record)) for record in records]
    pairs = zip(guesses, records, strict=True)
    return sum(guess == record["label"] for guess, record in pairs) / len(records)


def overlap(record: Record) -> set[str]:
    """Returns what is counted, and how many words both sentences or one have."""
    first, second = (set(re.findall(r"[\w-]+", record[part])) for part in ("first", "second"))
    counted = "part" if {"of", "the"} <= first else "people" if "has" in first else "bundle"
    return {f"{counted}: {len(first & second)} shared, {len(first ^ second)} not"}


def test_how_many_words_two_sentences_share_does_not_tell_whether_amounts_agree():
    assert naive_accuracy("mini_quantities", overlap) <= 0.56


@pytest.mark.parametrize("features", [bag, begins_alike])
@every_task
def test_words_or_the_first_name_alone_find_no_more_answers_than_chance(name, features):
    assert naive_accuracy(name, features) <= 0.6


# --- by hand -----------------------------------------------------------------


def test_records_become_the_sentences_a_reader_expects():
    record = {"about": "", "first": "it was Ana whom Bo thanked", "second": "Bo thanked Ana"}
    assert TASKS["mini_rewordings"].to_fields({**record, "label": "yes"}) == {
        "first": "It was Ana whom Bo thanked.",
        "second": "Bo thanked Ana.",
        "one": "it was Ana whom Bo thanked",
        "other": "Bo thanked Ana",
        "options": ("yes", "no"),
        "answer": "yes",
    }
    record = {"first": "after Ana fed the goat, Bo rang the bell", "label": "no"}
    fields = TASKS["mini_orders"].to_fields({**record, "second": "Ana fed it after that"})
    assert (fields["first"], fields["answer"]) == (
        "After Ana fed the goat, Bo rang the bell.",
        "no",
    )
    record = {"first": "Ana sold a dozen socks", "second": "what Ana sold was two socks"}
    fields = TASKS["mini_quantities"].to_fields({**record, "label": "no"})
    assert fields["second"] == "What Ana sold was two socks."
