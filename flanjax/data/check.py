"""Checks a catalogue's templates, alone and on records."""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from flanjax.data.catalogue import Catalogue
from flanjax.data.published import Published
from flanjax.data.render import RecordError, Rendered, checked_fields, render
from flanjax.data.schema import conform
from flanjax.data.task import SCORING_FIELDS, Fields, Record, Task, Template, TemplateText
from flanjax.data.wordings import (
    Likeness,
    measure_likeness,
    near_duplicates,
    shared_sentences,
)
from flanjax.evaluation.metrics import metrics_of

LEAK_SHARE = 0.5
"""An answer may stand in a text by chance; in more than this share of a template's examples it is
the template or a field that gives it away."""

_PAIRS = (("(", ")"), ("[", "]"), ("“", "”"))
_STOPS = ".,;:"
_CLOSERS = "\"')\u201d\u2019"
_DOUBLED = re.compile(r"[.,;:!?]{2,}")
_ALLOWED_DOUBLED = ("...", "?!")
_ODD_BREAK = re.compile(r"[^\S \n]|[ ]\n|\n\n\n|  ")
_OPENED_QUOTE = re.compile(r"(?<!\w)'(?=\w)")
_CLOSED_QUOTE = re.compile(r"(?<=[\w.,!?])'(?!\w)")


class Problem(NamedTuple):
    """One fault of a catalogue.

    Attributes:
      task: The task's name.
      template: Its template's index, or None where the task is at fault.
      what: The fault, in one line.
    """

    task: str
    template: int | None
    what: str


class Lengths(NamedTuple):
    """Words of a task's rendered examples: the median and the longest."""

    inputs_median: float
    inputs_max: int
    targets_median: float
    targets_max: int


class CheckReport(NamedTuple):
    """What a check of a catalogue found.

    Attributes:
      problems: Every fault, each said once for a template, in order.
      num_tasks: Tasks checked.
      num_templates: Templates rendered at least once.
      num_renders: Examples rendered.
      lengths: Task name -> lengths of its examples.
      likeness: How alike the wordings are.
    """

    problems: tuple[Problem, ...]
    num_tasks: int
    num_templates: int
    num_renders: int
    lengths: Mapping[str, Lengths]
    likeness: Likeness


def check_catalogue(
    catalogue: Catalogue,
    *,
    records: Mapping[str, Sequence[Record]] = MappingProxyType({}),
    expected_templates: int = 10,
    max_inverted: int = 3,
    min_renders: int = 3,
    near_duplicate: float = 0.8,
    max_rouge: float = 0.7,
) -> CheckReport:
    """Checks every task of a catalogue, and its templates against each other.

    Args:
      catalogue: The catalogue.
      records: Task name -> records to render beside the task's own examples;
        a task with neither is a problem.
      expected_templates: Templates of each task; FLAN has ten.
      max_inverted: Inverted ones among them; FLAN has up to three.
      min_renders: Records that every template must render.
      near_duplicate: Jaccard similarity of the sets of words of two
        templates, fields left out, from which they count as the same.
      max_rouge: ROUGE-L of two templates of a task, fields left out, above
        which they are too much alike.
    """
    problems: list[Problem] = []
    lengths: dict[str, Lengths] = {}
    num_templates, num_renders = 0, 0
    for task in catalogue.tasks():
        problems += _task_problems(task, expected_templates, max_inverted)
        for index, template in enumerate(task.templates):
            problems += [
                Problem(task.name, index, what) for what in _template_problems(task, template)
            ]
        problems += [Problem(task.name, None, what) for what in _example_problems(task)]
        given = [*task.examples, *records.get(task.name, ())]
        found, examples = _render_all(task, given, min_renders)
        problems += found
        num_templates += len(task.templates) if examples else 0
        num_renders += len(examples)
        if examples:
            lengths[task.name] = _lengths(examples)
    problems += [Problem(*fault) for fault in near_duplicates(catalogue, near_duplicate)]
    problems += [Problem(*fault) for fault in shared_sentences(catalogue)]
    likeness = measure_likeness(catalogue)
    problems += [Problem(*fault) for fault in likeness.too_high(max_rouge)]
    return CheckReport(
        problems=tuple(dict.fromkeys(problems)),
        num_tasks=len(catalogue.tasks()),
        num_templates=num_templates,
        num_renders=num_renders,
        lengths=lengths,
        likeness=likeness,
    )


