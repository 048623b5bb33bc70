"""Token losses against hand-computed values."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flanjax.losses.tokens import (
    LossConfig,
    example_sums,
    per_example,
    target_logps,
    token_sums,
    token_values,
)

LOGITS = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]))
TARGETS = jnp.array([0, 2])
WEIGHTS = jnp.array([1.0, 2.0])


def test_cross_entropy_is_the_weighted_sum_of_minus_log_p():
    sums = token_sums(LOGITS, TARGETS, WEIGHTS, LossConfig())
    assert float(sums.loss) == pytest.approx(math.log(2) + 2 * math.log(10), rel=1e-6)
    assert float(sums.weight) == 3.0
    assert float(sums.correct) == 1.0


def test_z_loss_adds_the_squared_normaliser():
    shifted = LOGITS + jnp.array([[2.0], [3.0]])  # log Z = 2 and 3
    sums = token_sums(shifted, TARGETS, WEIGHTS, LossConfig(z_loss=0.01))
    assert float(sums.z_loss) == pytest.approx(0.01 * (4 + 2 * 9), rel=1e-5)
    assert float(sums.loss - sums.cross_entropy) == pytest.approx(0.22, rel=1e-4)


def test_label_smoothing_is_cross_entropy_with_the_smoothed_target():
    epsilon = 0.3
    sums = token_sums(LOGITS, TARGETS, WEIGHTS, LossConfig(label_smoothing=epsilon))
    logp = np.log([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    smoothed = np.full((2, 3), epsilon / 3) + (1 - epsilon) * np.eye(3)[[0, 2]]
    expected = float((-(smoothed * logp).sum(1) * [1.0, 2.0]).sum())
    assert float(sums.loss) == pytest.approx(expected, rel=1e-6)


def test_the_gradient_is_softmax_minus_target_with_its_smoothing_and_z_loss():
    config = LossConfig(z_loss=0.01, label_smoothing=0.3)
    shifted = LOGITS + jnp.array([[2.0], [3.0]])  # log Z = 2 and 3
    grad = jax.grad(lambda x: token_sums(x, TARGETS, WEIGHTS, config).loss)(shifted)
    softmax = np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    target = 0.7 * np.eye(3)[[0, 2]] + 0.1
    each = softmax - target + 0.01 * 2 * np.array([[2.0], [3.0]]) * softmax
    np.testing.assert_allclose(grad, each * [[1.0], [2.0]], rtol=1e-5, atol=1e-7)


def test_tokens_without_weight_have_no_gradient():
    grad = jax.grad(lambda x: token_sums(x, TARGETS, jnp.array([1.0, 0.0]), LossConfig()).loss)(
        LOGITS
    )
    assert np.abs(grad[0]).max() > 0.1
    assert np.abs(grad[1]).max() == 0.0


def test_token_values_are_weighted_and_one_a_token():
    values = token_values(LOGITS + 2.0, TARGETS, WEIGHTS, LossConfig(z_loss=0.01))
    np.testing.assert_allclose(values.cross_entropy, [math.log(2), 2 * math.log(10)], rtol=1e-5)
    np.testing.assert_allclose(values.z_loss, [0.04, 0.08], rtol=1e-5)
    np.testing.assert_allclose(values.loss, values.cross_entropy + values.z_loss, rtol=1e-6)
    np.testing.assert_array_equal(values.correct, [1.0, 0.0])
    np.testing.assert_array_equal(values.weight, [1.0, 2.0])


def test_example_sums_add_up_each_segment_of_each_row():
    losses = jnp.array([[1.0, 2.0, 4.0, 8.0, 16.0], [1.0, 1.0, 3.0, 0.0, 0.0]])
    weights = jnp.array([[1.0, 0.0, 1.0, 2.0, 5.0], [1.0, 0.5, 1.0, 0.0, 0.0]])
    segments = jnp.array([[1, 1, 2, 2, 0], [1, 2, 3, 0, 0]])
    read = jax.jit(example_sums, static_argnames="num_segments")
    loss_BN, weight_BN = read(losses, weights, segments, num_segments=3)
    np.testing.assert_array_equal(loss_BN, [[3.0, 12.0, 0.0], [1.0, 1.0, 3.0]])
    np.testing.assert_array_equal(weight_BN, [[1.0, 3.0, 0.0], [1.0, 0.5, 1.0]])
    narrow_BN, _ = read(losses, weights, segments, num_segments=2)
    np.testing.assert_array_equal(narrow_BN, [[3.0, 12.0], [1.0, 1.0]])


def test_the_gradient_of_an_example_sum_is_one_at_its_tokens():
    segments = jnp.array([[1, 1, 2, 2, 0]])

    def second(losses):
        return example_sums(losses, jnp.ones((1, 5)), segments, num_segments=3)[0][0, 1]

    np.testing.assert_array_equal(jax.grad(second)(jnp.ones((1, 5))), [[0, 0, 1, 1, 0]])


def test_the_weights_of_every_example_add_up_to_one():
    weights = jnp.array([[0.0, 1.0, 1.0, 0.0, 2.0, 0.0], [3.0, 1.0, 0.0, 0.0, 0.0, 0.0]])
    segments = jnp.array([[1, 1, 1, 2, 2, 0], [1, 1, 2, 3, 0, 0]])  # two of the last have no weight
    expected = [[0, 0.5, 0.5, 0, 1, 0], [0.75, 0.25, 0, 0, 0, 0]]
    np.testing.assert_array_equal(per_example(weights, segments), expected)


def test_an_average_has_a_name_that_is_known():
    with pytest.raises(
        ValueError, match="average must be one of tokens, examples, got 'rows'; use"
    ):
        LossConfig(average="rows")


def test_target_logps():
    logps = target_logps(LOGITS[None], TARGETS[None])
    np.testing.assert_allclose(logps, [[math.log(0.5), math.log(0.1)]], rtol=1e-6)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("z_loss", -1.0, "z_loss must not be negative, got -1.0"),
        ("label_smoothing", 1.0, r"label_smoothing must lie in \[0, 1\), got 1.0"),
        ("chunk", -2, "chunk must not be negative, got -2"),
    ],
)
def test_settings_out_of_range_are_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        LossConfig(**{field: value})
