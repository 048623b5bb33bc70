"""The embedded collection: its grammars, splits, answers and wordings."""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import re
from collections.abc import Iterable

import pytest

from flanjax.data.render import record_uid, render
from flanjax.data.task import SPLITS, Record, Task
from flanjax.tasks.mini import CATALOGUE, published, world
from flanjax.tasks.mini.source import GrammarSource
from flanjax.tasks.mini.text import paragraphs

TASKS = {task.name: task for task in CATALOGUE.tasks()}
every_task = pytest.mark.parametrize("name", TASKS)
every_choice = pytest.mark.parametrize("name", [n for n in TASKS if TASKS[n].mode == "rank"])
every_text = pytest.mark.parametrize(
    "name", [task.name for task in CATALOGUE.cluster("struct_to_text").tasks]
)

TOPICS = {
    "mini_cities": ("relation", "quarter"),
    "mini_neighbours": ("pair",),
    "mini_residents": ("name",),
    "mini_endings": ("set",),
    "mini_routines": ("routine",),
    "mini_uses": ("told", "column"),
    "mini_its": ("about",),
    "mini_ones": ("text",),
    "mini_pronouns": ("people", "clause"),
    "mini_collections": ("premise",),
    "mini_orders": ("about",),
    "mini_quantities": ("about",),
    "mini_rewordings": ("about",),
    "mini_errands": ("passage",),
    "mini_letters": ("letter",),
    "mini_timetables": ("vehicle", "from", "to", "day", "time", "platform"),
    "mini_diaries": ("event",),
    "mini_notices": ("headline",),
    "mini_talks": ("pair", "plan"),
    "mini_headlines": ("theme", "city"),
    "mini_questions": ("question",),
    "mini_requests": ("wish", "told"),
    "mini_from_veshi": ("english",),
    "mini_into_veshi": ("english",),
    "mini_veshi_numbers": ("count",),
    "mini_comparisons": ("premise",),
    "mini_kinds": ("premise",),
    "mini_events": ("passage",),
    "mini_homes": ("passage",),
    "mini_reactions": ("text",),
    "mini_reviews": ("review",),
    "mini_objects": ("thing", "size", "colour", "material", "place"),
    "mini_people": ("name", "job", "city", "food", "pet"),
}


LABELS = {
    **dict.fromkeys(("mini_kinds", "mini_comparisons", "mini_collections"), 3),
    **dict.fromkeys(("mini_reviews", "mini_reactions", "mini_letters"), 2),
    **dict.fromkeys(("mini_orders", "mini_quantities", "mini_rewordings", "mini_neighbours"), 2),
    **dict.fromkeys(("mini_headlines", "mini_requests"), 5),
    "mini_questions": 6,
}
"""How many answers a task has where they are the same few for every record."""


@functools.cache
def all_records(name: str, split: str) -> tuple[Record, ...]:
    records = tuple(TASKS[name].source.records(split))
    return records  # type: ignore[return-value]


@functools.cache
def sample(name: str) -> tuple[Record, ...]:
    """Returns 200 test records."""
    return all_records(name, "test")[:200]


def with_seed(task: Task, seed: int) -> list[Record]:
    source = dataclasses.replace(task.source, seed=seed, num_train=20)  # type: ignore[type-var]
    return list(source.records("train"))


# --- words -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noun", "plural"),
    [("hat", "hats"), ("box", "boxes"), ("pony", "ponies"), ("key", "keys"), ("fish", "fish")],
)
def test_a_plural_is_spelt_as_english_has_it(noun, plural):
    assert world.plural(noun) == plural


# --- splits ------------------------------------------------------------------


@every_task
def test_splits_have_their_sizes_and_no_record_twice(name):
    sizes = {split: len(set(map(record_uid, all_records(name, split)))) for split in SPLITS}
    assert sizes == {"train": 2000, "validation": 300, "test": 300}
    assert {split: len(all_records(name, split)) for split in SPLITS} == sizes


