#!/bin/bash
# The former system's way of reading GitHub (original.py) and cloudfolio-sync, side by side, against the stand-in for
# GitHub; 1,000 tenants against recorded answers; 5,000 repositories. Prints Markdown tables. README.md says how to read them.
#
# SYNC_OPTIONS are given to cloudfolio-sync. SAMPLES names a folder where the samples of compare stay; what is there of
# the original isn't measured again.
#
#   RUNS=3 SIZES="60 600" LATENCIES="80 0" TENANTS=1000 LARGE=5000 run.sh [compare|tenants|large]…
. "$(dirname "$0")/../../e2e/lib.sh"
RUNS=${RUNS:-3} SIZES=${SIZES:-60 600} LATENCIES=${LATENCIES:-80 0} FOLDERS=12
TENANTS=${TENANTS:-1000} LARGE=${LARGE:-5000} SYNC_OPTIONS=${SYNC_OPTIONS:-} PYTHON=${PYTHON:-python3}
HERE=tests/bench/sync SAMPLES=${SAMPLES:-$WORK/samples}
export CLOUDFOLIO_LOG=text CLOUDFOLIO_LOG_LEVEL=error GITHUB_TOKEN=bench
unset GITHUB_GRAPHQL_URL
# The store waits for the disk after each tenant; in memory it doesn't, which shows the rest.
MEMORY=
[ -w /dev/shm ] && MEMORY=$(mktemp -d /dev/shm/cloudfolio-XXXXXX) && trap 'rm -rf "$MEMORY"; finish' EXIT
# Where the time of one process is the question, its own pace isn't.
UNPACED=
cloudfolio-sync --help | grep -q -- --github-pace && UNPACED="--github-pace 0"

${CC:-cc} -std=c17 -O2 -D_GNU_SOURCE -o "$WORK/measure" $HERE/measure.c || exit 1

# serve COMMAND…: starts a server with a port file and waits for it; sets GITHUB_API_URL and SERVER.
serve() {
    rm -f "$WORK/port"
    "$@" --port-file "$WORK/port" >"$WORK/server.log" 2>&1 &
    SERVER=$!
    for _ in $(seq 600); do
        [ -s "$WORK/port" ] && break
        sleep 0.1
    done
    [ -s "$WORK/port" ] || { cat "$WORK/server.log" >&2; exit 1; }
    PORT=$(cat "$WORK/port")
    export GITHUB_API_URL="http://127.0.0.1:$PORT"
}
stop() {
    kill "$SERVER" && wait "$SERVER"
    SERVER=
}

# sample FILE COMMAND…: one measured run; appends "wall CPU KiB requests points bytes".
sample() {
    local file=$1
    shift
    control reset '{}' >/dev/null
    control limits '{"rest":{"limit":1000000},"graphql":{"limit":1000000}}' >/dev/null
    "$WORK/measure" "$WORK/one" "$@" >/dev/null 2>"$WORK/messages" || { tail -n 5 "$WORK/messages" >&2; echo "$* failed" >&2; exit 1; }
    echo "$(cat "$WORK/one") $(control counters | jq -r '"\(.total) \(.points) \(.bytesOut)"')" >>"$file"
    rm "$WORK/one"
}
original() { # FILE [--every-page]
    local file=$1
    shift
    sample "$file" "$PYTHON" $HERE/original.py --user many --cache "$WORK/cache" --types "$WORK/types.json" "$@"
}
ours() { # FILE
    # shellcheck disable=SC2086
    sample "$1" cloudfolio-sync --tenant many $SYNC_OPTIONS
}
fresh() {
    rm -rf "$WORK/store" "$WORK/cache"
    export CLOUDFOLIO_STORE="file:$WORK/store"
    cloudfolio tenant add many >/dev/null
}

median() { # FILE COLUMN
    cut -d' ' -f"$2" "$1" | sort -g | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}
