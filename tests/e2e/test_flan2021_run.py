"""The main job on FLAN 2021: every dataset that is there, one cluster held out."""

from __future__ import annotations

import json
import pathlib

import pytest
from click.testing import Result

from tests.e2e.verbs import call

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SMALL = {
    "TOKENIZER_PATH": "None",
    "TokenizerConfig.kind": "'bytes'",
    "MODEL": "@T5Config()",
    "T5Config.vocab_size": "384",
    "TRAIN_STEPS": "2",
    "ScheduleConfig.warmup_steps": "1",
    "BATCH_SIZE": "4",
    "TASK_FEATURE_LENGTHS": "{'inputs': 128, 'targets': 48}",
    "DataConfig.max_examples": "6",
    "EvalConfig.max_examples": "2",
    "EvalConfig.batch_size": "8",
}


def train(folder: pathlib.Path, data_dir: pathlib.Path, **bindings: str) -> Result:
    gin = {**SMALL, "MODEL_DIR": f"'{folder}'", **bindings}
    return call(
        "train",
        "--gin_file=runs/flan2021_tiny_t5.gin",
        f"--data_dir={data_dir}",
        *(f"--gin.{name}={value}" for name, value in gin.items()),
    )


def test_a_run_goes_on_without_missing_datasets_and_certifies_what_it_did(
    tmp_path: pathlib.Path, original_files: pathlib.Path
) -> None:
    folder = tmp_path / "run"
    ended = train(folder, original_files)
    assert ended.exit_code == 0, ended.output
    certificate = json.loads((folder / "certificate.json").read_text())
    assert certificate["rule"] == certificate["held_out"] == "nli"
    assert set(certificate["tested"]) == {
        "anli_r1", "anli_r2", "mnli_matched", "mnli_mismatched", "rte", "snli", "wnli",
    }  # fmt: skip
    assert {"sst2", "bool_q", "web_nlg_en", "piqa", "trec"} <= set(certificate["trained"])
    assert len(certificate["trained"]) >= 20
    dropped = certificate["dropped"]
    assert dropped["newsroom"].startswith("its data is not here: task newsroom: TFDS newsroom")
    assert dropped["squad_v1"] == "shares the source squad with qnli"
    assert dropped["wsc"] == "shares the source winograd_schemas with wnli"
    assert dropped["glue_mrpc"].startswith("cluster paraphrase is close to nli")
    assert len(certificate["trained"]) + len(certificate["tested"]) + len(dropped) == 70
    assert not set(certificate["trained_corpora"]) & set(certificate["tested_corpora"])
    report = json.loads((folder / "report/report.json").read_text())
    assert [row["task"] for row in report["stages"]["after"][0]["tasks"]] == certificate["tested"]


def test_missing_data_is_an_error_unless_it_may_be_missing(
    tmp_path: pathlib.Path, original_files: pathlib.Path
) -> None:
    ended = train(tmp_path / "run", original_files, **{"DataConfig.missing_tasks": "'fail'"})
    assert ended.exit_code == 1
    assert "or set DataConfig.missing_tasks = 'drop' to go on without it." in ended.stderr
    assert not (tmp_path / "run").exists()


def test_an_intra_cluster_split_with_an_ablation_runs(
    tmp_path: pathlib.Path, original_files: pathlib.Path
) -> None:
    folder = tmp_path / "run"
    ended = train(
        folder,
        original_files,
        HOLD_OUT="'task:rte+sst2'",
        **{"AblationConfig.wording": "'none'", "AblationConfig.clusters": "('nli', 'sentiment')"},
    )
    assert ended.exit_code == 0, ended.output
    certificate = json.loads((folder / "certificate.json").read_text())
    assert certificate["tested"] == ["rte", "sst2"]
    assert certificate["ablation"] == "clusters nli, sentiment; wording none"
    assert set(certificate["trained"]) == {
        "anli_r1", "anli_r2", "mnli_matched", "mnli_mismatched", "snli", "wnli", "imdb_reviews",
    }  # fmt: skip
