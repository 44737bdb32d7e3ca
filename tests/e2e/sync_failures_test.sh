#!/bin/bash
# Every way in which GitHub is known to fail its clients, one by one: each test fails when sync doesn't handle it.
. "$(dirname "$0")/sync_lib.sh"
start_github
begin() {
    export CLOUDFOLIO_STORE="file:$WORK/$1"
    add_tenant octocat
    reset
}
rule() { echo "[{\"match\":$1,\"action\":$2,\"times\":${3:-1}}]"; }
always() { rule "$1" "$2" 1000; }
sync() { exits 0 cloudfolio-sync --tenant octocat "$@"; }
firsts() { requests '[.[] | select(.kind == "listing") | .variables.first | tostring] | join(" ")' | tr -d '"'; }
batch() { document octocat | jq -c '.batch | [.listing, .files]'; }
entry() { document octocat | jq -S -c ".repositories[] | select(.name == \"$1\") | del(.state, .reason)"; }

begin good
check "the world without faults" sync
cp -r "$WORK/good" "$WORK/known" # what later tests begin with
essence octocat >"$WORK/good.essence"
as_good() { is "current:59 empty:1" "$(states octocat)" && cmp "$WORK/good.essence" <(essence octocat); }
# survives NAME RULES: a cold sync with these faults gives what one without them gives.
survives() {
    begin "$1"
    faults "$2"
    sync && test "$(count .faults)" -gt 0 && as_good
}
# warm NAME: goes on from a store that knows the whole world.
warm() {
    cp -r "$WORK/known" "$WORK/$1"
    export CLOUDFOLIO_STORE="file:$WORK/$1"
    reset
}
# keeps NAME RULES REPOSITORY REASON: of a known world, only this repository's new state isn't taken over; its entry stays
# whole, the next run brings it.
keeps() {
    local before
    warm "$1"
    before=$(entry "$3")
    faults "$2"
    sync && is "current:58 empty:1 kept:1" "$(states octocat)" && is "kept $4" "$(repo octocat "$3" '"\(.state) \(.reason)"')" &&
        is "$before" "$(entry "$3")" || return 1
    reset
    sync && as_good
}

# --- 1: heavy pages and queries -------------------------------------------------------------------
heavy_pages() { # pages of more than 12 end in a 502
    survives heavy "$(always '{"operation":"Listing","body":"\"first\":(50|2[0-9])"}' '{"status":502}')" || return 1
    is "50 25 12 12 12 12 24 12" "$(firsts)" || return 1 # after 4 good ones more is tried
    is 12 "$(document octocat | jq .batch.listing)"
}
check "1 heavy pages (502): fewer repositories a page, and the size is remembered" heavy_pages
heavy_files() { # queries for more than 5 repositories end in a 504
    survives heavyfiles "$(always '{"operation":"Files","body":"\"n5\":"}' '{"status":504}')" && test "$(document octocat | jq .batch.files)" -le 10
}
check "1 heavy queries for files (504): fewer repositories a query" heavy_files
one_file() { # a repository that can't be had by GraphQL even alone
    local id
    id=$(CLOUDFOLIO_STORE=file:$WORK/known repo octocat ky .node_id)
    survives onefile "$(always "{\"operation\":\"Files\",\"body\":\"$id\"}" '{"status":502}')"
}
check "1 a query for one repository that never succeeds: by REST" one_file
check "1 a page of one repository that never succeeds: by REST" survives onepage "$(always '{"operation":"Listing"}' '{"status":502}')"
check "1 RESOURCE_LIMITS_EXCEEDED on a page" survives limitspage "$(rule '{"operation":"Listing"}' '{"resourceLimits":true}' 2)"
check "1 RESOURCE_LIMITS_EXCEEDED on a query for files" survives limitsfiles "$(rule '{"operation":"Files"}' '{"resourceLimits":true}' 2)"
check "1 RESOURCE_LIMITS_EXCEEDED for all of a query for files" survives limitsall "$(rule '{"operation":"Files"}' '{"resourceLimits":0}')"

# --- 2: one failed batch --------------------------------------------------------------------------
one_batch() { # the second query for files fails for good: its repositories are named, the others are there
    local failed
    begin onebatch
    faults "$(rule '{"operation":"Files","nth":2}' '{"status":503}' 5)"
    sync && failed=$(document octocat | jq '[.repositories[] | select(.state == "failed")] | length') || return 1
    is "current:$((59 - failed)) empty:1 failed:$failed" "$(states octocat)" && test "$failed" -gt 0 -a "$failed" -le 20 && is unavailable "$(reasons octocat)" || return 1
    reset
    sync && is "$failed" "$(count .kinds.trees)" && as_good
}
check "2 one failed batch doesn't take the others with it" one_batch

