#!/bin/bash
# The crash matrix on a real S3 server: starts radosgw for it. CRASH_POINTS (2) is how many operations of each program
# are the place of a crash; "CRASH_POINTS=80 tests/store/crash_s3_test.sh" takes every one.
set -u
cd "$(dirname "$0")/../.." || exit 1
for program in ceph-mon ceph-osd radosgw radosgw-admin; do
    if ! command -v "$program" >/dev/null; then
        echo "1..0 # SKIP $program is missing: apt-get install ceph-mon ceph-osd radosgw ceph-common"
        exit 0
    fi
done
work=$(mktemp -d)
finish() {
    tests/store/radosgw.sh stop "$work/rgw" >/dev/null 2>&1
    rm -rf "$work"
}
trap finish EXIT
if ! tests/store/radosgw.sh start "$work/rgw" >"$work/rgw.env" 2>"$work/rgw.err"; then
    echo "Bail out! radosgw did not start: $(tail -n 3 "$work/rgw.err")"
    exit 1
fi
set -a
. "$work/rgw.env"
set +a
CLOUDFOLIO_TEST_S3=s3://cloudfolio/crash CRASH_POINTS=${CRASH_POINTS:-2} tests/store/crash_matrix.sh s3
