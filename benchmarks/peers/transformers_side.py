"""The side of transformers on torch: trains, generates or scores options.

  python -m benchmarks.peers.transformers_side --model DIR --task train \
    --batch-size 4 --target-length 512

DIR holds config.json, and weights or none: then they are random.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers

from benchmarks.peers import turns
from benchmarks.peers import work as work_module
from benchmarks.peers.turns import Contestant
from benchmarks.peers.work import Request, Work

_NO_LABEL = -100
"""What transformers does not count as a label."""


def load(args: argparse.Namespace, dtype: torch.dtype) -> Any:
    """Returns the model on its device, its embedding shared as in T5 1.1."""
    config = transformers.AutoConfig.from_pretrained(args.model)
    has_encoder = config.model_type == "t5"
    kind = transformers.AutoModelForSeq2SeqLM if has_encoder else transformers.AutoModelForCausalLM

    def make(attention: str) -> Any:
        given = {"attn_implementation": attention, "dtype": dtype}
        if (args.model / "model.safetensors").exists():
            return kind.from_pretrained(args.model, **given).to(args.device)
        with torch.device(args.device):
            return kind.from_config(config, **given)

    try:
        model = make(args.attention)
    except ValueError:  # before July 2026 T5 had no other
        model = make("eager")
    if has_encoder:
        model.set_input_embeddings(model.shared)
    # Rows go on to their last token.
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model


def autocast(args: argparse.Namespace, parameters: torch.dtype) -> Any:
    """Returns a context in which products are done in the compute type."""
    dtype = getattr(torch, args.dtype)
    if dtype == parameters:
        return contextlib.nullcontext()
    return torch.autocast(args.device, dtype=dtype)


def make_training(args: argparse.Namespace, work: Work) -> Contestant:
    """Returns a step with float32 parameters, AdamW at its defaults."""
    model = load(args, torch.float32).train()
    if args.checkpointing:
        model.gradient_checkpointing_enable()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    called = torch.compile(model) if args.compile else model
    rows = work_module.training_rows(work, model.config.vocab_size)
    labels = torch.as_tensor(rows.targets, device=args.device)
    inputs = labels if rows.inputs is None else torch.as_tensor(rows.inputs, device=args.device)
    facts = describe(args, model)
    facts["losses"] = []

    def step() -> None:
        with autocast(args, torch.float32):
            loss = called(input_ids=inputs, labels=labels, use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        facts["losses"].append(round(float(loss.detach()), 6))
        if args.device == "cuda":
            torch.cuda.synchronize()
            facts["peak_memory_bytes"] = torch.cuda.max_memory_allocated()

    return Contestant(step, facts)


def make_generation(args: argparse.Namespace, work: Work) -> Contestant:
    """Returns greedy generation with the parameters in the compute type."""
    model = load(args, getattr(torch, args.dtype)).eval()
    ids = torch.as_tensor(work_module.prompts(work, model.config.vocab_size), device=args.device)
    given: dict[str, Any] = {"do_sample": False}
    if args.static_cache:
        given["cache_implementation"] = "static"
    if args.compile:
        model.forward = torch.compile(model.forward)
    facts = describe(args, model)

    def generate(num_tokens: int) -> list[list[int]]:
        with torch.inference_mode():
            out = model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=num_tokens, **given
            )
        return out[:, -num_tokens:].tolist()

    def step() -> None:
        facts["tokens"] = generate(work.target_length)

    if args.first_token:
        facts["first_token_s"] = turns.median_s(lambda: generate(1))
    return Contestant(step, facts)


def make_scoring(args: argparse.Namespace, work: Work) -> Contestant:
    """Returns option scores: a row for each option, sorted by length, padded."""
    model = load(args, getattr(torch, args.dtype)).eval()
    requests = work_module.requests(work, model.config.vocab_size)
    score = _score_encoded if model.config.is_encoder_decoder else _score_continued
    pairs = [
        (index, Request(request.prompt, [option]))
        for index, request in enumerate(requests)
        for option in request.options
    ]
    order = sorted(range(len(pairs)), key=lambda place: -len(pairs[place][1].prompt))
    size = work.batch_size * work.num_options
    facts = describe(args, model)

    def step() -> None:
        found = np.zeros(len(pairs))
        with torch.inference_mode():
            for start in range(0, len(order), size):
                group = order[start : start + size]
                found[group] = score(model, [pairs[place][1] for place in group], args.device)
        facts["scores"] = [round(float(value), 4) for value in found[: work.num_options]]

    return Contestant(step, facts)


def _padded(rows: Sequence[Sequence[int]], device: str, fill: int = 0) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows], device=device)


def _score_encoded(model: Any, rows: Sequence[Request], device: str) -> list[float]:
    inputs = _padded([row.prompt for row in rows], device)
    labels = _padded([row.options[0] for row in rows], device, _NO_LABEL)
    logits = model(input_ids=inputs, attention_mask=inputs > 0, labels=labels).logits
    return _summed(logits, labels)


def _score_continued(model: Any, rows: Sequence[Request], device: str) -> list[float]:
    """Scores options after the prompt and its end id, which ours reads between them too."""
    prompts = [[*row.prompt, work_module.EOS_ID] for row in rows]
    whole = [[*prompt, *row.options[0]] for prompt, row in zip(prompts, rows, strict=True)]
    labels = [
        [*[_NO_LABEL] * len(prompt), *row.options[0]]
        for prompt, row in zip(prompts, rows, strict=True)
    ]
    inputs = _padded(whole, device)
    logits = model(input_ids=inputs, attention_mask=inputs > 0).logits
    return _summed(logits[:, :-1], _padded(labels, device, _NO_LABEL)[:, 1:])


def _summed(logits: torch.Tensor, labels: torch.Tensor) -> list[float]:
    counts = labels != _NO_LABEL
    logps = logits.float().log_softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return (logps * counts).sum(-1).tolist()


def describe(args: argparse.Namespace, model: Any) -> dict[str, Any]:
    """Returns the parameters, the attention that is used, versions and device."""
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "attention": model.config._attn_implementation,
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu",
    }


_MAKE = {"train": make_training, "generate": make_generation, "score": make_scoring}


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    work_module.add_arguments(parser)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--attention", default="sdpa")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--static-cache", action="store_true")
    parser.add_argument("--checkpointing", action="store_true", help="of activations")
    parser.add_argument("--first-token", action="store_true", help="time it apart")
    parser.add_argument("--living", action="store_true", help="take turns")
    return parser.parse_args(arguments)


def main() -> None:
    """Makes the contestant and runs it."""
    args = parse_arguments()
    work = work_module.from_arguments(args)
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    turns.run(_MAKE[work.task](args, work), work, is_living=args.living)


if __name__ == "__main__":
    main()
