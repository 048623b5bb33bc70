"""Times the loss over a vocabulary and its gradients, and how exact they are.

Prints one JSON line for each form: all logits at once, some rows of them at a
time, and tokamax's blocks, where that is installed. Errors are against all
logits in float32 products, as norms of the difference over the norm. FLOPs are
those of all tokens, with weight or without, so a form that leaves some out
shows more of them in a second.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers import turns
from flanjax.base import Params
from flanjax.data.batch import SeqBatch
from flanjax.losses.tokens import LossConfig
from flanjax.models import ends, families
from flanjax.models.api import Model
from flanjax.models.configs import EmbeddingConfig
from flanjax.models.decoder import DecoderConfig
from flanjax.train import objectives


class Shape(NamedTuple):
    """Tokens, width and vocabulary of a loss, and the share of the tokens that carry weight."""

    num_tokens: int
    d_model: int
    vocab_size: int
    weighted: float = 1.0


SHAPES = {
    "llama_1b": Shape(16_384, 2048, 128_256),
    "llama_1b, short answers": Shape(16_384, 2048, 128_256, 0.2),
    "t5_large": Shape(8_192, 1024, 32_128),
}
TINY = {
    "llama_1b": Shape(2048, 16, 96),
    "llama_1b, short answers": Shape(2048, 16, 96, 0.2),
    "t5_large": Shape(1536, 16, 64),
}
_CHUNKS = (0, 8192, 4096, 2048, 1024, 512)


def forms() -> dict[str, LossConfig]:
    """Returns every form of the loss: all logits at once, and chunks of them."""
    return {f"chunk {chunk}" if chunk else "whole": LossConfig(chunk=chunk) for chunk in _CHUNKS}


Loss: TypeAlias = Callable[[jax.Array, jax.Array], jax.Array]


def losses(shape: Shape) -> dict[str, Loss]:
    """Returns every form that this machine has, as (hidden_1ND, head_DV) -> the loss sum."""
    ours = {
        name: loss_of(shape, jnp.bfloat16, config)
        for name, config in forms().items()
        if config.chunk < shape.num_tokens
    }
    has_tokamax = importlib.util.find_spec("tokamax") is not None
    return ours | ({"tokamax chunked_xla": _tokamax(shape)} if has_tokamax else {})


def _tokamax(shape: Shape) -> Loss:
    """Returns tokamax's; it counts what fills a vocabulary up to blocks of 2,048."""
    import tokamax

    batch = _batch(shape)

    def loss(hidden_1ND: jax.Array, head_DV: jax.Array) -> jax.Array:
        losses_N = tokamax.linear_softmax_cross_entropy_loss(
            hidden_1ND[0].astype(jnp.bfloat16),
            jnp.asarray(batch.targets[0]),
            head_DV.astype(jnp.bfloat16),
            reduction="none",
            implementation="chunked_xla",
        )
        return jnp.sum(losses_N.astype(jnp.float32) * batch.weights[0])

    return loss


def loss_of(shape: Shape, dtype: Any, config: LossConfig) -> Loss:
    """Returns (hidden_1ND, head_DV) -> the loss sum, by the trainer's own path."""
    sizes: Any = {"vocab_size": shape.vocab_size, "d_model": shape.d_model}
    model = _only_head(DecoderConfig(**sizes, embedding=EmbeddingConfig()))
    loss_fn = objectives.token_loss(model, config)
    batch = _batch(shape)

    def loss(hidden_1ND: jax.Array, head_DV: jax.Array) -> jax.Array:
        params: Params = {"hidden": hidden_1ND.astype(dtype), "head": head_DV}
        return loss_fn(params, None, batch, None)[0]

    return loss


def _only_head(config: DecoderConfig) -> Model:
    """Returns a model whose hidden states are a parameter."""
    whole = families.make_model(config)
    return whole._replace(
        hidden=lambda params, batch, *, key=None: params["hidden"],
        unembed=functools.partial(ends.unembed, config),
    )


def _batch(shape: Shape) -> SeqBatch:
    rng = np.random.default_rng(2)
    targets_1N = rng.integers(0, shape.vocab_size, (1, shape.num_tokens))
    is_weighted_1N = rng.permutation(shape.num_tokens)[None] < shape.weighted * shape.num_tokens
    ones_1N = np.ones((1, shape.num_tokens), np.int32)
    return SeqBatch(
        tokens=ones_1N,
        targets=targets_1N.astype(np.int32),
        weights=is_weighted_1N.astype(np.float32),
        segments=ones_1N,
        positions=ones_1N,
        prefix=ones_1N == 0,
    )


def measure(name: str, shape: Shape, *, num_steps: int) -> None:
    """Prints a line for each form of one shape."""
    keys = jax.random.split(jax.random.key(0))
    hidden_1ND = jax.random.normal(keys[0], (1, shape.num_tokens, shape.d_model), jnp.float32)
    size_DV = (shape.d_model, shape.vocab_size)
    head_DV = shape.d_model**-0.5 * jax.random.normal(keys[1], size_DV, jnp.float32)
    hidden_1ND = hidden_1ND.astype(jnp.bfloat16).astype(jnp.float32)
    head_DV = head_DV.astype(jnp.bfloat16).astype(jnp.float32)

    def compiled(loss: Loss) -> Any:
        both = jax.value_and_grad(loss, argnums=(0, 1))
        return jax.jit(both).lower(hidden_1ND, head_DV).compile()

    in_chunks = LossConfig(chunk=min(2048, shape.num_tokens // 2))
    with jax.default_matmul_precision("highest"):
        exact = compiled(loss_of(shape, jnp.float32, in_chunks))
    wanted = exact(hidden_1ND, head_DV)
    del exact
    for form, loss in losses(shape).items():
        line: dict[str, Any] = {"case": f"loss of {name}", "form": form, **shape._asdict()}
        try:
            step = compiled(loss)
            found = step(hidden_1ND, head_DV)
            seconds = turns.median_s(functools.partial(_wait, step, hidden_1ND, head_DV), num_steps)
            line |= {
                "ms": round(1e3 * seconds, 3),
                "tflop_per_s": round(6 * np.prod(np.float64(shape[:3])) / seconds / 1e12, 2),
                "temporary_bytes": step.memory_analysis().temp_size_in_bytes,
                "errors": dict(
                    zip(
                        ("loss", "hidden", "head"),
                        map(_relative, jax.tree.leaves(found), jax.tree.leaves(wanted)),
                        strict=True,
                    )
                ),
            }
        except jax.errors.JaxRuntimeError as error:
            line["error"] = str(error)[:200]
        turns.say(line)


def _wait(step: Any, *arrays: jax.Array) -> None:
    jax.block_until_ready(step(*arrays))


@jax.jit
def _distance(found: jax.Array, wanted: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.sum(jnp.square(found - wanted)) / jnp.sum(jnp.square(wanted)))


def _relative(found: jax.Array, wanted: jax.Array) -> float:
    return float(f"{_distance(found, wanted):.3g}")


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="tiny shapes: shows that it runs")
    return parser.parse_args(arguments)


def main() -> None:
    """Measures every shape."""
    args = parse_arguments()
    for name, shape in (TINY if args.tiny else SHAPES).items():
        measure(name, shape, num_steps=2 if args.tiny else 10)


if __name__ == "__main__":
    main()
