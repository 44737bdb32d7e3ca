#!/bin/bash
# Puts and gets 2,000 objects of 8 KiB and one of 256 MiB with rclone, aws-cli, s3cmd and cf_store_run, on one radosgw
# that it starts and stops; prints a Markdown table and whether the goals are met. README.md says how to read it.
#
#   RUNS=3 PEER_RUNS=1 OBJECTS=2000 LARGE_MIB=256 run.sh
#
# RUNS is for rclone and ours, in turn; PEER_RUNS for the others, which are slow and no goal depends on.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."
runs=${RUNS:-3} peer_runs=${PEER_RUNS:-1} objects=${OBJECTS:-2000} large=${LARGE_MIB:-256}
few=200 # of s3cmd, which has one connection
store=$PWD/build/bench/store

for program in ceph-mon ceph-osd radosgw; do
    command -v $program >/dev/null || { echo "skipped: the package of $program is not installed"; exit 0; }
done
make -s build/bench/store >&2
work=$(mktemp -d)
fixture=$PWD/tests/store/radosgw.sh
trap '"$fixture" stop "$work/radosgw" || true; rm -rf "$work"' EXIT

# Its environment is read from the file: its output must not be held open by the servers.
"$fixture" start "$work/radosgw" >"$work/started" 2>"$work/messages" || { cat "$work/messages" >&2; exit 1; }
set -a
. "$work/radosgw/environment"
set +a
unset AWS_ENDPOINT_URL AWS_SESSION_TOKEN AWS_PROFILE AWS_DEFAULT_REGION AWS_CA_BUNDLE HTTP_PROXY http_proxy
export AWS_EC2_METADATA_DISABLED=true AWS_PAGER= CLOUDFOLIO_LOG_LEVEL=error

cd "$work"
mkdir small few
head -c $((objects * 8192)) /dev/urandom | split -b 8192 -a 5 -d - small/o
ls small >small.names
head -n $few small.names >few.names
xargs -I NAME cp small/NAME few/ <few.names
head -c $((large << 20)) /dev/urandom >large

# --- clients: put and get a folder, put and get one file -------------------------------------------

export RCLONE_CONFIG=/dev/null RCLONE_S3_PROVIDER=Ceph RCLONE_S3_ENV_AUTH=true RCLONE_S3_REGION=$AWS_REGION
export RCLONE_S3_ENDPOINT=$AWS_ENDPOINT_URL_S3 RCLONE_TRANSFERS=32 RCLONE_CHECKERS=32
rclone_put() { measure "$1" rclone copy "$2" ":s3:cloudfolio/$3"; }
rclone_get() { measure "$1" rclone copy ":s3:cloudfolio/$3" "$2"; }
rclone_put_one() { measure "$1" rclone copyto large ":s3:cloudfolio/$2/large"; }
rclone_get_one() { measure "$1" rclone copyto ":s3:cloudfolio/$2/large" got.large; }

cat >aws.config <<CONF
[default]
region = $AWS_REGION
s3 =
    max_concurrent_requests = 32
    addressing_style = path
CONF
export AWS_CONFIG_FILE=$work/aws.config
aws=${AWS:-$(command -v aws || true)}
aws() { local file=$1; shift; measure "$file" "$aws" --endpoint-url "$AWS_ENDPOINT_URL_S3" s3 "$@" --only-show-errors; }
aws_put() { aws "$1" cp --recursive "$2" "s3://cloudfolio/$3/"; }
aws_get() { aws "$1" cp --recursive "s3://cloudfolio/$3/" "$2"; }
aws_put_one() { aws "$1" cp large "s3://cloudfolio/$2/large"; }
aws_get_one() { aws "$1" cp "s3://cloudfolio/$2/large" got.large; }