@every_task
def test_what_one_split_speaks_of_no_other_split_does(name):
    topics = TOPICS[name]
    told = {
        split: {tuple(record[topic] for topic in topics) for record in all_records(name, split)}
        for split in SPLITS
    }
    assert not told["train"] & told["validation"]
    assert not told["train"] & told["test"]
    assert not told["validation"] & told["test"]


@every_task
def test_the_published_world_has_more_to_train_on_and_shares_none_of_its_test(name):
    task = published.CATALOGUE.task(name)
    assert isinstance(task.source, GrammarSource)
    records = {split: list(task.source.records(split)) for split in SPLITS}
    assert [len(each) for each in records.values()] == [10_000, 300, 300]
    prompts = {
        split: {render(task, record, template=0).inputs for record in each}
        for split, each in records.items()
    }
    assert not prompts["train"] & (prompts["validation"] | prompts["test"])
    smaller = dataclasses.replace(task.source, num_train=50)
    assert list(smaller.records("test")) == records["test"]
    assert list(smaller.records("train")) == records["train"][:50]


@every_task
def test_no_prompt_of_the_test_stands_in_training(name):
    def prompts(split: str) -> set[str]:
        return {render(TASKS[name], r, template=0).inputs for r in all_records(name, split)}

    assert not prompts("train") & (prompts("validation") | prompts("test"))


# --- seeds -------------------------------------------------------------------


def test_the_records_are_the_same_in_every_process():
    assert all_records("mini_kinds", "train")[0] == {
        "premise": "what Lena drew was an artefact",
        "claim": "what Lena drew was not a violin",
        "label": "not possible to tell",
    }
    assert all_records("mini_events", "train")[1] == {
        "passage": "Yuki cleaned the lamp. Cleo sold Joy the cup.",
        "question": "Who sold somebody the cup?",
        "choices": ["Yuki", "Joy", "Cleo"],
        "answer": "Cleo",
    }


@every_task
def test_another_seed_tells_of_another_world(name):
    first = {record_uid(record) for record in with_seed(TASKS[name], 0)}
    second = {record_uid(record) for record in with_seed(TASKS[name], 1)}
    assert len(first & second) <= 2


# --- answers -----------------------------------------------------------------


@every_choice
def test_labels_are_balanced(name):
    task = TASKS[name]
    places: collections.Counter[tuple[int, int]] = collections.Counter()
    for record in all_records(name, "train"):
        fields = task.to_fields(record)
        places[len(fields["options"]), fields["options"].index(fields["answer"])] += 1
    for num_options in {size for size, _ in places}:
        counts = [places[num_options, place] for place in range(num_options)]
        assert min(counts) > 0.85 * sum(counts) / num_options, (num_options, counts)


PARENTS = {
    word: parent
    for realm, kinds in world.KINDS.items()
    for kind, members in kinds.items()
    for word, parent in [(kind, realm), *((member, kind) for member in members)]
}


def is_a(word: str | None, other: str) -> bool:
    return word is not None and (word == other or is_a(PARENTS.get(word), other))


def solve_kinds(record: Record) -> str:
    """Answers by rules on the tree of kinds."""
    (knows_not, known), (claims_not, claimed) = (
        re.fullmatch(r"what \w+ \w+ was (not )?an? (\w+)", record[part]).groups()
        for part in ("premise", "claim")
    )
    narrower, wider = is_a(known, claimed), is_a(claimed, known)
    if knows_not:  # only a part of what is denied is denied with it
        truth = False if wider else None
    else:
        truth = True if narrower else None if wider else False
    if truth is None:
        return "not possible to tell"
    return "yes" if truth != bool(claims_not) else "no"


DOWN = ("shorter", "younger", "slower", "smaller", "lighter")


