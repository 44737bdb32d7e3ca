#!/bin/bash
# The whole chain on S3 servers, radosgw and moto, exactly as on file: — the same request counts, the same contents,
# which a copy of all keys carries from one store to another; what doctor finds; and what a wrong setting ends with.
# BUILD names the folder of the programs.
. "$(dirname "$0")/../e2e/lib.sh"
unset CLOUDFOLIO_JSON CLOUDFOLIO_DRY_RUN CLOUDFOLIO_SHARD CLOUDFOLIO_STORE CLOUDFOLIO_LOG_LEVEL AWS_SESSION_TOKEN
unset AWS_ENDPOINT_URL AWS_DEFAULT_REGION AWS_PROFILE AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
unset AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_AUTHORIZATION_TOKEN AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
export CLOUDFOLIO_LOG=json NO_PROXY=127.0.0.1 AWS_EC2_METADATA_DISABLED=true
BEGAN=$SECONDS
MOTO=
SPOILED=
BACKGROUND=()
BUCKET=cloudfolio
T=octocat

for program in ceph-mon ceph-osd radosgw radosgw-admin; do
    if ! command -v "$program" >/dev/null; then
        skip "the chain on S3 servers" "$program is missing: apt-get install ceph-mon ceph-osd radosgw ceph-common"
        done_testing
    fi
done

# ends PID…: of what was started here.
ends() {
    local pid
    for pid in "$@"; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
}
finish_all() {
    # shellcheck disable=SC2086 # each may be empty
    ends $MOTO $SPOILED "${BACKGROUND[@]}"
    tests/store/radosgw.sh stop "$WORK/rgw" >/dev/null 2>&1
    finish
}
trap finish_all EXIT

# --- servers ---------------------------------------------------------------------------------------
tests/store/radosgw.sh start "$WORK/rgw" >"$WORK/rgw.env" 2>"$WORK/rgw.err" &
RGW=$!

# start_moto: in the background; MOTO_ENDPOINT is set once it answers and has its bucket.
start_moto() {
    local port tries
    while port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000)) && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    moto_server -H 127.0.0.1 -p "$port" >"$WORK/moto.log" 2>&1 &
    MOTO=$!
    for ((tries = 0; tries < 300; tries++)); do
        curl -sf -o /dev/null -X PUT "http://127.0.0.1:$port/$BUCKET" && MOTO_ENDPOINT=http://127.0.0.1:$port && return
        sleep 0.1
    done
}
MOTO_ENDPOINT=
command -v moto_server >/dev/null && start_moto
start_github
wait "$RGW" || { echo "Bail out! radosgw did not start: $(tail -n 3 "$WORK/rgw.err")"; exit 1; }
set -a
. "$WORK/rgw.env"
set +a

KINDS=(file rgw)
[ -z "$MOTO_ENDPOINT" ] || KINDS+=(moto)
S3=("${KINDS[@]:1}")
url() {
    case $1 in
    file) echo "file:$WORK/store" ;;
    *) echo "s3://$BUCKET/chain" ;;
    esac
}
# with KIND COMMAND…: at that kind's server.
with() {
    local kind=$1
    shift
    if [ "$kind" = moto ]; then
        env AWS_ENDPOINT_URL_S3="$MOTO_ENDPOINT" AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test "$@"
    else
        env "$@"
    fi
}
# on KIND COMMAND…: with its store.
on() { with "$1" CLOUDFOLIO_STORE="$(url "$1")" "${@:2}"; }

# --- the conformance suite, beside what follows --------------------------------------------------------
conformance() {
    local kind=$1 rc=0
    with "$kind" tests/store/conformance.sh "s3://$BUCKET/conformance" >"$WORK/conformance.$kind" 2>&1 || rc=$?
    echo $rc >"$WORK/conformance.$kind.rc"
}
for kind in "${S3[@]}"; do
    conformance "$kind" &
    BACKGROUND+=($!)
