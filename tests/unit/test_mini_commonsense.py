"""Commonsense tasks: their answers by other tables, and what options alone tell."""

from __future__ import annotations

import collections
import functools
import re
from collections.abc import Callable, Mapping

import pytest

from flanjax.data.task import Fields, Record
from flanjax.tasks.mini.commonsense import endings, routines, uses

TASKS = {task.name: task for task in (uses.TASK, endings.TASK, routines.TASK)}
every_task = pytest.mark.parametrize("name", TASKS)


@functools.cache
def all_records(name: str, split: str) -> tuple[Record, ...]:
    records = tuple(TASKS[name].source.records(split))
    return records  # type: ignore[return-value]


def all_fields(name: str, split: str) -> list[Fields]:
    fields = [TASKS[name].to_fields(record) for record in all_records(name, split)]
    return fields  # type: ignore[return-value]


# --- answers -----------------------------------------------------------------

AT_WORK = {
    "actor": r"stage|dressing|costume|applause|moustache|scene|villain|audience|lines|king",
    "artist": r"sketch|easel|gallery|charcoal|marble|portrait|statue|pictures|palette",
    "baker": r"oven|flour|yeast|rolling|buns|dough|loaves|cake|rolls",
    "barber": r"razor|comb|shaving|hair|beard|shave|fringe|curls",
    "cook": r"frying|ladle|stove|pepper|peel|fry|sauce|vegetables|stew",
    "dentist": r"mouths|fillings|gums|tooth|braces|cavity|teeth",
    "doctor": r"stethoscope|hospital|symptoms|blood|patient|listen|pills|treat|broken leg",
    "editor": r"draft|headline|proofs|article|manuscripts|chapter|corrections",
    "farmer": r"tractor|barn|seed|pitchfork|sheep|cows|plough|pigs|harvest|wheat",
    "judge": r"gavel|courtroom|jury|guilt|laws|trial|both sides|prison|order in court",
    "lawyer": r"client|law degree|witness|contract|brief|accused|plead|lawsuit",
    "miner": r"pickaxe|helmet|dynamite|ore|tunnel|coal|underground|rock",
    "nurse": r"bandage|fever chart|syringe|sick|cough|temperature|injection|ward",
    "painter": r"brush|roller|varnish|primer|turpentine|coat|prime|whitewash|fence",
    "pilot": r"cockpit|runway|control tower|flight|aeroplane|plane|fly|take off|clouds",
    "plumber": r"pipe|tap|plunger|drain|bath|toilet",
    "potter": r"clay|kiln|jug|mugs|vase",
    "sailor": r"anchor|harbour|mast|jacket|sea chart|deck|ship|row",
    "singer": r"microphone|choir|songs|voice|tune|scales|aria|duet|note",
    "tailor": r"sewing|pins|hem|buttons|thimble|suit|trousers|waistcoat|sleeves",
    "teacher": r"blackboard|class|exercise|school|lesson|fractions|homework|exam|pupils",
    "waiter": r"guests|corkscrew|menus|tables|drinks|orders|wine|bill|soup",
    "weaver": r"loom|shuttle|yarn|rug|wool|threads",
    "writer": r"plot|agent|publisher|readers|novel|chapter|hero|copies",
}
"""A job -> words about it, written anew."""


def suits(job: str, text: str) -> bool:
    return re.search(rf"\b({AT_WORK[job]})", text) is not None


def solve_uses(record: Record) -> str:
    """Answers by the words about each job."""
    asked = re.search(rf"\b({'|'.join(AT_WORK)})\b", record["question"])
    if asked:
        found = [choice for choice in record["choices"] if suits(asked[1], choice)]
    else:
        found = [choice for choice in record["choices"] if suits(choice, record["question"])]
    (answer,) = found
    return answer


