#!/bin/bash
# Many syncs of a world that changes, against a GitHub that fails at random: nothing is lost, no limit is passed, and in the
# end all is as if nothing had happened. SOAK syncs (30; with RUN_ONCE=1 200); SEED repeats a run;
# SOAK_KEEP names a folder for the files of a sync that went wrong.
. "$(dirname "$0")/sync_lib.sh"
SYNCS=${SOAK:-30}
[ "${RUN_ONCE:-0}" = 1 ] && SYNCS=${SOAK:-200}
SEED=${SEED:-7}
RANDOM=$SEED
declare -A hits exits_seen
declare -i limits_met=0
start_github
add_tenant octocat
add_tenant Mona-Lisa

# pick WORD…: one of them, in $picked. Not by $( ), which would have random numbers of its own.
pick() {
    local at=$((RANDOM % $# + 1))
    picked=${!at}
}

# The truth: what the stand-in holds of the two accounts.
oracle() {
    control world | jq -c '[.repos[] | select((.owner == "octocat" or .owner == "Mona-Lisa") and (.deleted | not) and (.isPrivate | not)) | {id, owner, name, head}]' >"$WORK/world.json"
    mapfile -t NAMES < <(jq -r '.[] | "\(.owner) \(.name)"' "$WORK/world.json")
}

# --- changes --------------------------------------------------------------------------------------
change_something() {
    local owner name text=$RANDOM$RANDOM other
    pick "${NAMES[@]}"
    read -r owner name <<<"$picked"
    pick readme readme code code document describe topics archive star rename branch create create transfer delete gone
    case $picked in
        readme) change "$owner" "$name" README.md "# $name $text" ;;
        code) change "$owner" "$name" "src/file$((RANDOM % 9)).c" "int x = $text;" ;;
        document) change "$owner" "$name" ARCHITECTURE.md "Architecture $text" ;;
        describe) set_metadata "$owner" "$name" "{\"description\":\"$text\"}" ;;
        topics) set_metadata "$owner" "$name" "{\"topics\":[\"t$text\"]}" ;;
        archive) set_metadata "$owner" "$name" '{"isArchived":true}' ;;
        star) set_metadata "$owner" "$name" "{\"stargazerCount\":$RANDOM}" ;;
        rename) set_metadata "$owner" "$name" "{\"name\":\"n$text\"}" ;;
        branch) set_metadata "$owner" "$name" "{\"defaultBranch\":\"b$text\"}" ;;
        create) control create "{\"owner\":\"$owner\",\"repo\":\"c$text\",\"files\":{\"README.md\":\"Created $text\"}}" >/dev/null ;;
        transfer)
            other=octocat
            [ "$owner" = octocat ] && other=Mona-Lisa
            control transfer "{\"owner\":\"$owner\",\"repo\":\"$name\",\"to\":\"$other\"}" >/dev/null
            ;;
        delete | gone) [ "${#NAMES[@]}" -gt 50 ] && set_metadata "$owner" "$name" '{"deleted":true}' ;;
    esac 2>/dev/null
    oracle
}

