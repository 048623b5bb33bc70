"""Products, norms, masks, rotations and buckets against values worked out by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flanjax.models import attention, kernels, positions
from flanjax.models.configs import RotaryConfig
from flanjax.models.kernels import LowRank

X_TI = jnp.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]])
W_IO = jnp.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]])


def as_bools(rows):
    """Reads rows such as "1 0 0" as booleans."""
    return np.array([[cell == "1" for cell in row.split()] for row in rows])


def test_dot_contracts_the_last_axis_and_keeps_the_others():
    expected_TO = [[1.0, 2.0, 0.0], [0.0, -1.0, 1.0], [3.0, 0.5, 5.5]]
    np.testing.assert_allclose(kernels.dot(X_TI, W_IO), expected_TO)
    out_BTO = kernels.dot(jnp.stack([X_TI, 2 * X_TI]), W_IO)
    np.testing.assert_allclose(out_BTO[1], 2 * np.array(expected_TO))


def test_dot_of_a_low_rank_leaf_is_base_plus_scaled_product():
    a_IR, b_RO = jnp.array([[1.0], [2.0]]), jnp.array([[1.0, 0.0, -1.0]])
    leaf = LowRank(W_IO, a_IR, b_RO, jnp.float32(0.5), jnp.float32(0.0))
    # x @ a = 5, -2, 4; half of it is added to output 0 and taken from output 2.
    expected_TO = [[3.5, 2.0, -2.5], [-1.0, -1.0, 2.0], [5.0, 0.5, 3.5]]
    np.testing.assert_allclose(kernels.dot(X_TI, leaf), expected_TO)


def test_dropout_of_a_low_rank_leaf_spares_its_base():
    x_NI = jnp.ones((400, 2))
    ones = LowRank(W_IO, jnp.ones((2, 1)), jnp.ones((1, 3)), jnp.float32(1.0), jnp.float32(0.5))
    added_NO = kernels.dot(x_NI, ones, jax.random.key(0)) - kernels.dot(x_NI, W_IO)
    # Two inputs, each 0 or 1 / (1 - 0.5): their sum is 0, 2 or 4.
    assert set(np.unique(added_NO)) == {0.0, 2.0, 4.0}
    np.testing.assert_allclose(kernels.dot(x_NI, ones), kernels.dot(x_NI, W_IO) + 2)


@pytest.mark.parametrize(
    ("spec", "a_shape", "b_shape"),
    [
        ("ni,io->no", (7, 12), (12, 5)),
        ("btkgc,bskc->bkgts", (2, 6, 2, 3, 8), (2, 4, 2, 8)),
        ("bkgts,bskc->btkgc", (2, 2, 3, 6, 4), (2, 4, 2, 8)),
    ],
)
def test_narrow_products_and_their_gradients_are_rounded_float32_ones(spec, a_shape, b_shape):
    keys = jax.random.split(jax.random.key(0), 3)
    a = jax.random.normal(keys[0], a_shape, jnp.bfloat16)
    b = jax.random.normal(keys[1], b_shape, jnp.bfloat16)

    def product(dtype):
        def run(a, b):
            return kernels.einsum(spec, a.astype(dtype), b.astype(dtype), dtype)

        out, pull = jax.vjp(run, a, b)
        grad = jax.random.normal(keys[2], out.shape, jnp.bfloat16)
        return out, *pull(grad.astype(dtype))

    narrow, wide = (
        jax.jit(product, static_argnums=0)(dtype) for dtype in (jnp.bfloat16, jnp.float32)
    )
    for ours, expected in zip(narrow, wide, strict=True):
        assert ours.dtype == jnp.bfloat16
        expected = np.asarray(expected, np.float32)
        np.testing.assert_allclose(
            np.asarray(ours, np.float32), expected, rtol=2**-7, atol=2**-8 * np.abs(expected).max()
        )


def test_logits_are_float32_sums_of_bfloat16_products():
    x = jnp.full((1, 256), 1.0, jnp.bfloat16)
    w = jnp.full((256, 1), 1.0 + 2**-7, jnp.bfloat16)
    logits = kernels.project_logits(x, w)
    assert logits.dtype == jnp.float32
    assert logits[0, 0] == 258.0  # bfloat16 has 256 and 260 beside it, but 258 is between


def test_rms_norm_divides_by_the_root_mean_square():
    x_D = jnp.array([3.0, 4.0, 0.0, 0.0])  # mean square 6.25
    scale_D = jnp.array([1.0, 1.0, 1.0, 2.0])
    np.testing.assert_allclose(kernels.rms_norm(x_D, scale_D, 0.0), [1.2, 1.6, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(kernels.rms_norm(x_D, scale_D, 18.75), [0.6, 0.8, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(
        kernels.rms_norm(jnp.full(4, 2.0), scale_D, 0.0), [1, 1, 1, 2], rtol=1e-6
    )


def test_dropout_keeps_the_mean_and_zeroes_the_rate():
    x = jnp.ones(20_000)
    dropped = kernels.dropout(x, 0.25, jax.random.key(0))
    np.testing.assert_allclose(np.unique(dropped), [0.0, 1 / 0.75], rtol=1e-6)
    assert np.mean(dropped == 0) == pytest.approx(0.25, abs=0.01)
    assert kernels.dropout(x, 0.25, None) is x
    assert kernels.dropout(x, 0.0, jax.random.key(0)) is x


def test_masks_join_a_segment_and_hide_padding():
    mask_BTS = attention.segment_mask(jnp.array([[1, 1, 2, 0]]), jnp.array([[1, 2, 0]]))
    np.testing.assert_array_equal(mask_BTS[0], as_bools(["1 0 0", "1 0 0", "0 1 0", "0 0 0"]))


def test_a_prefix_is_seen_from_both_sides_within_its_segment():
    segments_BT = jnp.array([[1, 1, 1, 2, 2, 0]])
    prefix_BT = jnp.array([[True, True, False, False, False, False]])
    causal = ["1 0 0 0 0 0", "1 1 0 0 0 0", "1 1 1 0 0 0", "0 0 0 1 0 0", "0 0 0 1 1 0"]
    prefixed = ["1 1 0 0 0 0", *causal[1:]]
    nothing = "0 0 0 0 0 0"
    np.testing.assert_array_equal(
        attention.causal_mask(segments_BT)[0], as_bools([*causal, nothing])
    )
    np.testing.assert_array_equal(
        attention.causal_mask(segments_BT, prefix_BT)[0], as_bools([*prefixed, nothing])
    )


def test_grouped_queries_read_the_key_head_beside_them():
    """Four query heads on two key heads: heads 0 and 1 read the first."""
    v_BSKC = jnp.array([[[[1.0], [2.0]]]])
    out_RTHC = attention.attend(
        jnp.zeros((1, 1, 4, 1)), [attention.KeyValues(jnp.zeros((1, 1, 2, 1)), v_BSKC)], scale=1.0
    )
    np.testing.assert_allclose(out_RTHC[0, 0, :, 0], [1.0, 1.0, 2.0, 2.0])


def numpy_attention(q_THC, k_SHC, v_SHC, bias_HTS, mask_TS, scale):
    logits_HTS = np.einsum("thc,shc->hts", q_THC, k_SHC) * scale + bias_HTS
    weights_HTS = np.where(mask_TS, np.exp(logits_HTS), 0.0)
    return np.einsum("hts,shc->thc", weights_HTS / weights_HTS.sum(-1, keepdims=True), v_SHC)


def test_shared_and_own_keys_share_one_softmax():
    """Four rows read two prompts, two rows each, and keys of their own."""
    rng = np.random.default_rng(0)
    q_RTHC, own_k, own_v = (rng.normal(size=(4, 3, 4, 5)).astype(np.float32) for _ in range(3))
    own_k, own_v = own_k[:, :, :2], own_v[:, :, :2]
    shared_k, shared_v = (rng.normal(size=(2, 6, 2, 5)).astype(np.float32) for _ in range(2))
    bias_1HTS = rng.normal(size=(1, 4, 3, 3)).astype(np.float32)
    own_mask_TS = np.tri(3, dtype=bool)
    shared_mask_RTS = np.repeat(np.arange(6)[None] < np.array([[4], [6]]), 2, axis=0)[:, None]
    ours = attention.attend(
        q_RTHC,
        [
            attention.KeyValues(shared_k, shared_v, shared_mask_RTS),
            attention.KeyValues(own_k, own_v, own_mask_TS[None], bias_1HTS),
        ],
        scale=0.7,
    )
    for row in range(4):
        k_SKC = np.concatenate([shared_k[row // 2], own_k[row]])
        v_SKC = np.concatenate([shared_v[row // 2], own_v[row]])
        visible_TS = np.broadcast_to(shared_mask_RTS[row], (3, 6))
        expected_THC = numpy_attention(
            q_RTHC[row],
            np.repeat(k_SKC, 2, axis=1),
            np.repeat(v_SKC, 2, axis=1),
            np.concatenate([np.zeros((4, 3, 6)), bias_1HTS[0]], axis=-1),
            np.concatenate([visible_TS, own_mask_TS], axis=1),
            0.7,
        )
        np.testing.assert_allclose(ours[row], expected_THC, rtol=1e-5, atol=1e-6)


def test_rotation_turns_pairs_half_a_head_apart():
    """C = 4, theta = 100: rates 1 and 0.1; pi / 2 turns the first pair by 90 degrees."""
    turn = positions.rotation(RotaryConfig(theta=100.0), jnp.array([[0, 3]]), 4)
    np.testing.assert_allclose(turn.cos[0], np.cos([[0.0, 0.0], [3.0, 0.3]]), rtol=1e-6)
    np.testing.assert_allclose(turn.sin[0], np.sin([[0.0, 0.0], [3.0, 0.3]]), rtol=1e-6)
    x_BTHC = jnp.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 1, 4)
    quarter = positions.Rotation(
        jnp.array([0.0, 1.0]).reshape(1, 1, 2), jnp.array([1.0, 0.0]).reshape(1, 1, 2)
    )
    rotated = positions.rotate(x_BTHC, quarter)[0, 0, 0]
    np.testing.assert_allclose(rotated, [-3.0, 2.0, 1.0, 4.0], atol=1e-6)


def test_rotated_products_depend_on_distance_alone():
    rng = np.random.default_rng(0)
    q_C, k_C = (rng.normal(size=(1, 1, 1, 8)).astype(np.float32) for _ in range(2))

    def product(query_position, key_position):
        q, k = (
            positions.rotate(x, positions.rotation(RotaryConfig(), jnp.array([[position]]), 8))
            for x, position in ((q_C, query_position), (k_C, key_position))
        )
        return float(jnp.sum(q * k))

    assert product(9, 4) == pytest.approx(product(105, 100), rel=1e-4)
    assert product(9, 4) != pytest.approx(product(9, 5), rel=1e-2)
    assert product(0, 0) == pytest.approx(float(np.sum(q_C * k_C)), rel=1e-5)


@pytest.mark.parametrize(
    ("is_bidirectional", "offsets", "buckets"),
    [
        # Causal, 32 buckets, 128: 16 exact, then 16 + floor(log(n / 16) / log(8) * 16).
        (False, [0, -1, -15, -16, -20, -32, -64, -127, -128, -999], None),
        (True, [0, -1, -7, -8, -11, -12, -16, -90, -91, -999], None),
        (True, [1, 7, 8, 15, 16, 64, 999], [17, 23, 24, 25, 26, 30, 31]),
        (False, [1, 50], [0, 0]),
    ],
)
def test_relative_buckets_are_exact_near_and_logarithmic_far(is_bidirectional, offsets, buckets):
    by_hand = {
        False: [0, 1, 15, 16, 17, 21, 26, 31, 31, 31],
        True: [0, 1, 7, 8, 8, 9, 10, 14, 15, 15],
    }
    ours = positions.relative_buckets(
        jnp.array(offsets), is_bidirectional=is_bidirectional, num_buckets=32, max_distance=128
    )
    np.testing.assert_array_equal(ours, buckets or by_hand[is_bidirectional])


def test_relative_bias_gives_each_head_its_column():
    table_NH = jnp.arange(8.0).reshape(4, 2)  # causal, 2 exact buckets, then distances 2 and from 3
    offsets_1TS = (jnp.arange(4)[None] - jnp.array([[2], [3]]))[None]
    buckets_1TS = positions.relative_buckets(
        offsets_1TS, is_bidirectional=False, num_buckets=4, max_distance=4
    )
    bias_1HTS = positions.relative_bias(table_NH, buckets_1TS)
    # Buckets of row 2: 2 1 0 0; of row 3: 3 2 1 0.
    np.testing.assert_array_equal(bias_1HTS[0, 0], [[4.0, 2.0, 0.0, 0.0], [6.0, 4.0, 2.0, 0.0]])
    np.testing.assert_array_equal(bias_1HTS[0, 1], [[5.0, 3.0, 1.0, 1.0], [7.0, 5.0, 3.0, 1.0]])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(
    ("spec", "left", "right"),
    [
        ("btkgc,bskc->bkgts", (2, 3, 4, 2, 5), (2, 6, 4, 5)),
        ("bkgts,bskc->btkgc", (2, 4, 2, 3, 6), (2, 6, 4, 5)),
    ],
)
def test_spread_products_are_einsum(spec, left, right, dtype):
    rng = np.random.default_rng(0)
    a, b = (jnp.asarray(rng.normal(size=shape), dtype) for shape in (left, right))
    found = kernels.spread_einsum(spec, a, b, jnp.float32)
    wide = jnp.einsum(spec, a.astype(jnp.float32), b.astype(jnp.float32), precision="highest")
    np.testing.assert_allclose(found, wide, rtol=1e-5, atol=1e-5)
    assert found.dtype == jnp.float32
    assert kernels.spread_einsum(spec, a, b, dtype).dtype == dtype


@pytest.mark.parametrize("num_rows", [3, 65])
def test_a_transposed_weight_is_read_as_the_plain_one(num_rows):
    rng = np.random.default_rng(0)
    x_NTI, w_IO = rng.normal(size=(num_rows, 1, 7)), rng.normal(size=(7, 5))
    x_NTI, w_IO = jnp.asarray(x_NTI, jnp.float32), jnp.asarray(w_IO, jnp.float32)
    for product in (kernels.dot, kernels.project_logits):
        found = product(x_NTI, kernels.Transposed(w_IO.T))
        np.testing.assert_allclose(found, product(x_NTI, w_IO), rtol=1e-5, atol=1e-5)
    grads = [
        jax.grad(lambda w, turn=turn: jnp.sum(kernels.dot(x_NTI, turn(w)) ** 2))(w_IO)
        for turn in (lambda w: w, lambda w: kernels.Transposed(w.T))
    ]
    np.testing.assert_allclose(*grads, rtol=1e-4, atol=1e-4)
