"""A dataset's file as its publisher writes it, and what TFDS gives for it."""

from __future__ import annotations

from typing import NamedTuple

from flanjax.data.task import Record


class Fault(NamedTuple):
    """A way to spoil a file.

    Attributes:
      text: What stands in the file once.
      wrong: What is written in its place.
      reason: A part of what is then said of a row.
    """

    text: str
    wrong: str
    reason: str


class Sample(NamedTuple):
    """A file in its publisher's form, with made-up texts.

    Attributes:
      content: The file.
      records: Its records in the schema of TFDS. A class is its place among the
        class names of the TFDS builder.
      answers: The answer to each, None where the task leaves it out by rule.
      faults: Ways to spoil the file so that no row of it may pass unnoticed.
      split: The split whose file it is.
      labels: The file of labels beside it, where there is one.
      encoding: How the publisher writes the file.
    """

    content: str
    records: list[Record]
    answers: list[str | None]
    faults: tuple[Fault, ...] = ()
    split: str = "test"
    labels: str | None = None
    encoding: str = "utf-8"
