"""Each check of a catalogue catches the fault it is there for."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import pytest

from flanjax.data.catalogue import Catalogue
from flanjax.data.check import CheckReport, Lengths, check_catalogue
from flanjax.data.sources import Jsonl
from flanjax.data.task import Fields, Record, Task, TaskCluster, Template

SOURCE = Jsonl(files={"train": "weather.jsonl"}, public="https://example.org/weather")

SOUND = (
    Template("Is the weather below good or bad?\n\n{text}\n\n{options}"),
    Template("{options}\n\nPick what suits the sky: {text}"),
    Template("Forecast a {answer} day.", "{text}", inverted=True),
)
RECORDS = tuple(
    {"text": text, "label": label}
    for text, label in [("sunny", "good"), ("hail", "bad"), ("warm", "good"), ("fog", "bad")]
)


def to_fields(record: Record) -> Fields | None:
    if record["label"] == "unknown":
        return None
    return {"text": record["text"], "options": ("bad", "good"), "answer": record["label"]}


def make_task(templates: Sequence[Template] = SOUND, **changes: Any) -> Task:
    task = Task(
        name="weather",
        version=1,
        source=SOURCE,
        to_fields=to_fields,
        fields=("text", "options", "answer"),
        templates=tuple(templates),
        mode="rank",
        metrics=("accuracy",),
        license="none",
        citation="none",
    )
    return dataclasses.replace(task, **changes)


def check(
    *tasks: Task, records: Sequence[Record] = RECORDS, expected_templates: int = 3, **options: Any
) -> CheckReport:
    catalogue = Catalogue("toy", (TaskCluster("all", tasks),))
    by_task = {task.name: records for task in tasks}
    return check_catalogue(
        catalogue, records=by_task, expected_templates=expected_templates, **options
    )


def faults(report: CheckReport) -> list[tuple[int | None, str]]:
    return [(problem.template, problem.what) for problem in report.problems]


def first_replaced_by(template: Template) -> Task:
    return make_task((template, *SOUND[1:]))


def test_a_sound_task_has_no_problems_and_is_counted() -> None:
    report = check(make_task())
    assert report.problems == ()
    assert (report.num_tasks, report.num_templates, report.num_renders) == (1, 3, 12)
    # Words of inputs: 13, 11 and 4 for each record; of targets one.
    assert report.lengths == {"weather": Lengths(11, 13, 1, 1)}


def test_the_number_of_templates_is_checked() -> None:
    report = check(make_task(), expected_templates=10)
    assert faults(report) == [(None, "a task must have 10 templates, got 3")]


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (("acuracy",), "metrics must be among .*, got 'acuracy'; did you mean accuracy"),
        ((), "metrics must name at least one of .*, got none"),
    ],
)
def test_a_metric_that_is_not_known_is_a_problem(metrics: tuple[str, ...], expected: str) -> None:
    ((template, what),) = faults(check(make_task(metrics=metrics)))
    assert template is None
    assert re.match(expected, what)


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("fields", ["text", "options", "answer"], "list"),
        ("metrics", "accuracy", "str"),
        ("corpora", "radio", "str"),
        ("examples", {"text": "hail"}, "dict"),
    ],
)
def test_what_is_not_a_tuple_is_refused(field: str, value: object, kind: str) -> None:
    with pytest.raises(ValueError, match=f"task weather: {field} must be a tuple, got a {kind}; "):
        make_task(**{field: value})


@pytest.mark.parametrize("version", ["1", 1.0, True])
def test_a_version_is_an_integer(version: object) -> None:
    with pytest.raises(ValueError, match=f"version must be an integer, got {version!r}"):
        make_task(version=version)


def test_any_error_of_to_fields_is_a_problem() -> None:
    def broken(record: Record) -> Fields | None:
        return {"text": str(1 / 0)}

    found = faults(check(make_task(to_fields=broken)))
    assert "got ZeroDivisionError(division by zero) on fields text, label" in found[0][1]


def test_more_inverted_templates_than_allowed_are_a_problem() -> None:
    inverted = Template("Name some weather you would call {answer} out of doors.", "{text}", True)
    report = check(make_task((*SOUND, inverted)), expected_templates=4, max_inverted=1)
    assert faults(report) == [(None, "at most 1 templates may be inverted, got 2")]


def test_a_field_that_no_template_uses_is_a_problem() -> None:
    def with_place(record: Record) -> Fields | None:
        fields = to_fields(record)
        return None if fields is None else {**fields, "place": "Oslo"}

    task = make_task(to_fields=with_place, fields=("text", "options", "answer", "place"))
    assert faults(check(task)) == [(None, "every field must stand in a template, got no {place}")]


@pytest.mark.parametrize(
    ("template", "what"),
    [
        (Template("Good day or bad day?\n{options}"), "inputs must hold a field of the record"),
        (
            Template("{text} means {answer}. Repeat it.\n{options}"),
            "inputs must not hold {answer}, unless the template is inverted",
        ),
        (
            Template("{text}\n{options}\nDecide "),
            "text must not begin or end with white space, got '{text}\\n{options}\\nDecide '",
        ),
        (
            Template("{text}\n{options}\nDecide.", "\n{answer}"),
            "text must not begin or end with white space, got '\\n{answer}'",
        ),
        (
            Template("Well,, decide:\n{text}\n{options}"),
            "punctuation must not be doubled, got ',,'",
        ),
        (
            Template("{text}\n{options}\nNow what?."),
            "punctuation must not be doubled, got '?.'",
        ),
        (
            Template("{text}\n\n\n{options}"),
            "white space must be single blanks and one or two line breaks, got '\\n\\n\\n'",
        ),
        (
            Template("Decide:  {text}\n{options}"),
            "white space must be single blanks and one or two line breaks, got '  '",
        ),
        (
            Template("Decide: \n{text}\n{options}"),
            "white space must be single blanks and one or two line breaks, got ' \\n'",
        ),
        (
            Template("Decide:\u2028{text}\n{options}"),
            "white space must be single blanks and one or two line breaks, got '\\u2028'",
        ),
        (Template('Decide: "{text}\n{options}'), "every quote must be closed"),
        (Template("Decide: '{text}\n{options}"), "every quote must be closed"),
        (Template("Decide: “{text}\n{options}"), "every “ must have its ”"),
        (Template("Decide (soon: {text}\n{options}"), "every ( must have its )"),
        (Template("{text} {options}"), "{options} must stand on lines of their own"),
        (Template("{text}\n{options} Well?"), "{options} must stand on lines of their own"),
        (
            Template("Is it good out there when I see {text} there?"),
            "inputs must name every option or none, got good",
        ),
    ],
)
def test_a_fault_in_the_wording_is_caught(template: Template, what: str) -> None:
    assert (0, what) in faults(check(first_replaced_by(template)))


@pytest.mark.parametrize(
    "template",
    [
        Template("It's “{text}” (or so)... Really?! Don't guess:\n{options}"),
        Template("The forecasters' view was '{text}' again.\n\n{options}\n\nDecide"),
        Template("Outside: {text}\nIs that bad or good?"),
        Template("Tell me about {text} in a word."),
    ],
)
def test_a_sound_wording_is_not_a_fault(template: Template) -> None:
    assert faults(check(first_replaced_by(template))) == []


def test_most_scored_templates_must_show_the_options() -> None:
    bare = (
        Template("Tell me about {text} in a word."),
        Template("Outside I see {text}. Well?"),
        *SOUND[1:],
    )
    report = check(make_task(bare), expected_templates=4)
    assert faults(report) == [(None, "half of the scored templates must show {options}, got 1")]


def test_a_field_that_gives_the_answer_away_is_a_leak() -> None:
    def leaking(record: Record) -> Fields | None:
        fields = to_fields(record)
        return None if fields is None else {**fields, "text": f"It is a {record['label']}, day"}

    bare = Template("Tell me about this in a word: {text}")
    task = make_task((bare, *SOUND[1:]), to_fields=leaking)
    assert faults(check(task)) == [
        (0, "inputs must not give the answer away, got it in 4 of 4 records")
    ]
    assert faults(check(dataclasses.replace(task, is_extractive=True))) == []


def test_an_answer_that_stands_beside_another_option_is_no_leak() -> None:
    def both(record: Record) -> Fields | None:
        fields = to_fields(record)
        return None if fields is None else {**fields, "text": "a bad day and a good night"}

    task = make_task((Template("Tell me about {text} in a word."), *SOUND[1:]), to_fields=both)
    assert faults(check(task)) == []


def test_a_word_that_only_begins_like_the_answer_is_no_leak() -> None:
    def goodness(record: Record) -> Fields | None:
        fields = to_fields(record)
        return None if fields is None else {**fields, "text": f"{record['label']}ness"}

    task = make_task((Template("Tell me about {text} in a word."), *SOUND[1:]), to_fields=goodness)
    assert faults(check(task)) == []


def test_a_leak_in_generation_is_caught_too() -> None:
    def subject(record: Record) -> Fields:
        return {"text": f"{record['text']}! RAIN.", "answer": "rain"}

    templates = (Template("Sum up: {text}"), Template("{answer}\nSay more.", "{text}", True))
    task = make_task(templates, to_fields=subject, fields=("text", "answer"), mode="generate")
    assert faults(check(task, expected_templates=2)) == [
        (0, "inputs must not give the answer away, got it in 4 of 4 records")
    ]


@pytest.mark.parametrize(
    ("template", "value", "is_fault"),
    [
        ("Look: {text}. Well?\n{options}", "rain.", True),
        ("Look: {text}. Well?\n{options}", "rain", False),
        ("Look: {text}? Well?\n{options}", "rain!", True),
        ("Look at “{text}”. Well?\n{options}", "rain.", True),
        ("Look at “{text}” and decide.\n{options}", "rain.", False),
        ("Was it “{text}”?\n{options}", "rain.", False),
    ],
)
def test_a_field_that_doubles_punctuation_is_caught(
    template: str, value: str, is_fault: bool
) -> None:
    records = [{**record, "text": value} for record in RECORDS]
    found = faults(check(first_replaced_by(Template(template)), records=records))
    assert any("ends in punctuation" in what for _, what in found) == is_fault


def test_a_field_with_white_space_at_its_end_is_caught() -> None:
    records = [{**record, "text": record["text"] + " "} for record in RECORDS]
    end = "\n- good\n\nPick what suits the sky: sunny "
    assert faults(check(make_task(), records=records)) == [
        (1, "inputs must not begin or end with white space, got " + repr(end)),
        (2, "targets must not begin or end with white space, got 'sunny '"),
    ]


def test_identical_templates_are_caught_within_a_task() -> None:
    task = make_task((SOUND[0], SOUND[0], *SOUND[1:]))
    assert faults(check(task, expected_templates=4)) == [
        (1, "wordings must be less than 0.8 alike, got 1.00 with weather template 0"),
        (1, "wordings must have a ROUGE-L of 0.7 at most, got 1.00 with template 0"),
    ]


def test_near_duplicates_are_caught_across_tasks_at_the_stated_threshold() -> None:
    # 7 words against 8, 7 of them shared: 7/8 = 0.875
    wording = "Is the weather below really good or bad?\n{text}\n{options}"
    others = (
        Template(wording),
        Template("Which suits {text} most?\n{options}"),
        Template("Make up {answer} skies.", "{text}", True),
    )
    tasks = (make_task(), make_task(others, name="second"))
    assert [problem[:2] for problem in check(*tasks).problems] == [("second", 0)]
    assert "got 0.88 with weather template 0" in check(*tasks).problems[0].what
    assert check(*tasks, near_duplicate=0.9).problems == ()


def test_templates_of_nothing_but_fields_are_identical_within_a_task() -> None:
    bare = (Template("{text}\n{options}"), Template("{options}\n{text}"), SOUND[2])
    assert faults(check(make_task(bare))) == [
        (1, "wordings must be less than 0.8 alike, got 1.00 with weather template 0"),
        (1, "wordings must have a ROUGE-L of 0.7 at most, got 1.00 with template 0"),
    ]
    others = (
        bare[0],
        Template("Which suits {text} most?\n{options}"),
        Template("Make up {answer} skies.", "{text}", True),
    )
    assert faults(check(first_replaced_by(bare[0]), make_task(others, name="second"))) == []


def test_a_sentence_shared_by_two_tasks_is_caught() -> None:
    first = Template("Think before you write. Is it fair outside?\n{text}\n{options}")
    second = Template(
        "{text}\nSay how you find such conditions.\n{options}\nThink before you write."
    )
    others = (
        second,
        Template("Which suits {text} most?\n{options}"),
        Template("Make up {answer} skies.", "{text}", True),
    )
    report = check(first_replaced_by(first), make_task(others, name="second"))
    assert report.problems == (
        (
            "second",
            0,
            "a sentence must belong to one task, got 'think before you write.' in weather too",
        ),
    )


def test_too_few_renders_are_a_problem_for_every_template() -> None:
    report = check(make_task(), records=RECORDS[:2])
    assert faults(report) == [
        (index, "must render at least 3 records, got 2") for index in range(3)
    ]


def test_a_task_without_records_never_passes() -> None:
    catalogue = Catalogue("toy", (TaskCluster("all", (make_task(),)),))
    report = check_catalogue(catalogue, records={}, expected_templates=3)
    assert faults(report) == [
        (index, "must render at least 3 records, got 0") for index in range(3)
    ]
    assert report.num_renders == 0
    assert report.lengths == {}


def test_records_left_out_by_rule_do_not_count_as_renders() -> None:
    report = check(make_task(), records=[{"text": "?", "label": "unknown"}] * 5)
    assert (0, "must render at least 3 records, got 0") in faults(report)


def test_a_record_that_breaks_the_tasks_promise_is_a_problem() -> None:
    report = check(make_task(), records=[*RECORDS, {"text": "mild", "label": "fair"}])
    assert len(report.problems) == 1
    assert "options must hold the answer 'fair'" in report.problems[0].what


def test_an_inverted_target_that_is_empty_is_a_problem() -> None:
    report = check(make_task(), records=[*RECORDS, {"text": "", "label": "bad"}])
    assert any(index == 2 and "targets must not be empty" in what for index, what in faults(report))


def test_every_label_must_occur() -> None:
    sunny = [record for record in RECORDS if record["label"] == "good"] * 2
    assert faults(check(make_task(), records=sunny)) == [
        (None, "every option must be some record's answer, got none with 'bad'")
    ]


def test_an_answer_always_in_one_place_is_caught_where_options_vary() -> None:
    def first_always(record: Record) -> Fields:
        text = record["text"]
        return {"text": "outside", "options": (text, f"no {text}"), "answer": text}

    task = make_task(to_fields=first_always)
    assert faults(check(task)) == [
        (None, "the answer must change its place among the options, got place 0 always")
    ]


def test_templates_of_nothing_but_fields_say_nothing_across_tasks() -> None:
    bare = (Template("{text}\n{options}"), *SOUND[1:])
    words = (Template("{options}\n{text}"), Template("Rain?\n{text}\n{options}"), SOUND[2])
    report = check(make_task(bare), make_task(words, name="climate"))
    assert report.likeness.across is not None
    assert report.likeness.across.first == ("weather", 2)  # the wording that both have