HAPPENED = {
    r"fall|lost hold": {
        "clay glass": "broke|Shards|smashed",
        "brass iron steel": "rang|clang|dent",
        "cotton paper silk wool": "without a sound|softly|Nobody",
    },
    r"rain|wet week": {
        "paper": "mush|soggy|limp",
        "iron steel": "[Rr]ust",
        "cotton silk wool": "dried on|wrung|Wrung",
    },
    r"fire": {
        "cotton oak paper pine silk": "ashes|flames|burned",
        "brass iron steel": "glow|red-hot",
        "glass": "crack",
    },
    r"lake": {
        "oak pine": "floated|bobbed|ashore",
        "brass glass iron steel": "stone|bottom|diver",
        "cotton wool": "slowly|soaked",
    },
    r"wash": {
        "wool": "shrank|felt|doll",
        "cotton": "clean|as ever|ironing",
        "leather": "stiff|brittle",
    },
    r"hole": {
        "cotton silk wool": "sewn|Stitches|seam",
        "paper": "pasted|tape|strip",
        "brass iron steel": "welded|solder",
    },
    r"rubbed|polished": {
        "brass": "gold|yellow",
        "steel": "silver|grey",
        "glass": "see|clear|Light",
    },
}
"""What is told -> materials -> what tells its endings, written anew."""


def solve_endings(record: Record) -> str:
    """Answers by what is told and the material named there."""
    (by_material,) = (
        found for told, found in HAPPENED.items() if re.search(told, record["beginning"])
    )
    (ending,) = (
        found
        for materials, found in by_material.items()
        if re.search(rf"\b({materials.replace(' ', '|')})\b", record["beginning"])
    )
    (answer,) = (choice for choice in record["choices"] if re.search(ending, choice))
    return answer


IN_ORDER = {
    "baking bread": "weigh stir knead rise form push take butter",
    "posting a letter": "sheet write fold slip lick stamp walk drop",
    "washing a coat": "pockets machine soap start spin wet iron wardrobe",
    "making tea": "kettle boil pour soak strain sugar drink rinse",
    "growing tomatoes": "fill press first outside tie open red pick",
    "catching a train": "timetable station ticket platform pull aboard seat off",
    "borrowing a book": "enter catalogue shelf pull desk stamped read back",
    "painting a wall": "clear cover tin dip on-the-first dry second furniture",
    "changing a bulb": "dark off ladder old new down on-the-power enjoy",
    "having a haircut": "ring enter sit washed cut mirror pay home",
    "sewing on a button": "matching cut-off thread-the knot sew snip away button-up",
    "making a fire": "gather stack strike light log warm go rake",
    "fishing": "dig hook cast wait reel take fry bones",
    "making an omelette": "buy crack beat pour wait fold slide eat",
    "brushing teeth": "wet squeeze scrub spit rinse wipe leave",
    "mending a tyre": "get take pull look glue put pump ride",
    "giving a present": "choose pay wrap tie take hand watch thanked",
    "seeing a film": "read travel buy find lights story names out",
    "taking a bath": "plug run test get-in soap out towel pyjamas",
    "flying abroad": "pack drive hand gate board fasten land pick",
    "eating out": "reserve restaurant menu order eat bill tip home",
    "seeing a dentist": "toothache appointment waiting called open filled rinse home",
    "making jam": "pick rinse boil fill screw labels cellar winter",
    "walking the dog": "fetch clip leave park loose whistle home bowl",
    "washing up": "clear sink scrub foam dry-the stack shut",
    "making a clay cup": "knead wheel shape dry fire take sell",
    "putting up a shelf": "measure mark drill plugs screw board load read",
    "camping": "pack lake ground up bag sleep-till down home",
    "growing wheat": "plough sow wait cut thresh cart grind sell",
    "sitting an exam": "study enter read write hand wait celebrate",
    "polishing shoes": "take mud open rub buff away lace go",
    "planting a tree": "buy dig lower shovel water watch sit",
    "voting": "walk card take booth mark fold drop hear",
    "phoning a friend": "look pick dial wait hello chat goodbye hang",
    "buying shoes": "enter choose try walk till pay home",
    "going sailing": "step untie hoist leave sea turn enter tie",
}
"""A routine -> a word of each step ("a-b" for "a b"), in order, written anew."""


