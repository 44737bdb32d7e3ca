#!/bin/bash
# cloudfolio without GitHub and without a model: names, exit codes, damage that is found, rollback and collection,
# JSON, full disks and closed pipes. BUILD names the folder of the programs.
. "$(dirname "$0")/lib.sh"
export CLOUDFOLIO_STORE="file:$WORK/store" CLOUDFOLIO_LOG=json
unset CLOUDFOLIO_JSON CLOUDFOLIO_DRY_RUN CLOUDFOLIO_SEARCH_LANGUAGES CLOUDFOLIO_LOG_LEVEL GITHUB_TOKEN
CONFIG=$WORK/store/tenants/octocat/config

says() { grep -q -F -e "$1" "$WORK/out" "$WORK/err" || { echo "nothing says: $1"; cat "$WORK/out" "$WORK/err"; return 1; }; }
quietly() { "$@" >/dev/null 2>&1; }
# both STATUS TEXT COMMAND…: the exit status, and what is said.
both() {
    local status=$1 text=$2
    shift 2
    exits "$status" "$@" && says "$text"
}
newest() { cloudfolio cat octocat config --marker | jq .version; }
marker_file() { printf '%s/v/%016x' "$CONFIG" $((0x7fffffffffffffff - $1)); }
# toggle N: N more versions of octocat's configuration.
toggle() {
    for i in $(seq "$1"); do
        if [ $((i % 2)) = 1 ]; then cloudfolio tenant disable octocat; else cloudfolio tenant add octocat; fi || return 1
    done >/dev/null
}

# --- command line ---------------------------------------------------------------------------------
check "no command" both 64 "a command is needed" cloudfolio
check "an unknown command names the nearest" both 64 '\"status\" is' cloudfolio statsu
check "an unknown subcommand, too" both 64 '\"tenant add\" is' cloudfolio tenant ad octocat
check "a word like no command" both 64 "is not a command; --help" cloudfolio xylophone
check "an option of another command" exits 64 cloudfolio status --keep 40
check "too few arguments" both 64 "an argument is missing" cloudfolio log octocat
check "too many arguments" both 64 "one argument is too many" cloudfolio doctor please
check "--keep below 32" exits 64 cloudfolio gc --keep 31
check "--help" both 0 "tenant add LOGIN" cloudfolio --help
check "version" both 0 "contract 1" cloudfolio version
check "version as JSON" is 1 "$(cloudfolio --json version | jq .contract)"
help_is_whole() {
    local name
    while read -r name; do
        # shellcheck disable=SC2086 # a command may be two words
        cloudfolio $name --help | grep -q "^  cloudfolio $name" || { echo "$name --help has no example"; return 1; }
    done < <(cloudfolio --help | sed -n 's/^  \([a-z]\+\( add\| list\| show\| disable\| set\| import\)\?\)\( \| *[A-Z\[]\).*/\1/p' | grep -v cloudfolio)
}
check "every command's --help has an example" help_is_whole

# --- stores ---------------------------------------------------------------------------------------
check "no store" both 64 "CLOUDFOLIO_STORE" env -u CLOUDFOLIO_STORE cloudfolio status
check "an unknown kind of store" exits 64 cloudfolio --store gopher://x tenant add octocat
check "a path that isn't absolute" exits 64 cloudfolio --store file:store tenant add octocat
check "reading where no store is" both 65 "tenant add" cloudfolio status
check "makes none" test ! -e "$WORK/store"
unwritable() {
    mkdir -m 555 "$WORK/readonly"
    chmod 755 "$WORK"
    if [ "$(id -u)" != 0 ]; then
        exits 77 cloudfolio --store "file:$WORK/readonly/store" tenant add octocat
    else
        cp "$BUILD/cloudfolio" "$WORK/cloudfolio"
        exits 77 setpriv --reuid=65534 --regid=65534 --clear-groups \
            "$WORK/cloudfolio" --store "file:$WORK/readonly/store" tenant add octocat
    fi
}
if [ "$(id -u)" != 0 ] || quietly setpriv --reuid=65534 --regid=65534 --clear-groups true; then
    check "a folder that can't be written" unwritable
else
    skip "a folder that can't be written" "root may write everywhere, and can't become nobody here"
fi

# --- tenants --------------------------------------------------------------------------------------
long=$(printf 'a%.0s' $(seq 40))
for name in "" "$long" a--b -a a- a_b_c ../x A/b 'a b' $'a\nb' "ä"; do
    check "\"$(printf %q "${name:0:12}")\" is no login" exits 64 cloudfolio tenant add -- "$name"
