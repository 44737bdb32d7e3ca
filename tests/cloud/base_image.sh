#!/bin/bash
# Makes the base image of containers/ where no registry can be reached: an image named as Debian's own, of Debian's
# packages, by mmdebstrap. The packages of the build stage are in it already, so that building takes less time.
#
#   tests/cloud/base_image.sh
#
# Does nothing when the image is in buildah's storage, and takes it from the registry when that answers. The file system is
# kept in build/cloud/base.tar (BASE_TAR) for the next time. Needs buildah and mmdebstrap; says so with exit status 69.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
image=docker.io/library/debian:bookworm-slim
tar=${BASE_TAR:-build/cloud/base.tar}

for program in buildah mmdebstrap; do
    command -v "$program" >/dev/null || { echo "$program is missing: apt-get install $program" >&2; exit 69; }
done
buildah inspect --type image "$image" >/dev/null 2>&1 && exit 0
if curl --silent --max-time 5 --output /dev/null https://registry-1.docker.io/v2/ 2>/dev/null &&
    buildah pull --quiet "$image" >/dev/null 2>&1; then
    exit 0
fi

# As Debian makes its image: no documentation but copyright files. What apt is told here about dates and proxies holds
# inside as well.
if [ ! -s "$tar" ] || [ containers/packages -nt "$tar" ]; then
    mkdir -p "$(dirname "$tar")"
    options=()
    while read -r line; do
        options+=(--aptopt="$line")
    done < <(apt-config dump 2>/dev/null | grep -E '^Acquire::(Check-|http::Proxy |https::Proxy )' || true)
    mmdebstrap --quiet --variant=minbase --include="$(paste -s -d , containers/packages)" "${options[@]}" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$tar.new" >&2
    mv "$tar.new" "$tar"
fi
container=$(buildah from scratch)
buildah add --quiet "$container" "$tar" / >/dev/null
buildah config --cmd bash "$container"
buildah commit --quiet --rm "$container" "$image" >/dev/null