numbers() { # FILE: seconds, requests, points, MB in, CPU seconds, peak MB
    echo "$(median "$1" 1) $(median "$1" 4) $(median "$1" 5) $(median "$1" 6 | awk '{print $1 / 1e6}') $(median "$1" 2) $(sort -g -k 3,3 "$1" | tail -n 1 | awk '{print $3 * 1024 / 1e6}')"
}
# rows NAME ORIGINAL OURS: the two lines of a case and their ratios.
rows() {
    echo "$(numbers "$2") $(numbers "$3")" | awk -v name="$1" -v runs="$(wc -l <"$2")" '{
        printf "| %s | original%s | %.2f | %d | %d | %.3f | %.3f | %.1f |\n", name, runs == 1 ? ", one run" : "", $1, $2, $3, $4, $5, $6
        printf "| | cloudfolio-sync | %.3f | %d | %d | %.3f | %.3f | %.1f |\n", $7, $8, $9, $10, $11, $12
        printf "| | original ÷ ours | %.1f | %.1f | | %.1f | %.1f | %.1f |\n", $1 / $7, $2 / $8, $4 / $10, $5 / $11, $6 / $12
    }'
}

# one_case NAME CASE SIZE LATENCY: RUNS runs of both and their rows. The original's are left out where they are known, and
# cold but for one where they take minutes.
one_case() {
    local samples=$SAMPLES/$3-$4-$2 pages='' skip=0 i
    [ "$3" -gt 100 ] && pages=--every-page
    [ "$2" = cold ] && [ "$3" -gt 100 ] && [ "$4" -gt 0 ] && skip=$((RUNS - 1))
    rm -f "$samples.ours"
    for ((i = 0; i < RUNS; i++)); do
        if [ "$2" = cold ]; then fresh; fi
        if [ "$2" = one ]; then
            control change "{\"owner\":\"many\",\"repo\":\"$CHANGED\",\"files\":{\"README.md\":\"# $CHANGED\\n\\nChange $i\\n\"}}" >/dev/null
        fi
        # shellcheck disable=SC2086
        [ -n "$KNOWN" ] || [ $i -lt $skip ] || original "$samples.original" $pages
        ours "$samples.ours"
    done
    rows "$1" "$samples.original" "$samples.ours"
}

# compare LATENCY: a table over all sizes and cases.
compare() {
    local size
    echo
    echo "With $1 ms of latency:"
    echo
    echo "| case | | seconds | requests | points | MB in | CPU s | peak MB |"
    echo "|---|---|---|---|---|---|---|---|"
    for size in $SIZES; do
        node tests/github/world.mjs --out "$WORK/world" --copies "$size" >/dev/null || exit 1
        serve node tests/github/server.mjs --world "$WORK/world" --latency "$1"
        CHANGED=$(node $HERE/pad.mjs --world "$WORK/world" --port "$PORT" --user many --folders $FOLDERS) || exit 1
        KNOWN=
        [ -s "$SAMPLES/$size-$1-cold.original" ] && [ -s "$SAMPLES/$size-$1-one.original" ] && [ -s "$SAMPLES/$size-$1-same.original" ] && KNOWN=1
        [ -n "$KNOWN" ] || rm -f "$SAMPLES/$size-$1-"*
        one_case "$size repositories, cold" cold "$size" "$1"
        one_case "$size repositories, one changed" one "$size" "$1"
        one_case "$size repositories, unchanged" same "$size" "$1"
        stop
    done
}

compare_all() {
    "$PYTHON" -c 'import requests' 2>/dev/null || { echo "skipped: Python's requests is not installed"; return; }
    node $HERE/types.mjs >"$WORK/types.json" && mkdir -p "$SAMPLES" || exit 1
    for latency in $LATENCIES; do compare "$latency"; done
}

