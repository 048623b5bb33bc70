"""What a run reads to score, and what it tells of the rest."""

from __future__ import annotations

import contextlib
import dataclasses
import json

import pytest

from flanjax.data.records import read_records
from flanjax.data.sources import Jsonl
from flanjax.data.task import Task, TaskCluster, Template
from flanjax.data.tokenize import ByteTokenizer
from flanjax.evaluation.cluster import EvalConfig, evaluate_cluster
from flanjax.evaluation.queries import LEFT_OUT_BY_RULE, UNREADABLE, draw_sample
from flanjax.experiment import DataConfig, Experiment
from flanjax.run_data import read_all, read_eval_records
from flanjax.train.loop import TrainConfig
from tests.unit.tiny_models import TINY_T5

WORDS = Task(
    name="words",
    version=1,
    source=Jsonl(files={"validation": "words.jsonl"}, public="https://example.org/words"),
    to_fields=lambda record: (
        None if record["is_doubtful"] else {"text": record["text"], "answer": record["answer"]}
    ),
    fields=("text", "answer"),
    templates=(Template("{text}"),),
    mode="generate",
    metrics=("rouge",),
    license="CC0",
    citation="by hand",
)


def experiment(folder, **evaluation) -> Experiment:
    return Experiment(
        model_dir="out",
        model=TINY_T5,
        data=DataConfig(data_dir=str(folder), bad_record_limit=0.1, missing_tasks="drop"),
        evaluation=EvalConfig(max_examples=0, **evaluation),
        train=TrainConfig(steps=1, batch_size=1),
    )


def write_words(folder, rows) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "words.jsonl").write_text(lines, "utf-8")


class Parrot:
    """Writes its prompt."""

    def generate(self, prompts, *, max_length):
        return list(prompts)


def test_a_report_tells_what_reading_left_out(tmp_path):
    """Seven of forty rows are ruled out and one has no answer: neither is a score."""
    rows = [{"text": f"word {n}", "answer": "a", "is_doubtful": n < 7} for n in range(40)]
    del rows[20]["answer"]
    write_words(tmp_path, rows)
    made = experiment(tmp_path)
    read = read_eval_records(made, TaskCluster("all", (WORDS,)), ByteTokenizer())
    [task] = evaluate_cluster(
        Parrot(), read.cluster, read.records, config=made.evaluation, left_out=read.left_out
    ).tasks
    assert task.num_examples == 32
    assert task.left_out == {LEFT_OUT_BY_RULE: 7, UNREADABLE: 1}


def test_tasks_that_a_clusters_mean_is_without_are_told(tmp_path):
    """Whether the cluster was asked for or not, and in the report too."""
    write_words(tmp_path, [{"text": "a", "answer": "a", "is_doubtful": False}] * 3)
    gone = Jsonl(files={"validation": "gone.jsonl"}, public="https://example.org/gone")
    only = Jsonl(files={"test": "words.jsonl"}, public="https://example.org/words")
    tasks = (
        WORDS,
        dataclasses.replace(WORDS, name="gone", source=gone),
        dataclasses.replace(WORDS, name="test_only", source=only),
    )
    made = experiment(tmp_path)
    for chosen, rest in (([TaskCluster("all", tasks)], []), ([], [TaskCluster("all", tasks)])):
        found, not_scored = read_all(made, chosen, rest, ByteTokenizer())
        assert not_scored.keys() == {"gone", "test_only"}
        assert "has no validation split" in not_scored["test_only"]
        assert found["all"].missing == not_scored


def test_only_what_is_scored_must_have_options_that_fit(tmp_path):
    """Grouped records are drawn by group: which these are is the evaluation's to say."""
    rows = [
        {"text": f"word {n}", "answer": "a" if n % 2 else "b", "long": n == 5, "group": str(n)}
        for n in range(12)
    ]
    write_words(tmp_path, rows)
    choice = dataclasses.replace(
        WORDS,
        to_fields=lambda record: {
            "text": record["text"],
            "answer": record["answer"],
            "options": ["a", "b", *(["x" * 200] if record["long"] else [])],
            "group": record["group"],
        },
        fields=("text", "answer", "options", "group"),
        mode="rank",
        metrics=("accuracy",),
    )
    refused = []
    for seed in range(12):
        made = experiment(tmp_path, seed=seed)
        made = dataclasses.replace(
            made, evaluation=dataclasses.replace(made.evaluation, max_examples=4)
        )
        records = [*read_records(choice, "validation", data_dir=str(tmp_path)).records]
        sample = draw_sample(choice, records, max_examples=4, seed=seed, bad_record_limit=0.0)
        scored = {record["text"] for record in sample.records}
        is_refused = "word 5" in scored
        with (
            pytest.raises(ValueError, match="must fit the target length")
            if is_refused
            else contextlib.nullcontext()
        ):
            read_eval_records(made, TaskCluster("all", (choice,)), ByteTokenizer())
        refused.append(is_refused)
    assert len(set(refused)) == 2