def place_of(step: str, routine: str) -> int:
    words = [word.replace("-", " ") for word in IN_ORDER[routine].split()]
    (place,) = (place for place, word in enumerate(words) if re.search(rf"\b{word}\b", step))
    return place


def solve_routines(record: Record) -> str:
    """Answers by the order of words that tell the steps."""
    now = place_of(record["done"], record["routine"])
    (answer,) = (
        choice for choice in record["choices"] if place_of(choice, record["routine"]) == now + 1
    )
    return answer


SOLVERS: Mapping[str, Callable[[Record], str]] = {
    "mini_uses": solve_uses,
    "mini_endings": solve_endings,
    "mini_routines": solve_routines,
}


@every_task
def test_an_independent_solver_finds_every_answer(name):
    for record in all_records(name, "train"):
        assert SOLVERS[name](record) == TASKS[name].to_fields(record)["answer"], record


def test_a_job_is_never_named_in_what_is_told_of_it():
    for table in (uses._NEEDS, uses._DEEDS):
        for job, told in table.items():
            stem = job.removesuffix("er").removesuffix("or").removesuffix("ist")[:5]
            assert not [text for text in told if re.search(rf"\b{stem}", text)], job


def test_what_is_told_of_a_job_is_told_of_no_other():
    told = [text for table in (uses._NEEDS, uses._DEEDS) for row in table.values() for text in row]
    assert [text for text, count in collections.Counter(told).items() if count > 1] == []
    assert {len(row) for table in (uses._NEEDS, uses._DEEDS) for row in table.values()} == {5}


def test_an_ending_belongs_to_one_event_and_a_material_to_one_of_its_endings():
    texts = [text for e in endings._EVENTS.values() for end in e.endings for text in end.wordings]
    assert len(texts) == len(set(texts))
    for name, event in endings._EVENTS.items():
        materials = [material for ending in event.endings for material in ending.materials]
        assert len(materials) == len(set(materials)), name
        assert all(endings._befallen(name, index) for index in range(len(event.endings)))
    assert sorted(name for events in endings._APART for name in events) == sorted(endings._EVENTS)


def test_no_step_stands_twice_in_a_routine():
    for routine in routines._ROUTINES:
        steps = routines._steps(routine)
        assert len(set(steps)) == len(steps) >= 7, routine


def test_a_step_just_done_and_the_first_step_are_no_options():
    for record in all_records("mini_routines", "train"):
        places = sorted(place_of(choice, record["routine"]) for choice in record["choices"])
        assert record["done"] not in record["choices"]
        assert places[0] > 0
        assert places[1] - places[0] > 1 and places[2] - places[1] > 1, record


# --- shallow cues ------------------------------------------------------------


def words_of(option: str) -> list[str]:
    return re.findall(r"\w+", option.casefold())


def best_by_words(name: str) -> float:
    """Test accuracy of the option whose words were most often right in training."""
    shown: collections.Counter[str] = collections.Counter()
    right: collections.Counter[str] = collections.Counter()
    for fields in all_fields(name, "train"):
        for option in fields["options"]:
            shown.update(words_of(option))
        right.update(words_of(fields["answer"]))

    def score(option: str) -> float:
        rates = [right[word] / shown[word] if shown[word] else 1 / 3 for word in words_of(option)]
        return sum(rates) / len(rates)

    return accuracy(name, lambda fields: max(fields["options"], key=score))


def accuracy(name: str, choose: Callable[[Fields], str]) -> float:
    test = all_fields(name, "test")
    return sum(choose(fields) == fields["answer"] for fields in test) / len(test)


