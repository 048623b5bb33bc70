"""The topics cluster of the embedded collection: answers and cues."""

from __future__ import annotations

import collections
import re
from typing import TypeAlias

import pytest

from flanjax.data.task import Record
from flanjax.tasks.mini import world
from flanjax.tasks.mini.topics import headlines, questions, requests

TEXTS = {"mini_headlines": "headline", "mini_questions": "question", "mini_requests": "request"}
TASKS = {task.name: task for task in (headlines.TASK, questions.TASK, requests.TASK)}


def records(name: str, split: str) -> list[Record]:
    return list(TASKS[name].source.records(split))  # type: ignore[arg-type]


THEMES = {
    "sport": "boxing football golf hockey rowing rugby swimming tennis",
    "weather": "cloud fog frost hail rain snow storm thunder",
    "money": "bank budget debt loan pension rent tax wage",
    "food": "bread cake cheese curry jam pasta pizza soup",
    "music": "choir drum flute harp jazz opera piano violin",
}
TOPIC_OF = {word: topic for topic, words in THEMES.items() for word in words.split()}


def solve_headlines(text: str) -> str:
    """Answers by the theme that is left once the one of the past is struck out."""
    past = r"(rather than|(?<!takes )over|from|forgets|drops) (?!(%s)\b)\w+|^\w+ \w+ no longer"
    left = re.sub(past % "|".join(world.CITIES), "", text)
    (topic,) = {TOPIC_OF[word] for word in re.findall(r"\w+", left.lower()) if word in TOPIC_OF}
    return topic


JOBS = "|".join(world.JOBS)
ASKED = {
    "a person": rf"who\b|(which|what) (person|{JOBS})\b|what was the name of the \w+ who",
    "a place": r"where|in (which|what) (city|place)|what was the (city|place) where",
    "a number": r"how many|what number of|what was the number of",
    "a time": r"when|(on|in) (which|what) (day|year)|what was the (day|year) when",
    "a reason": r"why|for (which|what) reason|what was the reason why",
    "a thing": r"which (thing|tool|instrument|vehicle)|what was the \w+ that|"
    r"what (?!was|person|number)",
}


def solve_questions(text: str) -> str:
    """Answers by the words that ask, wherever the question opens."""
    asked = re.sub(r"^(can you say|do you know|does anybody know|may i ask) ", "", text.lower())
    (kind,) = [kind for kind, pattern in ASKED.items() if re.match(pattern, asked)]
    return kind


INTENTS = {
    "alarm": r"^get me up at|sleep until|wake at|shake at",
    "shopping list": r"my list|^help me to buy",
    "message": r"^get word to|know that|^help me tell|word that",
    "music": r"song|sing|tune",
    "directions": r"^get me to|the way to|a route to",
}


def solve_requests(text: str) -> str:
    """Answers by the words after "please", "now" or "could you"."""
    wish = re.search(r"\b(?:please|now|could you) (.+?)[.?]", text.lower())[1]
    (intent,) = [intent for intent, pattern in INTENTS.items() if re.search(pattern, wish)]
    return intent


SOLVERS = {
    "mini_headlines": solve_headlines,
    "mini_questions": solve_questions,
    "mini_requests": solve_requests,
}


@pytest.mark.parametrize("name", SOLVERS)
def test_an_independent_solver_finds_every_answer(name):
    for record in records(name, "train"):
        assert SOLVERS[name](record[TEXTS[name]]) == record["label"], record


# --- cues --------------------------------------------------------------------


Cues: TypeAlias = dict[str, list[tuple[set[str], str]]]


def naive_score(cues: Cues) -> float:
    """Returns the share of test answers found by adding up labels seen with cues."""
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for seen, label in cues["train"]:
        for cue in seen:
            counts[cue][label] += 1
    num_right = 0
    for seen, label in cues["test"]:
        votes: dict[str, float] = collections.defaultdict(float)
        for cue in seen:
            for other, count in counts[cue].items():
                votes[other] += count / counts[cue].total()
        num_right += bool(votes) and max(votes, key=lambda other: votes[other]) == label
    return num_right / len(cues["test"])


