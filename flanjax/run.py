"""An experiment's parts put together: train, evaluate, generate."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import rich.console

from flanjax import data_progress, model_dir, run_data, start, token_cache
from flanjax.certificate import certify_run, split_catalogue
from flanjax.data.batch import SeqBatch
from flanjax.data.catalogue import Catalogue
from flanjax.data.holdout import Split, resolve
from flanjax.engine import pipeline
from flanjax.engine.account import Account
from flanjax.evaluation import report
from flanjax.evaluation.cluster import evaluate_cluster
from flanjax.evaluation.results import Certificate, ClusterReport
from flanjax.experiment import Experiment, to_plain
from flanjax.models import flops
from flanjax.parts import (
    Parts,
    assemble,
    compiled_step,
    make_predictor,
    param_shardings,
    slower_lines,
)
from flanjax.run_data import EvalRecords
from flanjax.run_facts import run_facts
from flanjax.run_stages import AFTER, BEFORE, Stages, step_stage
from flanjax.train import optim, restore
from flanjax.train.checkpoint import Checkpoints
from flanjax.train.log import open_log
from flanjax.train.loop import OnEval, Work, train
from flanjax.train.restore import RestoreConfig
from flanjax.train.state import TrainState, make_state
from flanjax.train_data import TrainData, check_resumable, prepare_train_data
from flanjax.undivided import undivided_lines


class TrainOutcome(NamedTuple):
    """What a training run leaves behind.

    Attributes:
      step: The last step.
      stages: Stage name -> reports, where the run evaluated.
      files: The report's files.
    """

    step: int
    stages: Mapping[str, Sequence[ClusterReport]]
    files: Mapping[str, str]


def train_and_evaluate(
    experiment: Experiment,
    catalogue: Catalogue,
    *,
    resolved_text: str,
    command: str,
    console: rich.console.Console,
) -> TrainOutcome:
    """Runs an experiment from its start, or from where it was left.

    Args:
      experiment: The run.
      catalogue: The tasks, which the caller has loaded.
      resolved_text: The resolved config, kept beside the checkpoints.
      command: The command line, named in the report.
      console: Where tables and progress go.

    Raises:
      ValueError: Something of the run breaks a rule, before any step.
    """
    started = time.monotonic()
    model_dir.check_owner(experiment)
    token_cache.check_root(experiment)
    latest = start.latest_step(experiment)
    split = split_catalogue(experiment, catalogue)
    parts = assemble(experiment)
    chosen, rest = run_data.eval_clusters(experiment, catalogue, split)
    records, not_scored = run_data.read_all(experiment, chosen, rest, parts.tokenizer)
    begun = start.begin(experiment, parts)
    data, certificate = _prepare(experiment, catalogue, split, parts, records, console)
    if jax.process_index() == 0:
        _claim(experiment, parts, data, certificate, resolved_text)
    told = [*data_progress.staged_lines(data.staged), data.table(), certificate.summary()]
    told += [*run_data.not_scored_lines(not_scored), *_layout_lines(experiment, parts)]
    console.print(*told, *([begun.summary()] if begun else []), sep="\n", soft_wrap=True)
    key_init, key_dropout = jax.random.split(jax.random.key(experiment.train.seed))
    state, shardings = make_state(parts.model, parts.tx, parts.mesh, key_init, parts.frozen)
    state = state if begun is None else start.apply(begun, state, shardings)
    is_averaged = experiment.optimizer.ema.decay > 0 and experiment.optimizer.ema.is_scored
    scored = TrainState.averaged_params if is_averaged else TrainState.model_params
    stages = Stages(experiment, is_averaged=is_averaged, clusters=list(records), latest=latest)

    def score(stage: str, state: TrainState) -> None:
        if stage not in stages:
            stages.add(stage, _score(experiment, parts, records, scored(state), stage, console))

    def on_eval(step: int, state: TrainState) -> None:
        score(step_stage(step), state)

    score(BEFORE, state)
    hook = on_eval if records else None
    state = _train(experiment, parts, data, state, shardings, key_dropout, console, hook)
    score(AFTER, state)
    console.print(*stages.lines(), sep="\n", end="", soft_wrap=True)
    files: Mapping[str, str] = {}
    if reports := stages.reports():
        facts = run_facts(experiment, command, time.monotonic() - started)
        facts |= {"weights": "averaged" if is_averaged else "trained", "data": data.fingerprint()}
        files = _report(pathlib.Path(experiment.model_dir), reports, facts, certificate, console)
    return TrainOutcome(int(state.step), reports, files)


def _prepare(
    experiment: Experiment,
    catalogue: Catalogue,
    split: Split,
    parts: Parts,
    records: Mapping[str, EvalRecords],
    console: rich.console.Console,
) -> tuple[TrainData, Certificate]:
    """Returns the training data and its certificate; the first to leave files."""
    with data_progress.shown(console) as on_progress:
        data = prepare_train_data(
            experiment,
            split.train,
            parts.tokenizer,
            first_step=start.first_step(experiment),
            on_progress=on_progress,
        )
    folder = pathlib.Path(experiment.model_dir)
    if (before := model_dir.read_data_report(folder)) is not None:
        check_resumable(folder / model_dir.DATA_REPORT, before, data)
    return data, certify_run(
        experiment, catalogue, split, data.missing, run_data.not_tested(records)
    )


def _layout_lines(experiment: Experiment, parts: Parts) -> list[str]:
    """Returns what a mesh makes slower, or does not divide."""
    undivided = undivided_lines(parts.model, parts.mesh)
    return [*slower_lines(experiment, parts.mesh), *(f"layout: {line}" for line in undivided)]


def _claim(
    experiment: Experiment,
    parts: Parts,
    data: TrainData,
    certificate: Certificate,
    resolved_text: str,
) -> None:
    """Writes what says whose the run's directory is."""
    folder = pathlib.Path(experiment.model_dir)
    model_dir.claim(experiment, resolved_text=resolved_text, tokenizer=parts.tokenizer)
    model_dir.write_json(folder / model_dir.CERTIFICATE, certificate.to_json())
    if model_dir.read_data_report(folder) is None:
        empty = Account.empty(len(data.plan.tasks))
        model_dir.write_json(folder / model_dir.DATA_REPORT, data.report(0, empty))


