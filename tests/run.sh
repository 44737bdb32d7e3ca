#!/bin/bash
# What `make test` runs: the unit tests as users build them, then everything under AddressSanitizer and
# UndefinedBehaviorSanitizer, with line coverage, which must be at least 85 %. The last line has the totals.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL
minimum=85
passed=0 failed=0 skipped=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

suite() { # suite FOLDER TARGET SETTING-FOR-MAKE [SETTING-FOR-THE-SUITE…]
    local folder=$1 target=$2 mode=$3 line
    shift 3
    echo "== tests/suite.sh with BUILD=$folder $*"
    if ! make -s -j "$(nproc)" "$mode" "$target" >"$out" 2>&1; then
        failed=$((failed + 1))
        cat "$out"
        echo "not ok - $folder does not build"
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
        echo "not ok - $folder ended without its counts"
    fi
}

suite build build/unit B=build SUITE_ONLY=unit
[ -d build/sanitize ] && find build/sanitize -name '*.gcda' -delete
suite build/sanitize tests SANITIZE=1 HAMMER_PROCESSES=8 RUN_ONCE=1

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
