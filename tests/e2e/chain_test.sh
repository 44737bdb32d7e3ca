#!/bin/bash
# The whole chain on real repositories: what is fetched, what is committed, what search finds; repeats, changes,
# rollback, and several copies of every job at once.
. "$(dirname "$0")/lib.sh"
export CLOUDFOLIO_STORE="file:$WORK/store" CLOUDFOLIO_LOG=json
start_github

version() { cloudfolio cat octocat "$1" --marker | jq .version; }
count() { control counters | jq "$1"; }
reset() { control reset '{}' >/dev/null; }

check "a tenant is added" exits 0 cloudfolio tenant add Octocat
check "a job refuses a tenant that wasn't added" exits 65 cloudfolio-sync --tenant nobody
check "orchestrate has nothing to do before the first sync" exits 0 cloudfolio-orchestrate --tenant octocat
check "train has nothing to do before the first request" exits 0 cloudfolio-train --tenant octocat
check "search says what to run before the first model" exits 65 cloudfolio search octocat dates

# --- cold -----------------------------------------------------------------------------------------
reset
check "cold sync" exits 0 cloudfolio-sync --tenant octocat
check "60 repositories are listed" is 60 "$(cloudfolio cat octocat repos | jq '.repositories | length')"
check "a cold sync takes at most 65 requests, and one for each of 3 READMEs that are binary or long" test "$(count .total)" -le 68
check "a cold sync takes at most 5 points" test "$(count .points)" -le 5
check "orchestrate" exits 0 cloudfolio-orchestrate --tenant octocat
check "train" exits 0 cloudfolio-train --tenant octocat
for dataset in repos bundle request model; do
    check "$dataset is at version 1" is 1 "$(version $dataset)"
done

