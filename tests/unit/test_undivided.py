"""What a mesh axis does not divide is told in a line each."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from jax.sharding import Mesh

from flanjax.models import families
from flanjax.undivided import undivided_lines
from tests.unit.tiny_models import TINY_DECODER


def mesh_of(fsdp: int, tensor: int) -> Mesh:
    """Returns a mesh of a shape; one device stands for all, as nothing is placed."""
    devices = np.broadcast_to(np.array(jax.devices()[0]), (1, fsdp, tensor))
    return Mesh(devices, ("data", "fsdp", "tensor"))


def lines(fsdp: int, tensor: int, **changes: int) -> list[str]:
    config = dataclasses.replace(TINY_DECODER, **changes)
    return undivided_lines(families.make_model(config), mesh_of(fsdp, tensor))


def test_nothing_is_told_of_one_device():
    assert lines(1, 1) == []


def test_a_dimension_that_stays_whole_is_told_with_its_parameters():
    # d_model 4, vocabulary 11, d_ff 5, two heads of two channels and one of keys.
    assert lines(1, 2, d_ff=6) == [
        (
            "vocab_size of 11 is no multiple of tensor = 2 and is not split over it: embed; choose "
            "another tensor"
        ),
        (
            "1 key and value heads are no multiple of tensor = 2: their channels lie on different "
            "devices and are gathered in every layer; choose another tensor"
        ),
    ]


def test_every_dimension_and_axis_has_its_line():
    told = lines(3, 2)
    assert [line.partition(" and ")[0].partition(":")[0] for line in told[:3]] == [
        "vocab_size of 11 is no multiple of tensor = 2",
        "d_model of 4 is no multiple of fsdp = 3",
        "d_ff of 5 is no multiple of tensor = 2",
    ]
    assert told[3].startswith("1 key and value heads are no multiple of tensor = 2")
    assert " more" in told[1]  # of many parameters the first few are named


def test_heads_that_would_be_cut_are_told_though_their_channels_divide():
    (heads, keys) = lines(1, 2, vocab_size=12, d_ff=6, num_heads=3, num_kv_heads=3)
    assert heads.startswith("3 heads are no multiple of tensor = 2: their channels lie on ")
    assert keys.startswith("3 key and value heads are no multiple of tensor = 2")
