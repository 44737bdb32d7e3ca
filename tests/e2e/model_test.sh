#!/bin/bash
# Base models: import of a sentence-transformer's folder in every form, import again, folders that are broken in every
# way, list and show, the choice of a tenant, what requests pin of it, and the store's documents. BUILD names the folder
# of the programs.
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

# --- what requests pin of it ----------------------------------------------------------------------------
start_github
asks() { exits 0 cloudfolio-orchestrate --tenant octocat "$@"; }
request() { cloudfolio cat octocat "${2:-request}" | jq -r "$1"; }
requests() { cloudfolio cat octocat "${1:-request}" --marker | jq .version; }
holds() { cloudfolio cat octocat request | jq -e "$1"; }
hash_of_files() {
    cloudfolio model show "$1" --json | jq -cSj '[.files[] | {key: .path, value: .sha256}] | from_entries' | sha256sum | cut -c 1-64
}
check "a portfolio" exits 0 cloudfolio-sync --tenant octocat
check "orchestrate asks for a training" asks
check "of the base model that the config names" is other "$(request .base_model.name)"
check "pinned by its files" is "$(hash_of_files other)" "$(request .base_model.sha256)"
check "and its size" is "$(cloudfolio model show other --json | jq .parameters)" "$(request .base_model.parameters)"
check "with the default options" holds '.finetune == {batch: 8, epochs: 2, rate: 2e-5, warmup: 0.1, decay: 0.01, clip: 1, dropout: 0.1, seed: 1, hard_negatives: false, pairs: 150}'
check "the work is words × epochs × parameters" holds '.estimate.work == .estimate.words * .finetune.epochs * .base_model.parameters'
check "the marker names what was read" is "bundle base-models" "$(cloudfolio cat octocat request --marker | jq -r '[.inputs[].dataset] | join(" ")')"
again() {
    asks && is "$1" "$(requests)" && grep -q '"outcome":"unchanged"' "$WORK"/store/tenants/octocat/runs/*/"$(ls "$WORK"/store/tenants/octocat/runs/* | grep orchestrate | tail -n 1)"
}
check "once" again 1
changed() {
    local version=$1 text=$2
    shift 2
    asks "$@" && is "$version" "$(requests)" && holds "$text"
}
check "other options are another training" changed 2 '.finetune.epochs == 3 and .finetune.hard_negatives and .finetune.batch == 8' --finetune epochs=3,hard_negatives=1
check "a variable says the same" env CLOUDFOLIO_FINETUNE=hard_negatives=1,epochs=3 cloudfolio-orchestrate --tenant octocat
check "for which nothing is asked" is 2 "$(requests)"
check "an option wins over the variable" env CLOUDFOLIO_FINETUNE=epochs=0 cloudfolio-orchestrate --tenant octocat --finetune epochs=3,hard_negatives=1
check "no such number of epochs" both 64 '--finetune: \"epochs=0\"' cloudfolio-orchestrate --tenant octocat --finetune seed=2,epochs=0
check "no such option" both 64 '\"speed=1\"' cloudfolio-orchestrate --tenant octocat --finetune speed=1
check "neither by the variable" both 78 'CLOUDFOLIO_FINETUNE: \"epochs=0\"' env CLOUDFOLIO_FINETUNE=epochs=0 cloudfolio-orchestrate --tenant octocat
check "the defaults again" changed 3 '.finetune.epochs == 2'
folder "$WORK/fourth" --seed 4 || exit 1
check "a base model that nobody chose" exits 0 cloudfolio model import "$WORK/fourth" --name fourth
check "changes nothing" again 3
OLD=$(request .base_model.sha256)
check "other weights under the name that was chosen" both 0 "other replaced" cloudfolio model import "$WORK/fourth" --name other
check "are another training" changed 4 ".base_model.name == \"other\" and .base_model.sha256 != \"$OLD\""
check "once, too" again 4
check "without a base model" exits 0 cloudfolio tenant set octocat --base-model none
check "there is another request" changed 5 '(has("base_model") or has("finetune")) | not'
check "whose hash is that of content and parameters" is \
    "$(cloudfolio cat octocat request | /usr/bin/python3 -c "import sys; sys.path.insert(0, '$HERE'); import schema
root = schema.parse_canonical(sys.stdin.buffer.read())
print(schema.hash_of({'content_fingerprint': root['content_fingerprint'], 'params': root['params'], 'rules': 1}))")" \
    "$(cloudfolio cat octocat request --marker | jq -r .request)"
check "for which options of fine-tuning mean nothing" asks --finetune epochs=5
check "as nothing is fine-tuned" is 5 "$(requests)"
check "it is trained" exits 0 cloudfolio-train --tenant octocat

# The work with a base model is above the threshold, without one it isn't.
WORDS=$(request .estimate.words)
heavy() { asks --finetune epochs=1000 --gpu-work $((WORDS * 65536)); }
check "a base model again" exits 0 cloudfolio tenant set octocat --base-model small
check "more work" heavy
check "goes to the other dataset" is 1 "$(requests request-gpu)"
check "after the one that pins the same bundle" is "$(request .bundle.version) 1" "$(request '"\(.bundle.version) \(.turn)"' request-gpu)"
check "the same again" heavy
check "is asked for once" is "1 5" "$(requests request-gpu) $(requests)"
check "none again" exits 0 cloudfolio tenant set octocat --base-model none
check "comes after that" heavy
check "in turn" is "6 2" "$(requests) $(request .turn)"
check "and again nothing" heavy
check "is asked for" is "1 6" "$(requests request-gpu) $(requests)"
check "train takes the later one" exits 0 timeout 60 cloudfolio-train --tenant octocat
check "to which there is a model already" is 1 "$(requests model)"

# A base model that is gone: no request, but all else.
check "one more choice" exits 0 cloudfolio tenant set octocat --base-model small
control metadata '{"owner":"octocat","repo":"ky","set":{"description":"Sends pictures by satellite"}}' >/dev/null
check "and another portfolio" exits 0 cloudfolio-sync --tenant octocat
BUNDLE=$(requests bundle)
mv "$WORK/store/shared" "$WORK/shared"
check "no base models" both 65 'config of octocat names the base model \"small\"' cloudfolio-orchestrate --tenant octocat
check "says what to do" says "cloudfolio model list"
check "the bundle is there" is $((BUNDLE + 1)) "$(requests bundle)"
check "a request isn't" is "1 6" "$(requests request-gpu) $(requests)"
check "the model stays in use" exits 0 cloudfolio search octocat "parse dates"
check "run ends there" exits 65 cloudfolio run octocat
mv "$WORK/shared" "$WORK/store/shared"
check "when it is back" changed 7 '.base_model.name == "small"'
check "a later bundle needs no turn" holds 'has("turn") | not'
check "every document of these has its schema" /usr/bin/python3 $HERE/schema.py "$WORK/store" --self-test

# --- damage -------------------------------------------------------------------------------------------
damaged() {
    local file
    file=$(find "$SHARED/b" -type f -size +10k | head -n 1)
    truncate -s -1 "$file" && both 65 "NOT CLEAN" cloudfolio verify
}
check "verify finds a file that was cut" damaged
done_testing
