#!/bin/bash
# GitHub's limits: what is waited for, what ends the run, what is kept of it, and that nothing is sent meanwhile.
. "$(dirname "$0")/sync_lib.sh"
start_github

# begin NAME TENANT: a store of its own, everything else as at the start.
begin() {
    export CLOUDFOLIO_STORE="file:$WORK/$1"
    add_tenant "$2"
    reset
}
rule() { echo "[{\"match\":$1,\"action\":$2}]"; }
whole() { is "current:59 empty:1" "$(states octocat)"; }

# waited NAME MATCH ACTION SECONDS IN_FLIGHT: a limit that ends soon is waited for, and the run loses nothing by it.
waited() {
    begin "$1" octocat
    faults "$(rule "$2" "$3")"
    exits 0 cloudfolio-sync --tenant octocat && whole && quiet 0 "$4" "$5"
}
check "primary, GraphQL, HTTP 200, at the listing: waited for" waited w1 '{"operation":"Listing"}' '{"rateLimited":"primary","resetIn":2}' 1 0
check "primary, GraphQL, HTTP 200, between two queries for files" waited w2 '{"operation":"Files","nth":2}' '{"rateLimited":"primary","resetIn":2}' 1 0
check "primary, REST, at the 20th tree" waited w3 '{"route":"trees","nth":20}' '{"rateLimited":"primary","resetIn":2}' 1 7
check "secondary, HTTP 200, GraphQL, with Retry-After" waited w4 '{"operation":"Files"}' '{"rateLimited":"secondary200","retryAfter":1}' 1 0
check "secondary, HTTP 403, GraphQL, with Retry-After" waited w5 '{"operation":"Listing","nth":2}' '{"rateLimited":"secondary403","retryAfter":1}' 1 0
check "secondary, HTTP 429, REST, with Retry-After" waited w6 '{"route":"trees","nth":10}' '{"rateLimited":"secondary429","retryAfter":1}' 1 7
check "secondary, HTTP 403, REST, at a blob" waited w7 '{"route":"blobs"}' '{"rateLimited":"secondary403","retryAfter":1}' 1 7

# --- limits that end too late ---------------------------------------------------------------------
# cut NAME MATCH ACTION IN_FLIGHT: the run ends at once with 75, what was whole is there, the rest is named, and the
# next run asks for the rest only.
cut() {
    local failed trees
    begin "$1" octocat
    faults "$(rule "$2" "$3")"
    exits 75 cloudfolio-sync --tenant octocat --time-limit 20 || return 1
    says '"level":"error".*rate limit' && quiet 0 20 "$4" && is 1 "$(version octocat)" && is rate_limited "$(reasons octocat)" || return 1
    failed=$(document octocat | jq '[.repositories[] | select(.state == "failed")] | length')
    is "current:$((59 - failed)) empty:1 failed:$failed" "$(states octocat)" && test "$failed" -gt 0 -a "$failed" -lt 59 || return 1
    reset
    exits 0 cloudfolio-sync --tenant octocat && whole && is 2 "$(version octocat)" || return 1
    trees=$(count .kinds.trees)
    is "$failed" "$trees"
}
check "primary, GraphQL: what came before is kept" cut c1 '{"operation":"Files","nth":2}' '{"rateLimited":"primary","resetIn":300}' 0
check "secondary, HTTP 200, without Retry-After: a minute, which is too long" cut c2 '{"operation":"Files","nth":3}' '{"rateLimited":"secondary200","retryAfter":null}' 0
check "secondary, HTTP 403, with Retry-After: 60" cut c3 '{"operation":"Files","nth":2}' '{"rateLimited":"secondary403"}' 0
check "secondary, HTTP 429, REST, without Retry-After" cut c4 '{"route":"blobs"}' '{"rateLimited":"secondary429","retryAfter":null}' 7
check "primary, REST" cut c5 '{"route":"blobs"}' '{"rateLimited":"primary","resetIn":300}' 7

kept() { # repositories that were read before stay as they were
    local before
    begin kept octocat
    exits 0 cloudfolio-sync --tenant octocat || return 1
    before=$(repo octocat huge-readme .content)
    change octocat acorn README.md "Another acorn."
    change octocat huge-readme index.js "another()"
    set_metadata octocat huge-readme '{"description":"another"}'
    reset
    faults "$(rule '{"route":"blobs"}' '{"rateLimited":"primary","resetIn":300}')"
    exits 75 cloudfolio-sync --tenant octocat --time-limit 20 || return 1
    is "2 current:58 empty:1 kept:1" "$(version octocat) $(states octocat)" && is rate_limited "$(reasons octocat)" &&
        is "$before" "$(repo octocat huge-readme .content)" && test "$(repo octocat huge-readme .metadata.description)" != another &&
        is "Another acorn." "$(content octocat acorn '.documents[0].text')" || return 1
    reset
    exits 0 cloudfolio-sync --tenant octocat && whole && is "1 another" "$(count .kinds.trees) $(repo octocat huge-readme .metadata.description)"
}
check "what was read before stays as it was until the next run" kept

