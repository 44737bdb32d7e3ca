#!/bin/bash
# Fine-tuning a base model: what a version of the model holds, equal bytes for equal requests, checkpoints (asked to
# stop and killed, in both stages), a loss that isn't finite, base models that changed or are damaged. BUILD names the
# folder of the programs.
. "$(dirname "$0")/lib.sh"
export CLOUDFOLIO_STORE="file:$WORK/store" CLOUDFOLIO_LOG=json CLOUDFOLIO_THREADS=2
unset CLOUDFOLIO_JSON CLOUDFOLIO_DRY_RUN CLOUDFOLIO_LOG_LEVEL CLOUDFOLIO_FINETUNE CLOUDFOLIO_BF16 CLOUDFOLIO_CHECKPOINT_SECONDS
HERE=tests/e2e
start_github

folder() { /usr/bin/python3 $HERE/model_folder.py "$@"; }
version() { cloudfolio cat octocat "$1" --marker | jq .version; }
files() { cloudfolio cat octocat model | jq -c '[.current.files[] | [.path, .sha256]] | sort'; }
file() { cloudfolio cat octocat model --file "$1"; }
says() { grep -q -F -e "$1" "$WORK/err" || { echo "nothing says: $1"; tail -n 20 "$WORK/err"; return 1; }; }
both() {
    local status=$1 text=$2
    shift 2
    exits "$status" "$@" && says "$text"
}
# use STORE: a copy of the store as it was before the training.
use() {
    cp -r "$WORK/untrained" "$WORK/$1"
    export CLOUDFOLIO_STORE="file:$WORK/$1"
}

folder "$WORK/small" && folder "$WORK/other" --seed 2 && folder "$WORK/huge" --scale 1e30 || exit 1
check "a tenant, a base model" exits 0 cloudfolio tenant add Octocat
check "imported" exits 0 cloudfolio model import "$WORK/small" --name small
check "and chosen" exits 0 cloudfolio tenant set octocat --base-model small
check "sync" exits 0 cloudfolio-sync --tenant octocat
check "orchestrate" exits 0 cloudfolio-orchestrate --tenant octocat --finetune epochs=6,rate=1e-3,dropout=0.1
cp -r "$WORK/store" "$WORK/untrained"

# --- a model of its own -----------------------------------------------------------------------------
check "train" both 0 '"event":"fine_tuned"' cloudfolio-train --tenant octocat
check "is promoted" is true "$(cloudfolio cat octocat model | jq .gate.promoted)"
folder_is_whole() {
    is "1_Pooling/config.json config.json config_sentence_transformers.json model.safetensors modules.json sentence_bert_config.json special_tokens_map.json tokenizer_config.json vocab.txt" \
        "$(files | jq -r '[.[][0] | select(startswith("transformer/")) | ltrimstr("transformer/")] | sort | join(" ")')"
}
check "a sentence transformer's folder is part of it" folder_is_whole
curve_falls() {
    file training.json | jq -e '.base_model.name == "small" and .finetune.epochs == 6 and (.curve | length) == .steps and .steps > 20
        and ([.curve[:5][].loss] | add) > ([.curve[-5:][].loss] | add)'
}
check "the loss falls, step by step, in training.json" curve_falls
check "the card shows it" grep -q "curve.svg" <(file README.md)
check "the figure is there" grep -q "<polyline" <(file curve.svg)
check "the transformer alone has its scores" is number "$(file evaluation.json | jq -r '.scores.transformer.mrr10 | type')"
check "and each question its rank by it" is true "$(file evaluation.json | jq '[.questions[] | has("rank_transformer")] | all')"
check "its weight in the blend is one of those tried" is true "$(file config.json | jq '(.params.transformer // 0) | (. * 10 | round) / 10 - . | fabs < 1e-9')"
check "the base model is an input of the version" is 1 "$(cloudfolio cat octocat model --marker | jq '[.inputs[] | select(.dataset == "base-models")] | length')"
check "and in its lineage" is 1 "$(cloudfolio lineage octocat --json | jq '[.. | objects | select(.dataset? == "base-models" and .state == "ok")] | length')"
check "search answers" exits 0 cloudfolio search octocat "sign and verify JSON web tokens" --json
check "with what is asked for" is jose "$(jq -r '.hits[0].project' "$WORK/out")"
check "no checkpoint was needed" exits 65 cloudfolio cat octocat checkpoint
round_trip() {
    exits 0 cloudfolio export octocat "$WORK/exported" &&
        exits 0 cloudfolio model import "$WORK/exported/model/files/transformer" --name again
}
check "the exported folder can be imported" round_trip
rm -rf "$WORK/exported"

