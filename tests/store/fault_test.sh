#!/bin/bash
# Every job end to end on a real S3 server behind a network that fails: each fault on order where it matters, then at
# random with rising rates. What was acknowledged must be there, whole, once, and the same as without faults.
# BUILD names the folder of the programs, SEED begins the random part, FAULTS is how many must have been injected.
. "$(dirname "$0")/../e2e/lib.sh"
unset CLOUDFOLIO_JSON CLOUDFOLIO_DRY_RUN CLOUDFOLIO_SHARD GITHUB_GRAPHQL_URL AWS_SESSION_TOKEN AWS_ENDPOINT_URL
unset AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_DEFAULT_REGION
export CLOUDFOLIO_LOG=json CLOUDFOLIO_LOG_LEVEL=info NO_PROXY=127.0.0.1
SEED=${SEED:-1}
FAULTS=${FAULTS:-700}
BEGAN=$SECONDS
PROXY=

for program in ceph-mon ceph-osd radosgw radosgw-admin; do
    if ! command -v "$program" >/dev/null; then
        skip "every job behind faults" "$program is missing: apt-get install ceph-mon ceph-osd radosgw ceph-common"
        done_testing
    fi
done

finish_all() {
    [ -n "$PROXY" ] && kill "$PROXY" 2>/dev/null && wait "$PROXY" 2>/dev/null
    tests/store/radosgw.sh stop "$WORK/rgw" >/dev/null 2>&1
    finish
}
trap finish_all EXIT
tests/store/radosgw.sh start "$WORK/rgw" >"$WORK/rgw.env" 2>"$WORK/rgw.err" &
RGW=$!
start_github
wait "$RGW" || { echo "Bail out! radosgw did not start: $(tail -n 3 "$WORK/rgw.err")"; exit 1; }
set -a
. "$WORK/rgw.env"
set +a
DIRECT=$AWS_ENDPOINT_URL_S3
node tests/store/fault_proxy.mjs --target "$DIRECT" --port-file "$WORK/proxy.port" --seed "$SEED" >"$WORK/proxy.log" 2>&1 &
PROXY=$!
for _ in $(seq 100); do
    [ -s "$WORK/proxy.port" ] && break
    sleep 0.1
done
export AWS_ENDPOINT_URL_S3=http://127.0.0.1:$(cat "$WORK/proxy.port")
ENDPOINT=$AWS_ENDPOINT_URL_S3

# proxy CALL [JSON]
proxy() { curl -sS --fail ${2:+-H content-type:application/json -d "$2"} "$ENDPOINT/_control/$1"; }
injected() { proxy counters | jq .faults; }

# Credentials that can be renewed, as a container has them, are given by the proxy too.
proxy credentials "$(jq -n --arg key "$AWS_ACCESS_KEY_ID" --arg secret "$AWS_SECRET_ACCESS_KEY" \
    '{AccessKeyId: $key, SecretAccessKey: $secret, Expiration: "2099-01-01T00:00:00Z"}')" >/dev/null
renewable() {
    env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY AWS_CONTAINER_CREDENTIALS_FULL_URI="$ENDPOINT/_control/credentials" "$@"
}

# run COMMAND…: its status; what it says is kept for the reckoning of what was acknowledged.
run() {
    local rc=0
    "$@" >"$WORK/run.out" 2>"$WORK/run.err" || rc=$?
    cat "$WORK/run.err" >>"$WORK/said.$AREA"
    return $rc
}

# A fault on order. ordered WANT RULES COMMAND…: WANT lists the exit statuses that are right; every rule must be used.
ordered() {
    local want=$1 rules=$2 got=0
    shift 2
    proxy faults '[]' >/dev/null && proxy faults "$rules" >/dev/null || return 1
    run "$@" || got=$?
    proxy faults >"$WORK/rules"
    proxy faults '[]' >/dev/null
    case " $want " in
    *" $got "*) ;;
    *) echo "wanted exit status $want, got $got from: $*"; tail -n 4 "$WORK/run.err"; return 1 ;;
    esac
    jq -e 'all(.hit > 0)' "$WORK/rules" >/dev/null || { echo "a fault did not happen:"; cat "$WORK/rules"; return 1; }
}
says() { grep -q -F -e "$1" "$WORK/run.err" || { echo "nothing says: $1"; tail -n 4 "$WORK/run.err"; return 1; }; }
version() { AWS_ENDPOINT_URL_S3=$DIRECT cloudfolio cat "$1" "$2" --marker | jq .version; }

