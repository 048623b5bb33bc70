"""Records to text: the one implementation, in plain Python."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from flanjax.base import stable_hash
from flanjax.data.task import Fields, Record, Task, Template

OPTIONS_HEADER = "OPTIONS:"
SHOT_SEPARATOR = "\n\n"
ANSWER_SEPARATOR = "\n"


class RecordError(ValueError):
    """A record that breaks its task's promise; the message names the task."""


class Rendered(NamedTuple):
    """One example as text.

    Attributes:
      inputs: The prompt.
      targets: What the model should write.
      options: In rank mode, every option as it would be written, `targets`
        among them; empty for inverted templates and in generate mode.
      references: Every acceptable target; at least `targets`.
      group: Which records are judged together; "" for each on its own.
    """

    inputs: str
    targets: str
    options: tuple[str, ...]
    references: tuple[str, ...]
    group: str = ""


def record_uid(record: Record) -> int:
    """Returns a 64-bit identity of a record: the hash of its canonical JSON."""
    return stable_hash(_CANONICAL.encode(record))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a record must hold plain values, got {type(value).__name__}; convert it.")


_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=_plain)


def template_index(task: Task, uid: int, *, seed: int, pass_index: int = 0) -> int:
    """Returns which template words the record in a pass over the data.

    The first pass draws by a stable hash; each later pass takes the next
    template, so ten passes show a record in all ten wordings.

    Args:
      task: The task.
      uid: The record's identity, from `record_uid`.
      seed: The run's seed.
      pass_index: How often the record was seen before.
    """
    return (stable_hash(task.name, uid, seed) + pass_index) % len(task.templates)


def options_block(options: Sequence[str]) -> str:
    r"""Returns the options one a line under their header.

    Example:
      options_block(["yes", "no"]) == "OPTIONS:\n- yes\n- no"
    """
    return "\n".join([OPTIONS_HEADER, *(f"- {option}" for option in options)])


def checked_fields(task: Task, record: Record) -> Fields | None:
    """Returns the task's fields for a record, checked, or None if left out.

    Raises:
      RecordError: A field is missing or of the wrong type, the answer is
        empty, or the options lack it.
    """
    try:
        fields = task.to_fields(record)
    except Exception as error:  # to_fields is the user's code, and may raise anything
        raise RecordError(
            f"task {task.name}: to_fields must accept every record, got "
            f"{type(error).__name__}({error}) on fields {', '.join(map(str, record))}; "
            "check the record's schema."
        ) from None
    if fields is None:
        return None
    for name in task.fields:
        if name not in fields:
            raise RecordError(
                f"task {task.name}: a record must give the field {name!r}, "
                f"got {', '.join(fields)}; check to_fields."
            )
        if name not in ("options", "references") and not isinstance(fields[name], str):
            raise RecordError(
                f"task {task.name}: field {name!r} must be text, "
                f"got {type(fields[name]).__name__}; convert it in to_fields."
            )
    if not fields["answer"].strip():
        raise RecordError(
            f"task {task.name}: answer must not be empty, got {fields['answer']!r}; "
            "return None from to_fields to leave the record out."
        )
    if "options" in task.fields:
        _check_options(task, fields)
    if fields.get("references") is not None:
        _check_texts(task, "references", fields["references"])
    return fields


def _check_texts(task: Task, name: str, texts: Any) -> None:
    is_sequence = isinstance(texts, Sequence) and not isinstance(texts, str)
    if not is_sequence or not all(isinstance(text, str) for text in texts):
        raise RecordError(
            f"task {task.name}: {name} must be a sequence of text, got {texts!r}; "
            "return a tuple from to_fields."
        )


def _check_options(task: Task, fields: Fields) -> None:
    options = fields["options"]
    _check_texts(task, "options", options)
    if task.mode == "rank" and fields["answer"] not in options:
        raise RecordError(
            f"task {task.name}: options must hold the answer {fields['answer']!r}, "
            f"got {', '.join(map(repr, options))}; check to_fields."
        )
    if len(set(options)) != len(options):
        raise RecordError(
            f"task {task.name}: options must differ from one another, "
            f"got {', '.join(map(repr, options))}; merge or leave out the record."
        )


def render(
    task: Task, record: Record, *, template: int, shots: Sequence[Record] = ()
) -> Rendered | None:
    """Renders a record in one of its task's wordings.

    Args:
      task: The task.
      record: The raw record.
      template: Index into `task.templates`.
      shots: Solved exemplars, put before the query in the same wording.

    Returns:
      The example, or None where the task leaves the record out.

    Raises:
      RecordError: The record breaks the task's promise.
    """
    wording = task.templates[template]
    fields = checked_fields(task, record)
    if fields is None:
        return None
    values = text_values(fields)
    targets = wording.parsed_targets.substitute(values)
    if not targets.strip():
        raise RecordError(
            f"task {task.name}, template {template}: targets must not be empty, got {targets!r}; "
            "return None from to_fields to leave the record out."
        )
    inputs = wording.parsed_inputs.substitute(values)
    if shots:
        inputs = SHOT_SEPARATOR.join([*(_solved(task, shot, template) for shot in shots), inputs])
    is_scored = not wording.inverted
    options: tuple[str, ...] = ()
    if is_scored and task.mode == "rank":
        options = tuple(_target(wording, values, option) for option in fields["options"])
    references: tuple[str, ...] = (targets,)
    if is_scored and fields.get("references"):
        references = tuple(_target(wording, values, answer) for answer in fields["references"])
    return Rendered(inputs, targets, options, references, fields.get("group", ""))


def text_values(fields: Fields) -> dict[str, str]:
    """Returns what stands in a template for each field it may name."""
    values = {name: value for name, value in fields.items() if isinstance(value, str)}
    if "options" in fields:
        values["options"] = options_block(fields["options"])
    return values


def _target(wording: Template, values: dict[str, str], answer: str) -> str:
    return wording.parsed_targets.substitute({**values, "answer": answer})


def _solved(task: Task, record: Record, template: int) -> str:
    example = render(task, record, template=template)
    if example is None:
        raise RecordError(
            f"task {task.name}: an exemplar must be a record the task keeps, "
            "got one that to_fields leaves out; choose exemplars among rendered records."
        )
    return example.inputs + ANSWER_SEPARATOR + example.targets