repo() { cloudfolio cat octocat repos | jq -r ".repositories[] | select(.name == \"$1\") | $2"; }
content() { cloudfolio cat octocat repos --blob "$(repo "$1" .content)" | jq -r "$2"; }
entry() { cloudfolio cat octocat bundle --blob "$(cloudfolio cat octocat bundle | jq -r ".entries[] | select(.name == \"$1\") | .entry")" | jq -r "$2"; }
check "an empty repository is stored as empty" is empty "$(repo empty-start .state)"
check "a binary README is skipped" is binary "$(content binary-readme '.documents[0].skipped')"
check "a README over 512,000 bytes is whole" test "$(content huge-readme '.documents[0].text | length')" -gt 600000
check "a symbolic link is skipped" is link "$(content linked-readme '.documents[0].skipped')"
check "a README of 0 bytes is kept as an empty text" is '""' "$(content blank-readme '.documents[0].text | tojson')"
check "a README of NUL bytes is skipped" is binary "$(content nul-readme '.documents[0].skipped')"
check "a README that isn't UTF-8 is stored as UTF-8" test -n "$(content latin1-readme '.documents[0].text')"
check "an archived repository is marked" is true "$(repo archived-tool .metadata.archived)"
check "a fork is marked" is true "$(repo forked-yaml .metadata.fork)"
check "non-ASCII texts arrive unchanged" test -n "$(entry unicode-notes '.readme | select(test("[^\\x00-\\x7f]"))')"
check "a .repo-context.json that isn't JSON counts as none" is '{}' "$(entry broken-context '.repoContext | tojson')"
check "a documented repository has everything" is true "$(entry acorn '.has_documentation and .skills_index != "" and .architecture != ""')"

# --- search ---------------------------------------------------------------------------------------
first() { cloudfolio search octocat "$1" --json | jq -r ".hits[0].project"; }
check "a question finds the right project" is dayjs "$(first 'immutable date library with parsing and formatting')"
check "another one" is jose "$(first 'sign and verify JSON web tokens')"
check "the model is promoted" is true "$(cloudfolio cat octocat model | jq .gate.promoted)"
check "the model's card names the tenant" grep -q -i octocat <(cloudfolio cat octocat model --file README.md)

# --- nothing changed -------------------------------------------------------------------------------
reset
check "an unchanged portfolio" exits 0 cloudfolio run octocat
check "takes 2 requests" is 2 "$(count .total)"
for dataset in repos bundle request model; do
    check "and makes no version of $dataset" is 1 "$(version $dataset)"
done
control metadata '{"owner":"octocat","repo":"ky","set":{"stargazerCount":4711}}' >/dev/null
check "a new star" exits 0 cloudfolio run octocat
check "makes no version either" is 1 "$(version repos)"

# --- one changed -----------------------------------------------------------------------------------
control change '{"owner":"octocat","repo":"ky","files":{"README.md":"# ky\n\nUploads satellite pictures with retries.\n"}}' >/dev/null
reset
check "one changed repository" exits 0 cloudfolio run octocat
check "takes 4 requests" is 4 "$(count .total)"
check "only its tree is read" is 1 "$(count .kinds.trees)"
check "makes one version of repos" is 2 "$(version repos)"
check "only its content is new" is 1 "$(cloudfolio cat octocat repos | jq '[.blobs[] | select(.version == 2)] | length')"
check "only its entry is new" is 1 "$(cloudfolio cat octocat bundle | jq '[.blobs[] | select(.version == 2)] | length')"
check "and is found" is ky "$(first 'upload satellite pictures')"

control change '{"owner":"octocat","repo":"ky","files":{"source.js":"console.log(1)\n"}}' >/dev/null
check "code that isn't documentation" exits 0 cloudfolio run octocat
check "makes a version of bundle" is 3 "$(version bundle)"
check "but retrains nothing" is 2 "$(version model)"

control metadata '{"owner":"octocat","repo":"ky","set":{"name":"sky"}}' >/dev/null
control metadata '{"owner":"octocat","repo":"chalk","set":{"deleted":true}}' >/dev/null
reset
check "one renamed, one deleted" exits 0 cloudfolio-sync --tenant octocat
check "are seen without reading any tree" is 2 "$(count .total)"
check "59 remain" is 59 "$(cloudfolio cat octocat repos | jq '.repositories | length')"
check "the new name is there" is sky "$(repo sky .name)"

# --- a blocked repository keeps its last good version ------------------------------------------------
good=$(repo dayjs .content)
control change '{"owner":"octocat","repo":"dayjs","files":{"README.md":"# changed\n"}}' >/dev/null
control faults '[{"match":{"kind":"rest","path":"/repos/[^/]+/dayjs/git/trees/"},"times":1,"action":{"status":451}}]' >/dev/null
check "a blocked repository doesn't stop the sync" exits 0 cloudfolio-sync --tenant octocat
check "it is kept" is kept "$(repo dayjs .state)"
check "with its last good content" is "$good" "$(repo dayjs .content)"
control faults '[]' >/dev/null
check "when it is back" exits 0 cloudfolio-sync --tenant octocat
check "it is read again" is current "$(repo dayjs .state)"
check "orchestrate and train follow" exits 0 cloudfolio run octocat

# --- determinism, events, rollback --------------------------------------------------------------------
files() { cloudfolio cat octocat model | jq -c '[.current.files[] | [.path, .sha256]]'; }
before=$(files)
check "the same request trained again" exits 0 cloudfolio-train --tenant octocat --force
check "gives the same bytes" is "$before" "$(files)"
v=$(version repos)
event=$(cd "$WORK/store" && ls tenants/octocat/repos/v | head -n 1)
check "an event starts the job on its tenant" exits 0 cloudfolio-orchestrate --event "tenants/octocat/repos/v/$event"
check "another dataset's event is refused" exits 65 cloudfolio-train --event "tenants/octocat/repos/v/$event"
check "an event with .. is refused" exits 65 cloudfolio-orchestrate --event "tenants/../octocat/repos/v/$event"
check "repos is rolled back" exits 0 cloudfolio rollback octocat repos 1
check "as a new version" is $((v + 1)) "$(version repos)"
check "with the old contents" is 60 "$(cloudfolio cat octocat repos | jq '.repositories | length')"
check "bundle and model follow" exits 0 cloudfolio-orchestrate --tenant octocat
check "train follows" exits 0 cloudfolio-train --tenant octocat
m=$(version model)
check "the model is rolled back" exits 0 cloudfolio rollback octocat model 1
check "train leaves that alone" exits 0 cloudfolio-train --tenant octocat
check "the rollback stays" is $((m + 1)) "$(version model)"

# --- dry run and force ----------------------------------------------------------------------------------
v=$(version repos)
check "a dry run" exits 0 cloudfolio-sync --tenant octocat --dry-run
check "commits nothing" is "$v" "$(version repos)"

# --- several copies at once -------------------------------------------------------------------------------
for i in 1 2 3 4; do
    (cloudfolio run octocat >/dev/null 2>"$WORK/parallel.$i"; echo $? >"$WORK/parallel.$i.rc") &
    parallel[i]=$!
done
wait "${parallel[@]}"
check "four whole chains at once" is "0 0 0 0" "$(cat "$WORK"/parallel.?.rc | tr '\n' ' ' | sed 's/ $//')"
check "leave one state" is "$(cloudfolio cat octocat repos | jq '[.repositories[].fingerprint] | length')" 59

# --- other portfolios -------------------------------------------------------------------------------------
for tenant in Mona-Lisa dev_acme no-docs no-repos acme-labs; do
    exits 0 cloudfolio tenant add "$tenant" || true
    check "$tenant goes through" exits 0 cloudfolio run "$tenant"
done
check "an organisation is one" is Organization "$(cloudfolio cat acme-labs repos | jq -r .kind)"
check "a portfolio without repositories has no model" exits 65 cloudfolio search no-repos anything
check "all tenants at once" exits 0 cloudfolio-sync --all
check "a disabled tenant is left alone" exits 0 cloudfolio tenant disable no-docs
reset
check "by every job" exits 0 cloudfolio-sync --tenant no-docs
check "without a request" is 0 "$(count .total)"

check "everything verifies" exits 0 cloudfolio verify
check "every document has its schema" /usr/bin/python3 tests/e2e/schema.py "$WORK/store"
check "no token reached the store" test -z "$(grep -rl demo-token "$WORK/store")"
done_testing
