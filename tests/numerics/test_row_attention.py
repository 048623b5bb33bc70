"""Kernels of attention against the plain path, in the models that use them."""

import dataclasses
import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flanjax.data.batch import EncoderInput, SeqBatch
from flanjax.models import attention, families, kernels, row_attention
from flanjax.models.configs import AttentionConfig, BlockConfig, RelativeConfig, RotaryConfig
from flanjax.models.decoder import DecoderConfig
from flanjax.models.row_attention import Sight, check_backend, choose, for_platform
from flanjax.models.t5 import T5Config

SEGMENTS = jnp.asarray([[1] * 5 + [2] * 9 + [3] * 4 + [0] * 2, [1] * 20])
ATTENTION = {
    "causal": AttentionConfig(),
    "cap and a window": AttentionConfig(cap=5.0, window=3, layer_pattern="l"),
    "windows in turn": AttentionConfig(window=3, layer_pattern="lg"),
}


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    kernels = dict(row_attention._KERNELS)
    kernels["splash"] = functools.partial(kernels["splash"], interpret=True)
    monkeypatch.setattr(row_attention, "_KERNELS", kernels)


def heads(num_heads, num_kv_heads, width=8):
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = [(2, 20, n, width) for n in (num_heads, num_kv_heads, num_kv_heads)]
    return [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize(("reach", "cap"), [(0, 0.0), (4, 0.0), (0, 2.0)])
def test_splash_reads_what_the_plain_path_reads(is_causal, reach, cap):
    q, k, v = heads(4, 2)
    mask = attention.segment_mask(SEGMENTS, SEGMENTS)
    if is_causal:
        mask = attention.causal_mask(SEGMENTS)
    if reach:
        rows = jnp.arange(20)[None]
        mask = mask & attention.within_window(rows, rows, reach)
    sight = Sight(query_segments=SEGMENTS, key_segments=SEGMENTS, is_causal=is_causal, reach=reach)

    def plain(q, k, v):
        return attention.attend(q, [attention.KeyValues(k, v, mask)], scale=0.3, cap=cap)

    def splash(q, k, v):
        return row_attention.attend_rows("splash", q, k, v, sight, scale=0.3, cap=cap)

    is_real = (SEGMENTS > 0)[:, :, None, None]
    results = {}
    for function in (plain, splash):
        out, pull = jax.vjp(lambda *x, function=function: function(*x) * is_real, q, k, v)
        results[function] = (out, *pull(jnp.cos(jnp.arange(out.size)).reshape(out.shape)))
    for got, want in zip(results[splash], results[plain], strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)


def decoder(kind, **changes):
    return DecoderConfig(
        vocab_size=30, d_model=16, d_ff=16, num_heads=4, num_kv_heads=2, d_head=8, num_layers=2,
        block=BlockConfig(attention=ATTENTION[kind]), **changes,
    )  # fmt: skip


MODELS = {
    **{kind: decoder(kind) for kind in ATTENTION},
    "a prefix": decoder("causal", prefix_lm=True),
    "an encoder-decoder": T5Config(
        vocab_size=30, d_model=16, d_ff=16, num_heads=4, d_head=8, num_encoder_layers=2,
        num_decoder_layers=2, dropout_rate=0.0,
    ),
    "a table in each layer": T5Config(
        vocab_size=30, d_model=16, d_ff=16, num_heads=4, d_head=8, num_encoder_layers=1,
        num_decoder_layers=1, dropout_rate=0.0, positions=RelativeConfig(is_shared=False),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("backend", "kind"),
    [*(("splash", kind) for kind in ATTENTION), *(("flash", kind) for kind in MODELS)],
)
def test_a_model_by_a_kernel_is_the_plain_one(backend, kind):
    config = MODELS[kind]
    batch = rows_of_two(config)

    def gradients(name):
        model = families.make_model(dataclasses.replace(config, attention_backend=name))
        params = model.init(jax.random.key(0))

        def loss(params):
            return jnp.sum(jnp.sin(model.hidden(params, batch)) * (SEGMENTS > 0)[..., None])

        return jax.jit(jax.value_and_grad(loss))(params)

    (loss, grads), (plain_loss, plain) = gradients(backend), gradients("xla")
    np.testing.assert_allclose(loss, plain_loss, rtol=1e-4)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-3)
    jax.tree.map(close, grads, plain)


def test_layers_with_windows_in_turn_differ():
    def hidden(kind):
        model = families.make_model(decoder(kind))
        return model.hidden(model.init(jax.random.key(0)), rows_of_two(decoder(kind)))

    assert not np.allclose(hidden("windows in turn"), hidden("causal"), atol=1e-3)


def rows_of_two(config):
    tokens = (jnp.arange(40).reshape(2, 20) * 7) % 30
    positions = jnp.asarray([[*range(5), *range(9), *range(4), 0, 0], [*range(20)]])
    prefix = (positions < 3) & (SEGMENTS > 0) & getattr(config, "prefix_lm", False)
    inputs = EncoderInput(tokens, SEGMENTS, positions) if isinstance(config, T5Config) else None
    return SeqBatch(tokens, tokens, SEGMENTS > 0, SEGMENTS, positions, prefix, inputs)


@pytest.mark.parametrize(
    ("name", "changes", "cap", "chosen"),
    [
        ("auto", {}, 0.0, "xla"),  # a CPU's
        ("xla", {}, 0.0, "xla"),
        ("splash", {}, 2.0, "splash"),
        ("splash", {"bias": jnp.zeros((1, 4, 20, 20))}, 0.0, "xla"),
        ("splash", {"prefix": SEGMENTS > 0}, 0.0, "xla"),
        ("splash", {"is_self": False}, 0.0, "xla"),
        ("cudnn", {}, 0.0, "cudnn"),
        ("cudnn", {}, 2.0, "xla"),
    ],
)
def test_a_backend_is_taken_where_it_can(name, changes, cap, chosen):
    sight = Sight(query_segments=SEGMENTS, key_segments=SEGMENTS, **changes)
    q = heads(4, 4)[0].astype(jnp.bfloat16)
    assert choose(name, sight, q, 4, cap) == chosen


@pytest.mark.parametrize(
    ("capability", "dtype", "chosen"),
    [("9.0", "bfloat16", "flash"), ("8.0", "bfloat16", "cudnn"), ("9.0", "float32", "xla")],
)
def test_auto_is_what_was_fastest_on_the_gpu_at_hand(monkeypatch, capability, dtype, chosen):
    gpu = types.SimpleNamespace(compute_capability=capability, device_kind="one")
    monkeypatch.setattr(row_attention.parallel, "platform", lambda: "gpu")
    monkeypatch.setattr(row_attention.jax, "local_devices", lambda backend: [gpu])
    monkeypatch.setattr(row_attention, "_best", row_attention._best.__wrapped__)
    sight = Sight(query_segments=SEGMENTS, key_segments=SEGMENTS)
    assert choose("auto", sight, heads(4, 4)[0].astype(dtype), 4, 0.0) == chosen


def test_what_flash_read_is_kept_by_dots_and_computed_again_by_full():
    def num_kept_or_made(remat):
        config = dataclasses.replace(decoder("causal"), attention_backend="flash", remat=remat)
        model, batch = families.make_model(config), rows_of_two(config)
        params = model.init(jax.random.key(0))
        grads = jax.grad(lambda params: model.hidden(params, batch).sum())
        return str(jax.make_jaxpr(grads)(params)).count(f"name={kernels.READ}")

    # Of output and log-sum-exp; the first pass of "full" has no use for the latter.
    assert (num_kept_or_made("dots"), num_kept_or_made("full")) == (2, 1 + 2)


T5 = T5Config(positions=RelativeConfig(), dropout_rate=0.0)
DECODER = DecoderConfig(attention_backend="splash")


def test_a_model_is_read_by_this_machines_attention_where_its_run_had_anothers():
    assert for_platform(DECODER, "cpu") == dataclasses.replace(DECODER, attention_backend="auto")
    assert for_platform(DECODER, "tpu") == DECODER
    for name in ("auto", "xla", "flash"):
        config = dataclasses.replace(DECODER, attention_backend=name)
        assert for_platform(config, "cpu") == config


def mesh_of(platform, **sizes):
    """Stands for a mesh of devices that are not here."""
    devices = np.array([types.SimpleNamespace(platform=platform)])
    return types.SimpleNamespace(devices=devices, shape={"context": 1, "tensor": 1, **sizes})


def check(config, platform, *, lengths=None, **sizes):
    lengths = lengths or ((512, 128) if isinstance(config, T5Config) else (640,))
    check_backend(config, mesh_of(platform, **sizes), lengths)


@pytest.mark.parametrize(
    ("config", "platform", "message"),
    [
        (DECODER, "gpu", "attention_backend must run on this machine's gpu, got 'splash' of tpu"),
        (dataclasses.replace(DECODER, prefix_lm=True), "tpu", "got a prefix; use 'auto'"),
        (dataclasses.replace(DECODER, dropout_rate=0.1), "tpu", "got dropout_rate 0.1; .* or drop"),
        (dataclasses.replace(T5, attention_backend="splash"), "tpu", "got a relative bias"),
        (dataclasses.replace(T5, attention_backend="cudnn"), "gpu", "got dtype float32"),
        (dataclasses.replace(T5, attention_backend="flash", d_head=320), "gpu", "heads of 320"),
    ],
)
def test_a_backend_named_must_do_all_that_is_needed(config, platform, message):
    with pytest.raises(ValueError, match=message):
        check(config, platform)


@pytest.mark.parametrize(
    ("backend", "platform", "more", "message"),
    [
        (
            "flash",
            "gpu",
            {"context": 2},
            "must do all that the run needs, got MeshConfig.context 2",
        ),
        ("flash", "gpu", {"tensor": 3}, "got 8 heads of keys over tensor 3; .* or another mesh"),
        ("cudnn", "gpu", {"lengths": (639,)}, "got rows of 639 tokens; use 'auto'."),
    ],
)
def test_a_backend_named_must_do_what_mesh_and_rows_need(backend, platform, more, message):
    config = dataclasses.replace(DECODER, attention_backend=backend, dtype="bfloat16")
    check(config, platform)
    with pytest.raises(ValueError, match=message):
        check(config, platform, **more)


def test_splash_is_refused_where_there_is_cross_attention():
    rotary = dataclasses.replace(T5, positions=RotaryConfig(), attention_backend="splash")
    with pytest.raises(ValueError, match="got cross-attention; use 'auto'"):
        check(rotary, "tpu")


@pytest.mark.parametrize(
    ("config", "platform"),
    [
        (DECODER, "tpu"),
        (dataclasses.replace(T5, attention_backend="cudnn", dtype="bfloat16"), "gpu"),
        (dataclasses.replace(T5, attention_backend="auto", dropout_rate=0.1), "cpu"),
    ],
)
def test_a_backend_that_can_is_not_refused(config, platform):
    check(config, platform)


@pytest.mark.parametrize("num_keys", [20, 19])
def test_rows_of_an_odd_length_go_the_plain_way_on_cudnn(num_keys):
    segments = jnp.ones((2, num_keys), jnp.int32)
    sight = Sight(query_segments=SEGMENTS, key_segments=segments, is_self=False)
    q = heads(4, 4)[0].astype(jnp.bfloat16)
    assert choose("cudnn", sight, q, 4, 0.0) == ("xla" if num_keys % 2 else "cudnn")


@pytest.mark.parametrize("kind", ["causal", "windows in turn", "an encoder-decoder"])
def test_what_cudnn_is_given_is_what_the_plain_path_reads(monkeypatch, kind):
    """cuDNN is nowhere but on a GPU: XLA reads its arguments in its place."""
    attend, calls = jax.nn.dot_product_attention, []

    def instead(*arrays, implementation, **given):
        calls.append(implementation)
        return attend(*arrays, implementation="xla", **given)

    monkeypatch.setattr(jax.nn, "dot_product_attention", instead)
    config = dataclasses.replace(MODELS[kind], dtype="bfloat16")
    batch = rows_of_two(config)

    def gradients(name):
        model = families.make_model(dataclasses.replace(config, attention_backend=name))
        params = model.init(jax.random.key(0))

        def loss(params):
            return jnp.sum(jnp.sin(model.hidden(params, batch)) * (SEGMENTS > 0)[..., None])

        return jax.value_and_grad(loss)(params)

    (loss, grads), (plain_loss, plain) = gradients("cudnn"), gradients("xla")
    assert calls and set(calls) == {"cudnn"}
    np.testing.assert_allclose(loss, plain_loss, rtol=2e-2)

    def close(got, want):
        assert np.linalg.norm(got - want) <= 0.03 * np.linalg.norm(want)

    jax.tree.map(close, grads, plain)


def test_a_window_is_part_of_cudnn_s_mask_and_chosen_without_a_second_kernel():
    config = dataclasses.replace(MODELS["windows in turn"], dtype="bfloat16")
    model = families.make_model(dataclasses.replace(config, attention_backend="cudnn"))
    params = model.init(jax.random.key(0))
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.nn, "dot_product_attention", lambda q, k, v, **_: (seen.append(q), q)[1])
        jax.eval_shape(model.hidden, params, rows_of_two(config))
    assert len(seen) == 1  # traced once, in the body of the scan over layers
