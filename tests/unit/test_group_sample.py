"""Records that are judged together are sampled together."""

from __future__ import annotations

from flanjax.evaluation.queries import draw_sample
from flanjax.tasks.flan2021 import CATALOGUE

MULTIRC = CATALOGUE.task("multirc")
RECORDS = [
    {
        "paragraph": f"Text {question}.",
        "question": f"Question {question}?",
        "answer": f"answer {answer}",
        "idx": {"paragraph": question, "question": 0},
        "label": answer % 2,
    }
    for question in range(20)
    for answer in range(5)
]


def test_every_question_of_a_sample_has_all_its_candidates() -> None:
    sample = draw_sample(MULTIRC, RECORDS, max_examples=12, seed=0, bad_record_limit=0)
    assert len(sample.records) == 15  # the last question is taken whole
    questions = [record["question"] for record in sample.records]
    assert {questions.count(question) for question in set(questions)} == {5}
    assert sample.num_unsampled == 85


def test_all_records_are_taken_where_no_number_is_given() -> None:
    sample = draw_sample(MULTIRC, RECORDS, max_examples=0, seed=0, bad_record_limit=0)
    assert len(sample.records) == 100
