"""What eight devices write is what one writes, from a cache that is split."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from flanjax import parallel
from flanjax.engine.pack import prompts as prompt_rows
from flanjax.models import families, unrolled
from flanjax.models.api import is_axes
from flanjax.models.decoder import DecoderConfig
from flanjax.models.generation import DecodeConfig, generate
from flanjax.models.t5 import T5Config
from flanjax.parallel import MeshConfig, make_mesh

T5 = T5Config(
    vocab_size=64, d_model=32, d_ff=64, num_heads=4, d_head=8,
    num_encoder_layers=2, num_decoder_layers=2, dropout_rate=0.0,
)  # fmt: skip
DECODER = DecoderConfig(
    vocab_size=64, d_model=32, d_ff=64, num_heads=4, num_kv_heads=2, d_head=8, num_layers=2
)
METHODS = {
    "greedy": DecodeConfig(),
    "sample": DecodeConfig(method="sample", top_k=20, top_p=0.9, num_answers=2),
    "beam": DecodeConfig(method="beam", num_beams=3, num_answers=2),
}
MESH = MeshConfig(data=2, fsdp=2, tensor=2)
BATCH, LENGTH = 8, 6


def compiled(config, how, mesh):
    """Returns the compiled program, and its arguments laid over the mesh."""
    model = families.make_model(config)
    shapes = jax.eval_shape(model.init, jax.random.key(2))
    shardings = jax.tree.map(
        lambda axes, leaf: parallel.param_sharding(mesh, axes, leaf.shape),
        model.axes, shapes, is_leaf=is_axes,
    )  # fmt: skip
    params = jax.device_put(jax.jit(model.init)(jax.random.key(2)), shardings)
    rng = np.random.default_rng(0)
    prompts = [rng.integers(3, 64, n).astype(np.int32) for n in rng.integers(1, 12, BATCH)]
    rows = parallel.put_rows(prompt_rows(prompts, 12, end_id=None), mesh=mesh)
    keys_B = jax.random.split(jax.random.key(1), BATCH)

    def write(params, rows):
        return generate(
            model, params, rows, how, start_id=1, eos_id=1, max_length=LENGTH,
            stops=((5, 6), (9,)), keys_B=keys_B,
            lay_cache=functools.partial(unrolled.lay_cache, mesh=mesh),
        )  # fmt: skip

    program = jax.jit(parallel.on_mesh(write, mesh)).lower(params, rows).compile()
    return program, (params, rows)


@pytest.mark.parametrize(
    ("config", "method"),
    [(T5, "sample"), (T5, "beam"), (DECODER, "greedy"), (DECODER, "beam")],
)
def test_eight_devices_write_what_one_writes_from_a_cache_in_shards(config, method):
    found, one = (
        compiled(config, METHODS[method], mesh)
        for mesh in (make_mesh(MESH), make_mesh(MeshConfig(), num_devices=1))
    )
    theirs, ours = (program(*arguments) for program, arguments in (one, found))
    np.testing.assert_array_equal(ours.tokens, theirs.tokens)
    np.testing.assert_allclose(ours.scores, theirs.scores, rtol=0, atol=1e-4)
    num_rows = {"greedy": 1, "sample": 2, "beam": 3}[method] * BATCH
    num_heads = config.num_heads if config is T5 else config.num_kv_heads
    whole, all_rows, all_heads, shard = (
        f"f32[{num_rows // rows},{num_heads // heads},{LENGTH},8]"
        for rows, heads in ((1, 1), (1, 2), (4, 1), (4, 2))
    )
    assert whole in one[0].as_text()
    text = found[0].as_text()
    assert shard in text
    assert not [shape for shape in (whole, all_rows, all_heads) if shape in text]
