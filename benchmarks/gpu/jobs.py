"""What each stage of the GPU benchmarks runs, the most telling first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from benchmarks.peers.work import Work


class Target(NamedTuple):
    """What a figure should reach.

    Attributes:
      floor: Below it something is wrong.
      goal: What is aimed at.
      stretch: What would be more than that; None for nothing.
    """

    floor: float
    goal: float
    stretch: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One process: one model, one setting.

    Attributes:
      name: What is told apart, such as "scan_layers=false".
      group: Jobs of one group do one thing, and are compared.
      side: Whose; "weights" makes those that both sides of a group read.
      size: The model, one of `sizes.CONFIGS`.
      work: What it does; of a job of `module` nothing.
      options: More of the command line.
      flags: XLA flags; None for those of the mesh file.
      environment: More of the environment.
      limit_s: It is ended after so many seconds.
      module: What runs it, where it is none of the two sides.
      reads_weights: Whether it has the same weights as the other side.
    """

    name: str
    group: str
    side: Literal["ours", "theirs", "weights"]
    size: str = ""
    work: Work | None = None
    options: Sequence[str] = ()
    flags: str | None = None
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    limit_s: float = 90.0
    module: str = ""
    reads_weights: bool = False


TARGETS: Mapping[str, Mapping[str, Target]] = {
    "train llama_1b": {
        "mfu": Target(0.42, 0.50, 0.60),
        "tokens_per_s": Target(53_000, 63_000),
        "times_as_fast_as_transformers": Target(1.2, 1.3),
    },
    "train llama_3b": {"mfu": Target(0.45, 0.53), "tokens_per_s": Target(22_000, 26_000)},
    "train t5_large": {
        "mfu": Target(0.35, 0.45),
        "tokens_per_s": Target(148_000, 190_000),
        "rows_per_s": Target(231, 297),
        "times_as_fast_as_transformers": Target(1.2, 2.0),
    },
    "train t5_xl": {"mfu": Target(0.35, 0.45), "tokens_per_s": Target(40_000, 52_000)},
    "generate llama_1b": {"decode_tokens_per_s": Target(4_000, 7_000)},
}
"""Group -> figure -> what it should reach on one H200.

MFU is model flops over 989e12 per second; the floors and goals were derived from public figures of
other programs, and from the 790e12 that a large product reaches.
"""

_UNROLLED = ("--config", "scan_layers=false")


def _remat(name: str) -> tuple[str, ...]:
    return ("--config", f"remat={name}")


def _chunk(columns: int) -> tuple[str, ...]:
    return ("--loss", f"chunk={columns}")


def _attention(name: str) -> tuple[str, ...]:
    return ("--config", f"attention_backend={name}")


def _weights(size: str) -> Job:
    return Job(
        name="weights",
        group=f"weights {size}",
        side="weights",
        size=size,
        limit_s=75,
        environment={"JAX_PLATFORMS": "cpu"},  # the GPU would only hand them back
    )


def _training(
    size: str,
    work: Work,
    limit_s: float,
    variants: Mapping[str, Sequence[str]],
    *,
    reads_weights: bool = False,
) -> list[Job]:
    """Returns a job of ours for each variant; of them only the first may read the weights."""
    return [
        Job(
            name=name,
            group=f"train {size}",
            side="ours",
            size=size,
            work=work,
            options=("--dtype", "bfloat16", *options),
            limit_s=limit_s,
            reads_weights=reads_weights and not index,
        )
        for index, (name, options) in enumerate(variants.items())
    ]


def _peer(
    size: str,
    work: Work,
    name: str,
    *options: str,
    limit_s: float = 100,
    reads_weights: bool = True,
) -> Job:
    return Job(
        name=f"transformers, {name}",
        group=f"{work.task} {size}",
        side="theirs",
        size=size,
        work=work,
        options=("--dtype", "bfloat16", *options),
        limit_s=limit_s,
        reads_weights=reads_weights,
    )


def _as_tried(job: Job, name: str, *, flags: str | None = None, **environment: str) -> Job:
    return dataclasses.replace(
        job, name=f"{job.name}, {name}", flags=flags, environment=environment, reads_weights=False
    )


def _causal() -> list[Job]:
    work = Work(task="train", batch_size=8, target_length=2048, num_warmups=3, num_steps=10)
    large = dataclasses.replace(work, batch_size=4, num_steps=6)
    wide = dataclasses.replace(work, batch_size=16)
    first, *rest = _training(
        "llama_1b",
        work,
        90,
        {
            "dots, chunk 512": (*_remat("dots"), *_chunk(512)),
            "none, chunk 512, unrolled": (*_chunk(512), *_UNROLLED),
            "none, chunk 512": _chunk(512),
            "packed, dots, chunk 512": (*_remat("dots"), *_chunk(512), "--segments", "4"),
            "full, chunk 512": (*_remat("full"), *_chunk(512)),
            "dots, chunk 512, flash": (*_remat("dots"), *_chunk(512), *_attention("flash")),
            "dots, chunk 512, xla": (*_remat("dots"), *_chunk(512), *_attention("xla")),
            "dots, chunk 128": (*_remat("dots"), *_chunk(128)),
            "dots, whole logits": _remat("dots"),
        },
        reads_weights=True,
    )
    (three,) = _training("llama_3b", large, 110, {"dots": (*_remat("dots"), *_chunk(512))})
    (sixteen,) = _training("llama_1b", wide, 90, {"dots, 16 rows": (*_remat("dots"), *_chunk(512))})
    return [
        _weights("llama_1b"),
        first,
        _peer("llama_1b", work, "compiled", "--compile"),
        *rest[:2],
        three,
        rest[2],
        sixteen,
        _as_tried(first, "no flags", flags=""),
        _as_tried(first, "O1 in place of flags", flags="", JAX_OPTIMIZATION_LEVEL="O1"),
        *rest[3:],
        _peer("llama_3b", large, "eager", reads_weights=False),
    ]


