"""Models so small that their arithmetic is counted by hand."""

from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config

TINY_DECODER = DecoderConfig(
    vocab_size=11, d_model=4, d_ff=5, num_heads=2, num_kv_heads=1, d_head=2, num_layers=3
)
TINY_T5 = T5Config(
    vocab_size=11,
    d_model=4,
    d_ff=5,
    num_heads=3,
    d_head=2,
    num_encoder_layers=2,
    num_decoder_layers=3,
    dropout_rate=0.0,
)
