"""What a run reads to score, and what it tells of the rest."""

from __future__ import annotations

import json

from flanjax.data.sources import Jsonl
from flanjax.data.task import Task, TaskCluster, Template
from flanjax.data.tokenize import ByteTokenizer
from flanjax.evaluation.cluster import EvalConfig, evaluate_cluster
from flanjax.evaluation.queries import LEFT_OUT_BY_RULE, UNREADABLE
from flanjax.experiment import DataConfig, Experiment
from flanjax.run_data import read_eval_records
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


class Parrot:
    """Writes its prompt."""

    def generate(self, prompts, *, max_length):
        return list(prompts)


def test_a_report_tells_what_reading_left_out(tmp_path):
    """Seven of forty rows are ruled out and one has no answer: neither is a score."""
    rows = [{"text": f"word {n}", "answer": "a", "is_doubtful": n < 7} for n in range(40)]
    del rows[20]["answer"]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "words.jsonl").write_text(lines, "utf-8")
    made = Experiment(
        model_dir="out",
        model=TINY_T5,
        data=DataConfig(data_dir=str(tmp_path), bad_record_limit=0.1),
        evaluation=EvalConfig(max_examples=0),
        train=TrainConfig(steps=1, batch_size=1),
    )
    read = read_eval_records(made, TaskCluster("all", (WORDS,)), ByteTokenizer())
    [task] = evaluate_cluster(
        Parrot(), read.cluster, read.records, config=made.evaluation, left_out=read.left_out
    ).tasks
    assert task.num_examples == 32
    assert task.left_out == {LEFT_OUT_BY_RULE: 7, UNREADABLE: 1}
