"""The training step's benchmark counts, packs and records what it says."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from benchmarks import step
from flanjax.models import families, flops
from tests.unit.tiny_models import TINY_DECODER, TINY_T5

ROOT = pathlib.Path(__file__).parents[2]
TINY_SIZES = {
    "tiny_t5": step.Size(TINY_T5, 2, 8, 4),
    "tiny_decoder": step.Size(TINY_DECODER, 2, None, 8, loss_chunk=4),
}


@pytest.mark.parametrize(
    ("name", "num_parameters", "not_in_products"),
    [
        # Published: 76,961,152. Embedding, 42 norms of 512, two bias tables of 32 x 6.
        ("t5_small", 76_961_152, 32_128 * 512 + 42 * 512 + 2 * 32 * 6),
        ("llama_60m", 56_369_664, 32_000 * 512 + 17 * 512),
        # Published: 783,150,080.
        ("t5_large", 783_150_080, 32_128 * 1024 + 122 * 1024 + 2 * 32 * 16),
        # Published: 1,235,814,400. The embedding is the head too, and thus in a product.
        ("llama_1b", 1_235_814_400, 33 * 2048),
    ],
)
def test_every_size_has_its_parameters_and_counts_the_multiplied_ones(
    name: str, num_parameters: int, not_in_products: int
) -> None:
    size = step.SIZES[name]
    shapes = jax.eval_shape(families.make_model(size.config).init, jax.random.key(0))
    rows = flops.full_rows(size.batch_size, size.input_length, size.target_length)
    work = flops.count_work(size.config, rows)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == num_parameters
    assert num_parameters - work.matmul_parameters == not_in_products


@pytest.mark.parametrize(("name", "num_tokens"), [("tiny_t5", 2 * (8 + 4)), ("tiny_decoder", 16)])
def test_a_batch_is_full_of_tokens_of_the_vocabulary(name: str, num_tokens: int) -> None:
    batch = step.full_batch(TINY_SIZES[name], np.random.default_rng(0))
    assert step.num_tokens(batch) == num_tokens
    np.testing.assert_array_equal(batch.segments, np.ones_like(batch.segments))
    np.testing.assert_array_equal(batch.weights, np.ones_like(batch.weights))
    np.testing.assert_array_equal(batch.targets[:, -1], [1, 1])
    if batch.encoder is not None:
        np.testing.assert_array_equal(batch.encoder.segments, np.ones((2, 8)))
    random_ids = batch.targets[batch.targets != 1]
    assert random_ids.min() >= 3 and random_ids.max() < 11


@pytest.mark.parametrize("name", TINY_SIZES)
def test_a_run_adds_its_result_to_the_list(
    name: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(step, "SIZES", TINY_SIZES)
    monkeypatch.setattr(step, "_CEILING_WIDTH", 8)
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    path = tmp_path / "step_cpu.json"
    path.write_text('["an earlier result"]')
    step.main(["--size", name, "--quick", "--unroll", "--results", str(tmp_path)])
    earlier, result = json.loads(path.read_text())
    assert earlier == "an earlier result"
    size = TINY_SIZES[name]
    rows = flops.full_rows(size.batch_size, size.input_length, size.target_length)
    work = flops.count_work(size.config, rows)
    assert result["model_flops_per_step"] == work.flops
    assert result["tokens_per_s"] == pytest.approx(
        result["tokens_per_step"] / result["step_s"]["median"], rel=0.5
    )
    assert result["step_s"]["min"] <= result["step_s"]["median"] <= result["step_s"]["max"]
    assert (result["size"], result["steps_timed"], result["scan_layers"]) == (name, 3, False)
    assert result["malloc_environment"]["MALLOC_ARENA_MAX"] == "1"
    assert result["peak_memory_bytes"] > 2**26
    assert [entry.name for entry in tmp_path.iterdir()] == ["step_cpu.json"]
    assert capsys.readouterr().out.split()[:3] == [name, "float32", "False"]


def test_results_that_are_no_list_are_left_alone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "step_cpu.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match="must hold a list of results"):
        step.append_result(path, {})
    assert path.read_text() == "{}"


@pytest.mark.parametrize(
    ("kind", "flops_per_s"),
    [("NVIDIA H100 80GB HBM3", 989e12), ("NVIDIA H200", 989e12), ("NVIDIA L4", None)],
)
def test_a_gpu_is_measured_against_its_data_sheet(kind: str, flops_per_s: float | None) -> None:
    class Gpu:
        platform = "gpu"
        device_kind = kind

    assert step.peak_flops(Gpu(), "bfloat16")[0] == flops_per_s  # type: ignore[arg-type]


_IMPORT_BARE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import benchmarks.step
"""


def _import_without(*absent: str) -> str:
    command = [sys.executable, "-c", _IMPORT_BARE, *absent]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stderr


def test_it_needs_no_data_or_config_library() -> None:
    absent = "grain gin orbax tensorboardX sentencepiece pyarrow click"
    assert _import_without(*absent.split()) == ""
    assert "No module named 'optax'" in _import_without("optax")