def cues_of(name: str, pattern: str, *, num_words: int | None = None) -> Cues:
    """Returns the words of every record, without those of a pattern, with its label."""
    return {
        split: [
            (set(re.sub(pattern, "", r[TEXTS[name]].lower()).split()[:num_words]), r["label"])
            for r in records(name, split)
        ]
        for split in ("train", "test")
    }


def test_the_frame_of_a_headline_says_nothing_of_its_topic():
    cues = cues_of("mini_headlines", "|".join(rf"\b{word}\b" for word in TOPIC_OF))
    assert naive_score(cues) <= 1 / 5 + 0.1


def test_words_without_order_leave_two_topics_of_a_headline_open():
    cues = cues_of("mini_headlines", r"$.")
    two = {
        split: [
            (words, label)
            for words, label in told
            if len({TOPIC_OF[w] for word in words if (w := word.strip(",")) in TOPIC_OF}) == 2
        ]
        for split, told in cues.items()
    }
    assert len(two["train"]) > 0.6 * 2000
    assert naive_score(two) <= 1 / 2 + 0.1


def test_the_first_word_of_a_question_says_little():
    cues = cues_of("mini_questions", r"$.", num_words=1)
    assert naive_score(cues) <= 1 / 6 + 0.1


def test_a_word_that_asks_stands_in_questions_of_other_kinds_too():
    kinds: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for record in records("mini_questions", "train"):
        for word in set(re.findall(r"\w+", record["question"].lower())):
            kinds[word][record["label"]] += 1
    for word in ("what", "which", "who", "where", "when", "city", "place", "day", "year"):
        assert kinds[word].most_common(1)[0][1] < 0.85 * kinds[word].total(), (word, kinds[word])
    for word in ("person", "number", "thing", "tool", "instrument", "vehicle"):
        assert kinds[word].most_common(1)[0][1] < 0.85 * kinds[word].total(), (word, kinds[word])


def test_the_opening_of_a_request_says_nothing_of_its_intent():
    cues = cues_of("mini_requests", r"$.", num_words=1)
    assert naive_score(cues) <= 1 / 5 + 0.1


def test_words_without_order_leave_two_intents_of_a_request_open():
    cues = cues_of("mini_requests", r"[.,?]")
    assert naive_score(cues) <= 1 / 2 + 0.1


def length_score(name: str) -> float:
    """Returns the share of test answers found by the length of the text."""
    labels: dict[int, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for record in records(name, "train"):
        labels[len(record[TEXTS[name]]) // 6][record["label"]] += 1
    told = [(labels[len(r[TEXTS[name]]) // 6], r["label"]) for r in records(name, "test")]
    return sum(bool(seen) and max(seen, key=lambda x: seen[x]) == y for seen, y in told) / len(told)


def test_the_length_of_a_question_or_a_request_says_little():
    assert length_score("mini_questions") <= 1 / 6 + 0.08
    assert length_score("mini_requests") <= 1 / 5 + 0.08


# --- fields ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "record", "expected"),
    [
        (
            "mini_headlines",
            {
                "headline": "Oslo forgets tax talk and turns to opera news",
                "theme": "opera news",
                "city": "Oslo",
                "label": "music",
            },
            {"headline": "Oslo forgets tax talk and turns to opera news", "city": "Oslo"},
        ),
        (
            "mini_questions",
            {"question": "Do you know when Ana sold that tool in Rome?", "label": "a time"},
            {"question": "Do you know when Ana sold that tool in Rome?"},
        ),
        (
            "mini_requests",
            {
                "request": "Please get me to Rome. Yesterday Bo gave me a tune about soup.",
                "wish": "get me to Rome",
                "told": "Bo gave me a tune about soup",
                "label": "directions",
            },
            {"request": "Please get me to Rome. Yesterday Bo gave me a tune about soup."},
        ),
    ],
)
def test_records_become_the_fields_a_reader_expects(name, record, expected):
    options = {
        "mini_headlines": ("sport", "weather", "money", "food", "music"),
        "mini_questions": (
            "a person", "a place", "a number", "a time", "a reason", "a thing",
        ),
        "mini_requests": ("alarm", "shopping list", "message", "music", "directions"),
    }  # fmt: skip
    assert TASKS[name].to_fields(record) == {
        **expected,
        "options": options[name],
        "answer": record["label"],
    }
