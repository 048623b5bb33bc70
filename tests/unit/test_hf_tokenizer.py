"""tokenizer.json: the ids that the tokenizers library gives, and what is refused."""

from __future__ import annotations

import json
import pathlib
import types

import numpy as np
import pytest
import tokenizers

from flanjax import conversion, opened, start
from flanjax.data.hf_tokenizer import (
    ABOUT_FILE,
    GENERATION_FILE,
    TOKENIZER_FILE,
    HfTokenizer,
    begins_prompts,
)
from flanjax.data.tokenize import (
    TokenizerConfig,
    encode_prompts,
    load_tokenizer,
    make_tokenizer,
    saved_config,
)
from flanjax.engine import peek
from flanjax.evaluation.stop_texts import before_special, stop_ids

TEXTS = ["the cat sat on the mat", "", "Où est-il ? 42\n\tünïcode", "the the the"]
SPECIAL = ["!", "</s>", "<s>", "<extra_id_0>", "<extra_id_1>"]


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A byte-level BPE whose id 0 is a word, with a template, a cut and padding."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(TEXTS, trainer)
    made.add_special_tokens(SPECIAL[1:])
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))]
    )
    made.enable_truncation(3)
    made.enable_padding()
    made.save(str(tmp_path / TOKENIZER_FILE))
    (tmp_path / ABOUT_FILE).write_text(json.dumps({"eos_token": "</s>"}), "utf-8")
    return tmp_path


@pytest.fixture
def tokenizer(folder: pathlib.Path) -> HfTokenizer:
    return HfTokenizer.from_file(folder / TOKENIZER_FILE)


def plain(folder: pathlib.Path) -> tokenizers.Tokenizer:
    theirs = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    theirs.no_truncation()
    theirs.no_padding()
    return theirs


def test_ids_are_the_library_s_without_template_cut_and_padding(folder, tokenizer):
    theirs = plain(folder)
    wanted = [theirs.encode(text, add_special_tokens=False).ids for text in TEXTS]
    assert max(map(len, wanted)) > 3
    assert [ids.tolist() for ids in tokenizer.encode_batch(TEXTS)] == wanted
    values, lengths = tokenizer.encode_flat(TEXTS)
    assert lengths.tolist() == [len(ids) for ids in wanted]
    assert values.tolist() == [i for ids in wanted for i in ids]
    assert values.dtype == np.int32


def about(folder: pathlib.Path, **changed) -> pathlib.Path:
    """Changes tokenizer_config.json; returns where tokenizer.json lies."""
    told = {"eos_token": "</s>", "bos_token": "<s>"} | changed
    (folder / ABOUT_FILE).write_text(json.dumps(told), "utf-8")
    return folder / TOKENIZER_FILE


def test_prompts_begin_as_the_library_s_template_begins_them(folder):
    ours = HfTokenizer.from_file(about(folder), has_bos=True)
    theirs = plain(folder)
    assert [ids.tolist() for ids in encode_prompts(ours, TEXTS)] == [
        theirs.encode(text, add_special_tokens=True).ids for text in TEXTS
    ]
    assert encode_prompts(ours, TEXTS)[0].dtype == np.int32
    without = HfTokenizer.from_file(folder / TOKENIZER_FILE)
    assert without.bos_id is None
    assert encode_prompts(without, TEXTS)[0].tolist() == ours.encode_batch(TEXTS)[0].tolist()
    assert without.fingerprint == ours.fingerprint  # ids mean the same


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, True),
        ({"bos_token": {"content": "<s>"}}, True),
        ({"bos_token": None}, False),
        ({"bos_token": "</s>"}, False),
        ({"bos_token": "<nope>"}, False),
    ],
)
def test_whether_prompts_begin_so_stands_in_the_files(folder, told, expected):
    assert begins_prompts(about(folder, **told)) is expected


def test_a_template_that_ends_texts_begins_none(folder):
    """Though one token does both, as GPT-2's."""
    theirs = plain(folder)
    ends = {"special_tokens": [("</s>", theirs.token_to_id("</s>"))]}
    theirs.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", **ends)
    theirs.save(str(folder / TOKENIZER_FILE))
    assert not begins_prompts(about(folder, bos_token="</s>"))


@pytest.mark.parametrize(
    ("has_bos", "is_added", "expected"),
    [(True, True, ""), (False, False, ""), (True, False, "write it"), (False, True, "=False")],
)
def test_an_export_tells_where_texts_begin_otherwise(folder, has_bos, is_added, expected):
    ours = HfTokenizer.from_file(about(folder), has_bos=has_bos)
    about(folder, bos_token="<s>" if is_added else None)
    source = types.SimpleNamespace(tokenizers=(ours,))
    assert conversion.beginnings(source, folder)[-len(expected) :] == expected
    assert bool(conversion.beginnings(source, folder)) == bool(expected)
    assert conversion.beginnings(types.SimpleNamespace(tokenizers=()), folder) == ""


