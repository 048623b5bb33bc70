"""What one can see of FLAN 2021 without any data, as a user would ask for it."""

from __future__ import annotations

import json
import pathlib

import pytest

from flanjax.tasks.flan2021 import CATALOGUE
from tests.e2e.verbs import call


def test_handwritten_records_are_shown_without_data() -> None:
    args = ("tasks", "show", "copa", "--catalog=flan2021", "--handwritten", "--all", "--json")
    shown = json.loads(call(*args, "--num=1").stdout)
    assert [example["template"] for example in shown] == list(range(10))
    assert {example["split"] for example in shown} == {"hand-written"}
    record = CATALOGUE.task("copa").examples[0]
    assert all(record["premise"].rstrip(".") in example["inputs"] for example in shown[:1])
    with_shots = json.loads(call(*args, "--num=1", "--shots=1").stdout)
    assert len(with_shots[0]["inputs"]) > len(shown[0]["inputs"])


def test_a_task_without_handwritten_records_says_so() -> None:
    result = call("tasks", "show", "mini_kinds", "--handwritten")
    assert result.exit_code == 1
    assert "task mini_kinds: examples must hold a record to show, got none" in result.stderr


def test_lengths_are_printed_task_by_task() -> None:
    output = call("tasks", "check", "--catalog=flan2021", "--lengths").output
    assert "inputs, median" in output
    assert all(task.name in output for task in CATALOGUE.tasks())


@pytest.mark.parametrize("place", ["flan2021", "flanjax.tasks.flan2021:CATALOGUE"])
def test_a_catalogue_that_ships_has_a_short_name(place: str) -> None:
    rows = json.loads(call("tasks", "list", f"--catalog={place}", "--json").stdout)["tasks"]
    assert [row["task"] for row in rows] == [task.name for task in CATALOGUE.tasks()]


def test_a_page_and_certificates_are_written(tmp_path: pathlib.Path) -> None:
    page, certificates = tmp_path / "docs/page.md", tmp_path / "docs/certificates.json"
    assert call("tasks", "document", "--catalog=flan2021", f"--output={page}").exit_code == 0
    assert "| `sst2` | 30,000 / 200 / 872 |" in page.read_text("utf-8")
    args = ("mixture", "certify", "--catalog=flan2021", "--hold_out=nli", "--hold_out=intra:0")
    assert call(*args, f"--output={certificates}").exit_code == 0
    nli, intra = json.loads(certificates.read_text("utf-8"))
    assert (nli["rule"], intra["rule"]) == ("nli", "intra:0")
    assert json.loads(call(*args).stdout) == [nli, intra]
    assert sorted(path.name for path in page.parent.iterdir()) == ["certificates.json", "page.md"]


def test_a_page_is_printed_where_no_file_is_named() -> None:
    assert call("tasks", "document").output.startswith("# The catalogue mini\n")
