#!/bin/bash
# conformance.sh URL…: what every store must do, tried on stores that exist: s3://bucket or s3://bucket/prefix, with
# AWS's own variables for the rest, and s3v2://… in the same way. Everything is written below a new prefix of the URL and deleted again. The same
# tests run on the memory and the file: driver beside it, so a failure there has nothing to do with the store.
#
# BUILD names the folder of the programs (build). Exit status: 0 all passed, 1 a test failed, else that of the first
# request: 69 unreachable, 77 not allowed, 78 no such bucket; 64 for a URL of another kind.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
SUITES="store_conformance store_listing store_stream"
# A store far away may need longer than one beside the test.
export CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-20} CK_FORK=yes
unset CLOUDFOLIO_TEST_S3 CLOUDFOLIO_TEST_S3V2
AREA=
WORK=$(mktemp -d)

# What a test that failed has left.
clear_area() {
    [ -n "$AREA" ] || return 0
    "$BUILD/store_copy" --clear "$AREA" || echo "could not delete everything below $AREA" >&2
    AREA=
}
finish() {
    clear_area
    rm -rf "$WORK"
}
trap finish EXIT
trap 'exit 130' INT TERM

# conform URL
conform() {
    local url=${1%/} area variable rc=0 failed=0 suite began=$SECONDS
    case $url in
    s3://*) variable=CLOUDFOLIO_TEST_S3 ;;
    s3v2://*) variable=CLOUDFOLIO_TEST_S3V2 ;;
    file:* | memory:*)
        echo "conformance.sh: $url: make test tries this kind of store anyway; name one such as s3://bucket/prefix" >&2
        return 64
        ;;
    *)
        echo "conformance.sh: \"$url\" is no store that this can try: s3://bucket or s3://bucket/prefix is expected" >&2
        return 64
        ;;
    esac
    area=$url/conformance-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
    "$BUILD/store_copy" --list "$area" >"$WORK/out" 2>&1 || rc=$?
    if [ $rc != 0 ]; then
        echo "conformance.sh: $url can't be used: $(sed 's/^store_copy: //' "$WORK/out" | tail -n 1)" >&2
        echo "conformance.sh: cloudfolio --store $url doctor says more, and docs/OPERATIONS.md what to do" >&2
        return $rc
    fi
    AREA=$area
    echo "# $url"
    for suite in $SUITES; do
        env "$variable=$area" TMPDIR="$WORK" "$BUILD/unit" "$suite" >"$WORK/out" 2>&1 || rc=$?
        # A driver that is left out passes nothing.
        grep -q "^$variable .* leave that one out" "$WORK/out" && rc=1
        # "100%: Checks: 57, Failures: 0, Errors: 0"
        if [ $rc = 0 ]; then
            echo "ok - $suite: $(sed -nE 's/^100%: Checks: ([0-9]+),.*/\1/p' "$WORK/out" | tail -n 1) tests"
        else
            echo "not ok - $suite"
            grep -v '^Running suite' "$WORK/out" | sed 's/^/# /' | head -n 40
            failed=1 rc=0
        fi
    done
    clear_area
    echo "# $((SECONDS - began)) s"
    return $failed
}

if [ $# = 0 ] || [ -z "$1" ]; then
    echo "usage: conformance.sh URL…, such as s3://bucket/prefix" >&2
    exit 64
fi
for program in unit store_copy; do
    [ -x "$BUILD/$program" ] || { echo "conformance.sh: $BUILD/$program is missing: make tests" >&2; exit 1; }
done
STATUS=0
for url in "$@"; do
    conform "$url" || { rc=$?; [ $STATUS != 0 ] || STATUS=$rc; }
done
exit $STATUS
