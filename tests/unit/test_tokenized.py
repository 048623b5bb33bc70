"""Records to tokens: ends, cuts, drops, and what is counted of them."""

import dataclasses
import re

import numpy as np
import pytest

from flanjax.data.objective import ObjectiveConfig
from flanjax.data.render import record_uid
from flanjax.data.sources import Jsonl
from flanjax.data.task import Task, Template
from flanjax.data.tokenize import ByteTokenizer
from flanjax.engine.shard import INPUTS_CUT, TARGETS_CUT
from flanjax.engine.tokenized import Batch, TokenSettings, batch_of, tokenize_batch
from tests.unit.beginning_tokenizer import BeginningTokenizer

EOS = ByteTokenizer().eos_id
SPANS = ObjectiveConfig(name="span_corruption")
TASK = Task(
    name="words",
    version=1,
    source=Jsonl(files={"train": "words.jsonl"}, public="https://example.org/words"),
    to_fields=lambda record: {"text": record["text"], "answer": record["answer"]},
    fields=("text", "answer"),
    templates=(Template("{text}"), Template("{text}?")),
    mode="generate",
    metrics=("rouge",),
    license="CC0",
    citation="by hand",
)
SETTINGS = TokenSettings(ByteTokenizer(), ObjectiveConfig(), max_inputs=6, max_targets=4)


def tokenize(*pairs, settings=SETTINGS, task=TASK, pass_index=0):
    records = [{"text": text, "answer": answer} for text, answer in pairs]
    uids = [record_uid(record) for record in records]
    rows = [10 + number for number in range(len(records))]
    batch = batch_of(task, records, uids, rows, slice(None), settings)
    return tokenize_batch(task, batch, settings, pass_index=pass_index)


def sides(part):
    """Returns (prompt, target) of each example as text, $ for the end id."""

    def text(ids):
        return "".join("$" if i == EOS else chr(i - 3) for i in ids.tolist())

    found = []
    for start, inputs, targets, *_ in part.examples.tolist():
        middle = start + inputs
        tokens = part.tokens
        found.append((text(tokens[start:middle]), text(tokens[middle : middle + targets])))
    return found


def one_wording(task=TASK):
    return dataclasses.replace(task, templates=task.templates[:1])


def test_prompt_and_target_each_end():
    part = tokenize(("abc", "x"), ("de", "yz"), task=one_wording())
    assert sides(part) == [("abc$", "x$"), ("de$", "yz$")]
    assert part.examples["row"].tolist() == [10, 11]
    assert part.examples["flags"].tolist() == [0, 0]
    assert part.counts == {}


def test_what_fits_exactly_is_not_cut():
    part = tokenize(("abcde", "xyz"), task=one_wording())
    assert sides(part) == [("abcde$", "xyz$")]
    assert part.counts == {}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("truncate_right", ("abcde$", "wxy$")), ("truncate_left", ("bcdef$", "xyz$"))],
)
def test_what_is_too_long_is_cut_on_the_stated_side_and_counted(policy, expected):
    settings = SETTINGS._replace(over_long=policy)
    part = tokenize(("abcdef", "wxyz"), ("a", "wxyz"), settings=settings, task=one_wording())
    assert sides(part)[0] == expected
    assert part.examples["flags"].tolist() == [INPUTS_CUT | TARGETS_CUT, TARGETS_CUT]
    assert part.counts == {"inputs_truncated": 1, "targets_truncated": 2}


def beginning(**changed):
    return SETTINGS._replace(tokenizer=BeginningTokenizer(), **changed)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("truncate_right", ("^abcd$", "wxy$")), ("truncate_left", ("^cdef$", "xyz$"))],
)
def test_what_begins_a_prompt_stays_first_and_takes_room(policy, expected):
    settings = beginning(over_long=policy)
    pairs = (("abcdef", "wxyz"), ("", "x"), ("abcd", "x"))
    part = tokenize(*pairs, settings=settings, task=one_wording())
    assert sides(part) == [expected, ("^$", "x$"), ("^abcd$", "x$")]
    assert part.counts == {"inputs_truncated": 1, "targets_truncated": 1}


def test_a_prompt_that_is_too_long_with_what_begins_it_is_an_error():
    with pytest.raises(ValueError, match="inputs and their end must fit 6 tokens, got 7"):
        tokenize(("abcde", "x"), settings=beginning(over_long="error"), task=one_wording())
    tokenize(("abcd", "xyz"), settings=beginning(over_long="error"), task=one_wording())


