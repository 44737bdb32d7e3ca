#!/bin/bash
# What people do with their repositories, and what becomes of it in the next version.
. "$(dirname "$0")/sync_lib.sh"
start_github
sync() { exits 0 cloudfolio-sync --tenant "$@"; }
for tenant in octocat Mona-Lisa acme-labs no-docs no-repos; do
    add_tenant $tenant
done
for tenant in octocat Mona-Lisa acme-labs no-docs no-repos; do
    check "$tenant at first" sync ${tenant,,}
done
check "an organization is a tenant like others" is "Organization 8" "$(document acme-labs | jq -r '"\(.kind) \(.repositories | length)"')"
check "an account without repositories has a version" is "1 0" "$(version no-repos) $(document no-repos | jq '.repositories | length')"
check "no-docs has contents without documents" is "0 0 0" "$(for r in $(document no-docs | jq -r '.repositories[].content'); do cloudfolio cat no-docs repos --blob "$r" | jq '.documents | length'; done | paste -s -d ' ')"

# after NAME CHANGE TEST…: one change, one sync, which makes one version; then the test.
before=0
after() {
    local name=$1 change=$2
    shift 2
    before=$(version octocat)
    document octocat >"$WORK/before.json"
    eval "$change" || return 1
    reset
    sync octocat && is $((before + 1)) "$(version octocat)" && "$@" && sync octocat && is $((before + 1)) "$(version octocat)"
}
was() { jq -r --arg name "$1" ".repositories[] | select(.name == \$name) | $2" "$WORK/before.json"; }
names_only() { # the others are as they were, but for this one's number
    cmp <(jq -S -c ".repositories[] | select(.id != $1) | [.id, .name, .fingerprint, .content]" "$WORK/before.json") \
        <(document octocat | jq -S -c ".repositories[] | select(.id != $1) | [.id, .name, .fingerprint, .content]")
}

renamed() {
    is "$(was chalk .id) $(was chalk .content)" "$(repo octocat crayon '"\(.id) \(.content)"')" && is "" "$(repo octocat chalk .id)" &&
        is 0 "$(count '.kinds.trees // 0')" && names_only "$(was chalk .id)" && test "$(was chalk .fingerprint)" != "$(repo octocat crayon .fingerprint)"
}
check "renamed: the same id and content, nothing is fetched" after rename 'set_metadata octocat chalk "{\"name\":\"crayon\"}"' renamed

transferred() { is "" "$(repo octocat uvu .id)" && is 59 "$(document octocat | jq '.repositories | length')" && names_only "$(was uvu .id)"; }
check "transferred: gone here" after transfer 'control transfer "{\"owner\":\"octocat\",\"repo\":\"uvu\",\"to\":\"Mona-Lisa\"}" >/dev/null' transferred
uvu=$(was uvu .id)
arrived() { sync mona-lisa && is "$uvu current" "$(repo mona-lisa uvu '"\(.id) \(.state)"')"; }
check "and there with its id" arrived

deleted() { is "" "$(repo octocat ws .id)" && names_only "$(was ws .id)"; }
check "deleted: gone" after delete 'set_metadata octocat ws "{\"deleted\":true}"' deleted

branch_renamed() { is "current nothing $(was nan .content)" "$(repo octocat nan '"\(.state) \(.default_branch) \(.content)"')" && names_only "$(was nan .id)"; }
check "the default branch takes another name" after branch 'set_metadata octocat nan "{\"defaultBranch\":\"nothing\"}"' branch_renamed
all_files() { # as null, which removes them
    curl -sS --fail "$GITHUB_API_URL/repos/octocat/$1/git/trees/$(repo octocat "$1" .tree)?recursive=1" |
        jq -c "{owner: \"octocat\", repo: \"$1\", files: ([.tree[] | select(.type != \"tree\") | {key: .path, value: null}] | from_entries)}"
}
emptied() { is "current 4b825dc642cb6eb9a060e54bf8d69288fbee4904 0" "$(repo octocat lru-cache '"\(.state) \(.tree)"') $(content octocat lru-cache '.documents | length')"; }
check "emptied: every file is gone" after empty 'control change "$(all_files lru-cache)" >/dev/null' emptied
filled() { is current "$(repo octocat empty-start .state)" && is "Hello." "$(content octocat empty-start '.documents[0].text')"; }
check "an empty one's first commit" after fill 'change octocat empty-start README.md Hello.' filled

