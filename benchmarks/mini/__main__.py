"""The miniature's grid: makes what is missing of it, and writes its table and page.

Usage: python -m benchmarks.mini run WORK [--short] [--workers N] [--only STUDY] [--seed N]
       python -m benchmarks.mini report [RESULTS]
       python -m benchmarks.mini records
       python -m benchmarks.mini tasks
"""

from __future__ import annotations

import concurrent.futures
import pathlib
import time
from collections.abc import Sequence

import click

from benchmarks.mini import page, records, table, tasks
from benchmarks.mini.execute import NUM_SCORED, Place, make, make_tokenizer, start_workers
from benchmarks.mini.grid import FAMILIES, SEEDS, Run, every_run
from benchmarks.mini.words import score_words
from benchmarks.mini.world import fingerprint
from flanjax.cli.catalog import load_catalog
from flanjax.cli.output import write_text

PUBLISHED = ("flanjax.tasks.mini.published:CATALOGUE", "flanjax.tasks.mini.published:TEXT")
EMBEDDED = ("flanjax.tasks.mini:CATALOGUE", "flanjax.tasks.mini.developed:TEXT")
RESULTS = pathlib.Path(__file__).parents[1] / "results" / "mini"
_ROOT = pathlib.Path(__file__).parents[2]
DOCUMENT = _ROOT / "docs" / "miniature.md"
DOCUMENTS = (DOCUMENT, _ROOT / "README.md")
SHORT = ("TRAIN_STEPS=20", "ScheduleConfig.warmup_steps=2", "DataConfig.max_examples=60")
"""What makes a run small enough to try the whole path on every change."""


@click.group()
def main() -> None:
    """The miniature's grid."""


@main.command()
@click.argument("work", type=click.Path(file_okay=False, path_type=pathlib.Path))
@click.option("--short", is_flag=True, help="One cluster, one seed, 20 steps, the embedded tasks.")
@click.option("--workers", default=1, show_default=True, help="Runs at a time.")
@click.option("--only", multiple=True, help="A study to make; its models of text come with it.")
@click.option("--seed", "seeds", multiple=True, type=click.Choice(SEEDS), help="A seed to make.")
def run(
    work: pathlib.Path, short: bool, workers: int, only: tuple[str, ...], seeds: tuple[int, ...]
) -> None:
    """Make every run that has no result yet; cut short, it goes on where it was."""
    place = Place(work, RESULTS, *PUBLISHED)
    if short:
        work = work / "short"  # nothing of it may come into the real grid
        place = Place(work, work / "results", *EMBEDDED, SHORT)
    catalogue = load_catalog(place.catalogue)
    runs = wanted(list(every_run(catalogue)), short=short, only=only, seeds=seeds)
    work.mkdir(parents=True, exist_ok=True)
    make_tokenizer(place)
    score_words(catalogue, place.results, fingerprint(place.catalogue, place.text))
    with start_workers(place, workers) as pool:
        _make_all(_without_idle_texts(runs, place), place, pool, workers)


def wanted(
    runs: Sequence[Run], *, short: bool, only: Sequence[str], seeds: Sequence[int]
) -> list[Run]:
    """Returns the runs that flags ask for, and the models of text that they start from."""
    asked = [each for each in runs if _is_asked(each, short, only, seeds)]
    starts = {each.text for each in asked}
    return [each for each in runs if each in asked or each in starts]


def _is_asked(each: Run, short: bool, only: Sequence[str], seeds: Sequence[int]) -> bool:
    if short:
        return each.seed == 0 and each.study == "tuned" and "entailment" in each.held
    return (not only or each.study in only) and (not seeds or each.seed in seeds)


def _without_idle_texts(runs: Sequence[Run], place: Place) -> list[Run]:
    """Leaves out models of text that are scored already and that no missing run starts from."""
    needed = {each.text for each in runs if not place.result(each).exists()}
    return [each for each in runs if each in needed or not place.result(each).exists()]


def _make_all(
    runs: Sequence[Run], place: Place, pool: concurrent.futures.Executor, num_workers: int
) -> None:
    """Makes runs in their order; a run waits for the text that it starts from, no other for it."""
    missing = [each for each in runs if not place.is_made(each)]
    making: dict[concurrent.futures.Future[None], Run] = {}
    started, total = time.monotonic(), len(missing)
    while missing or making:
        for each in list(missing):
            is_waiting = each.text in (*missing, *making.values()) and each.text != each
            if len(making) < num_workers and not is_waiting:
                missing.remove(each)
                making[pool.submit(make, each, place)] = each
        ended, _ = concurrent.futures.wait(making, return_when=concurrent.futures.FIRST_COMPLETED)
        for future in ended:
            future.result()
            num = total - len(missing) - len(making) + 1
            left_s = (time.monotonic() - started) / num * (total - num)
            name = making.pop(future).name
            click.echo(f"{num} of {total}: {name}, {left_s / 60:.0f} min left")


@main.command()
@click.argument("results", type=click.Path(path_type=pathlib.Path), default=RESULTS)
def report(results: pathlib.Path) -> None:
    """Print the tables of what there is, and write RESULTS/index.html.

    Those of the published results go into docs/miniature.md and README.md too.
    """
    found = table.read(results)
    for family in FAMILIES:
        click.echo(f"{family}\n\n{table.markdown(found, family)}")
    write_text(str(results / "index.html"), page.render(found), with_size=True)
    if results == RESULTS:
        for path in DOCUMENTS:
            write_text(str(path), table.documented(path.read_text("utf-8"), found))


@main.command("records")
def scored_records() -> None:
    """Print what the scored records of each task ask about."""
    catalogue = load_catalog(PUBLISHED[0])
    click.echo(table.joined([records.HEADS, *records.rows(catalogue, NUM_SCORED["held_out"])]))


@main.command("tasks")
def task_scores() -> None:
    """Print what each task scored, untuned, held out and trained on."""
    found = table.read(RESULTS)
    for family in FAMILIES:
        click.echo(f"{family}\n\n{table.joined([tasks.HEADS, *tasks.rows(found, family)])}")


if __name__ == "__main__":
    main()