def solve_comparisons(record: Record) -> str:
    """Answers by trying every order of what is compared."""
    claim = f"{record['subject']} is {record['relation']}."
    pattern = r"((?:the )?\w+) is (\w+) than ((?:the )?\w+)\."
    *facts, asked = (
        (b, a) if word in DOWN else (a, b)
        for a, word, b in re.findall(pattern, record["premise"].replace("The", "the") + claim)
    )
    entities = sorted({entity for pair in (*facts, asked) for entity in pair})
    truths = {
        order.index(asked[0]) < order.index(asked[1])
        for order in itertools.permutations(entities)
        if all(order.index(a) < order.index(b) for a, b in facts)
    }
    return {(True,): "yes", (False,): "no"}.get(tuple(truths), "not possible to tell")


def solve_events(record: Record) -> str:
    """Answers by reading every sentence into (verb, thing, from, to)."""
    patterns = (
        r"(?P<giver>\w+) (?P<verb>gave|lent|sold) the (?P<thing>\w+) to (?P<taker>\w+)",
        r"(?P<giver>\w+) (?P<verb>gave|lent|sold) (?P<taker>\w+) the (?P<thing>\w+)",
        r"(?P<taker>\w+) was (?P<verb>given|lent|sold) the (?P<thing>\w+) by (?P<giver>\w+)",
        r"The (?P<thing>\w+) was (?P<verb>\w+) by (?P<giver>\w+)",
        r"(?P<giver>\w+) (?P<verb>\w+) the (?P<thing>\w+)",
    )
    question = re.fullmatch(r"Who (was )?(\w+) (?:somebody )?the (\w+)\?", record["question"])
    found = []
    for told in record["passage"].rstrip(".").split(". "):
        event = next(filter(None, (re.fullmatch(p, told) for p in patterns))).groupdict()
        verbs = {
            event["verb"],
            {"given": "gave", "gave": "given", "hidden": "hid"}.get(event["verb"]),
        }
        if event["thing"] == question[3] and question[2] in verbs:
            found.append(event["taker" if question[1] else "giver"])
    (answer,) = found
    return answer


PRAISE = {"excellent", "fabulous", "good", "great", "impressive", "lovely", "splendid", "superb"}
BLAME = {"awful", "bad", "disappointing", "dreadful", "dull", "poor", "terrible", "weak"}


def solve_reviews(record: Record) -> str:
    """Answers by the polarity of the last clause."""
    last = re.split(r", but |, yet | and ", record["review"])[-1]
    words = set(re.findall(r"\w+", last))
    assert len(words & (PRAISE | BLAME)) == 1, record
    is_praised = bool(words & PRAISE) != bool(words & {"not", "anything"})
    return "positive" if is_praised else "negative"


SOLVERS = {
    "mini_kinds": solve_kinds,
    "mini_comparisons": solve_comparisons,
    "mini_events": solve_events,
    "mini_reviews": solve_reviews,
}


@pytest.mark.parametrize("name", SOLVERS)
def test_an_independent_solver_finds_every_answer(name):
    for record in all_records(name, "train"):
        assert SOLVERS[name](record) == TASKS[name].to_fields(record)["answer"], record


def test_a_job_or_city_is_looked_up_in_the_sentence_that_names_the_person():
    for record in all_records("mini_homes", "train"):
        told = record["passage"].rstrip(".").split(". ")
        key = re.search(r"(\w+)(?:'s job)?(?: do)?\?$", record["question"])[1]
        (line,) = (line for line in told if key in line.split())
        assert record["answer"] in line.split(), record
        wanted = world.CITIES if record["question"].split()[0] in ("In", "Where") else world.JOBS
        assert set(record["choices"]) <= set(wanted)
        assert sum(choice in record["passage"].rstrip(".") for choice in record["choices"]) >= 2


@every_text
def test_generated_sentences_tell_every_fact_and_no_other(name):
    task = TASKS[name]
    vocabulary = {*world.CITIES, *world.FOODS, *world.JOBS, *world.NAMES, *world.PETS}
    vocabulary |= {*world.COLOURS, *world.SIZES, *world.THINGS, *sum(world.MATERIALS.values(), ())}
    for record in all_records(name, "train"):
        facts = [value for value in record.values() if value is not None]
        fields = task.to_fields(record)
        assert fields["answer"] in fields["references"]
        for sentence in fields["references"]:
            assert all(re.search(rf"\b{fact}\b", sentence) for fact in facts), (record, sentence)
            told = set(re.findall(r"\w+", sentence)) & vocabulary
            assert told <= {word for fact in facts for word in fact.split()}, (record, sentence)


