#!/usr/bin/env bash
# Installs what the tests need and runs them. Needs no root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/environment.sh

usage() {
  cat <<'TEXT'
Usage: bash launch/test.sh [--core] [--single] [--peers] [--tfds] [--browser] [--tpu] [--all]
       [--install] [-- PYTEST ARGUMENTS]

  --core    the core's tests, in .venv-test; what runs where no part is named
  --single  those of them that need one device and one process
  --peers   comparisons with torch and transformers, in .venv-peers
  --tfds    the TensorFlow Datasets and SeqIO bridges, in .venv-tfds
  --browser the pages in headless Chromium, in .venv-browser
  --tpu     compilation for TPU slices that are not here, in .venv-tpu
  --all     all of them
  --install makes the environments of the parts and runs nothing
  --help    this text

FLANJAX_TEST_DATA names a folder of real records; where it is unset, tests that
read them skip, and where it is set, no test may skip.
FLANJAX_CHROMIUM names the Chromium to use; otherwise chromium is looked for.
FLANJAX_PYTHON names the Python to use; otherwise 3.11, 3.12 or 3.13 is looked for.
TEXT
}

parts=()
is_installed_only=
while (($#)); do
  case $1 in
    --core | --single | --peers | --tfds | --browser | --tpu) parts+=("${1#--}") ;;
    --all) parts=(core peers tfds browser tpu) ;;
    --install) is_installed_only=1 ;;
    --help | -h) usage; exit 0 ;;
    --) shift; break ;;
    *) echo "unknown argument: $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done
((${#parts[@]})) || parts=(core)
pytest_arguments=("$@")

# A worker without work takes some of the other's, for a few tests take half a minute.
two_workers=(-n 2 --dist worksteal)

# A selection may leave one of several pytest runs without a test (status 5), but not all of them.
has_selected=
run_pytest() {
  local status=0
  if [[ $is_installed_only ]]; then return 0; fi
  "$@" ${pytest_arguments[@]+"${pytest_arguments[@]}"} || status=$?
  if ((status == 5 && ${#pytest_arguments[@]})); then return 0; fi
  has_selected=1
  return "$status"
}

# What a test that trains claims holds at any level of optimization, and compiling takes most of its
# time; so does the sameness of two ways to one result. Arithmetic is a claim about the level that
# users have.
arithmetic=(tests/numerics/test_{chunked_loss,kernels,packing_proof,t5x_logits}.py)

ensure_core() { ensure_environment .venv-test "-e .[dev]"; }

# What a part needs more lies over the core's environment, which never sees it.
ensure_part() {
  ensure_core
  ensure_environment --over .venv-test "$@"
}

test_single() {
  ensure_core
  if ((${#pytest_arguments[@]})); then
    run_pytest .venv-test/bin/python -m pytest "${two_workers[@]}"
    return
  fi
  run_pytest .venv-test/bin/python -m pytest "${two_workers[@]}" "${arithmetic[@]}"
  XLA_FLAGS="${XLA_FLAGS:-} $QUICK_COMPILATION" \
    run_pytest .venv-test/bin/python -m pytest "${two_workers[@]}" "${arithmetic[@]/#/--ignore=}"
}

test_core() {
  test_single
  # Eight devices change how every array is laid out, so they get a process of their own.
  XLA_FLAGS="--xla_force_host_platform_device_count=8 $QUICK_COMPILATION" \
    run_pytest .venv-test/bin/python -m pytest "${two_workers[@]}" tests/multi_device
}

test_peers() {
  ensure_part .venv-peers "torch==2.13.0" "transformers -e .[dev]"
  # One thread of torch's for each worker: two that use all cores wait for one another.
  OMP_NUM_THREADS=1 run_pytest .venv-peers/bin/python -m pytest "${two_workers[@]}" tests/peers
}

test_tfds() {
  ensure_part .venv-tfds "-e .[dev,seqio]"
  XLA_FLAGS="${XLA_FLAGS:-} $QUICK_COMPILATION" \
    run_pytest .venv-tfds/bin/python -m pytest -n 2 --dist loadfile tests/tfds
}

test_browser() {
  ensure_part .venv-browser "-e .[dev,browser]"
  run_pytest .venv-browser/bin/python -m pytest "${two_workers[@]}" tests/browser
}

test_tpu() {
  ensure_part .venv-tpu "-e .[dev,tpu]"
  # Only compiling: libtpu looks for no TPU, and JAX's own device is the CPU.
  JAX_PLATFORMS=cpu run_pytest .venv-tpu/bin/python -m pytest tests/tpu
}

for part in "${parts[@]}"; do
  "test_$part"
  echo "== tests: $part done, $SECONDS s in all"
done
if [[ ! $has_selected && ! $is_installed_only ]]; then
  echo "PYTEST ARGUMENTS must select a test, got none by: ${pytest_arguments[*]}; see what they name." >&2
  exit 5
fi
