"""FLAN 2021: its datasets in its clusters, with its rules for holding out.

CATALOGUE groups them as the paper does (Wei et al. 2022, figure 3): twelve
clusters, of which the last is a miscellany. BY_SKILL groups the same tasks
more finely, as the code that was published with it does: seventeen clusters,
in which each kind of miscellaneous task is one of its own.
"""

from flanjax.data.catalogue import Catalogue, Exclusion
from flanjax.data.task import TaskCluster
from flanjax.tasks.closed_book_qa import (
    arc,
    natural_questions,
    trivia_qa,
)
from flanjax.tasks.commonsense import (
    copa,
    hellaswag,
    piqa,
    story_cloze,
)
from flanjax.tasks.coreference import (
    definite_pronoun_resolution,
    winogrande,
    wsc,
    wsc273,
)
from flanjax.tasks.miscellaneous import (
    cola,
    coqa,
    fix_punct,
    math_dataset,
    quac,
    trec,
    true_case,
    wic,
    word_segment,
)
from flanjax.tasks.nli import (
    anli,
    cb,
    mnli,
    qnli,
    rte,
    snli,
    wnli,
)
from flanjax.tasks.paraphrase import (
    glue_mrpc,
    glue_qqp,
    paws_wiki,
    stsb,
)
from flanjax.tasks.rc_commonsense import (
    cosmos_qa,
    record,
)
from flanjax.tasks.reading_comprehension import (
    bool_q,
    drop,
    multirc,
    openbookqa,
    squad_v1,
    squad_v2,
)
from flanjax.tasks.sentiment import (
    imdb_reviews,
    sentiment140,
    sst2,
    yelp_polarity_reviews,
)
from flanjax.tasks.struct_to_text import (
    common_gen,
    dart,
    e2e_nlg,
    web_nlg_en,
)
from flanjax.tasks.summarization import (
    aeslc,
    ag_news_subset,
    cnn_dailymail,
    gigaword,
    multi_news,
    newsroom,
    opinion_abstracts_idebate,
    opinion_abstracts_rotten_tomatoes,
    samsum,
    wiki_lingua_english_en,
    xsum,
)
from flanjax.tasks.translation import (
    para_crawl_enes,
    wmt14_enfr,
    wmt16,
)

CATALOGUE = Catalogue(
    "flan2021",
    clusters=(
        TaskCluster(
            "nli",
            (
                *anli.TASKS,
                cb.TASK,
                *mnli.TASKS,
                qnli.TASK,
                rte.TASK,
                snli.TASK,
                wnli.TASK,
            ),
        ),
        TaskCluster(
            "reading_comprehension",
            (
                bool_q.TASK,
                drop.TASK,
                multirc.TASK,
                openbookqa.TASK,
                squad_v1.TASK,
                squad_v2.TASK,
            ),
        ),
        TaskCluster(
            "commonsense",
            (
                copa.TASK,
                hellaswag.TASK,
                piqa.TASK,
                story_cloze.TASK,
            ),
        ),
        TaskCluster(
            "sentiment",
            (
                imdb_reviews.TASK,
                sentiment140.TASK,
                sst2.TASK,
                yelp_polarity_reviews.TASK,
            ),
        ),
        TaskCluster(
            "closed_book_qa",
            (
                *arc.TASKS,
                natural_questions.TASK,
                trivia_qa.TASK,
            ),
        ),
        TaskCluster(
            "paraphrase",
            (
                glue_mrpc.TASK,
                glue_qqp.TASK,
                paws_wiki.TASK,
                stsb.TASK,
            ),
        ),
        TaskCluster(
            "coreference",
            (
                definite_pronoun_resolution.TASK,
                winogrande.TASK,
                wsc.TASK,
                wsc273.TASK,
            ),
        ),
        TaskCluster(
            "rc_commonsense",
            (
                cosmos_qa.TASK,
                record.TASK,
            ),
        ),
        TaskCluster(
            "struct_to_text",
            (
                common_gen.TASK,
                dart.TASK,
                e2e_nlg.TASK,
                web_nlg_en.TASK,
            ),
        ),
        TaskCluster(
            "translation",
            (
                para_crawl_enes.TASK,
                wmt14_enfr.TASK,
                *wmt16.TASKS,
            ),
        ),
        TaskCluster(
            "summarization",
            (
                aeslc.TASK,
                ag_news_subset.TASK,
                cnn_dailymail.TASK,
                gigaword.TASK,
                multi_news.TASK,
                newsroom.TASK,
                opinion_abstracts_idebate.TASK,
                opinion_abstracts_rotten_tomatoes.TASK,
                samsum.TASK,
                wiki_lingua_english_en.TASK,
                xsum.TASK,
            ),
        ),
        TaskCluster(
            "miscellaneous",
            (
                cola.TASK,
                coqa.TASK,
                fix_punct.TASK,
                math_dataset.TASK,
                quac.TASK,
                trec.TASK,
                true_case.TASK,
                wic.TASK,
                word_segment.TASK,
            ),
        ),
    ),
    exclusions=(
        Exclusion("paraphrase", "nli", "a paraphrase is entailment in both directions"),
        Exclusion("rc_commonsense", "reading_comprehension", "both read passages"),
        Exclusion("rc_commonsense", "commonsense", "both ask for what a passage does not say"),
    ),
)


def _regrouped(name: str, *task_names: str) -> TaskCluster:
    return TaskCluster(name, tuple(CATALOGUE.task(task) for task in task_names))


BY_SKILL = Catalogue(
    "flan2021_by_skill",
    clusters=(
        *(cluster for cluster in CATALOGUE.clusters if cluster.name != "miscellaneous"),
        _regrouped("text_formatting", "fix_punct", "true_case", "word_segment"),
        _regrouped("math", "math_dataset"),
        _regrouped("conversational_qa", "coqa", "quac"),
        _regrouped("word_disambiguation", "wic"),
        _regrouped("linguistic_acceptability", "cola"),
        _regrouped("question_classification", "trec"),
    ),
    exclusions=CATALOGUE.exclusions,
)

DIVERSITY = (
    "summarization",
    "translation",
    "reading_comprehension",
    "sentiment",
    "struct_to_text",
    "coreference",
    "conversational_qa",
)
"""The order in which FLAN adds BY_SKILL's clusters to training, NLI, commonsense and closed-book QA
held out (Wei et al. 2022, section 4.1)."""