archived() { is "true $(was jose .content)" "$(repo octocat jose '"\(.metadata.archived) \(.content)"')" && is 0 "$(count '.kinds.trees // 0')"; }
check "archived: nothing is fetched" after archive 'set_metadata octocat jose "{\"isArchived\":true}"' archived
described() { is 'Dates & "times" – née' "$(repo octocat dayjs .metadata.description)" && is '["calendar","time"]' "$(repo octocat dayjs '.metadata.topics | tostring')" && is 0 "$(count '.kinds.trees // 0')"; }
check "another description, other topics" after describe 'set_metadata octocat dayjs "{\"description\":\"Dates & \\\"times\\\" – née\",\"topics\":[\"time\",\"calendar\"]}"' described
undescribed() { is "null []" "$(repo octocat dayjs '"\(.metadata.description) \(.metadata.topics)"')"; }
check "none any more" after undescribe 'set_metadata octocat dayjs "{\"description\":null,\"topics\":[]}"' undescribed
created() { is "current current true" "$(repo octocat novel .state) $(repo octocat copied '"\(.state) \(.metadata.fork)"')" && is 2 "$(count .kinds.trees)"; }
check "created and forked" after create 'control create "{\"owner\":\"octocat\",\"repo\":\"novel\",\"files\":{\"README.md\":\"# Novel\"}}" >/dev/null
    control create "{\"owner\":\"octocat\",\"repo\":\"copied\",\"files\":{\"README.md\":\"# Copied\"},\"set\":{\"isFork\":true}}" >/dev/null' created
reborn() { is "current" "$(repo octocat ws .state)" && test "$(repo octocat ws .id)" -gt 100000 && is "Anew." "$(content octocat ws '.documents[0].text')"; }
check "a new one under the name of a deleted one has its own id" after again 'control create "{\"owner\":\"octocat\",\"repo\":\"ws\",\"files\":{\"README.md\":\"Anew.\"}}" >/dev/null' reborn

switched() { is "next" "$(repo octocat acorn .default_branch)" && is "On the next branch." "$(content octocat acorn '.documents[] | select(.kind == "readme") | .text')"; }
check "another default branch" after switch 'control change "{\"owner\":\"octocat\",\"repo\":\"acorn\",\"branch\":\"next\",\"files\":{\"README.md\":\"On the next branch.\"}}" >/dev/null
    set_metadata octocat acorn "{\"defaultBranch\":\"next\"}"' switched
pushed() { is "Too early." "$(content octocat ky '.documents[] | select(.kind == "readme") | .text')"; }
first=$(repo octocat ky .commit)
first_content=$(repo octocat ky .content)
check "a push" after push 'change octocat ky README.md "Too early."' pushed
rewound() { is "$first $first_content" "$(repo octocat ky '"\(.commit) \(.content)"')"; }
check "a force push back to what was: its content again" after rewind 'control rewind "{\"owner\":\"octocat\",\"repo\":\"ky\",\"to\":\"$first\"}" >/dev/null' rewound

