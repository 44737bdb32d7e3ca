#!/bin/bash
# crash_matrix.sh [file|s3]: every program is killed at each of its operations on the store; a run after that must
# end in the state that an uncrashed run ends in. Then: killed again and again on one store, two at once, and
# programs that stand still while others commit and collect.
#
# BUILD names the folder of the programs; those of $BUILD/crash have tests/store/crash_points.c in them.
# CRASH_POINTS is the most points of one program (80); more are spread evenly. For s3, CLOUDFOLIO_TEST_S3 names a
# URL such as s3://bucket/prefix, and AWS's own variables the rest.
. "$(dirname "$0")/../e2e/lib.sh"
PATH=$BUILD/crash:$PATH
KIND=${1:-file}
POINTS=${CRASH_POINTS:-80}
TENANT=acme-labs
export CLOUDFOLIO_LOG=json
unset CLOUDFOLIO_JSON CLOUDFOLIO_DRY_RUN CLOUDFOLIO_STORE CLOUDFOLIO_LOG_LEVEL
unset CRASH_AT CRASH_INSIDE CRASH_WHEN CRASH_SIGNAL CRASH_COUNT_FILE CRASH_TRACE_FILE
CRASHES=0 STOPS=0 LOST=0 TORN=0 DUPLICATED=0 ALTERED=0 COPIES=0

if [ "$KIND" = s3 ] && [ -z "${CLOUDFOLIO_TEST_S3:-}" ]; then
    echo "1..0 # SKIP CLOUDFOLIO_TEST_S3 is not set"
    exit 0
fi

# --- stores ---------------------------------------------------------------------------------------
base() { echo "file:$WORK/base/$1"; }

# fresh BASE: a copy of a prepared store, in STORE; the one before it is removed.
fresh() {
    discard
    COPIES=$((COPIES + 1))
    if [ "$KIND" = s3 ]; then
        STORE=${CLOUDFOLIO_TEST_S3%/}/$$-$COPIES
        store_copy "$(base "$1")" "$STORE" || exit 1
    else
        STORE=file:$WORK/copy
        cp -r "$WORK/base/$1" "$WORK/copy" || exit 1
    fi
}
discard() {
    case ${STORE:-} in
    '') ;;
    file:*) rm -rf "${STORE#file:}" ;;
    *) store_copy --clear "$STORE" ;;
    esac
    STORE=
}

on() { CLOUDFOLIO_STORE=$STORE "$@" >"$WORK/out" 2>"$WORK/err"; }
read_it() { CLOUDFOLIO_STORE=$STORE cloudfolio "$@" 2>/dev/null; }
newest() { read_it cat "$TENANT" "$1" --marker | jq .version; }

# snapshot DATASET…: what must be the same after every run: the newest version, its floor, its root document, and
# which objects are there. A request names its bundle's marker by a hash that differs from run to run.
snapshot() {
    local dataset bundle
    bundle=$(read_it log "$TENANT" bundle --json | jq -r '.versions[0].sha256')
    for dataset in "$@"; do
        read_it cat "$TENANT" "$dataset" --marker | jq -c '[.dataset, .version, .floor]'
        read_it cat "$TENANT" "$dataset" | sed "s/${bundle:-none}/BUNDLE/g"
    done
    # A request's root has that hash in it, so its own name differs, too.
    store_copy --list "$STORE" | sed -E 's/ [0-9]+$//; s,(/request/b/.*/).*,\1,' | grep -v -e /runs/ -e '^probe/'
}

# judge WANT DATASET…: compares the state, verifies, and counts what is wrong; "" when nothing is.
judge() {
    local want=$1 totals got
    shift
    CLOUDFOLIO_STORE=$STORE cloudfolio verify --json >"$WORK/verify" 2>/dev/null
    totals=$(jq -r '.totals | "\(.missing) \(.altered + .foreign)"' "$WORK/verify") || totals="1 0"
    [ "${totals% *}" = 0 ] || { TORN=$((TORN + 1)); echo "missing: $(jq -c .findings "$WORK/verify")"; }
    [ "${totals#* }" = 0 ] || { ALTERED=$((ALTERED + 1)); echo "altered: $(jq -c .findings "$WORK/verify")"; }
    [ -n "$want" ] || return 0
    got=$(snapshot "$@")
    [ "$got" = "$want" ] && return 0
    if [ "$(grep -c /v/ <<<"$got")" -gt "$(grep -c /v/ <<<"$want")" ]; then
        DUPLICATED=$((DUPLICATED + 1))
    else
        LOST=$((LOST + 1))
    fi
    echo "another state:"
    diff <(echo "$want") <(echo "$got") | cut -c1-200 | head -n 8
}

