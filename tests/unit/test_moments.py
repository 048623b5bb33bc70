"""Second moments from one form into another, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from flanjax.interop import moments
from flanjax.interop.places import StoredArray, everything

WHOLE = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
# An outer product: what two means can tell of a matrix.
FACTORED = np.outer([1.0, 2.0, 3.0], [2.0, 4.0, 6.0, 8.0]).astype(np.float32)


def stored(array: np.ndarray) -> StoredArray:
    return StoredArray(array.shape, array.dtype, array.__getitem__)


def read(array: StoredArray) -> np.ndarray:
    return array.read(everything(array.shape))


@pytest.mark.parametrize(("kept", "axis"), [((0,), 1), ((1,), 0)])
def test_means_of_a_whole_moment(kept, axis):
    found = moments.mean({(0, 1): stored(WHOLE)}, (3, 4), kept)
    np.testing.assert_array_equal(read(found), WHOLE.mean(axis))
    np.testing.assert_array_equal(found.read((slice(1, 3),)), WHOLE.mean(axis)[1:3])


@pytest.mark.parametrize("first", [0, 1])
def test_a_whole_moment_of_two_means(first):
    means = [((0,), stored(FACTORED.mean(1))), ((1,), stored(FACTORED.mean(0)))]
    moment = dict(means[::-1] if first else means)
    found = moments.mean(moment, (3, 4), (0, 1))
    np.testing.assert_allclose(read(found), FACTORED, rtol=1e-6)
    part = found.read((slice(1, 2), slice(1, 3)))
    np.testing.assert_allclose(part, FACTORED[1:2, 1:3], rtol=1e-6)


def test_layers_stay_apart():
    layers = np.stack([FACTORED, 10 * FACTORED])
    moment = {(0, 1): stored(layers.mean(2)), (0, 2): stored(layers.mean(1))}
    found = moments.mean(moment, (2, 3, 4), (0, 1, 2))
    np.testing.assert_allclose(read(found), layers, rtol=1e-6)
    np.testing.assert_allclose(
        found.read((slice(1, 2), slice(0, 3), slice(2, 3))), layers[1:, :, 2:3]
    )


def test_a_moment_before_the_first_step_is_zero():
    moment = {(0,): moments.zeros((3,)), (1,): moments.zeros((4,))}
    assert not read(moments.mean(moment, (3, 4), (0, 1))).any()


def test_axes_are_those_of_optax():
    assert moments.factored_axes("head", (3, 4)) == ((0,), (1,))
    assert moments.factored_axes("embed", (4, 3)) == ((1,), (0,))
    assert moments.factored_axes("embed", (3, 3)) == ((0,), (1,))
    assert moments.factored_axes("layers/mlp/up", (9, 3, 4)) == ((0, 1), (0, 2))


def test_another_optimizer_has_no_such_state():
    wanted = {"mu/embed": (3, 4), "nu/embed": (3, 4), "count/0": ()}
    found = moments.to_leaves({"embed": {(0, 1): stored(WHOLE)}}, {"embed": (3, 4)}, wanted, step=2)
    assert found is None


def test_a_state_and_back():
    shapes = {"embed": (3, 4), "norm": (4,), "frozen": (5,)}
    wanted = {"v_row/embed": (3,), "v_col/embed": (4,), "v/norm": (4,), "count/0": (2,)}
    second = {"embed": {(0, 1): stored(WHOLE)}, "norm": {(0,): stored(WHOLE[0])}}
    leaves = moments.to_leaves(second, shapes, wanted, step=7)
    assert leaves is not None
    assert {name: array.shape for name, array in leaves.items()} == wanted
    assert read(leaves["count/0"]).tolist() == [7, 7]
    np.testing.assert_array_equal(read(leaves["v_row/embed"]), WHOLE.mean(1))
    again = moments.from_leaves(leaves, shapes)
    assert again is not None
    assert set(again) == {"embed", "norm"}
    np.testing.assert_array_equal(read(again["norm"][(0,)]), WHOLE[0])
    np.testing.assert_array_equal(read(again["embed"][(1,)]), WHOLE.mean(0))
