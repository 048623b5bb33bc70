"""The side-by-side benchmarks: turns, cleanliness, and what the results say."""

from __future__ import annotations

import json
import os
import pathlib
import sys

import numpy as np
import pytest

from benchmarks.peers import __main__ as peers
from benchmarks.peers import alternate, flanjax_side, work
from benchmarks.peers.alternate import Entry, Rules, Turn
from benchmarks.peers.work import Work

TRAIN = Work(task="train", batch_size=2, input_length=6, target_length=8)

_LIVING = """
import sys
from benchmarks.peers import turns, work
from benchmarks.peers.turns import Contestant

if "broken" in sys.argv:
    sys.exit("no such model")
facts = {"losses": []}
def step():
    facts["losses"].append(len(facts["losses"]))
task = work.Work(task="train", batch_size=1, target_length=1, num_warmups=2)
turns.run(Contestant(step, facts), task, is_living="--living" in sys.argv)
"""


def entry(*words: str) -> Entry:
    return Entry([sys.executable, "-c", _LIVING, *words], os.environ)


def test_contestants_take_turns_and_end_with_their_facts() -> None:
    found = alternate.contest({"a": entry(), "b": entry()}, Rules(rounds=9, most_rounds=3))
    assert list(found) == ["a", "b"]
    for facts in found.values():
        assert facts["losses"] == [0, 1, 2, 3, 4]  # two to warm up, three turns
        assert facts["num_turns"] == len(facts["turns"]) == 3


def test_a_contestant_that_does_not_start_says_why() -> None:
    with pytest.raises(ValueError, match=r"a contestant must answer, got none from:(.|\n)*no such"):
        alternate.contest({"a": entry("broken")}, Rules())


def test_the_median_is_of_clean_turns_where_there_are_any() -> None:
    dirty, clean = Turn(9.0, 0.5), [Turn(1.0, 0.01), Turn(3.0, 0.07)]
    some = alternate.summary([dirty, *clean, dirty], Rules())
    assert (some["median_s"], some["counted"], some["num_clean"]) == (2.0, "clean", 2)
    assert (some["median_of_all_s"], some["num_turns"]) == (6.0, 4)
    none = alternate.summary([dirty], Rules())
    assert (none["median_s"], none["counted"], none["num_clean"]) == (9.0, "all", 0)


def test_a_training_batch_is_full_and_of_the_ids_that_the_peer_reads() -> None:
    rows = work.training_rows(TRAIN, 50)
    batch = flanjax_side.training_batch(TRAIN, 50)
    assert batch.encoder is not None
    np.testing.assert_array_equal(batch.encoder.tokens, rows.inputs)
    np.testing.assert_array_equal(batch.targets, rows.targets)
    np.testing.assert_array_equal(batch.tokens[:, 1:], rows.targets[:, :-1])
    assert batch.tokens[:, 0].tolist() == [0, 0] and batch.weights.min() == 1
    np.testing.assert_array_equal(batch.positions, [range(8)] * 2)


def test_a_causal_row_predicts_all_but_its_first_token() -> None:
    causal = Work(task="train", batch_size=2, target_length=8)
    rows, batch = work.training_rows(causal, 50), flanjax_side.training_batch(causal, 50)
    np.testing.assert_array_equal(batch.tokens, rows.targets)
    np.testing.assert_array_equal(batch.targets[:, :-1], rows.targets[:, 1:])
    assert batch.weights.tolist() == [[1] * 7 + [0]] * 2


def test_packed_rows_hold_segments_that_count_from_zero() -> None:
    batch = flanjax_side.training_batch(TRAIN, 50, num_segments=3)
    assert batch.encoder is not None
    assert batch.encoder.segments[0].tolist() == [1, 1, 2, 2, 3, 3]
    assert batch.encoder.positions[0].tolist() == [0, 1, 0, 1, 0, 1]
    assert batch.segments[0].tolist() == [1, 1, 1, 2, 2, 2, 3, 3]
    assert batch.positions[0].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_the_cases_are_two_families_in_two_types_with_their_goals() -> None:
    goals = {name: case.goal for name, case in peers.CASES.items()}
    assert goals == {
        "train-t5_small-float32": 3.0,
        "train-t5_small-bfloat16": 1.2,
        "train-llama_60m-float32": 0.95,
        "train-llama_60m-bfloat16": 0.95,
        "generate-t5_small-float32": 1.1,
        "generate-t5_small-bfloat16": 1.7,
        "generate-llama_60m-float32": 1.1,
        "generate-llama_60m-bfloat16": 1.7,
    }


def test_one_peer_goes_without_the_allocator_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    case = peers.CASES["train-llama_60m-bfloat16"]
    found = peers.entries(case, tmp_path, peers.Pythons("ours", "theirs"), is_tiny=False)
    assert next(iter(found)) == "transformers eager"
    without = [name for name in found if "MALLOC_ARENA_MAX" not in found[name].environment]
    assert without == ["transformers eager, default allocator"]
    ours = flanjax_side.parse_arguments(list(found["flanjax"].command)[3:])
    assert work.from_arguments(ours) == case.work
    assert (ours.dtype, dict(ours.config)) == ("bfloat16", {"scan_layers": False})


def facts(median_s: float, **more: object) -> dict[str, object]:
    return {"median_s": median_s, "counted": "clean", "num_clean": 5, "num_turns": 5, **more}


def test_a_result_compares_with_the_eager_peer_and_the_goal(tmp_path: pathlib.Path) -> None:
    case = peers.CASES["generate-t5_small-float32"]
    found = {
        "transformers eager": facts(2.0, tokens=[[1, 2, 3, 4]]),
        "flanjax": facts(1.6, tokens=[[1, 2, 9, 4]]),
        "flanjax scanned": facts(4.0, tokens=[[1, 2, 3, 4]]),
    }
    result = peers.compared(case, found)
    assert result["times_as_fast_as_transformers_eager"] == 1.25
    assert result["is_goal_met"]
    ours = result["contestants"]["flanjax"]
    assert ours["tokens_equal"] == 0.5  # what follows a difference no longer compares
    assert ours["new_tokens_per_s"] == 8 * 64 / 1.6
    text = peers.table("generate", result)
    assert text.startswith("generate: flanjax 1.25x, goal 1.1x met\n")
    assert "0.50x   5/5 clean  tokens equal 100.0%" in text
    path = tmp_path / "results.json"
    peers.store(path, "generate", result)
    peers.store(path, "train", {"a": 1})
    peers.store(path, "generate", {"b": 2})
    assert json.loads(path.read_text()) == {"generate": {"b": 2}, "train": {"a": 1}}


def test_the_command_in_a_result_names_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["peers", "--ours=/somewhere/python", "--theirs=/elsewhere/python", "--quick"]
    monkeypatch.setattr(sys, "argv", words)
    assert peers.facts_of_run()["command"] == "bash benchmarks/peers.sh --quick"
