#!/usr/bin/env bash
# Measures the data engine beside its peers, and writes benchmarks/results/data. Needs no root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source launch/environment.sh

usage() {
  cat <<'TEXT'
Usage: FLANJAX_TEST_DATA=DIR bash benchmarks/data/run.sh [PART]...

  packing    how full rows are: TRL, Grain, SeqIO and flanjax on the same lengths (20 minutes)
  text       from text to packed batches: flanjax, SeqIO, datasets with TRL, in turn on one core
  cache      from a cache to batches: flanjax and Grain over ArrayRecord, in turn on one core
  processes  the cache built by one process and by two, in turn
  planning   a million examples into rows, one core
  seek       to step 1,000,000
  resume     fifty kills on one to four hosts
  memory     the loader over ten million examples

All where none is named. DIR holds p3/, sni/, cot/ and reference/t5_vocab/.
TEXT
}

parts=("$@")
if [[ ${parts[0]:-} == --help || ${parts[0]:-} == -h ]]; then usage; exit 0; fi
((${#parts[@]})) || parts=(packing text cache processes planning seek resume memory)

: "${FLANJAX_TEST_DATA:?must name the folder of test data; see --help}"
ensure_environment .venv-test "-e .[dev]"
bash benchmarks/data/environments.sh
ours=.venv-test/bin/python hf=.venv-bench-hf/bin/python seqio=.venv-bench-seqio/bin/python
results=benchmarks/results/data
FEED=$(mktemp -d)
export FEED
trap 'rm -rf -- "$FEED"' EXIT
mkdir -p "$results"
$ours -m benchmarks.data.lengths "$FEED"

collect() {
  $ours -m benchmarks.data.collect --command "bash benchmarks/data/run.sh $1" "$results/$1.json" "${@:2}"
}

side_by_side() {
  $ours -m benchmarks.data.sidebyside --output "$results/$1.json" --rounds 5 --most-rounds 8 "${@:2}"
}

measure_packing() {
  $ours -m benchmarks.data.ours packing "$FEED" >"$FEED/ours.jsonl"
  $hf -m benchmarks.data.peers_packing trl "$FEED" >"$FEED/trl.jsonl"
  $seqio -m benchmarks.data.peers_packing grain "$FEED" >"$FEED/grain.jsonl"
  $seqio -m benchmarks.data.peers_packing seqio "$FEED" >"$FEED/seqio.jsonl"
  collect packing "$FEED"/{ours,trl,grain,seqio}.jsonl
}

measure_text() {
  side_by_side text --core 0 \
    --run flanjax "$ours -m benchmarks.data.ours text \$FEED" \
    --run seqio "$seqio -m benchmarks.data.peers_feeding seqio \$FEED" \
    --run hf "$hf -m benchmarks.data.peers_feeding hf \$FEED"
}

measure_cache() {
  side_by_side cache --core 0 \
    --run causal "$ours -m benchmarks.data.ours cache \$FEED --capacity 1024" \
    --run encoder-decoder "$ours -m benchmarks.data.ours cache \$FEED --capacity 512 --capacity 128" \
    --run grain "$seqio -m benchmarks.data.peers_feeding grain \$FEED"
}

measure_processes() {
  side_by_side processes \
    --run one "$ours -m benchmarks.data.ours build \$FEED" \
    --run two "$ours -m benchmarks.data.ours build \$FEED --workers 2"
}

measure_planning() {
  taskset -c 0 $ours -m benchmarks.data.ours planning "$FEED" --capacity 1024 >"$FEED/p1.jsonl"
  taskset -c 0 $ours -m benchmarks.data.ours planning "$FEED" --capacity 512 --capacity 128 \
    >"$FEED/p2.jsonl"
  collect planning "$FEED"/p{1,2}.jsonl
}

measure_seek() {
  $ours -m benchmarks.data.ours seek "$FEED" >"$FEED/seek.jsonl"
  collect seek "$FEED/seek.jsonl"
}

measure_resume() {
  $ours -m benchmarks.data.resume --output "$results/resume.json"
}

measure_memory() {
  $ours -m benchmarks.data.memory --output "$results/memory.json"
}

for part in "${parts[@]}"; do
  "measure_$part"
done