def _t5() -> list[Job]:
    work = Work(
        task="train",
        batch_size=64,
        input_length=512,
        target_length=128,
        num_warmups=3,
        num_steps=10,
    )
    large = dataclasses.replace(work, batch_size=32, num_steps=6)
    first, *rest = _training(
        "t5_large",
        work,
        90,
        {
            "dots, chunk 32": (*_remat("dots"), *_chunk(32)),
            "dots, chunk 32, flash": (*_remat("dots"), *_chunk(32), *_attention("flash")),
            "none, chunk 32, unrolled": (*_chunk(32), *_UNROLLED),
            "dots, chunk 32, xla": (*_remat("dots"), *_chunk(32), *_attention("xla")),
            "packed, dots, chunk 32": (*_remat("dots"), *_chunk(32), "--segments", "4"),
            "none, chunk 32": _chunk(32),
            "full, chunk 32": (*_remat("full"), *_chunk(32)),
            "dots, whole logits": _remat("dots"),
        },
        reads_weights=True,
    )
    (xl,) = _training("t5_xl", large, 110, {"dots, chunk 32": (*_remat("dots"), *_chunk(32))})
    return [
        _weights("t5_large"),
        first,
        _peer("t5_large", work, "eager"),
        *rest[:2],
        xl,
        _as_tried(first, "no flags", flags=""),
        _as_tried(first, "O1 in place of flags", flags="", JAX_OPTIMIZATION_LEVEL="O1"),
        *rest[2:],
        _peer("t5_large", work, "compiled", "--compile", limit_s=240),  # 120 s were too few
    ]


def _decode() -> list[Job]:
    size = "llama_1b"
    generate = Work(
        task="generate",
        batch_size=8,
        input_length=1920,
        target_length=128,
        num_warmups=1,
        num_steps=5,
    )
    score = Work(
        task="score",
        batch_size=32,
        input_length=384,
        target_length=12,
        num_prompts=256,
        num_warmups=1,
        num_steps=3,
    )
    bf16 = ("--dtype", "bfloat16")

    def ours(name: str, work: Work, *options: str) -> Job:
        return Job(
            name=name,
            group=f"{work.task} {size}",
            side="ours",
            size=size,
            work=work,
            options=(*bf16, *options),
            reads_weights=True,
        )

    first = ("--first-token",)
    graphs_off = "--xla_gpu_enable_command_buffer="
    return [
        _weights(size),
        ours("scanned", generate, *first),
        ours("unrolled", generate, *first, *_UNROLLED),
        _peer(size, generate, "dynamic cache", *first),
        _peer(size, generate, "static cache", *first, "--static-cache"),
        ours("shared prompts", score),
        _peer(size, score, "a row an option"),
        dataclasses.replace(
            ours("scanned, without CUDA graphs", generate, *first), flags=graphs_off
        ),
        Job(
            name="Orbax, AdamW's state",
            group=f"checkpoint {size}",
            side="ours",
            size=size,
            module="benchmarks.gpu.checkpoint_speed",
            limit_s=150,
        ),
    ]


def _kernels() -> list[Job]:
    return [
        Job(
            name="attention",
            group="attention",
            side="ours",
            module="benchmarks.gpu.attention_kernels",
            limit_s=380,
        ),
        Job(
            name="token loss",
            group="token loss",
            side="ours",
            module="benchmarks.gpu.loss_kernels",
            limit_s=180,
        ),
    ]


STAGES: Mapping[str, Sequence[Job]] = {
    "kernels": _kernels(),
    "causal": _causal(),
    "t5": _t5(),
    "decode": _decode(),
}
"""Stage -> its jobs in the order that they run in."""

_TELLING = {"scan_layers=false", "attention_backend=flash", "--segments", "--static-cache"}
"""Words of a command line that choose another program, and not another number."""


def one_of_each_kind(jobs: Sequence[Job]) -> list[Job]:
    """Returns the first job of each kind; sizes, numbers and flags make no kind of their own."""
    first: dict[object, Job] = {}
    for job in jobs:
        task = job.work.task if job.work else ""
        is_random = job.side == "theirs" and not job.reads_weights
        kind = (job.side, job.module, task, is_random, frozenset(_TELLING & {*job.options}))
        first.setdefault(kind, job)
    return list(first.values())