first=$(files)
check "the same request again makes no version" both 0 '"event":"unchanged"' cloudfolio-train --tenant octocat
check "forced" exits 0 cloudfolio-train --tenant octocat --force
check "gives the same bytes" is "$first" "$(files)"
check "with one thread too" exits 0 env CLOUDFOLIO_THREADS=1 cloudfolio-train --tenant octocat --force
check "the same bytes" is "$first" "$(files)"
check "in bfloat16, where the CPU has it" exits 0 cloudfolio-train --tenant octocat --force --bf16
if grep -q -F bf16_unavailable "$WORK/err"; then
    check "elsewhere in float32" is "$first" "$(files)"
else
    check "other bytes" test "$first" != "$(files)"
fi

# --- asked to stop, killed --------------------------------------------------------------------------
# stop_at SIGNAL STAGE STEP [SETTING…]: trains until the step is logged, then sends the signal; sets STATUS.
stop_at() {
    local signal=$1 stage=$2 step=$3 pid
    shift 3
    env CLOUDFOLIO_LOG_LEVEL=debug "$@" cloudfolio-train --tenant octocat >"$WORK/out" 2>"$WORK/err" &
    pid=$!
    for _ in $(seq 30000); do
        grep -q "\"event\":\"step\".*\"stage\":\"$stage\".*\"step\":$step,\|\"event\":\"step\".*\"stage\":\"$stage\".*\"step\":$step}" "$WORK/err" && break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.01
    done
    kill "-$signal" "$pid" 2>/dev/null
    STATUS=0
    wait "$pid" 2>/dev/null || STATUS=$?
}
checkpoint() { cloudfolio cat octocat checkpoint | jq -r "$1"; }

for stage in exam model; do
    use "stopped.$stage"
    stop_at TERM $stage 7
    check "asked to stop in the stage $stage: 75" is 75 "$STATUS"
    check "every document has its schema, those of the checkpoint too" /usr/bin/python3 $HERE/schema.py "$WORK/stopped.$stage" --self-test
    check "there is a checkpoint of it" is $stage "$(checkpoint .stage)"
    check "of a step in the middle" test "$(checkpoint .step)" -ge 7
    check "but no model" exits 65 cloudfolio cat octocat model
    check "the next run goes on from there" both 0 "\"event\":\"resumed\"" cloudfolio-train --tenant octocat
    [ $stage = exam ] || check "without another exam" is 0 "$(grep -c '"event":"fine_tuning".*"stage":"exam"' "$WORK/err")"
    check "and ends with the bytes of one that wasn't stopped" is "$first" "$(files)"
    check "the checkpoint is done with" is none "$(checkpoint .stage)"
    check "and has no files" is 0 "$(checkpoint '.files | length')"
    rm -rf "$WORK/stopped.$stage"
done
use killed
stop_at KILL exam 4 CLOUDFOLIO_CHECKPOINT_SECONDS=0
check "killed" is 137 "$STATUS"
check "with a checkpoint after each step, at most one is lost" test "$(checkpoint .step)" -ge 3
stop_at KILL model 3 CLOUDFOLIO_CHECKPOINT_SECONDS=0
check "killed again, in the second stage" is 137 "$STATUS"
check "its checkpoint is there" is model "$(checkpoint .stage)"
check "the third run ends it" both 0 "\"event\":\"resumed\"" cloudfolio-train --tenant octocat
check "with the same bytes" is "$first" "$(files)"
rm -rf "$WORK/killed"

