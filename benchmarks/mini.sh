#!/usr/bin/env bash
# The miniature: every cluster held out in turn, both families, three seeds, with controls.
#
# Usage: bash benchmarks/mini.sh WORK [--short] [--workers=N] [--only=STUDY] [--seed=N]
#
# WORK keeps models and tokens; what it was cut short of is made the next time.
# Results: benchmarks/results/mini, one file a run; with --short they stay in WORK/short.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/environment.sh

if (($# < 1)) || [[ $1 == -* ]]; then
  echo "WORK must be given first; usage: bash benchmarks/mini.sh WORK [--short]" >&2
  exit 2
fi
keep_freed_memory
python -m benchmarks.mini run "$@"
results=()
for argument in "$@"; do
  if [[ $argument == --short ]]; then results=("$1/short/results"); fi
done
python -m benchmarks.mini report ${results[@]+"${results[@]}"}
