#!/bin/bash
# The images of containers/: what is inside and what isn't, that two builds give the same, and that they run as they will
# in the cloud: without rights, without a writable root, as user 65532. Builds the commit in HEAD, not the working tree,
# and leaves its images in the engine's storage.
. "$(dirname "$0")/../e2e/lib.sh"
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}

for program in buildah podman runc mmdebstrap jq curl node gcc readelf openssl; do
    if ! command -v "$program" >/dev/null; then
        package=$program
        case $program in node) package=nodejs ;; readelf) package=binutils ;; esac
        skip "the images" "$program is missing: apt-get install $package"
        done_testing
    fi
done
if ! tests/cloud/base_image.sh >"$WORK/base.out" 2>&1; then
    skip "the images" "no base image: $(tail -n 1 "$WORK/base.out")"
    done_testing
fi

# podman as it runs without systemd and without the right to raise limits.
cat >"$WORK/containers.conf" <<'TEXT'
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=500:500"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
TEXT
export CONTAINERS_CONF=${CONTAINERS_CONF:-$WORK/containers.conf}

COMMIT=$(git rev-parse HEAD)
VERSION=$(git describe --always --abbrev=12 "$COMMIT")
EPOCH=$(git log -1 --format=%ct "$COMMIT")
SOURCE=https://example.org/cloudfolio
NAMES="sync orchestrate train cloudfolio"
ARRIVALS=
finish_all() {
    local name
    [ -n "$ARRIVALS" ] && kill "$ARRIVALS" 2>/dev/null && wait "$ARRIVALS" 2>/dev/null
    podman rm --force --ignore "cloudfolio-$$" >/dev/null 2>&1
    for name in $NAMES; do
        buildah rmi "localhost/cloudfolio/$name:again-$$" >/dev/null 2>&1
    done
    finish
}
trap finish_all EXIT

# --- building ------------------------------------------------------------------------------------------
check "make images builds the commit" exits 0 make -s images COMMIT="$COMMIT" SOURCE=$SOURCE OUT="$WORK/first"
sed 's/^/# /' "$WORK/out"
check "again, from the start of the compilation" exits 0 \
    env OUT="$WORK/second" TAG="again-$$" REBUILD="$$" SOURCE=$SOURCE containers/build.sh "$COMMIT"
check "BUILDER must be known" exits 64 env BUILDER=make containers/build.sh
check "what isn't a commit is refused" exits 65 containers/build.sh no-such-commit
[ -f "$WORK/first/train/index.json" ] || { echo "Bail out! the images were not built"; exit 1; }

# blob NAME DIGEST: the path of a blob of the first build; its manifest, config and only layer.
blob() { echo "$WORK/first/$1/blobs/${2/://}"; }
manifest() { blob "$1" "$(jq -r '.manifests[0].digest' "$WORK/first/$1/index.json")"; }
config() { blob "$1" "$(jq -r .config.digest "$(manifest "$1")")"; }
bytes() { jq '[.layers[].size] | add' "$(manifest "$1")"; }
digest() { jq -r '.manifests[0].digest' "$WORK/$2/$1/index.json"; }
label() { jq -r ".config.Labels[\"org.opencontainers.image.$2\"]" "$(config "$1")"; }
root() { echo "$WORK/root/$1"; }
program() { case $1 in cloudfolio) echo cloudfolio ;; *) echo "cloudfolio-$1" ;; esac; }
for name in $NAMES; do
    mkdir -p "$(root "$name")"
    jq -r '.layers[].digest' "$(manifest "$name")" | while read -r layer; do
        tar --numeric-owner -xzpf "$(blob "$name" "$layer")" -C "$(root "$name")"
        tar --numeric-owner --utc --full-time -tvzf "$(blob "$name" "$layer")"
    done >"$WORK/$name.tar"
done

