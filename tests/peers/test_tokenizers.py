"""Prompts begin where transformers begins them, and nowhere else.

Needs torch and transformers; run by itself: pytest tests/peers.
"""

from __future__ import annotations

import json
import pathlib

import pytest
import tokenizers
import transformers

from flanjax.data.hf_tokenizer import ABOUT_FILE, TOKENIZER_FILE, begins_prompts
from flanjax.data.tokenize import TokenizerConfig, encode_prompts, make_tokenizer

TEXTS = ["the cat sat", "on the mat", "the the the"]


def write(folder: pathlib.Path, *, has_template: bool, **about: object) -> pathlib.Path:
    """Writes a tokenizer of pieces of words; returns where its tokenizer.json lies."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    made.decoder = tokenizers.decoders.Metaspace()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=60, special_tokens=["<pad>", "<unk>", "<s>", "</s>"], show_progress=False
    )
    made.train_from_iterator(TEXTS, trainer)
    if has_template:
        begin = ("<s>", made.token_to_id("<s>"))
        made.post_processor = tokenizers.processors.TemplateProcessing(
            single="<s> $A", special_tokens=[begin]
        )
    made.save(str(folder / TOKENIZER_FILE))
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    (folder / ABOUT_FILE).write_text(json.dumps({**names, **about}), "utf-8")
    return folder / TOKENIZER_FILE


@pytest.mark.parametrize("about", [{}, {"add_bos_token": True}, {"add_bos_token": False}], ids=str)
@pytest.mark.parametrize("has_template", [True, False])
@pytest.mark.parametrize("kind", ["LlamaTokenizer", "GemmaTokenizer", "PreTrainedTokenizerFast"])
def test_prompts_are_those_of_transformers(tmp_path, kind, has_template, about) -> None:
    path = write(tmp_path, has_template=has_template, tokenizer_class=kind, **about)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert begins_prompts(path) == has_template
    config = TokenizerConfig(kind="huggingface", path=str(path), has_bos=begins_prompts(path))
    ours = make_tokenizer(config)
    whole, bare = theirs(TEXTS).input_ids, theirs(TEXTS, add_special_tokens=False).input_ids
    begins = [ids[: len(ids) - len(text)] for ids, text in zip(whole, bare, strict=True)]
    assert begins == [[] if ours.bos_id is None else [ours.bos_id]] * len(TEXTS)
    if kind != "GemmaTokenizer":  # which cuts words in its own way, whatever the file says
        assert [ids.tolist() for ids in encode_prompts(ours, TEXTS)] == whole
