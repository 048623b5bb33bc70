"""Sizes of models that cannot work."""

import dataclasses

import pytest

from flanjax.models.configs import BlockConfig, RelativeConfig, RotaryConfig
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config

T5 = T5Config()
RELATIVE = RelativeConfig(num_buckets=8, max_distance=20)
DECODER = DecoderConfig(num_heads=4, num_kv_heads=2)


@pytest.mark.parametrize(
    ("config", "change", "message"),
    [
        (T5, {"d_ff": 0}, r"T5Config d_ff must be positive, got 0; raise it\."),
        (T5, {"dropout_rate": 1.0}, r"dropout_rate must lie in \[0, 1\), got 1\.0"),
        (T5, {"dtype": "float16"}, r"dtype must be float32 or bfloat16, got 'float16'"),
        (T5, {"remat": "some"}, r"remat must be none, full or dots, got 'some'"),
        (RELATIVE, {"num_buckets": 9}, r"num_buckets must be even and at least 4, got 9"),
        (
            RELATIVE,
            {"max_distance": 4},
            r"max_distance must exceed half of num_buckets, got 4",
        ),
        (DECODER, {"num_kv_heads": 3}, r"num_kv_heads must divide num_heads, got 3 and 4"),
        (DECODER, {"d_head": 5}, r"d_head times .* must be even for rotary pairs, got 5 of 5"),
        (RotaryConfig(), {"theta": 0.0}, r"RotaryConfig theta must be positive, got 0\.0"),
        (BlockConfig(), {"norm_eps": 0.0}, r"BlockConfig norm_eps must be positive, got 0\.0"),
    ],
)
def test_a_size_that_cannot_work_is_refused(config, change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(config, **change)
