"""Our side of a comparison: trains, generates or scores options.

  python -m benchmarks.peers.flanjax_side --size llama_60m --task train \
    --batch-size 4 --target-length 512

Weights come from a directory of transformers, or are random. It needs jax,
flax and optax, and nothing that reads data.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import step as step_benchmark
from benchmarks.peers import sizes, turns
from benchmarks.peers import work as work_module
from benchmarks.peers.turns import Contestant
from benchmarks.peers.work import EOS_ID, START_ID, Work
from flanjax import parallel
from flanjax.base import Params
from flanjax.data.batch import EncoderInput, SeqBatch
from flanjax.losses.tokens import LossConfig
from flanjax.models import decode, families, layers
from flanjax.train import objectives, optim
from flanjax.train.state import make_state
from flanjax.train.step import compile_step, make_train_step, put_batch

_NO_END = -1
"""An id that no row writes, so that all rows generate to their last token."""
_BUCKET = 32
"""Prompts are padded to multiples of this."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """How our side does the work.

    Attributes:
      config: The model, its compute type and remat included.
      loss: How tokens are scored.
      weights: A directory of transformers; None for random weights.
      segments: Examples that each training row holds.
      times_first_token: Whether the time to the first token is taken apart.
    """

    config: sizes.Config
    loss: LossConfig
    weights: pathlib.Path | None
    segments: int
    times_first_token: bool


def training_batch(work: Work, vocab_size: int, num_segments: int = 1) -> SeqBatch:
    """Returns rows without padding, of one example each or of several.

    A causal row's last token predicts nothing, as in transformers.
    """
    rows = work_module.training_rows(work, vocab_size)
    targets_BT = rows.targets.astype(np.int32)
    weights_BT = np.ones(targets_BT.shape, np.float32)
    encoder = None
    if rows.inputs is None:
        tokens_BT = targets_BT
        targets_BT = np.roll(targets_BT, -1, axis=1)
        weights_BT[:, -1] = 0
    else:
        tokens_BT = np.roll(targets_BT, 1, axis=1)
        tokens_BT[:, 0] = START_ID
        encoder = _prompt_rows(rows.inputs, num_segments)
    own = _prompt_rows(tokens_BT, num_segments)
    return SeqBatch(
        tokens=own.tokens,
        targets=targets_BT,
        weights=weights_BT,
        segments=own.segments,
        positions=own.positions,
        prefix=np.zeros(targets_BT.shape, bool),
        encoder=encoder,
    )


def _prompt_rows(ids_BS: np.ndarray, num_segments: int = 1) -> EncoderInput:
    """Returns rows of segments of about one length."""
    length = ids_BS.shape[1]
    segments_S = 1 + np.arange(length) * num_segments // length
    starts_S = np.searchsorted(segments_S, segments_S)
    positions_S = np.arange(length) - starts_S
    return EncoderInput(
        ids_BS.astype(np.int32),
        *(np.broadcast_to(row, ids_BS.shape).astype(np.int32) for row in (segments_S, positions_S)),
    )


def make_training(setting: Setting, work: Work) -> Contestant:
    """Returns the step of AdamW as torch's defaults have it."""
    mesh = parallel.make_mesh(parallel.MeshConfig(), num_devices=1)
    model = families.make_model(setting.config)
    adamw = optim.OptimizerConfig(
        name="adamw", schedule=optim.ScheduleConfig(peak=1e-4), weight_decay=0.01
    )
    tx = optim.make_optimizer(adamw, model.axes, num_steps=1000)
    state, shardings = make_state(model, tx, mesh, jax.random.key(0))
    if setting.weights is not None:
        loaded = sizes.read(setting.config, setting.weights)
        state = state._replace(params=jax.device_put(loaded, shardings.params))
    loss = objectives.token_loss(model, setting.loss)
    jitted: Any = compile_step(make_train_step(loss, tx), mesh, shardings)
    batch = put_batch(training_batch(work, setting.config.vocab_size, setting.segments), mesh)
    key = jax.device_put(jax.random.key(1), parallel.replicated(mesh))
    started = time.perf_counter()
    compiled = jitted.lower(state, batch, key).compile()
    facts: dict[str, Any] = {"compile_s": round(time.perf_counter() - started, 2), "losses": []}
    facts["parameters"] = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    held = [state]

    def step() -> None:
        held[0], metrics = compiled(held[0], batch, key)
        facts["losses"].append(round(metrics["loss"].value(), 6))
        facts["peak_memory_bytes"], facts["memory_source"] = step_benchmark.peak_memory(
            jax.devices()[0]
        )

    return Contestant(step, facts)


def _inference_params(setting: Setting) -> Params:
    """Returns parameters whose matrices are in the compute type, as they are served."""
    model = families.make_model(setting.config)
    cast = functools.partial(layers.cast_weights, dtype=setting.config.dtype)
    if setting.weights is None:
        made: Params = jax.jit(lambda key: cast(model.init(key)))(jax.random.key(0))
        return made
    return jax.device_put(cast(sizes.read(setting.config, setting.weights)))


