#!/bin/bash
# Builds the images of a commit: what "make images" runs.
#
#   containers/build.sh [COMMIT]      COMMIT is HEAD unless told
#
# The images are made of what is committed, never of the working tree, and depend on nothing but the commit, BASE and
# the packages that Debian has on that day. For each NAME of sync, orchestrate, train and cloudfolio:
#
#   cloudfolio/NAME:TAG             in the engine's own storage
#   build/images/NAME/              the image as it is pushed: an OCI layout with gzip layers (buildah only)
#   build/images/NAME.spdx.json     what is inside
#
# and a line on stdout: name, bytes of its gzip layers, digest (of docker: the image's id).
#
#   BUILDER   buildah or docker; unless told, buildah if it is there
#   BASE      the base image of the build stage (docker.io/library/debian:bookworm-slim)
#   TAG       the tag (the version: what git describe says of the commit)
#   SOURCE    the repository's address for labels and lists (remote "origin", if that is an https address; else empty)
#   OUT       the folder (build/images)
#   REBUILD   any text that wasn't given before: compiles again what the engine has in its cache
#
# Exit status: 0, 64 usage, 69 neither buildah nor docker, or no base image, 65 not a commit.
set -eu -o pipefail
cd "$(dirname "$0")/.."

fail() { # fail STATUS MESSAGE
    echo "images: $2" >&2
    exit "$1"
}

[ $# -le 1 ] || fail 64 "usage: containers/build.sh [COMMIT]"
revision=$(git rev-parse --verify --quiet "${1:-HEAD}^{commit}") || fail 65 "${1:-HEAD} is not a commit"
version=$(git describe --always --abbrev=12 "$revision")
epoch=$(git log -1 --format=%ct "$revision")
base=${BASE:-docker.io/library/debian:bookworm-slim}
tag=${TAG:-$version}
origin=$(git config remote.origin.url || true)
case $origin in https://*@*) origin=https://${origin#*@} ;; https://*) ;; *) origin= ;; esac
source=${SOURCE:-${origin%.git}}
out=${OUT:-build/images}
command -v jq >/dev/null || fail 69 "jq is missing: apt-get install jq"

builder=${BUILDER:-$(command -v buildah || command -v docker || true)}
builder=$(basename "$builder")
case $builder in
buildah | docker) ;;
"") fail 69 "neither buildah nor docker is here: apt-get install buildah" ;;
*) fail 64 "BUILDER must be buildah or docker, not $builder" ;;
esac
git diff --quiet "$revision" -- Makefile common jobs containers ||
    echo "images: the working tree differs from $version, which is what is built" >&2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/context" "$out"
git archive "$revision" Makefile common jobs containers | tar -x -C "$work/context"
arguments=(--file "$work/context/containers/Containerfile" --build-arg "BASE=$base" --build-arg "VERSION=$version"
    --build-arg "REVISION=$revision" --build-arg "SOURCE=$source" --build-arg "SOURCE_DATE_EPOCH=$epoch"
    --build-arg "REBUILD=${REBUILD:-}")
# Not in the Containerfile, since buildah's cache takes a LABEL for unchanged when only an argument in it has changed; and
# all three always, since a label that isn't given again stays as it was in the cache.
labels=(--label "org.opencontainers.image.source=$source" --label "org.opencontainers.image.revision=$revision"
    --label "org.opencontainers.image.version=$version")

# build TARGET OPTION…: stages that were built before are taken from the engine's cache.
build() {
    case $builder in
    buildah)
        buildah build --quiet --layers --pull=false --format oci --identity-label=false --timestamp "$epoch" \
            "${arguments[@]}" --target "$@" "$work/context" ;;
    docker)
        BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build --quiet "${arguments[@]}" --target "$@" "$work/context" ;;
    esac >/dev/null
}

# lists: the lists of what is inside, into $out.
lists() {
    local container
    case $builder in
    buildah)
        build lists --output "type=local,dest=$out" ;;
    docker)
        build lists --tag "cloudfolio/lists:$tag"
        container=$(docker create "cloudfolio/lists:$tag" none)
        docker cp "$container:/." "$out" >/dev/null
        docker rm "$container" >/dev/null ;;
    esac
}

# report NAME IMAGE: its line, and with buildah the image in $out.
report() {
    local layer bytes=0 digest manifest
    case $builder in
    buildah)
        rm -rf "${out:?}/$1"
        buildah push --quiet --format oci --compression-level 9 "$2" "oci:$out/$1:$tag" >/dev/null
        digest=$(jq -r '.manifests[0].digest' "$out/$1/index.json")
        manifest=$out/$1/blobs/${digest/://}
        bytes=$(jq '[.layers[].size] | add' "$manifest") ;;
    docker)
        digest=$(docker image inspect --format '{{.Id}}' "$2")
        mkdir "$work/$1"
        docker save "$2" | tar -x -C "$work/$1"
        while read -r layer; do
            bytes=$((bytes + $(gzip -dcf "$work/$1/$layer" | gzip -c | wc -c)))
        done < <(jq -r '.[0].Layers[]' "$work/$1/manifest.json") ;;
    esac
    printf '%-12s %9d bytes  %s\n' "$1" "$bytes" "$digest"
}

lists || fail 69 "the build failed; if $base can't be had, BASE names another base image"
for name in sync orchestrate train cloudfolio; do
    build "$name" "${labels[@]}" --tag "cloudfolio/$name:$tag"
    report "$name" "cloudfolio/$name:$tag"
done
