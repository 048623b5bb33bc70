"""An experiment's parts put together: it trains, and is scored on the way."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import rich.console

from flanjax import data_progress, distributed, model_dir, run_data, scoring, start, token_cache
from flanjax.certificate import certify_run, split_catalogue
from flanjax.data.batch import SeqBatch
from flanjax.data.catalogue import Catalogue
from flanjax.data.holdout import Split
from flanjax.engine import pipeline
from flanjax.engine.account import Account
from flanjax.evaluation.results import Certificate
from flanjax.experiment import Experiment, to_plain
from flanjax.models import flops
from flanjax.parts import (
    Parts,
    assemble,
    compiled_step,
    slower_lines,
)
from flanjax.run_data import EvalRecords
from flanjax.run_facts import run_facts
from flanjax.run_stages import AFTER, BEFORE, Stages, step_stage
from flanjax.scoring import Outcome
from flanjax.train import optim
from flanjax.train.checkpoint import Checkpoints
from flanjax.train.log import open_log
from flanjax.train.loop import OnEval, Work, train
from flanjax.train.state import TrainState, make_state
from flanjax.train_data import TrainData, check_resumable, prepare_train_data
from flanjax.undivided import undivided_lines


def train_and_evaluate(
    experiment: Experiment,
    catalogue: Catalogue,
    *,
    resolved_text: str,
    command: str,
    console: rich.console.Console,
) -> Outcome:
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
    told += [*run_data.not_scored_lines(not_scored), *_start_lines(experiment, parts, begun)]
    console.print(*told, sep="\n", markup=False, soft_wrap=True)
    key_init, key_dropout = jax.random.split(jax.random.key(experiment.train.seed))
    state, shardings = make_state(parts.model, parts.tx, parts.mesh, key_init, parts.frozen)
    state = state if begun is None else start.apply(begun, state, shardings)
    is_averaged = experiment.optimizer.ema.decay > 0 and experiment.optimizer.ema.is_scored
    scored = TrainState.averaged_params if is_averaged else TrainState.model_params
    stages = Stages(experiment, is_averaged=is_averaged, clusters=list(records), latest=latest)

    def score(stage: str, state: TrainState) -> None:
        if stage not in stages:
            params = scored(state)
            stages.add(stage, scoring.score(experiment, parts, records, params, stage, console))

    def on_eval(step: int, state: TrainState) -> None:
        score(step_stage(step), state)

    score(BEFORE, state)
    hook = on_eval if records else None
    state = _train(experiment, parts, data, state, shardings, key_dropout, console, hook)
    score(AFTER, state)
    console.print(*stages.lines(), sep="\n", end="", soft_wrap=True)
    reports = stages.reports()
    facts = run_facts(experiment, command, time.monotonic() - started)
    facts |= {"weights": "averaged" if is_averaged else "trained", "data": data.fingerprint()}
    files = scoring.leave_report(experiment.model_dir, reports, facts, certificate, console)
    return Outcome(int(state.step), reports, files)


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
    scored = [[name, *(t.name for t in read.cluster.tasks)] for name, read in records.items()]
    distributed.check_same("training data", data.fingerprint(), data.missing)
    distributed.check_same("what is scored", repr(scored), run_data.not_tested(records))
    folder = pathlib.Path(experiment.model_dir)
    if (before := model_dir.read_data_report(folder)) is not None:
        check_resumable(folder / model_dir.DATA_REPORT, before, data)
    return data, certify_run(
        experiment, catalogue, split, data.missing, run_data.not_tested(records)
    )


def _start_lines(experiment: Experiment, parts: Parts, begun: start.Start | None) -> list[str]:
    """Returns what a mesh makes slower, or does not divide, and what is started from."""
    undivided = [f"layout: {line}" for line in undivided_lines(parts.model, parts.mesh)]
    lines = [*slower_lines(experiment, parts.mesh), *undivided]
    return [*lines, begun.summary()] if begun else lines


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