def test_one_token_that_begins_and_ends_hides_no_text(folder):
    ours = HfTokenizer.from_file(about(folder, bos_token="</s>"), has_bos=True)
    ids = np.append(encode_prompts(ours, TEXTS)[0], ours.eos_id)
    (piece,) = peek.pieces(ids, np.zeros(len(ids)), ours, peek.special_names(ours))
    assert piece.text == f"<end>{TEXTS[0]}<end>"


def test_a_tokenizer_without_a_beginning_is_refused(folder):
    with pytest.raises(
        ValueError, match="must give bos_token, a token of the vocabulary, got KeyError"
    ):
        HfTokenizer.from_file(folder / TOKENIZER_FILE, has_bos=True)
    with pytest.raises(ValueError, match="has_bos must be False for kind 'bytes', got True"):
        TokenizerConfig(has_bos=True)


def test_the_beginning_travels(tmp_path, folder):
    HfTokenizer.from_file(about(folder), has_bos=True).save(tmp_path / "saved")
    assert saved_config(tmp_path / "saved").has_bos
    assert load_tokenizer(tmp_path / "saved").bos_id == plain(folder).token_to_id("<s>")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", r"tokenizer_config\.json must be a JSON object, got \[1\]; restore"),
        ('{"tok', r"tokenizer_config\.json must be JSON, got Unterminated string"),
        ('{"extra_ids": "5"}', r"tokenizer_config\.json: extra_ids must be int, got '5'; copy it"),
    ],
)
def test_a_damaged_file_of_transformers_is_named(tmp_path, text, message):
    (tmp_path / "tokenizer_config.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        opened._hf_tokenizers(tmp_path)


def test_null_sentinels_are_as_many_as_usual(tmp_path):
    about = {"tokenizer_class": "ByT5Tokenizer", "extra_ids": None}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(about))
    (found,) = opened._hf_tokenizers(tmp_path)
    assert found.num_sentinels == 125


def test_a_directory_of_transformers_says_how_its_prompts_begin(folder):
    def opened_with(**told):
        about(folder, **told)
        return opened._hf_tokenizers(folder)

    (begun,) = opened_with()
    assert begun.bos_id == plain(folder).token_to_id("<s>")
    (unbegun,) = opened_with(bos_token=None)
    assert unbegun.bos_id is None
    for theirs, ours, expected in (
        (begun, begun, []),
        (unbegun, unbegun, []),
        (begun, unbegun, ["prompts begin with a bos_token there, not here"]),
        (unbegun, begun, ["prompts begin with a bos_token here, not there"]),
    ):
        source = types.SimpleNamespace(tokenizers=(theirs,))
        parts = types.SimpleNamespace(tokenizer=ours)
        notes = start._beginnings(source, parts)
        assert [note.partition(" (TokenizerConfig.has_bos")[0] for note in notes] == expected
    assert start._beginnings(types.SimpleNamespace(tokenizers=()), parts) == []


def test_text_comes_back_up_to_the_end_id(tokenizer):
    for text, ids in zip(TEXTS, tokenizer.encode_batch(TEXTS), strict=True):
        assert tokenizer.decode([*ids, tokenizer.eos_id, 7, 7]) == text
    assert tokenizer.decode([0]) == "!"


def test_sizes_and_special_ids(folder, tokenizer):
    theirs = plain(folder)
    assert tokenizer.eos_id == theirs.token_to_id("</s>")
    assert tokenizer.vocab_size == theirs.get_vocab_size(with_added_tokens=True)
    assert tokenizer.num_sentinels == 2
    assert tokenizer.sentinel(1) == theirs.token_to_id("<extra_id_1>")
    with pytest.raises(ValueError, match="sentinel must be below the 2 of the tokenizer, got 2"):
        tokenizer.sentinel(2)


def test_it_travels(tmp_path, folder, tokenizer):
    tokenizer.save(tmp_path / "saved")
    again = load_tokenizer(tmp_path / "saved")
    assert again.fingerprint == tokenizer.fingerprint
    assert again.encode_batch(TEXTS)[2].tolist() == tokenizer.encode_batch(TEXTS)[2].tolist()
    made = make_tokenizer(TokenizerConfig(kind="huggingface", path=str(folder / TOKENIZER_FILE)))
    assert made.fingerprint == tokenizer.fingerprint


