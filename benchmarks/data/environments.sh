#!/usr/bin/env bash
# Makes the environments of the peers that benchmarks/data measures. Needs no root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source launch/environment.sh

usage() {
  cat <<'TEXT'
Usage: bash benchmarks/data/environments.sh [hf] [seqio] [--help]

  hf      .venv-bench-hf: torch, transformers, TRL, datasets
  seqio   .venv-bench-seqio: SeqIO, TensorFlow, Grain, ArrayRecord
  --help  this text

Both where none is named. Versions are those of constraints/, or stand here.
FLANJAX_PYTHON names the Python to use; otherwise 3.11, 3.12 or 3.13 is looked for.
TEXT
}

# What constraints/ does not pin: the peers' packages, and what they bring along.
trl_packages="trl==1.16.0 datasets==5.2.0 accelerate==1.15.0 dill==0.4.1 multiprocess==0.70.19 \
  pandas==3.1.1 python-dateutil==4.0.0 tzdata==2026.6 xxhash==4.1.0"

make_hf() {
  # torch goes first and by its exact version, so that nothing later chooses another build.
  ensure_environment .venv-bench-hf "torch==2.13.0" \
    "transformers==5.23.0 tokenizers==0.23.3 sentencepiece protobuf numpy $trl_packages"
}

make_seqio() {
  ensure_environment .venv-bench-seqio \
    "seqio==0.0.20 tensorflow==2.21.0 grain==0.2.18 array_record==0.8.6 sentencepiece numpy"
}

parts=()
while (($#)); do
  case $1 in
    hf | seqio) parts+=("$1") ;;
    --help | -h) usage; exit 0 ;;
    *) echo "unknown argument: $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done
((${#parts[@]})) || parts=(hf seqio)

for part in "${parts[@]}"; do
  "make_$part"
done
