"""What a checkpoint, or what a run starts from, scores on clusters."""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import rich.console

from flanjax import model_dir, run_data, start
from flanjax.certificate import certify_run, split_catalogue
from flanjax.data.catalogue import Catalogue
from flanjax.data.holdout import resolve
from flanjax.data.tokenize import Tokenizer
from flanjax.evaluation import report
from flanjax.evaluation.cluster import evaluate_cluster
from flanjax.evaluation.results import Certificate, ClusterReport
from flanjax.experiment import Experiment
from flanjax.parts import Parts, assemble_to_score, make_predictor, param_shardings
from flanjax.run_data import EvalRecords
from flanjax.run_facts import run_facts
from flanjax.run_stages import BEFORE
from flanjax.start import Start
from flanjax.train import restore
from flanjax.train.restore import RestoreConfig


class Outcome(NamedTuple):
    """What a run or an evaluation leaves behind.

    Attributes:
      step: The last step, or that of the checkpoint.
      stages: Stage name -> reports, where anything was scored.
      files: The report's files.
    """

    step: int
    stages: Mapping[str, Sequence[ClusterReport]]
    files: Mapping[str, str]


def evaluate(
    experiment: Experiment,
    catalogue: Catalogue,
    *,
    checkpoint: str | None,
    clusters: Sequence[str],
    output: str,
    command: str,
    console: rich.console.Console,
    tokenizer: Tokenizer | None = None,
    weights: restore.Weights = "trained",
) -> Outcome:
    """Scores a checkpoint, or what a run starts from, on clusters.

    Args:
      experiment: The run; its `evaluation` says how.
      catalogue: The tasks.
      checkpoint: MODEL_DIR or MODEL_DIR/checkpoints/STEP; None scores the
        parameters that training would start from.
      clusters: Names; all of the catalogue's if empty.
      output: Where the report goes.
      command: The command line, named in the report.
      console: Where the table goes.
      tokenizer: The one that lies with the checkpoint; None makes the
        experiment's own.
      weights: Which of the checkpoint's.

    Raises:
      ValueError: Something breaks a rule, or nothing can be scored.
    """
    started = time.monotonic()
    model_dir.check_directory("--output", pathlib.Path(output), is_written=True)
    # Of a checkpoint its own run knows what it was kept from, whatever it is scored on.
    split = split_catalogue(experiment, catalogue) if checkpoint is None else None
    chosen = [resolve(catalogue, rule).test for rule in clusters]
    rest = catalogue.scored_without_choice(experiment.data.mixture_or_task_name)
    parts = assemble_to_score(experiment, tokenizer)
    records, not_scored = run_data.read_all(
        experiment, chosen, () if chosen else rest, parts.tokenizer
    )
    _tell(console, run_data.not_scored_lines(not_scored))
    found = _open(experiment, parts, checkpoint, weights)
    if found is not None:
        console.print(found.summary(), soft_wrap=True)
    stage = "checkpoint" if checkpoint else BEFORE if found else "untrained"
    is_start = checkpoint is None
    params = _first_params(found, experiment, parts) if is_start else _read(found, parts)
    reports = score(experiment, parts, records, params, stage, console)
    if not reports:
        raise ValueError(
            f"what is scored must have a task that gives a number, got none of {len(not_scored)}; "
            "name a --cluster that has one."
        )
    facts = run_facts(experiment, command, time.monotonic() - started)
    facts["checkpoint"] = _told(checkpoint or experiment.initial_checkpoint_path, found)
    certificate = model_dir.read_certificate(checkpoint)
    if split is not None:  # of another's checkpoint nobody knows what it has seen
        certificate = certify_run(experiment, catalogue, split, {}, run_data.not_tested(records))
    files = leave_report(output, {stage: reports}, facts, certificate, console)
    return Outcome(found.source.step if found else 0, {stage: reports}, files)


def _open(
    experiment: Experiment, parts: Parts, checkpoint: str | None, weights: restore.Weights
) -> Start | None:
    """Opens a checkpoint, or what the run starts from; None where that is nothing."""
    if checkpoint is not None:
        return start.open_start(checkpoint, parts, RestoreConfig(weights=weights))
    if experiment.initial_checkpoint_path is None:
        return None
    config = dataclasses.replace(experiment.restore, optimizer_state="reset")
    return start.open_start(experiment.initial_checkpoint_path, parts, config)


def _tell(console: rich.console.Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)  # a remedy may name flanjax[seqio]


def _read(found: Start | None, parts: Parts) -> Any:
    assert found is not None, "a checkpoint is opened before it is read"
    return start.read_params(found, parts, param_shardings(parts))


def _first_params(found: Start | None, experiment: Experiment, parts: Parts) -> Any:
    """Returns what the run's parameters are before its first step."""
    shardings = param_shardings(parts)
    key_init, _ = jax.random.split(jax.random.key(experiment.train.seed))
    if found is not None and not found.fresh:
        params = jax.eval_shape(parts.model.init, key_init)
    else:
        params = jax.jit(parts.model.init, out_shardings=shardings)(key_init)
    return params if found is None else start.read_into(found.params, params, shardings)


def _told(path: str | None, found: Start | None) -> str:
    """Returns what a report says of where the parameters are from."""
    if path is None or found is None:
        return "untrained"
    return f"{path} (averaged weights)" if found.weights == "averaged" else path


def score(
    experiment: Experiment,
    parts: Parts,
    records: Mapping[str, EvalRecords],
    params: Any,
    stage: str,
    console: rich.console.Console,
) -> list[ClusterReport]:
    """Returns what parameters score on each cluster; [] where there is none.

    Args:
      experiment: The run; its `evaluation` says how.
      parts: Its parts.
      records: Cluster name -> what it is scored on.
      params: The parameters.
      stage: What messages call them.
      console: Where progress goes.

    Raises:
      ValueError: Too many records of a task are bad, or a metric fails.
    """
    if not records:
        return []
    predictor = make_predictor(experiment, parts, params)
    reports = []
    for name, read in records.items():
        with console.status(f"scoring {name} ({stage})"):
            found = evaluate_cluster(
                predictor,
                read.cluster,
                read.records,
                config=experiment.evaluation,
                shots=read.shots,
                judges=read.judges,
                left_out=read.left_out,
                bad_record_limit=experiment.data.bad_record_limit,
            )
        lines = run_data.not_scored_lines(found.not_scored)
        _tell(console, [f"{stage}, {line}" for line in lines])
        not_scored = {**read.missing, **found.not_scored}
        if found.tasks:
            reports.append(dataclasses.replace(found, not_scored=not_scored))
    return reports


def leave_report(
    folder: str,
    stages: Mapping[str, Sequence[ClusterReport]],
    facts: Mapping[str, str],
    certificate: Certificate | None,
    console: rich.console.Console,
) -> Mapping[str, str]:
    """Writes FOLDER/report and prints its table, if anything was scored."""
    if not stages or jax.process_index() != 0:
        return {}
    files = report.write_report(
        pathlib.Path(folder) / model_dir.REPORT, stages, facts=facts, certificate=certificate
    )
    console.print(report.terminal_table(stages, certificate=certificate, facts=facts))
    console.print(f"report: {files['html']}", soft_wrap=True)
    return files
