#!/usr/bin/env bash
# From a fresh clone to a table of what instruction tuning did to an unseen cluster.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/environment.sh

usage() {
  cat <<'TEXT'
Usage: bash launch/quickstart.sh [--short] [--help]

Makes .venv-quickstart, installs flanjax there, and trains a small T5 on the
embedded task clusters but one. The held-out cluster is scored before and after.

  --short   a few steps and a few examples: shows that everything runs, not that it learns
  --help    this text

Results go to runs/quickstart, which is emptied first.
FLANJAX_PYTHON names the Python to use; otherwise 3.11, 3.12 or 3.13 is looked for.
TEXT
}

flags=()
for argument in "$@"; do
  case $argument in
    --short)
      flags=(
        --gin.TRAIN_STEPS=10 --gin.ScheduleConfig.warmup_steps=2 --gin.EvalConfig.max_examples=8
      )
      ;;
    --help | -h) usage; exit 0 ;;
    *) echo "unknown argument: $argument" >&2; usage >&2; exit 2 ;;
  esac
done

echo "== Installing (CPU, no TensorFlow)"
ensure_environment .venv-quickstart "-e ."
echo "   ${SECONDS} s"

echo "== Training and judging: one family (T5), one held-out cluster, one seed."
echo "   A self-test on a toy: its figures say that the parts work together, no more."
keep_freed_memory
started=$SECONDS
rm -rf runs/quickstart
.venv-quickstart/bin/flanjax train --gin_file=gin_configs/runs/mini_t5.gin \
  --gin.MODEL_DIR="'runs/quickstart'" ${flags[@]+"${flags[@]}"}
echo "== Done: job $((SECONDS - started)) s, all $SECONDS s. Everything lies in runs/quickstart."
