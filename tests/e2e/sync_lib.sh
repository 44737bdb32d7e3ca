# Shared by the end-to-end tests of sync. Source it instead of lib.sh, of which it makes part.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
export CLOUDFOLIO_STORE="file:$WORK/store" CLOUDFOLIO_LOG=json CLOUDFOLIO_GITHUB_PACE=0
unset CLOUDFOLIO_GITHUB_TOKENS CLOUDFOLIO_GITHUB_GRAPHQL CLOUDFOLIO_GITHUB_RESERVE CLOUDFOLIO_TIME_LIMIT CLOUDFOLIO_PARALLEL CLOUDFOLIO_SHARD
unset CURL_CA_BUNDLE SSL_CERT_FILE CLOUDFOLIO_JSON CLOUDFOLIO_DRY_RUN CLOUDFOLIO_LOG_LEVEL GITHUB_APP_ID GITHUB_APP_KEY HTTPS_PROXY https_proxy ALL_PROXY all_proxy NO_PROXY no_proxy

# --- the stand-in ---------------------------------------------------------------------------------
# start_large_github COPIES TENANTS [OPTION…]: as start_github, with the account "many" and tenant-0001 to tenant-N as well.
start_large_github() {
    local copies=$1 tenants=$2
    shift 2
    node tests/github/world.mjs --out "$WORK/world" --copies "$copies" --tenants "$tenants" >/dev/null || exit 1
    node tests/github/server.mjs --world "$WORK/world" --port-file "$WORK/port" "$@" >"$WORK/github.log" 2>&1 &
    SERVER=$!
    for _ in $(seq 200); do
        [ -s "$WORK/port" ] && break
        sleep 0.1
    done
    [ -s "$WORK/port" ] || { echo "Bail out! the stand-in for GitHub did not start"; exit 1; }
    export GITHUB_API_URL="http://127.0.0.1:$(cat "$WORK/port")" GITHUB_TOKEN=demo-token
    unset GITHUB_GRAPHQL_URL
}
reset() { control reset '{}' >/dev/null; }
faults() { control faults "$1" >/dev/null; }
limits() { control limits "$1" >/dev/null; }
count() { control counters | jq "$1"; }
requests() { control log | jq "$1"; } # of the log's entries, with a jq filter over all of them
change() { control change "{\"owner\":\"$1\",\"repo\":\"$2\",\"files\":{\"$3\":$(jq -Rn --arg t "$4" '$t')}}" >/dev/null; }
set_metadata() { control metadata "{\"owner\":\"$1\",\"repo\":\"$2\",\"set\":$3}" >/dev/null; }
# left graphql|core: what the stand-in says remains of the token's budget.
left() { curl -sS --fail -H "authorization: bearer ${2:-$GITHUB_TOKEN}" "$GITHUB_API_URL/rate_limit" | jq ".resources.$1.remaining"; }

# quiet RULE SECONDS IN_FLIGHT [RESOURCE]: after each answer of the fault with this index no request of this resource
# (graphql, rest; default: any) began within so many seconds, but for those that were under way already.
quiet() {
    local found
    found=$(control log | jq -c --argjson rule "$1" --argjson ms "$(($2 * 1000))" --argjson most "$3" --arg kind "${4:-any}" '
        def at: (.time[0:19] + "Z" | fromdate) * 1000 + (.time[20:23] | tonumber);
        def resource: if .path | endswith("/graphql") then "graphql" else "rest" end;
        . as $log | [$log[] | select(.fault == $rule)] as $limited
        | if $limited == [] then "the limit was never met" else empty end,
          ($limited[] | . as $l | (at + .ms) as $ended
            | [$log[] | select(.n > $l.n and at > $ended and at < $ended + $ms and (.fault != $rule) and ($kind == "any" or resource == $kind))]
            | select(length > $most) | "\(length) requests after the limit at \($l.time)", .[0:3])') || return 1
    [ -z "$found" ] || { echo "$found"; return 1; }
}

# --- the store ------------------------------------------------------------------------------------
# In a store beside the usual one: elsewhere NAME COMMAND…
elsewhere() {
    local name=$1
    shift
    CLOUDFOLIO_STORE="file:$WORK/$name" "$@"
}
add_tenant() { cloudfolio tenant add "$1" >/dev/null; }
document() { cloudfolio cat "$1" repos; }
version() { cloudfolio cat "$1" repos --marker 2>/dev/null | jq .version; }
marker_hash() { cloudfolio cat "$1" repos --marker | sha256sum; }
repo() { document "$1" | jq -r --arg name "$2" ".repositories[] | select(.name == \$name) | $3"; }
content() { cloudfolio cat "$1" repos --blob "$(repo "$1" "$2" .content)" | jq -r "$3"; }
# states TENANT: "current:59 empty:1"
states() { document "$1" | jq -r '[.repositories[].state] | group_by(.) | map("\(.[0]):\(length)") | join(" ")'; }
reasons() { document "$1" | jq -r '[.repositories[].reason | select(.)] | unique | join(" ")'; }
# essence TENANT: what makes versions, and what they lead to.
essence() { document "$1" | jq -S -c '.login, .kind, (.repositories | sort_by(.id)[] | {id, name, state, reason, fingerprint, content, tree, commit, default_branch, languages})'; }
same_essence() { diff <(essence "$1") <(elsewhere "$2" essence "$1"); }
# fresh TENANT NAME: a sync from scratch, without faults, into another store.
fresh() {
    elsewhere "$2" add_tenant "$1"
    elsewhere "$2" exits 0 cloudfolio-sync --tenant "$1"
}
# says EVENT: the log of the last command has this event; logged EVENT: how often.
logged() { grep -c "\"event\":\"$1\"" "$WORK/err"; }
says() { grep -q -E -e "$1" "$WORK/err" || { echo "the log doesn't say $1"; tail -n 5 "$WORK/err"; return 1; }; }