def test_facts_become_the_sentences_a_reader_expects():
    person = {"name": "Ana", "job": "actor", "city": "Oslo", "food": "soup", "pet": None}
    assert TASKS["mini_people"].to_fields(person) == {
        "facts": "name: Ana; job: actor; city: Oslo; food: soup",
        "name": "Ana",
        "answer": "Ana is an actor from Oslo who likes soup.",
        "references": (
            "Ana is an actor from Oslo who likes soup.",
            "Ana works as an actor, comes from Oslo and likes soup.",
        ),
    }
    lamp = {"thing": "lamp", "size": None, "colour": "orange", "material": "brass"}
    assert TASKS["mini_objects"].to_fields({**lamp, "place": "in the hall"}) == {
        "triples": "(lamp, colour, orange) (lamp, material, brass) (lamp, place, in the hall)",
        "thing": "lamp",
        "answer": "The orange brass lamp is in the hall.",
        "references": (
            "The orange brass lamp is in the hall.",
            "There is an orange brass lamp in the hall.",
        ),
    }


# --- wordings ----------------------------------------------------------------


@every_task
def test_there_are_ten_wordings_all_different_and_at_most_three_inverted(name):
    templates = TASKS[name].templates
    assert len({template.inputs for template in templates}) == 10
    assert sum(template.inverted for template in templates) <= 3


@every_task
def test_every_wording_reads_cleanly_on_records_of_every_label(name):
    task = TASKS[name]
    labels = set()
    for record in sample(name):
        labels.add(task.to_fields(record)["answer"])
        for template in range(10):
            example = render(task, record, template=template)
            for text in (example.inputs, *example.references):
                assert not re.search(r"[.!?,;:]{2}|[.!?]\"[.!?,;:]| [.!?,;:]|  |[{}]", text), text
                assert text == text.strip(), text
                assert not re.search(r"(?i)\ba [aeiou]|\ban [^aeiou]|\bnone", text), text
            assert len(example.inputs.encode()) <= 210
            assert len(example.targets.encode()) <= 60
    assert len(labels) >= LABELS.get(name, 20)


@every_task
def test_a_wording_names_the_answer_only_where_it_is_inverted(name):
    for template in TASKS[name].templates:
        assert ("answer" in template.parsed_inputs.field_names()) == template.inverted


def test_no_sentence_stands_in_the_wordings_of_two_tasks():
    told = {
        (task.name, words)
        for task in TASKS.values()
        for template in task.templates
        for piece in re.split(r"(?<=[.!?:])\s|\n|\{\w+\}", template.inputs)
        if " " in (words := piece.strip(' .,:?!"'))
    }
    homes = collections.Counter(words for _, words in told)
    assert [words for words, count in homes.items() if count > 1] == []


# --- sentences ---------------------------------------------------------------


def sentences(texts: Iterable[str]) -> set[str]:
    """Returns the full sentences of some texts that have four words or more."""
    found = {piece.strip() for text in texts for piece in re.split(r"(?<=[.!?])\s+", text)}
    return {piece for piece in found if piece.endswith(".") and piece.count(" ") > 2}


def test_no_sentence_of_a_record_stands_in_two_tasks_or_in_the_plain_text() -> None:
    told = {
        name: sentences(
            value for record in sample(name) for value in record.values() if isinstance(value, str)
        )
        for name in TASKS
    }
    told["text"] = sentences(itertools.islice(paragraphs(0, "train"), 2000))
    assert sum(len(found) > 50 for found in told.values()) > 10
    homes = collections.Counter(piece for found in told.values() for piece in found)
    assert [piece for piece, count in homes.items() if count > 1] == []
