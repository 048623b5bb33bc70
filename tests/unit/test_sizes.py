"""What a mixture draws: sizes, rates, shares and passes by hand."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import pytest
from click.testing import CliRunner, Result

from flanjax.cli.main import main
from flanjax.data.catalogue import Mixture
from flanjax.data.sizes import Draw, Size, expected_draws, measured_size, published_size
from flanjax.tasks.flan2021 import CATALOGUE

TASKS = tuple(CATALOGUE.task(name) for name in ("sst2", "rte", "cb"))
SIZES = {"sst2": 67_349, "rte": 2_290, "cb": 200}


def call(*args: str) -> Result:
    return CliRunner().invoke(main, ["mixture", "show", *args], prog_name="flanjax")


def test_rates_shares_and_passes_follow_both_caps() -> None:
    # Used 30,000 + 2,290 + 200 = 32,490; rates 3,000 + 2,290 + 200 = 5,490.
    draws = expected_draws(Mixture("m", TASKS), SIZES)
    shares = [3_000 / 5_490, 2_290 / 5_490, 200 / 5_490]
    assert draws == [
        Draw(
            "sst2",
            30_000,
            3_000,
            pytest.approx(shares[0]),
            pytest.approx(32_490 * shares[0] / 30_000),
        ),
        Draw(
            "rte", 2_290, 2_290, pytest.approx(shares[1]), pytest.approx(32_490 * shares[1] / 2_290)
        ),
        Draw("cb", 200, 200, pytest.approx(shares[2]), pytest.approx(32_490 * shares[2] / 200)),
    ]
    assert sum(draw.examples * draw.passes for draw in draws) == pytest.approx(32_490)


def test_passes_grow_with_what_is_drawn() -> None:
    (draw,) = expected_draws(Mixture("m", TASKS[1:2]), SIZES, num_draws=4_580)
    assert draw.passes == pytest.approx(2.0)


def test_a_published_size_is_cut_as_the_split_is() -> None:
    assert published_size(CATALOGUE.task("rte")) == Size(2_490 - 200, "published")
    assert published_size(CATALOGUE.task("sst2")) == Size(30_000, "published")


def test_a_size_is_read_after_filters_where_the_data_is_there(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "tfds/gigaword"
    folder.mkdir(parents=True)
    rows = [{"document": f"text {i}", "summary": s} for i, s in enumerate(["a", "b", "UNK", "#"])]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = CATALOGUE.task("gigaword")
    size = measured_size(task, data_dir=str(tmp_path), max_examples=30_000)
    assert size == Size(2, "read", left_out=2)
    missing = measured_size(CATALOGUE.task("aeslc"), data_dir=str(tmp_path), max_examples=10)
    assert (missing.examples, missing.origin) == (14_436, "published")
    assert missing.missing


def test_the_table_tells_rates_and_what_is_not_drawn() -> None:
    result = call("flan2021", "--hold_out=nli", "--published")
    assert result.exit_code == 0, result.output
    assert "sst2" in result.output
    assert "not drawn: glue_mrpc: cluster paraphrase is close to nli" in result.output
    assert "not drawn: wsc273: has no training split" in result.output
    assert "anli_r1" not in result.output.replace("with anli_r1", "")


def test_json_has_every_task_and_shares_that_sum_to_one() -> None:
    plain = json.loads(call("flan2021", "--catalog=flan2021", "--published", "--json").stdout)
    assert len(plain["tasks"]) == 69
    assert sum(task["share"] for task in plain["tasks"]) == pytest.approx(1)
    assert all(task["examples"] <= 30_000 and task["rate"] <= 3_000 for task in plain["tasks"])
    assert set(plain["dropped"]) == {"wsc273"}


def test_a_grammar_is_counted_by_reading_it() -> None:
    plain = json.loads(call("mini", "--json", "--draws=1000").stdout)
    assert {task["from"] for task in plain["tasks"]} == {"read"}
    assert sum(task["examples"] * task["passes"] for task in plain["tasks"]) == pytest.approx(1000)


def test_with_a_data_dir_only_what_is_there_is_drawn(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "tfds/super_glue/cb"
    folder.mkdir(parents=True)
    row = {"premise": "It rains.", "hypothesis": "It is wet.", "label": "entailment"}
    rows = [{**row, "premise": f"It rains {i} times."} for i in range(60)]
    for name in ("train", "validation"):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    plain = json.loads(call("flan2021", f"--data_dir={tmp_path}", "--json").stdout)
    assert [(task["task"], task["examples"]) for task in plain["tasks"]] == [("cb", 10)]
    assert "put its rows at DATA_DIR/tfds/glue/sst2/train.jsonl" in plain["dropped"]["sst2"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("flan2022", "--catalog=flan2021"), "did you mean flan2021"),
        (("wsc273", "--catalog=flan2021"), "must have a task with a training split, got none"),
        (("flan2021", "--catalog=flan2021", "--hold_out=nil"), "did you mean nli"),
        (("nli", "--catalog=flan2021", "--hold_out=nli"), "must leave a task to train on"),
        (("mini", "--published"), "must have a task of known size, got none"),
    ],
)
def test_what_cannot_be_shown_is_told_in_one_line(args: tuple[str, ...], message: str) -> None:
    result = call(*args)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_explicit_weights_are_the_rates() -> None:
    mixture = dataclasses.replace(Mixture("m", TASKS), weights={"sst2": 1.0, "rte": 3.0})
    draws = {draw.task: draw for draw in expected_draws(mixture, SIZES)}
    assert [draws[name].rate for name in ("sst2", "rte", "cb")] == [1.0, 3.0, 0.0]
    assert [draws[name].share for name in ("sst2", "rte", "cb")] == [0.25, 0.75, 0.0]