# --- crashes --------------------------------------------------------------------------------------
# crash K WHEN COMMAND…: runs it to its K-th operation (inside: its K-th system call of crash_points.c); false when it
# ended by itself.
crash() {
    local at=$1 when=$2 inside=0 rc=0
    shift 2
    [ "$when" != inside ] || { inside=$at; at=0; }
    { CRASH_AT=$at CRASH_INSIDE=$inside CRASH_WHEN=$when on "$@"; rc=$?; } 2>/dev/null
    [ "$rc" = 137 ] && CRASHES=$((CRASHES + 1))
}

# count COMMAND…: an uncrashed run; sets TOTAL, and leaves its operations in $WORK/trace.
count() {
    CRASH_COUNT_FILE=$WORK/count CRASH_TRACE_FILE=$WORK/trace on "$@" || {
        echo "not crashed, and failed: $*"
        tail -n 3 "$WORK/err"
        return 1
    }
    read -r TOTAL CALLS <"$WORK/count"
}

# spread N MOST: the numbers from 1 to N, or MOST of them.
spread() {
    seq "$1" | awk -v n="$1" -v most="$2" 'n <= most || int(NR * most / n) > int((NR - 1) * most / n)'
}
points() {
    echo "before 1"
    spread "$TOTAL" "$POINTS" | sed 's/^/after /'
    [ "$KIND" != file ] || spread "$CALLS" $((POINTS / 4)) | sed 's/^/inside /'
}

# matrix NAME BASE "DATASET…" COMMAND…
matrix() {
    local name=$1 from=$2 datasets=$3 want when at problem problems="" before=$CRASHES
    shift 3
    fresh "$from"
    count "$@" >"$WORK/problem" || problems=$(cat "$WORK/problem")
    # shellcheck disable=SC2086 # several datasets
    want=$(snapshot $datasets)
    while read -r when at; do
        fresh "$from"
        problem=""
        crash "$at" "$when" "$@" || problem="did not come to operation $at"
        on "$@" || problem="the run after it failed: $(tail -n 1 "$WORK/err")"
        # shellcheck disable=SC2086
        judge "$want" $datasets >"$WORK/problem" || true
        problem=$problem$(cat "$WORK/problem")
        [ -z "$problem" ] || problems="$problems$when $at: $problem"$'\n'
    done < <(points)
    check "$name: killed $((CRASHES - before)) times in its $TOTAL operations" is "" "$problems"

    # One store, killed at its first operation, then at its second, … until there are no more.
    fresh "$from"
    at=1 before=$CRASHES
    while crash "$at" after "$@"; do at=$((at + 1)); done
    on "$@"
    # shellcheck disable=SC2086
    judge "$want" $datasets >"$WORK/problem" || true
    check "$name: killed $((CRASHES - before)) times in a row on one store" is "" "$(cat "$WORK/problem")"

    # Two at once, one of them killed at some point.
    problems="" before=$CRASHES
    for at in 0 $((TOTAL / 4)) $((TOTAL / 2)) $((TOTAL - 3)); do
        fresh "$from"
        (CLOUDFOLIO_STORE=$STORE "$@" >/dev/null 2>"$WORK/other.err"; echo $? >"$WORK/other") &
        { crash "$at" after "$@"; } 2>/dev/null
        wait $!
        [ "$(cat "$WORK/other")" = 0 ] || problems="$problems$at: the other one failed: $(tail -n 1 "$WORK/other.err")"$'\n'
        on "$@" || problems="$problems$at: the run after it failed: $(tail -n 1 "$WORK/err")"$'\n'
        # shellcheck disable=SC2086
        judge "$want" $datasets >"$WORK/problem" || true
        [ ! -s "$WORK/problem" ] || problems="$problems$at: $(cat "$WORK/problem")"$'\n'
    done
    check "$name: two at once" is "" "$problems"
}

# --- standing still -------------------------------------------------------------------------------
# advance DATASET N: N more versions, whose contents alternate. A collector's version has those of its parent.
advance() {
    local newest back i
    newest=$(newest "$1")
    for ((i = 0; i < $2; i++)); do
        for back in 1 2; do
            on cloudfolio rollback "$TENANT" "$1" $((newest - back)) --json || { cat "$WORK/err"; return 1; }
            [ "$(jq .version "$WORK/out")" = null ] || break
        done
        newest=$(jq .version "$WORK/out")
    done
}

# operation PATTERN: the number of the first operation of $WORK/trace that matches.
operation() { grep -m 1 -E "$1" "$WORK/trace" | cut -d ' ' -f 1; }

