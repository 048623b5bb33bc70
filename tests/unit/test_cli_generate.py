"""`flanjax generate`: where prompts come from, and what its flags stand for."""

from __future__ import annotations

import json

import pytest

from flanjax import answering
from flanjax.evaluation.predict import Answer
from flanjax.models.generation import DecodeConfig
from tests.unit.hf_checkpoints import write
from tests.unit.test_cli import call


def test_generate_takes_prompts_from_flags_or_from_lines(monkeypatch):
    calls = []

    def generate(checkpoint, prompts, **given):
        calls.append((checkpoint, tuple(prompts), given))
        return [[Answer(prompt.upper(), -1.5)] for prompt in prompts]

    monkeypatch.setattr(answering, "generate", generate)
    drawn = ["--temperature=0.5", "--seed=3"]
    result = call("generate", "--checkpoint=c", "--prompt=a\u2028b", "--prompt=c", *drawn)
    assert (result.exit_code, result.stdout) == (0, "A\u2028B\nC\n")
    result = call("generate", "--checkpoint=c", "--json", input="one\n\ntwo\u2028three\n")
    assert json.loads(result.stdout) == [
        {"prompt": "one", "answer": "ONE", "score": -1.5},
        {"prompt": "two\u2028three", "answer": "TWO\u2028THREE", "score": -1.5},
    ]
    result = call("generate", "--checkpoint=c", input=b"one\n\xfftwo\n")
    assert result.exit_code == 1
    assert "line 2: a prompt must be UTF-8, got byte 0xff" in result.stderr
    assert len(calls) == 2
    assert callable(calls[0][2].pop("say"))
    how = DecodeConfig(method="sample", temperature=0.5)
    settings = {"max_length": 64, "decode_config": how, "stop_texts": (), "seed": 3}
    settings |= {"weights": "trained"}
    assert calls[0] == ("c", ("a\u2028b", "c"), settings)
    assert (calls[1][2]["decode_config"], calls[1][2]["seed"]) == (DecodeConfig(), 0)


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        (["--temperature=0.5"], {"method": "sample", "temperature": 0.5}),
        (
            ["--temperature=1", "--top_k=5", "--top_p=0.9", "--num_answers=2"],
            {"method": "sample", "top_k": 5, "top_p": 0.9, "num_answers": 2},
        ),
        (["--num_beams=3"], {"method": "beam", "num_beams": 3}),
        (
            ["--num_beams=8", "--length_penalty=0", "--num_answers=2"],
            {"method": "beam", "num_beams": 8, "length_penalty": 0.0, "num_answers": 2},
        ),
    ],
)
def test_generate_s_flags_say_how_answers_are_written(monkeypatch, flags, fields):
    calls = []

    def generate(checkpoint, prompts, **given):
        calls.append(given)
        return [[Answer("one", -1.0), Answer("two", -2.0)] for _ in prompts]

    monkeypatch.setattr(answering, "generate", generate)
    stops = ["--stop=\n\n", "--stop=Q:"]
    result = call("generate", "--checkpoint=c", "--prompt=a", *flags, *stops)
    assert (result.exit_code, result.stdout) == (0, "one\ntwo\n")
    assert calls[0]["decode_config"] == DecodeConfig(**fields)
    assert calls[0]["stop_texts"] == ("\n\n", "Q:")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--top_k=5"], "--top_k must go with --temperature above 0, got 5; add it."),
        (["--top_p=0.5", "--num_beams=2"], "--top_p must go with --temperature above 0, got 0.5;"),
        (
            ["--temperature=1", "--num_beams=2"],
            "--temperature must not go with --num_beams, got 1.0 and 2; choose draws or a search.",
        ),
        (["--length_penalty=1"], "--length_penalty must go with --num_beams, got 1.0; add it."),
        (
            ["--num_answers=2"],
            "--num_answers must go with --temperature above 0 or --num_beams, got 2; add it.",
        ),
    ],
)
def test_generate_s_flags_that_do_not_go_together_are_refused(flags, told):
    result = call("generate", "--checkpoint=c", "--prompt=a", *flags)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.replace("│", " ").split())


def test_ids_beyond_the_models_rows_are_refused(tmp_path):
    """Else such an id would be read as the last row, and every answer be nonsense."""
    folder = write(tmp_path / "c", "llama")  # of 11 rows
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    result = call("generate", f"--checkpoint={folder}", "--prompt=hello")
    assert result.exit_code == 1
    assert "tokenizer must fit the checkpoint's 11 ids, got 384; take" in result.stderr


def test_more_answers_than_beams_are_refused_before_a_model_is_read():
    result = call(
        "generate", "--checkpoint=nowhere", "--prompt=a", "--num_answers=3", "--num_beams=2"
    )
    assert result.exit_code == 1
    assert "num_answers must be at most the 2 beams, got 3; raise num_beams." in result.stderr
