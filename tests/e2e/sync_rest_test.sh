#!/bin/bash
# REST gives what GraphQL gives, byte for byte: cold, after changes, back and forth. And what it costs.
. "$(dirname "$0")/sync_lib.sh"
start_github
TENANTS="octocat mona-lisa dev_acme no-docs no-repos acme-labs"
by() { # by graphql|rest TENANT [option…]: a sync into the store of that name
    local how=$1 graphql=1
    shift
    [ "$how" = rest ] && graphql=0
    CLOUDFOLIO_GITHUB_GRAPHQL=$graphql elsewhere "$how" exits 0 cloudfolio-sync --tenant "$@"
}
# same TENANT: the documents of both stores are equal byte for byte, their references to blobs included.
same() {
    cmp <(elsewhere graphql document "$1") <(elsewhere rest document "$1") || {
        diff <(elsewhere graphql document "$1" | jq -S .) <(elsewhere rest document "$1" | jq -S .) | head -n 20
        return 1
    }
}
for tenant in $TENANTS; do
    elsewhere graphql add_tenant "$tenant"
    elsewhere rest add_tenant "$tenant"
done

both() {
    by graphql "$1" || return 1
    reset
    by rest "$1" && is 0 "$(count .graphql)" && same "$1"
}
for tenant in $TENANTS; do
    check "cold: $tenant by REST is $tenant by GraphQL" both "$tenant"
done
rest_costs() { # 1 for the account, 1 a page, 2 a repository, 1 a tree, 1 a document
    elsewhere cost add_tenant octocat
    reset
    CLOUDFOLIO_GITHUB_GRAPHQL=0 elsewhere cost exits 0 cloudfolio-sync --tenant octocat || return 1
    is "1 1 60 59 59" "$(count '.kinds | "\(.user) \(.repos) \(.branches) \(.languages) \(.trees)"' | tr -d '"')"
}
check "60 repositories cost 181 requests and one for each document" rest_costs

# --- unchanged ------------------------------------------------------------------------------------
unchanged() {
    local version
    version=$(elsewhere rest version "$1")
    reset
    by rest "$1" && is "$version" "$(elsewhere rest version "$1")" && is "$(count .total)" "$(count .notModified)" && is 0 "$(count .restCharged)"
}
for tenant in octocat mona-lisa acme-labs no-repos; do
    check "unchanged: $tenant costs nothing, every answer is a 304" unchanged "$tenant"
done
unsaid() { # nothing in the requests needs a token
    local found
    reset
    GITHUB_TOKEN='' by rest mona-lisa && found=$(requests '[.[] | select(.token)] | length') && is 0 "$found"
}
check "a known account without a token" unsaid
no_token() {
    elsewhere none add_tenant mona-lisa
    reset
    GITHUB_TOKEN='' elsewhere none exits 0 cloudfolio-sync --tenant mona-lisa || return 1
    is 0 "$(count .graphql)" && says no_token && cmp <(elsewhere none document mona-lisa) <(elsewhere graphql document mona-lisa)
}
check "an account without a token from the beginning: the same document" no_token
no_token_60() { # 60 requests an hour are too few for 60 repositories: nothing wrong is committed
    elsewhere few add_tenant octocat
    reset
    GITHUB_TOKEN='' elsewhere few exits 75 cloudfolio-sync --tenant octocat --time-limit 5 || return 1
    is 0 "$(requests '[.[] | select(.status == 403 or .status == 429)] | length')" && test "$(count .total)" -le 60
}
check "60 requests an hour, not one more" no_token_60
progress() { # hour after hour
    local hour
    for hour in $(seq 8); do
        reset
        GITHUB_TOKEN='' elsewhere few cloudfolio-sync --tenant octocat --time-limit 5 >/dev/null 2>"$WORK/err" && break
    done
    reset
    elsewhere few states octocat
    GITHUB_TOKEN='' elsewhere few exits 0 cloudfolio-sync --tenant octocat && cmp <(elsewhere few essence octocat) <(elsewhere graphql essence octocat)
}
check "but hour after hour all of it comes" progress

# --- back and forth -------------------------------------------------------------------------------
back_and_forth() {
    local tenant=$1 how version
    elsewhere both add_tenant "$tenant"
    for how in 1 0 1 0 0 1; do
        CLOUDFOLIO_GITHUB_GRAPHQL=$how elsewhere both exits 0 cloudfolio-sync --tenant "$tenant" && is 1 "$(elsewhere both version "$tenant")" || return 1
    done
}
check "a switch back and forth makes no version" back_and_forth octocat
check "nor for an organization" back_and_forth acme-labs

