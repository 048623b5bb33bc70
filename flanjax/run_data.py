"""The records that an experiment scores."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flanjax import foreign
from flanjax.data.records import RecordSet, read_records, sampling_order
from flanjax.data.render import render
from flanjax.data.task import Record, Task, TaskCluster, UnavailableError
from flanjax.data.tokenize import Tokenizer
from flanjax.evaluation.cluster import Judge
from flanjax.experiment import Experiment
from flanjax.token_cache import missing_reason


class EvalRecords(NamedTuple):
    """What a cluster is scored on.

    Attributes:
      cluster: Those of its tasks whose data is here.
      records: Task name -> raw records of the split.
      shots: Task name -> training records that exemplars are drawn from;
        empty for zero-shot.
      missing: Task -> why it was dropped, where its data is not here.
      judges: Task name -> what scores it, where that is another library.
    """

    cluster: TaskCluster
    records: Mapping[str, Sequence[Record]]
    shots: Mapping[str, Sequence[Record]]
    missing: dict[str, str]
    judges: Mapping[str, Judge]


def _read_or_drop(
    experiment: Experiment,
    task: Task,
    split: str,
    *,
    limit: int | None,
    seed: int,
    missing: dict[str, str],
) -> RecordSet | None:
    """Reads a split; where its data is not here and may be missing, notes why."""
    data = experiment.data
    if data.data_dir is not None and not os.path.isdir(data.data_dir):
        raise ValueError(f"DATA_DIR must be a directory, got {data.data_dir}; check the path.")
    try:
        return read_records(
            task,
            split,
            data_dir=data.data_dir,
            limit=limit,
            bad_record_limit=data.bad_record_limit,
            seed=seed,
        )
    except UnavailableError as error:
        missing[task.name] = missing_reason(experiment, error)
        return None


def read_eval_records(
    experiment: Experiment, cluster: TaskCluster, tokenizer: Tokenizer
) -> EvalRecords:
    """Reads the records that a cluster is scored on.

    Exemplars come from the training split alone.

    Raises:
      ValueError: A task cannot be read, or an option is longer than a target.
    """
    config = experiment.evaluation
    missing: dict[str, str] = {}
    records = {}
    shots = {}
    judges: dict[str, Judge] = {}
    for task in cluster.tasks:
        if config.split not in task.source.splits():
            missing[task.name] = f"has no {config.split} split; EvalConfig.split names another"
            continue
        if task.pretokenized is not None:
            _judge_or_drop(experiment, task, tokenizer, judges, missing)
            continue
        found = _read_or_drop(
            experiment, task, config.split, limit=None, seed=config.seed, missing=missing
        )
        if found is None:
            continue
        if config.num_shots and not task.is_trainable:
            missing[task.name] = "has no training split to draw exemplars from"
            continue
        if config.num_shots:
            pool = _read_or_drop(
                experiment,
                task,
                "train",
                limit=experiment.data.num_read,
                seed=config.seed,
                missing=missing,
            )
            if pool is None:
                continue
            shots[task.name] = pool.records
        records[task.name] = found.records
        order = sampling_order(found.uids, seed=config.seed)
        scored = [found.records[i] for i in order[: config.max_examples or None]]
        _check_option_lengths(
            task, scored, tokenizer, experiment.data.task_feature_lengths["targets"]
        )
    present = tuple(task for task in cluster.tasks if task.name in {*records, *judges})
    if not present:
        raise ValueError(
            f"cluster {cluster.name} must have a task whose data is here, got none; "
            f"first: {next(iter(missing.values()))}"
        )
    return EvalRecords(TaskCluster(cluster.name, present), records, shots, missing, judges)


def _judge_or_drop(
    experiment: Experiment,
    task: Task,
    tokenizer: Tokenizer,
    judges: dict[str, Judge],
    missing: dict[str, str],
) -> None:
    """Makes a task's judge, or notes why it has none."""
    try:
        found = foreign.make_judge(experiment, task, tokenizer)
    except UnavailableError as error:
        found = missing_reason(experiment, error)
    if isinstance(found, str):
        missing[task.name] = found
    else:
        judges[task.name] = found


def _check_option_lengths(
    task: Task, records: Sequence[Record], tokenizer: Tokenizer, limit: int
) -> None:
    """Checks that every option, with its end id, fits the target length."""
    for index in range(len(task.templates)):
        examples = (render(task, record, template=index) for record in records)
        options = sorted({option for example in examples if example for option in example.options})
        for option, ids in zip(options, tokenizer.encode_batch(options), strict=True):
            if ids.size >= limit:
                raise ValueError(
                    f"task {task.name}, template {index}: an option and its end must fit the "
                    f"target length {limit}, got {ids.size + 1} tokens of {option!r}; "
                    "raise TASK_FEATURE_LENGTHS['targets']."
                )
