#!/bin/sh
# Run in the build stage by root.sh: writes what is inside an image, as SPDX 2.3 in JSON, to stdout.
#
#   spdx.sh NAME ROOT
#
# Each Debian package of which a file is in the folder ROOT, with its version, source, license and the whole text of its
# copyright file, and each file with its hashes. VERSION, REVISION and SOURCE_DATE_EPOCH say what was built; SOURCE is
# the repository's address, if it has one. A file that belongs to no package ends it with 1.
#
# The license is the one that Debian's copyright file gives for "Files: *"; NOASSERTION where that file isn't in
# Debian's machine-readable form. Names that SPDX doesn't have become LicenseRef-Debian-….
set -eu
name=$1 root=$2
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
    # Debian's packages name a library below /lib or below /usr/lib, which are one folder.
    found=$(dpkg-query -S "*${real#/usr}" 2>/dev/null | sed 's/:.*//' | sort -u)
    if [ -z "$found" ]; then
        echo "spdx.sh: $1 ($real) belongs to no package" >&2
        return 1
    fi
    echo "$found" | head -n 1
}

# license PACKAGE: what its copyright file says of "Files: *", or nothing.
license() {
    awk '
        /^[^ \t]/ { field = tolower($1) }
        /^$/ { all = 0 }
        field == "files:" && / \*( |$)/ { all = 1 }
        field == "license:" && /^[^ \t]/ && all { sub(/^[^:]*:[ \t]*/, ""); print; exit }' "/usr/share/doc/$1/copyright"
}

cd "$root"
find . -type f | sed 's/^\.//' | LC_ALL=C sort >"$work/names"
while read -r file; do
    package=$(owner "$file")
    sha1=$(sha1sum <".$file") sha256=$(sha256sum <".$file")
    printf '%s\t%s\t%s\t%s\n' "$file" "$package" "${sha1%% *}" "${sha256%% *}"
done <"$work/names" >"$work/files"

cut -f 2 "$work/files" | LC_ALL=C sort -u | grep -v -x cloudfolio >"$work/owners"
while read -r package; do
    dpkg-query -W -f '${Version}\t${source:Package}\t${source:Version}\n' "$package" | head -n 1 >"$work/version"
    license "$package" | jq -R -s \
        --arg package "$package" --arg architecture "$architecture" --rawfile version "$work/version" \
        --rawfile copyright "/usr/share/doc/$package/copyright" '
        ($version | rtrimstr("\n") | split("\t")) as $v
        | {package: $package, architecture: $architecture, version: $v[0], source: $v[1], source_version: $v[2],
           license: rtrimstr("\n"), copyright: $copyright}'
done <"$work/owners" >"$work/packages"

