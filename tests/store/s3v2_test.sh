#!/bin/bash
# Stores that speak Signature Version 2 only, through the module on libs3: the conformance suite as the single writer,
# and reading without that promise. radosgw speaks both versions, so what one driver wrote the other reads.
. "$(dirname "$0")/../e2e/lib.sh"
for program in ceph-mon ceph-osd radosgw radosgw-admin; do
    if ! command -v "$program" >/dev/null; then
        skip "stores of Signature Version 2" "$program is missing: apt-get install ceph-mon ceph-osd radosgw ceph-common"
        done_testing
    fi
done
if [ ! -e "$BUILD/cloudfolio-s3v2.so" ]; then
    skip "stores of Signature Version 2" "the module is not built: apt-get install libs3-dev, then make s3v2"
    done_testing
fi
stop() {
    tests/store/radosgw.sh stop "$WORK/rgw" >/dev/null 2>&1
    finish
}
trap stop EXIT
if ! tests/store/radosgw.sh start "$WORK/rgw" >"$WORK/rgw.env" 2>"$WORK/rgw.err"; then
    echo "Bail out! radosgw did not start: $(tail -n 3 "$WORK/rgw.err")"
    exit 1
fi
set -a
. "$WORK/rgw.env"
set +a
export CLOUDFOLIO_LOG=json
S3=s3://cloudfolio/shared
S3V2=s3v2://cloudfolio/shared

check "the conformance suite, as the single writer" env CLOUDFOLIO_SINGLE_WRITER=1 tests/store/conformance.sh s3v2://cloudfolio/conformance
check "a tenant is added by Signature 4" exits 0 cloudfolio --store $S3 tenant add octocat
check "and read by Signature 2" exits 0 cloudfolio --store $S3V2 tenant show octocat
check "verify by Signature 2" exits 0 cloudfolio --store $S3V2 verify
check "committing is refused" exits 78 cloudfolio --store $S3V2 tenant disable octocat
check "the message says what is missing" grep -q -i "condition" "$WORK/err"
check "the single writer commits" exits 0 env CLOUDFOLIO_SINGLE_WRITER=1 cloudfolio --store $S3V2 tenant disable octocat
check "and Signature 4 reads that" is 2 "$(cloudfolio --store $S3 cat octocat config --marker | jq .version)"
check "verify by Signature 4" exits 0 cloudfolio --store $S3 verify
check "a session token is refused" exits 78 env AWS_SESSION_TOKEN=x cloudfolio --store $S3V2 verify
done_testing
