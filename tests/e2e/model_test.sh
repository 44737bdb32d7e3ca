#!/bin/bash
# Base models: import of a sentence-transformer's folder in every form, import again, folders that are broken in every
# way, list and show, the choice of a tenant, and the store's documents. BUILD names the folder of the programs.
. "$(dirname "$0")/lib.sh"
export CLOUDFOLIO_STORE="file:$WORK/store" CLOUDFOLIO_LOG=json
unset CLOUDFOLIO_JSON CLOUDFOLIO_DRY_RUN CLOUDFOLIO_LOG_LEVEL GITHUB_TOKEN
SHARED=$WORK/store/shared/base-models
HERE=tests/e2e

says() { grep -q -F -e "$1" "$WORK/out" "$WORK/err" || { echo "nothing says: $1"; cat "$WORK/out" "$WORK/err"; return 1; }; }
both() {
    local status=$1 text=$2
    shift 2
    exits "$status" "$@" && says "$text"
}
folder() { /usr/bin/python3 $HERE/model_folder.py "$@"; }
versions() { find "$SHARED/v" -type f 2>/dev/null | wc -l; }
blobs() { find "$SHARED/b" -type f 2>/dev/null | wc -l; }
newest() { find "$SHARED/v" -type f | sort | head -n 1; }

folder "$WORK/small" && folder "$WORK/other" --seed 2 --prefix bert. --dtype F16 && folder "$WORK/third" --seed 3 --dtype BF16 || exit 1

# --- command line and an empty store --------------------------------------------------------------
check "import where no store is" both 65 "tenant add" cloudfolio model import "$WORK/small" --name small
check "makes none" test ! -e "$WORK/store"
check "a store" exits 0 cloudfolio tenant add Octocat
check "no name" both 64 "--name NAME is needed" cloudfolio model import "$WORK/small"
for name in "" none -- .hidden a/b 'a b' "$(printf 'a%.0s' $(seq 64))" ä; do
    check "\"${name:0:12}\" is no name" exits 64 cloudfolio model import "$WORK/small" --name "$name"
done
check "list of nothing" both 0 "no base models yet" cloudfolio model list
check "as JSON" is 0 "$(cloudfolio model list --json | jq '.models | length')"
check "show of nothing" both 65 "model import" cloudfolio model show small
check "a folder that isn't there" exits 65 cloudfolio model import "$WORK/nowhere" --name small
check "a file in place of a folder" exits 65 cloudfolio model import "$WORK/small/config.json" --name small

# --- what is broken is refused, and nothing is committed --------------------------------------------
while IFS=$'\t' read -r fault text; do
    folder "$WORK/broken.$fault" --fault "$fault" || exit 1
    check "refused: $fault" both 65 "$text" cloudfolio model import "$WORK/broken.$fault" --name small
done < <(folder --list-faults)
check "none of them was committed" test ! -e "$WORK/store/shared"
special_file() {
    cp -r "$WORK/small" "$WORK/special" && rm "$WORK/special/vocab.txt" && mkfifo "$WORK/special/vocab.txt"
    both 65 "vocab.txt: not a file" cloudfolio model import "$WORK/special" --name small
}
check "a pipe in place of a file" special_file