def make_generation(setting: Setting, work: Work) -> Contestant:
    """Returns greedy generation of all tokens by all rows."""
    model = families.make_model(setting.config)
    params = _inference_params(setting)
    ids_BS = work_module.prompts(work, setting.config.vocab_size).astype(np.int32)
    start: Any = START_ID
    if model.start_id is None:
        # A causal model continues the prompt: its last token is what is read first.
        ids_BS, start = ids_BS[:, :-1], jnp.asarray(ids_BS[:, -1])
    generate = jax.jit(
        functools.partial(decode.greedy, model, eos_id=_NO_END, max_length=work.target_length)
    )
    started = time.perf_counter()
    inputs = jax.device_put(_prompt_rows(ids_BS))
    compiled = generate.lower(params, inputs, start_id=start).compile()
    facts: dict[str, Any] = {"compile_s": round(time.perf_counter() - started, 2)}

    def step() -> None:
        tokens = np.asarray(compiled(params, inputs, start_id=start))
        facts["tokens"] = tokens.tolist()

    if setting.times_first_token:
        first = jax.jit(functools.partial(decode.greedy, model, eos_id=_NO_END, max_length=1))
        facts["first_token_s"] = turns.median_s(
            lambda: np.asarray(first(params, inputs, start_id=start))
        )
    return Contestant(step, facts)


def make_scoring(setting: Setting, work: Work) -> Contestant:
    """Returns option scores: prompts of like length together, each read once."""
    model = families.make_model(setting.config)
    params = _inference_params(setting)
    requests = work_module.requests(work, setting.config.vocab_size)
    order = sorted(range(len(requests)), key=lambda index: -len(requests[index].prompt))
    score = jax.jit(
        functools.partial(
            decode.score_options, model, start_id=EOS_ID if model.start_id is None else START_ID
        )
    )
    groups = [order[i : i + work.batch_size] for i in range(0, len(order), work.batch_size)]
    batches = [_scoring_batch([requests[i] for i in group], work) for group in groups]
    facts: dict[str, Any] = {"shapes": len({batch[0].tokens.shape for batch in batches})}

    def step() -> None:
        pending = [score(params, *batch) for batch in batches]
        found = np.zeros((len(requests), work.num_options))
        for group, scores in zip(groups, pending, strict=True):
            found[group] = np.asarray(scores)[: len(group)]
        facts["scores"] = [round(float(value), 4) for value in found[0]]

    return Contestant(step, facts)


def _scoring_batch(
    requests: Sequence[work_module.Request], work: Work
) -> tuple[EncoderInput, np.ndarray, np.ndarray]:
    """Returns prompts, options [B, N, T] and which tokens of theirs count."""
    longest = max(len(request.prompt) for request in requests)
    shape = (work.batch_size, -(-longest // _BUCKET) * _BUCKET)
    prompts = EncoderInput(*(np.zeros(shape, np.int32) for _ in EncoderInput._fields))
    options = np.zeros((work.batch_size, work.num_options, work.target_length), np.int32)
    for row, request in enumerate(requests):
        length = len(request.prompt)
        prompts.tokens[row, :length] = request.prompt
        prompts.segments[row, :length] = 1
        prompts.positions[row, :length] = np.arange(length)
        for column, ids in enumerate(request.options):
            options[row, column, : len(ids)] = ids
    return prompts, options, options > 0


_MAKE = {"train": make_training, "generate": make_generation, "score": make_scoring}


def _assignment(text: str) -> tuple[str, Any]:
    """Reads NAME=VALUE, whose value is JSON, or else text."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    work_module.add_arguments(parser)
    parser.add_argument("--size", choices=sizes.CONFIGS, required=True)
    parser.add_argument("--tiny", action="store_true", help="a model of that kind, but tiny")
    parser.add_argument("--weights", type=pathlib.Path, help="a directory of transformers")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--segments", type=int, default=1, help="examples in a training row")
    for what in ("config", "loss"):
        parser.add_argument(
            f"--{what}",
            type=_assignment,
            action="append",
            default=[],
            metavar="FIELD=VALUE",
            help=f"a field of the {what}, such as remat=full or chunk=1024",
        )
    parser.add_argument("--first-token", action="store_true", help="time it apart")
    parser.add_argument("--living", action="store_true", help="take turns")
    return parser.parse_args(arguments)


def main() -> None:
    """Makes the contestant and runs it."""
    args = parse_arguments()
    work = work_module.from_arguments(args)
    given = {"remat": "none", "dtype": args.dtype, **dict(args.config)}
    config = dataclasses.replace(sizes.find(args.size, is_tiny=args.tiny), **given)
    setting = Setting(
        config=config,
        loss=LossConfig(**dict(args.loss)),
        weights=args.weights,
        segments=args.segments,
        times_first_token=args.first_token,
    )
    contestant = _MAKE[work.task](setting, work)
    contestant.facts["device"] = jax.devices()[0].device_kind
    turns.run(contestant, work, is_living=args.living)


if __name__ == "__main__":
    main()