# turn OWNER REPO: a change on GitHub, so that the next chain has something to commit.
TURN=0
turn() {
    TURN=$((TURN + 1))
    control change "{\"owner\":\"$1\",\"repo\":\"$2\",\"files\":{\"README.md\":\"# $2\n\nTurn $TURN: parses, prints and checks.\n\"}}" >/dev/null
}

# --- the same result as without faults: one by one --------------------------------------------------------------------
AREA=order
export CLOUDFOLIO_STORE=s3://cloudfolio/order
T=mona-lisa
next() { turn Mona-Lisa mustache; }
# on NAME RULES COMMAND…: the faults are absorbed, the job succeeds.
on() {
    local name=$1
    shift
    check "$name" ordered 0 "$@"
}

on "tenant add: the first marker's answer is lost" '[{"match":{"kind":"put-new","key":"/config/v/"},"fault":"reset-after"}]' cloudfolio tenant add Mona-Lisa
check "and there is one version" is 1 "$(version $T config)"

# 30 seconds of silence, longer than the client waits; goes on beside what follows, in a store of its own.
proxy faults '[{"match":{"kind":"put-new","key":"/silent/.*/config/v/"},"fault":"silence","silenceMs":30000}]' >/dev/null
(
    began=$SECONDS
    CLOUDFOLIO_STORE=s3://cloudfolio/silent cloudfolio tenant add Mona-Lisa >"$WORK/silent.out" 2>&1
    echo "$? $((SECONDS - began))" >"$WORK/silent.rc"
) &
SILENT=$!
for _ in $(seq 100); do
    proxy faults | jq -e '.[0].hit == 1' >/dev/null && break
    sleep 0.1
done

on "sync: 500 to the first blob" '[{"match":{"kind":"put","key":"/repos/b/"},"fault":"500"}]' cloudfolio-sync --tenant $T
on "orchestrate: a blob's answer is cut off" '[{"match":{"kind":"get","key":"/repos/b/"},"fault":"truncate","times":3}]' cloudfolio-orchestrate --tenant $T
on "train: a blob comes slowly, another not at all at first" '[{"match":{"kind":"get","key":"/bundle/b/"},"fault":"drip"},{"match":{"kind":"get","key":"/bundle/b/"},"fault":"reset-before"}]' cloudfolio-train --tenant $T
next
on "sync: SlowDown to the marker" '[{"match":{"kind":"put-new","key":"/repos/v/"},"fault":"503"}]' cloudfolio-sync --tenant $T
on "orchestrate: SlowDown with Retry-After to a LIST" '[{"match":{"kind":"list","key":"/repos/v/"},"fault":"503-retry-after"}]' cloudfolio-orchestrate --tenant $T
on "train: the marker's connection ends before, then after" '[{"match":{"kind":"put-new","key":"/model/v/"},"fault":"reset-before"},{"match":{"kind":"put-new","key":"/model/v/"},"fault":"reset-after"}]' cloudfolio-train --tenant $T
next
on "sync: 409 to the marker, three times" '[{"match":{"kind":"put-new","key":"/repos/v/"},"fault":"409","times":3}]' cloudfolio-sync --tenant $T
on "orchestrate: both markers' answers are lost" '[{"match":{"kind":"put-new","key":"/bundle/v/"},"fault":"reset-after"},{"match":{"kind":"put-new","key":"/request/v/"},"fault":"reset-after"}]' cloudfolio-orchestrate --tenant $T
on "train: silence after the marker was written" '[{"match":{"kind":"put-new","key":"/model/v/"},"fault":"silence-after","silenceMs":1500}]' cloudfolio-train --tenant $T
next
on "sync: its record and its blobs get 500, 503, resets" '[{"match":{"kind":"put","key":"/runs/"},"fault":"500"},{"match":{"kind":"put","key":"/b/"},"fault":"503"},{"match":{"kind":"put"},"fault":"reset-after","times":2}]' cloudfolio-sync --tenant $T
on "orchestrate: the LIST of the last step fails three times" '[{"match":{"kind":"list","key":"/bundle/v/","nth":2},"fault":"500"},{"match":{"kind":"list","key":"/bundle/v/","nth":3},"fault":"truncate"},{"match":{"kind":"list","key":"/bundle/v/","nth":4},"fault":"reset-after"}]' cloudfolio-orchestrate --tenant $T
on "train: the marker it starts from is cut off" '[{"match":{"kind":"get","key":"/request/v/"},"fault":"truncate"}]' cloudfolio-train --tenant $T
next
on "sync: a 200 that is an error, to a blob and to the marker" '[{"match":{"kind":"put","key":"/b/"},"fault":"error-200"},{"match":{"kind":"put-new"},"fault":"error-200"}]' cloudfolio-sync --tenant $T
on "orchestrate: the session token has expired, and is renewed" '[{"match":{"kind":"get","key":"/repos/b/"},"fault":"expired-token"}]' renewable cloudfolio-orchestrate --tenant $T
on "train: 403 again on the marker's PUT" '[{"match":{"kind":"put-new"},"fault":"expired-token"}]' renewable cloudfolio-train --tenant $T
on "rollback: the marker's answer is lost" '[{"match":{"kind":"put-new","key":"/repos/v/"},"fault":"reset-after"}]' cloudfolio rollback $T repos 2
on "verify: 500, resets and cuts" '[{"match":{"kind":"get"},"fault":"truncate","times":3},{"match":{"kind":"list"},"fault":"500"},{"match":{"kind":"get","key":"/b/"},"fault":"reset-before","times":3}]' cloudfolio verify $T

