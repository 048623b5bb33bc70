"""Tokenized examples as flat arrays with offsets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from flanjax.data.batch import Example
from flanjax.data.fewshot import choose_shots, render_fitted
from flanjax.data.objective import ObjectiveConfig, make_example
from flanjax.data.render import template_index
from flanjax.data.task import Record, Task
from flanjax.data.tokenize import Tokenizer

_BATCH = 4096


class TokenStore(NamedTuple):
    """Every example of one task, several wordings of each record in turn.

    Example `p * num_records + r` is record r in the wording of pass p.

    Attributes:
      task: The task's name.
      inputs: int32, all prompts end to end.
      input_offsets: int64 [n + 1], where each prompt starts.
      targets: int32, all targets end to end, each with its end marker.
      target_offsets: int64 [n + 1].
      num_records: Records of the task.
      num_truncated: Examples of which something was cut.
      num_shots_dropped: Exemplars left out because they did not fit.
      loss_on_inputs: As in Example; the same for all.
      prefix: As in Example; the same for all.
    """

    task: str
    inputs: np.ndarray
    input_offsets: np.ndarray
    targets: np.ndarray
    target_offsets: np.ndarray
    num_records: int
    num_truncated: int
    num_shots_dropped: int
    loss_on_inputs: bool
    prefix: bool

    @property
    def num_examples(self) -> int:
        return len(self.input_offsets) - 1

    def fingerprint(self) -> str:
        """Returns a hash of every token and its place."""
        digest = hashlib.blake2b(digest_size=8)
        for array in (self.inputs, self.input_offsets, self.targets, self.target_offsets):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def lengths(self) -> np.ndarray:
        """Returns int64 [n, 2]: tokens of prompt and target of each example."""
        return np.stack([np.diff(self.input_offsets), np.diff(self.target_offsets)], axis=1)

    def example(self, index: int) -> Example:
        """Returns one example; its arrays are views."""
        i0, i1 = self.input_offsets[index : index + 2]
        t0, t1 = self.target_offsets[index : index + 2]
        return Example(self.inputs[i0:i1], self.targets[t0:t1], self.loss_on_inputs, self.prefix)


def tokenize_task(
    task: Task,
    records: Sequence[Record],
    uids: Sequence[int],
    tokenizer: Tokenizer,
    objective: ObjectiveConfig,
    *,
    max_lengths: tuple[int, int],
    passes: int,
    seed: int,
    num_shots: int = 0,
) -> TokenStore:
    """Renders and tokenizes a task's training records.

    What is too long is cut on the right, as SeqIO does; a cut target still
    ends with the end marker. Before a prompt is cut, its exemplars are left
    out one by one until it fits. Both are counted.

    Args:
      task: The task.
      records: Records that the task keeps.
      uids: Their identities.
      tokenizer: Text to ids.
      objective: What an example asks to predict.
      max_lengths: Most tokens of a prompt, and of a target with its end.
      passes: Wordings of each record, at most one per template.
      seed: Draws templates and exemplars.
      num_shots: Exemplars in each prompt, from these same records.
    """
    passes = min(passes, len(task.templates))
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    num_truncated, num_shots_dropped = 0, 0
    fits = _fits(tokenizer, max_lengths[0])
    last = make_example(objective, tokenizer, np.zeros(0, np.int32), np.zeros(0, np.int32), uid=0)
    order = [(p, r) for p in range(passes) for r in range(len(records))]
    for start in range(0, len(order), _BATCH):
        texts = []
        for p, r in order[start : start + _BATCH]:
            shots = choose_shots(task, records[r], records, num_shots=num_shots, seed=seed)
            template = template_index(task, uids[r], seed=seed, pass_index=p)
            fitted = render_fitted(task, records[r], template=template, shots=shots, fits=fits)
            assert fitted is not None, f"task {task.name}: records must be those the task keeps"
            num_shots_dropped += fitted.num_dropped
            texts.append((fitted.example.inputs, fitted.example.targets, uids[r] + p))
        for inputs, targets, uid in _encoded(texts, tokenizer):
            last = make_example(objective, tokenizer, inputs, targets, uid=uid)
            cut = _cut(last, max_lengths, tokenizer.eos_id)
            num_truncated += cut[0].size < last.inputs.size or cut[1].size < last.targets.size
            kept.append(cut)
    return TokenStore(
        task.name,
        *flat([inputs for inputs, _ in kept]),
        *flat([targets for _, targets in kept]),
        num_records=len(records),
        num_truncated=num_truncated,
        num_shots_dropped=num_shots_dropped,
        loss_on_inputs=last.loss_on_inputs,
        prefix=last.prefix,
    )


def _fits(tokenizer: Tokenizer, max_length: int) -> Callable[[str], bool]:
    def fits(prompt: str) -> bool:
        return int(tokenizer.encode_batch([prompt])[0].size) <= max_length

    return fits


def _encoded(
    texts: Sequence[tuple[str, str, int]], tokenizer: Tokenizer
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yields the ids of prompts and targets, each with its seed."""
    prompts, answers, uids = zip(*texts, strict=True)
    yield from zip(
        tokenizer.encode_batch(prompts), tokenizer.encode_batch(answers), uids, strict=True
    )


def _cut(
    example: Example, max_lengths: tuple[int, int], eos_id: int
) -> tuple[np.ndarray, np.ndarray]:
    max_inputs, max_targets = max_lengths
    targets = example.targets
    if targets.size > max_targets:
        targets = np.append(targets[: max_targets - 1], np.int32(eos_id))
    return example.inputs[:max_inputs], targets


def flat(arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Returns arrays end to end as int32, and where each starts: int64 [n + 1]."""
    sizes = np.fromiter((array.size for array in arrays), np.int64, len(arrays))
    flat = np.concatenate(arrays) if arrays else np.zeros(0, np.int32)
    return flat.astype(np.int32), np.concatenate([[0], np.cumsum(sizes)])
