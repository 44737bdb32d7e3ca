#!/bin/bash
# What `make test` runs: the suite under AddressSanitizer and UndefinedBehaviorSanitizer, then for coverage, whose
# figure is printed and must be at least 85 %. The last line has the totals.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL
minimum=85
passed=0 failed=0 skipped=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

suite() { # suite FOLDER VARIABLE=1 [setting…]
    local folder=$1 mode=$2 line
    shift 2
    echo "== make check $mode"
    if ! make -s -j "$(nproc)" "$mode" all "$folder/unit" "$folder/hammer" tests; then
        failed=$((failed + 1))
        echo "not ok - $mode does not build"
        return
    fi
    env BUILD="$folder" "$@" tests/suite.sh | tee "$out"
    local status=$?
    line=$(tail -n 1 "$out")
    if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        skipped=$((skipped + BASH_REMATCH[3]))
        [ "$status" -ne 0 ] && [ "${BASH_REMATCH[2]}" -eq 0 ] && failed=$((failed + 1))
    else
        failed=$((failed + 1))
        echo "not ok - $mode ended without its counts"
    fi
}

suite build/sanitize SANITIZE=1 HAMMER_PROCESSES=8 RUN_ONCE=1

[ -d build/coverage ] && find build/coverage -name '*.gcda' -delete
suite build/coverage COVERAGE=1

echo "== coverage of common/ and jobs/"
make -s coverage | tee "$out"
lines=$(sed -nE 's/^lines: ([0-9]+)(\.[0-9]+)?%.*/\1/p' "$out" | tail -n 1)
if [ "${lines:-0}" -ge "$minimum" ]; then
    passed=$((passed + 1))
    echo "ok - line coverage is at least $minimum %"
else
    failed=$((failed + 1))
    echo "not ok - line coverage is at least $minimum %"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