# --- what is not absorbed says so, and a repeat makes it good -----------------------------------------------------------
next
check "an expired token that nobody renews is exit 77" ordered 77 '[{"match":{"kind":"put","key":"/b/"},"fault":"expired-token"}]' cloudfolio-sync --tenant $T
v=$(version $T repos)
check "no LIST in the last step: the outcome is unknown, exit 75" ordered 75 '[{"match":{"kind":"list","key":"/repos/v/","nth":2},"fault":"expired-token","times":99}]' cloudfolio-sync --tenant $T
check "it says so" says "the outcome of the commit is unknown"
check "the marker is there all the same" is $((v + 1)) "$(version $T repos)"
check "a repeat succeeds" ordered 0 '[]' cloudfolio-sync --tenant $T
check "without another version" is $((v + 1)) "$(version $T repos)"
check "a flipped bit in a blob is noticed by its hash and read again" ordered 0 '[{"match":{"kind":"get","key":"/repos/b/"},"fault":"flip","at":0.6}]' cloudfolio-orchestrate --tenant $T
check "a repeat succeeds" ordered 0 '[]' cloudfolio-orchestrate --tenant $T
check "a store that is down is exit 69" ordered 69 '[{"match":{"kind":"get","key":"/request/v/"},"fault":"500","times":99}]' cloudfolio-train --tenant $T
check "a repeat succeeds" ordered 0 '[]' cloudfolio-train --tenant $T

# --- reads that aren't consistent break what the contract rests on: nothing may be lost, torn or falsely acknowledged ---
next
check "stale: a marker that its LIST has seen is 404 once: resolved again" ordered 0 '[{"match":{"kind":"get","key":"/repos/v/"},"fault":"missing"}]' cloudfolio-sync --tenant $T
check "stale: a blob is 404 once: exit 65 names it" ordered 65 '[{"match":{"kind":"get","key":"/repos/b/"},"fault":"missing"}]' cloudfolio-orchestrate --tenant $T
check "stale: a repeat succeeds" ordered 0 '[]' cloudfolio-orchestrate --tenant $T
next
v=$(version $T repos)
check "stale: an old LIST at the beginning: conflict, then the next number" ordered 0 '[{"match":{"kind":"list","key":"/repos/v/"},"fault":"stale-list"}]' cloudfolio-sync --tenant $T
check "stale: one version" is $((v + 1)) "$(version $T repos)"
next
check "stale: old LISTs for ever: exit 75, no false success" ordered 75 '[{"match":{"kind":"list","key":"/repos/v/"},"fault":"stale-list","times":null}]' cloudfolio-sync --tenant $T
check "stale: no version" is $((v + 1)) "$(version $T repos)"
check "stale: old LISTs in the last step: unknown, exit 75" ordered 75 '[{"match":{"kind":"list","key":"/repos/v/","nth":2},"fault":"stale-list","times":null}]' cloudfolio-sync --tenant $T
check "stale: it says so" says "the outcome of the commit is unknown"
check "stale: a repeat finds the version" ordered 0 '[]' cloudfolio-sync --tenant $T
check "stale: and makes no other" is $((v + 2)) "$(version $T repos)"
check "orchestrate and train follow" ordered 0 '[]' cloudfolio run $T

