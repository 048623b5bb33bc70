"""How large a mixture's tasks are, and how often each is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from flanjax.data.catalogue import Mixture, rates
from flanjax.data.published import Published
from flanjax.data.records import read_records
from flanjax.data.task import Task, UnavailableError

Origin: TypeAlias = Literal["read", "published", "unknown"]


class Size(NamedTuple):
    """A task's training examples.

    Attributes:
      examples: After the task's filters where they were read, before them
        where they are those that TFDS publishes; None where not known.
      origin: Which of the three it is.
      left_out: Records that the task's rule leaves out, where read.
      bad: Rows that could not be read.
      missing: Why they were not read; "" where they were.
    """

    examples: int | None
    origin: Origin
    left_out: int = 0
    bad: int = 0
    missing: str = ""


class Draw(NamedTuple):
    """How a task is drawn from a mixture.

    Attributes:
      task: The task's name.
      examples: Its examples, at most the mixture's `max_examples`.
      rate: Its size under the rate cap, or its explicit weight.
      share: Its part of all draws; the shares sum to one.
      passes: How often each example is expected to be seen.
    """

    task: str
    examples: int
    rate: float
    share: float
    passes: float


def published_size(task: Task) -> Size:
    """Returns the published size of a task's training split."""
    num = task.source.num_published("train") if isinstance(task.source, Published) else None
    return Size(num, "unknown" if num is None else "published")


def measured_size(
    task: Task, *, data_dir: str | None, max_examples: int, bad_record_limit: float = 0.01
) -> Size:
    """Reads a task's training split; falls back on what is published.

    Raises:
      ValueError: The data is here and cannot be read.
    """
    try:
        counts = read_records(
            task,
            "train",
            data_dir=data_dir,
            limit=max_examples,
            bad_record_limit=bad_record_limit,
        ).counts
    except UnavailableError as error:
        return published_size(task)._replace(missing=str(error))
    return Size(counts.kept + counts.over_limit, "read", counts.left_out_by_rule, counts.bad)


def expected_draws(
    mixture: Mixture, sizes: Mapping[str, int], *, num_draws: int | None = None
) -> list[Draw]:
    """Returns each task's rate, share and passes, in the mixture's order.

    Args:
      mixture: The mixture.
      sizes: Task name -> training examples, before the mixture's caps.
      num_draws: Examples drawn in all; None for as many as there are.

    Raises:
      ValueError: A task has no examples.
    """
    shares = rates(mixture, sizes)
    kept = {task.name: min(sizes[task.name], mixture.max_examples) for task in mixture.tasks()}
    total = sum(kept.values()) if num_draws is None else num_draws
    return [
        Draw(
            name,
            num,
            min(num, mixture.rate_cap)
            if mixture.weights is None
            else mixture.weights.get(name, 0.0),
            shares[name],
            total * shares[name] / num,
        )
        for name, num in kept.items()
    ]