def test_exemplars_leave_room_for_what_begins_a_prompt():
    """As if a text were longer by a character."""
    for room in range(6, 24):
        lengths = []
        for text, settings in (("^ab", SETTINGS), ("ab", beginning())):
            records = [{"text": text, "answer": "x"}, {"text": "cd", "answer": "y"}]
            uids = [record_uid({"text": "ab"}), record_uid(records[1])]
            settings = settings._replace(max_inputs=room, num_shots=1)
            batch = Batch(records[:1], uids[:1], [1], [(records[1],)])
            lengths.append(
                tokenize_batch(one_wording(), batch, settings, pass_index=0).examples["inputs"]
            )
        assert lengths[0].tolist() == lengths[1].tolist()


def test_what_is_too_long_is_dropped_and_counted_once():
    settings = SETTINGS._replace(over_long="drop")
    part = tokenize(
        ("abcdef", "wxyz"), ("a", "wxyz"), ("a", "x"), settings=settings, task=one_wording()
    )
    assert sides(part) == [("a$", "x$")]
    assert part.examples["row"].tolist() == [12]
    assert part.counts == {"inputs_too_long": 1, "targets_too_long": 1}


def test_what_is_too_long_is_an_error_that_names_the_row():
    settings = SETTINGS._replace(over_long="error")
    expected = (
        "task words, source row 11: targets and their end must fit 4 tokens, got 5; raise "
        "TASK_FEATURE_LENGTHS, or set DataConfig.over_long"
    )
    with pytest.raises(ValueError, match=expected):
        tokenize(("a", "x"), ("a", "wxyz"), settings=settings, task=one_wording())


class Deaf(ByteTokenizer):
    """Hears no q: a text of nothing else has no tokens."""

    def encode_flat(self, texts):
        return super().encode_flat([text.replace("q", "") for text in texts])


def test_a_target_without_tokens_is_dropped_and_counted():
    settings = SETTINGS._replace(tokenizer=Deaf())
    part = tokenize(("a", "q"), ("b", "x"), settings=settings, task=one_wording())
    assert sides(part) == [("b$", "x$")]
    assert part.counts == {"empty_target": 1}


def test_each_pass_words_a_record_in_its_next_template():
    first, second = (tokenize(("ab", "x"), pass_index=number) for number in range(2))
    templates = [part.examples["template"].tolist()[0] for part in (first, second)]
    assert sorted(templates) == [0, 1]
    prompts = {0: "ab$", 1: "ab?$"}
    assert [sides(first)[0][0], sides(second)[0][0]] == [prompts[t] for t in templates]


def test_a_record_is_tokenized_the_same_in_any_company():
    alone = tokenize(("abc", "x"))
    among = tokenize(("zz", "y"), ("abc", "x"))
    assert sides(among)[1] == sides(alone)[0]


def test_span_corruption_masks_the_same_spans_again():
    settings = SETTINGS._replace(
        objective=ObjectiveConfig(name="span_corruption"), max_inputs=99, max_targets=99
    )
    text = ("the quick brown fox jumps", "over the dog")
    part, again = (tokenize(text, settings=settings, task=one_wording()) for _ in range(2))
    assert part.tokens.tolist() == again.tokens.tolist()
    sentinel = settings.tokenizer.sentinel(0)
    assert (part.tokens == sentinel).sum() == 2  # in the prompt and in the target
    assert part.examples["targets"][0] > 2


@pytest.mark.parametrize("policy", ["truncate_right", "truncate_left"])
def test_span_corruption_cuts_a_text_before_it_masks_it(policy):
    """Each sentinel of a target stands in its input; both are a piece of the text."""
    settings = TokenSettings(
        ByteTokenizer(), SPANS, max_inputs=50, max_targets=20, over_long=policy
    )
    text = "".join(chr(33 + n % 90) for n in range(500))
    part = tokenize((text, "end"), settings=settings, task=one_wording())
    assert part.counts == {"inputs_truncated": 1}
    [start, num_inputs, num_targets] = part.examples[["start", "inputs", "targets"]].tolist()[0]
    inputs = part.tokens[start : start + num_inputs].tolist()
    targets = part.tokens[start + num_inputs : start + num_inputs + num_targets].tolist()
    assert (inputs.pop(), targets.pop()) == (EOS, EOS)
    sentinels = {settings.tokenizer.sentinel(n) for n in range(100)}
    assert [i for i in inputs if i in sentinels] == [i for i in targets if i in sentinels]
    spans, last = {}, None
    for i in targets:
        last = i if i in sentinels else last
        spans.setdefault(last, []).extend([] if i in sentinels else [i])
    whole = [i for each in inputs for i in spans.get(each, [each])]
    assert "".join(chr(i - 3) for i in whole) == (
        (text + "end")[-len(whole) :] if policy == "truncate_left" else text[: len(whole)]
    )
    assert len(inputs) in (48, 49)


