"""Collectives are counted as hand-counted: kind, bytes, groups, each once."""

from __future__ import annotations

import pytest

from flanjax.preflight import collectives, hlo

PROGRAM = """\
HloModule jit_step

%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}

%all-reduce-scatter.3 (p: bf16[4,128]) -> bf16[2,128] {
  %p = bf16[4,128] parameter(0)
  %all-reduce.9 = bf16[4,128] all-reduce(%p), channel_id=3, replica_groups={{0,1},{2,3}}, to_apply=%add
  %zero = s32[] constant(0)
  ROOT %part = bf16[2,128] dynamic-slice(%all-reduce.9, %zero, %zero), dynamic_slice_sizes={2,128}
}

%first_part (q: bf16[2,128]) -> bf16[8,128] {
  %q = bf16[2,128] parameter(0)
  ROOT %all-gather.1 = bf16[8,128] all-gather(%q), channel_id=5, replica_groups=[1,4]<=[4], dimensions={0}, frontend_attributes={chain_id="0"}
}

%last_part (q.1: bf16[2,128]) -> bf16[8,128] {
  %q.1 = bf16[2,128] parameter(0)
  ROOT %all-gather.2 = bf16[8,128] all-gather(%q.1), channel_id=5, replica_groups=[1,4]<=[4], dimensions={0}, frontend_attributes={chain_id="0"}
}

%body (s: (s32[], f32[16])) -> (s32[], f32[16]) {
  %s = (s32[], f32[16]) parameter(0)
  %i = s32[] get-tuple-element(%s), index=0
  %x = f32[16] get-tuple-element(%s), index=1
  %permute-start = (f32[16], f32[16], u32[], u32[]) collective-permute-start(%x), source_target_pairs={{0,1},{1,0}}
  %permute = f32[16] collective-permute-done(%permute-start)
  %reduce = f32[16] all-reduce(%permute), replica_groups=mesh['x'=2,'y'=2] {'y'}, to_apply=%add, metadata={op_name="jit(step)/while/body/psum"}
  ROOT %both = (s32[], f32[16]) tuple(%i, %reduce)
}

%condition (c: (s32[], f32[16])) -> pred[] {
  %c = (s32[], f32[16]) parameter(0)
  %n = s32[] constant(6)
  %j = s32[] get-tuple-element(%c), index=0
  ROOT %less = pred[] compare(%j, %n), direction=LT
}

ENTRY %main (w: bf16[4,128], v: bf16[2,128], y: f32[16], z: f32[4]) -> (s32[], f32[16]) {
  %w = bf16[4,128] parameter(0)
  %v = bf16[2,128] parameter(1)
  %y = f32[16] parameter(2)
  %z = f32[4] parameter(3)
  %scattered = bf16[2,128] fusion(%w), kind=kCustom, calls=%all-reduce-scatter.3
  %begun = bf16[8,128] fusion(%v), kind=kCustom, calls=%first_part
  %ended = bf16[8,128] fusion(%v), kind=kCustom, calls=%last_part
  %gather-start = (f32[4], f32[8]) all-gather-start(%z), replica_groups={{0,2},{1,3}}, dimensions={0}
  %gather = f32[8] all-gather-done(%gather-start)
  %scatter = f32[1] reduce-scatter(%z), replica_groups={}, dimensions={0}, to_apply=%add
  %alone = f32[4] all-reduce(%z), replica_groups={{0},{1},{2},{3}}, to_apply=%add
  %exchange = f32[4] all-to-all(%z), replica_groups=[2,2]<=[2,2]T(1,0), dimensions={0}
  %zero.1 = s32[] constant(0)
  %start = (s32[], f32[16]) tuple(%zero.1, %y)
  ROOT %loop = (s32[], f32[16]) while(%start), condition=%condition, body=%body
}
"""  # noqa: E501


def found():
    return collectives.find(hlo.parse(PROGRAM), num_devices=4)


def test_every_collective_is_counted_once_with_its_bytes_group_and_times():
    counted = {(c.kind, c.num_bytes, c.group, c.times) for c in found()}
    assert counted == {
        ("reduce-scatter", 4 * 128 * 2, 2, 1),  # the kernel that reduces and keeps a part
        ("all-gather", 8 * 128 * 2, 4, 1),  # one, in two parts
        ("all-gather", 8 * 4, 2, 1),  # started and done
        ("reduce-scatter", 4 * 4, 4, 1),  # what is reduced; no group names all devices
        ("all-to-all", 4 * 4, 2, 1),
        ("collective-permute", 16 * 4, 2, 6),
        ("all-reduce", 16 * 4, 2, 6),
    }
    assert len(found()) == len(counted)  # and a group of one sends nothing


def test_a_ring_sends_all_but_ones_own_part_and_twice_that_to_reduce():
    sent = {(c.kind, c.group): c.sent for c in found()}
    assert sent == {
        ("reduce-scatter", 2): 1024 / 2,
        ("all-gather", 4): 2048 * 3 / 4,
        ("all-gather", 2): 32 / 2,
        ("reduce-scatter", 4): 16 * 3 / 4,
        ("all-to-all", 2): 16 / 2,
        ("collective-permute", 2): 64 * 6,
        ("all-reduce", 2): 2 * 64 / 2 * 6,
    }


def test_totals_are_sums_by_kind():
    totals = {total.kind: total for total in collectives.totals(found())}
    assert list(totals) == [*collectives.KINDS]
    assert totals["all-gather"] == ("all-gather", 2, 2048 + 32, 1536 + 16, 0)
    assert totals["all-reduce"].num == 6


def test_loops_of_unknown_length_are_told_of():
    text = PROGRAM.replace("direction=LT", "direction=GE")
    totals = collectives.totals(collectives.find(hlo.parse(text), 4))
    assert {t.kind: (t.num, t.num_unknown) for t in totals if t.num_unknown} == {
        "all-reduce": (1, 1),
        "collective-permute": (1, 1),
    }


def test_a_collective_names_its_largest_array_and_its_place():
    reduce = next(c for c in found() if c.kind == "all-reduce")
    assert str(reduce.array) == "f32[16]"
    assert reduce.op_name == "jit(step)/while/body/psum"


def test_activations_of_every_row_are_told_from_what_else_is_moved():
    def moved(*sizes: int) -> collectives.Collective:
        array = hlo.Array("bf16", sizes)
        return collectives.Collective("all-gather", array, array.num_bytes, 8, 1, True, "")

    of_rows = [moved(64, 16, 512), moved(64 * 16, 512), moved(64, 4, 512)]
    others = [
        moved(64, 16),  # tokens
        moved(8, 16, 512),  # of one device
        moved(512, 512),  # a weight
        moved(64, 512),
    ]
    found = collectives.of_whole_batch([*of_rows, *others], 64, (16, 4))
    assert found == of_rows


@pytest.mark.parametrize(
    ("attributes", "group"),
    [
        (", replica_groups={{0,2},{1,3}}", 2),
        (", replica_groups=[64,4]<=[256]", 4),
        (", replica_groups=mesh['a'=2,'b'=3,'c'=5] {'a','c'}, x", 10),
        (", replica_groups=mesh['a'=2,'b'=4], device_ids=([2,4]T(1,0)) {'b'}", 4),
        (", replica_groups={}", 4),
    ],
)
def test_groups_are_read_in_every_form(attributes, group):
    text = PROGRAM.replace(", replica_groups=[2,2]<=[2,2]T(1,0)", attributes)
    exchange = next(c for c in collectives.find(hlo.parse(text), 4) if c.kind == "all-to-all")
    assert exchange.group == group
