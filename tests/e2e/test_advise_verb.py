"""`flanjax data advise`, run as a user runs it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from click.testing import Result

import flanjax
from flanjax import gin_bridge
from flanjax.engine.advise import ROW_LENGTHS
from tests.e2e import verbs

ROOT = pathlib.Path(flanjax.__file__).parents[1]
GIN = ROOT / "gin_configs" / "runs" / "mini_t5.gin"
WIDE = "--gin.TASK_FEATURE_LENGTHS={'inputs': 256, 'targets': 128}"  # leaves room for advice
ARGS = ("data", "advise", f"--gin_file={GIN}", WIDE, "--gin.MODEL_DIR='out'")


def call(*args: str, columns: int = 79) -> Result:
    return verbs.call(*args, env={"COLUMNS": str(columns)})


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict:
    page = tmp_path_factory.mktemp("advice") / "page.html"
    result = call(*ARGS, "--json", f"--output={page}")
    assert result.exit_code == 0, result.output
    assert result.stderr.endswith(f"wrote {page}\n")
    return {**json.loads(result.stdout), "page": page.read_text("utf-8")}


def test_json_tells_the_mixture_and_every_choice(told):
    assert told["mixture"] == "mini-entailment" and told["family"] == "encoder-decoder"
    assert told["draws"] == 16_384 and told["missing"] == {}
    assert sum(task["share"] for task in told["tasks"]) == pytest.approx(1)
    assert {task["sampled"] for task in told["tasks"]} == {2_000}
    assert told["lengths"]["inputs"]["p50"] <= told["lengths"]["inputs"]["p99"]
    current, recommended = told["current"], told["recommended"]
    assert (current["inputs"], current["targets"], current["batch_size"]) == (256, 128, 32)
    assert current["relative_attention"] == 1.0
    assert recommended["fill"] > current["fill"]
    assert max(recommended["inputs_cut"], recommended["targets_cut"]) <= 0.01
    assert recommended in [*told["choices"], current]


def test_the_gin_lines_can_be_pasted(told, tmp_path):
    (tmp_path / "new.gin").write_text(f"include '{GIN}'\n" + "\n".join(told["gin"]) + "\n")
    again = call("data", "advise", f"--gin_file={tmp_path / 'new.gin'}", ARGS[-1], "--json")
    assert again.exit_code == 0, again.output
    for name in ("inputs", "targets", "batch_size", "fill", "inputs_cut"):
        assert json.loads(again.stdout)["current"][name] == told["recommended"][name]


def test_the_page_holds_the_numbers(told):
    fill = 100 * told["recommended"]["fill"]
    assert f"{fill:.1f}" in told["page"]
    for line in told["gin"]:
        assert line.replace("'", "&#x27;") in told["page"]
    assert "http:" not in told["page"] and "https:" not in told["page"]


def test_the_table_is_whole_at_79_columns():
    result = call(*ARGS, "--draws=2000", "--records=200")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80 and "\u2026" not in result.stdout
    assert any(line.startswith("*  ") and "256 + 128" in line for line in lines)
    assert any(line.startswith(">  ") for line in lines)
    assert any(line.startswith("TASK_FEATURE_LENGTHS = {'inputs': ") for line in lines)
    assert any(line.startswith("BATCH_SIZE = ") for line in lines)


def test_a_causal_run_is_told_rows_of_both():
    gin = GIN.with_name("mini_decoder.gin")
    result = call("data", "advise", f"--gin_file={gin}", ARGS[-1], "--json", "--records=200")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["family"] == "causal"
    assert {c["inputs"] + c["targets"] for c in told["choices"]} <= set(ROW_LENGTHS)
    assert told["recommended"]["fill"] >= told["current"]["fill"] - 0.005


def test_a_run_that_stops_at_long_examples_is_advised_to_cut_none():
    strict = "--gin.DataConfig.over_long='error'"
    result = call(*ARGS, strict, "--json", "--records=100", "--draws=1000", "--max_truncation=0.5")
    told = json.loads(result.stdout)
    assert told["max_truncation"] == 0.0
    assert told["recommended"]["inputs_cut"] == told["recommended"]["targets_cut"] == 0.0


def test_no_run_is_bad_usage():
    result = call("data", "advise")
    assert result.exit_code == 2 and "No run described" in result.stderr


def test_no_device_is_touched():
    code = f"""
import sys
from flanjax.cli.main import main
from flanjax.engine.advise import ROW_LENGTHS
try:
    main({[*ARGS, "--records=20", "--draws=100"]!r}, prog_name="flanjax")
except SystemExit as end:
    assert end.code == 0, end.code
bridge = sys.modules.get("jax._src.xla_bridge")
assert bridge is None or not bridge._backends
"""
    environ = {**os.environ, "JAX_PLATFORMS": "no such platform", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_advice_is_the_same_every_time(told):
    result = call(*ARGS, "--json")
    assert json.loads(result.stdout) == {k: v for k, v in told.items() if k != "page"}


def test_every_flag_of_the_gin_file_reaches_the_advice():
    resolved = gin_bridge.load([str(GIN)], ["MODEL_DIR='out'"]).experiment
    assert resolved.data.hold_out == "entailment"
    result = call(*ARGS, "--gin.HOLD_OUT=None", "--json", "--records=20", "--draws=100")
    assert json.loads(result.stdout)["mixture"] == "mini"
