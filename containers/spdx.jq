# The SPDX document of an image. spdx.sh gives the variables: $files and $static have a line a file and a package,
# $packages an object a package.

# Debian names for licenses, and those of SPDX.
{"Expat": "MIT", "MIT": "MIT", "ISC": "ISC", "Zlib": "Zlib", "zlib": "Zlib", "curl": "curl",
 "Apache-2.0": "Apache-2.0", "BSD-2-clause": "BSD-2-Clause", "BSD-2-Clause": "BSD-2-Clause",
 "BSD-3-clause": "BSD-3-Clause", "BSD-3-Clause": "BSD-3-Clause", "MPL-2.0": "MPL-2.0", "OpenLDAP-2.8": "OLDAP-2.8",
 "GPL-1": "GPL-1.0-only", "GPL-1+": "GPL-1.0-or-later", "GPL-2": "GPL-2.0-only", "GPL-2+": "GPL-2.0-or-later",
 "GPL-3": "GPL-3.0-only", "GPL-3+": "GPL-3.0-or-later",
 "LGPL-2": "LGPL-2.0-only", "LGPL-2+": "LGPL-2.0-or-later", "LGPL-2.1": "LGPL-2.1-only",
 "LGPL-2.1+": "LGPL-2.1-or-later", "LGPLv2.1+": "LGPL-2.1-or-later",
 "LGPL-3": "LGPL-3.0-only", "LGPL-3+": "LGPL-3.0-or-later", "LGPLv3+": "LGPL-3.0-or-later"} as $known
| def id: gsub("[^A-Za-z0-9.-]"; "-");
def package_id: "SPDXRef-package-" + (gsub("\\+"; "-plus") | id);
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
            name: .package, SPDXID: (.package | package_id), versionInfo: .version,
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
            relatedSpdxElement: package_id}))
        + ($files | to_entries | map({
            spdxElementId: (.value.package | package_id),
            relationshipType: "CONTAINS", relatedSpdxElement: "SPDXRef-file-\(.key + 1)"}))
        + [($files | to_entries[] | select(.value.name | startswith("/usr/local/bin/"))) as $program
            | $static | split("\n")[] | select(. != "")
            | {spdxElementId: "SPDXRef-file-\($program.key + 1)", relationshipType: "STATIC_LINK", relatedSpdxElement: package_id}]),
    hasExtractedLicensingInfos: ($packages | map(. as $p | .declared | references | map({reference: ., package: $p.package}))
        | flatten | group_by(.reference) | map({licenseId: .[0].reference, name: (.[0].reference | ltrimstr("LicenseRef-Debian-")),
            extractedText: "The text is in the attribution of \(map(.package) | join(", "))."}))
}