contents=$(sha256sum <"$work/files") # makes the list's name differ where the packages do
jq -n --arg name "$name" --arg contents "${contents%% *}" --arg version "$VERSION" --arg revision "$REVISION" --arg source "${SOURCE:-}" \
    --argjson time "$SOURCE_DATE_EPOCH" --slurpfile packages "$work/packages" --rawfile files "$work/files" '
    # Debian names for licenses, and those of SPDX.
    {"Expat": "MIT", "MIT": "MIT", "ISC": "ISC", "Zlib": "Zlib", "zlib": "Zlib", "curl": "curl",
     "Apache-2.0": "Apache-2.0", "BSD-2-clause": "BSD-2-Clause", "BSD-2-Clause": "BSD-2-Clause",
     "BSD-3-clause": "BSD-3-Clause", "BSD-3-Clause": "BSD-3-Clause", "MPL-2.0": "MPL-2.0",
     "GPL-1": "GPL-1.0-only", "GPL-1+": "GPL-1.0-or-later", "GPL-2": "GPL-2.0-only", "GPL-2+": "GPL-2.0-or-later",
     "GPL-3": "GPL-3.0-only", "GPL-3+": "GPL-3.0-or-later",
     "LGPL-2": "LGPL-2.0-only", "LGPL-2+": "LGPL-2.0-or-later", "LGPL-2.1": "LGPL-2.1-only",
     "LGPL-2.1+": "LGPL-2.1-or-later", "LGPLv2.1+": "LGPL-2.1-or-later",
     "LGPL-3": "LGPL-3.0-only", "LGPL-3+": "LGPL-3.0-or-later", "LGPLv3+": "LGPL-3.0-or-later"} as $known
    | def id: gsub("[^A-Za-z0-9.-]"; "-");
    def reference: "LicenseRef-Debian-" + (gsub("\\+"; "-or-later") | id);
    def term: $known[.] // reference;
    def expression:
        if . == "" then "NOASSERTION"
        elif test("^[^ ]+( (and|or) [^ ]+)*$") then
            split(" ") | map(if . == "and" then "AND" elif . == "or" then "OR" else term end) | join(" ")
        else reference end;
    def references: if . == "NOASSERTION" then [] else [scan("LicenseRef-[A-Za-z0-9.-]+")] end;
    ($files | rtrimstr("\n") | split("\n") | map(split("\t") | {name: .[0], package: .[1], sha1: .[2], sha256: .[3]}))
        as $files
    | ($packages | map(. + {declared: (.license | expression)})) as $packages
    | {
        spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT",
        name: "cloudfolio/\($name) \($version)",
        documentNamespace: "urn:cloudfolio:\($name):\($revision):\($contents)",
        creationInfo: {created: ($time | todate), creators: ["Organization: The CloudFolio authors", "Tool: containers/spdx.sh"]},
        packages: ([
            {name: "cloudfolio/\($name)", SPDXID: "SPDXRef-image", versionInfo: $version, primaryPackagePurpose: "CONTAINER",
             downloadLocation: "NOASSERTION", filesAnalyzed: false, licenseConcluded: "NOASSERTION",
             licenseDeclared: "NOASSERTION", copyrightText: "NOASSERTION"},
            {name: "cloudfolio", SPDXID: "SPDXRef-package-cloudfolio", versionInfo: $version,
             supplier: "Organization: The CloudFolio authors",
             downloadLocation: (if $source == "" then "NOASSERTION" else "git+\($source)@\($revision)" end),
             sourceInfo: "commit \($revision)", filesAnalyzed: false, licenseConcluded: "MIT", licenseDeclared: "MIT",
             copyrightText: "Copyright (c) 2026 The CloudFolio authors"}]
            + ($packages | map({
                name: .package, SPDXID: "SPDXRef-package-\(.package | gsub("\\+"; "-plus") | id)", versionInfo: .version,
                supplier: "Organization: Debian", downloadLocation: "NOASSERTION", filesAnalyzed: false,
                sourceInfo: "Debian source package \(.source) \(.source_version)",
                licenseConcluded: "NOASSERTION", licenseDeclared: .declared, copyrightText: "NOASSERTION",
                attributionTexts: [.copyright],
                externalRefs: [{referenceCategory: "PACKAGE-MANAGER", referenceType: "purl",
                    referenceLocator: "pkg:deb/debian/\(.package | @uri)@\(.version | @uri)?arch=\(.architecture)&distro=bookworm"}]}))),
        files: ($files | to_entries | map({
            fileName: ".\(.value.name)", SPDXID: "SPDXRef-file-\(.key + 1)",
            checksums: [{algorithm: "SHA1", checksumValue: .value.sha1}, {algorithm: "SHA256", checksumValue: .value.sha256}],
            licenseConcluded: "NOASSERTION", copyrightText: "NOASSERTION"})),
        relationships: ([{spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: "SPDXRef-image"}]
            + (["cloudfolio"] + ($packages | map(.package)) | map({spdxElementId: "SPDXRef-image", relationshipType: "CONTAINS",
                relatedSpdxElement: "SPDXRef-package-\(gsub("\\+"; "-plus") | id)"}))
            + ($files | to_entries | map({
                spdxElementId: "SPDXRef-package-\(.value.package | gsub("\\+"; "-plus") | id)",
                relationshipType: "CONTAINS", relatedSpdxElement: "SPDXRef-file-\(.key + 1)"}))),
        hasExtractedLicensingInfos: ($packages | map(. as $p | .declared | references | map({reference: ., package: $p.package}))
            | flatten | group_by(.reference) | map({licenseId: .[0].reference, name: (.[0].reference | ltrimstr("LicenseRef-Debian-")),
                extractedText: "The text is in the attribution of \(map(.package) | join(", "))."}))
    }'
