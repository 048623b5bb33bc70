"""How answers are written, refused where it does not hold together."""

from __future__ import annotations

import pytest

from flanjax.models.generation import DecodeConfig


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"method": "best"}, "method must be greedy, sample or beam, got 'best'; choose one"),
        ({"temperature": 0.5}, "temperature must go with method sample, got 0.5 with greedy"),
        ({"method": "beam", "top_k": 5}, "top_k must go with method sample, got 5 with beam"),
        ({"method": "beam", "top_p": 0.5}, "top_p must go with method sample, got 0.5 with beam"),
        ({"method": "sample", "num_beams": 2}, "num_beams must go with method beam, got 2"),
        ({"length_penalty": 1.0}, "length_penalty must go with method beam, got 1.0 with greedy"),
        ({"num_answers": 2}, "num_answers must go with method sample or beam, got 2 with greedy"),
        ({"method": "sample", "temperature": 0.0}, "temperature must be positive, got 0.0"),
        ({"method": "sample", "temperature": float("nan")}, "temperature must be positive"),
        ({"method": "sample", "top_k": -1}, "top_k must not be negative, got -1; use 0"),
        ({"method": "sample", "top_p": 0.0}, r"top_p must lie in \(0, 1\], got 0.0; use 1"),
        ({"method": "sample", "top_p": 1.5}, r"top_p must lie in \(0, 1\], got 1.5"),
        ({"method": "sample", "num_answers": 0}, "num_answers must be positive, got 0; use 1"),
        ({"method": "beam", "num_beams": 0}, "num_beams must be positive, got 0; use 1"),
        ({"method": "beam", "length_penalty": -0.1}, "length_penalty must not be negative"),
        ({"method": "beam", "num_answers": 5}, "num_answers must be at most the 4 beams, got 5"),
    ],
)
def test_what_does_not_hold_together_is_refused(fields, told):
    with pytest.raises(ValueError, match=f"decode {told}"):
        DecodeConfig(**fields)


def test_the_default_is_greedy():
    assert DecodeConfig().method == "greedy"
