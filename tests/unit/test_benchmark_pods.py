"""The pods' benchmark keeps one result of each, and scaling is as by hand."""

from __future__ import annotations

import json
import pathlib
import sys

import pytest

from benchmarks import pods, scaling
from flanjax import gin_bridge
from flanjax.preflight import topology

RESULT = {
    "name": "llama_8b_v5e",
    "mesh": {"data": 1, "fsdp": 256, "tensor": 1},
    "needed_bytes": 12 * 2**30,
    "available_bytes": int(15.75 * 2**30),
    "fits": True,
    "roofline_estimate": {"step_s": 0.654},
    "lower_s": 5.4,
    "compile_s": 120.2,
}


@pytest.mark.parametrize("name", pods.PODS)
def test_every_pod_is_a_run_whose_mesh_is_its_slice(name: str) -> None:
    command = pods.PODS[name].command()
    files = [arg.partition("=")[2] for arg in command if arg.startswith("--gin_file=")]
    bindings = [arg.removeprefix("--gin.") for arg in command if arg.startswith("--gin.")]
    experiment = gin_bridge.load(files, bindings).experiment
    _, torus = topology._parse(pods.PODS[name].topology)
    num_chips = 1
    for size in torus:
        num_chips *= size
    mesh = experiment.mesh
    assert mesh.fsdp * mesh.tensor * max(mesh.data, 1) == num_chips
    assert experiment.train.batch_size % (experiment.train.microbatches * mesh.fsdp) == 0
    assert (experiment.model.dtype, experiment.model.remat) == ("bfloat16", "full")


def test_a_result_takes_the_place_of_an_earlier_one(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "pods.json"
    pods.keep({**RESULT, "name": "llama_8b_v6e"}, path)
    pods.keep({**RESULT, "compile_s": 1.0}, path)
    pods.keep(RESULT, path)
    pods.keep({**RESULT, "name": "of another day"}, path)
    kept = json.loads(path.read_text("utf-8"))
    assert [each["name"] for each in kept] == ["llama_8b_v5e", "llama_8b_v6e", "of another day"]
    assert kept[0]["compile_s"] == 120.2
    assert [file.name for file in tmp_path.iterdir()] == ["pods.json"]


def test_a_pod_without_a_report_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(
        ChildProcessError, match="llama_8b_v5e must end with a report, got status 1; read its last"
    ):
        pods.measure("llama_8b_v5e")


def test_rows_of_the_table_say_what_fits() -> None:
    assert pods.table_row(RESULT) == (
        "| llama_3_1_8b | v5e:16x16 | fsdp 256 | 256 x (1536 + 512) | 12.0 of 15.75 GiB | 0.65 s "
        "| 5 + 120 s |"
    )
    tight = {**RESULT, "fits": False, "roofline_estimate": None}
    assert "15.75 GiB: does not fit | - |" in pods.table_row(tight)


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        pods.main(["llama_9b"])
    assert "unknown llama_9b; known are t5_xxl_v5e" in capsys.readouterr().err


def test_a_step_of_split_parameters_is_estimated_by_hand() -> None:
    times = scaling.estimate("v5e", (4, 4), num_parameters=16 * 10**9, own_flops=197e12)
    assert times.compute_s == pytest.approx(4 / 3)
    # Three times 2 bytes of 16 G parameters, 15/16 of them, over two axes of 2 x 50 GB/s.
    assert times.links_s == pytest.approx(3 * 32e9 * 15 / 16 / 200e9)
    assert times.memory_s == pytest.approx((16 * 8e9 + 28e9) / 819e9)
    estimate = scaling.Estimate(16, 16, times)
    assert estimate.in_turn_s == pytest.approx(4 / 3 + 0.45 + 156 / 819)
    least, most = estimate.utilizations
    assert most == pytest.approx(0.75) and least == pytest.approx(1 / estimate.in_turn_s)


def test_slices_that_cannot_hold_a_model_are_left_out() -> None:
    large = scaling.MODELS[-1]
    found = scaling.estimates(large, "v5e", is_weak=False)
    assert [each.num_chips for each in found] == [64, 256]  # 12 x 70 GB are more than 16 chips hold
    assert {each.num_rows for each in found} == {large.batch_size}
    weak = scaling.estimates(large, "v5e", is_weak=True)
    assert [each.num_rows for each in weak] == [64, 256]
