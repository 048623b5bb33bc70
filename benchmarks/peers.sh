#!/usr/bin/env bash
# Trains and generates beside transformers on a CPU, in turns, from the same weights.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/environment.sh

usage() {
  cat <<'TEXT'
Usage: bash benchmarks/peers.sh [--case NAME]... [--quick] [--help]

T5 1.1 small and a Llama of 56 million parameters, in float32 and bfloat16: the
training step, and greedy generation. Prints a table a case and writes
benchmarks/results/peers_cpu.json. About half an hour where the machine is free.

  --case NAME  train|generate-t5_small|llama_60m-float32|bfloat16; default: all
  --quick      two rounds of each
  --help       this text

Makes .venv-test and .venv-peers where they are not there. Both sides get the
allocator settings of launch/environment.sh; the peer runs once more without.
TEXT
}

if [[ ${1:-} == --help || ${1:-} == -h ]]; then usage; exit 0; fi
bash launch/test.sh --peers --install
export JAX_PLATFORMS=cpu
keep_freed_memory
.venv-test/bin/python -m benchmarks.peers --ours=.venv-test/bin/python \
  --theirs=.venv-peers/bin/python "$@"