done
check "Octocat is one" both 0 "octocat added (config version 1)" cloudfolio tenant add Octocat
check "39 letters are one" exits 0 cloudfolio tenant add "${long:1}"
check "dev_acme is one" exits 0 cloudfolio tenant add dev_acme
check "adding again changes nothing" both 0 "already (config version 1)" cloudfolio tenant add octocat
check "disable" both 0 "octocat disabled (config version 2)" cloudfolio tenant disable OCTOCAT
check "status says so" both 0 "disabled" cloudfolio status octocat
check "add enables again" both 0 "octocat enabled (config version 3)" cloudfolio tenant add Octocat
check "show names it as GitHub does" both 0 "octocat (GitHub: Octocat) is enabled" cloudfolio tenant show octocat
check "list has three" is 3 "$(cloudfolio tenant list --json | jq '.tenants | length')"
check "disabling nobody" exits 65 cloudfolio tenant disable nobody
check "the state of nobody" exits 0 cloudfolio status nobody
check "verifying nobody" exits 65 cloudfolio verify nobody
racing() {
    local pids=() added=0 pid
    for i in 1 2 3 4 5 6 7 8; do
        cloudfolio tenant add racer >"$WORK/race.$i" 2>/dev/null &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || return 1; done
    added=$(cat "$WORK"/race.* | grep -c added)
    is 1 "$added" && is 1 "$(cloudfolio cat racer config --marker | jq .version)"
}
check "of 8 that add one tenant at once, one does" racing

# --- reading --------------------------------------------------------------------------------------
check "options may stand before and after" is 1 "$(cloudfolio --json log --limit 1 octocat config | jq '.versions | length')"
check "a dataset that isn't one names the nearest" both 64 '\"config\" is' cloudfolio log octocat confg
check "a version that isn't a number" exits 64 cloudfolio cat octocat config twelve
check "a version that isn't there" exits 65 cloudfolio cat octocat config 99
check "a dataset without versions" exits 65 cloudfolio cat octocat model
check "--marker and --blob together" exits 64 cloudfolio cat octocat config --marker --blob 12345678
check "a blob's prefix of 7 digits" exits 64 cloudfolio cat octocat config --blob 1234567
cat_is_exact() {
    local ref hash
    ref=$(cloudfolio cat octocat config 2 --marker | jq -r '.root | .sha256')
    hash=$(cloudfolio cat octocat config 2 | sha256sum | cut -c 1-64)
    is "$ref" "$hash" &&
        is "$ref" "$(zstd -dc "$CONFIG/b/0000000000000002/$ref" | sha256sum | cut -c 1-64)" &&
        is "$ref" "$(cloudfolio cat octocat config v2 --blob "${ref:0:8}" | sha256sum | cut -c 1-64)" &&
        cmp <(cloudfolio cat octocat config 2 --marker) "$(marker_file 2)"
}
check "cat gives the stored bytes" cat_is_exact
check "a blob that the version doesn't list" exits 65 cloudfolio cat octocat config --blob 0123456789abcdef
check "search without a model" both 65 "cloudfolio run octocat" cloudfolio search octocat anything
check "lineage of a config" both 0 "config 3" cloudfolio lineage octocat config
check "lineage without a model" exits 65 cloudfolio lineage octocat
check "runs when there are none" exits 0 cloudfolio runs
check "runs of no job" both 64 "orchestrate" cloudfolio runs --job orchestra
check "usage" exits 0 cloudfolio usage octocat

json_is_one_document() {
    local command
    for command in "tenant list" "tenant show octocat" "status" "status octocat" "log octocat config" "verify" \
        "gc --dry-run" "usage" "runs" "lineage octocat config" "rollback octocat config 1 --dry-run" "version" "doctor"; do
        # shellcheck disable=SC2086 # the words of a command
        cloudfolio --json $command 2>/dev/null >"$WORK/json"
        is "object 1" "$(jq -r type "$WORK/json") $(jq -s length "$WORK/json")" || { echo "$command"; return 1; }
    done
}
check "--json prints one document" json_is_one_document

