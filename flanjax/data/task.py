"""What a task is: records, fields, templates, and how they are judged."""

from __future__ import annotations

import dataclasses
import difflib
import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np

Record: TypeAlias = Mapping[str, Any]
"""One row as its source gives it."""

Fields: TypeAlias = Mapping[str, Any]
"""What templates may name: strings, and `options` (a tuple of strings).

`answer` is always there. In rank mode `options` is there too and holds the
answer. In generate mode `references` may list every acceptable answer; it
defaults to the answer alone. `group` may name the question that several
records share, for metrics that judge them together.
"""

SCORING_FIELDS = ("references", "group")
"""Fields that metrics read and no template may name."""

Mode: TypeAlias = Literal["rank", "generate"]

SPLITS = ("train", "validation", "test")

_NAME = re.compile(r"[^\W\d]\w*")
_FOREIGN_NAME = re.compile(r"\w[\w.:]*")


class BadRecord(NamedTuple):
    """A row that could not be read; counted by the reader, never trained on."""

    place: str
    reason: str


class UnavailableError(ValueError):
    """A source's data is not on this machine; the message says how to get it."""


class Source(Protocol):
    """Where a task's records come from."""

    def splits(self) -> tuple[str, ...]:
        """Returns the names among SPLITS that this source has."""
        ...

    def records(self, split: str, *, data_dir: str | None = None) -> Iterator[Record | BadRecord]:
        """Yields the rows of `split` in a fixed order.

        Args:
          split: One of `splits()`.
          data_dir: The directory under which local files lie, where needed.
        """
        ...

    def describe(self) -> str:
        """Returns one line that says where the records come from."""
        ...


class Pretokenized(Protocol):
    """How another library's task gives ids in place of text to be rendered."""

    @property
    def lengths(self) -> Mapping[str, int]:
        """Most ids of "inputs" and "targets"; the task has cut them to that."""
        ...

    def ids(self, record: Record) -> tuple[np.ndarray, np.ndarray]:
        """Returns the ids of a record's prompt and target, int32, end ids included.

        They are laid into rows as they are; a prompt of no ids is one that the
        task does not have.
        """
        ...


class TemplateText(NamedTuple):
    """A parsed template: literal pieces, each followed by a field or None."""

    pieces: tuple[tuple[str, str | None], ...]

    def field_names(self) -> tuple[str, ...]:
        return tuple(name for _, name in self.pieces if name is not None)

    def substitute(self, values: Mapping[str, str]) -> str:
        return "".join(
            literal + (values[name] if name is not None else "") for literal, name in self.pieces
        )


def parse_template(text: str) -> TemplateText:
    """Parses `{field}` names; `{{` and `}}` stand for literal braces.

    Raises:
      ValueError: An attribute, index, conversion or format is asked for, or a
        brace is unbalanced.
    """
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(
            f"a template must balance its braces, got {text!r} ({error}); "
            "write a literal brace twice."
        ) from None
    pieces = []
    for literal, name, spec, conversion in parsed:
        if name is not None and (not name.isidentifier() or spec or conversion):
            written = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            raise ValueError(
                f"a template must name plain fields, got {{{written}}} in {text!r}; "
                "compute the value in to_fields and name it there."
            )
        pieces.append((literal, name))
    return TemplateText(tuple(pieces))


