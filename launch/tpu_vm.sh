#!/usr/bin/env bash
# Trains on a Cloud TPU: the same commands for one host and for a pod of many.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'TEXT'
Usage: bash launch/tpu_vm.sh VERB --name NAME --zone ZONE [--dry-run] [...]

  create    --type TYPE --version VERSION   asks for the machine
  install   copies the last commit to every worker and installs flanjax there
  start     -- ARGUMENTS                    runs `flanjax train ARGUMENTS` on every worker
  logs                                      follows the first worker's output
  delete                                    gives the machine back

  --dry-run prints the commands and runs none.

VERSION goes with TYPE: v6e-8 and v2-alpha-tpuv6e, v5p-8 and v2-alpha-tpuv5,
v5litepod-16 and v2-alpha-tpuv5-lite, v4-8 and tpu-ubuntu2204-base.
All hosts of a pod need one MODEL_DIR that all can write: a mounted file share or bucket, as in
/mnt/runs/t5. CACHE_DIR may be a gs:// URL.

Example:
  bash launch/tpu_vm.sh create --name=t5 --zone=us-east5-b --type=v6e-8 --version=v2-alpha-tpuv6e
  bash launch/tpu_vm.sh install --name=t5 --zone=us-east5-b
  bash launch/tpu_vm.sh start --name=t5 --zone=us-east5-b -- --gin_file=runs/mini_t5.gin \
    "--gin.MODEL_DIR='/mnt/runs/t5'"
TEXT
}

fail() {
  echo "$1" >&2
  exit 2
}

verb=${1:-}
case $verb in
  create | install | start | logs | delete) shift ;;
  --help | -h) usage; exit 0 ;;
  *) usage >&2; fail "the verb must be create, install, start, logs or delete, got '$verb'." ;;
esac

name='' zone='' type='' version='' dry_run=''
while (($#)); do
  case $1 in
    --name=* | --zone=* | --type=* | --version=*)
      flag=${1%%=*}
      printf -v "${flag#--}" '%s' "${1#*=}"
      ;;
    --name | --zone | --type | --version)
      (($# > 1)) || fail "$1 must have a value; write $1 VALUE."
      printf -v "${1#--}" '%s' "$2"
      shift
      ;;
    --dry-run) dry_run=1 ;;
    --help | -h) usage; exit 0 ;;
    --) shift; break ;;
    *) fail "unknown argument: $1; see --help." ;;
  esac
  shift
done
[[ -n $name ]] || fail "$verb must have --name; name the machine."
[[ -n $zone ]] || fail "$verb must have --zone; for instance us-east5-b."

# Prints a command so that it can be pasted into a shell.
show() {
  local word
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./:=,@+~-]+$ ]]; then printf '%s ' "$word"; else printf '%s ' "${word@Q}"; fi
  done
  echo
}

run() {
  show "$@"
  [[ -n $dry_run ]] || "$@"
}

tpu() {
  run gcloud compute tpus tpu-vm "$@" --zone="$zone"
}

# The machine's own Python may be older than 3.11, so uv brings one.
install_commands='set -e
mkdir -p flanjax && tar -xzf flanjax.tar.gz -C flanjax && cd flanjax
python3 -m pip install --quiet --user uv
test -d .venv || python3 -m uv venv --quiet --python 3.12 .venv
python3 -m uv pip install --quiet --python .venv/bin/python --constraint constraints/py312.txt -e ".[tpu]"'

case $verb in
  create)
    [[ -n $type ]] || fail "create must have --type; for instance v6e-8."
    [[ -n $version ]] || fail "create must have --version; for instance v2-alpha-tpuv6e."
    tpu create "$name" --accelerator-type="$type" --version="$version"
    ;;
  install)
    run mkdir -p build
    run git archive --format=tar.gz --output=build/flanjax.tar.gz HEAD
    tpu scp build/flanjax.tar.gz "$name:flanjax.tar.gz" --worker=all
    tpu ssh "$name" --worker=all --command="$install_commands"
    ;;
  start)
    (($#)) || fail "start must have the arguments of flanjax train; give them after --."
    train=".venv/bin/flanjax train $(show "$@")--coordinator_address=auto"
    tpu ssh "$name" --worker=all \
      --command="cd flanjax && { nohup $train >train.log 2>&1 </dev/null & }"
    ;;
  logs) tpu ssh "$name" --worker=0 --command="tail --lines=200 --follow flanjax/train.log" ;;
  delete) tpu delete "$name" ;;
esac
