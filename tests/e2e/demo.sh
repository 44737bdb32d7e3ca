#!/bin/bash
# The whole chain for one tenant on this machine: sync, orchestrate, train, search; then one repository changes;
# then nothing does. GitHub is played by tests/github; the store is a folder that is removed at the end.
. "$(dirname "$0")/lib.sh"
set -e
export CLOUDFOLIO_STORE="file:$WORK/store" CLOUDFOLIO_LOG=text CLOUDFOLIO_LOG_LEVEL=${CLOUDFOLIO_LOG_LEVEL:-warn}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() {
    printf '$'
    for word in "$@"; do
        case $word in *' '*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    "$@"
}
requests() { control counters | jq -r '"GitHub saw \(.total) requests (\(.kinds | to_entries | map(select(.value > 0) | "\(.value) \(.key)") | join(", "))), \(.points) points"'; }

say "A stand-in for GitHub: 60 repositories of the user octocat, made of real packages"
start_github
echo "$GITHUB_API_URL"

say "The first run: everything is fetched, joined and trained"
show cloudfolio tenant add octocat
time show cloudfolio run octocat
requests
show cloudfolio status

say "Questions find the right projects, and show the passage"
show cloudfolio search octocat "parse and print dates" --limit 3
show cloudfolio search octocat "sign and verify JSON web tokens" --limit 2

say "One repository changes: only that one is fetched again"
control change '{"owner":"octocat","repo":"ky","files":{"README.md":"# ky\n\nA tiny HTTP client with retries, time-outs and hooks for uploading satellite pictures.\n"}}' >/dev/null
control reset '{}' >/dev/null
show cloudfolio run octocat
requests
show cloudfolio search octocat "upload satellite pictures" --limit 1

say "Nothing changed: nothing is done"
control reset '{}' >/dev/null
show cloudfolio run octocat
requests
show cloudfolio log octocat repos
show cloudfolio lineage octocat | head -n 8
show cloudfolio verify octocat

say "Done. With a token, the same against GitHub itself:"
cat <<'TEXT'
    export CLOUDFOLIO_STORE=file:$HOME/cloudfolio GITHUB_TOKEN=…
    build/cloudfolio tenant add LOGIN && build/cloudfolio run LOGIN && build/cloudfolio search LOGIN "…"
TEXT
