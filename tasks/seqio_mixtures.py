"""Registers the catalogue flan2021 with SeqIO: importing this module does it.

It is for a T5X gin file, which can name a module and call nothing. From Python, call
`flanjax.data.seqio_bridge.registry.register` with a catalogue and a config of your own.

  FLANJAX_TOKENIZER_PATH  a SentencePiece model; T5X's own where it is unset, which holds its
                          sentinels: 32,100 pieces
  FLANJAX_EXTRA_IDS       sentinels after its pieces, if it holds none; 0 where it is unset
  FLANJAX_MAX_INPUTS      exemplars are left out until a prompt fits so many tokens; at most the
                          inputs' length, 1,024 where it is unset
  FLANJAX_DATA_DIR        where the datasets' original files lie; TFDS is asked where it is unset
"""

from __future__ import annotations

import os

from flanjax.data.seqio_bridge.registry import register
from flanjax.data.seqio_bridge.source import BridgeConfig
from flanjax.data.tokenize import TokenizerConfig
from flanjax.tasks.flan2021 import CATALOGUE

_T5X = "gs://t5-data/vocabs/cc_all.32000.100extra/sentencepiece.model"

REGISTERED = register(
    CATALOGUE,
    BridgeConfig(
        tokenizer=TokenizerConfig(
            kind="sentencepiece",
            path=os.environ.get("FLANJAX_TOKENIZER_PATH", _T5X),
            extra_ids=int(os.environ.get("FLANJAX_EXTRA_IDS", "0")),
        ),
        max_inputs=int(os.environ.get("FLANJAX_MAX_INPUTS", "1024")),
        data_dir=os.environ.get("FLANJAX_DATA_DIR"),
    ),
)
