"""What an exported model's README says: where it comes from and how it was tuned."""

from __future__ import annotations

import pathlib

from flanjax import model_dir


def model_card(folder: pathlib.Path, *, name: str, model_type: str) -> str:
    """Returns the text of a model card, with the facts that a MODEL_DIR holds.

    Args:
      folder: The MODEL_DIR; what it does not hold is left out.
      name: The model's name.
      model_type: Its family, as config.json names it.
    """
    lines = [
        "---",
        "library_name: transformers",
        "tags:",
        "- flanjax",
        f"- {model_type}",
        "---",
        "",
        f"# {name}",
        "",
        f"A {model_type} model, exported by flanjax.",
    ]
    facts = [*_run_facts(folder), *_data_facts(folder), *_hold_out_facts(folder)]
    if facts:
        rows = [f"| {fact} | {value} |" for fact, value in facts]
        lines += ["", "| training | |", "|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _run_facts(folder: pathlib.Path) -> list[tuple[str, str]]:
    if not (folder / model_dir.EXPERIMENT).is_file():
        return []
    run = model_dir.read_experiment(folder)
    lengths = run.data.task_feature_lengths
    start = pathlib.PurePath(run.initial_checkpoint_path or "").name
    return [
        ("started from", start or "random weights"),
        ("catalogue", run.data.catalogue),
        ("mixture", run.data.mixture_or_task_name),
        ("objective", run.objective.name),
        ("steps", f"{run.train.steps:,} of {run.train.batch_size:,} rows"),
        ("row length", f"{lengths['inputs']:,} inputs, {lengths['targets']:,} targets"),
        ("optimizer", f"{run.optimizer.name}, peak rate {run.optimizer.schedule.peak:g}"),
        ("seed", str(run.train.seed)),
    ]


def _data_facts(folder: pathlib.Path) -> list[tuple[str, str]]:
    report = model_dir.read_data_report(folder)
    if report is None:
        return []
    seen = [task["seen"]["examples"] for task in report["tasks"].values() if "seen" in task]
    return [
        ("tasks trained on", f"{len(report['tasks']):,}"),
        ("examples seen", f"{sum(seen):,}"),
        ("tokens seen", f"{report['tokens']:,}"),
    ]


def _hold_out_facts(folder: pathlib.Path) -> list[tuple[str, str]]:
    certificate = model_dir.read_certificate(str(folder))
    if certificate is None:
        return []
    held_out = certificate.held_out or "nothing"
    return [
        ("held out", f"{held_out} ({', '.join(certificate.tested) or 'no task'})"),
        ("certificate", certificate.summary()),
    ]