# --- faults ---------------------------------------------------------------------------------------
some_repository() {
    pick "${NAMES[@]}"
    picked=${picked#* }
}
# A rule in $rule.
make_rule() {
    local match action
    pick '"kind":"any"' '"kind":"rest"' '"kind":"graphql"' '"route":"trees"' '"route":"blobs"' '"route":"branches"' '"route":"languages"' '"route":"repos"' \
        '"operation":"Listing"' '"operation":"Files"'
    match=$picked
    pick status status status 403 429 delay before after cut html partial partial heavy primary primary secondary secondary
    case $picked in
        status) pick 500 502 503 504 && action="\"status\":$picked" ;;
        403 | 429) action="\"status\":$picked" ;;
        delay) action="\"delayMs\":$((RANDOM % 300))" ;;
        before | after) action="\"drop\":\"$picked\"" ;;
        cut) action="\"truncateBody\":$((RANDOM % 400 + 1))" ;;
        html) pick 200 502 && action="\"html\":true,\"status\":$picked" ;;
        partial)
            match='"kind":"graphql"'
            some_repository
            pick "$picked" "$picked:description" "$picked:defaultBranchRef" "$picked:licenseInfo" "r$((RANDOM % 9))" "d$((RANDOM % 3))"
            action="\"partial\":{\"$picked\":\"SERVICE_UNAVAILABLE\"}"
            ;;
        heavy) match='"kind":"graphql"' && pick true 0 3 0.9 && action="\"resourceLimits\":$picked" ;;
        primary) pick 1 1 2 300 && action="\"rateLimited\":\"primary\",\"resetIn\":$picked" ;;
        secondary)
            pick 1 1 2 null && action="\"retryAfter\":$picked"
            pick secondary200 secondary403 secondary429
            [ "$picked" = secondary200 ] && match='"kind":"graphql"'
            action="\"rateLimited\":\"$picked\",$action"
            ;;
    esac
    rule="{\"match\":{$match},\"times\":$((RANDOM % 4 + 1)),\"probability\":0.$((RANDOM % 7 + 3)),\"seed\":$RANDOM,\"action\":{$action}}"
}
make_faults() {
    local rules='' i count=$((RANDOM % 5))
    for ((i = 0; i < count; i++)); do
        make_rule
        rules+="${rules:+,}$rule"
    done
    [ -z "$rules" ] || faults "[$rules]"
}