def _train(
    experiment: Experiment,
    parts: Parts,
    data: TrainData,
    state: TrainState,
    shardings: TrainState,
    key: Any,
    console: rich.console.Console,
    on_eval: OnEval | None,
) -> TrainState:
    config = experiment.train
    checkpoints = Checkpoints(
        experiment.model_dir, keep=config.keep_checkpoints, config=to_plain(experiment)
    )
    batches = pipeline.prefetched(
        pipeline.PackedBatches(
            data.plan,
            data.tokens,
            data.layout,
            batch_size=config.batch_size,
            host=jax.process_index(),
            num_hosts=jax.process_count(),
            index=data.row_index(is_writer=jax.process_index() == 0),
            plan_id=data.plan_id(),
        )
    )
    data_log = _DataLog(pathlib.Path(experiment.model_dir), data)
    latest = checkpoints.latest_step()
    if latest is not None:
        like = jax.eval_shape(lambda fresh: fresh, state)
        jax.tree.map(lambda array: array.delete(), state)  # room for the one restored
        state, position = checkpoints.restore(latest, like, shardings)
        batches.set_state(position)
        data_log.at_checkpoint(latest, position)  # the kill may have come before it
        console.print(f"resumed from step {latest}")
        if on_eval is not None and config.is_eval_step(latest):
            on_eval(latest, state)  # the kill may have come before its scores
    first = int(state.step)
    try:
        with open_log(
            experiment.model_dir, total_steps=config.steps, start_step=first, console=console
        ) as log:
            return train(
                config,
                compiled_step(experiment, parts, shardings),
                state,
                batches,
                key=key,
                mesh=parts.mesh,
                checkpoints=checkpoints,
                log=log,
                learning_rate=optim.make_schedule(
                    experiment.optimizer.schedule, num_steps=config.steps
                ),
                work=_work(parts),
                on_eval=on_eval,
                data_log=data_log,
            )
    finally:
        checkpoints.close()


def _work(parts: Parts) -> Work:
    """Returns how to count a step's arithmetic: this process's rows stand for all."""

    def count(rows: SeqBatch) -> float:
        counted = flops.packed_rows(rows)
        return flops.count_work(parts.model.config, counted).flops * jax.process_count()

    return Work(count, flops.peak_flops(parts.mesh.devices.flat[0].device_kind))


