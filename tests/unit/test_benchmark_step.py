"""The training step's benchmark counts, packs and records what it says."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from benchmarks import flops, step
from flanjax.models import families
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config

ROOT = pathlib.Path(__file__).parents[2]
TINY_DECODER = DecoderConfig(
    vocab_size=11, d_model=4, d_ff=5, num_heads=2, num_kv_heads=1, d_head=2, num_layers=3
)
TINY_T5 = T5Config(
    vocab_size=11,
    d_model=4,
    d_ff=5,
    num_heads=3,
    d_head=2,
    num_encoder_layers=2,
    num_decoder_layers=3,
    dropout_rate=0.0,
)
TINY_SIZES = {
    "tiny_t5": step.Size(TINY_T5, 2, 8, 4),
    "tiny_decoder": step.Size(TINY_DECODER, 2, None, 8, loss_chunk=4),
}


def test_flops_of_a_decoder_are_those_computed_by_hand() -> None:
    work = flops.count_work(TINY_DECODER, 2, None, 8)
    # Block: q 4x4, k 4x2, v 4x2, o 4x4 = 48, and three of 4x5 = 60. Three of them: 324. Head: 44.
    # 2 rows x 8 tokens = 16 tokens. Pairs: half of 8 x 8 = 32; channels: 3 layers x 4 = 12.
    assert work.matmul_parameters == 368
    assert work.flops == 6 * 368 * 16 + 12 * 2 * 32 * 12 == 44_544
    assert work.formula == (
        "6 x (parameters x tokens: 324 x 16 + 44 x 16) + "
        "12 x 2 rows x (pairs x channels of all layers: 32 x 12)"
    )


def test_flops_of_t5_are_those_computed_by_hand() -> None:
    work = flops.count_work(TINY_T5, 2, 8, 4)
    # A square is 4 x 6 = 24, the MLP three of 4x5 = 60. Encoder: 2 x (4 x 24 + 60) = 312 on 16
    # inputs. Decoder: 3 x (6 x 24 + 60) = 612 on 8 targets, its cross keys and values
    # 3 x 2 x 24 = 144 on 16 inputs, the head 44 on 8 targets.
    products = 312 * 16 + 612 * 8 + 144 * 16 + 44 * 8
    # Pairs x channels: 64 x 12 in the encoder, 8 x 18 and 32 x 18 in the decoder.
    attention = 64 * 12 + 8 * 18 + 32 * 18
    assert products == 12_544 and attention == 1_488
    assert work.matmul_parameters == 1_112
    assert work.flops == 6 * 12_544 + 12 * 2 * 1_488 == 110_976


def test_t5_without_input_length_is_refused() -> None:
    with pytest.raises(ValueError, match="input_length must be given"):
        flops.count_work(TINY_T5, 2, None, 4)


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
    work = flops.count_work(size.config, size.batch_size, size.input_length, size.target_length)
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
    work = flops.count_work(*TINY_SIZES[name][:4])
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