# --- versions: log, rollback, collection ------------------------------------------------------------
check "47 more versions" toggle 47
check "log prints 20 of them" is 20 "$(cloudfolio log octocat config --json | jq '.versions | length')"
check "log prints all 50" is 50 "$(cloudfolio log octocat config --json --limit 100 | jq '.versions | length')"
check "newest first" is "50 49" "$(cloudfolio log octocat config --json | jq -r '[.versions[0,1].version] | join(" ")')"
check "rollback --dry-run" both 0 "config 51 would get the contents of config 1" cloudfolio rollback octocat config 1 --dry-run
check "commits nothing" is 50 "$(newest)"
check "rollback to what is there already" both 0 already cloudfolio rollback octocat config 50
check "rollback" both 0 "config 51 has the contents of config 1" cloudfolio rollback octocat config 1
check "is a new version" is 51 "$(newest)"
check "with the old bytes" cmp <(cloudfolio cat octocat config) <(cloudfolio cat octocat config 1)
check "gc --dry-run says what it would delete" is 18 "$(cloudfolio gc octocat --dry-run --json | jq '[.datasets[].markers] | add')"
check "and deletes nothing" exits 0 cloudfolio cat octocat config 2
check "gc --keep 100 deletes nothing" is 0 "$(cloudfolio gc octocat --keep 100 --json | jq '[.datasets[].markers] | add')"
check "gc" exits 0 cloudfolio gc octocat config
check "makes one version" is 52 "$(newest)"
check "keeps 32 behind the one it read" is "19 34" "$(cloudfolio log octocat config --json --limit 100 | jq -r '"\(.versions[-1].version) \(.versions | length)"')"
check "and the contents" is true "$(cloudfolio cat octocat config | jq .enabled)"
check "the floor is marked" both 0 floor cloudfolio log octocat config --limit 100
check "a version below it is gone" exits 65 cloudfolio cat octocat config 18
check "and can't be restored" exits 65 cloudfolio rollback octocat config 18
check "another gc makes no version" exits 0 cloudfolio gc octocat config
check "of a dataset at rest" is 52 "$(newest)"
check "all is clean" both 0 "clean: " cloudfolio verify