# Many tenants in one process: what one tenant gets is recorded once, and answered for all of them.
tenants() {
    node tests/github/world.mjs --out "$WORK/world" --tenants 1 >/dev/null || exit 1
    serve node tests/github/server.mjs --world "$WORK/world"
    local stand_in=$SERVER
    control limits '{"rest":{"limit":1000000},"graphql":{"limit":1000000}}' >/dev/null
    serve node $HERE/replay.mjs --record "$WORK/answers.json" --from "$PORT"
    export CLOUDFOLIO_STORE="file:$WORK/recorded"
    cloudfolio tenant add tenant-0001 >/dev/null
    # shellcheck disable=SC2086
    for _ in 1 2; do cloudfolio-sync --tenant tenant-0001 $SYNC_OPTIONS >/dev/null || exit 1; done
    stop
    kill "$stand_in" && wait "$stand_in"

    echo
    echo "$TENANTS tenants of three repositories in one process, against recorded answers:"
    echo
    echo "| store | latency ms | case | seconds | tenants/s | requests | MB in | CPU s | peak MB |"
    echo "|---|---|---|---|---|---|---|---|---|"
    tenants_with disk "$WORK/store"
    [ -z "$MEMORY" ] || tenants_with memory "$MEMORY/store"
}
tenants_with() { # WHERE FOLDER
    local latency
    rm -rf "$2"
    export CLOUDFOLIO_STORE="file:$2"
    seq -f 'tenant-%04g' "$TENANTS" | xargs -n 1 cloudfolio tenant add >/dev/null
    for latency in 0 20; do
        serve node $HERE/replay.mjs --answers "$WORK/answers.json" --latency "$latency"
        [ "$latency" = 0 ] && tenant_row "$1" 0 "cold, one run" 1
        tenant_row "$1" "$latency" unchanged "$RUNS"
        stop
    done
    rm -rf "$2"
}
tenant_row() { # WHERE LATENCY NAME RUNS
    local i
    for ((i = 0; i < $4; i++)); do
        # shellcheck disable=SC2086
        sample "$WORK/s.ours" cloudfolio-sync --all $UNPACED $SYNC_OPTIONS
    done
    numbers "$WORK/s.ours" | awk -v where="$1" -v latency="$2" -v name="$3" -v n="$TENANTS" '{printf "| %s | %d | %s | %.2f | %.0f | %d | %.2f | %.3f | %.1f |\n", where, latency, name, $1, n / $1, $2, $4, $5, $6}'
    rm -f "$WORK"/s.*
    [ "$(control counters | jq .unknown)" = 0 ] || { echo "requests that were not recorded:" >&2; control unknown | jq -r '.[0:3][]' >&2; exit 1; }
}

# One tenant with very many repositories, against the stand-in itself.
large() {
    node tests/github/world.mjs --out "$WORK/world" --copies "$LARGE" >/dev/null || exit 1
    serve node tests/github/server.mjs --world "$WORK/world"
    echo
    echo "One tenant of $LARGE repositories, without latency:"
    echo
    echo "| case | seconds | requests | of which listing | points | MB in | CPU s | peak MB |"
    echo "|---|---|---|---|---|---|---|---|"
    fresh
    large_row cold 1
    large_row unchanged "$RUNS"
    stop
}
large_row() { # NAME RUNS
    local i listing SYNC_OPTIONS="$UNPACED $SYNC_OPTIONS"
    for ((i = 0; i < $2; i++)); do ours "$WORK/s.ours"; done
    listing=$(control counters | jq '(.kinds.listing // 0) + (.kinds.repos // 0)')
    numbers "$WORK/s.ours" | awk -v name="$1" -v listing="$listing" '{printf "| %s | %.2f | %d | %d | %d | %.2f | %.3f | %.1f |\n", name, $1, $2, listing, $3, $4, $5, $6}'
    rm -f "$WORK"/s.*
}

[ $# -gt 0 ] || set -- compare tenants large
for part in "$@"; do
    case $part in
    compare) compare_all ;;
    tenants) tenants ;;
    large) large ;;
    *) echo "usage: run.sh [compare|tenants|large]…" >&2; exit 64 ;;
    esac
done
