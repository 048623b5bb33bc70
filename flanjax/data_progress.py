"""Shows a cache being built: a bar for each task, and the time left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import rich.console
from rich import progress

from flanjax.engine.build import OnProgress
from flanjax.engine.staging import StageCounts


@contextlib.contextmanager
def shown(console: rich.console.Console) -> Iterator[OnProgress]:
    """Draws a bar for each task being built, and a line for each that is whole.

    Without a terminal there are the lines alone; nothing where nothing is built.
    """
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("records"),
        progress.TimeRemainingColumn(),
    )
    bars = progress.Progress(
        *columns, console=console, auto_refresh=False, disable=not console.is_terminal
    )
    ids: dict[str, progress.TaskID] = {}

    def on_progress(task: str, done: int, total: int) -> None:
        if task not in ids:
            ids[task] = bars.add_task(task, total=total)
        bars.update(ids[task], completed=done, total=total)
        if done >= total:  # bars of a hundred tasks would not fit a terminal
            bars.remove_task(ids.pop(task))
        bars.refresh()
        if done >= total:
            console.print(f"tokenized {task}: {total:,} records", soft_wrap=True)

    with bars:
        yield on_progress


def staged_lines(staged: StageCounts | None) -> list[str]:
    """Returns a line on what was copied from a remote cache; none where there is none."""
    if staged is None:
        return []
    if not staged.num_files:
        return ["remote cache: nothing to copy"]
    copied = f"copied {staged.num_files:,} files, {staged.num_bytes / 2**20:,.1f} MiB"
    speed = f"{staged.mib_per_s:,.1f} MiB/s and {staged.reads_per_s:,.1f} reads/s"
    return [f"remote cache: {copied}, at {speed}"]
