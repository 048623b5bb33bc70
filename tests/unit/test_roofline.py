"""The roofline and the table of chips, by hand."""

from __future__ import annotations

import pytest

from flanjax import chips
from flanjax.chips import Chip
from flanjax.preflight import hlo, roofline
from flanjax.preflight.collectives import Collective

CHIP = Chip("t", "Test", 100e12, 16, 1e12, 50e9, num_axes=2)


def gather(num_bytes: int, group: int, times: int = 1) -> Collective:
    array = hlo.Array("u8", (num_bytes,))
    return Collective("all-gather", array, num_bytes, group, times, True, "")


def test_a_step_takes_at_least_the_longest_of_three_times():
    found = roofline.estimate(
        CHIP,
        flops=30e12,
        repeated_flops=10e12,
        memory_bytes=500e9,
        collectives=[gather(10**10, group=4, times=2)],
        torus=(4, 4),
    )
    assert found.compute_s == pytest.approx(0.4)
    assert found.memory_s == pytest.approx(0.5)
    # 3/4 of 10 GB, twice, over both directions of one axis.
    assert found.links_s == pytest.approx(2 * 7.5e9 / 100e9)
    assert (found.step_s, found.bound) == (found.memory_s, "memory")
    assert found.utilization == pytest.approx(0.3 / 0.5)  # what is computed again is no use


@pytest.mark.parametrize(
    ("group", "torus", "num_axes"),
    [
        (4, (4, 4), 1),
        (16, (16, 16), 1),
        (32, (16, 16), 2),
        (256, (16, 16), 2),
        (8, (4, 4, 8), 1),
        (64, (4, 4, 8), 3),
        (8, (), 1),
    ],
)
def test_a_group_spans_as_few_axes_as_hold_it(group, torus, num_axes):
    assert roofline.num_axes(group, torus) == num_axes


def test_a_group_over_two_axes_sends_along_both():
    one, two = (
        roofline.estimate(
            CHIP, flops=0, memory_bytes=0, collectives=[gather(10**10, 16)], torus=torus
        ).links_s
        for torus in [(16, 16), (4, 4)]
    )
    assert one == pytest.approx(2 * two)


def test_a_switch_has_no_rings():
    switch = CHIP._replace(num_axes=0)
    found = roofline.estimate(switch, flops=0, memory_bytes=0, collectives=[gather(10**10, 2)])
    assert found.links_s == pytest.approx(5e9 / 50e9)


@pytest.mark.parametrize(
    ("topology", "peak", "gigabytes_per_s", "bidirectional"),
    [
        ("v5e:16x16", 197e12, 819, 400),
        ("v5p:4x4x8", 459e12, 2765, 1200),
        ("v6e:16x16", 918e12, 1638, 800),
    ],
)
def test_tpus_are_those_of_their_pages(topology, peak, gigabytes_per_s, bidirectional):
    chip = chips.of_topology(topology)
    assert chip is not None
    assert chip.peak_flops == peak
    assert chip.hbm_bandwidth == gigabytes_per_s * 1e9
    # The page counts all links and both directions of each.
    assert 2 * chip.num_axes * 2 * chip.link_bandwidth == bidirectional * 1e9
    assert chip.ring_bandwidth(chip.num_axes) == bidirectional * 1e9 / 2


def test_every_name_of_a_tpu_is_one_chip():
    by_name: dict[str, set[tuple[object, ...]]] = {}
    for chip in chips.CHIPS:
        if chip.topologies:
            by_name.setdefault(chip.name, set()).add(chip[2:])
    assert all(len(figures) == 1 for figures in by_name.values())


def test_unknown_chips_are_none():
    assert chips.of_kind("cpu") is None
    assert chips.of_topology("v9:2x2") is None
    assert chips.of_topology("H100:2x2") is None
    assert [line.partition(":")[0] for line in chips.known_topologies()] == [
        "v4", "v5e", "v5p", "v6e",
    ]  # fmt: skip
