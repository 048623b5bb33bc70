"""Arrays of a checkpoint read in another type."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from flanjax.interop.places import StoredArray, cast

VALUES = np.array([1.0, -7e4, np.inf, 6e4], np.float32)
EVERYTHING = (slice(0, 4),)
STORED = StoredArray(VALUES.shape, VALUES.dtype, VALUES.__getitem__)


def test_one_value_out_of_range_is_named():
    array = cast(STORED, np.dtype(np.float16), "head")
    with pytest.raises(ValueError, match="head must fit float16, got 70000 in 1 places; use bfl"):
        array.read(EVERYTHING)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_infinity_is_kept(dtype):
    found = cast(STORED, np.dtype(dtype), "head").read(EVERYTHING)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, VALUES.astype(dtype))