done
if [ -z "$MOTO_ENDPOINT" ]; then
    if command -v moto_server >/dev/null; then
        check "moto starts" cat "$WORK/moto.log" /nonexistent
    else
        skip "everything on moto" "moto_server is not on the PATH: pip install 'moto[server]'"
    fi
fi

# --- the chain, step by step on every store, since a step changes the world for all ----------------------
# Hashes of markers hold random bits, so what names one by it is compared without it.
root() {
    on "$1" cloudfolio cat $T "$2" 2>/dev/null |
        jq -cS 'walk(if type == "object" and has("version") and has("sha256") and (has("bytes") | not) then del(.sha256) else . end)'
}
# same NAME FUNCTION…: what FUNCTION KIND prints is the same on every store, and not nothing.
same() {
    local name=$1 kind want
    shift
    want=$("$1" file "${@:2}" 2>&1)
    for kind in "${S3[@]}"; do
        check "$kind: $name" is_same "$want" "$("$1" "$kind" "${@:2}" 2>&1)"
    done
}
is_same() {
    if [ -z "$1" ] || [ "$1" != "$2" ]; then
        diff <(echo "$1") <(echo "$2") | cut -c1-300 | head -n 12
        return 1
    fi
}
same_roots() {
    local dataset
    for dataset in config repos bundle request model; do
        same "$1: the root of $dataset is that of file:" root $dataset
    done
}
# run KIND: what a whole run asks of GitHub.
run() {
    control reset '{}' >/dev/null
    on "$1" cloudfolio run $T >"$WORK/run.out" 2>"$WORK/run.err" || { echo "exit status $?"; tail -n 3 "$WORK/run.err"; }
    control counters | jq -c '[.total, .points]'
}
versions() {
    local dataset
    for dataset in config repos bundle request model; do
        on "$1" cloudfolio log $T $dataset --json | jq -c '[.versions[] | [.dataset, .version, .floor, .producer.job, .summary]]'
    done
}
hits() { on "$1" cloudfolio search $T "${2:-sign and verify JSON web tokens}" --json; }

for kind in "${KINDS[@]}"; do
    check "$kind: tenant add" exits 0 on "$kind" cloudfolio tenant add Octocat
done
same "a first run asks GitHub as often as on file:" run
same_roots "first run"
same "search finds the same" hits
check "and finds it" is jose "$(hits rgw | jq -r '.hits[0].project')"
same "nothing changed: as many requests" run
check "which are 2" is 2 "$(run rgw | jq '.[0]')"
control change '{"owner":"octocat","repo":"ky","files":{"README.md":"# ky\n\nUploads satellite pictures with retries.\n"}}' >/dev/null
same "one change: as many requests" run
same_roots "one change"
check "and it is found" is ky "$(hits rgw 'upload satellite pictures' | jq -r '.hits[0].project')"

# --- every command -----------------------------------------------------------------------------------------
status() { on "$1" cloudfolio status $T --json | jq -cS '[paths(scalars) as $p | $p | map(select(type == "string"))] | unique'; }
lineage() { on "$1" cloudfolio lineage $T model --json | jq -r '.. | objects | select(has("dataset") and has("version")) | "\(.dataset) \(.version)"'; }
files() { on "$1" cloudfolio cat $T model | jq -c '[.current.files[] | [.path, .sha256]]'; }
card() { on "$1" cloudfolio cat $T model --file README.md; }
same "log shows the same versions" versions
same "status has the same fields" status
same "lineage goes through the same versions" lineage
same "the model has the same files" files
same "cat --file gives the same" card
rollback() { on "$1" cloudfolio rollback $T model 1 --json | jq -c .version; }
same "rollback makes the same version" rollback
for kind in "${KINDS[@]}"; do
    if [ "$kind" != file ]; then
        check "$kind: verify is clean" exits 0 on "$kind" cloudfolio verify
        check "$kind: runs" exits 0 on "$kind" cloudfolio runs $T
        check "$kind: it lists sync, orchestrate and train" test "$(on "$kind" cloudfolio runs $T --json | jq '[.runs[].job] | unique | length')" -ge 3
        check "$kind: usage" exits 0 on "$kind" cloudfolio usage
        check "$kind: tenant list" grep -q -i octocat <(on "$kind" cloudfolio tenant list)
    fi
    on "$kind" cloudfolio export $T "$WORK/export.$kind" >/dev/null 2>&1
