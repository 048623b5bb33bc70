"""The miniature's grid: makes what is missing of it, and writes its table and page.

Usage: python -m benchmarks.mini run WORK [--short] [--workers N] [--only STUDY]
       python -m benchmarks.mini report
"""

from __future__ import annotations

import concurrent.futures
import pathlib
from collections.abc import Sequence

import click

from benchmarks.mini import table
from benchmarks.mini.execute import Place, make, make_tokenizer
from benchmarks.mini.grid import Run, every_run
from benchmarks.mini.words import score_words
from flanjax.cli.catalog import load_catalog

PUBLISHED = ("flanjax.tasks.mini.published:CATALOGUE", "flanjax.tasks.mini.published:TEXT")
DEVELOPED = ("flanjax.tasks.mini:CATALOGUE", "flanjax.tasks.mini.prose:CATALOGUE")
RESULTS = pathlib.Path(__file__).parents[1] / "results" / "mini"
SHORT = ("TRAIN_STEPS=20", "ScheduleConfig.warmup_steps=2", "DataConfig.max_examples=60")
"""What makes a run small enough to try the whole path on every change."""


@click.group()
def main() -> None:
    """The miniature's grid."""


@main.command()
@click.argument("work", type=click.Path(file_okay=False, path_type=pathlib.Path))
@click.option("--short", is_flag=True, help="One cluster, one seed, 20 steps, the developed world.")
@click.option("--workers", default=1, show_default=True, help="Runs at a time.")
@click.option("--only", multiple=True, help="A study to make; its models of text come with it.")
def run(work: pathlib.Path, short: bool, workers: int, only: tuple[str, ...]) -> None:
    """Make every run that has no result yet; cut short, it goes on where it was."""
    place = Place(work, RESULTS, *PUBLISHED)
    if short:
        place = Place(work, work / "results", *DEVELOPED, SHORT)
    catalogue = load_catalog(place.catalogue)
    clusters = [cluster.name for cluster in catalogue.clusters]
    runs = [each for each in every_run(catalogue) if _is_wanted(each, short, only)]
    work.mkdir(parents=True, exist_ok=True)
    make_tokenizer(place)
    score_words(catalogue, place.results)
    for stage in ("text", "tuned"):  # what is tuned starts from what has read text
        batch = [each for each in runs if (each.study == "text") == (stage == "text")]
        _make_all(batch, place, clusters, workers)


def _is_wanted(each: Run, short: bool, only: Sequence[str]) -> bool:
    if short:
        is_first = each.seed == 0 and each.size == "base"
        return (
            is_first and each.study in ("text", "tuned") and each.hold_out in (None, "entailment")
        )
    return not only or each.study in (*only, "text")


def _make_all(runs: Sequence[Run], place: Place, clusters: Sequence[str], workers: int) -> None:
    done = sum(place.result(each).exists() for each in runs)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures = {
            pool.submit(make, each, place, clusters): each
            for each in runs
            if not place.result(each).exists()
        }
        for future in concurrent.futures.as_completed(futures):
            future.result()
            done += 1
            click.echo(f"{done} of {len(runs)}: {futures[future].name}")


@main.command()
def report() -> None:
    """Print the tables of what there is."""
    results = table.read(RESULTS)
    for family in ("t5", "decoder"):
        click.echo(f"{family}\n\n{table.markdown(results, family)}")


if __name__ == "__main__":
    main()
