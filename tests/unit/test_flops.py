"""The arithmetic of a step, counted by hand."""

from __future__ import annotations

import dataclasses
import types

import numpy as np
import pytest

from flanjax import parallel, run
from flanjax.data.batch import EncoderInput, SeqBatch
from flanjax.models import flops
from flanjax.models.configs import BlockConfig
from tests.unit.tiny_models import TINY_DECODER, TINY_T5


def test_flops_of_a_decoder_are_those_computed_by_hand() -> None:
    work = flops.count_work(TINY_DECODER, flops.full_rows(2, None, 8))
    # Block: q 4x4, k 4x2, v 4x2, o 4x4 = 48, and three of 4x5 = 60. Three of them: 324. Head: 44.
    # 2 rows x 8 tokens = 16 tokens. Pairs: half of 8 x 8 = 32; channels: 3 layers x 4 = 12.
    assert work.matmul_parameters == 368
    assert work.flops == 6 * 368 * 16 + 12 * 2 * 32 * 12 == 44_544
    assert work.formula == (
        "6 x (parameters x tokens: 324 x 16 + 44 x 16) + "
        "12 x (pairs x channels of all layers: 64 x 12)"
    )


def test_flops_of_t5_are_those_computed_by_hand() -> None:
    work = flops.count_work(TINY_T5, flops.full_rows(2, 8, 4))
    # A square is 4 x 6 = 24, the MLP three of 4x5 = 60. Encoder: 2 x (4 x 24 + 60) = 312 on 16
    # inputs. Decoder: 3 x (6 x 24 + 60) = 612 on 8 targets, its cross keys and values
    # 3 x 2 x 24 = 144 on 16 inputs, the head 44 on 8 targets.
    products = 312 * 16 + 612 * 8 + 144 * 16 + 44 * 8
    # Pairs x channels: 64 x 12 in the encoder, 8 x 18 and 32 x 18 in the decoder.
    attention = 64 * 12 + 8 * 18 + 32 * 18
    assert products == 12_544 and attention == 1_488
    assert work.matmul_parameters == 1_112
    assert work.flops == 6 * 12_544 + 12 * 2 * 1_488 == 110_976


def test_a_mlp_without_a_gate_has_two_matrices() -> None:
    plain = dataclasses.replace(TINY_DECODER, block=BlockConfig(is_gated=False))
    rows = flops.full_rows(1, None, 8)
    gated, two = (flops.count_work(c, rows).matmul_parameters for c in (TINY_DECODER, plain))
    assert gated - two == 3 * 4 * 5  # three layers


def batch(segments: list[list[int]], inputs: list[list[int]] | None = None) -> SeqBatch:
    """Returns a batch of which only the segments count."""
    of_encoder = None
    none = np.zeros_like(segments, dtype=bool)
    if inputs is not None:
        of_encoder = EncoderInput(None, np.array(inputs), None)
    return SeqBatch(None, None, None, np.array(segments), None, none, of_encoder)


def test_padding_and_other_examples_of_a_row_are_no_work() -> None:
    counted = flops.packed_rows(batch([[1, 1, 1, 2, 2, 0], [1, 1, 1, 1, 0, 0]]))
    assert counted == flops.Counted(0, 9, 0, 4 + 2 + 8, 0)  # halves of 9, 4 and 16


def test_a_target_sees_the_inputs_of_its_own_example() -> None:
    # Examples of 3 inputs and 1 target, 1 and 2, and in the second row 2 and 3; the last
    # segment has inputs alone, as an example whose loss lies on nothing.
    counted = flops.packed_rows(
        batch([[1, 2, 2, 0], [1, 1, 1, 0]], [[1, 1, 1, 2, 0], [1, 1, 2, 2, 0]])
    )
    assert counted.num_inputs == 8
    assert counted.num_targets == 6
    assert counted.input_pairs == 9 + 1 + 4 + 4
    assert counted.target_pairs == 0 + 2 + 4
    assert counted.cross_pairs == 3 * 1 + 1 * 2 + 2 * 3


def test_a_prefix_is_read_in_both_directions() -> None:
    rows = batch([[1, 1, 1, 1, 2, 2, 2, 0]])
    rows = rows._replace(prefix=np.array([[1, 1, 1, 0, 1, 1, 0, 0]], bool))
    # The mask lets 3 * 3 + 4 and 2 * 2 + 3 pairs through, its diagonal included, which we halve.
    assert flops.packed_rows(rows).target_pairs == (8 + 4) + (4 + 2)


def test_shared_keys_of_an_encoder_decoder_are_smaller_products() -> None:
    shared = dataclasses.replace(TINY_T5, num_kv_heads=1)
    rows = flops.full_rows(1, 8, 4)
    own, less = (flops.count_work(c, rows).matmul_parameters for c in (TINY_T5, shared))
    # Two thirds of keys and values, each 4 x 6: of two encoder, three decoder and three cross.
    assert own - less == (2 + 3 + 3) * 2 * 4 * 4


@pytest.mark.parametrize("length", [None, 8])
def test_full_rows_are_rows_of_one_segment(length: int | None) -> None:
    ones = np.ones((2, 6), int).tolist()
    inputs = None if length is None else np.ones((2, length), int).tolist()
    assert flops.packed_rows(batch(ones, inputs)) == flops.full_rows(2, length, 6)


@pytest.mark.parametrize(
    ("kind", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
        ("TPU v5 lite", 197e12),
        ("TPU v5", 459e12),
        ("TPU v6 lite", 918e12),
        ("cpu", None),
    ],
)
def test_peaks_are_found_by_what_jax_calls_a_device(kind: str, peak: float | None) -> None:
    assert flops.peak_flops(kind) == peak


def test_a_run_counts_the_rows_of_all_its_processes(monkeypatch) -> None:
    mesh = parallel.make_mesh(parallel.MeshConfig(), num_devices=1)
    parts = types.SimpleNamespace(model=types.SimpleNamespace(config=TINY_DECODER), mesh=mesh)
    monkeypatch.setattr("jax.process_count", lambda: 3)
    work = run._work(parts)  # type: ignore[arg-type]
    one = flops.count_work(TINY_DECODER, flops.full_rows(2, None, 6)).flops
    assert work.flops(batch(np.ones((2, 6), int).tolist())) == 3 * one
    assert work.peak_flops is None  # a CPU's is in no data sheet
