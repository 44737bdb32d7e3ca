#!/bin/bash
# What GitHub may answer, and worse: one clear line, the right exit status, nothing lost.
. "$(dirname "$0")/lib.sh"
export CLOUDFOLIO_STORE="file:$WORK/store" CLOUDFOLIO_LOG=json
start_github
exits 0 cloudfolio tenant add octocat
check "first sync" exits 0 cloudfolio-sync --tenant octocat
state() { cloudfolio cat octocat repos --marker | sha256sum; }
good=$(state)

# fault NAME EXIT RULES [PATTERN]: with these faults a changed repository gives that exit status, a last line that
# says why, and the store keeps its last version.
fault() {
    control reset '{}' >/dev/null
    control faults "$3" >/dev/null
    check "$1: exit $2" exits "$2" timeout 300 cloudfolio-sync --tenant octocat
    if [ "$2" != 0 ]; then
        check "$1: one clear error" is 1 "$(grep -c '"level":"error"' "$WORK/err")"
        check "$1: which says why" grep -q -E -i "${4:-.}" <(grep '"level":"error"' "$WORK/err")
        check "$1: nothing is lost" is "$good" "$(state)"
    fi
    check "$1: no token in the log" test -z "$(grep demo-token "$WORK/err")"
    control faults '[]' >/dev/null
}
always() { echo "[{\"match\":{\"kind\":\"$1\"},\"times\":1000,\"action\":$2}]"; }
once() { echo "[{\"match\":{\"kind\":\"$1\"},\"times\":1,\"action\":$2}]"; }

fault "a bad token" 77 "$(always graphql '{"status":401,"body":"{\"message\":\"Bad credentials\"}"}')" 'token'
fault "HTML for ever" 69 "$(always graphql '{"html":true,"status":200}')" 'HTML|JSON'
fault "HTML with 502 for ever" 69 "$(always any '{"html":true,"status":502}')" '502'
fault "HTML with 502 for ever from GraphQL alone" 0 "$(always graphql '{"html":true,"status":502}')"
fault "HTML with 502 once" 0 "$(once graphql '{"html":true,"status":502}')"
fault "cut off once" 0 "$(once graphql '{"truncateBody":200}')"
fault "cut off for ever" 69 "$(always graphql '{"truncateBody":200}')" '.'
fault "dropped once before" 0 "$(once graphql '{"drop":"before"}')"
fault "dropped once after" 0 "$(once graphql '{"drop":"after"}')"
fault "10 GB" 65 "$(always graphql '{"stream":{"bytes":10000000000}}')" 'limit|more than|bytes'
fault "deep nesting" 65 "$(always graphql '{"nest":100000}')" 'JSON|deep|nest'
fault "wrong types" 65 "$(always graphql '{"wrongTypes":true}')" '.'
fault "no permission" 77 "$(always graphql '{"status":403,"body":"{\"message\":\"Resource not accessible\"}"}')" '.'

exits 0 cloudfolio tenant add ghost-user
check "a user that GitHub doesn't know" exits 65 cloudfolio-sync --tenant ghost-user
check "is named" grep -q ghost-user <(grep '"level":"error"' "$WORK/err")
check "without a token" exits 0 env -u GITHUB_TOKEN cloudfolio-sync --tenant octocat
check "the log says what that means" grep -q '"event":"no_token".*60 requests an hour' "$WORK/err"
check "a source of tokens that is none" exits 78 cloudfolio-sync --tenant octocat --github-tokens vault:x
check "the message names it" grep -q 'part 1 of CLOUDFOLIO_GITHUB_TOKENS' "$WORK/err"
check "plain http to a stranger is refused" exits 78 env GITHUB_API_URL=http://192.0.2.1 cloudfolio-sync --tenant octocat
check "an unreachable service" exits 69 env GITHUB_API_URL=http://127.0.0.1:9 cloudfolio-sync --tenant octocat
check "the store verifies" exits 0 cloudfolio verify
done_testing