# --- 3, 4: limits (all of them: sync_limits_test.sh) ----------------------------------------------
check "3 a rate limit in HTTP 200 is one" survives limit200 "$(rule '{"operation":"Listing","nth":2}' '{"rateLimited":"primary","resetIn":1}')"
check "3 also as the documented RATE_LIMIT" survives limit200b "$(rule '{"operation":"Files"}' '{"rateLimited":"primary","resetIn":1,"errorType":"RATE_LIMIT"}')"
secondary_left() { # 4,9xx points remain, so the budget says nothing; a minute it is
    warm secondary
    faults "$(rule '{"operation":"Listing"}' '{"rateLimited":"secondary200","retryAfter":null}')"
    exits 75 cloudfolio-sync --tenant octocat --time-limit 30 && is 1 "$(count .total)" && test "$(left graphql)" -gt 4900 && as_good
}
check "4 a secondary limit with points remaining ends the run, not the repositories" secondary_left
check "4 a secondary limit in a REST 403 isn't a repository that may not be seen" survives secondary403 "$(rule '{"route":"trees","nth":3}' '{"rateLimited":"secondary403","retryAfter":1}')"

# --- 5: partial data ------------------------------------------------------------------------------
check "5 a node that is null: kept, the others are taken" keeps null "$(rule '{"operation":"Listing"}' '{"partial":{"ky":"SERVICE_UNAVAILABLE"}}' 2)" ky not_listed
check "5 a null description with an error is no description" keeps nulldesc "$(rule '{"operation":"Listing"}' '{"partial":{"ky:description":"SERVICE_UNAVAILABLE"}}' 2)" ky incomplete
check "5 a null branch with an error is no empty repository" keeps nullbranch "$(rule '{"operation":"Listing"}' '{"partial":{"ky:defaultBranchRef":"SERVICE_UNAVAILABLE"}}' 2)" ky incomplete
check "5 a null license with an error is no missing one" keeps nulllicense "$(rule '{"operation":"Listing"}' '{"partial":{"ky:licenseInfo":"FORBIDDEN"}}' 2)" ky forbidden
check "5 a document that is null comes by REST" survives nullfile "$(rule '{"operation":"Files"}' '{"partial":{"d0":"SERVICE_UNAVAILABLE"}}' 3)"
null_repository() { # of a query for files: this one has failed, the rest is there
    begin nullrepo
    faults "$(always '{"operation":"Files"}' '{"partial":{"r3":"FORBIDDEN"}}')"
    sync && test "$(document octocat | jq '[.repositories[] | select(.reason == "forbidden")] | length')" -ge 1 && is forbidden "$(reasons octocat)" || return 1
    reset
    sync && as_good
}
check "5 a repository that is null in a query for files" null_repository
first_null() { # never heard of: it isn't removed or invented, and comes with the next run
    begin firstnull
    faults "$(rule '{"operation":"Listing"}' '{"partial":{"ky":"SERVICE_UNAVAILABLE"}}' 2)"
    sync && is 59 "$(document octocat | jq '.repositories | length')" || return 1
    reset
    sync && as_good
}
check "5 a node that is null at first" first_null

# --- 6: one repository ----------------------------------------------------------------------------
one_blocked() {
    begin "$1"
    faults "$(always '{"path":"/octocat/ky/"}' "$2")"
    sync && is "current:58 empty:1 failed:1" "$(states octocat)" && is "failed $3" "$(repo octocat ky '"\(.state) \(.reason)"')" || return 1
    reset
    sync && as_good
}
check "6 one 451 doesn't stop the others" one_blocked legal '{"status":451}' legal
check "6 one 404 doesn't" one_blocked gone '{"status":404}' not_found
check "6 one 403 doesn't" one_blocked forbidden '{"status":403}' forbidden
check "6 one 409 doesn't" one_blocked conflict '{"status":409}' conflict
check "6 one tree that is always a 502 doesn't" one_blocked down '{"status":502}' unavailable
check "6 one tree that is always HTML in a 200 doesn't" one_blocked html '{"html":true,"status":200}' unavailable

# --- 7: truncated blobs and trees -----------------------------------------------------------------
check "7 a README past 512,000 bytes, where GraphQL cuts, is whole" is true "$(CLOUDFOLIO_STORE=file:$WORK/known content octocat huge-readme \
    '.documents[0] | (.text | utf8bytelength) == .bytes and .bytes > 512000')"
walked() {
    begin walked
    limits '{"tree":{"entries":145}}'
    sync && is "6 0" "$(logged tree_walked) $(logged tree_truncated)" && test "$(count .kinds.trees)" -gt 70 && as_good
}
check "7 trees that are cut are walked; nothing differs from the whole ones" walked
cut() { # one folder that is cut can't be divided: it is marked
    begin cut
    limits '{"tree":{"entries":2}}'
    sync && is true "$(content octocat ky .truncated)" && test "$(logged tree_truncated)" -gt 0
}
check "7 what can't be walked either is marked as truncated" cut