def _task_problems(task: Task, expected_templates: int, max_inverted: int) -> Iterator[Problem]:
    if task.pretokenized is None:  # another library's task is judged by its own functions
        try:
            metrics_of(task)
        except ValueError as error:
            yield Problem(task.name, None, str(error).removeprefix(f"task {task.name}: "))
    scored = [template for template in task.templates if not template.inverted]
    num_inverted = len(task.templates) - len(scored)
    if len(task.templates) != expected_templates:
        what = f"a task must have {expected_templates} templates, got {len(task.templates)}"
        yield Problem(task.name, None, what)
    if num_inverted > max_inverted:
        what = f"at most {max_inverted} templates may be inverted, got {num_inverted}"
        yield Problem(task.name, None, what)
    used = {name for template in task.templates for name in template.field_names()}
    for name in task.fields:
        if name not in used and name not in SCORING_FIELDS:
            yield Problem(
                task.name, None, f"every field must stand in a template, got no {{{name}}}"
            )
    num_shown = sum("options" in template.parsed_inputs.field_names() for template in scored)
    if task.mode == "rank" and 2 * num_shown < len(scored):
        what = f"half of the scored templates must show {{options}}, got {num_shown}"
        yield Problem(task.name, None, what)


def _example_problems(task: Task) -> Iterator[str]:
    """Yields where a task's own examples are not what its source would give."""
    if not isinstance(task.source, Published):
        return
    if not task.examples:
        yield "a task must have hand-written examples, got none"
    for index, example in enumerate(task.examples):
        try:
            conformed = conform(task.source.tfds.features, example)
        except ValueError as error:
            yield f"example {index} must follow the source's schema, got: {error}"
            continue
        if conformed != example:
            yield f"example {index} must be exactly of the source's schema, got {example}"


def _template_problems(task: Task, template: Template) -> Iterator[str]:
    input_names = template.parsed_inputs.field_names()
    if not template.inverted and "answer" in input_names:
        yield "inputs must not hold {answer}, unless the template is inverted"
    if not set(input_names) - {"options"}:
        yield "inputs must hold a field of the record"
    if not template.inverted and template.parsed_targets.field_names().count("answer") != 1:
        yield "targets must hold {answer} once, so that it can be read from them"
    for text in (template.inputs, template.targets):
        if text != text.strip():
            yield f"text must not begin or end with white space, got {text!r}"
    for parsed in (template.parsed_inputs, template.parsed_targets):
        yield from _text_problems(parsed)


def _text_problems(parsed: TemplateText) -> Iterator[str]:
    literals = [literal for literal, _ in parsed.pieces]
    for literal in literals:
        for doubled in _DOUBLED.findall(literal):
            if doubled not in _ALLOWED_DOUBLED:
                yield f"punctuation must not be doubled, got {doubled!r}"
    text = parsed.substitute(dict.fromkeys(parsed.field_names(), "x"))
    odd = _ODD_BREAK.search(text)
    if odd:
        yield f"white space must be single blanks and one or two line breaks, got {odd.group()!r}"
    for opening, closing in _PAIRS:
        if text.count(opening) != text.count(closing):
            yield f"every {opening} must have its {closing}"
    has_open_quote = len(_OPENED_QUOTE.findall(text)) > len(_CLOSED_QUOTE.findall(text))
    if text.count('"') % 2 or has_open_quote:
        yield "every quote must be closed"
    for index, (literal, name) in enumerate(parsed.pieces):
        if name != "options":
            continue
        follows = literals[index + 1] if index + 1 < len(literals) else ""
        has_line_before = literal.endswith("\n") or (index == 0 and not literal)
        is_last = index + 1 == len(literals)
        if not has_line_before or not (is_last or follows.startswith("\n")):
            yield "{options} must stand on lines of their own"


def _render_all(
    task: Task, records: Sequence[Record], min_renders: int
) -> tuple[list[Problem], list[Rendered]]:
    """Renders every record in every template."""
    problems: list[Problem] = []
    kept: list[tuple[Record, Fields]] = []
    for record in records:
        try:
            fields = checked_fields(task, record)
        except RecordError as error:
            problems.append(Problem(task.name, None, str(error)))
            continue
        if fields is not None:
            kept.append((record, fields))
    problems += [Problem(task.name, None, what) for what in _label_problems(task, kept)]
    examples: list[Rendered] = []
    for index in range(len(task.templates)):
        found, rendered = _render_template(task, index, kept)
        if len(rendered) < min_renders:
            found.append(f"must render at least {min_renders} records, got {len(rendered)}")
        if not task.is_extractive:
            found += _leak_problems(task, task.templates[index], kept)
        problems += [Problem(task.name, index, what) for what in found]
        examples += rendered
    return problems, examples