done
for kind in "${S3[@]}"; do
    check "$kind: export gives the same files" diff -r "$WORK/export.file/model/files" "$WORK/export.$kind/model/files"
done
check "which are some" test "$(find "$WORK/export.rgw/model/files" -type f | wc -l)" -ge 3

# gc: enough versions of a configuration, then a collection, which raises the floor and deletes.
toggle() {
    for _ in $(seq 23); do
        { on "$1" cloudfolio tenant disable Octocat && on "$1" cloudfolio tenant add Octocat; } >/dev/null 2>"$WORK/err" || { tail -n 2 "$WORK/err"; return 1; }
    done
    echo "46 more"
}
collect() {
    on "$1" cloudfolio gc $T >/dev/null 2>"$WORK/err" || { echo "exit status $?"; tail -n 2 "$WORK/err"; }
    on "$1" cloudfolio log $T config --json --limit 100 | jq -c '[.versions[].version]'
}
same "46 more versions" toggle
same "gc leaves the same versions" collect
same_roots "after gc"
for kind in "${S3[@]}"; do
    check "$kind: verify is clean after it" exits 0 on "$kind" cloudfolio verify
done
check "no key reached the stores" test -z "$(grep -rlF -e "$AWS_SECRET_ACCESS_KEY" -e "$AWS_ACCESS_KEY_ID" -e "$GITHUB_TOKEN" "$WORK/store" "$WORK/export.rgw")"

