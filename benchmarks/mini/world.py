"""A world's fingerprint: what a result was made in, and whether that is still what there is."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Iterator

from flanjax.cli.catalog import load_catalog
from flanjax.data.render import record_uid, render, template_index
from flanjax.data.task import SPLITS, Task

_NUM_READ = 100
"""Records of each split; what changes a grammar changes its first ones."""


@functools.cache
def fingerprint(catalogue: str, text: str) -> str:
    """Returns twelve hexadecimal digits that tell of a world's examples and wordings.

    Args:
      catalogue: "module:NAME" of a world's tasks.
      text: "module:NAME" of its plain text, which has no test split.
    """
    digest = hashlib.sha256()
    for name, splits in ((catalogue, SPLITS), (text, SPLITS[:-1])):
        for cluster in load_catalog(name).clusters:
            for task in cluster.tasks:
                told = [cluster.name, task.name, task.source.describe(), *map(str, task.templates)]
                digest.update(json.dumps(told).encode())
                for split in splits:
                    digest.update(json.dumps([split, *_examples(task, split)]).encode())
    return digest.hexdigest()[:12]


def _examples(task: Task, split: str) -> Iterator[str]:
    """Yields the first records as a model meets them in one wording, and as they are."""
    for record in itertools.islice(task.source.records(split), _NUM_READ):
        template = template_index(task, record_uid(record), seed=0)
        example = render(task, record, template=template)
        yield str((example, sorted(record.items())))