# --- gc --keep-runs ------------------------------------------------------------------------------------
days_ago() { date -u -d "$1 days ago" +%F; }
record() {
    mkdir -p "$STORE_DIR/tenants/octocat/runs/$1"
    echo '{}' >"$STORE_DIR/tenants/octocat/runs/$1/$2"
}
STORE_DIR=${CLOUDFOLIO_STORE#file:}
ID=01a20dbf8f5f-2b7bc3c1c9b43ecf
record "$(days_ago 36)" "sync-$ID.json"
record "$(days_ago 36)" "notes.txt"
record "$(days_ago 400)" "train-$ID.json"
record "$(days_ago 34)" "sync-$ID.json"
old_records() { find "$STORE_DIR/tenants/octocat/runs" -name "*$ID.json" | wc -l; }
check "gc leaves run records" eval 'exits 0 cloudfolio gc && is 3 "$(old_records)"'
check "gc --keep-runs 35 --dry-run counts them" is 2 "$(cloudfolio gc --keep-runs 35 --dry-run --json | jq .runs)"
check "and deletes none" is 3 "$(old_records)"
check "gc --keep-runs 35" both 0 "deleted 2 run records older than 35 days" cloudfolio gc --keep-runs 35
check "keeps those that are younger" is 1 "$(old_records)"
check "and what is no record" test -f "$STORE_DIR/tenants/octocat/runs/$(days_ago 36)/notes.txt"
check "nothing is left to delete" is 0 "$(cloudfolio gc octocat --keep-runs 35 --json | jq .runs)"
check "--keep-runs below 7, which usage looks back" exits 64 cloudfolio gc --keep-runs 6
rm -r "$STORE_DIR/tenants/octocat/runs/$(days_ago 36)" "$STORE_DIR/tenants/octocat/runs/$(days_ago 34)"

rollbacks_race() {
    local pids=() pid
    for i in 20 21 22 23; do
        cloudfolio rollback octocat config $i >/dev/null 2>"$WORK/err" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || { cat "$WORK/err"; return 1; }; done
    exits 0 cloudfolio verify octocat config
}
check "4 rollbacks at once leave one chain" rollbacks_race

# --- run: with scripts in place of the jobs ---------------------------------------------------------
mkdir "$WORK/bin"
cp "$BUILD/cloudfolio" "$WORK/bin/cloudfolio"
# job NAME SCRIPT
job() {
    printf '#!/bin/bash\necho "%s $*" >>"%s/jobs"\n%s\n' "$1" "$WORK" "$2" >"$WORK/bin/cloudfolio-$1"
    chmod 755 "$WORK/bin/cloudfolio-$1"
}
ran() { cut -d ' ' -f 1 "$WORK/jobs" 2>/dev/null | paste -s -d ' '; }
run_in_order() {
    job sync 'echo noise' && job orchestrate true && job train true
    CLOUDFOLIO_ALL=1 CLOUDFOLIO_TENANT=racer CLOUDFOLIO_EVENT=x exits 0 "$WORK/bin/cloudfolio" run Octocat --force --json || return 1
    is "sync orchestrate train" "$(ran)" && is "sync --store $CLOUDFOLIO_STORE --tenant octocat --force" "$(head -n 1 "$WORK/jobs")" &&
        is "3 0" "$(jq -r '"\(.jobs | length) \(.exit_status)"' "$WORK/out")"
}
check "run starts the three jobs in order" run_in_order
run_stops() {
    rm -f "$WORK/jobs"
    job orchestrate 'exit 69'
    exits 69 "$WORK/bin/cloudfolio" run octocat && is "sync orchestrate" "$(ran)"
}
check "and stops at the first that fails, with its status" run_stops
run_crash() {
    job orchestrate 'ulimit -c 0; kill -SEGV $$'
    exits 70 "$WORK/bin/cloudfolio" run octocat && job orchestrate 'kill -KILL $$' && exits 75 "$WORK/bin/cloudfolio" run octocat
}
check "a job that crashes is a bug, one that was killed can be repeated" run_crash
run_signal() {
    local pid status=0
    rm -f "$WORK/jobs"
    # shellcheck disable=SC2016 # the script's own
    job orchestrate 'trap "exit 75" TERM; for i in $(seq 100); do sleep 0.1; done'
    "$WORK/bin/cloudfolio" run octocat >"$WORK/out" 2>"$WORK/err" &
    pid=$!
    for _ in $(seq 100); do
        [ "$(ran)" = "sync orchestrate" ] && break
        sleep 0.1
    done
    sleep 0.2
    kill -TERM $pid
    wait $pid || status=$?
    is "75 sync orchestrate" "$status $(ran)"
}
check "a signal is passed on to the job" run_signal
run_missing() {
    rm "$WORK/bin/cloudfolio-train"
    job orchestrate true
    PATH=/usr/bin:/bin both 78 "cloudfolio-train is neither" "$WORK/bin/cloudfolio" run octocat
}
check "a job that isn't there" run_missing
check "run for a bad name" exits 64 "$WORK/bin/cloudfolio" run a--b

# --- export -----------------------------------------------------------------------------------------
exported() {
    exits 0 cloudfolio export octocat "$WORK/export" &&
        cmp "$WORK/export/config/root.json" <(cloudfolio cat octocat config) &&
        cmp "$WORK/export/config/marker.json" <(cloudfolio cat octocat config --marker)
}
check "export" exported
check "export into a folder that isn't empty" exits 64 cloudfolio export octocat "$WORK/export"
check "export of nobody" exits 65 cloudfolio export nobody "$WORK/nobody"
check "makes no folder" test ! -e "$WORK/nobody"

# --- damage -----------------------------------------------------------------------------------------
# damaged FILE COMMAND…: runs the command, then puts the file back.
damaged() {
    local file=$1 rc=0
    shift
    cp -p "$file" "$WORK/saved"
    "$@" || rc=1
    cp -p "$WORK/saved" "$file"
    return $rc
}
latest_marker() { find "$CONFIG/v" -type f | sort | head -n 1; }
not_json() {
    echo 'not JSON' >"$(latest_marker)"
    exits 65 cloudfolio status octocat && exits 65 cloudfolio cat octocat config && exits 65 cloudfolio log octocat config &&
        both 65 "$(basename "$(latest_marker)")" cloudfolio verify octocat
}
check "a marker that isn't JSON" damaged "$(latest_marker)" not_json
contract_2() {
    sed -i 's/"contract":1/"contract":2/' "$(latest_marker)"
    both 78 "contract 2" cloudfolio cat octocat config && exits 78 cloudfolio tenant disable octocat
}
check "a marker of contract 2" damaged "$(latest_marker)" contract_2
altered_marker() {
    sed -i 's/"job":"cloudfolio"/"job":"clodufolio"/' "$(marker_file 20)"
    both 65 "altered" cloudfolio verify octocat config
}
check "a marker that its child doesn't name" damaged "$(marker_file 20)" altered_marker
store_of_contract_2() {
    echo '{"contract":2}' >"$WORK/store/cloudfolio.json"
    exits 78 cloudfolio status && exits 78 cloudfolio tenant add octocat && exits 78 cloudfolio doctor
}
check "a store of contract 2" damaged "$WORK/store/cloudfolio.json" store_of_contract_2
store_of_nothing() {
    echo 'hello' >"$WORK/store/cloudfolio.json"
    exits 65 cloudfolio status
}
check "a store whose file isn't JSON" damaged "$WORK/store/cloudfolio.json" store_of_nothing
blob=$(find "$CONFIG/b" -type f -size +0 | sort | tail -n 1)
root_version=$((16#$(basename "$(dirname "$blob")")))
truncated_blob() {
    truncate -s -5 "$blob"
    exits 65 cloudfolio cat octocat config $root_version && says "${blob##*/}" && both 65 "${blob##*/}" cloudfolio verify octocat
}
check "a truncated blob" damaged "$blob" truncated_blob
altered_blob() {
    echo '{"blobs":[],"document":"config","enabled":false,"login":"mallory"}' | zstd -q -f -o "$blob"
    exits 65 cloudfolio cat octocat config $root_version && says "${blob##*/}" && both 65 "altered" cloudfolio verify octocat
}
check "an altered blob" damaged "$blob" altered_blob
enabled() { cloudfolio cat octocat config "$@" | jq .enabled; }
missing_blob() {
    if [ "$(enabled $root_version)" = "$(enabled)" ]; then # a rollback must have something to do
        if [ "$(enabled)" = true ]; then cloudfolio tenant disable octocat; else cloudfolio tenant add octocat; fi
    fi
    rm "$blob"
    both 65 "missing" cloudfolio verify octocat && exits 65 cloudfolio rollback octocat config $root_version
}
check "a missing blob" damaged "$blob" missing_blob
foreign() {
    mkdir -p "$WORK/store/tenants/octocat/junk" && echo x >"$WORK/store/tenants/octocat/junk/file"
    both 65 "foreign" cloudfolio verify && rm -r "$WORK/store/tenants/octocat/junk"
}
check "a folder that is no dataset" foreign
check "all is clean again" both 0 "clean: " cloudfolio verify

# --- where the output goes ----------------------------------------------------------------------------
pipe_closed() {
    local status
    cloudfolio --help 2>"$WORK/err" | true
    status=${PIPESTATUS[0]}
    [ "$status" = 69 ] || [ "$status" = 0 ] # 0: the whole text was taken before the reader ended
}
check "a closed pipe is no crash" pipe_closed
to_full() { "$@" >/dev/full; }
if [ -w /dev/full ]; then
    check "a full disk under stdout" exits 75 bash -c 'cloudfolio --help >/dev/full'
fi
control_characters() {
    cp "$(latest_marker)" "$WORK/saved"
    local seal # of the canonical form, which writes hexadecimal digits in upper case
    jq -cSj '.summary.evil = "\u001b[31mred\u0007" | del(.seal)' "$WORK/saved" | sed 's/\\u001b/\\u001B/' >"$WORK/evil"
    seal=$(sha256sum <"$WORK/evil")
    jq -cj --arg seal "${seal%% *}" '.seal = $seal' "$WORK/evil" >"$(latest_marker)"
    cloudfolio log octocat config >"$WORK/out" 2>&1
    cp "$WORK/saved" "$(latest_marker)"
    grep -q -F 'evil=\u001b[31mred\u0007' "$WORK/out" && ! grep -q $'\033' "$WORK/out"
}
check "control characters don't reach the terminal" control_characters

# --- doctor -------------------------------------------------------------------------------------------
check "doctor without a token" both 78 "is not set" cloudfolio doctor
doctor_keeps_the_secret() {
    GITHUB_TOKEN=s3cr3t cloudfolio doctor >"$WORK/out" 2>&1
    grep -q 'GITHUB_TOKEN *is set' "$WORK/out" && ! grep -q s3cr3t "$WORK/out"
}
check "doctor never prints the token" doctor_keeps_the_secret
check "doctor leaves nothing behind" test ! -e "$WORK/store/probe"

# --- a disk that is full --------------------------------------------------------------------------------
full_disk() {
    export CLOUDFOLIO_STORE="file:$WORK/small/store"
    exits 0 cloudfolio tenant add octocat || return 1
    dd if=/dev/zero of="$WORK/small/filler" bs=4k 2>/dev/null
    exits 75 cloudfolio tenant disable octocat || return 1
    rm "$WORK/small/filler"
    exits 0 cloudfolio verify && exits 0 cloudfolio tenant disable octocat && exits 0 cloudfolio gc && exits 0 cloudfolio verify
}
mkdir "$WORK/small"
if quietly mount -t tmpfs -o size=256k tmpfs "$WORK/small"; then
    check "a full disk" full_disk
    umount "$WORK/small"
else
    skip "a full disk" "mount isn't permitted here"
fi

done_testing