marker_flip() {
    local CLOUDFOLIO_STORE=s3://cloudfolio/flip
    export CLOUDFOLIO_STORE
    local marker at rc=0
    { cloudfolio tenant add dev_acme && cloudfolio-sync --tenant dev_acme; } >/dev/null 2>&1 || return 1
    turn dev_acme "$(cloudfolio cat dev_acme repos | jq -r '.repositories[0].name')"
    marker=$(cloudfolio cat dev_acme repos --marker)
    at=${marker%%Z\"*}
    at=$(jq -n "(${#at} - 0.5) / ${#marker}")
    proxy faults "[{\"match\":{\"kind\":\"get\",\"key\":\"/flip/.*/repos/v/\"},\"fault\":\"flip\",\"at\":$at,\"bit\":0}]" >/dev/null
    cloudfolio-sync --tenant dev_acme >/dev/null 2>&1 || rc=$?
    proxy faults '[]' >/dev/null
    cloudfolio verify dev_acme >/dev/null 2>&1 || { echo "sync ended with $rc after a flipped bit in created_at, and verify is not clean"; return 1; }
}
check "a flipped bit in a marker is noticed by its seal and read again" marker_flip

# --- gc -----------------------------------------------------------------------------------------------------------------
toggle() {
    local i
    for i in $(seq 46); do
        if [ $((i % 2)) = 1 ]; then cloudfolio tenant disable Mona-Lisa; else cloudfolio tenant add Mona-Lisa; fi || return 1
    done
}
check "46 versions of a configuration" env AWS_ENDPOINT_URL_S3="$DIRECT" bash -c "$(declare -f toggle); toggle"
on "gc: each kind of request fails once" '[{"match":{"kind":"delete"},"fault":"reset-after"},{"match":{"kind":"delete"},"fault":"503"},{"match":{"kind":"list"},"fault":"reset-before"},{"match":{"kind":"get"},"fault":"truncate"},{"match":{"kind":"put-new"},"fault":"reset-after"}]' cloudfolio gc $T
check "gc: markers below the floor are gone" test "$(AWS_ENDPOINT_URL_S3=$DIRECT cloudfolio log $T config --json --limit 100 | jq '.versions | length')" -lt 40

# --- one large object, in parts -----------------------------------------------------------------------------------------
LARGE=s3://cloudfolio/large
parts() { printf '[{"match":{"kind":"multipart","method":"%s","query":"%s"},"fault":"%s"}]' "$@"; }
if [ -x "$BUILD/fault_large" ]; then
    on "parts: 500, reset before, reset after" '[{"match":{"kind":"multipart","method":"PUT"},"fault":"500"},{"match":{"kind":"multipart","method":"PUT"},"fault":"reset-before"},{"match":{"kind":"multipart","method":"PUT"},"fault":"reset-after"}]' fault_large put $LARGE one 65
    on "parts: their joining answers 200 with an error" "$(parts POST uploadId= error-200)" fault_large put $LARGE two 65
    on "parts: the answer to their joining is lost" "$(parts POST uploadId= reset-after)" fault_large put $LARGE three 65
    on "a large object's answer is cut off three times" '[{"fault":"truncate","times":3}]' fault_large get $LARGE one 65
    on "and comes slowly" '[{"fault":"drip"}]' fault_large get $LARGE two 65
    on "and is whole" '[]' fault_large get $LARGE three 65
    check "parts: a refusal is exit 77" ordered 77 "$(parts PUT partNumber= expired-token)" fault_large put $LARGE four 65
    check "parts: what was sent is aborted" is '"DELETE"' "$(proxy log | jq '.[-1].method')"
    check "parts: and there is no object" ordered 65 '[]' fault_large get $LARGE four 1
else
    skip "large objects" "make $BUILD/fault_large first"
fi

wait "$SILENT"
check "30 seconds of silence: given up before, and sent again" grep -q '^0 [12]' "$WORK/silent.rc"

# --- at random ------------------------------------------------------------------------------------------------------------
AREA=random
export CLOUDFOLIO_STORE=s3://cloudfolio/random
REFERENCE=file:$WORK/reference
U=octocat
REPOS=(ky acorn chalk dayjs jose minisearch papaparse uvu)
STATUSES=()
BAD=()
FIRST=0

# until_done COMMAND…: again until it exits 0, at most 12 times; in between only 69 and 75 are right.
until_done() {
    local rc tries
    for tries in $(seq 12); do
        rc=0
        run renewable "$@" || rc=$?
        [ $rc = 0 ] && { [ "$tries" = 1 ] && FIRST=$((FIRST + 1)); return 0; }
        STATUSES+=("$rc")
        [ $rc = 69 ] || [ $rc = 75 ] || { BAD+=("$rc from $* in round $ROUND: $(tail -n 1 "$WORK/run.err")"); return 1; }
    done
    BAD+=("$* didn't succeed in round $ROUND")
    return 1
}

# without COMMAND…: on a store of files, without faults.
without() { CLOUDFOLIO_STORE=$REFERENCE "$@" >/dev/null 2>>"$WORK/reference.err"; }

# The contents of the newest version, without the hashes of markers: those hold random bits and times.
root() { cloudfolio cat $U "$1" 2>/dev/null | jq -cS 'walk(if type == "object" and has("version") and has("sha256") and (has("bytes") | not) then del(.sha256) else . end)'; }
ALTERED=0
compare() {
    local dataset a b
    for dataset in config repos bundle request model; do
        a=$(CLOUDFOLIO_STORE=$REFERENCE root $dataset)
        b=$(AWS_ENDPOINT_URL_S3=$DIRECT root $dataset)
        if [ -z "$a" ] || [ "$a" != "$b" ]; then
            ALTERED=$((ALTERED + 1))
            echo "# round $ROUND: $dataset differs"
            diff <(jq . <<<"$a") <(jq . <<<"$b") | head -n 10 | sed 's/^/#   /'
        fi
    done
}

both() {
    without "$@" || BAD+=("without faults: $* in round $ROUND: $(tail -n 1 "$WORK/reference.err")")
    until_done "$@"
}

round() {
    local rate=$1 # and, for an outage, what it strikes
    ROUND=$((ROUND + 1))
    proxy random "{\"seed\":$((SEED * 1000 + ROUND)),\"rate\":$rate,\"key\":\"/random/\"}" >/dev/null
    # An outage that outlasts all attempts of one request.
    [ -n "${2:-}" ] && proxy faults "[{\"match\":{$2,\"nth\":$((1 + RANDOM % 3))},\"fault\":\"500\",\"times\":8}]" >/dev/null
    if [ "$ROUND" = 1 ]; then
        both cloudfolio tenant add $U
    else
        turn $U "${REPOS[ROUND % ${#REPOS[@]}]}"
    fi
    both cloudfolio-sync --tenant $U
    [ "$ROUND" = 5 ] && both cloudfolio rollback $U repos 2
    both cloudfolio-orchestrate --tenant $U
    both cloudfolio-train --tenant $U
    [ $((ROUND % 3)) = 0 ] && until_done cloudfolio gc $U
    [ $((ROUND % 2)) = 0 ] && until_done cloudfolio verify $U
    proxy random '{}' >/dev/null
    proxy faults '[]' >/dev/null
    compare
}

ROUND=0
RANDOM=$SEED
round 0.05
round 0.1 '"kind":"list","key":"/random/.*/v/"'
round 0.2 '"kind":"put","key":"/random/.*/runs/"'
round 0.25
round 0.3 '"kind":"get","key":"/random/.*/v/"'
round 0.35 '"kind":"put-new","key":"/random/.*/v/"'
round 0.4
while [ "$(injected)" -lt "$FAULTS" ] && [ $ROUND -lt 24 ]; do
    round 0.35
done
N_FAULTS=$(injected)
echo "# $ROUND rounds, $FIRST commands done at once, $(printf '%s\n' "${STATUSES[@]:-}" | sort | uniq -c | awk 'NF > 1 {printf "%s × exit %s, ", $1, $2}')$((SECONDS - BEGAN)) s"
proxy counters | jq -r '"# by kind: \(.byKind | tojson)", "# by fault: \(.byFault | tojson)", "# \(.requests) requests, credentials fetched \(.credentials) times"'

# --- the reckoning, without faults ------------------------------------------------------------------------------------------
proxy faults '[]' >/dev/null
LOST=0 TORN=0 DUPLICATED=0

# Each "committed" that a job has logged must be a version by that run; versions must be consecutive; none may repeat a run.
reckon() {
    local area=$1 tenant=$2 dataset store=s3://cloudfolio/$1
    jq -rc 'select(.event == "committed") | "\(.dataset) \(.version) \(.run)"' "$WORK/said.$area" 2>/dev/null | sort -u >"$WORK/acknowledged"
    : >"$WORK/there"
    for dataset in config repos bundle request model; do
        cloudfolio --store "$store" log "$tenant" $dataset --json --limit 1000 >"$WORK/log.json" 2>/dev/null || continue
        jq -r '.versions[] | "\(.dataset) \(.version) \(.producer.run)"' "$WORK/log.json" >>"$WORK/there"
        jq -e '[.versions[].version] | . == [range(.[0]; .[0] - length; -1)]' "$WORK/log.json" >/dev/null ||
            { echo "# $area: versions of $dataset are not consecutive"; LOST=$((LOST + 1)); }
        DUPLICATED=$((DUPLICATED + $(jq '[.versions[].producer.run] | length - (unique | length)' "$WORK/log.json")))
    done
    sort -u "$WORK/there" >"$WORK/there.sorted"
    comm -23 "$WORK/acknowledged" "$WORK/there.sorted" >"$WORK/lost"
    LOST=$((LOST + $(wc -l <"$WORK/lost")))
    sed "s/^/# $area: acknowledged and lost: /" "$WORK/lost"
    cloudfolio --store "$store" verify "$tenant" --json >"$WORK/verify.json" 2>/dev/null
    TORN=$((TORN + $(jq '.totals.missing' "$WORK/verify.json")))
    ALTERED=$((ALTERED + $(jq '.totals.altered' "$WORK/verify.json")))
    jq -r --arg area "$area" '.findings[] | select(.finding == "missing" or .finding == "altered") | "# \($area): \(.finding) \(.key)"' "$WORK/verify.json"
    echo "# $area: $(wc -l <"$WORK/acknowledged") acknowledged, $(wc -l <"$WORK/there") versions"
    ACKNOWLEDGED=$(wc -l <"$WORK/acknowledged")
}
reckon order $T
check "in order: enough was acknowledged to count" test "$ACKNOWLEDGED" -ge 15
reckon random $U
check "at random: enough was acknowledged to count" test "$ACKNOWLEDGED" -ge 20

# The same number of versions as without faults; only unknown outcomes that were repeated could have made more.
for dataset in config repos bundle request model; do
    a=$(cloudfolio --store "$REFERENCE" cat $U $dataset --marker | jq .version)
    b=$(cloudfolio --store "$CLOUDFOLIO_STORE" cat $U $dataset --marker | jq .version)
    [ "$a" = "$b" ] || { echo "# $dataset: $b versions instead of $a"; [ "$b" -gt "$a" ] && DUPLICATED=$((DUPLICATED + b - a)) || LOST=$((LOST + a - b)); }
done
check "outages ended commands, which were repeated" test "${#STATUSES[@]}" -ge 1
check "every command ended with 0, 69 or 75, and succeeded" is "" "$(printf '%s\n' "${BAD[@]:-}" | head -n 5)"
check "cloudfolio verify is clean" cloudfolio verify $U
check "at least $FAULTS faults" test "$N_FAULTS" -ge "$FAULTS"
check "$N_FAULTS faults injected, $LOST lost, $TORN torn, $DUPLICATED duplicated, $ALTERED altered" is "0 0 0 0" "$LOST $TORN $DUPLICATED $ALTERED"
echo "# $N_FAULTS faults injected, $LOST lost, $TORN torn, $DUPLICATED duplicated, $ALTERED altered"
done_testing
