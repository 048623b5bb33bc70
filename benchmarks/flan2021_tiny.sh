#!/usr/bin/env bash
# The main job on real records, one cluster held out, both families, one seed each.
#
# Usage: bash benchmarks/flan2021_tiny.sh SAMPLES [--gin.NAME=VALUE ...]
#
# SAMPLES holds files of the datasets; benchmarks/original_files.py lays them out as
# the tasks look for them. Writes benchmarks/results/flan2021_tiny_{t5,decoder}.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if (($# < 1)); then
  echo "SAMPLES must be given; usage: bash benchmarks/flan2021_tiny.sh SAMPLES" >&2
  exit 2
fi
samples=$(cd "$1" && pwd)
shift
results=$PWD/benchmarks/results
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python benchmarks/original_files.py "$samples" "$work/data" >"$work/files"
cd "$work"  # so that the command in the result names no place of this machine

flanjax tokenizer train --gin_file=runs/flan2021_tiny_t5.gin --data_dir=data \
  --vocab_size=4000 --output=pieces.model
for family in t5 decoder; do
  flanjax train --gin_file="runs/flan2021_tiny_$family.gin" --data_dir=data \
    --gin.TOKENIZER_PATH="'pieces.model'" --gin.MODEL_DIR="'$family'" "$@"
  cp "$family/report/report.json" "$results/flan2021_tiny_$family.json.partial"
  mv "$results/flan2021_tiny_$family.json"{.partial,}
done