@dataclasses.dataclass(frozen=True)
class Template:
    """One natural-language wording of a task.

    `{options}` in `inputs` stands for the block of options, one a line.

    Attributes:
      inputs: The prompt, with `{field}` names.
      targets: What the model should write, with `{field}` names.
      inverted: True where the target is not the task's answer (the wording
        is turned around). Inverted templates are trained on, never scored.
    """

    inputs: str
    targets: str = "{answer}"
    inverted: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "_inputs", parse_template(self.inputs))
        object.__setattr__(self, "_targets", parse_template(self.targets))

    @property
    def parsed_inputs(self) -> TemplateText:
        return self._inputs  # type: ignore[attr-defined]

    @property
    def parsed_targets(self) -> TemplateText:
        return self._targets  # type: ignore[attr-defined]

    def field_names(self) -> tuple[str, ...]:
        """Returns every field the template names, each once, in order."""
        names = self.parsed_inputs.field_names() + self.parsed_targets.field_names()
        return tuple(dict.fromkeys(names))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One dataset as an instruction task.

    Attributes:
      name: Unique in its catalogue; letters, digits and underscores.
      version: Raised whenever templates or fields change a rendered example.
      source: Where the records come from.
      to_fields: Maps a record to its fields, or to None where the task leaves
        the record out by rule (an unlabelled row, say).
      fields: The field names that `to_fields` returns and templates may use.
      templates: The wordings; FLAN has ten for every dataset.
      mode: "rank" (choose among options by likelihood) or "generate".
      metrics: Names in `flanjax.evaluation.metrics`.
      corpora: Source texts the dataset was built on; a held-out cluster
        shares none of them with the training mixture.
      license: The dataset's license.
      citation: Who made the dataset, where it was published.
      is_extractive: Whether the answer is by design a piece of the inputs, as
        where a span of a passage is asked for.
      examples: Records written by hand in the source's schema, every label
        among them; what `tasks check` and `tasks show` render without data.
      pretokenized: Gives the ids of a task that another library renders and
        tokenizes; its templates then only show what it says.
    """

    name: str
    version: int
    source: Source
    to_fields: Callable[[Record], Fields | None]
    fields: tuple[str, ...]
    templates: tuple[Template, ...]
    mode: Mode
    metrics: tuple[str, ...]
    corpora: tuple[str, ...] = ()
    license: str
    citation: str
    is_extractive: bool = False
    examples: tuple[Record, ...] = ()
    pretokenized: Pretokenized | None = None

    def __post_init__(self) -> None:
        allowed, chars = (_NAME, "letters, digits and underscores")
        if self.pretokenized is not None:
            allowed, chars = (_FOREIGN_NAME, f"{chars}, dots and colons after the first")
        if not allowed.fullmatch(self.name):
            raise ValueError(f"task name must be {chars}, got {self.name!r}; rename it.")
        _check_kinds(self)
        if not self.templates:
            raise ValueError(
                f"task {self.name}: templates must hold at least one, got none; add one."
            )
        if self.mode not in ("rank", "generate"):
            raise ValueError(
                f"task {self.name}: mode must be 'rank' or 'generate', got {self.mode!r}; "
                "choose one."
            )
        for needed in ("answer",) + (("options",) if self.mode == "rank" else ()):
            if needed not in self.fields:
                raise ValueError(
                    f"task {self.name}: fields must hold {needed!r} in {self.mode} mode, "
                    f"got {', '.join(self.fields)}; return it from to_fields."
                )
        for index, template in enumerate(self.templates):
            _check_template(self, index, template)

    @property
    def is_trainable(self) -> bool:
        """Whether the source has a training split; else the task is for evaluation only."""
        return "train" in self.source.splits()


_TUPLES = ("fields", "templates", "metrics", "corpora", "examples")


def _check_kinds(task: Task) -> None:
    """Checks what a slip of the pen makes of a tuple: `("text")` is a string."""
    for name in _TUPLES:
        value = getattr(task, name)
        if not isinstance(value, tuple):
            raise ValueError(
                f"task {task.name}: {name} must be a tuple, got a {type(value).__name__}; "
                f"write {name}=(...,)."
            )
    if type(task.version) is not int:
        raise ValueError(
            f"task {task.name}: version must be an integer, got {task.version!r}; count from 1."
        )


def _check_template(task: Task, index: int, template: Template) -> None:
    where = f"task {task.name}, template {index}"
    for name in template.field_names():
        if name not in task.fields:
            raise ValueError(
                f"{where}: a template must name the task's fields ({', '.join(task.fields)}), "
                f"got {{{name}}}; {nearest(name, task.fields)}"
            )
        if name in SCORING_FIELDS:
            raise ValueError(
                f"{where}: a template must name text or {{options}}, got {{{name}}}; "
                "it is for scoring alone, name {answer}."
            )
    if "options" in template.parsed_targets.field_names():
        raise ValueError(
            f"{where}: targets must not hold {{options}}, got {template.targets!r}; "
            "the block of options belongs to the inputs."
        )
    if not template.inverted and "answer" not in template.parsed_targets.field_names():
        raise ValueError(
            f"{where}: targets must hold {{answer}}, got {template.targets!r}; "
            "add it, or mark the template inverted=True."
        )


@dataclasses.dataclass(frozen=True)
class TaskCluster:
    """Tasks that ask for the same skill; held out together."""

    name: str
    tasks: tuple[Task, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.tasks, tuple):
            raise ValueError(
                f"cluster {self.name}: tasks must be a tuple, got a {type(self.tasks).__name__}; "
                "write (TASK,)."
            )
        if not self.tasks:
            raise ValueError(
                f"cluster {self.name}: tasks must hold at least one, got none; add one."
            )


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a remedy that names what is nearest to a misspelt name."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"known: {shown}."
