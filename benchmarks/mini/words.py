"""The bag of words on every held-out cluster, as a result beside the models'."""

from __future__ import annotations

import pathlib

from benchmarks.mini.bag_of_words import BagOfWords
from benchmarks.mini.execute import KEPT
from flanjax.data.catalogue import Catalogue
from flanjax.data.holdout import hold_out
from flanjax.data.records import read_records
from flanjax.data.render import render, template_index
from flanjax.data.task import Task
from flanjax.evaluation.cluster import EvalConfig, evaluate_cluster
from flanjax.model_dir import write_json

_NUM_FITTED = 300
"""Training records of each task that the baseline is fitted on."""


def score_words(catalogue: Catalogue, folder: pathlib.Path, world: str) -> None:
    """Writes what the baseline scores on each cluster of options, held out in turn."""
    for cluster in catalogue.clusters:
        path = folder / f"words-{cluster.name}.json"
        if path.exists() or any(task.mode != "rank" for task in cluster.tasks):
            continue
        split = hold_out(catalogue, cluster.name)
        baseline = fitted([task for task in split.train.tasks() if task.mode == "rank"])
        records = {task.name: read_records(task, "validation").records for task in cluster.tasks}
        report = evaluate_cluster(
            baseline,
            cluster,
            records,
            config=EvalConfig(max_examples=100),  # type: ignore[arg-type]
        )
        told = {task.task: {name: getattr(task, name) for name in KEPT} for task in report.tasks}
        run = {
            "study": "words",
            "family": "words",
            "seed": 0,
            "hold_out": cluster.name,
            "size": "base",
        }
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, {"run": run, "held_out": {cluster.name: told}, "world": world})


def fitted(tasks: list[Task]) -> BagOfWords:
    """Returns the baseline of some tasks' training records, each in a wording of its own."""
    prompts, options, right = [], [], []
    for task in tasks:
        read = read_records(task, "train", limit=_NUM_FITTED)
        for record, uid in zip(read.records, read.uids, strict=True):
            template = template_index(task, uid, seed=0)
            example = render(task, record, template=template)
            if example is None or task.templates[template].inverted:
                continue
            prompts.append(example.inputs)
            options.append(example.options)
            right.append(example.options.index(example.targets))
    return BagOfWords.fitted(prompts, options, right)