# Words of the prompt and of an option belong together: that is the sense the tasks ask for, so
# only the options by themselves are held to tell nothing.


@every_task
def test_the_words_of_the_options_alone_do_not_tell_the_answer(name):
    assert best_by_words(name) <= 1 / 3 + 0.10


@every_task
def test_neither_length_nor_order_of_the_options_tells_the_answer(name):
    rules: list[Callable[[Fields], str]] = [
        lambda fields: max(fields["options"], key=len),
        lambda fields: min(fields["options"], key=len),
        *(lambda fields, place=place: fields["options"][place] for place in range(3)),  # type: ignore[misc]
    ]
    assert all(accuracy(name, rule) <= 1 / 3 + 0.10 for rule in rules)


@every_task
def test_every_option_of_training_is_right_about_a_third_of_the_time(name):
    shown: collections.Counter[str] = collections.Counter()
    right: collections.Counter[str] = collections.Counter()
    for fields in all_fields(name, "train"):
        shown.update(fields["options"])
        right[fields["answer"]] += 1
    often = [option for option, count in shown.items() if count >= 60]
    assert often
    assert all(0.1 < right[option] / shown[option] < 0.6 for option in often)


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("best", [min, max])
def test_how_often_an_ending_was_right_in_training_does_not_tell_it_in_another_split(split, best):
    right = collections.Counter(fields["answer"] for fields in all_fields("mini_endings", "train"))
    shown: collections.Counter[str] = collections.Counter()
    for fields in all_fields("mini_endings", "train"):
        shown.update(fields["options"])
    told = all_fields("mini_endings", split)
    found = [best(fields["options"], key=lambda o: right[o] / shown[o]) for fields in told]
    hits = sum(f == fields["answer"] for f, fields in zip(found, told, strict=True))
    assert hits / len(told) <= 1 / 3 + 0.10


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_each_ending_of_a_split_that_is_shown_often_is_right_there(split):
    shown: collections.Counter[str] = collections.Counter()
    right: collections.Counter[str] = collections.Counter()
    for fields in all_fields("mini_endings", split):
        shown.update(fields["options"])
        right[fields["answer"]] += 1
    often = [option for option, count in shown.items() if count >= 15]
    assert len(often) > 20
    assert [option for option in often if not right[option]] == []


def test_an_anecdote_is_asked_for_with_the_name_it_is_about():
    (inverted,) = (template for template in endings.TASK.templates if template.inverted)
    assert "{name}" in inverted.inputs
    for record in all_records("mini_endings", "train"):
        assert f" {record['name']} " in f" {record['beginning']}", record


# --- fields ------------------------------------------------------------------


def test_hand_written_records_become_the_fields_a_reader_expects():
    question, choices = "Who gets paid to milk cows?", ["pilot", "farmer", "judge"]
    record = {"told": "deed", "column": "black", "question": question, "choices": choices}
    assert uses.TASK.to_fields({**record, "answer": "farmer"}) == {
        "question": question,
        "options": ("pilot", "farmer", "judge"),
        "answer": "farmer",
    }
    record = {"set": "It shrank.|x", "name": "Bo", "thing": "hat", "beginning": "Bo washed it."}
    assert endings.TASK.to_fields({**record, "choices": ["It shrank.", "x"], "answer": "x"}) == {
        "beginning": "Bo washed it.",
        "name": "Bo",
        "thing": "hat",
        "options": ("It shrank.", "x"),
        "answer": "x",
    }
    record = {"routine": "fishing", "name": "Bo", "done": "cast the line"}
    choices = ["fry the fish", "wait for a bite"]
    assert routines.TASK.to_fields({**record, "choices": choices, "answer": choices[1]}) == {
        "routine": "fishing",
        "title": "Fishing",
        "name": "Bo",
        "done": "cast the line",
        "options": ("fry the fish", "wait for a bite"),
        "answer": "wait for a bite",
    }
