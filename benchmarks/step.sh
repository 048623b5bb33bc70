#!/usr/bin/env bash
# Speed and memory of the training step, both families.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/environment.sh

usage() {
  cat <<'TEXT'
Usage: bash benchmarks/step.sh [--device cpu|gpu] [--quick] [--help]

Times forward, backward and optimizer, each size in a process of its own, prints
a table and appends the results to benchmarks/results/step_DEVICE.json.

  --device  cpu: T5 1.1 small and a Llama of 56 million parameters, 4 rows each
            gpu: T5 1.1 large, 64 rows, and Llama 3.2 1B, 8 rows, in bfloat16
            default: what JAX finds
  --quick   3 steps after 1 instead of 7 after 2
  --help    this text

On a CPU the system allocator is told to keep what it has and to use large pages;
the results name the settings. FLANJAX_PYTHON names the Python to use; it needs
jax, flax and optax.
TEXT
}

device='' flags=()
while (($#)); do
  case $1 in
    --device) device=${2:?--device must name cpu or gpu}; shift ;;
    --quick) flags+=(--quick) ;;
    --help | -h) usage; exit 0 ;;
    *) echo "unknown argument: $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done

python=$(find_python)
device=${device:-$("$python" -c 'import jax; print(jax.default_backend())')}

case $device in
  cpu)
    export JAX_PLATFORMS=cpu
    keep_freed_memory
    echo "CPU: $(env | grep -E '^(GLIBC_TUNABLES|MALLOC_)' | sort | tr '\n' ' ')"
    cases=(
      "--size t5_small --dtype float32 --unroll"
      "--size t5_small --dtype float32"
      "--size t5_small --dtype bfloat16 --unroll"
      "--size llama_60m --dtype float32 --unroll"
      "--size llama_60m --dtype float32"
      "--size llama_60m --dtype bfloat16 --unroll"
    )
    ;;
  gpu)
    cases=("--size t5_large --dtype bfloat16" "--size llama_1b --dtype bfloat16")
    ;;
  *) echo "--device must be cpu or gpu, got ${device}; name one of them." >&2; exit 2 ;;
esac

status=0
"$python" -m benchmarks.step
for case in "${cases[@]}"; do
  # shellcheck disable=SC2086  # a case is several arguments
  "$python" -m benchmarks.step $case "${flags[@]}" || { status=1; echo "failed: $case" >&2; }
done
exit "$status"
