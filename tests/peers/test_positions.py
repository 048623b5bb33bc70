"""Buckets of relative position are those of Hugging Face transformers.

Needs torch and transformers; run by itself: pytest tests/peers.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
import torch
import transformers

from flanjax.models import positions


@pytest.mark.parametrize("is_bidirectional", [False, True])
@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (32, 20), (8, 16), (64, 500)])
def test_relative_buckets_are_those_of_transformers(is_bidirectional, num_buckets, max_distance):
    offsets = np.arange(-1000, 1001)
    t5_attention = transformers.models.t5.modeling_t5.T5Attention
    expected = t5_attention._relative_position_bucket(
        torch.tensor(offsets),
        bidirectional=is_bidirectional,
        num_buckets=num_buckets,
        max_distance=max_distance,
    ).numpy()
    ours = positions.relative_buckets(
        jnp.asarray(offsets),
        is_bidirectional=is_bidirectional,
        num_buckets=num_buckets,
        max_distance=max_distance,
    )
    np.testing.assert_array_equal(np.asarray(ours), expected)