cat >s3cfg <<CONF
[default]
access_key = $AWS_ACCESS_KEY_ID
secret_key = $AWS_SECRET_ACCESS_KEY
host_base = ${AWS_ENDPOINT_URL_S3#http://}
host_bucket = ${AWS_ENDPOINT_URL_S3#http://}
use_https = False
CONF
s3cmd() { local file=$1; shift; measure "$file" s3cmd -c s3cfg --no-progress --quiet "$@"; }
s3cmd_put() { s3cmd "$1" put --recursive "$2/" "s3://cloudfolio/$3/"; }
s3cmd_get() { mkdir -p "$2"; s3cmd "$1" get --recursive "s3://cloudfolio/$3/" "$2/"; }
s3cmd_put_one() { s3cmd "$1" put large "s3://cloudfolio/$2/large"; }
s3cmd_get_one() { s3cmd "$1" get --force "s3://cloudfolio/$2/large" got.large; }

ours_put() { measure "$1" "$store" put "s3://cloudfolio/$3" "$2"; }
ours_get() { mkdir -p "$2"; cp small.names "$2.names"; measure "$1" "$store" get "s3://cloudfolio/$3" "$2"; }
ours_put_one() { measure "$1" "$store" put-one "s3://cloudfolio/$2" large; }
ours_get_one() { measure "$1" "$store" get-one "s3://cloudfolio/$2" got.large; }

measure() { # measure FILE COMMAND...
    "$store" time "$@" >>log 2>&1 || { tail -n 5 log >&2; echo "$2 failed" >&2; exit 1; }
}

# One round of a client: CLIENT FOLDER; what it got is compared with what it put.
round() {
    local client=$1 folder=$2 at=$1-$RANDOM
    rm -rf got got.large
    "${client}_put" "$client.put" "$folder" "$at"
    "${client}_get" "$client.get" got "$at"
    diff -rq "$folder" got >&2
    "${client}_put_one" "$client.put-one" "$at-one"
    "${client}_get_one" "$client.get-one" "$at-one"
    cmp large got.large >&2
    "$store" clear "s3://cloudfolio/$at" && "$store" clear "s3://cloudfolio/$at-one"
}

clients=(ours)
has() { [ -n "$1" ] || { echo "skipped: $2 is not installed"; return 1; }; }
if has "$(command -v rclone)" rclone; then clients=(rclone ours); fi
for ((i = 0; i < runs; i++)); do
    for client in "${clients[@]}"; do
        round "$client" small
        if [ "$client" = rclone ]; then
            RCLONE_S3_NO_HEAD=true rclone_put rclone-no-head.put small no-head
            "$store" clear s3://cloudfolio/no-head
        fi
    done
done
if has "$aws" awscli; then
    clients+=(aws)
    for ((i = 0; i < peer_runs; i++)); do round aws small; done
fi
if has "$(type -P s3cmd)" s3cmd; then
    clients+=(s3cmd)
    for ((i = 0; i < peer_runs; i++)); do round s3cmd few; done
fi

# --- the table -------------------------------------------------------------------------------------

median() { # median FILE COLUMN
    [ -s "$1" ] || { echo 0; return; }
    sort -g -k "$2,$2" "$1" | awk -v c="$2" '{v[NR] = $c} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}
per_second() { awk -v n="$2" -v t="$(median "$1" 1)" 'BEGIN {print t ? n / t : 0}'; }
cpu() { awk -v n="$2" -v t="$(median "$1" 2)" 'BEGIN {print t / n * 1e6}'; }
peak() { # in MB, the highest of all runs of the kinds
    cat "$@" | sort -n -k 3 | tail -n 1 | awk '{print $3 * 1024 / 1e6}'
}
megabytes() { awk -v m="$large" 'BEGIN {print m * 1048576 / 1e6}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {if (b) print a / b; else print 0}'; }

declare -A name=([ours]="cf_store_run" [rclone]="rclone" [aws]="aws-cli" [s3cmd]="s3cmd, $few objects")
echo "| client | PUT objects/s | CPU µs an object | GET objects/s | CPU µs an object | peak MB | $large MiB up, MB/s | down, MB/s | CPU s up | CPU s down | peak MB |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"
for client in "${clients[@]}"; do
    n=$objects
    [ "$client" != s3cmd ] || n=$few
    printf '| %s | %.0f | %.0f | %.0f | %.0f | %.1f | %.0f | %.0f | %.2f | %.2f | %.1f |\n' "${name[$client]}" \
        "$(per_second "$client.put" $n)" "$(cpu "$client.put" $n)" "$(per_second "$client.get" $n)" \
        "$(cpu "$client.get" $n)" "$(peak "$client.put" "$client.get")" \
        "$(per_second "$client.put-one" "$(megabytes)")" "$(per_second "$client.get-one" "$(megabytes)")" \
        "$(median "$client.put-one" 2)" "$(median "$client.get-one" 2)" "$(peak "$client.put-one" "$client.get-one")"
done
[ "${clients[0]}" = rclone ] || exit 0
printf '| rclone --s3-no-head | %.0f | %.0f | | | %.1f | | | | | |\n' "$(per_second rclone-no-head.put "$objects")" \
    "$(cpu rclone-no-head.put "$objects")" "$(peak rclone-no-head.put)"

goal() { # goal NAME FIGURE "at least"|"at most" GOAL UNIT
    local met
    met=$(awk -v f="$2" -v g="$4" -v k="$3" 'BEGIN {print (k == "at least" ? f >= g : f <= g) ? "met" : "not met"}')
    printf '| %s | %.2f%s | %s %s | %s |\n' "$1" "$2" "$5" "$3" "$4" "$met"
}
echo
echo "| ours ÷ rclone | measured | goal | |"
echo "|---|---|---|---|"
goal "GET objects/s" "$(ratio "$(per_second ours.get 1)" "$(per_second rclone.get 1)")" "at least" 1.8 ×
goal "PUT objects/s" "$(ratio "$(per_second ours.put 1)" "$(per_second rclone.put 1)")" "at least" 1.3 ×
goal "PUT objects/s, rclone --s3-no-head" "$(ratio "$(per_second ours.put 1)" "$(per_second rclone-no-head.put 1)")" "at least" 1.3 ×
goal "CPU of a GET" "$(ratio "$(cpu ours.get 1)" "$(cpu rclone.get 1)")" "at most" 0.1667 ×
goal "CPU of a PUT" "$(ratio "$(cpu ours.put 1)" "$(cpu rclone.put 1)")" "at most" 0.1667 ×
goal "$large MiB up, payload's hash signed" "$(ratio "$(per_second ours.put-one 1)" "$(per_second rclone.put-one 1)")" "at least" 1.5 ×
goal "$large MiB down" "$(ratio "$(per_second ours.get-one 1)" "$(per_second rclone.get-one 1)")" "at least" 1 ×
goal "peak memory of all four" "$(peak ours.put ours.get ours.put-one ours.get-one)" "at most" 16 " MB"
