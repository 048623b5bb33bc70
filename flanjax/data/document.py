"""A catalogue as Markdown, for people who look for a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flanjax.data.catalogue import Catalogue
from flanjax.data.holdout import hold_out, intra_cluster, restricted
from flanjax.data.published import Published
from flanjax.data.schema import written
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
        _summary(catalogue, command, mixture.rate_cap),
        *(_cluster(cluster, draws) for cluster in catalogue.clusters),
        _hold_outs(catalogue),
        _intra_cluster(catalogue),
        _fields(catalogue),
        _sources(catalogue),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(catalogue: Catalogue, command: str, rate_cap: int) -> str:
    tasks = catalogue.tasks()
    num_wordings = len({task.templates for task in tasks})
    return (
        f"Made by `{command}`; change the tasks, not this page. {len(tasks)} tasks in "
        f"{len(catalogue.clusters)} clusters, {sum(len(task.templates) for task in tasks)} "
        f"templates ({num_wordings} sets: variants of a dataset share theirs).\n\n"
        "Examples are the rows that TFDS publishes, cut into the task's splits, before its own "
        "filters; `flanjax mixture show` counts what is left after them. The share is that of the "
        f"whole catalogue: examples, at most {rate_cap:,} of each task, over their sum. Of the "
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
        if len(catalogue.clusters) == 1:
            rows.append((cluster.name, "-", "-", "-", "nothing would be left to train on"))
            continue
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


def _intra_cluster(catalogue: Catalogue) -> str:
    rows = [
        (f"`{held.rule}`", ", ".join(f"`{task.name}`" for task in held.test.tasks))
        for held in intra_cluster(catalogue)
    ]
    intro = "One dataset of each larger cluster held out, the rest of the cluster trained on."
    return f"## Held out within clusters\n\n{intro}\n\n" + _table(("rule", "tested"), rows)


def _fields(catalogue: Catalogue) -> str:
    rows = []
    for task in catalogue.tasks():
        source = task.source
        if not isinstance(source, Published):
            continue
        tfds = source.tfds
        files = [f"{files.files[split]}" for files in source.originals for split in files.splits()]
        rows.append(
            (
                f"`{task.name}`",
                f"`tfds/{tfds.name.partition(':')[0]}/`",
                ", ".join(f"{split} = `{tfds.tfds_splits[split]}`" for split in tfds.splits()),
                "; ".join(f"`{name}`: {written(kind)}" for name, kind in tfds.features.items()),
                "; ".join(f"`{file}`" for file in files) or "-",
            )
        )
    intro = (
        "To bring a copy of one's own: rows with these fields (more do no harm) in one file for "
        "each split that the third column names, `.jsonl`, `.csv` or `.parquet`, below "
        "`DATA_DIR`. A class is written by its name or its place, counted from 0 (-1: withheld). "
        "Lists and nests stand in a `.csv` as JSON. Test takes its rows of a file first, then "
        "validation, and training gets the rest, so a file must be longer than what they take. "
        "The last column names the files as distributed, with the rows of each split."
    )
    return f"## Fields and files\n\n{intro}\n\n" + _table(
        ("task", "folder", "splits", "fields", "files as distributed"), rows
    )


def _sources(catalogue: Catalogue) -> str:
    rows = [
        (f"`{task.name}`", task.source.describe(), _manual(task), task.license, task.citation)
        for task in catalogue.tasks()
    ]
    intro = (
        "A task of TFDS reads, in this order: rows in TFDS's field names below `DATA_DIR/tfds`, "
        "the files that its authors distribute, TFDS."
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
