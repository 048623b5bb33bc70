"""FLAN 2021: its datasets in its clusters, with its rules for holding out."""

from flanjax.data.catalogue import Catalogue, Exclusion
from flanjax.data.task import TaskCluster
from flanjax.tasks.entailment.rte import RTE
from flanjax.tasks.paraphrase.glue_mrpc import GLUE_MRPC
from flanjax.tasks.sentiment.sst2 import SST2
from flanjax.tasks.summarization.aeslc import AESLC

CATALOGUE = Catalogue(
    "flan2021",
    clusters=(
        TaskCluster("sentiment", (SST2,)),
        TaskCluster("entailment", (RTE,)),
        TaskCluster("paraphrase", (GLUE_MRPC,)),
        TaskCluster("summarization", (AESLC,)),
    ),
    exclusions=(
        Exclusion("paraphrase", "entailment", "a paraphrase is entailment in both directions"),
    ),
)
