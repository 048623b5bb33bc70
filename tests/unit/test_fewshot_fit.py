"""Exemplars that have no room are left out before a prompt is cut, and counted."""

from __future__ import annotations

from flanjax.data.fewshot import render_fitted
from flanjax.data.objective import ObjectiveConfig
from flanjax.data.records import read_records
from flanjax.data.render import render
from flanjax.data.tokenize import ByteTokenizer
from flanjax.engine.tokenized import TokenSettings, batch_of, tokenize_batch
from flanjax.evaluation.queries import draw_sample, make_queries
from flanjax.tasks.mini.sentiment.reviews import TASK

READ = read_records(TASK, "train", limit=8)
QUERY, *SHOTS = READ.records[:4]


def prompt(num_shots: int) -> str:
    example = render(TASK, QUERY, template=0, shots=SHOTS[len(SHOTS) - num_shots :])
    assert example is not None
    return example.inputs


def test_the_exemplar_farthest_from_the_query_goes_first() -> None:
    for num_kept in range(4):
        fitting = {prompt(num) for num in range(num_kept + 1)}
        fitted = render_fitted(TASK, QUERY, template=0, shots=SHOTS, fits=fitting.__contains__)
        assert fitted is not None
        assert (fitted.example.inputs, fitted.num_dropped) == (prompt(num_kept), 3 - num_kept)


def test_a_query_that_does_not_fit_alone_is_kept_whole_for_the_cut_to_count() -> None:
    fitted = render_fitted(TASK, QUERY, template=0, shots=SHOTS, fits=lambda _: False)
    assert fitted is not None
    assert (fitted.example.inputs, fitted.num_dropped) == (prompt(0), 3)


def test_training_counts_the_exemplars_it_left_out_and_cuts_nothing() -> None:
    def part(room: int):
        settings = TokenSettings(
            ByteTokenizer(), ObjectiveConfig(), max_inputs=room, max_targets=64, num_shots=2
        )
        batch = batch_of(TASK, READ.records, READ.uids, READ.rows, slice(None), settings)
        return tokenize_batch(TASK, batch, settings, pass_index=0)

    roomy = part(100_000)
    assert roomy.counts == {}
    longest = int(roomy.examples["inputs"].max())
    tight = part(longest - 1)
    assert tight.counts["shots_dropped"] >= 1
    assert set(tight.counts) == {"shots_dropped"}
    assert int(tight.examples["inputs"].max()) < longest


def test_evaluation_counts_them_too() -> None:
    sample = draw_sample(TASK, READ.records[:2], max_examples=0, seed=0, bad_record_limit=0)
    options = {"pool": READ.records, "num_shots": 3, "seed": 0}
    whole, none_dropped = make_queries(TASK, sample, (0, 1), **options)
    assert none_dropped == 0
    bare, all_dropped = make_queries(TASK, sample, (0, 1), **options, fits=lambda _: False)
    assert all_dropped == 3 * len(bare) == 3 * len(whole)
