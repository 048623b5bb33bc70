"""The work that both sides do: its amounts, and the ids that fill it.

Nothing but numpy is needed here, so it goes with any framework. The same seed
gives both sides the same ids.
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

Task: TypeAlias = Literal["train", "generate", "score"]
EOS_ID = 1
START_ID = 0
"""What the decoder of an encoder-decoder reads first."""
_NUM_SPECIAL = 3  # pad, end of sequence, unknown
_UNITS = {"train": "tokens", "generate": "new_tokens", "score": "options"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """What a step of a benchmark does.

    Attributes:
      task: A training step, greedy generation, or scores of options.
      batch_size: Rows at a time.
      input_length: Tokens of an encoder row, or of a prompt; 0 for a causal
        model that trains.
      target_length: Tokens of a decoder row; of what is generated. Options
        have 1 to this many.
      num_prompts: Prompts that are scored.
      num_options: Of each prompt.
      num_warmups: Steps before those that are timed.
      num_steps: Steps that are timed.
    """

    task: Task
    batch_size: int
    input_length: int = 0
    target_length: int
    num_prompts: int = 0
    num_options: int = 4
    num_warmups: int = 2
    num_steps: int = 5

    @property
    def unit(self) -> str:
        return _UNITS[self.task]

    @property
    def units_per_step(self) -> int:
        """Tokens of a training step, none of them padding; new tokens; options."""
        if self.task == "train":
            return self.batch_size * (self.input_length + self.target_length)
        if self.task == "generate":
            return self.batch_size * self.target_length
        return self.num_prompts * self.num_options

    def as_arguments(self) -> list[str]:
        """Returns the command line that `from_arguments` reads."""
        words = []
        for name, value in dataclasses.asdict(self).items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        return words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds an option for each field of `Work`."""
    for field in dataclasses.fields(Work):
        name = f"--{field.name.replace('_', '-')}"
        if field.name == "task":
            parser.add_argument(name, choices=get_args(Task), required=True)
        elif field.default is dataclasses.MISSING:
            parser.add_argument(name, type=int, required=True)
        else:
            parser.add_argument(name, type=int, default=field.default)


def from_arguments(arguments: argparse.Namespace) -> Work:
    return Work(
        **{field.name: getattr(arguments, field.name) for field in dataclasses.fields(Work)}
    )


class Rows(NamedTuple):
    """Ids of a training step, every slot filled.

    Attributes:
      inputs: int [B, S], or None for a causal model.
      targets: int [B, T]; a causal model predicts each from those before.
    """

    inputs: np.ndarray | None
    targets: np.ndarray


def training_rows(work: Work, vocab_size: int) -> Rows:
    """Returns random ids; every row ends with the end id."""
    rng = np.random.default_rng(0)

    def rows(length: int) -> np.ndarray:
        ids = rng.integers(_NUM_SPECIAL, vocab_size, (work.batch_size, length))
        ids[:, -1] = EOS_ID
        return ids

    inputs = rows(work.input_length) if work.input_length else None
    return Rows(inputs, rows(work.target_length))


def prompts(work: Work, vocab_size: int) -> np.ndarray:
    """Returns random prompts of one length, int [B, S]."""
    shape = (work.batch_size, work.input_length)
    return np.random.default_rng(0).integers(_NUM_SPECIAL, vocab_size, shape)


class Request(NamedTuple):
    """A prompt and the options to score after it."""

    prompt: list[int]
    options: list[list[int]]


def requests(work: Work, vocab_size: int) -> list[Request]:
    """Returns prompts of lognormal length, at most `input_length`, median 42 % of it."""
    rng = np.random.default_rng(0)
    longest = work.input_length
    lengths = np.exp(rng.normal(np.log(0.42 * longest), 0.5, work.num_prompts))
    found = []
    for length in np.clip(lengths, min(16, longest), longest).astype(int):
        prompt = rng.integers(_NUM_SPECIAL, vocab_size, length).tolist()
        sizes = rng.integers(1, work.target_length + 1, work.num_options)
        options = [rng.integers(_NUM_SPECIAL, vocab_size, size).tolist() for size in sizes]
        found.append(Request(prompt, options))
    return found
