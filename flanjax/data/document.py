"""A catalogue as Markdown, for people who look for a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flanjax.data.catalogue import Catalogue
from flanjax.data.holdout import hold_out, restricted
from flanjax.data.published import Published
from flanjax.data.sizes import Draw, expected_draws, published_size
from flanjax.data.task import SPLITS, Task, TaskCluster


def document(catalogue: Catalogue, *, command: str) -> str:
    """Returns a page on a catalogue: its tasks, rates, sources and hold-outs.

    Args:
      catalogue: The catalogue.
      command: How the page was made; it stands in it.
    """
    mixture = catalogue.mixture(catalogue.name)
    sizes = {task.name: published_size(task).examples for task in mixture.tasks()}
    known = {name: num for name, num in sizes.items() if num}
    present = [task for task in mixture.tasks() if task.name in known]
    draws = {}
    if present:
        known_mixture = restricted(mixture, present, name=mixture.name)
        draws = {draw.task: draw for draw in expected_draws(known_mixture, known)}
    parts = [
        f"# The catalogue {catalogue.name}",
        _summary(catalogue, command),
        *(_cluster(cluster, draws) for cluster in catalogue.clusters),
        _hold_outs(catalogue),
        _sources(catalogue),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(catalogue: Catalogue, command: str) -> str:
    tasks = catalogue.tasks()
    num_wordings = len({task.templates for task in tasks})
    return (
        f"Made by `{command}`; change the tasks, not this page. {len(tasks)} tasks in "
        f"{len(catalogue.clusters)} clusters, {sum(len(task.templates) for task in tasks)} "
        f"templates ({num_wordings} sets of ten: variants of a dataset share theirs).\n\n"
        "Examples are the rows that TFDS publishes, cut into splits as FLAN cuts them, before a "
        "task's own filters; `flanjax mixture show` counts what is left after them. The share is "
        "that of the whole catalogue: examples, at most 3,000 of each task, over their sum. Of the "
        "templates the table tells how many list the options and how many are turned around."
    )


def _cluster(cluster: TaskCluster, draws: dict[str, Draw]) -> str:
    rows = [
        (
            f"`{task.name}`",
            " / ".join(_num(_published(task, split)) for split in SPLITS),
            f"{100 * draws[task.name].share:.2f}" if task.name in draws else "-",
            task.mode,
            _templates(task),
            ", ".join(task.metrics),
            ", ".join(task.corpora) or "-",
        )
        for task in cluster.tasks
    ]
    heads = (
        "task", "train / validation / test", "share %", "mode", "options, inverted", "metrics",
        "built on",
    )  # fmt: skip
    return f"## {cluster.name}\n\n" + _table(heads, rows)


def _hold_outs(catalogue: Catalogue) -> str:
    rows = []
    for cluster in catalogue.clusters:
        split = hold_out(catalogue, cluster.name)
        reasons: dict[str, list[str]] = {}
        for name, why in split.dropped.items():
            reasons.setdefault(why, []).append(f"`{name}`")
        told = "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())
        rows.append(
            (
                cluster.name,
                str(len(split.train.tasks())),
                str(len(split.test.tasks if split.test else ())),
                str(len(split.dropped)),
                told or "-",
            )
        )
    intro = (
        "What a run trains on, tests and leaves out when it holds a cluster out. A run writes the "
        "same, task by task, to `certificate.json`; `flanjax mixture certify` prints it."
    )
    return f"## Held out\n\n{intro}\n\n" + _table(
        ("held out", "trained", "tested", "left out", "why"), rows
    )


def _sources(catalogue: Catalogue) -> str:
    rows = [
        (f"`{task.name}`", task.source.describe(), _manual(task), task.license, task.citation)
        for task in catalogue.tasks()
    ]
    intro = (
        "Every task reads, in this order: rows in TFDS's field names below `DATA_DIR/tfds`, the "
        "files that its authors distribute, TFDS."
    )
    return f"## Sources and licenses\n\n{intro}\n\n" + _table(
        ("task", "source", "by hand", "license", "citation"), rows
    )


def _manual(task: Task) -> str:
    source = task.source
    return (source.tfds.manual or "-") if isinstance(source, Published) else "-"


def _templates(task: Task) -> str:
    num_shown = sum("options" in t.parsed_inputs.field_names() for t in task.templates)
    return f"{num_shown}, {sum(t.inverted for t in task.templates)}"


def _published(task: Task, split: str) -> int | None:
    if split not in task.source.splits() or not isinstance(task.source, Published):
        return None
    return task.source.num_published(split)


def _num(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
