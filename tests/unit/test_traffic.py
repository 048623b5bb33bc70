"""Memory traffic: hand values, and XLA's own count where that takes no loop once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from flanjax.preflight import hlo, traffic

KERNELS = """\
HloModule jit_step

%take_layer (p: f32[10,8,128], i: s32[]) -> f32[8,128] {
  %p = f32[10,8,128] parameter(0)
  %i = s32[] parameter(1)
  %zero = s32[] constant(0)
  %layer = f32[1,8,128] dynamic-slice(%p, %i, %zero, %zero), dynamic_slice_sizes={1,8,128}
  ROOT %flat = f32[8,128] bitcast(%layer)
}

%put_layer (all: f32[10,8,128], one: f32[8,128], j: s32[]) -> f32[10,8,128] {
  %all = f32[10,8,128] parameter(0)
  %one = f32[8,128] parameter(1)
  %j = s32[] parameter(2)
  %wide = f32[1,8,128] bitcast(%one)
  %zero.1 = s32[] constant(0)
  ROOT %put = f32[10,8,128] dynamic-update-slice(%all, %wide, %j, %zero.1, %zero.1)
}

ENTRY %main (w: f32[10,8,128], k: s32[]) -> f32[10,8,128] {
  %w = f32[10,8,128] parameter(0)
  %k = s32[] parameter(1)
  %taken = f32[8,128] fusion(%w, %k), kind=kLoop, calls=%take_layer
  %near = f32[8,128]{1,0:S(1)} add(%taken, %taken)
  %double = f32[8,128] add(%near, %near)
  ROOT %stored = f32[10,8,128] fusion(%w, %double, %k), kind=kLoop, calls=%put_layer
}
"""
LAYER = 8 * 128 * 4


def test_a_slice_counts_and_not_what_it_is_cut_from():
    expected = {
        "taken": LAYER + 4 + LAYER,  # slice and index read, slice written
        "near": 2 * LAYER,  # read twice, written to on-chip memory
        "double": LAYER,  # read from there, written
        "stored": LAYER + 4 + LAYER,  # value and index read, value written
    }
    module = hlo.parse(KERNELS)
    main = module.computations["main"]
    assert {name: traffic._kernel_bytes(module, main, main[name]) for name in expected} == expected
    assert traffic.memory_bytes(module) == sum(expected.values())


def compiled(function, *shapes):
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.jit(function).lower(*arguments).compile()


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, w: jnp.tanh(x @ w), [(256, 128), (128, 512)]),
        (lambda x, w: jnp.sum(jnp.exp(x) @ w, axis=0), [(64, 128), (128, 32)]),
        (lambda x: jnp.sin(x) + jnp.cos(x[::-1]), [(4096,)]),
    ],
)
def test_without_loops_it_is_what_xla_counts(function, shapes):
    program = compiled(function, *shapes)
    own = traffic.memory_bytes(hlo.parse(program.as_text()))
    assert own == pytest.approx(program.cost_analysis()["bytes accessed"], rel=0.02)


def test_a_scan_of_layers_moves_as_much_as_its_layers_unrolled():
    def layer(x, w):
        return jnp.tanh(x @ w), None

    def scanned(x, w):
        return jax.lax.scan(layer, x, w)[0]

    def unrolled(x, w):
        for index in range(12):
            x, _ = layer(x, w[index])
        return x

    shapes = [(64, 128), (12, 128, 128)]
    loop, flat = (
        traffic.memory_bytes(hlo.parse(compiled(f, *shapes).as_text())) for f in (scanned, unrolled)
    )
    assert loop == pytest.approx(flat, rel=0.5)  # a loop copies the slice it takes
    xla = compiled(scanned, *shapes).cost_analysis()["bytes accessed"]
    assert loop > 4 * xla / 2  # which takes the body once
