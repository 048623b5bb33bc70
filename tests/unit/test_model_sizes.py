"""The model files: sizes that are those of the public models."""

from __future__ import annotations

import functools
import math
import re

import jax
import pytest

from flanjax import gin_bridge, gin_statements, parallel
from flanjax.experiment import Experiment
from flanjax.models import families
from flanjax.models.api import is_axes

FOLDER = gin_statements.config_dir() / "models"
TEXTS = {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.gin"))}
SHARED = {
    name
    for text in TEXTS.values()
    for name in re.findall(r"^include 'models/(\w+)\.gin'", text, re.M)
}
"""Files that other model files include: what a family's sizes have in common."""

COUNTS = {
    "t5_1_0_small": 60_506_624,
    "t5_1_0_base": 222_903_552,
    "t5_1_0_large": 737_668_096,
    "t5_1_0_3b": 2_851_598_336,
    "t5_1_0_11b": 11_307_321_344,
    "t5_1_1_small": 76_961_152,
    "t5_1_1_base": 247_577_856,
    "t5_1_1_large": 783_150_080,
    "t5_1_1_xl": 2_849_757_184,
    "t5_1_1_xxl": 11_135_332_352,
    "mt5_small": 300_176_768,
    "mt5_base": 582_401_280,
    "mt5_large": 1_229_581_312,
    "mt5_xl": 3_742_619_648,
    "mt5_xxl": 12_921_057_280,
    "byt5_small": 299_637_760,
    "byt5_base": 581_653_248,
    "byt5_large": 1_228_183_552,
    "byt5_xl": 3_737_801_728,
    "byt5_xxl": 12_906_899_328,
    "ul2_20b": 19_459_613_696,
    "t5gemma_small": 312_517_632,
    "t5gemma_base": 591_490_560,
    "t5gemma_large": 1_241_761_792,
    "t5gemma_xl": 3_766_980_608,
    "t5gemma_2b_2b": 5_596_853_760,
    "t5gemma_9b_9b": 20_333_401_088,
    "llama_2_7b": 6_738_415_616,
    "llama_2_13b": 13_015_864_320,
    "llama_2_70b": 68_976_648_192,
    "llama_3_8b": 8_030_261_248,
    "llama_3_70b": 70_553_706_496,
    "llama_3_1_8b": 8_030_261_248,
    "llama_3_1_70b": 70_553_706_496,
    "llama_3_2_1b": 1_235_814_400,
    "llama_3_2_3b": 3_212_749_824,
    "mistral_7b_0_1": 7_241_732_096,
    "mistral_7b_0_3": 7_248_023_552,
    "qwen_2_5_0_5b": 494_032_768,
    "qwen_2_5_1_5b": 1_543_714_304,
    "qwen_2_5_3b": 3_085_938_688,
    "qwen_2_5_7b": 7_615_616_512,
    "qwen_2_5_14b": 14_770_033_664,
    "qwen_2_5_32b": 32_763_876_352,
    "qwen_2_5_72b": 72_706_203_648,
    "qwen_3_0_6b": 596_049_920,
    "qwen_3_1_7b": 1_720_574_976,
    "qwen_3_4b": 4_022_468_096,
    "qwen_3_8b": 8_190_735_360,
    "qwen_3_14b": 14_768_307_200,
    "qwen_3_32b": 32_762_123_264,
    "gemma_2_2b": 2_614_341_888,
    "gemma_2_9b": 9_241_705_984,
    "gemma_2_27b": 27_227_128_320,
    "gemma_3_270m": 268_098_176,
    "gemma_3_1b": 999_885_952,
    "olmo_2_1b": 1_484_916_736,
    "olmo_2_7b": 7_298_617_344,
    "olmo_2_13b": 13_716_198_400,
    "olmo_2_32b": 32_234_279_936,
    "phi_3_mini_4k": 3_821_079_552,
    "phi_4": 14_659_507_200,
    "phi_4_mini": 3_836_021_760,
    "pythia_70m": 70_426_624,
    "pythia_160m": 162_322_944,
    "pythia_410m": 405_334_016,
    "pythia_1b": 1_011_781_632,
    "pythia_1_4b": 1_414_647_808,
    "pythia_2_8b": 2_775_208_960,
    "pythia_6_9b": 6_857_302_016,
    "pythia_12b": 11_846_072_320,
    "gpt_2_small": 124_439_808,
    "gpt_2_medium": 354_823_168,
    "gpt_2_large": 774_030_080,
    "gpt_2_xl": 1_557_611_200,
    "t5_tiny": 886_528,
    "t5_tiny_pieces": 1_853_184,
    "decoder_tiny": 443_008,
    "decoder_tiny_pieces": 926_336,
    "miniature_t5_small": 467_840,
    "miniature_t5_base": 1_328_896,
    "miniature_t5_large": 3_911_232,
    "miniature_decoder_small": 246_208,
    "miniature_decoder_base": 713_600,
    "miniature_decoder_large": 3_062_208,
}
"""Counts of the public checkpoints: what the arrays that their config.json implies add up to, tied
ones once. The tiny models and those of the miniature are ours; their counts are sums done by
hand."""

ROUNDED = {
    "palm_8b": (8.63e9, 0.01e9),  # Chowdhery et al. 2022, table 1
    "palm_62b": (62.50e9, 0.01e9),
    "palm_540b": (540.35e9, 0.01e9),
    "lamda_pt_137b": (137e9, 0.5e9),  # Thoppilan et al. 2022, section 3: without the embedding
}
"""Counts of models whose weights are not public, and how far off rounding may leave them."""


def resolve(name: str) -> Experiment:
    bindings = ["MODEL_DIR='out'", "TRAIN_STEPS=1"]
    if name not in ("t5_tiny", "decoder_tiny") and not name.startswith("byt5"):
        bindings.append("TOKENIZER_PATH='tokenizer'")
    return gin_bridge.load(["base.gin", f"models/{name}.gin"], bindings).experiment


@functools.cache
def count(name: str) -> dict[str, int]:
    """Returns how many numbers each entry of a model's parameters holds."""
    params = jax.eval_shape(families.make_model(resolve(name).model).init, jax.random.key(0))
    return {
        entry: sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params[entry]))
        for entry in params
    }


