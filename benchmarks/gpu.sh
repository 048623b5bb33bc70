#!/usr/bin/env bash
# One stage of the GPU benchmarks, beside transformers, in at most eight minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/environment.sh

usage() {
  cat <<'TEXT'
Usage: [OUT=DIR] bash benchmarks/gpu.sh STAGE [--dry-run] [--brief] [--only JOB] [--seconds N]
       [--weights DIR] [--help]

  kernels  attention and the loss over a vocabulary: exactness and time
  causal   training Llama 3.2 1B and 3B, rows of 2,048 tokens
  t5       training T5 1.1 large and XL, 512 in and 128 out
  decode   Llama 3.2 1B: generation and option scores, and a checkpoint

  --dry-run  the same with tiny models on a CPU
  --brief    only the first job of each kind: of what differs in more than sizes,
             numbers and flags
  --only     the jobs of a name, such as "dots, chunk 512"; may be given again
  --seconds  nothing begins after so many, what then runs on a GPU is ended, and
             what was left out is named; default 470, and no end of a dry run
  --weights  keeps the random weights there, which the next stage then finds made
  --help     this text

Prints a JSON line a result and writes OUT/STAGE.jsonl, by default below
benchmarks/results/gpu. It ends with status 1 where a job failed or none began;
the others go on all the same, and all lines are kept. Sizes and goals are for
one H200. XLA's flags are those that gin_configs/meshes/one_device.gin recommends.

FLANJAX_PYTHON names our Python, with jax, flax and optax. FLANJAX_PEERS_PYTHON
names one with torch and transformers: by default the same where it has them,
else .venv-peers.
TEXT
}

stage='' arguments=() is_dry=
while (($#)); do
  case $1 in
    kernels | causal | t5 | decode) stage=$1 ;;
    --dry-run) is_dry=1; arguments+=(--dry-run) ;;
    --brief) arguments+=(--brief) ;;
    --seconds) arguments+=(--seconds "${2:?--seconds must be given a number}"); shift ;;
    --only) arguments+=(--only "${2:?--only must be given a name}"); shift ;;
    --weights) arguments+=(--weights "${2:?--weights must be given a folder}"); shift ;;
    --help | -h) usage; exit 0 ;;
    *) echo "unknown argument: $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done
if [[ -z $stage ]]; then usage >&2; exit 2; fi

python=$(find_python)
has_peers='import importlib.util as i, sys; sys.exit(not (i.find_spec("torch") and i.find_spec("transformers")))'
theirs=${FLANJAX_PEERS_PYTHON:-}
for candidate in "$python" .venv-peers/bin/python; do
  if [[ -z $theirs ]] && "$candidate" -c "$has_peers" 2>/dev/null; then theirs=$candidate; fi
done

if [[ $is_dry ]]; then
  out=${OUT:-$(mktemp -d)}
  export OMP_NUM_THREADS=1
else
  out=${OUT:-benchmarks/results/gpu}
  XLA_FLAGS="$(mesh_flags one_device)${XLA_FLAGS:-}"
  # Nearly all of the memory: peers and ours never run at once.
  export XLA_FLAGS XLA_PYTHON_CLIENT_MEM_FRACTION=0.92 TF_CPP_MIN_LOG_LEVEL=2
fi
# The jobs choose their platform; what starts them leaves the GPU alone. A signal to this script must
# reach it, for it ends the job that runs.
export JAX_PLATFORMS=cpu
exec "$python" -m benchmarks.gpu "$stage" --ours "$python" --theirs "$theirs" \
  --out "$out" ${arguments[@]+"${arguments[@]}"}