# --- changed --------------------------------------------------------------------------------------
change octocat ky README.md "Another ky."
change octocat ky lib/new.rs "fn main() {}"
change octocat empty-start README.md "No longer empty."
set_metadata octocat chalk '{"name":"crayon"}'
set_metadata octocat jose '{"isArchived":true,"topics":["b","a"],"description":null}'
set_metadata octocat dayjs '{"license":null,"homepageUrl":""}'
set_metadata octocat ws '{"deleted":true}'
set_metadata octocat pngjs '{"private":true}'
set_metadata octocat acorn '{"defaultBranch":"a/b #1%"}'
set_metadata octocat lunr '{"topics":["t01","t02","t03","t04","t05","t06","t07","t08","t09","t10","t11","t12","t13","t14","t15","t16","t17","t18","t19","t20"]}'
control transfer '{"owner":"octocat","repo":"uvu","to":"Mona-Lisa"}' >/dev/null
control create '{"owner":"octocat","repo":"novel","files":{"readme.rst":"Novel\n=====\n"}}' >/dev/null
control create '{"owner":"octocat","repo":"void"}' >/dev/null
for tenant in octocat mona-lisa; do
    check "after changes: $tenant by REST is $tenant by GraphQL" both "$tenant"
done
check "a renamed, an archived and a new one are there" is "true true true" "$(elsewhere rest document octocat | jq -r '[.repositories[]] | [any(.name == "crayon"), any(.name == "jose" and .metadata.archived), any(.name == "void" and .state == "empty")] | join(" ")' | tr ',' ' ')"
after_an_hour() { # what was read an hour after the push is believed: only pages are asked for
    elsewhere settled add_tenant octocat
    CLOUDFOLIO_GITHUB_GRAPHQL=0 elsewhere settled exits 0 cloudfolio-sync --tenant octocat || return 1
    set_metadata octocat mithril '{"stargazerCount":7}'
    reset
    CLOUDFOLIO_GITHUB_GRAPHQL=0 elsewhere settled exits 0 cloudfolio-sync --tenant octocat && is 1 "$(count '.kinds.user')" && test "$(count '.kinds.branches // 0')" -le 6
}
check "a changed page costs no request for what is as it was" after_an_hour

# --- where REST takes over ------------------------------------------------------------------------
no_graphql() { # a GitHub that doesn't understand the query
    elsewhere old add_tenant octocat
    reset
    faults '[{"match":{"kind":"graphql"},"times":1000,"action":{"status":200,"body":"{\"errors\":[{\"message\":\"Field x doesnt exist\",\"extensions\":{\"code\":\"undefinedField\"}}]}"}}]'
    elsewhere old exits 0 cloudfolio-sync --tenant octocat && says graphql_given_up && is 1 "$(count .graphql)" && cmp <(elsewhere old essence octocat) <(elsewhere graphql essence octocat)
}
check "an older GitHub, which doesn't understand the query: by REST" no_graphql
one_down() { # by REST: one repository whose languages never come doesn't stop the others
    elsewhere "down$1" add_tenant octocat
    reset
    faults "[{\"match\":{\"path\":\"/octocat/ky/languages\"},\"times\":1000,\"action\":{\"status\":$1}}]"
    CLOUDFOLIO_GITHUB_GRAPHQL=0 elsewhere "down$1" exits 0 cloudfolio-sync --tenant octocat && is "$2" "$(elsewhere "down$1" repo octocat ky '.state + " " + .reason')"
}
check "by REST one 451 doesn't stop the others" one_down 451 "failed legal"
check "by REST one 502 doesn't stop the others" one_down 502 "failed unavailable"

# --- seen in time ---------------------------------------------------------------------------------
same_second() { # two pushes in one second, with a sync between them: the list of repositories is the same
    local at
    at=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    push() {
        change octocat hono README.md "$1"
        set_metadata octocat hono "{\"pushedAt\":\"$at\",\"updatedAt\":\"$at\",\"diskUsage\":100}"
        by rest octocat && is "$1" "$(elsewhere rest content octocat hono '.documents[] | select(.kind == "readme") | .text')"
    }
    reset
    push "The first." && push "Another 1."
}
check "a second push in the same second is seen" same_second
elsewhere rest check "the store verifies" exits 0 cloudfolio verify
done_testing
