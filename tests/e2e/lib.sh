# Shared by the end-to-end tests and the demo: a private folder, the stand-in for GitHub, TAP lines. Source it.
# BUILD names the folder of the programs. Everything started here ends with the script.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
BUILD=$(realpath "${BUILD:-build}")
PATH=$BUILD:$PATH
WORK=$(mktemp -d)
SERVER=
N=0
FAILED=0
unset CLOUDFOLIO_TENANT CLOUDFOLIO_ALL CLOUDFOLIO_EVENT CLOUDFOLIO_FORCE

finish() {
    [ -n "$SERVER" ] && kill "$SERVER" 2>/dev/null && wait "$SERVER" 2>/dev/null
    rm -rf "$WORK"
}
trap finish EXIT

# start_github [OPTION…]: builds the world and starts the stand-in; sets GITHUB_API_URL, GITHUB_TOKEN.
start_github() {
    node tests/github/world.mjs --out "$WORK/world" >/dev/null || exit 1
    node tests/github/server.mjs --world "$WORK/world" --port-file "$WORK/port" "$@" >"$WORK/github.log" 2>&1 &
    SERVER=$!
    for _ in $(seq 200); do
        [ -s "$WORK/port" ] && break
        sleep 0.1
    done
    [ -s "$WORK/port" ] || { echo "Bail out! the stand-in for GitHub did not start"; exit 1; }
    export GITHUB_API_URL="http://127.0.0.1:$(cat "$WORK/port")"
    export GITHUB_TOKEN=demo-token
    unset GITHUB_GRAPHQL_URL
}

# control CALL [JSON]: a control call of the stand-in.
control() {
    if [ $# -gt 1 ]; then
        curl -sS --fail -H 'content-type: application/json' -d "$2" "$GITHUB_API_URL/_control/$1"
    else
        curl -sS --fail "$GITHUB_API_URL/_control/$1"
    fi
}

# check NAME COMMAND…: one test; it passes when the command succeeds.
check() {
    local name=$1
    shift
    N=$((N + 1))
    if "$@" >"$WORK/check.out" 2>&1; then
        echo "ok $N - $name"
    else
        echo "not ok $N - $name"
        sed 's/^/# /' "$WORK/check.out" | head -n 30
        FAILED=$((FAILED + 1))
    fi
}

# skip NAME WHY
skip() {
    N=$((N + 1))
    echo "ok $N - $1 # SKIP $2"
}

# is WANT GOT: equality, shown when it fails.
is() {
    [ "$1" = "$2" ] || { echo "wanted: $1"; echo "got:    $2"; return 1; }
}

# exits WANT COMMAND…: the exit status; the log of the command is shown when it differs, and kept in $WORK/err.
exits() {
    local want=$1 got=0
    shift
    "$@" >"$WORK/out" 2>"$WORK/err" || got=$?
    sed -i '/^==[0-9]*==WARNING: ASan/d' "$WORK/err" # what the sanitizer says of switched stacks
    [ "$got" = "$want" ] || { echo "wanted exit status $want, got $got from: $*"; tail -n 5 "$WORK/err"; return 1; }
}

# done_testing: the plan, and the exit status of the script.
done_testing() {
    echo "1..$N"
    exit $((FAILED > 0))
}