# --- a copy of all keys is the store ---------------------------------------------------------------------------
# copy FROM TO: of URLs; moved by the aws command when it is there.
copy() {
    local from=${1#file:} to=${2#file:}
    if command -v aws >/dev/null; then
        AWS_MAX_ATTEMPTS=10 aws --endpoint-url "$AWS_ENDPOINT_URL_S3" s3 sync --only-show-errors "$from" "$to"
    else
        store_copy "$1" "$2"
    fi
}
HOW=$(command -v aws >/dev/null && echo "aws s3 sync" || echo "store_copy")
moved() {
    local name=$1 from=$2 to=$3
    check "$name" copy "$from" "$to"
    check "$name: verify is clean" exits 0 cloudfolio --store "$to" verify
    check "$name: search gives the same" is_same "$(hits rgw)" "$(cloudfolio --store "$to" search $T 'sign and verify JSON web tokens' --json)"
    check "$name: the same keys" is_same "$(store_copy --list "$from")" "$(store_copy --list "$to")"
    check "$name: a job goes on from it" exits 0 cloudfolio --store "$to" run $T
}
moved "s3: to file: by $HOW" "$(url rgw)" "file:$WORK/moved"
moved "file: to s3: by $HOW" "$(url file)" "s3://$BUCKET/moved"
[ -z "$MOTO_ENDPOINT" ] || check "moto: its store copied to file: verifies" eval \
    'with moto store_copy "$(url moto)" "file:$WORK/moved.moto" && exits 0 cloudfolio --store "file:$WORK/moved.moto" verify'

# --- what is wrong is said in one line -----------------------------------------------------------------------------
# refused STATUS TEXT COMMAND…: one error, which says the text, and no secret anywhere.
refused() {
    local want=$1 text=$2
    shift 2
    exits "$want" "$@" || return 1
    is 1 "$(grep -c '"level":"error"' "$WORK/err")" || { cat "$WORK/err"; return 1; }
    grep -q -F -e "$text" "$WORK/err" || { echo "nothing says: $text"; cat "$WORK/err"; return 1; }
    ! grep -q -F -e "$AWS_SECRET_ACCESS_KEY" -e "a-wrong-secret" -e "AWS4-HMAC" -e "Signature=" "$WORK/err" || { echo "a secret is shown"; return 1; }
}
export CLOUDFOLIO_STORE=s3://$BUCKET/chain
check "an access key that nobody knows: 77" refused 77 "access key is not known" env AWS_ACCESS_KEY_ID=NOBODY cloudfolio status
check "a wrong secret: 77" refused 77 "signature does not match" env AWS_SECRET_ACCESS_KEY=a-wrong-secret cloudfolio status
check "the jobs say it too" refused 77 "signature does not match" env AWS_SECRET_ACCESS_KEY=a-wrong-secret cloudfolio-orchestrate --tenant $T
check "no credentials: 78" refused 78 "no AWS credentials" env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY cloudfolio status
check "half of them: 78" refused 78 "AWS_ACCESS_KEY_ID is not set" env -u AWS_ACCESS_KEY_ID cloudfolio status
check "no such bucket: 78" refused 78 "there is no bucket nosuchbucket" cloudfolio --store s3://nosuchbucket/x status
check "an endpoint where nobody listens: 69" refused 69 "127.0.0.1 port 1" env AWS_ENDPOINT_URL_S3=http://127.0.0.1:1 cloudfolio status
check "plain http to another machine: 78" refused 78 "http to a loopback address" env AWS_ENDPOINT_URL_S3=http://s3.example.com cloudfolio status
check "an empty prefix is no store yet: 65" refused 65 "tenant add" cloudfolio --store s3://$BUCKET/nothing status
check "a bucket's name that is none: 64" refused 64 "s3://bucket" cloudfolio --store s3://a status

# --- conformance.sh itself, and doctor -----------------------------------------------------------------------------------
check "conformance.sh: no such bucket" exits 78 tests/store/conformance.sh s3://nosuchbucket
check "it says what to do" grep -q -F "doctor" "$WORK/err"
check "conformance.sh: another kind of store" exits 64 tests/store/conformance.sh "file:$WORK/store"

# finds STATUS CHECK OK TEXT COMMAND…: a line of doctor's.
finds() {
    local want=$1 name=$2 ok=$3 text=$4
    shift 4
    exits "$want" "$@" --json || return 1
    jq -e --arg name "$name" --argjson ok "$ok" --arg text "$text" \
        '.checks[] | select(.check == $name) | .ok == $ok and (.detail | contains($text)) and ((.advice != null) or $ok)' "$WORK/out" >/dev/null ||
        { jq -c '.checks[] | [.check, .ok, .detail, .advice]' "$WORK/out"; return 1; }
    ! grep -q -F -e "$AWS_SECRET_ACCESS_KEY" -e "a-wrong-secret" "$WORK/out" "$WORK/err" || { echo "a secret is shown"; return 1; }
}
for kind in "${S3[@]}"; do
    check "$kind: doctor: the endpoint" finds 0 endpoint true "region us-east-1, path addressing" on "$kind" cloudfolio doctor
    check "$kind: doctor: credentials" finds 0 credentials true "from the environment" on "$kind" cloudfolio doctor
    check "$kind: doctor: conditional create" finds 0 "conditional create" true "refused" on "$kind" cloudfolio doctor
    check "$kind: doctor: races" finds 0 "8 racing writers" true "one of them won" on "$kind" cloudfolio doctor
    check "$kind: doctor: list" finds 0 list true "in order" on "$kind" cloudfolio doctor
    check "$kind: doctor leaves nothing" test -z "$(with "$kind" store_copy --list "$(url "$kind")" | grep '^probe/')"
done
check "doctor: a wrong secret" finds 77 "store is reachable" false "signature does not match" env AWS_SECRET_ACCESS_KEY=a-wrong-secret cloudfolio doctor
check "doctor: no such bucket" finds 78 "store is reachable" false "no bucket nosuchbucket" cloudfolio --store s3://nosuchbucket/x doctor
check "doctor: no credentials" finds 78 credentials false "no AWS credentials" env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY cloudfolio doctor
check "doctor: plain http" finds 78 store false "http to a loopback address" env AWS_ENDPOINT_URL_S3=http://s3.example.com cloudfolio doctor

# A bucket with versioning, where radosgw ignores the condition. Signature Version 2 is one line of openssl.
versioned() {
    local path date signature body='<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    for path in versioned 'versioned?versioning'; do
        date=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT')
        signature=$(printf 'PUT\n\n\n%s\n/%s' "$date" "$path" | openssl dgst -sha1 -hmac "$AWS_SECRET_ACCESS_KEY" -binary | base64)
        curl -sSf -X PUT -H "Date: $date" -H "Authorization: AWS $AWS_ACCESS_KEY_ID:$signature" -H 'Content-Type:' \
            -d "$([[ $path != *\?* ]] || echo "$body")" "$AWS_ENDPOINT_URL_S3/$path" || return 1
    done
}
check "a bucket with versioning on" versioned
check "doctor: it can't be committed to" finds 78 "conditional create" false "replace an object that existed" cloudfolio --store s3://versioned/x doctor
check "nor is it" refused 78 "can't be committed to" cloudfolio --store s3://versioned/x tenant add octocat

# A server whose clock is off by so many seconds, and that gives credentials, as a container's service does.
cat >"$WORK/spoiled.mjs" <<'JS'
import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
createServer((request, response) => {
    const [, kind, seconds] = request.url.split('/');
    if (kind === 'credentials') {
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify({ AccessKeyId: process.env.AWS_ACCESS_KEY_ID, SecretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
            Token: 'a-wrong-secret-token', Expiration: '2099-01-02T03:04:05Z' }));
        return;
    }
    response.statusCode = 403;
    response.setHeader('Date', new Date(Date.now() + 1000 * Number(seconds)).toUTCString());
    response.end(`<Error><Code>${kind}</Code></Error>`);
}).listen(0, '127.0.0.1', function () { writeFileSync(process.argv[2], String(this.address().port)); });
JS
node "$WORK/spoiled.mjs" "$WORK/spoiled.port" &
SPOILED=$!
for _ in $(seq 100); do
    [ -s "$WORK/spoiled.port" ] && break
    sleep 0.1