# --- import, list, show -----------------------------------------------------------------------------
check "import" both 0 "small imported (base-models version 1): " cloudfolio model import "$WORK/small" --name small
check "names what it didn't need" says "not needed: pooler.dense.weight"
parameters() {
    /usr/bin/python3 -c 'import json, struct, sys
data = open(sys.argv[1], "rb").read()
header = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
total = 0
for name, t in header.items():
    if name != "__metadata__" and "pooler" not in name:
        size = 1
        for n in t["shape"]: size *= n
        total += size
print(total)' "$1"
}
check "counts the parameters" is "$(parameters "$WORK/small/model.safetensors")" "$(cloudfolio model show small --json | jq .parameters)"
check "import again makes no version" both 0 "there already (base-models version 1)" cloudfolio model import "$WORK/small" --name small
check "of the shared dataset" is 1 "$(versions)"
check "one blob a file, and the root" is 8 "$(blobs)"
files_are_whole() {
    local path hash
    while read -r path hash; do
        is "$hash" "$(sha256sum <"$WORK/small/$path" | cut -c 1-64)" &&
            is "$hash" "$(zstd -dcq "$SHARED/b/0000000000000001/$hash" | sha256sum | cut -c 1-64)" || return 1
    done < <(cloudfolio model show small --json | jq -r '.files[] | "\(.path) \(.sha256)"')
    is 7 "$(cloudfolio model show small --json | jq '.files | length')"
}
check "its files are stored byte for byte" files_are_whole
check "a second one, in half precision with a prefix" both 0 "other imported (base-models version 2)" cloudfolio model import "$WORK/other" --name other
check "keeps the first" is "other small" "$(cloudfolio model list --json | jq -r '[.models[].name] | join(" ")')"
check "where its files lay" is 1 "$(find "$SHARED/b" -name "$(cloudfolio model show small --json | jq -r '.files[] | select(.path == "model.safetensors").sha256')" | wc -l)"
check "a third, in bfloat16" exits 0 cloudfolio model import "$WORK/third" --name third
check "the tenant is null in the marker" is null "$(jq -c .tenant "$(newest)")"
check "the summary counts" is 3 "$(jq -c .summary.models "$(newest)")"
check "another model of that name replaces it" both 0 "third replaced (base-models version 4)" cloudfolio model import "$WORK/small" --name third
check "files that two models share are there once" is "$(cloudfolio model show small --json | jq -c .files)" "$(cloudfolio model show third --json | jq -c .files)"
check "list" both 0 "PARAMETERS" cloudfolio model list
check "has the length of texts" is 48 "$(cloudfolio model list --json | jq '.models[0].config.max_tokens')"
check "show" both 0 "1_Pooling/config.json" cloudfolio model show small
check "show of another" both 65 "there is no base model" cloudfolio model show smalll
racing() {
    local pids=() pid
    for i in 1 2 3 4; do
        cloudfolio model import "$WORK/other" --name "racer$i" >/dev/null 2>"$WORK/race.$i" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || { cat "$WORK"/race.*; return 1; }; done
    is 7 "$(cloudfolio model list --json | jq '.models | length')"
}
check "4 imports at once, and all are there" racing
check "all is clean" both 0 "clean: " cloudfolio verify
check "gc leaves it alone" exits 0 cloudfolio gc

# --- a tenant's choice --------------------------------------------------------------------------------
check "no model named" both 64 "--base-model NAME is needed" cloudfolio tenant set octocat
check "one that isn't there" both 65 "there is no base model" cloudfolio tenant set octocat --base-model nothing
check "a tenant that isn't there" both 65 "no tenant" cloudfolio tenant set nobody --base-model small
check "tenant set" both 0 "octocat has the base model small (config version 2)" cloudfolio tenant set octocat --base-model small
check "again changes nothing" both 0 "already (config version 2)" cloudfolio tenant set octocat --base-model small
check "show says so" both 0 "is enabled, base model small" cloudfolio tenant show octocat
kept() {
    exits 0 cloudfolio tenant disable octocat && exits 0 cloudfolio tenant add octocat &&
        is small "$(cloudfolio cat octocat config | jq -r .base_model)"
}
check "disable and add keep it" kept
check "none takes it away" both 0 "octocat has the base model none (config version 5)" cloudfolio tenant set octocat --base-model none
check "without a trace" is '{"blobs":[],"document":"config","enabled":true,"login":"octocat"}' "$(cloudfolio cat octocat config)"
check "as it is set again" exits 0 cloudfolio tenant set octocat --base-model other
check "every document has its schema" /usr/bin/python3 $HERE/schema.py "$WORK/store"

# --- damage -------------------------------------------------------------------------------------------
damaged() {
    local file
    file=$(find "$SHARED/b" -type f -size +10k | head -n 1)
    truncate -s -1 "$file" && both 65 "NOT CLEAN" cloudfolio verify
}
check "verify finds a file that was cut" damaged
done_testing
