"""Errors of want of memory, as XLA wrote them on users' machines."""

from __future__ import annotations

import pytest

from flanjax.preflight import out_of_memory
from flanjax.preflight.out_of_memory import Buffer

GIB = 2**30

TPU_COMPILER = """\
RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in memory space hbm. \
Used 63.80G of 30.75G hbm. Exceeded hbm capacity by 33.05G.

Total hbm usage >= 65.05G:
    reserved          1.25G
    program          63.80G
    arguments            0B

Output size 0B; shares 0B with arguments.

Program hbm requirement 63.80G:
    global            1.14M
    scoped            4.56M
    HLO temp         63.79G (100.0% utilization: Unpadded (63.58G) Padded (63.58G), 0.3% \
fragmentation (210.89M))

  Largest program allocations in hbm:

  1. Size: 1.50G
     Operator: op_name="jit(train_step)/mlp/dot_general" source_file="mlp.py" source_line=12
     Shape: bf16[32,4096,6144]{1,2,0:T(8,128)(2,1)}
     Unpadded size: 1.50G
     XLA label: fusion.7 = fusion(custom-call.1), kind=kOutput, calls=fused_computation.1
     Allocation type: HLO temp
     ==========================

  2. Size: 2.00G
     Operator: op_name="jit(train_step)/jit(main)/jvp(Model)/h/0/self_attention/dot_general" \
source_file="attention_module.py" source_line=1059
     Shape: f32[32,4096,4096]{1,2,0:T(8,128)}
     Unpadded size: 2.00G
     XLA label: fusion.1265.remat3 = fusion(custom-call.224, custom-call.241), kind=kOutput
     Allocation type: HLO temp
     ==========================

  3. Size: 96.0K
     Shape: s32[24576]{0:T(1024)}
     Unpadded size: 96.0K
     Allocation type: HLO temp
     ==========================
"""
TPU_COMPILER_SHORT = (
    "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO temporaries "
    "(60.34G) exceeds available HBM (15.75G)."
)
TPU_ALLOCATOR = (
    "RESOURCE_EXHAUSTED: Error allocating device buffer: Attempting to allocate 2.00G. That was "
    "not possible. There are 1.31G free.; (0x0x0_HBM0)"
)
TPU_LOADER = (
    "RESOURCE_EXHAUSTED: Error loading program 'jit__multi_slice': Attempting to reserve 6.14G at "
    "the bottom of memory. That was not possible. There are 4.76G free, 0B reserved, and 4.76G "
    "reservable."
)
GPU_BUFFERS = """\
RESOURCE_EXHAUSTED: Out of memory while trying to allocate 29995136256 bytes.
BufferAssignment OOM Debugging.
BufferAssignment stats:
             parameter allocation:    6.00MiB
              constant allocation:         0B
        maybe_live_out allocation:    6.00MiB
     preallocated temp allocation:   27.93GiB
                 total allocation:   27.95GiB
Peak buffers:
\tBuffer 1:
\t\tSize: 96.00MiB
\t\tOperator: op_name="pjit(train_step)/encoder/layers_2/attention/bqhd,bkhd->bhqk/dot_general" \
source_file="contextlib.py" source_line=79
\t\tXLA Label: custom-call
\t\tShape: bf16[128,6,256,256]
\t\t==========================

\tBuffer 2:
\t\tSize: 384.0KiB
\t\tEntry Parameter Subshape: f32[256,128,3]
\t\t==========================
"""
GPU_SHORT = (
    "RESOURCE_EXHAUSTED: Failed to allocate request for 2.99GiB (3206250496B) on device ordinal 0"
)
GPU_ALLOCATOR = (
    "Allocator (GPU_1_bfc) ran out of memory trying to allocate 27.93GiB (rounded to 29995136256)"
    "requested by op"
)
GPU_PLAIN = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 4770354232 bytes."
CPU_PLAIN = "RESOURCE_EXHAUSTED: Out of memory allocating 1099511627776 bytes."


def read(text: str) -> out_of_memory.Shortage:
    shortage = out_of_memory.read(text)
    assert shortage is not None
    return shortage


@pytest.mark.parametrize(
    ("text", "needed", "is_whole", "available"),
    [
        (TPU_COMPILER, 63.80 * GIB, True, 30.75 * GIB),
        (TPU_COMPILER_SHORT, 60.34 * GIB, True, 15.75 * GIB),
        (TPU_ALLOCATOR, 2 * GIB, False, 1.31 * GIB),
        (TPU_LOADER, 6.14 * GIB, False, 4.76 * GIB),
        (GPU_BUFFERS, 29_995_136_256, False, None),
        (GPU_SHORT, 2.99 * GIB, False, None),
        (GPU_ALLOCATOR, 27.93 * GIB, False, None),
        (GPU_PLAIN, 4_770_354_232, False, None),
        (CPU_PLAIN, 2**40, False, None),
    ],
)
def test_what_was_needed_and_what_there_was(text, needed, is_whole, available):
    shortage = read(text)
    assert shortage.needed == pytest.approx(needed, abs=1)
    assert shortage.is_whole == is_whole
    assert shortage.available == (None if available is None else pytest.approx(available, abs=1))


def test_the_largest_arrays_of_a_tpu_program_come_first():
    attention, mlp, small = read(TPU_COMPILER).buffers
    assert (attention.num_bytes, attention.shape) == (2 * GIB, "f32[32,4096,4096]")
    assert attention.op_name.endswith("/h/0/self_attention/dot_general")
    assert (mlp.num_bytes, mlp.shape) == (1.5 * GIB, "bf16[32,4096,6144]")
    assert small == Buffer(96 * 2**10, "s32[24576]", "")


def test_the_buffers_of_a_gpu_program_are_read():
    first, second = read(GPU_BUFFERS).buffers
    assert (first.num_bytes, first.shape) == (96 * 2**20, "bf16[128,6,256,256]")
    assert second == Buffer(384 * 2**10, "f32[256,128,3]", "")


def test_lines_for_people():
    shortage = read(TPU_COMPILER)
    assert shortage.headline() == "out of memory: needs 63.80 GiB of 30.75 GiB"
    assert shortage.largest() == (
        "largest arrays: 2.00 GiB f32[32,4096,4096] of self_attention/dot_general; "
        "1.50 GiB bf16[32,4096,6144] of mlp/dot_general; 0.1 MiB s32[24576]"
    )
    assert read(TPU_LOADER).headline() == (
        "out of memory: no room for 6.14 GiB more with 4.76 GiB left"
    )
    assert read(GPU_SHORT).headline() == "out of memory: no room for 2.99 GiB more"
    assert read(GPU_SHORT).largest() == "largest arrays: nobody names any"
    assert read("RESOURCE_EXHAUSTED: it is over").headline() == "out of memory"


@pytest.mark.parametrize(
    "text",
    ["INVALID_ARGUMENT: shapes do not fit", "INTERNAL: CUDA_ERROR_ILLEGAL_ADDRESS", ""],
)
def test_other_errors_are_left_alone(text):
    assert out_of_memory.read(text) is None