def test_spans_depend_on_the_seed_and_the_pass():
    settings = SETTINGS._replace(objective=SPANS, max_inputs=99, max_targets=99)
    text = ("the quick brown fox jumps over the lazy dog", "and sleeps")
    found = [
        tokenize(text, settings=settings._replace(seed=seed), task=one_wording(), pass_index=number)
        for seed, number in ((0, 0), (1, 0), (0, 1))
    ]
    assert len({part.tokens.tobytes() for part in found}) == 3


def test_span_corruption_tells_long_texts_and_tokenizers_without_sentinels():
    settings = TokenSettings(ByteTokenizer(), SPANS, max_inputs=50, max_targets=20)
    with pytest.raises(ValueError, match=r"source row 10: a text must fit the .* got 83"):
        tokenize(("x" * 80, "end"), settings=settings._replace(over_long="error"))
    dropped = tokenize(("x" * 80, "end"), settings=settings._replace(over_long="drop"))
    assert dropped.counts == {"inputs_too_long": 1}
    with pytest.raises(ValueError, match="tokenizer must have sentinels for span_corruption"):
        tokenize(("x", "y"), settings=settings._replace(tokenizer=ByteTokenizer(extra_ids=0)))


def test_no_records_are_no_tokens():
    part = tokenize_batch(TASK, Batch([], [], []), SETTINGS, pass_index=0)
    assert (part.tokens.size, len(part.examples)) == (0, 0)


@pytest.mark.parametrize("name", ["bytes", "pieces"])
def test_flat_encoding_is_the_encoding_of_each_text(name, test_data):
    tokenizer = ByteTokenizer()
    if name == "pieces":
        from flanjax.data.tokenize import TokenizerConfig, make_tokenizer

        model = test_data / "reference/t5_vocab/sentencepiece.model"
        tokenizer = make_tokenizer(TokenizerConfig(kind="sentencepiece", path=str(model)))
    texts = ["one two", "", "é 漢字 three\nfour", "x" * 50]
    values, lengths = tokenizer.encode_flat(texts)
    each = tokenizer.encode_batch(texts)
    assert lengths.tolist() == [ids.size for ids in each]
    assert values.tolist() == np.concatenate(each).tolist()
    assert tokenizer.encode_flat([])[0].size == 0


class Given:
    """Records that are ids, as another library gives them."""

    @property
    def lengths(self):
        return {"inputs": 5, "targets": 3}

    def ids(self, record):
        return tuple(np.asarray(record[side], np.int32) for side in ("inputs", "answer"))


def given(*pairs):
    task = dataclasses.replace(one_wording(), name="words.v2:en", pretokenized=Given())
    records = [{"inputs": inputs, "answer": answer} for inputs, answer in pairs]
    batch = Batch(records, list(range(len(pairs))), [10 + n for n in range(len(pairs))])
    return tokenize_batch(task, batch, SETTINGS, pass_index=0)


def test_given_ids_are_kept_as_they_are_with_or_without_ends():
    part = given(([7, 8, EOS], [9, EOS]), ([], [5, 6]), ([4], [EOS]))
    assert part.tokens.tolist() == [7, 8, EOS, 9, EOS, 5, 6, 4, EOS]
    assert part.examples["inputs"].tolist() == [3, 0, 1]
    assert part.examples["targets"].tolist() == [2, 2, 1]
    assert part.examples["start"].tolist() == [0, 5, 7]
    assert part.examples["row"].tolist() == [10, 11, 12]
    assert part.counts == {}


def test_given_ids_at_their_limit_and_without_a_target_are_counted():
    part = given(([7] * 5, [9, EOS]), ([7], []), ([7] * 4, [9] * 3), ([7] * 5, [9] * 3))
    assert part.examples["row"].tolist() == [10, 12, 13]
    assert part.counts == {"empty_target": 1, "inputs_at_limit": 2, "targets_at_limit": 2}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (([7] * 6, [9]), "words.v2:en, source row 11: inputs must fit 5 tokens, got 6"),
        (([7], [9] * 4), "source row 11: targets must fit 3 tokens, got 4"),
        (
            ([7, 384], [9]),
            "source row 11: inputs must hold ids below the vocabulary's 384, got 384",
        ),
        (([7], [-1]), "source row 11: targets must hold ids below the vocabulary's 384, got -1"),
    ],
)
def test_given_ids_that_no_row_could_hold_are_refused(pair, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        given(([3], [4]), pair)


@pytest.mark.parametrize("name", ["..", "a/b", ".a", ":a", "a b", ""])
def test_a_name_of_another_library_is_no_path(name):
    with pytest.raises(ValueError, match="task name must be letters, digits and underscores, dots"):
        dataclasses.replace(one_wording(), name=name, pretokenized=Given())
    with pytest.raises(ValueError, match=r"must be letters, digits and underscores, got 'a\.b'"):
        dataclasses.replace(one_wording(), name="a.b")
