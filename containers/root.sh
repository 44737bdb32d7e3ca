#!/bin/sh
# Run in the build stage: lays out what each image holds, and lists it.
#
#   root.sh PROGRAMS IMAGES LISTS
#
# Takes the programs, and beside each the linker's map, from the folder PROGRAMS; makes IMAGES/<name>/ for each image and
# LISTS/<name>.spdx.json. An image has the stripped program, the shared libraries that ldd names for it, the dynamic
# loader, the CA certificates, /etc/passwd and an empty /tmp, all of them with the time SOURCE_DATE_EPOCH. What isn't a
# library, such as ldd's "not found", ends it with 1.
set -eu
programs=$1 images=$2 lists=$3
here=$(dirname "$0")
folder=/lib/$(gcc -print-multiarch) # where the loader looks without ld.so.cache
umask 022

# libraries PROGRAM: the paths of its libraries and its loader, sorted.
libraries() {
    ldd "$1" | awk '
        /linux-vdso|linux-gate/ { next }
        $2 == "=>" && $3 ~ /^\// { print $3; next }
        $1 ~ /^\// && $2 ~ /^\(/ { print $1; next }
        { print "root.sh: not a library: " $0 >"/dev/stderr"; bad = 1 }
        END { exit bad }' >/tmp/libraries
    LC_ALL=C sort -u /tmp/libraries
}

# lay_out NAME PROGRAM: makes $images/NAME.
lay_out() {
    root=$images/$1
    mkdir -p "$root/tmp" "$root/etc/ssl/certs" "$root/usr/local/bin" "$root$folder"
    strip -o "$root/usr/local/bin/$2" "$programs/$2"
    libraries "$programs/$2" >/tmp/wanted
    while read -r path; do
        case $path in
        */ld-linux*) # the program names the loader by its whole path
            mkdir -p "$root$(dirname "$path")"
            cp -L "$path" "$root$path"
            chmod 755 "$root$path" ;;
        "$folder"/*)
            cp -L "$path" "$root$folder/"
            chmod 644 "$root$folder/$(basename "$path")" ;;
        *)
            echo "root.sh: $path is not in $folder" >&2
            exit 1 ;;
        esac
    done </tmp/wanted
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
    echo 'cloudfolio:x:65532:65532:CloudFolio:/tmp:/nonexistent' >"$root/etc/passwd"
    chmod 755 "$root/usr/local/bin/$2"
    chmod 644 "$root/etc/passwd" "$root/etc/ssl/certs/ca-certificates.crt"
    chmod 1777 "$root/tmp"
}

mkdir -p "$lists"
for name in sync orchestrate train cloudfolio; do
    program=cloudfolio-$name
    [ "$name" = cloudfolio ] && program=cloudfolio
    lay_out "$name" "$program"
    "$here/spdx.sh" "$name" "$images/$name" "$programs/$program.map" >"$lists/$name.spdx.json"
done
find "$images" "$lists" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
