#!/bin/bash
# Builds the fuzzers with clang's libFuzzer, ASan and UBSan below build/fuzz and runs each for SECONDS (10), one
# after the other. Prints TAP. New inputs stay in build/fuzz/corpus; an input that crashes is printed in hexadecimal
# and kept in build/fuzz/crashes.
#
#   run.sh [SECONDS] [TARGET…]
#
# FUZZ_JOBS (2) is for make; FUZZ_MEMORY (512) is the limit of each in MB.
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-10}
[ $# -eq 0 ] || shift
here=tests/fuzz
out=build/fuzz
[[ $seconds =~ ^[0-9]+$ ]] || { echo "usage: run.sh [SECONDS] [TARGET...]" >&2; exit 64; }

skip() {
    echo "1..0 # SKIP $*"
    exit 0
}
command -v clang >/dev/null || skip "the package clang is not installed"
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { (void)d; return n > (1UL << 40); }' |
    clang -fsanitize=fuzzer,address,undefined -x c - -o /dev/null 2>/dev/null ||
    skip "the package libclang-rt-dev is not installed"

targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(grep -l '^int LLVMFuzzerTestOneInput' $here/*.c | xargs -n 1 basename -s .c)
# The most bytes of an input.
limit() {
    case $1 in
    documents | github) echo 8192 ;;
    git_blob) echo 9000 ;;
    bert_folder) echo 16384 ;;
    store_url) echo 1024 ;;
    *) echo 4096 ;;
    esac
}

# What targets may take from the jobs: a job's program without its main.
jobs() {
    find jobs/sync -name '*.c' ! -name main.c | sort | sed "s|^|$out/obj/|; s|c$|o|"
}

build() {
    local sanitizers='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all'
    local target
    make -s -j "${FUZZ_JOBS:-2}" B=$out CC=clang MODE="-O1 -g -fno-omit-frame-pointer $sanitizers" \
        $out/libcloudfolio.a $(jobs) $(printf "$out/obj/$here/%s.o " "${targets[@]}") >$out/build.log 2>&1 || return
    rm -f $out/jobs.a
    ar rcs $out/jobs.a $(jobs)
    for target in "${targets[@]}"; do
        clang -fsanitize=fuzzer,address,undefined $out/obj/$here/"$target".o $out/jobs.a $out/libcloudfolio.a \
            -o $out/"$target" $(pkg-config --libs libcurl jansson libzstd nettle expat lapacke libjwt-gnutls libutf8proc) -lm \
            >>$out/build.log 2>&1 || return
    done
}

mkdir -p $out/crashes
if ! build; then
    sed 's/^/# /' $out/build.log
    echo "Bail out! the fuzzers don't build"
    exit 1
fi

export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:quarantine_size_mb=32 UBSAN_OPTIONS=print_stacktrace=1
# LeakSanitizer stops the process where it may not trace it.
if "$out/${targets[0]}" -runs=1 "$here/corpus/${targets[0]}" 2>&1 | grep -q 'LeakSanitizer has encountered a fatal error'; then
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=32
    echo "# leaks are not looked for: LeakSanitizer does not work here"
fi

number=0 failed=0
echo "1..${#targets[@]}"
for target in "${targets[@]}"; do
    number=$((number + 1))
    log=$out/$target.log
    mkdir -p "$out/corpus/$target"
    rm -f $out/crashes/"$target"-*
    "$out/$target" -max_total_time="$seconds" -max_len="$(limit "$target")" -rss_limit_mb="${FUZZ_MEMORY:-512}" \
        -timeout=10 -print_final_stats=1 -verbosity=1 -artifact_prefix="$out/crashes/$target-" \
        "$out/corpus/$target" "$here/corpus/$target" >"$log" 2>&1
    status=$?
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
    coverage=$(sed -nE 's/.* cov: ([0-9]+) .*/\1/p' "$log" | tail -n 1)
    if [ $status -eq 0 ] && [ "${executions:-0}" -gt 0 ]; then
        echo "ok $number - fuzz $target (${executions} executions, coverage ${coverage:-0})"
        continue
    fi
    failed=1
    echo "not ok $number - fuzz $target (exit status $status, ${executions:-?} executions, coverage ${coverage:-0})"
    grep -aE 'does not hold|ERROR: |SUMMARY: |runtime error' "$log" | head -n 8 | tr -cd '\n -~' | sed 's/^/# /'
    for input in $out/crashes/"$target"-*; do
        [ -e "$input" ] || continue
        echo "# $input, $(wc -c <"$input") bytes, in hexadecimal:"
        od -An -v -tx1 -w40 "$input" | tr -d ' ' | sed 's/^/#   /'
    done
done
exit $failed