class _DataLog(NamedTuple):
    """Tells of the data that training has seen."""

    folder: pathlib.Path
    data: TrainData

    def metrics(self, position: Mapping[str, Any]) -> Mapping[str, float]:
        return Account.from_json(position["account"]).metrics(self.data.plan)

    def at_checkpoint(self, step: int, position: Mapping[str, Any]) -> None:
        if jax.process_index() == 0:
            report = self.data.report(step, Account.from_json(position["account"]))
            model_dir.write_json(self.folder / model_dir.DATA_REPORT, report)


def evaluate(
    experiment: Experiment,
    catalogue: Catalogue,
    *,
    checkpoint: str | None,
    clusters: Sequence[str],
    output: str,
    command: str,
    console: rich.console.Console,
    weights: restore.Weights = "trained",
) -> TrainOutcome:
    """Scores a checkpoint, or untrained parameters, on clusters.

    Args:
      experiment: The run; its `evaluation` says how.
      catalogue: The tasks.
      checkpoint: MODEL_DIR or MODEL_DIR/checkpoints/STEP; None scores the
        parameters that training would start from.
      clusters: Names; all of the catalogue's if empty.
      output: Where the report goes.
      command: The command line, named in the report.
      console: Where the table goes.
      weights: Which of the checkpoint's.
    """
    started = time.monotonic()
    # Of a checkpoint its own run knows what it was kept from, whatever it is scored on.
    split = split_catalogue(experiment, catalogue) if checkpoint is None else None
    chosen = [resolve(catalogue, rule).test for rule in clusters]
    rest = catalogue.scored_without_choice(experiment.data.mixture_or_task_name)
    parts = assemble(experiment)
    records, not_scored = run_data.read_all(
        experiment, chosen, () if chosen else rest, parts.tokenizer
    )
    console.print(*run_data.not_scored_lines(not_scored), sep="\n", end="\n" if not_scored else "")
    if checkpoint is None:
        key_init, _ = jax.random.split(jax.random.key(experiment.train.seed))
        params = jax.jit(parts.model.init, out_shardings=param_shardings(parts))(key_init)
    else:
        found = start.open_start(checkpoint, parts, RestoreConfig(weights=weights))
        console.print(found.summary(), soft_wrap=True)
        params = start.read_params(found, parts, param_shardings(parts))
    stage = "untrained" if checkpoint is None else "checkpoint"
    reports = _score(experiment, parts, records, params, stage, console)
    if not reports:
        raise ValueError(
            f"what is scored must have a task that gives a number, got none of {len(not_scored)}; "
            "name a --cluster that has one."
        )
    stages = {stage: reports}
    facts = run_facts(experiment, command, time.monotonic() - started)
    averaged = " (averaged weights)" if weights == "averaged" else ""
    facts["checkpoint"] = f"{checkpoint}{averaged}" if checkpoint else "untrained"
    step = 0 if checkpoint is None else found.source.step
    certificate = model_dir.read_certificate(checkpoint)
    if split is not None:  # of another's checkpoint nobody knows what it has seen
        certificate = certify_run(experiment, catalogue, split, {}, run_data.not_tested(records))
    files = _report(pathlib.Path(output), stages, facts, certificate, console)
    return TrainOutcome(step, stages, files)


def _score(
    experiment: Experiment,
    parts: Parts,
    records: Mapping[str, EvalRecords],
    params: Any,
    stage: str,
    console: rich.console.Console,
) -> list[ClusterReport]:
    if not records:
        return []
    predictor = make_predictor(experiment, parts, params)
    reports = []
    for name, read in records.items():
        with console.status(f"scoring {name} ({stage})"):
            report = evaluate_cluster(
                predictor,
                read.cluster,
                read.records,
                config=experiment.evaluation,
                shots=read.shots,
                judges=read.judges,
                left_out=read.left_out,
                bad_record_limit=experiment.data.bad_record_limit,
            )
        for line in run_data.not_scored_lines(report.not_scored):
            console.print(f"{stage}, {line}", soft_wrap=True)
        if report.tasks:
            reports.append(report)
    return reports


def _report(
    folder: pathlib.Path,
    stages: Mapping[str, Sequence[ClusterReport]],
    facts: Mapping[str, str],
    certificate: Certificate | None,
    console: rich.console.Console,
) -> Mapping[str, str]:
    if jax.process_index() != 0:
        return {}
    files = report.write_report(
        folder / model_dir.REPORT, stages, facts=facts, certificate=certificate
    )
    console.print(report.terminal_table(stages, certificate=certificate, facts=facts))
    console.print(f"report: {files['html']}", soft_wrap=True)
    return files
