"""`flanjax tokenizer`, run as a user runs it."""

from __future__ import annotations

import json

import pytest
import sentencepiece

from tests.e2e.verbs import call


def test_a_tokenizer_is_trained_without_the_held_out_cluster(tmp_path):
    path = tmp_path / "mini.model"
    args = ("--vocab_size=500", "--max_examples=40", f"--output={path}", "--json")
    result = call("tokenizer", "train", *args, "--hold_out=entailment")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    assert facts["pieces"] == processor.get_piece_size() == 500
    assert facts["model"] == str(path)
    assert facts["hold_out"] == "entailment"
    names = {row["task"] for row in json.loads(call("tasks", "list", "--json").stdout)["tasks"]}
    entailment = {"mini_kinds", "mini_comparisons", "mini_collections"}
    as_close = {"mini_orders", "mini_quantities", "mini_rewordings"}
    assert entailment | as_close < names
    assert facts["tasks"] == dict.fromkeys(sorted(names - entailment - as_close), 40)
    assert 1.5 < facts["characters_per_token"] < 4


def test_characters_per_token_are_those_of_the_rendered_texts(tmp_path):
    path = tmp_path / "one.model"
    result = call(
        "tokenizer", "train", "--mixture=mini_kinds", "--vocab_size=450", "--max_examples=5",
        f"--output={path}", "--json",
    )  # fmt: skip
    facts = json.loads(result.stdout)
    shown = json.loads(call("tasks", "show", "mini_kinds", "--num=5", "--json").stdout)
    texts = [text for example in shown for text in (example["inputs"], example["targets"])]
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    num_tokens = sum(len(processor.encode(text)) for text in texts)
    assert facts["characters_per_token"] == sum(map(len, texts)) / num_tokens
    assert list(facts["tasks"]) == ["mini_kinds"]


def test_a_tokenizer_reads_the_run_of_a_gin_file(tmp_path):
    gin = tmp_path / "run.gin"
    gin.write_text(
        "Experiment.model_dir = 'out'\n"
        "Experiment.model = @T5Config()\n"
        "Experiment.train = @TrainConfig()\n"
        "Experiment.data = @DataConfig()\n"
        "TrainConfig.steps = 1\n"
        "DataConfig.mixture_or_task_name = 'mini_reviews'\n"
        "DataConfig.max_examples = 30\n"
    )
    path = tmp_path / "run.model"
    args = (f"--gin_file={gin}", "--vocab_size=450", f"--output={path}")
    facts = json.loads(call("tokenizer", "train", *args, "--json").stdout)
    assert facts["tasks"] == {"mini_reviews": 30}
    said = call("tokenizer", "train", *args, "--gin.DataConfig.max_examples=20").stdout
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(path)).get_piece_size()
    assert said.startswith(f"{path}: {pieces} pieces, ")
    said = call("tokenizer", "train", *args, "--vocab_size=9000").stdout
    assert "fewer than 9,000 pieces, for the texts have no more" in said


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--vocab_size=20"], "for these texts' characters, got 20; raise it."),
        (
            ["--vocab_size=500", "--hold_out=entailmnt"],
            "HOLD_OUT = 'entailmnt', or --hold_out: cluster must be one of catalogue mini, got",
        ),
        (["--vocab_size=500", "--mixture=mni"], "got 'mni'; did you mean mini"),
    ],
)
def test_a_tokenizer_that_cannot_be_trained_leaves_no_file(tmp_path, args, message):
    result = call("tokenizer", "train", *args, "--max_examples=3", f"--output={tmp_path}/x.model")
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