def _label_problems(task: Task, kept: Sequence[tuple[Record, Fields]]) -> Iterator[str]:
    if task.mode != "rank" or not kept:
        return
    answers = {fields["answer"] for _, fields in kept}
    if len({tuple(fields["options"]) for _, fields in kept}) == 1:
        for option in kept[0][1]["options"]:
            if option not in answers:
                yield f"every option must be some record's answer, got none with {option!r}"
        return
    places = {tuple(fields["options"]).index(fields["answer"]) for _, fields in kept}
    if len(places) == 1:
        yield f"the answer must change its place among the options, got place {places.pop()} always"


def _render_template(
    task: Task, index: int, kept: Sequence[tuple[Record, Fields]]
) -> tuple[list[str], list[Rendered]]:
    problems: list[str] = []
    examples: list[Rendered] = []
    for record, fields in kept:
        try:
            example = render(task, record, template=index)
        except RecordError as error:
            problems.append(str(error))
            continue
        assert example is not None, "records that the task leaves out are not kept"
        examples.append(example)
        problems += _render_problems(task.templates[index], fields, example)
    return _first_of_each_kind(problems), examples


def _first_of_each_kind(problems: Sequence[str]) -> list[str]:
    kinds: dict[str, str] = {}
    for what in problems:
        kinds.setdefault(what.partition(", got ")[0], what)
    return list(kinds.values())


def _leak_problems(
    task: Task, template: Template, kept: Sequence[tuple[Record, Fields]]
) -> Iterator[str]:
    """Yields whether the inputs of a scored template without options tell the answer.

    Answers of one or two letters stand in any text and are not counted; nor
    are those that stand there beside another of the options.
    """
    if template.inverted or "options" in template.parsed_inputs.field_names() or not kept:
        return
    num_leaks = sum(_is_leak(task, template, fields) for _, fields in kept)
    if num_leaks > LEAK_SHARE * len(kept):
        yield f"inputs must not give the answer away, got it in {num_leaks} of {len(kept)} records"
    options = kept[0][1]["options"] if task.mode == "rank" else ()
    literal = " ".join(literal for literal, _ in template.parsed_inputs.pieces)
    named = [option for option in options if _names(literal, option)]
    if any(len(option) > 2 for option in named) and len(named) < len(options):
        yield f"inputs must name every option or none, got {', '.join(named)}"


def _is_leak(task: Task, template: Template, fields: Fields) -> bool:
    if len(fields["answer"].strip()) <= 2:
        return False
    values = {name: value for name, value in fields.items() if isinstance(value, str)}
    inputs = template.parsed_inputs.substitute(values)
    others = set(fields["options"] if task.mode == "rank" else ()) - {fields["answer"]}
    return _names(inputs, fields["answer"]) and not any(_names(inputs, name) for name in others)


def _names(text: str, phrase: str) -> bool:
    pattern = rf"(?<!\w){re.escape(phrase.strip().casefold())}(?!\w)"
    return re.search(pattern, text.casefold()) is not None


def _render_problems(template: Template, fields: Fields, example: Rendered) -> Iterator[str]:
    for side, text in (("inputs", example.inputs), ("targets", example.targets)):
        if text != text.strip():
            yield f"{side} must not begin or end with white space, got {text[-40:]!r}"
    for parsed in (template.parsed_inputs, template.parsed_targets):
        for (_, name), (literal, _) in itertools.pairwise(parsed.pieces):
            value = fields.get(name or "")
            if isinstance(value, str) and _doubles(value, literal):
                yield (
                    "a field that ends in punctuation must not meet more of it, "
                    f"got {value[-20:] + literal[:8]!r}"
                )


def _doubles(value: str, literal: str) -> bool:
    """Returns whether `value` then `literal` doubles punctuation.

    `end.` then `.` or `".` does; `end.` then `"?` does not.
    """
    follows = literal.lstrip(_CLOSERS)
    doubling = _STOPS + "!?" if follows == literal else _STOPS
    return value[-1:] in tuple(_STOPS + "!?") and follows[:1] in tuple(doubling)


def _lengths(examples: Sequence[Rendered]) -> Lengths:
    inputs = [len(example.inputs.split()) for example in examples]
    targets = [len(example.targets.split()) for example in examples]
    return Lengths(statistics.median(inputs), max(inputs), statistics.median(targets), max(targets))
