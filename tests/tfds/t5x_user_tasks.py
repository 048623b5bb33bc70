"""Tasks and mixtures of a user of T5X: nothing here knows of flanjax.

The directory USER_TASKS_DATA holds a prepared TFDS dataset, TFRecords and text.
"""

import functools
import os

import numpy as np
import seqio
import tensorflow as tf

DATA = os.environ["USER_TASKS_DATA"]
VOCABULARY = seqio.ByteVocabulary(extra_ids=125)
FEATURES = {
    "inputs": seqio.Feature(vocabulary=VOCABULARY, add_eos=True),
    "targets": seqio.Feature(vocabulary=VOCABULARY, add_eos=True),
}
LABELS = ("no", "yes")
TOKENIZE = [
    seqio.preprocessors.tokenize,
    seqio.CacheDatasetPlaceholder(),
    seqio.preprocessors.append_eos_after_trim,
]


def entailment(dataset, prefix, labels):
    """Writes 'prefix premise: ... hypothesis: ...' and the label's name."""

    def to_text(example):
        parts = [prefix, "premise:", example["premise"], "hypothesis:", example["hypothesis"]]
        return {
            "inputs": tf.strings.join(parts, separator=" "),
            "targets": tf.gather(tf.constant(labels), example["label"]),
        }

    return dataset.map(to_text, num_parallel_calls=tf.data.AUTOTUNE)


def each_option(dataset, labels):
    """Makes an example of each option, for rank classification."""

    def spread(number, example):
        num = len(labels)
        numbers = tf.stack([tf.repeat(number, num), tf.range(num, dtype=tf.int64)], axis=1)
        return tf.data.Dataset.from_tensor_slices(
            {
                "inputs": tf.repeat(example["inputs"], num),
                "targets": tf.constant(labels),
                "idx": numbers,
                "is_correct": tf.equal(tf.constant(labels), example["targets"]),
            }
        )

    return dataset.enumerate().flat_map(spread)


def tab_separated(dataset):
    """Makes a question and an answer of a line."""

    def to_text(line):
        parts = tf.strings.split(line, "\t")
        return {"inputs": tf.strings.join(["question: ", parts[0]]), "targets": parts[1]}

    return dataset.map(to_text)


def without_some_words(dataset):
    """Leaves words out of the inputs, drawn by SeqIO's seeds."""

    @seqio.map_over_dataset(num_seeds=1)
    def leave_out(example, seed):
        words = tf.strings.split(example["targets"])
        kept = tf.random.stateless_uniform(tf.shape(words), seed) > 0.3
        kept_words = tf.strings.reduce_join(tf.boolean_mask(words, kept), separator=" ")
        return {**example, "inputs": tf.strings.join(["fill in: ", kept_words])}

    return leave_out(dataset)


def label_number(answer, example=None, is_target=False):
    """Returns an answer's place among the labels, -1 for none of them."""
    return LABELS.index(answer) if answer in LABELS else -1


def accuracy(targets, predictions):
    return {"accuracy": 100.0 * float(np.mean(np.equal(targets, predictions)))}


def exact_match(targets, predictions):
    hits = [
        target.strip() == found.strip() for target, found in zip(targets, predictions, strict=True)
    ]
    return {"exact_match": 100.0 * float(np.mean(hits)), "answers": len(hits)}


def idx_and_correct(answer, example=None, is_target=False):
    return (tuple(example["idx"]), bool(example["is_correct"])) if is_target else answer


def rank_classification(targets, scores):
    """Counts the records whose likeliest option is the right one."""
    records = {}
    for ((record, option), is_correct), score in zip(targets, scores, strict=True):
        records.setdefault(record, []).append((score, -option, is_correct))
    if any(len(options) != len(LABELS) for options in records.values()):
        raise ValueError("a record lacks options")
    return {"accuracy": 100.0 * float(np.mean([max(each)[2] for each in records.values()]))}


def perplexity(targets, scores):
    return {"nats_per_example": -float(np.mean(scores))}


def sentences(split, shuffle_files=False, seed=None):
    """Yields sentences that are nowhere in a file."""
    first = 0 if split == "train" else 1000
    num = 150 if split == "train" else 20
    words = ("red", "blue", "green", "old", "new", "small", "box", "hat", "cup", "door")
    texts = [
        " ".join(words[(i * k + k * k) % 10] for k in (3, 7, 9, 1))
        for i in range(first, first + num)
    ]
    return tf.data.Dataset.from_tensor_slices({"targets": texts})


def add(name, source, preprocessors, features=None, **judged):
    seqio.TaskRegistry.add(
        name,
        source=source,
        preprocessors=preprocessors,
        output_features=features or FEATURES,
        **judged,
    )


NLI = seqio.TfdsDataSource("user_nli:1.0.0", tfds_data_dir=os.path.join(DATA, "tfds"))
as_entailment = functools.partial(entailment, prefix="nli", labels=LABELS)

add(
    "user_nli",
    NLI,
    [as_entailment, *TOKENIZE],
    postprocess_fn=label_number,
    metric_fns=[accuracy],
)
add(
    "user_nli_options.v2",
    NLI,
    [as_entailment, functools.partial(each_option, labels=LABELS), *TOKENIZE],
    postprocess_fn=idx_and_correct,
    metric_fns=[rank_classification],
)
add(
    "user_questions",
    seqio.TextLineDataSource(
        {split: os.path.join(DATA, f"questions.{split}.tsv") for split in ("train", "validation")},
        num_input_examples={"train": 320, "validation": 20},
    ),
    [tab_separated, *TOKENIZE],
    metric_fns=[exact_match],
)
add(
    "user_reversed",
    seqio.TFExampleDataSource(
        {
            split: os.path.join(DATA, f"reversed.{split}.tfrecord*")
            for split in ("train", "validation", "test")
        },
        feature_description={
            "word": tf.io.FixedLenFeature([], tf.string),
            "backwards": tf.io.FixedLenFeature([], tf.string),
        },
    ),
    [
        functools.partial(
            seqio.preprocessors.rekey, key_map={"inputs": "word", "targets": "backwards"}
        ),
        *TOKENIZE,
    ],
    metric_fns=[exact_match],
)
add(
    "user_fill_in",
    seqio.FunctionDataSource(sentences, splits=("train", "validation")),
    [without_some_words, *TOKENIZE],
)
add(
    "user_text",
    seqio.FunctionDataSource(sentences, splits=("train", "validation")),
    TOKENIZE,
    features={"targets": seqio.Feature(vocabulary=VOCABULARY, add_eos=True)},
    metric_fns=[perplexity],
)

seqio.MixtureRegistry.add(
    "user_inner",
    [
        ("user_nli", 2.0),
        ("user_questions", functools.partial(seqio.mixing_rate_num_examples, maximum=100)),
    ],
)
seqio.MixtureRegistry.add(
    "user_all",
    [("user_inner", 3.0), ("user_reversed", 1.5), ("user_fill_in", 0.5), ("user_nli", 1.0)],
)
seqio.MixtureRegistry.add("user_held_out", [("user_nli_options.v2", 1.0)])
