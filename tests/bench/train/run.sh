#!/bin/bash
# Training and encoding with a model of all-MiniLM-L6-v2's shape: ours and PyTorch's, one after another, RUNS times
# (3); prints the median of each figure as a Markdown table. See README.md.
cd "$(dirname "$0")/../../.." || exit 1
B=${B:-build}
export THREADS=${THREADS:-2}
make -s B="$B" "$B/bench/train" || exit 1
WORK=$(mktemp -d) || exit 1
trap 'rm -rf "$WORK"' EXIT
# Without what this environment says about BLAS; tuned: memory isn't given back between steps.
bare=(env -u OPENBLAS_CORETYPE -u OPENBLAS_NUM_THREADS -u OMP_NUM_THREADS -u MKL_NUM_THREADS -u NVPL_BLAS_DEBUG_CPU_TYPE
    -u BLIS_ARCH_TYPE -u MKL_DEBUG_CPU_TYPE)
tuned=("${bare[@]}" OPENBLAS_NUM_THREADS=$THREADS
    MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456)
"$B/bench/train" lengths >"$WORK/lengths"
once() {
    "${bare[@]}" "$B/bench/train" gemm f32 $THREADS
    "${bare[@]}" "$B/bench/train" gemm bf16 $THREADS
    "${bare[@]}" "$B/bench/train" train f32 $THREADS 3
    "${bare[@]}" "$B/bench/train" train bf16 $THREADS 3
    "$B/bench/train" train f32 $THREADS 3 | sed 's/train-f32/train-f32-as-environment/'
    "${tuned[@]}" tests/bench/train/peer.py unpadded 3 <"$WORK/lengths"
    "${tuned[@]}" tests/bench/train/peer.py padded 3 <"$WORK/lengths"
    for tokens in 128 256; do
        "${bare[@]}" "$B/bench/train" encode f32 $THREADS $tokens 9
        "${bare[@]}" "$B/bench/train" encode bf16 $THREADS $tokens 9
        "${tuned[@]}" tests/bench/train/peer.py encode $tokens 9
    done
    "${bare[@]}" "$B/bench/train" largest f32 $THREADS
    "${bare[@]}" "$B/bench/train" largest bf16 $THREADS
}
for _ in $(seq "${RUNS:-3}"); do once >>"$WORK/results"; done
echo "| what | figure | median |"
echo "|---|---|---|"
awk '{for (i = 2; i < NF; i += 2) print $1, $i, $(i + 1)}' "$WORK/results" | sort -k1,1 -k2,2 -k3,3g |
    awk '{key = "| " $1 " | " $2 " |"; if (key != last && n) {print last, v[int((n + 1) / 2)], "|"; n = 0}
        last = key; v[++n] = $3} END {print last, v[int((n + 1) / 2)], "|"}'