# still NAME BASE PATTERN COMMAND…: stops it before the operation; others commit 50 versions of repos, and collect;
# it goes on. Every version that was committed stays what it was.
still() {
    local name=$1 from=$2 pattern=$3 pid at before v log problems=""
    shift 3
    fresh "$from"
    count "$@" >"$WORK/problem" || problems=$(cat "$WORK/problem")
    at=$(operation "$pattern")
    [ -n "$at" ] || problems="no operation like $pattern"
    fresh "$from"
    CLOUDFOLIO_STORE=$STORE CRASH_AT=$at CRASH_WHEN=before CRASH_SIGNAL=STOP "$@" >/dev/null 2>"$WORK/still.err" &
    pid=$!
    for _ in $(seq 300); do
        grep -q '^State:.T' "/proc/$pid/status" 2>/dev/null && break
        sleep 0.02
    done
    grep -q '^State:.T' "/proc/$pid/status" 2>/dev/null && STOPS=$((STOPS + 1)) || problems="${problems}it did not stop"
    advance repos 50 || problems="${problems}others could not commit"
    on cloudfolio gc || problems="${problems}others could not collect: $(tail -n 1 "$WORK/err")"
    before=$(read_it log "$TENANT" repos --limit 1000 --json | jq -r '.versions[] | "\(.version) \(.sha256)"')
    kill -CONT "$pid"
    wait "$pid" || problems="${problems}it failed: $(tail -n 1 "$WORK/still.err")"
    log=$(read_it log "$TENANT" repos --limit 1000 --json | jq -r '.versions[] | "\(.version) \(.sha256)"')
    v=$(comm -23 <(sort <<<"$before") <(sort <<<"$log"))
    [ -z "$v" ] || { problems="${problems}versions are gone: $v"; LOST=$((LOST + 1)); }
    judge "" >"$WORK/problem"
    on cloudfolio gc || problems="${problems}the next collection failed: $(tail -n 1 "$WORK/err")"
    judge "" >>"$WORK/problem"
    [ "$(jq .totals.below_floor "$WORK/verify")" = 0 ] || problems="${problems}left below the floor: $(jq -c .findings "$WORK/verify")"
    check "$name" is "" "$problems$(cat "$WORK/problem")"
}

# --- the prepared stores --------------------------------------------------------------------------
change() {
    control change "{\"owner\":\"acme-labs\",\"repo\":\"$1\",\"files\":{\"README.md\":\"# $1\n\n$2\n\"}}" >/dev/null
}

# prepare FROM TO COMMAND…: a store that a command has gone on from.
prepare() {
    local last=$1
    shift
    discard
    cp -r "$WORK/base/$last" "$WORK/base/$1"
    STORE=$(base "$1")
    shift
    "$@" || { echo "Bail out! $*: $(cat "$WORK/err")"; exit 1; }
    STORE=
}

start_github
mkdir -p "$WORK/base"
mkdir "$WORK/base/empty"
prepare empty added on cloudfolio tenant add "$TENANT"
prepare added synced on cloudfolio-sync --tenant "$TENANT"
prepare synced joined on cloudfolio-orchestrate --tenant "$TENANT"
prepare joined trained on cloudfolio-train --tenant "$TENANT"

matrix "tenant add" empty config cloudfolio tenant add "$TENANT"
matrix "sync" added repos cloudfolio-sync --tenant "$TENANT"
matrix "orchestrate" synced "bundle request" cloudfolio-orchestrate --tenant "$TENANT"
matrix "train" joined model cloudfolio-train --tenant "$TENANT"

change yaml "Reads satellite pictures."
prepare trained two on cloudfolio-sync --tenant "$TENANT"
matrix "sync of one change" trained repos cloudfolio-sync --tenant "$TENANT"
matrix "orchestrate of one change" two "bundle request" cloudfolio-orchestrate --tenant "$TENANT"
matrix "rollback" two repos cloudfolio rollback "$TENANT" repos 1

change json5 "Writes satellite pictures."
prepare two three on cloudfolio-sync --tenant "$TENANT"
prepare three many advance repos 45
matrix "gc" many repos cloudfolio gc

change pako "Packs satellite pictures."
still "a collector stands still before its commit" many 'put_new .*/repos/v/' cloudfolio gc
still "a collector stands still between commit and deletes" many 'delete .*/repos/v/' cloudfolio gc
still "a collector stands still between its deletes" many 'delete .*/repos/b/' cloudfolio gc
still "a collector stands still between its reads" many 'get .*/repos/b/' cloudfolio gc
still "sync stands still before its commit" many 'put_new .*/repos/v/' cloudfolio-sync --tenant "$TENANT"
still "sync stands still before its uploads" many 'put .*/repos/b/' cloudfolio-sync --tenant "$TENANT"
still "sync stands still between LIST and GET" many 'get .*/repos/v/' cloudfolio-sync --tenant "$TENANT"
still "sync stands still before it checks the floor" many 'list .*/repos/v/' cloudfolio-sync --tenant "$TENANT"
discard

check "$KIND: $CRASHES crashes injected, $LOST lost, $TORN torn, $DUPLICATED duplicated, $ALTERED altered; $STOPS stops" \
    test $((LOST + TORN + DUPLICATED + ALTERED)) = 0
done_testing
