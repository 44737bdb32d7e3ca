#!/bin/bash
# A real S3 server for tests: Ceph's radosgw with one monitor and one object store in memory, on
# loopback ports that were free, in one folder. Debian packages: ceph-mon ceph-osd radosgw ceph-common.
#
#   radosgw.sh start DIR   starts it in a new folder, waits until it answers, and prints the environment
#                          of a client as NAME=value lines; the same lines are in DIR/environment
#   radosgw.sh stop DIR    ends the processes that start made, and no other
#
# One bucket, "cloudfolio", is there from the beginning (RADOSGW_BUCKET names another). Messages go to
# stderr, the servers' logs to DIR/log.
set -euo pipefail

fail() {
    echo "radosgw.sh: $*" >&2
    exit 1
}

# The fields of /proc/PID/stat from the third on; the command's name before them may hold anything.
process_stat() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    echo "${stat##*) }"
}

# When a process started, in ticks since boot: together with its id this names it for ever.
started_at() {
    local fields
    read -ra fields <<<"$(process_stat "$1")" && echo "${fields[19]:-}"
}

# Starts a program in the background in a process group of its own and notes what it is.
launch() {
    local name=$1
    shift
    setsid "$@" >>"$DIR/log/$name.out" 2>&1 </dev/null &
    echo "$! $(started_at $!) $name" >>"$DIR/processes"
}

is_running() {
    local state
    [ -n "$2" ] && [ "$(started_at "$1")" = "$2" ] && state=$(process_stat "$1") && [ "${state:0:1}" != Z ]
}

stop() {
    [ -f "$DIR/processes" ] || return 0
    local pid since name tries
    while read -r pid since name; do
        is_running "$pid" "$since" && kill -TERM "$pid" 2>/dev/null
        for ((tries = 0; tries < 50; tries++)); do
            is_running "$pid" "$since" || break
            sleep 0.1
        done
        is_running "$pid" "$since" && kill -KILL "$pid" 2>/dev/null
        true
    done < <(tac "$DIR/processes")
    rm -f "$DIR/processes"
}

answers() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# A port below the ones that the kernel gives to clients, where nobody listens.
free_port() {
    local port
    while port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000)) && answers "$port"; do :; done
    echo "$port"
}

write_configuration() {
    cat >"$DIR/ceph.conf" <<CONF
[global]
fsid = $FSID
mon_host = [v2:127.0.0.1:$MON2/0,v1:127.0.0.1:$MON1/0]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
keyring = $DIR/keyring
run_dir = $DIR/run
admin_socket = $DIR/run/\$name.asok
pid_file = $DIR/run/\$name.pid
log_file = $DIR/log/\$name.log
mon_cluster_log_file = $DIR/log/cluster.log
crash_dir = $DIR/run
auth_allow_insecure_global_id_reclaim = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
mon_data_avail_warn = 1
ms_bind_ipv6 = false

[mon.a]
mon_data = $DIR/mon

[osd.0]
osd_data = $DIR/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_class_update_on_start = false

[client.rgw.a]
rgw_data = $DIR/rgw
rgw_frontends = beast endpoint=127.0.0.1:$RGW
# What was deleted gives its memory back within seconds instead of hours.
rgw_gc_obj_min_wait = 5
rgw_gc_processor_period = 5
rgw_gc_processor_max_time = 5
CONF
}

make_keys() {
    local tool=(ceph-authtool -c "$DIR/ceph.conf" "$DIR/keyring" --gen-key)
    "${tool[@]}" --create-keyring -n mon. --cap mon 'allow *'
    "${tool[@]}" -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    "${tool[@]}" -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
    "${tool[@]}" -n client.rgw.a --cap mon 'allow rw' --cap osd 'allow rwx'
}

# Runs a client command until it succeeds or half a minute is over.
eventually() {
    local tries
    for ((tries = 0; tries < 60; tries++)); do
        timeout 20 "$@" >>"$DIR/log/clients.out" 2>&1 && return
        sleep 0.5
    done
    fail "gave up: $* (see $DIR/log)"
}

start_servers() {
    local conf=(-c "$DIR/ceph.conf") osd_id
    FSID=$(cat /proc/sys/kernel/random/uuid)
    osd_id=$(cat /proc/sys/kernel/random/uuid)
    MON1=$(free_port) MON2=$(free_port) RGW=$(free_port)
    mkdir -p "$DIR"/{mon,osd,rgw,run,log}
    write_configuration
    make_keys
    monmaptool --create --fsid "$FSID" --addv a "[v2:127.0.0.1:$MON2,v1:127.0.0.1:$MON1]" "$DIR/monmap"
    ceph-mon "${conf[@]}" --mkfs -i a --monmap "$DIR/monmap" --keyring "$DIR/keyring"
    launch mon ceph-mon "${conf[@]}" -f -i a
    eventually ceph "${conf[@]}" osd new "$osd_id"
    ceph-osd "${conf[@]}" -i 0 --mkfs --osd-uuid "$osd_id"
    launch osd ceph-osd "${conf[@]}" -f -i 0
    launch rgw radosgw "${conf[@]}" -f -n client.rgw.a
}

write_environment() {
    local random
    random=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    cat >"$DIR/environment" <<ENV
AWS_ENDPOINT_URL_S3=http://127.0.0.1:$RGW
AWS_ACCESS_KEY_ID=TEST${random:0:16}
AWS_SECRET_ACCESS_KEY=${random:16}
AWS_REGION=us-east-1
ENV
}

make_user_and_bucket() {
    local secret key bucket=${RADOSGW_BUCKET:-cloudfolio} date signature tries
    key=$(sed -n 's/^AWS_ACCESS_KEY_ID=//p' "$DIR/environment")
    secret=$(sed -n 's/^AWS_SECRET_ACCESS_KEY=//p' "$DIR/environment")
    eventually radosgw-admin -c "$DIR/ceph.conf" user create --uid test --display-name test \
        --access-key "$key" --secret-key "$secret"
    for ((tries = 0; tries < 120; tries++)); do
        answers "$RGW" && break
        sleep 0.5
    done
    # Signature Version 2, since that is one line of openssl, and curl needs nothing new for it.
    date=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT')
    signature=$(printf 'PUT\n\n\n%s\n/%s' "$date" "$bucket" |
        openssl dgst -sha1 -hmac "$secret" -binary | base64)
    eventually curl -sf -X PUT -H "Date: $date" -H "Authorization: AWS $key:$signature" \
        "http://127.0.0.1:$RGW/$bucket"
}

start() {
    local program
    for program in ceph-mon ceph-osd radosgw radosgw-admin ceph ceph-authtool monmaptool curl openssl; do
        command -v "$program" >/dev/null || fail "$program is missing"
    done
    [ ! -e "$DIR/processes" ] || fail "$DIR: there is a server already"
    mkdir -p "$DIR/log"
    trap 'stop' ERR EXIT
    {
        start_servers
        write_environment
        make_user_and_bucket
    } >>"$DIR/log/start.out" 2> >(tee -a "$DIR/log/start.out" >&2)
    trap - ERR EXIT
    cat "$DIR/environment"
}

[ $# -eq 2 ] || fail "usage: radosgw.sh start|stop DIR"
mkdir -p "$2"
DIR=$(cd "$2" && pwd)
case $1 in
start) start ;;
stop) stop ;;
*) fail "usage: radosgw.sh start|stop DIR" ;;
esac
