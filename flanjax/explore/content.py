"""A catalogue as plain data, for a page that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flanjax.data.catalogue import Catalogue, Mixture
from flanjax.data.published import Published
from flanjax.data.render import ANSWER_SEPARATOR, SHOT_SEPARATOR
from flanjax.data.task import SPLITS, Task, Template, TemplateText
from flanjax.explore.lengths import EDGES, lengths
from flanjax.explore.samples import Sampled, shown
from flanjax.explore.shares import hold_outs


def content(catalogue: Catalogue, sampled: Mapping[str, Sampled], *, place: str) -> dict[str, Any]:
    """Returns what the page shows, in dicts, lists, text and numbers.

    Sets of templates that several tasks share stand in it once.

    Args:
      catalogue: The catalogue.
      sampled: Task name -> its records.
      place: How the catalogue is named in a command, "flan2021".
    """
    wordings = list(dict.fromkeys(task.templates for task in catalogue.tasks()))
    sizes = {name: found.size.examples for name, found in sampled.items()}
    defaults = Mixture("defaults", catalogue.tasks())
    return {
        "name": catalogue.name,
        "place": place,
        "mixture": {
            "max_examples": defaults.max_examples,
            "rate_cap": defaults.rate_cap,
            "temperature": defaults.temperature,
        },
        "clusters": [cluster.name for cluster in catalogue.clusters],
        "exclusions": [list(exclusion) for exclusion in catalogue.exclusions],
        "wordings": [[_template(template) for template in each] for each in wordings],
        "tasks": [
            {
                "name": task.name,
                "cluster": cluster.name,
                "wording": wordings.index(task.templates),
                **_facts(task),
                **_records(task, sampled[task.name]),
            }
            for cluster in catalogue.clusters
            for task in cluster.tasks
        ],
        "hold_outs": hold_outs(catalogue, {name: num for name, num in sizes.items() if num}),
        "edges": list(EDGES),
        "separators": {"shot": SHOT_SEPARATOR, "answer": ANSWER_SEPARATOR},
    }


def _template(template: Template) -> dict[str, Any]:
    return {
        "inputs": _pieces(template.parsed_inputs),
        "targets": _pieces(template.parsed_targets),
        "inverted": template.inverted,
    }


def _pieces(text: TemplateText) -> list[list[str]]:
    """Returns [literal, field] or, at the end, [literal]."""
    return [[literal] if name is None else [literal, name] for literal, name in text.pieces]


def _facts(task: Task) -> dict[str, Any]:
    return {
        "version": task.version,
        "mode": task.mode,
        "metrics": list(task.metrics),
        "corpora": list(task.corpora),
        "fields": list(task.fields),
        "license": task.license,
        "citation": task.citation,
        "source": task.source.describe(),
        "splits": [_split(task, split) for split in SPLITS if split in task.source.splits()],
        "is_extractive": task.is_extractive,
        "is_trainable": task.is_trainable,
    }


def _split(task: Task, split: str) -> dict[str, Any]:
    source = task.source
    if not isinstance(source, Published):
        return {"name": split, "rows": None, "cut": ""}
    return {
        "name": split,
        "rows": source.num_published(split),
        "cut": source.tfds.tfds_splits[split],
    }


def _records(task: Task, sampled: Sampled) -> dict[str, Any]:
    size = sampled.size
    return {
        "size": {"examples": size.examples, "origin": size.origin},
        "missing": sampled.missing,
        "samples": shown(task, sampled.shown),
        "lengths": lengths(task, sampled.measured, origin=sampled.origin),
    }
