"""FLAN 2021: its datasets in its clusters, with its rules for holding out."""

from flanjax.data.catalogue import Catalogue, Exclusion
from flanjax.data.task import TaskCluster
from flanjax.tasks.nli import rte
from flanjax.tasks.paraphrase import glue_mrpc
from flanjax.tasks.sentiment import sst2
from flanjax.tasks.summarization import aeslc

CATALOGUE = Catalogue(
    "flan2021",
    clusters=(
        TaskCluster("sentiment", (sst2.TASK,)),
        TaskCluster("nli", (rte.TASK,)),
        TaskCluster("paraphrase", (glue_mrpc.TASK,)),
        TaskCluster("summarization", (aeslc.TASK,)),
    ),
    exclusions=(Exclusion("paraphrase", "nli", "a paraphrase is entailment in both directions"),),
)