@pytest.mark.parametrize("name", [*COUNTS, *ROUNDED])
def test_every_parameter_of_a_model_file_has_a_place_on_a_mesh(name: str) -> None:
    mesh = parallel.make_mesh(parallel.MeshConfig(), num_devices=1)
    model = families.make_model(resolve(name).model)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    jax.tree.map(
        lambda axes, leaf: parallel.param_sharding(mesh, axes, leaf.shape),
        model.axes,
        shapes,
        is_leaf=is_axes,
    )


@pytest.mark.parametrize(("name", "expected"), COUNTS.items())
def test_a_model_has_its_public_number_of_parameters(name: str, expected: int) -> None:
    assert sum(count(name).values()) == expected


@pytest.mark.parametrize(("name", "expected"), ROUNDED.items())
def test_a_model_without_public_weights_agrees_with_its_paper(
    name: str, expected: tuple[float, float]
) -> None:
    parts = count(name)
    total = sum(parts.values()) - (parts["embed"] if name == "lamda_pt_137b" else 0)
    assert total == pytest.approx(expected[0], abs=expected[1])


def test_every_model_file_is_in_a_table_or_shared_by_some_that_are() -> None:
    assert set(TEXTS) - SHARED == set(COUNTS) | set(ROUNDED)
    assert not SHARED & (set(COUNTS) | set(ROUNDED))


@pytest.mark.parametrize("name", [*COUNTS, *ROUNDED])
def test_the_first_line_of_a_model_file_gives_its_number_of_parameters(name: str) -> None:
    found = re.search(r": ([\d.]+) ([MB]) parameters", TEXTS[name].splitlines()[0])
    assert found is not None
    decimals = len(found[1].partition(".")[2])
    total = sum(count(name).values()) / {"M": 1e6, "B": 1e9}[found[2]]
    assert f"{total:.{decimals}f}" == found[1]


@pytest.mark.parametrize("name", [*COUNTS, *ROUNDED])
def test_a_model_file_names_a_tokenizer_that_its_family_has(name: str) -> None:
    run = resolve(name)
    if name.startswith("byt5") or name in ("t5_tiny", "decoder_tiny"):
        expected = "bytes"
    elif name.startswith(("t5_", "mt5", "ul2", "miniature")) or name == "decoder_tiny_pieces":
        expected = "sentencepiece"
    else:
        expected = "huggingface"
    assert run.tokenizer.kind == expected
