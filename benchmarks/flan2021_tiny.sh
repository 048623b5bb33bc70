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
data_dir=$(cd "$1" && pwd)
shift
results=$PWD/benchmarks/results
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$data_dir" "$work/data"
cd "$work"  # so that the command in the result names no place of this machine

flanjax tokenizer train --catalog=flanjax.tasks.flan2021:CATALOGUE --data_dir=data \
  --hold_out=sentiment --vocab_size=4000 --output=pieces.model
for family in t5 decoder; do
  flanjax train --gin_file="runs/flan2021_tiny_$family.gin" --data_dir=data \
    --gin.TOKENIZER_PATH="'pieces.model'" --gin.MODEL_DIR="'$family'" "$@"
  cp "$family/report/report.json" "$results/flan2021_tiny_$family.json.partial"
  mv "$results/flan2021_tiny_$family.json"{.partial,}
done
