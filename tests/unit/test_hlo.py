"""Compiled HLO is read as it stands: shapes, calls, and runs of a loop's body."""

from __future__ import annotations

import pytest

from flanjax.preflight import hlo

# A loop of 3 around a loop of 5, as the TPU's compiler writes them: nothing says how often.
NESTED = """\
HloModule jit_step, is_scheduled=true

%inner_condition (p: (s32[], f32[8])) -> pred[] {
  %limit.1 = s32[]{:T(128)} constant(5)
  %p = (s32[], f32[8]) parameter(0)
  %count = s32[] get-tuple-element(%p), index=0
  ROOT %less = pred[] compare(%count, %limit.1), direction=LT
}

%inner_body (p.1: (s32[], f32[8])) -> (s32[], f32[8]) {
  %p.1 = (s32[], f32[8]{0:T(8,128)(2,1)}) parameter(0)
  %count.1 = s32[] get-tuple-element(%p.1), index=0
  %x.1 = f32[8] get-tuple-element(%p.1), index=1
  %fusion.1 = f32[8] fusion(%x.1), kind=kLoop, calls=%kernel
  ROOT %both.1 = (s32[], f32[8]) tuple(%count.1, %fusion.1)
}

%kernel (k: f32[8]) -> f32[8] {
  %k = f32[8] parameter(0)
  ROOT %double = f32[8] add(%k, %k), metadata={op_name="jit(step)/while/body/add"}
}

%outer_condition (q: (s32[], f32[8])) -> pred[] {
  %q = (s32[], f32[8]) parameter(0)
  %limit.2 = s32[] constant(4)
  %count.2 = s32[] get-tuple-element(%q), index=0
  ROOT %less.2 = pred[] compare(%count.2, %limit.2), direction=LT
}

%outer_body (q.1: (s32[], f32[8])) -> (s32[], f32[8]) {
  %q.1 = (s32[], f32[8]) parameter(0)
  %zero = s32[] constant(0)
  %x.2 = f32[8] get-tuple-element(%q.1), index=1
  %start = (s32[], f32[8]) tuple(%zero, %x.2)
  ROOT %loop.1 = (s32[], f32[8]) while(%start), condition=%inner_condition, body=%inner_body
}

ENTRY %main (x: f32[8], n: s32[]) -> (s32[], f32[8]) {
  %x = f32[8]{0:T(8)S(1)} parameter(0)
  %n = s32[] parameter(1)
  %one = s32[] constant(1)
  %copy.1 = s32[] copy(%one)
  %start.2 = (s32[], f32[8]) tuple(%copy.1, %x)
  ROOT %loop = (s32[], f32[8]) while(%start.2), condition=%outer_condition, body=%outer_body
}
"""


def times(text: str) -> dict[str, tuple[int, bool]]:
    return {run.computation: (run.times, run.is_known) for run in hlo.runs(hlo.parse(text))}


def test_loops_multiply_by_what_their_conditions_say():
    assert times(NESTED) == {
        "main": (1, True),
        "outer_body": (3, True),  # from 1 to 4
        "inner_body": (15, True),
        "kernel": (15, True),
    }


def test_only_the_inside_of_a_kernel_is_fused():
    fused = {run.computation: run.is_fused for run in hlo.runs(hlo.parse(NESTED))}
    assert fused == {"main": False, "outer_body": False, "inner_body": False, "kernel": True}


def test_what_the_compiler_wrote_down_of_a_loop_counts_first():
    known = 'body=%inner_body, backend_config={"known_trip_count":{"n":"7"}}'
    assert times(NESTED.replace("body=%inner_body", known))["inner_body"] == (21, True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tuple(%copy.1, %x)", "tuple(%n, %x)"),  # starts anywhere
        ("compare(%count.2, %limit.2), direction=LT", "compare(%count.2, %limit.2), direction=NE"),
        ("%limit.2 = s32[] constant(4)", "%limit.2 = s32[] get-tuple-element(%q), index=0"),
    ],
)
def test_a_loop_that_does_not_say_counts_once_and_is_not_known(old, new):
    assert times(NESTED.replace(old, new)) == {
        "main": (1, True),
        "outer_body": (1, False),
        "inner_body": (5, False),
        "kernel": (5, False),
    }


def test_arrays_have_types_sizes_and_a_place():
    entry = hlo.parse(NESTED).computations["main"]
    (x,) = entry["x"].shapes
    assert (x.dtype, x.sizes, x.num_bytes, x.in_memory, str(x)) == (
        "f32", (8,), 32, False, "f32[8]",
    )  # fmt: skip
    count, rest = entry["loop"].shapes
    assert (count.num_bytes, rest.num_bytes, rest.in_memory) == (4, 32, True)


@pytest.mark.parametrize(
    ("dtype", "bits"), [("pred", 8), ("bf16", 16), ("s4", 4), ("f8e4m3fn", 8), ("c64", 64)]
)
def test_bits_of_types(dtype, bits):
    assert hlo.bits(dtype) == bits
    assert hlo.Array(dtype, (3, 5)).num_bytes == -(-15 * bits // 8)


def test_an_instruction_names_where_it_comes_from():
    kernel = hlo.parse(NESTED).computations["kernel"]
    assert kernel["double"].op_name() == "jit(step)/while/body/add"
    assert kernel["k"].op_name() == ""
    assert kernel["double"].operands == ("k", "k")


def test_text_without_an_entry_is_refused():
    with pytest.raises(ValueError, match="must have an ENTRY"):
        hlo.parse("HloModule empty\n")