# --- what must hold after each sync -----------------------------------------------------------------
# No request began between an answer that says so and the end of its limit, but for the seven that were under way.
limits_held() {
    local found
    found=$(jq -n -c --slurpfile log "$WORK/log.json" --slurpfile faults "$WORK/faults.json" '
        def at: (.time[0:19] + "Z" | fromdate) * 1000 + (.time[20:23] | tonumber);
        $log[0] as $log
        | [$faults[0] | to_entries[] | .key as $rule | .value.action
            | (if .rateLimited == "primary" then {primary: true, s: (.resetIn // 3600)}
               elif .rateLimited then {s: (if has("retryAfter") then (.retryAfter // 60) else 60 end)}
               elif .status == 429 then {s: 60} else empty end) + {$rule}] as $limits
        | $log[] as $l | $limits[] | select($l.fault == .rule and $l.status != 0) | . as $limit
        | (($l | at) + $l.ms) as $ended
        | (if .primary then (($ended / 1000 | floor) + .s) * 1000 else $ended + .s * 1000 - 20 end) as $until
        | [$log[] | select(.n > $l.n and at > $ended and at < $until and (.fault != $limit.rule)
            and ($limit.primary == null or (.path == "/graphql") == ($l.path == "/graphql")))]
        | select(length > (if $l.path == "/graphql" then 0 else 7 end))
        | "\(length) requests after the limit at \($l.time) of rule \($limit.rule): \(.[0].time)"') || return 1
    [ -z "$found" ] || { echo "$found"; return 1; }
}
# Every repository that was in the last version and that GitHub still has for this account is in the new one; what is
# current is what GitHub has; what was kept is what it was.
nothing_lost() {
    local found
    found=$(jq -n -c --arg owner "$1" --slurpfile world "$WORK/world.json" --slurpfile before "$WORK/$1.before" --slurpfile now "$WORK/$1.now" '
        ($world[0] | map(select(.owner == $owner))) as $has
        | (($before[0].repositories // []) | map({key: (.id | tostring), value: .}) | from_entries) as $was
        | ($now[0].repositories | map({key: (.id | tostring), value: .}) | from_entries) as $is
        | ($has | map({key: (.id | tostring), value: .}) | from_entries) as $true
        | ($has[] | (.id | tostring) as $id | select($was[$id] and ($is[$id] | not)) | "lost: \(.name)"),
          ($now[0].repositories[] | (.id | tostring) as $id
            | if .state == "current" and ($true[$id] | not) then "invented: \(.name)"
              elif .state == "current" and .commit != $true[$id].head then "not what GitHub has: \(.name)"
              elif .state == "kept" and ([.tree, .commit, .content, .fingerprint, .name] != ($was[$id] | [.tree, .commit, .content, .fingerprint, .name])) then "kept, and yet changed: \(.name)"
              elif .state == "empty" and $true[$id].head then "emptied: \(.name)"
              else empty end)') || return 1
    [ -z "$found" ] || { echo "$found"; return 1; }
}

one_sync() {
    local tenant=$1 status=0 was
    was=$(version "${tenant,,}")
    document "${tenant,,}" >"$WORK/$tenant.before" 2>/dev/null || echo '{}' >"$WORK/$tenant.before"
    CLOUDFOLIO_GITHUB_GRAPHQL=$2 timeout 120 cloudfolio-sync --tenant "${tenant,,}" --time-limit 6 >/dev/null 2>"$WORK/err" || status=$?
    exits_seen[$status]=$((${exits_seen[$status]:-0} + 1))
    control faults >"$WORK/faults.json"
    control log >"$WORK/log.json"
    limits_held || return 1
    case $status in
        0 | 69 | 75 | 77) ;;
        *) echo "exit status $status" && tail -n 1 "$WORK/err" && return 1 ;;
    esac
    if [ "$(version "${tenant,,}")" != "$was" ]; then
        document "${tenant,,}" >"$WORK/$tenant.now"
        nothing_lost "$tenant" || return 1
    fi
}

count_faults() {
    local kind n
    while read -r kind n; do
        hits[$kind]=$((${hits[$kind]:-0} + n))
        case $kind in primary* | secondary* | status:429) limits_met+=n ;; esac
    done < <(jq -r '.[] | select(.hits > 0) | .hits as $n | .action
        | (if .rateLimited then .rateLimited elif .html then "html:\(.status)" elif .status then "status:\(.status)" elif .delayMs then "delay"
           elif .drop then "drop:\(.drop)" elif .truncateBody then "truncated" elif .partial then "partial" else "resourceLimits" end) + " \($n)"' "$WORK/faults.json")
}

soak() {
    local i tenant changes graphql
    for ((i = 1; i <= SYNCS; i++)); do
        reset
        pick 0 0 1 1 2 3
        changes=$picked
        for ((; changes > 0; changes--)); do
            change_something
        done
        make_faults
        pick octocat octocat Mona-Lisa
        tenant=$picked
        pick 1 1 1 0
        graphql=$picked
        if ! one_sync "$tenant" "$graphql"; then
            echo "sync $i of $SYNCS, of $tenant, GraphQL $graphql, SEED=$SEED, with the faults"
            jq -c '.[]' "$WORK/faults.json"
            [ -z "${SOAK_KEEP:-}" ] || cp "$WORK/err" "$WORK"/*.json "$WORK"/*.before "$WORK"/*.now "$SOAK_KEEP"
            return 1
        fi
        count_faults
    done
    reset
    for tenant in octocat Mona-Lisa; do
        exits 0 cloudfolio-sync --tenant "${tenant,,}" && fresh "${tenant,,}" fresh && same_essence "${tenant,,}" fresh || return 1
    done
    exits 0 cloudfolio verify
}

oracle
soak >"$WORK/verdict" 2>&1 # in this shell: it counts
status=$?
check "$SYNCS syncs among faults end as one without them" eval "cat \"$WORK/verdict\"; exit_with() { return \$1; }; exit_with $status"
echo "# syncs $SYNCS, seed $SEED, versions: octocat $(version octocat), Mona-Lisa $(version mona-lisa); limits met: $limits_met"
echo "# exit statuses:$(for s in $(printf '%s\n' "${!exits_seen[@]}" | sort -n); do printf ' %s: %s' "$s" "${exits_seen[$s]}"; done)"
echo "# faults:$(for f in $(printf '%s\n' "${!hits[@]}" | sort); do printf ' %s %s,' "$f" "${hits[$f]}"; done | sed 's/,$//')"
done_testing
