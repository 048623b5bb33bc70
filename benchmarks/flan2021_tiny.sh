#!/usr/bin/env bash
# The main job on real records, one cluster held out, both families, one seed each.
#
# Usage: bash benchmarks/flan2021_tiny.sh DATA_DIR [--gin.NAME=VALUE ...]
#
# DATA_DIR holds the original files, at the paths that
# `flanjax tasks list --catalog=flanjax.tasks.flan2021:CATALOGUE` names.
# Writes benchmarks/results/flan2021_tiny_{t5,decoder}.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if (($# < 1)); then
  echo "DATA_DIR must be given; usage: bash benchmarks/flan2021_tiny.sh DATA_DIR" >&2
  exit 2
fi
data_dir=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

flanjax tokenizer train --catalog=flanjax.tasks.flan2021:CATALOGUE --data_dir="$data_dir" \
  --hold_out=sentiment --vocab_size=4000 --output="$work/pieces.model"
for family in t5 decoder; do
  flanjax train --gin_file="runs/flan2021_tiny_$family.gin" --data_dir="$data_dir" \
    --gin.TOKENIZER_PATH="'$work/pieces.model'" --gin.MODEL_DIR="'$work/$family'" "$@"
  cp "$work/$family/report/report.json" "benchmarks/results/flan2021_tiny_$family.json.partial"
  mv "benchmarks/results/flan2021_tiny_$family.json"{.partial,}
done
