"""How long an experiment's examples are before anything is cut, from a sample."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import numpy as np

from flanjax import foreign
from flanjax.data.catalogue import Mixture, rates
from flanjax.data.holdout import without_missing
from flanjax.data.records import RecordSet, read_records
from flanjax.data.task import Task, UnavailableError
from flanjax.data.tokenize import Tokenizer
from flanjax.engine.advise import Rows
from flanjax.engine.tokenized import TokenSettings, batch_of, tokenize_batch
from flanjax.experiment import Experiment
from flanjax.token_cache import missing_reason, token_settings
from flanjax.train_data import weights_of

_UNCUT = 1 << 20
"""Tokens that no prompt and no target has."""

_MULTIPLE = 8
"""Devices that rows are commonly spread over."""


class LengthSample(NamedTuple):
    """Lengths of some of a mixture's examples.

    Attributes:
      lengths: Task name -> int64 [n, 2], tokens of prompt and target, each with
        its end id, every record in its first wording.
      sizes: Task name -> records that the run uses of it.
      shares: Task name -> its share of what the run draws.
      missing: Task -> why it was dropped, where its data is not here.
    """

    lengths: Mapping[str, np.ndarray]
    sizes: Mapping[str, int]
    shares: Mapping[str, float]
    missing: Mapping[str, str]


def sample_lengths(
    experiment: Experiment,
    mixture: Mixture,
    tokenizer: Tokenizer,
    *,
    num_records: int,
    on_task: Callable[[str], None] = lambda task: None,
) -> LengthSample:
    """Tokenizes a sample of each task's training records.

    Span corruption cuts texts to what the tokenizer's sentinels mask, here too.

    The sample is the one that `read_records` takes under a limit, so it is
    part of what the run itself would read.

    Args:
      experiment: The run.
      mixture: What it trains on.
      tokenizer: Text to ids.
      num_records: Records of each task at most.
      on_task: Told which task is being read.

    Raises:
      UnavailableError: The data of a task is not here, and none may be missing,
        or no task is left.
      ValueError: A task cannot be read.
    """
    settings = token_settings(experiment, tokenizer)._replace(
        max_inputs=_UNCUT, max_targets=_UNCUT, over_long="truncate_right"
    )
    foreign.check_tasks(experiment, mixture.tasks(), tokenizer)
    lengths: dict[str, np.ndarray] = {}
    sizes: dict[str, int] = {}
    missing: dict[str, str] = {}
    for task in mixture.tasks():
        on_task(task.name)
        try:
            read = _read(experiment, task, min(num_records, mixture.max_examples))
        except UnavailableError as error:
            missing[task.name] = missing_reason(experiment, error)
            continue
        lengths[task.name] = _lengths(task, read, settings)
        used = min(read.counts.kept + read.counts.over_limit, mixture.max_examples)
        sizes[task.name] = round(used * len(lengths[task.name]) / len(read.records))
    mixture = without_missing(mixture, missing)
    shares = _shares(experiment, mixture, lengths, sizes, missing)
    return LengthSample(lengths, sizes, shares, missing)


def rows_of(experiment: Experiment, *, multiple: int = _MULTIPLE) -> Rows:
    """Returns the rows of an experiment.

    Args:
      experiment: The run.
      multiple: What rows per step are to be a multiple of, besides what the
        mesh and the microbatches ask for.
    """
    mesh, train = experiment.mesh, experiment.train
    lengths = experiment.data.task_feature_lengths
    return Rows(
        inputs=lengths["inputs"],
        targets=lengths["targets"],
        batch_size=train.batch_size,
        is_causal=not experiment.is_encoder_decoder,
        is_dropping=experiment.data.over_long == "drop",
        multiple=int(np.lcm(multiple, train.microbatches * mesh.fsdp * max(mesh.data, 1))),
    )


def _read(experiment: Experiment, task: Task, limit: int) -> RecordSet:
    return read_records(
        task,
        "train",
        data_dir=experiment.data.data_dir,
        limit=limit,
        bad_record_limit=experiment.data.bad_record_limit,
        seed=experiment.train.seed,
    )


def _lengths(task: Task, read: RecordSet, settings: TokenSettings) -> np.ndarray:
    batch = batch_of(task, read.records, read.uids, read.rows, slice(None), settings)
    index = tokenize_batch(task, batch, settings, pass_index=0).examples
    if not len(index):
        raise ValueError(
            f"task {task.name}: a record must have a target, got none in {len(read.records)}; "
            "check its templates."
        )
    return np.stack([index["inputs"], index["targets"]], axis=1).astype(np.int64)


def _shares(
    experiment: Experiment,
    mixture: Mixture,
    lengths: Mapping[str, np.ndarray],
    sizes: Mapping[str, int],
    missing: Collection[str],
) -> dict[str, float]:
    """Returns each task's share of the run, over all its stages.

    How many examples the run draws is estimated as if its rows were full.
    """
    stages: Mapping[int, Mapping[str, float] | None] = experiment.data.stages or {
        0: mixture.weights
    }
    starts = sorted(stages)
    present = [weights_of(stages[start], missing) for start in starts]
    shares = [rates(dataclasses.replace(mixture, weights=each), sizes) for each in present]
    rows = rows_of(experiment)
    mean = np.sum([shares[0][name] * each.mean(axis=0) for name, each in lengths.items()], axis=0)
    cost = mean.sum() - 1 if rows.is_causal else mean
    examples_per_row = float((np.asarray(rows.capacities) / cost).min())
    num_draws = experiment.train.steps * rows.batch_size * examples_per_row
    ends = [min(start, num_draws) for start in starts[1:]] + [num_draws]
    parts = np.diff([0.0, *ends]) / num_draws
    return {
        name: sum(float(part) * each[name] for part, each in zip(parts, shares, strict=True))
        for name in lengths
    }
