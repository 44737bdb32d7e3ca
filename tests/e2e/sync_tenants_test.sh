#!/bin/bash
# Many tenants at once: none waits for another's failure, limit or size; every one is named in the log and recorded.
. "$(dirname "$0")/sync_lib.sh"
start_large_github 600 10 --latency 5
begin() {
    export CLOUDFOLIO_STORE="file:$WORK/$1"
    shift
    local tenant
    for tenant in "$@"; do
        add_tenant "$tenant"
    done
    mkdir -p "$WORK/tokens"
    for tenant in "$@"; do
        printf 'as-%s\n' "$tenant" >"$WORK/tokens/${tenant,,}"
    done
    reset
}
ALL=(octocat Mona-Lisa dev_acme no-docs no-repos acme-labs)
TOKENS=file:$WORK/tokens/{tenant}
all() { cloudfolio-sync --all --github-tokens "$TOKENS" "$@"; }
hash_of() { printf 'as-%s' "$1" | sha256sum | cut -c 1-12; } # as the stand-in's log names the token
runs() { cloudfolio runs --json --limit 1000 | jq -r "$1"; }

begin all "${ALL[@]}"
check "six tenants at once" exits 0 all
records() {
    is 6 "$(runs '[.runs[] | select(.exit_status == 0)] | length')" && is 6 "$(runs '[.runs[].tenant] | unique | length')" &&
        is "$(count .total)" "$(runs '[.runs[].github_requests] | add')"
}
check "have one run record each, which count every request" records
in_log() { # every line but those of the process itself names its tenant, and the run belongs to it
    local lines tenant
    lines=$(grep -c '^{' "$WORK/err")
    test "$lines" -gt 20 && is 0 "$(jq -c 'select(.event and (.tenant | not))' "$WORK/err" | wc -l)" &&
        is 6 "$(jq -r 'select(.tenant) | "\(.tenant) \(.run)"' "$WORK/err" | sort -u | wc -l)" || return 1
    for tenant in octocat no-repos; do
        is 1 "$(jq -r "select(.event == \"committed\" and .tenant == \"$tenant\") | .event" "$WORK/err" | wc -l)" || return 1
    done
}
check "and every line of the log names its tenant" in_log
own_tokens() {
    local tenant
    for tenant in "${ALL[@]}"; do
        is 1 "$(requests "[.[] | select(.variables.login == \"${tenant,,}\" or .variables.login == \"$tenant\") | .token] | unique | length")" &&
            is "\"$(hash_of "$tenant")\"" "$(requests "[.[] | select(.variables.login == \"$tenant\") | .token] | first")" || return 1
    done
    is 0 "$(grep -c 'as-' "$WORK/err")"
}
check "each with its own token, which the log doesn't know" own_tokens
same_as_alone() {
    local tenant
    for tenant in "${ALL[@]}"; do
        elsewhere alone add_tenant "$tenant"
        elsewhere alone exits 0 cloudfolio-sync --tenant "${tenant,,}" && same_essence "${tenant,,}" alone || return 1
    done
}
check "and what it would have alone" same_as_alone

# --- failures stay where they are -----------------------------------------------------------------
others_ended() { is 5 "$(runs '[.runs[] | select(.exit_status == 0)] | length')"; }
bad_token() {
    begin badtoken "${ALL[@]}"
    printf 'bad-token' >"$WORK/tokens/octocat"
    exits 77 all && others_ended && is 77 "$(runs '.runs[] | select(.tenant == "octocat") | .exit_status')"
}
check "one refused token: exit 77, the others are done" bad_token
no_file() { # no source has a token: REST without one, for this tenant alone
    begin nofile "${ALL[@]}"
    rm "$WORK/tokens/no-docs"
    exits 0 all && is 6 "$(runs '[.runs[] | select(.exit_status == 0)] | length')" && is 1 "$(logged no_token)"
}
check "one without a token goes without" no_file
unknown() {
    begin unknown "${ALL[@]}" nobody-at-all
    exits 65 all && is 6 "$(runs '[.runs[] | select(.exit_status == 0)] | length')"
}
check "one that GitHub doesn't know: exit 65, the others are done" unknown
worst() { # 77 is worse than 75
    begin worst "${ALL[@]}"
    printf 'bad-token' >"$WORK/tokens/dev_acme"
    limits "{\"graphql\":{\"limit\":5000,\"remaining\":0,\"resetIn\":600},\"tokenHash\":\"$(hash_of octocat)\"}"
    exits 77 all --time-limit 20 && is "75 77" "$(runs '[.runs[].exit_status] | unique | map(select(. > 0)) | join(" ")')"
}
check "of several failures the worst is the exit status" worst
exhausted() { # one token has nothing left for a while: the others don't wait
    local after
    begin exhausted "${ALL[@]}"
    limits "{\"graphql\":{\"limit\":5000,\"remaining\":0,\"resetIn\":4},\"tokenHash\":\"$(hash_of octocat)\"}"
    exits 0 all && is 6 "$(runs '[.runs[] | select(.exit_status == 0)] | length')" || return 1
    # In the order of the stand-in's log: all that the others asked for came before octocat could go on.
    after=$(requests "[.[] | select(.token == \"$(hash_of octocat)\")] | .[1].n as \$on | \$on")
    is 0 "$(requests "[.[] | select(.n > $after and .token != \"$(hash_of octocat)\")] | length")"
}
check "one token without points: its tenant waits, nobody else does" exhausted
one_token() { # shared by all: the limit is one as well, and nothing is sent meanwhile
    begin onetoken "${ALL[@]}"
    faults '[{"match":{"operation":"Listing"},"action":{"rateLimited":"secondary200","retryAfter":2}}]'
    exits 0 cloudfolio-sync --all && is 6 "$(runs '[.runs[] | select(.exit_status == 0)] | length')" && quiet 0 2 15
}
check "a limit of the token that all share stops all" one_token
slow() { # one tenant's repository answers slowly: the others end first
    begin slow "${ALL[@]}"
    faults '[{"match":{"path":"/repos/octocat/ky/git/trees"},"action":{"delayMs":4000}}]'
    exits 0 all && is octocat "$(jq -r 'select(.event == "run_ended") | .tenant' "$WORK/err" | tail -n 1)"
}
check "one slow answer holds up its own tenant only" slow

# --- a large one among small ones -----------------------------------------------------------------
SMALL=$(seq -f tenant-%04.0f 10)
fair() { # all with one token; the large one comes first in the alphabet
    # shellcheck disable=SC2086 # names
    begin large many $SMALL
    exits 0 cloudfolio-sync --all && is 600 "$(document many | jq '.repositories | length')" &&
        is many "$(jq -r 'select(.event == "run_ended") | .tenant' "$WORK/err" | tail -n 1)" || return 1
    # The small ones' last request came before the middle of the large one's.
    is true "$(requests '[.[] | select((.variables.login // .path) | test("many")) | .n] as $large | [.[] | select((.variables.login // .path) | test("tenant-")) | .n] as $small
        | ($small | max) < $large[($large | length) / 2 | floor]')"
}
check "ten small tenants end long before one of 600 repositories" fair
check "at most 32 requests at once, 8 of one tenant" test "$(count .maxConcurrent)" -le 32
unchanged_costs() { # 12 pages for the large one, 1 for each of the others
    reset
    exits 0 cloudfolio-sync --all && is "22 22" "$(count .total) $(count .graphql)" && is 11 "$(runs '[.runs[] | select(.outcome == "unchanged")] | length')"
}
check "unchanged: a request a page, nothing else" unchanged_costs
one_by_one() {
    # shellcheck disable=SC2086 # names
    begin serial $SMALL
    exits 0 cloudfolio-sync --all --parallel 1 && test "$(count .maxConcurrent)" -le 8 &&
        is "$(paste -s -d ' ' <<<"$SMALL")" "$(jq -r 'select(.event == "run_ended") | .tenant' "$WORK/err" | paste -s -d ' ')"
}
check "--parallel 1: one after another, in their order" one_by_one
shards() {
    # shellcheck disable=SC2086 # names
    begin shards $SMALL
    local one
    for one in 0 1 2; do
        exits 0 cloudfolio-sync --all --shard $one/3 || return 1
        runs '[.runs[].tenant] | sort | join(" ")' >"$WORK/shard.$one"
    done
    is 10 "$(runs '.runs | length')" && is 10 "$(runs '[.runs[].tenant] | unique | length')" && test "$(wc -w <"$WORK/shard.0")" -gt 0 -a "$(wc -w <"$WORK/shard.0")" -lt 10
}
check "--shard: every tenant once, in one of the parts" shards

# --- a signal -------------------------------------------------------------------------------------
stopped() { # each tenant either has its version, whole or with what came until then, or was left alone
    local pid status=0 tenant
    # shellcheck disable=SC2086 # names
    begin signal many $SMALL
    control latency '{"ms":100}' >/dev/null
    cloudfolio-sync --all --parallel 4 >"$WORK/out" 2>"$WORK/err" &
    pid=$!
    for _ in $(seq 200); do
        [ "$(count .total)" -gt 40 ] && break
        sleep 0.05
    done
    kill -TERM $pid
    wait $pid || status=$?
    is 75 $status && exits 0 cloudfolio verify || return 1
    for tenant in many $SMALL; do
        [ -z "$(version "$tenant")" ] || [ -z "$(reasons "$tenant")" ] || is interrupted "$(reasons "$tenant")" || return 1
    done
    test "$(logged committed)" -lt 11 || return 1
    reset
    exits 0 cloudfolio-sync --all || return 1
    for tenant in many $SMALL; do
        is "" "$(reasons "$tenant")" || return 1
    done
    is 600 "$(document many | jq '[.repositories[] | select(.state == "current")] | length')"
}
check "SIGTERM: exit 75, nothing half done, and the next run does the rest" stopped
check "the store verifies" exits 0 cloudfolio verify
done_testing
