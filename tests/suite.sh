#!/bin/bash
# Runs the tests once with the programs in BUILD: the unit tests, the hammer, then every tests/*/*_test.sh, which
# print TAP lines. RUN_ONCE=1 adds what doesn't depend on the build or takes long. The last line counts; exit status 1 when
# something failed. HAMMER_SECONDS (10) and HAMMER_PROCESSES (32) change the hammer, FUZZ_SECONDS (10) the fuzzers; SUITE_ONLY=unit runs nothing else.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
export BUILD
passed=0 failed=0 skipped=0
skips=()
work=$(mktemp -d)
# The unit tests flush thousands of small files: in memory where there is enough of it.
fast=$work
if [ -w /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt 1000000 ]; then
    fast=$(mktemp -d /dev/shm/cloudfolio-XXXXXX)
fi
chmod 755 "$work" "$fast" # a test looks at it as another user
trap 'rm -rf "$work" "$fast"' EXIT

# Leaks count as failures, with an exit status that nothing else uses.
export ASAN_OPTIONS=detect_leaks=1:exitcode=99:quarantine_size_mb=4 UBSAN_OPTIONS=print_stacktrace=1 CK_TIMEOUT_MULTIPLIER=5
if "$BUILD/hammer" --help 2>&1 | grep -q 'LeakSanitizer has encountered a fatal error'; then
    ASAN_OPTIONS=detect_leaks=0:exitcode=99:quarantine_size_mb=4
    skipped=1
    skips+=("leaks: LeakSanitizer does not work here, since it may not trace processes")
fi

result() { # result STATUS NAME
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok - $2"
    else
        failed=$((failed + 1))
        echo "not ok - $2"
    fi
}

skip() { # skip NAME: why
    skipped=$((skipped + 1))
    skips+=("$1")
}

# One process a suite, as many at once as there are cores; the counts are added to one line in Check's form.
unit() {
    local total=0 failures=0 errors=0 checks line out
    export fast work
    sed -nE 's/^SUITE\((.*)\)$/\1/p' "$BUILD/suites.h" | xargs -P "$(nproc)" -I NAME bash -c '
        mkdir -p "$fast/NAME"
        TMPDIR=$fast/NAME "$BUILD/unit" NAME >"$work/NAME.unit" 2>&1
        echo "exit status $?" >>"$work/NAME.unit"'
    for out in "$work"/*.unit; do
        line=$(grep -E '^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+$' "$out" | tail -n 1)
        if [ -z "$line" ] || { [[ $line == 100%* ]] && ! tail -n 1 "$out" | grep -q '^exit status 0$'; }; then
            cat "$out"
            result 1 "unit tests: $(basename "$out" .unit): $(tail -n 1 "$out")"
            continue
        fi
        [[ $line == 100%* ]] || cat "$out"
        read -r checks errors_here <<<"$(sed -E 's/.*Checks: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+)/\1 \3/' <<<"$line")"
        total=$((total + checks))
        failures=$((failures + $(sed -E 's/.*Failures: ([0-9]+),.*/\1/' <<<"$line")))
        errors=$((errors + errors_here))
        while read -r line; do
            skip "${line#\# SKIP }"
            total=$((total - 1))
        done < <(grep '^# SKIP ' "$out")
    done
    echo "$((total ? (total - failures - errors) * 100 / total : 0))%: Checks: $total, Failures: $failures, Errors: $errors"
    passed=$((passed + total - failures - errors))
    failed=$((failed + failures + errors))
}

hammer() {
    "$BUILD/hammer" --store "file:$work/hammer" --seconds "${HAMMER_SECONDS:-10}" \
        --processes "${HAMMER_PROCESSES:-32}" "$@"
    result $? "hammer $*"
}

# Runs programs that print TAP lines ("ok N - name", "not ok N - name", "ok N - name # SKIP why"), one command a line of
# the standard input, two at a time, since most of them wait more than they compute; then counts what they said.
tap() {
    local n=0 command
    while read -r command; do
        n=$((n + 1))
        printf '%s\0' "mkdir -p $work/$n.tmp; { echo '# $command'; TMPDIR=$work/$n.tmp $command; } >$work/$n.tap 2>&1; s=\$?; echo \"# \$SECONDS s\" >>$work/$n.tap; echo \"exit status \$s\" >>$work/$n.tap; rm -rf $work/$n.tmp"
    done | xargs -0 -P 2 -I COMMAND bash -c COMMAND
    for n in $(ls "$work" | sed -n 's/\.tap$//p' | sort -n); do
        tally "$work/$n.tap"
        rm "$work/$n.tap"
    done
}

tally() {
    local good=0 bad=0 name status line
    cat "$1"
    name=$(sed -n '1s/^# //p' "$1")
    status=$(tail -n 1 "$1")
    while IFS= read -r line; do
        case $line in
            'not ok'*) bad=$((bad + 1)) ;;
            'ok '*'# SKIP'*) skip "$(sed -E 's/^ok [0-9]* *-? *//; s/ *# SKIP */: /' <<<"$line")" ;;
            'ok '*) good=$((good + 1)) ;;
            '1..0 # SKIP'*) skip "$name: ${line#1..0 # SKIP }" ;;
            'Bail out!'*) bad=$((bad + 1)) ;;
        esac
    done <"$1"
    passed=$((passed + good))
    failed=$((failed + bad))
    if [ "$status" != "exit status 0" ] && [ "$bad" -eq 0 ]; then
        result 1 "$name: $status"
    elif [ "$status" = "exit status 0" ] && ! grep -qE '^(not )?ok |^1\.\.0' "$1"; then
        result 1 "$name: not one result"
    fi
}

# What is run under the sanitizers and for coverage, and what once is enough for, the longest first.
every_time() {
    ls tests/e2e/*_test.sh | grep -v soak
    echo "$BUILD/interleave"
}
once() {
    echo "tests/fuzz/run.sh ${FUZZ_SECONDS:-10}"
    echo "tests/e2e/sync_soak_test.sh"
    ls tests/store/*_test.sh
    echo "tests/store/crash_matrix.sh file"
    echo "tests/model/check.sh"
    echo "node --test --test-reporter=tap tests/github/"
}

unit
if [ "${SUITE_ONLY:-}" != unit ]; then
    hammer
    hammer --collect
    tap < <([ "${RUN_ONCE:-0}" = 1 ] && once; every_time)
fi

for reason in "${skips[@]}"; do
    echo "# skipped: $reason"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
