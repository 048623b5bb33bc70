"""Both sides of the benchmarks do one thing: losses, tokens and scores agree."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest

from benchmarks.peers import flanjax_side, sizes, transformers_side
from benchmarks.peers.work import Work
from flanjax.losses.tokens import LossConfig

WORKS = {
    "train": Work(task="train", batch_size=2, input_length=12, target_length=10),
    "generate": Work(task="generate", batch_size=2, input_length=12, target_length=6),
    "score": Work(task="score", batch_size=2, input_length=20, target_length=4, num_prompts=3),
}


@pytest.fixture(scope="module", params=["t5_small", "llama_60m"])
def model(request: pytest.FixtureRequest, tmp_path_factory: Any) -> tuple[str, pathlib.Path]:
    folder = tmp_path_factory.mktemp("weights") / request.param
    sizes.write_for_peers(sizes.find(request.param, is_tiny=True), folder, dtype="float32")
    return request.param, folder


def ours(name: str, folder: pathlib.Path, work: Work) -> dict[str, Any]:
    config = dataclasses.replace(sizes.find(name, is_tiny=True), remat="none")
    setting = flanjax_side.Setting(
        config=config, loss=LossConfig(), weights=folder, segments=1, times_first_token=False
    )
    contestant = flanjax_side._MAKE[work.task](setting, work)
    for _ in range(3):
        contestant.step()
    return contestant.facts


def theirs(folder: pathlib.Path, work: Work) -> dict[str, Any]:
    words = ["--model", str(folder), *work.as_arguments()]
    contestant = transformers_side._MAKE[work.task](transformers_side.parse_arguments(words), work)
    for _ in range(3):
        contestant.step()
    return contestant.facts


@pytest.mark.parametrize("task", WORKS)
def test_both_sides_do_one_thing(model: tuple[str, pathlib.Path], task: str) -> None:
    name, folder = model
    work = WORKS[task]
    if task == "train" and name == "llama_60m":
        work = dataclasses.replace(work, input_length=0)
    found, wanted = ours(name, folder, work), theirs(folder, work)
    if task == "generate":
        assert found["tokens"] == wanted["tokens"]
        return
    figures = {"train": "losses", "score": "scores"}[task]
    np.testing.assert_allclose(found[figures], wanted[figures], rtol=2e-5)
    if task == "train":
        assert found["parameters"] == wanted["parameters"]
        assert found["losses"][2] < found["losses"][0]  # AdamW moved both alike