done
OFF=http://127.0.0.1:$(cat "$WORK/spoiled.port")
check "doctor: 2 minutes behind is a warning" finds 77 "clock skew" true "s behind the store's" env AWS_ENDPOINT_URL_S3="$OFF/AccessDenied/120" cloudfolio doctor
check "with advice" jq -e '.checks[] | select(.check == "clock skew") | .advice | contains("clock")' "$WORK/out"
check "doctor: 20 minutes ahead is a failure" finds 78 "clock skew" false "s ahead of the store's" env AWS_ENDPOINT_URL_S3="$OFF/RequestTimeTooSkewed/-1200" cloudfolio doctor
check "doctor: credentials of a container, and their end" finds 77 credentials true "from the container, until 2099-01-02T03:04:05Z" \
    env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL_S3="$OFF/AccessDenied/0" AWS_CONTAINER_CREDENTIALS_FULL_URI="$OFF/credentials" cloudfolio doctor
check "doctor: a credentials service that isn't there" finds 69 credentials false "credentials from the container" \
    env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1/x cloudfolio doctor

# --- many writers and collectors at once -------------------------------------------------------------------------------------
check "hammer on radosgw, with a collector" hammer --store "s3://$BUCKET/hammer" --seconds 5 --processes 6 --collect
echo "# $(tail -n 1 "$WORK/check.out")"

for kind in "${S3[@]}"; do
    for _ in $(seq 1800); do
        [ -s "$WORK/conformance.$kind.rc" ] && break
        sleep 0.1
    done
    sed 's/^\([^#]\)/# \1/' "$WORK/conformance.$kind"
    check "$kind: the conformance suite" is 0 "$(cat "$WORK/conformance.$kind.rc" 2>/dev/null)"
    check "$kind: it left nothing" test -z "$(with "$kind" store_copy --list "s3://$BUCKET/conformance")"
done
echo "# $((SECONDS - BEGAN)) s"
done_testing
