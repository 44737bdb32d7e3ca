#!/bin/bash
# Terraform's configuration without a cloud: its form, its tests with a mocked provider, and the policies in its plan
# compared with docs/SECURITY.md.
. "$(dirname "$0")/lib.sh"

need_terraform "Terraform's configuration"
check "terraform fmt" terraform fmt -check -recursive -diff terraform

# --- the slow parts, beside each other -----------------------------------------------------------------
# The tests of permissions show their plans, which are large; the others are one process.
tests() {
    local name=$1
    shift
    (cd "$WORK/terraform" && terraform test -json "$@" >"$WORK/$name.json" 2>"$WORK/$name.err")
}
others=()
for file in terraform/tests/*.tftest.hcl; do
    [[ $file == *permissions* ]] || others+=("-filter=${file#terraform/}")
done
tests others "${others[@]}" &
OTHERS=$!

# The examples, as modules of one configuration; each of them holds terraform/ itself.
mkdir "$WORK/terraform/all"
for folder in terraform/examples/*/; do
    name=$(basename "$folder")
    echo "module \"$name\" {"
    echo "  source = \"../examples/$name\""
    sed -nE 's/^variable "(.*)" \{$/  \1 = null/p' "$folder/main.tf"
    echo "}"
done >"$WORK/terraform/all/main.tf"
validate() { (cd "$WORK/terraform/all" && terraform init -no-color && terraform validate -no-color); }
check "terraform validate, with the examples" validate

tests permissions -verbose -filter=tests/permissions.tftest.hcl
wait "$OTHERS"

# --- terraform test: a line a run ------------------------------------------------------------------------
# passed OUTPUT FILE RUN
passed() {
    jq -rs --arg file "$2" --arg run "$3" 'map(select(."@testfile" == $file and ."@testrun" == $run)) |
        (.[] | select(.type == "diagnostic") | .diagnostic | .summary, .detail,
            (.snippet.values // [] | .[] | "\(.traversal) \(.statement)" | .[0:300])),
        (map(select(.type == "test_run" and .test_run.progress == "complete")) | last | .test_run.status // "did not run")' \
        "$WORK/$1.json" >"$WORK/run"
    cat "$WORK/run" "$WORK/$1.err"
    [ "$(tail -n 1 "$WORK/run")" = pass ]
}
for file in terraform/tests/*.tftest.hcl; do
    output=$([[ $file == *permissions* ]] && echo permissions || echo others)
    for run in $(sed -nE 's/^run "([^"]+)".*/\1/p' "$file"); do
        check "terraform test: $(basename "$file" .tftest.hcl), $run" passed "$output" "${file#terraform/}" "$run"
    done
done

# --- the policies ----------------------------------------------------------------------------------------
jq -c 'select(.type == "test_plan" and ."@testrun" == "defaults") | .test_plan' "$WORK/permissions.json" >"$WORK/plan.json"
permissions() { python3 tests/cloud/permissions.py "$WORK/plan.json" docs/SECURITY.md "$1"; }
check "policies: who may do what is what docs/SECURITY.md says" permissions table
check "policies: nothing outside of the table, no foreign names in others' datasets" permissions foreign
check "policies: roles, who takes them, their actions" permissions roles
check "policies: no wildcard but those that are listed" permissions wildcards
done_testing