listing_cut() { # a listing that a limit cuts short: nothing that GitHub has is taken for removed
    begin listing octocat
    exits 0 cloudfolio-sync --tenant octocat || return 1
    change octocat acorn README.md "Another acorn."
    faults "$(rule '{"operation":"Listing","nth":2}' '{"rateLimited":"primary","resetIn":300}')"
    exits 75 cloudfolio-sync --tenant octocat --time-limit 20 || return 1
    is 60 "$(document octocat | jq '.repositories | length')" && quiet 0 20 0 graphql || return 1
    reset
    exits 0 cloudfolio-sync --tenant octocat && whole && is "Another acorn." "$(content octocat acorn '.documents[0].text')"
}
check "a listing that is cut short removes nothing" listing_cut

first_listing_cut() {
    begin first octocat
    faults "$(rule '{"operation":"Listing"}' '{"rateLimited":"primary","resetIn":300}')"
    exits 75 cloudfolio-sync --tenant octocat --time-limit 20 && is "" "$(version octocat)" && is 1 "$(count .total)"
}
check "a first listing without an answer commits nothing, after 1 request" first_listing_cut

# --- the reserve ----------------------------------------------------------------------------------
# reserved NAME RESOURCE REMAINING LIMIT RESERVE STAYS: with so much left, so much stays, and not more than the requests
# that are under way at once may have been counted twice.
reserved() {
    local low
    begin "$1" octocat
    limits "{\"$2\":{\"limit\":$4,\"remaining\":$3,\"resetIn\":300}}"
    exits 75 cloudfolio-sync --tenant octocat --time-limit 20 --github-reserve "$5" || return 1
    low=$(left "$([ "$2" = rest ] && echo core || echo graphql)")
    test "$low" -ge "$6" -a "$low" -le $(($6 + 8)) || { echo "$low remain"; return 1; }
    is 0 "$(requests '[.[] | select(.status != 200)] | length')"
}
check "500 points stay" reserved r1 graphql 502 5000 500 500
check "500 requests stay, also with 8 under way" reserved r2 rest 530 5000 500 500
check "of a small budget a tenth stays" reserved r3 rest 37 100 500 10
check "another reserve" reserved r4 graphql 104 5000 100 100
none_reserved() { # 62 REST requests, and up to 8 under way that count twice until they are answered
    begin r5 octocat
    limits '{"graphql":{"limit":5000,"remaining":5,"resetIn":300},"rest":{"limit":5000,"remaining":70,"resetIn":300}}'
    exits 0 cloudfolio-sync --tenant octocat --time-limit 20 --github-reserve 0 && whole
}
check "without a reserve the last points are used" none_reserved
reserve_waited() {
    begin r6 octocat
    limits '{"rest":{"limit":5000,"remaining":530,"resetIn":4}}'
    exits 0 cloudfolio-sync --tenant octocat && whole && is 0 "$(requests '[.[] | select(.status != 200)] | length')"
    says '"waited_ms":[1-9]'
}
check "the reserve's end is waited for" reserve_waited

# --- the pace -------------------------------------------------------------------------------------
paced() {
    begin pace octocat
    CLOUDFOLIO_GITHUB_PACE=10 exits 75 cloudfolio-sync --tenant octocat --time-limit 1 || return 1
    is 10 "$(count .rest)"
}
check "no more requests a minute than the pace allows" paced

# --- other ways to end ----------------------------------------------------------------------------
interrupted() {
    local pid status=0
    begin signal octocat
    faults "$(rule '{"operation":"Files","nth":2}' '{"rateLimited":"primary","resetIn":120}')"
    cloudfolio-sync --tenant octocat >"$WORK/out" 2>"$WORK/err" &
    pid=$!
    for _ in $(seq 200); do
        grep -q '"event":"waiting"' "$WORK/err" && break
        sleep 0.1
    done
    kill -TERM $pid
    wait $pid || status=$?
    is 75 $status && is interrupted "$(reasons octocat)" && is 1 "$(version octocat)" && cloudfolio verify octocat
}
check "SIGTERM ends a wait; what was whole is kept" interrupted

untouched() {
    begin both Mona-Lisa
    limits '{"graphql":{"limit":5000,"remaining":0,"resetIn":300},"rest":{"limit":5000,"remaining":0,"resetIn":300}}'
    exits 75 cloudfolio-sync --tenant mona-lisa --time-limit 5 && is 1 "$(count .total)" && is "" "$(version mona-lisa)"
    says 'before 20|until 20'
}
check "with nothing left at all: 1 request, and the log says until when" untouched
check "the last store verifies" exits 0 cloudfolio verify
done_testing