# --- 8: pages of HTML -----------------------------------------------------------------------------
check "8 HTML with 502 and 503" survives html502 '[{"match":{"operation":"Listing"},"action":{"html":true}},{"match":{"route":"trees"},"times":4,"action":{"html":true,"status":503}},{"match":{"route":"blobs"},"action":{"html":true}}]'
check "8 HTML in a 200" survives html200 '[{"match":{"operation":"Listing"},"action":{"html":true,"status":200}},{"match":{"route":"trees"},"times":4,"action":{"html":true,"status":200}},{"match":{"route":"blobs"},"action":{"html":true,"status":200}},{"match":{"operation":"Files"},"action":{"html":true,"status":200}}]'
check "8 HTML that calls itself JSON" survives htmljson '[{"match":{"kind":"any"},"times":3,"action":{"html":true,"status":200,"contentType":"application/json"}}]'
html_for_ever() {
    warm htmlever
    faults "$(always '{"operation":"Listing"}' '{"html":true,"status":200}')"
    exits 69 cloudfolio-sync --tenant octocat && says '"level":"error".*JSON' && as_good
}
check "8 HTML for ever is an outage" html_for_ever

# --- 9: pushes ------------------------------------------------------------------------------------
pushed() { # pushed NAME TEXT [0]: GraphQL or REST
    local updated
    updated=$(control "repo?owner=octocat&repo=ky" | jq -r .updatedAt)
    change octocat ky README.md "$1"
    set_metadata octocat ky "{\"updatedAt\":\"$updated\"}"
    CLOUDFOLIO_GITHUB_GRAPHQL=$2 sync && is "$1" "$(content octocat ky '.documents[0].text')"
}
warm pushed
check "9 a push is seen though updated_at doesn't move" pushed "pushed" 1
check "9 by REST as well" pushed "pushed again" 0
check "9 and a second one by REST" pushed "and again" 0

# --- 10: connections and answers that make no sense -------------------------------------------------
begin after # the world has changed
check "the world without faults, once more" sync
essence octocat >"$WORK/good.essence"
rm -r "$WORK/known" && cp -r "$WORK/after" "$WORK/known"
check "10 a 504 at the listing, a tree, files and a blob" survives s504 '[{"match":{"operation":"Listing"},"action":{"status":504}},{"match":{"operation":"Files"},"action":{"status":504}},{"match":{"route":"trees"},"times":3,"action":{"status":504}},{"match":{"route":"blobs"},"action":{"status":504}}]'
check "10 connections that end before the answer" survives before '[{"match":{"operation":"Listing"},"action":{"drop":"before"}},{"match":{"operation":"Files"},"action":{"drop":"before"}},{"match":{"route":"trees"},"times":3,"action":{"drop":"before"}},{"match":{"route":"blobs"},"action":{"drop":"before"}}]'
check "10 connections that end after the work" survives dropafter '[{"match":{"operation":"Listing"},"action":{"drop":"after"}},{"match":{"operation":"Files"},"action":{"drop":"after"}},{"match":{"route":"trees"},"times":3,"action":{"drop":"after"}},{"match":{"route":"blobs"},"action":{"drop":"after"}}]'
check "10 bodies that end early" survives early '[{"match":{"operation":"Listing"},"action":{"truncateBody":300}},{"match":{"operation":"Files"},"action":{"truncateBody":300}},{"match":{"route":"trees"},"times":3,"action":{"truncateBody":100}},{"match":{"route":"blobs"},"action":{"truncateBody":1000}}]'
check "10 delays" survives delays '[{"match":{"kind":"any"},"times":20,"action":{"delayMs":300}}]'
# nonsense NAME ACTION: for ever, for one repository's tree, then for its documents, then for the listing.
nonsense() {
    begin "$1"
    faults "[{\"match\":{\"path\":\"/octocat/ky/\"},\"times\":1000,\"action\":$2},{\"match\":{\"route\":\"blobs\"},\"times\":1000,\"action\":$2}]"
    sync && is "current:55 empty:1 failed:4" "$(states octocat)" && is failed "$(repo octocat ky .state)" || return 1
    reset
    faults "$(always '{"operation":"Files"}' "$2")"
    exits "$3" cloudfolio-sync --tenant octocat || return 1
    reset
    faults "$(always '{"operation":"Listing"}' "$2")"
    exits 65 cloudfolio-sync --tenant octocat || return 1
    reset
    sync && as_good
}
check "10 wrong types" nonsense types '{"wrongTypes":true}' 0
check "10 a body of 300 MB" nonsense large '{"stream":{"bytes":300000000}}' 0
check "10 300 MB in a small gzip" nonsense bomb '{"stream":{"bytes":300000000,"gzip":true}}' 0
check "10 100,000 arrays in each other" nonsense nested '{"nest":100000}' 0
check "10 none of it takes much memory" test "$(cloudfolio runs --json --limit 1000 | jq '[.runs[].peak_memory_bytes] | max')" -lt 250000000
check "the store verifies" exits 0 cloudfolio verify
done_testing
