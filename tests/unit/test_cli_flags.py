"""Flags that click would take otherwise: given twice, empty, or a directory."""

from __future__ import annotations

import errno

import pytest

from flanjax.cli import output
from tests.unit.test_cli import call

TOKENIZER = ("tokenizer", "train", "--vocab_size=300", "--output=x.model")


@pytest.mark.parametrize("verb", [("mixture", "show", "mini"), TOKENIZER])
def test_two_hold_outs_are_refused(verb):
    """Click takes the last: what the first holds out would be trained on."""
    result = call(*verb, "--hold_out=entailment", "--hold_out=sentiment")
    assert result.exit_code == 2
    assert "must be given once, got entailment, sentiment; write" in result.stderr
    assert "entailment+sentiment" in result.stderr
    result = call(*verb, "--hold_out=intra:0", "--hold_out=intra:1")
    assert "must be given once, got intra:0, intra:1; keep one" in result.stderr
    result = call(*verb, "--hold_out=")
    assert result.exit_code == 2
    assert "must name what is held out, got nothing" in result.stderr


@pytest.mark.parametrize(
    "verb",
    [
        ("mixture", "certify"),
        ("tasks", "document"),
        ("data", "advise", "--gin_file=runs/mini_t5.gin"),
    ],
)
def test_a_directory_is_no_file_to_write(tmp_path, verb):
    result = call(*verb, f"--output={tmp_path}")
    assert result.exit_code == 2
    assert "is a directory" in result.stderr
    assert not list(tmp_path.parent.glob("*.partial"))


def test_a_file_that_cannot_be_renamed_leaves_nothing(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(output.os, "replace", broken)
    with pytest.raises(OSError, match="no"):
        output.write_text(str(tmp_path / "x.md"), "text")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder_for_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    for inner in ("x.md", "y/x.md"):
        result = call("tasks", "document", f"--output={tmp_path}/file/{inner}")
        assert result.exit_code == 1
        assert "a file must be written into a directory, got " in result.stderr


def test_a_file_is_no_folder_for_tasks(tmp_path):
    (tmp_path / "file").write_text("")
    result = call("tasks", "new", "tone/harsh", f"--dir={tmp_path}/file")
    assert result.exit_code == 2
    assert "is a file" in result.stderr


def test_a_tolerance_is_not_negative():
    result = call("convert", "verify", "a", "b", "--tolerance=-1")
    assert result.exit_code == 2
    assert "-1.0 is not in the range x>=0" in result.stderr