def test_special_tokens_beyond_a_models_rows_are_left_out(tmp_path, folder, tokenizer):
    """As Gemma 3's for images; their text is read as letters, all else as before."""
    last = tokenizer.vocab_size - 1
    within, left_out = tokenizer.within(last)
    assert left_out == ("<extra_id_1>",)
    assert (within.vocab_size, within.num_sentinels) == (last, 1)
    text = "the cat<extra_id_0> sat<extra_id_1>"
    whole, cut = (each.encode_batch([text])[0].tolist() for each in (tokenizer, within))
    assert whole[-1] == last
    assert cut[: len(whole) - 1] == whole[:-1]
    assert max(cut) < last
    assert within.decode(cut) == "the cat sat<extra_id_1>"
    assert tokenizer.within(last + 1) == (tokenizer, ())
    within.save(tmp_path / "saved")
    assert load_tokenizer(tmp_path / "saved").fingerprint == within.fingerprint

    both = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "</s>": 1, "<image>": 2}, "a"))
    both.add_special_tokens(["</s>", "<image>"])
    both.save(str(tmp_path / TOKENIZER_FILE))
    (tmp_path / ABOUT_FILE).write_text(json.dumps({"eos_token": "</s>"}), "utf-8")
    word = HfTokenizer.from_file(tmp_path / TOKENIZER_FILE)
    assert word.within(2) == (word, ())  # a word of the model too, so it cannot go
    for num_ids in (100, tokenizer.eos_id):  # words, or the end: another model's, to be refused
        assert tokenizer.within(num_ids) == (tokenizer, ())


def test_special_tokens_have_ids_as_texts(folder, tokenizer):
    assert tokenizer.special_id("<s>") == plain(folder).token_to_id("<s>")
    assert tokenizer.special_id("the") is None
    assert stop_ids(["<extra_id_1>"], tokenizer) == ((tokenizer.sentinel(1),),)
    ids = [*tokenizer.encode_batch(["the cat"])[0].tolist(), tokenizer.sentinel(1), 0, 0]
    before = before_special(["<extra_id_1>"], ids, tokenizer)
    assert tokenizer.decode(before) == "the cat"


def test_another_end_id_or_vocabulary_is_another_fingerprint(folder, tokenizer):
    (folder / ABOUT_FILE).write_text(json.dumps({"eos_token": {"content": "<s>"}}), "utf-8")
    assert HfTokenizer.from_file(folder / TOKENIZER_FILE).fingerprint != tokenizer.fingerprint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "must have tokenizer_config.json beside it, which names its end token, got none"),
        ("{}", "must give eos_token, a token of the vocabulary, got KeyError"),
        ("[", "must give eos_token, a token of the vocabulary, got JSONDecodeError"),
        ('{"eos_token": "<nope>"}', "must give eos_token, a token of the vocabulary, got KeyError"),
        ('{"eos_token": null}', "must give eos_token, a token of the vocabulary, got KeyError"),
    ],
)
def test_a_tokenizer_without_an_end_is_refused(folder, text, message):
    (folder / ABOUT_FILE).unlink()
    if text is not None:
        (folder / ABOUT_FILE).write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message):
        HfTokenizer.from_file(folder / TOKENIZER_FILE)


def test_a_file_that_is_no_tokenizer_is_refused(folder):
    (folder / TOKENIZER_FILE).write_text("{}", "utf-8")
    with pytest.raises(ValueError, match=r"tokenizer file must be a tokenizer\.json, got "):
        HfTokenizer.from_file(folder / TOKENIZER_FILE)


def test_an_answer_ends_at_every_end_of_the_generation_config(tmp_path, folder):
    ids = HfTokenizer.from_file(folder / TOKENIZER_FILE)
    first, turn, text = ids.sentinel(0), ids.sentinel(1), ids.encode_batch(["the cat"])[0].tolist()
    assert ids.end_ids == ()
    for given, expected in (
        (turn, (turn,)),
        ([ids.eos_id, turn, first, 99_999], (turn, first)),
        (None, ()),
    ):
        (folder / GENERATION_FILE).write_text(json.dumps({"eos_token_id": given}), "utf-8")
        tokenizer = HfTokenizer.from_file(folder / TOKENIZER_FILE)
        assert tokenizer.end_ids == expected
        assert tokenizer.fingerprint == ids.fingerprint
        tokenizer.save(tmp_path / str(given))
        assert load_tokenizer(tmp_path / str(given)).end_ids == expected
        cut = "the cat" if turn in expected else "the catthe cat"
        assert tokenizer.decode([*text, turn, *text, tokenizer.eos_id, *text]) == cut


@pytest.mark.parametrize("text", ["[", "[1]", '{"eos_token_id": "</s>"}', '{"eos_token_id": [-1]}'])
def test_a_generation_config_that_is_none_is_refused(folder, text):
    (folder / GENERATION_FILE).write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"generation_config.json of .*tokenizer.json"):
        HfTokenizer.from_file(folder / TOKENIZER_FILE)
