"""Reports of two stages, made by hand, and how their table is read back."""

from __future__ import annotations

import io

import rich.console

from flanjax.evaluation.results import Certificate, ClusterReport, TaskReport, TemplateScore

CERTIFICATE = Certificate(
    catalogue="mini",
    held_out="nli",
    trained=("headlines", "mood"),
    tested=("rte", "snli"),
    dropped={"qqp": "cluster paraphrase is close to nli: same question"},
)
FACTS = {"command": "flanjax train --gin.MODEL_DIR='x'", "commit": "abc123", "seed": "7"}


def task_report(name: str, example_scores=(50.0, 100.0), **changes) -> TaskReport:
    mean = sum(example_scores) / len(example_scores)
    values = {
        "task": name,
        "version": 1,
        "mode": "rank",
        "metric": "accuracy",
        "mean": mean,
        "template_std": 4.25,
        "standard_error": 2.5,
        "chance": 33.3333,
        "majority": 41.0,
        "num_examples": len(example_scores),
        "num_unsampled": 0,
        "left_out": {},
        "num_inverted": 1,
        "num_truncated": None,
        "templates": (
            TemplateScore(0, "Q: {text}", mean - 3, {"accuracy": mean - 3}),
            TemplateScore(2, "{text}?", mean + 3, {"accuracy": mean + 3}),
        ),
        "metrics": {"accuracy": mean},
        "example_uids": tuple(range(len(example_scores))),
        "example_scores": tuple(example_scores),
        "predictions": (
            {
                "task": name,
                "uid": "0f",
                "template": 0,
                "inputs": "Q: is it so?",
                "options": ["yes", "no"],
                "references": ["yes"],
                "targets": "yes",
                "prediction": "no",
                "scores": [-2.0, -1.0],
            },
        ),
    }
    return TaskReport(**(values | changes))


def cluster(name: str, *tasks: TaskReport) -> ClusterReport:
    return ClusterReport(cluster=name, split="validation", num_shots=0, tasks=tasks)


def two_stages():
    rouge = {"metric": "rouge/rougeL", "mode": "generate", "chance": None, "majority": None}
    return {
        "before": [
            cluster("summary", task_report("headlines", (10.0, 30.0), **rouge)),
            cluster("nli", task_report("rte", (40.0, 40.0)), task_report("snli", (20.0, 40.0))),
        ],
        "after": [
            cluster("summary", task_report("headlines", (30.0, 10.0), **rouge)),
            cluster("nli", task_report("rte", (50.0, 60.0)), task_report("snli", (30.0, 50.0))),
        ],
    }


def printed(table, width: int = 80) -> list[str]:
    file = io.StringIO()
    rich.console.Console(file=file, width=width).print(table)
    return file.getvalue().splitlines()


def cells(lines: list[str], first: str) -> str:
    [line] = [line for line in lines if line.split()[:1] == [first]]
    return " ".join(line.split())