# A checkpoint that is damaged, or of another training, is left alone.
use damaged
stop_at TERM exam 3
blob=$(cloudfolio cat octocat checkpoint | jq -r '.files[] | select(.path == "checkpoint.safetensors").sha256')
blob=$(find "$WORK/damaged/tenants/octocat/checkpoint/b" -name "$blob")
printf 'x' | dd of="$blob" bs=1 seek=200 conv=notrunc status=none
check "a damaged checkpoint is told of" both 0 "checkpoint_unusable" cloudfolio-train --tenant octocat
check "and the training begins anew" is "$first" "$(files)"
rm -rf "$WORK/damaged"

# --- what ends a training ------------------------------------------------------------------------------
export CLOUDFOLIO_STORE="file:$WORK/store"
before=$(version model)
check "weights that overflow" exits 0 cloudfolio model import "$WORK/huge" --name huge
check "are chosen" exits 0 cloudfolio tenant set octocat --base-model huge
check "and asked for" exits 0 cloudfolio-orchestrate --tenant octocat
check "a loss that isn't finite ends the training: 65" both 65 "not finite" cloudfolio-train --tenant octocat
check "it says in which step" says "fine-tuning, step 1 of "
check "the old model stays in use" is "$before" "$(version model)"
check "and is searched" exits 0 cloudfolio search octocat "sign and verify JSON web tokens"

use replaced
check "other weights under the name, after the request" exits 0 cloudfolio model import "$WORK/other" --name small
check "are not taken: 65" both 65 "imported anew since the request" cloudfolio-train --tenant octocat
check "orchestrate asks again" exits 0 cloudfolio-orchestrate --tenant octocat --finetune epochs=6,rate=1e-3,dropout=0.1
check "and it is trained" exits 0 cloudfolio-train --tenant octocat
check "to another model" test "$first" != "$(files)"
rm -rf "$WORK/replaced"

use spoilt
blob=$(cloudfolio model show small --json | jq -r '.files[] | select(.path == "model.safetensors").sha256')
printf 'x' | dd of="$(find "$WORK/spoilt/shared/base-models/b" -name "$blob")" bs=1 seek=300 conv=notrunc status=none
check "a damaged base model: 65" exits 65 cloudfolio-train --tenant octocat
check "and names the key" says "shared/base-models/b/"
rm -rf "$WORK/spoilt"

# A portfolio that has nothing to learn from.
use tiny
check "a portfolio without documents" exits 0 cloudfolio tenant add no-docs
check "with a base model" exits 0 cloudfolio tenant set no-docs --base-model small
check "is synced" exits 0 cloudfolio-sync --tenant no-docs
check "and asked for" exits 0 cloudfolio-orchestrate --tenant no-docs
check "but has nothing to learn from: 65" both 65 "pairs" cloudfolio-train --tenant no-docs
check "without a base model it gets one" exits 0 cloudfolio tenant set no-docs --base-model none
check "a request without" exits 0 cloudfolio-orchestrate --tenant no-docs
check "and a model" exits 0 cloudfolio-train --tenant no-docs
export CLOUDFOLIO_STORE="file:$WORK/store"
unset CLOUDFOLIO_FINETUNE
check "the first base model again, on the other queue" exits 0 cloudfolio tenant set octocat --base-model small
check "is asked for" exits 0 cloudfolio-orchestrate --tenant octocat --gpu-work 1
check "though the bundle is the same" is "$(cloudfolio cat octocat request | jq .bundle.version)" "$(cloudfolio cat octocat request-gpu | jq .bundle.version)"
check "status says so" is "request-gpu" "$(cloudfolio status octocat --json | jq -r '.tenants[0].pending[].why | split(" ")[0]')"
check "train takes it" exits 0 cloudfolio-train --tenant octocat
check "nothing is pending then" is 0 "$(cloudfolio status octocat --json | jq '.tenants[0].pending | length')"
check "everything verifies" exits 0 cloudfolio verify
check "every document has its schema" /usr/bin/python3 $HERE/schema.py "$WORK/store" --self-test
done_testing
