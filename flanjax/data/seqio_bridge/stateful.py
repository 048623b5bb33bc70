"""Finds operations that draw random numbers nobody can draw again."""

from __future__ import annotations

import re

import tensorflow as tf

_DRAWS = re.compile(
    r"(Random(?!Dataset|Seed|Index)\w*|Multinomial|TruncatedNormal|ParameterizedTruncatedNormal"
    r"|SampleDistortedBoundingBox(V2)?|Stateful(Uniform|StandardNormal|TruncatedNormal|Random"
    r"|Binomial)\w*|RngReadAndSkip|RngSkip|NonDeterministicInts)"
)
"""Operations with a generator of their own; those called Stateless have none.

RandomDataset is what seqio.map_over_dataset takes its seeds from, which the run's seed sets.
"""


def stateful_ops(dataset: tf.data.Dataset) -> list[str]:
    """Returns the random operations of a dataset that keep a state, each once."""
    serialized = tf.raw_ops.DatasetToGraphV2(
        input_dataset=tf.data.experimental.to_variant(dataset),
        external_state_policy=tf.data.experimental.ExternalStatePolicy.IGNORE.value,
    ).numpy()  # what Python keeps is ignored: it has no place in a graph
    graph = tf.compat.v1.GraphDef.FromString(serialized)
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    return sorted({node.op for node in nodes if _DRAWS.fullmatch(node.op)})


def check_stateless(dataset: tf.data.Dataset, *, task: str, split: str) -> None:
    """Checks that a dataset comes out the same each time.

    Raises:
      ValueError: An operation draws from a state that no seed sets.
    """
    found = stateful_ops(dataset)
    if found:
        raise ValueError(
            f"task {task}: its {split} split must come out the same each time, got the stateful "
            f"{', '.join(found)}; draw with tf.random.stateless_* from the seeds of "
            "seqio.map_over_dataset(num_seeds=1)."
        )