hidden() { is "" "$(repo octocat pngjs .id)" && names_only "$(was pngjs .id)" && test -z "$(document octocat | grep -o 'pngjs' | head -n 1)"; }
check "made private: forgotten" after private 'set_metadata octocat pngjs "{\"private\":true}"' hidden
shown() { is current "$(repo octocat pngjs .state)"; }
check "made public again" after public 'set_metadata octocat pngjs "{\"private\":false}"' shown
blocked() { is "kept $1" "$(repo octocat minisearch '"\(.state) \(.reason)"')" && is "$(was minisearch .content)" "$(repo octocat minisearch .content)" && names_only "$(was minisearch .id)"; }
check "blocked for legal reasons: the last good entry stays" after block 'set_metadata octocat minisearch "{\"blocked\":true}"' blocked forbidden
unblocked() { is "current:61" "$(states octocat)"; }
check "unblocked" after unblock 'set_metadata octocat minisearch "{\"blocked\":false}"' unblocked

# --- READMEs --------------------------------------------------------------------------------------
readme() { content octocat "$1" '.documents[] | select(.kind == "readme") | [.skipped // "whole", (.text // "" | utf8bytelength), .bytes] | map(tostring) | join(" ")'; }
put() { # put REPOSITORY JSON: README.md
    echo "{\"owner\":\"octocat\",\"repo\":\"$1\",\"files\":{\"README.md\":$2}}" >"$WORK/put.json"
    control change "@$WORK/put.json" >/dev/null
}
base64_of() { base64 -w 0 | sed 's/.*/{"base64":"&"}/'; }
put lunr "$(printf '\x89PNG\r\n\x1a\n\x00\x00\xff\xfe binary' | base64_of)"
put needle "$(printf '\xff\xfeH\0i\0 \0\xe4\0.\0' | base64_of)"
head -c 600000 /dev/zero | tr '\0' x | sed 's/^/# long /' >"$WORK/long"
put mithril "$(jq -Rs . <"$WORK/long")"
head -c 4300000 /dev/zero | tr '\0' y >"$WORK/longer"
put postcss "$(base64_of <"$WORK/longer")"
put hono '{"symlink":"docs/README.md"}'
check "five READMEs of all kinds" sync octocat
check "a binary one" is "binary 0 19" "$(readme lunr)"
check "UTF-16" is "Hi ä." "$(content octocat needle '.documents[] | select(.kind == "readme") | .text')"
check "more than 512,000 bytes" is "whole 600007 600007" "$(readme mithril)"
check "more than 4 MiB" is "too_large 0 4300000" "$(readme postcss)"
check "a link" is link "$(readme hono | cut -d ' ' -f 1)"

# --- accounts -------------------------------------------------------------------------------------
renamed_user() {
    local known
    known=$(document mona-lisa | sha256sum)
    control rename-user '{"from":"Mona-Lisa","to":"Lisa-Mona"}' >/dev/null
    exits 65 cloudfolio-sync --tenant mona-lisa && says '"level":"error".*Lisa-Mona' && is "$known" "$(document mona-lisa | sha256sum)"
}
check "a user who renamed himself: exit 65, the new name in the log, the last version stays" renamed_user
followed() {
    add_tenant Lisa-Mona
    sync lisa-mona && is "$(document mona-lisa | jq -c '[.repositories[] | [.id, .tree, .content]]')" "$(document lisa-mona | jq -c '[.repositories[] | [.id, .tree, .content]]')"
}
check "under the new name all is there" followed
taken() { # somebody else takes the old name: nobody's repositories become his
    control rename-user '{"from":"no-docs","to":"Mona-Lisa"}' >/dev/null
    sync mona-lisa && is 3 "$(document mona-lisa | jq '.repositories | length')"
}
check "the old name in other hands is another account's" taken
emptied_portfolio() {
    local name
    for name in $(document acme-labs | jq -r '.repositories[].name'); do
        set_metadata acme-labs "$name" '{"deleted":true}'
    done
    sync acme-labs && is "2 0" "$(version acme-labs) $(document acme-labs | jq '.repositories | length')" && sync acme-labs && is 2 "$(version acme-labs)"
}
check "a portfolio that becomes empty: a version without repositories" emptied_portfolio
check "the store verifies" exits 0 cloudfolio verify
done_testing
