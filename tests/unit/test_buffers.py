"""The compiler's memory report names the largest temporaries."""

from __future__ import annotations

from flanjax.preflight import buffers, hlo
from flanjax.preflight.out_of_memory import Buffer

REPORT = """\
Memory Space: default (color=0)
Total bytes: 480154447872 (447.18GiB)
  cumulative_size;       size;       offset; used_by_n_values; shapes_list
  ------------------------------------------------------------
  149.06GiB( 33%);    3.00GiB;            0;                4; 2×bf16[4,4], 2×f32[64,128]
  298.12GiB( 67%);    2.00MiB; 320102400000;                2; 2×s32[16,16]
  447.18GiB(100%);  149.06GiB; 160051200000;                4; f32[1,1], 3×f32[200,200]
  447.18GiB(100%);       512B; 480153632768;                1; (f32[200], f32[200])

  cumulative_size;       size;       offset; used_by_n_values; shapes_list
  ------------------------------------------------------------
   784.0GiB(100%);   784.0GiB;            0;                1; f32[200000]
"""  # noqa: RUF001
PROGRAM = """\
HloModule jit_step

ENTRY %main (x: f32[200,200]) -> f32[64,128] {
  %x = f32[200,200] parameter(0), metadata={op_name="state.params"}
  %y = f32[200,200]{1,0:T(8,128)} add(%x, %x), metadata={op_name="jit(step)/layer/add"}
  ROOT %z = f32[64,128] slice(%y), metadata={op_name="jit(step)/layer/slice"}
}
"""


def test_places_are_ordered_and_named_by_their_largest_array():
    found = buffers.largest(REPORT, hlo.parse(PROGRAM))
    assert found == [
        Buffer(round(149.06 * 2**30), "f32[200,200]", "jit(step)/layer/add"),
        Buffer(3 * 2**30, "f32[64,128]", "jit(step)/layer/slice"),
        Buffer(2 * 2**20, "s32[16,16]", ""),
        Buffer(512, "f32[200]", ""),
    ]


def test_without_a_report_nothing_is_named():
    assert buffers.largest("", None) == []
