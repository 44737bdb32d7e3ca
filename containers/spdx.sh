#!/bin/sh
# Run in the build stage by root.sh: writes what is inside an image, as SPDX 2.3 in JSON, to stdout.
#
#   spdx.sh NAME ROOT MAP
#
# Each Debian package of which a file is in the folder ROOT, or of whose static libraries the program holds parts, as
# the linker's MAP says, with its version, source, license and the whole text of its copyright file, and each file with
# its hashes. VERSION, REVISION and SOURCE_DATE_EPOCH say what was built; SOURCE is the repository's address, if it has
# one. A file that belongs to no package ends it with 1.
#
# The license is the one that Debian's copyright file gives for "Files: *"; NOASSERTION where that file isn't in
# Debian's machine-readable form. Names that SPDX doesn't have become LicenseRef-Debian-….
set -eu
here=$(cd "$(dirname "$0")" && pwd)
name=$1 root=$2 map=$(realpath "$3")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
architecture=$(dpkg --print-architecture)

# owner FILE: the package that a file of the image is from; "cloudfolio" for ours.
owner() {
    case $1 in
    /usr/local/bin/* | /etc/passwd) echo cloudfolio; return ;;
    /etc/ssl/certs/ca-certificates.crt) echo ca-certificates; return ;; # made by it, of its certificates
    esac
    real=$(realpath "$1")
    found=$(awk -F '\t' -v path="${real#/usr}" '$2 == path { print $1; exit }' "$work/index")
    if [ -z "$found" ]; then
        echo "spdx.sh: $1 ($real) belongs to no package" >&2
        return 1
    fi
    echo "$found"
}

# license PACKAGE: what its copyright file says of "Files: *", or nothing.
license() {
    awk '
        /^[^ \t]/ { field = tolower($1) }
        /^$/ { all = 0 }
        field == "files:" && / \*( |$)/ { all = 1 }
        field == "license:" && /^[^ \t]/ && all { sub(/^[^:]*:[ \t]*/, ""); print; exit }' "/usr/share/doc/$1/copyright"
}

# Every library that a package has, as "package<tab>path". Debian names it below /lib or below /usr/lib, which are one
# folder.
dpkg-query -S '*.so*' '*.a' | awk -F ': ' '
    !/^diversion / { sub(/[:,].*/, "", $1); sub(/^\/usr/, "", $2); print $1 "\t" $2 }' |
    LC_ALL=C sort >"$work/index"

cd "$root"
find . -type f | sed 's/^\.//' | LC_ALL=C sort >"$work/names"
while read -r file; do
    package=$(owner "$file")
    sha1=$(sha1sum <".$file") sha256=$(sha256sum <".$file")
    printf '%s\t%s\t%s\t%s\n' "$file" "$package" "${sha1%% *}" "${sha256%% *}"
done <"$work/names" >"$work/files"

awk '/^Archive member/ { on = 1; next } /^[A-Z]/ { on = 0 } on && /^\// { sub(/\(.*/, ""); print }' "$map" |
    grep -v "^$(dirname "$map")/" | sort -u >"$work/archives"
while read -r archive; do
    owner "$archive"
done <"$work/archives" >"$work/owners"
LC_ALL=C sort -u "$work/owners" >"$work/static"

cut -f 2 "$work/files" | LC_ALL=C sort -u - "$work/static" | grep -v -x cloudfolio >"$work/owners"
while read -r package; do
    dpkg-query -W -f '${Version}\t${source:Package}\t${source:Version}\n' "$package" | head -n 1 >"$work/version"
    license "$package" | jq -R -s \
        --arg package "$package" --arg architecture "$architecture" --rawfile version "$work/version" \
        --rawfile copyright "/usr/share/doc/$package/copyright" '
        ($version | rtrimstr("\n") | split("\t")) as $v
        | {package: $package, architecture: $architecture, version: $v[0], source: $v[1], source_version: $v[2],
           license: rtrimstr("\n"), copyright: $copyright}'
done <"$work/owners" >"$work/packages"

contents=$(cat "$work/files" "$work/packages" | sha256sum) # makes the document's name differ where the packages do
jq -n -f "$here/spdx.jq" --arg name "$name" --arg version "$VERSION" --arg revision "$REVISION" \
    --arg source "${SOURCE:-}" --arg contents "${contents%% *}" --argjson time "$SOURCE_DATE_EPOCH" \
    --slurpfile packages "$work/packages" --rawfile files "$work/files" --rawfile static "$work/static"