# --- what is inside ------------------------------------------------------------------------------------
# foreign NAME: what isn't the program, a library, the loader, the certificates, the user or /tmp.
foreign() {
    (cd "$(root "$1")" && find . ! -type d | grep -v -x -E \
        "\./usr/local/bin/$(program "$1")|\./lib/[a-z0-9_]+-linux-gnu/lib[^/]+\.so\.[0-9a-z.]+|\./lib(64)?/ld-linux[^/]*|\./etc/ssl/certs/ca-certificates\.crt|\./etc/passwd")
    (cd "$(root "$1")" && find . -type d -empty ! -path ./tmp)
}
needed() { readelf -d "$@" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u; }
# closure NAME: the libraries are those that the program and they themselves name, and no others.
closure() {
    (cd "$(root "$1")" && diff <(needed usr/local/bin/* lib/*/* lib64/* | grep -v '^ld-linux') <(basename -a lib/*-linux-gnu/* | sort))
}
owners() { awk '{ print $2 }' "$WORK/$1.tar" | sort -u; }
times() { awk '{ print $4 "T" $5 "Z" }' "$WORK/$1.tar" | sort -u; }
listed() { # each file, with its hash, is in the list, and nothing else; each package has a version
    (cd "$(root "$1")" && find . -type f -exec sha256sum {} + | awk '{ print $2 "\t" $1 }' | sort) >"$WORK/there"
    jq -r '.files[] | [.fileName, (.checksums[] | select(.algorithm == "SHA256").checksumValue)] | @tsv' \
        "$WORK/first/$1.spdx.json" | sort | diff - "$WORK/there"
}
versions() {
    jq -e '[.packages[] | select(.versionInfo == "" or (.versionInfo | not) or .licenseDeclared == "")] == []
        and ([.packages[].SPDXID, .files[].SPDXID] | length == (unique | length))
        and ([.relationships[] | .spdxElementId, .relatedSpdxElement] - [.packages[].SPDXID, .files[].SPDXID, "SPDXRef-DOCUMENT"] == [])
        and .spdxVersion == "SPDX-2.3"' "$WORK/first/$1.spdx.json"
}
for name in $NAMES; do
    check "$name: nothing inside but what belongs there" is "" "$(foreign "$name")"
    check "$name: the libraries that it needs, and no others" closure "$name"
    check "$name: no symbols" is 0 "$(readelf -S -W "$(root "$name")/usr/local/bin/$(program "$name")" | grep -c -E '\.(symtab|debug)')"
    check "$name: all of it is root's" is 0/0 "$(owners "$name")"
    check "$name: all of it has the commit's time" is "$(date -u -d "@$EPOCH" +%FT%TZ)" "$(times "$name")"
    check "$name: nothing runs with another's rights" is "" "$(find "$(root "$name")" -perm /6000)"
    check "$name: user, signal, program" is "[\"65532:65532\",\"SIGTERM\",[\"/usr/local/bin/$(program "$name")\"]]" \
        "$(jq -c '[.config.User, .config.StopSignal, .config.Entrypoint]' "$(config "$name")")"
    check "$name: labels" is "$COMMIT $VERSION $SOURCE MIT" \
        "$(label "$name" revision) $(label "$name" version) $(label "$name" source) $(label "$name" licenses)"
    check "$name: the list has every file" listed "$name"
    check "$name: and every package's version" versions "$name"
    check "$name: two builds have one digest" is "$(digest "$name" first)" "$(digest "$name" second)"
    check "$name: and one list" cmp "$WORK/first/$name.spdx.json" "$WORK/second/$name.spdx.json"
done
for name in sync orchestrate; do
    check "$name: no oneDNN, no LAPACK" is "" "$(basename -a "$(root $name)"/lib/*/* | grep -E 'dnnl|lapack|blas|gfortran|stdc')"
    check "$name: at most 9 MB" test "$(bytes $name)" -le 9000000
done
check "train: at most 26 MB" test "$(bytes train)" -le 26000000
check "train: the list names the LAPACK that is linked in" \
    jq -e '[.relationships[] | select(.relationshipType == "STATIC_LINK").relatedSpdxElement] | index("SPDXRef-package-liblapack-dev")' "$WORK/first/train.spdx.json"

# --- running -------------------------------------------------------------------------------------------
image() { echo "localhost/cloudfolio/$1:$VERSION"; }
# container OPTION… IMAGE ARGUMENT…: as the cloud runs it.
container() {
    podman run --rm --read-only --cap-drop all --security-opt no-new-privileges --log-driver none "$@"
}
# job NAME ARGUMENT…: with the store, and the stand-in for GitHub.
mkdir "$WORK/store"
job() {
    local name=$1
    shift
    container --network host --volume "$WORK/store:/store:U" --env CLOUDFOLIO_STORE=file:/store --env CLOUDFOLIO_LOG=json \
        --env GITHUB_API_URL --env GITHUB_TOKEN "$(image "$name")" "$@"
}
for name in $NAMES; do
    check "$name: --help, without a network" exits 0 container --network none "$(image "$name")" --help
    check "$name: there is no shell" exits 127 container --network none --entrypoint /bin/sh "$(image "$name")" -c true
done
check "the tool tells its commit" grep -q -F "cloudfolio $VERSION," <(container --network none "$(image cloudfolio)" version)

start_github
check "a tenant is added" exits 0 job cloudfolio tenant add octocat
check "sync" exits 0 job sync --tenant octocat
check "orchestrate" exits 0 job orchestrate --tenant octocat
check "train" exits 0 job train --tenant octocat
check "the model is found by the tool" exits 0 job cloudfolio search octocat "parse and print dates" --json
check "and answers" is dayjs "$(jq -r '.hits[0].project' "$WORK/out")"
check "everything verifies" exits 0 job cloudfolio verify
check "what is written is user 65532's" is "65532 65532" "$(find "$WORK/store" -type f -printf '%U %G\n' | sort -u)"
check "nothing is left to do" exits 0 job sync --tenant octocat
check "a store that isn't there is bad input" exits 65 container --network none --tmpfs /tmp "$(image sync)" --store file:/tmp/none --tenant octocat

PODMAN='/(dev|proc|sys|run|run/\.containerenv|etc|etc/(group|hosts|mtab|passwd|resolv\.conf)|store)?' # what podman makes itself
untouched() { # a root that could be written to is left as it was
    podman rm --force --ignore "cloudfolio-$$" >/dev/null
    podman run --name "cloudfolio-$$" --network host --volume "$WORK/store:/store:U" --env CLOUDFOLIO_STORE=file:/store \
        "$(image train)" --tenant octocat --force >"$WORK/out" 2>"$WORK/err" || return 1
    podman diff --format json "cloudfolio-$$" | jq -r '[.changed[]?, .added[]?, .deleted[]?] | .[]' | grep -v -x -E "$PODMAN" >"$WORK/changes"
    podman rm "cloudfolio-$$" >/dev/null
    is "" "$(cat "$WORK/changes")"
}
check "a job leaves its container's files alone" untouched

stopped() { # podman stop sends the image's signal
    local status=
    podman rm --force --ignore "cloudfolio-$$" >/dev/null
    control change '{"owner":"octocat","repo":"ky","files":{"README.md":"# ky\n\nUploads satellite pictures.\n"}}' >/dev/null
    control reset '{}' >/dev/null
    control latency '{"ms":30000}' >/dev/null
    podman run --detach --name "cloudfolio-$$" --read-only --network host --volume "$WORK/store:/store:U" \
        --env CLOUDFOLIO_STORE=file:/store --env GITHUB_API_URL --env GITHUB_TOKEN "$(image sync)" --tenant octocat >/dev/null || return 1
    for _ in $(seq 100); do
        [ "$(control counters | jq .total)" -gt 0 ] && break
        sleep 0.1
    done
    podman stop --time 20 "cloudfolio-$$" >/dev/null
    status=$(podman inspect --format '{{.State.ExitCode}}' "cloudfolio-$$")
    podman rm "cloudfolio-$$" >/dev/null
    is 75 "$status"
}
check "podman stop: the job ends with 75" stopped
control reset '{}' >/dev/null
check "and the next one does the work" exits 0 job sync --tenant octocat
check "which is version 2" is 2 "$(job cloudfolio cat octocat repos --marker | jq .version)"

# --- how long until the store is asked -----------------------------------------------------------------
# Not a test, since it depends on the machine: from the program's start in the container to the first request, which is
# over TLS after the handshake. The median of 5.
gcc -static -O1 -o "$WORK/began" tests/cloud/began.c
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$WORK/key.pem" -out "$WORK/certificate.pem" 2>/dev/null
cat /etc/ssl/certs/ca-certificates.crt "$WORK/certificate.pem" >"$WORK/bundle.pem"
chmod 644 "$WORK/bundle.pem"
arrivals() { # arrivals SCHEME
    local key=()
    [ "$1" = https ] && key=("$WORK/key.pem" "$WORK/certificate.pem")
    rm -f "$WORK/port"
    node tests/cloud/first_request.mjs "$WORK/port" "${key[@]}" >"$WORK/arrivals" 2>&1 &
    ARRIVALS=$!
    for _ in $(seq 100); do
        [ -s "$WORK/port" ] && break
        sleep 0.1
    done
}
first_request() { # first_request NAME SCHEME: µs
    local before began
    before=$(wc -l <"$WORK/arrivals")
    container --network host --volume "$WORK/began:/began:ro" --volume "$WORK/bundle.pem:/bundle.pem:ro" \
        --env SSL_CERT_FILE=/bundle.pem --env AWS_ACCESS_KEY_ID=a --env AWS_SECRET_ACCESS_KEY=b --env AWS_REGION=us-east-1 \
        --env "AWS_ENDPOINT_URL_S3=$2://127.0.0.1:$(cat "$WORK/port")" --entrypoint /began "$(image "$1")" \
        "/usr/local/bin/$(program "$1")" --store s3://cloudfolio --tenant octocat >/dev/null 2>"$WORK/err"
    began=$(sed -n 's/^began //p' "$WORK/err")
    echo $(($(sed -n "$((before + 1))p" "$WORK/arrivals") - began))
}
for scheme in http https; do
    arrivals $scheme
    for name in sync orchestrate train; do
        for _ in 1 2 3 4 5; do first_request $name $scheme; done >"$WORK/times"
        median=$(sort -n "$WORK/times" | sed -n 3p)
        check "$name asks a store over $scheme" test "${median:-0}" -gt 0
        echo "# $name, $scheme: $((median / 1000)).$((median % 1000 / 100)) ms from the start in the container to the first request to the store (aim: 50)"
    done
    kill "$ARRIVALS" && wait "$ARRIVALS" 2>/dev/null
    ARRIVALS=
done
echo "# $SECONDS s"
done_testing
