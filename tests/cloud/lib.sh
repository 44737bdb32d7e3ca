# shellcheck shell=bash
# Shared by the tests of the cloud: Terraform with its provider, found on this machine or downloaded, and the emulator.
# Source it; BUILD names the folder of the programs, which only some of these tests need.
BUILD=${BUILD:-build}
mkdir -p "$BUILD"
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_REGION
export CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1 TF_INPUT=0 AWS_EC2_METADATA_DISABLED=true AWS_DEFAULT_REGION=us-east-1
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test NO_PROXY=127.0.0.1
MOTO=

stop_emulator() {
    [ -n "$MOTO" ] && kill "$MOTO" 2>/dev/null && wait "$MOTO" 2>/dev/null
    MOTO=
}
finish_cloud() {
    stop_emulator
    finish
}
trap finish_cloud EXIT

# find_provider: lets terraform take the AWS provider from a mirror on this machine, if there is one below /opt, /usr, the
# home folder or TF_PLUGIN_MIRROR; a configuration that is set already is left alone.
find_provider() {
    local file
    [ -n "${TF_CLI_CONFIG_FILE:-}" ] && [ -f "$TF_CLI_CONFIG_FILE" ] && return
    unset TF_CLI_CONFIG_FILE
    # shellcheck disable=SC2086 # may be empty
    file=$(find ${TF_PLUGIN_MIRROR:-} /opt /usr/share /usr/local "$HOME" -xdev -path '*/hashicorp/aws/*' -type f \
        -name 'terraform-provider-aws_v5.*' -print -quit 2>/dev/null)
    [ -n "$file" ] || return 0
    printf 'provider_installation {\n  filesystem_mirror {\n    path = "%s"\n  }\n}\n' "${file%/*/hashicorp/aws/*}" >"$WORK/terraformrc"
    export TF_CLI_CONFIG_FILE=$WORK/terraformrc
}

# terraform_copy FOLDER: a copy of terraform/ to work in, so that nothing is left in the tree; initialised. What is wrong is
# in $WORK/init.log.
terraform_copy() {
    mkdir -p "$1"
    cp -r terraform/. "$1"
    rm -rf "$1/.terraform" "$1/.terraform.lock.hcl"
    (cd "$1" && timeout 120 terraform init -backend=false -no-color >"$WORK/init.log" 2>&1)
}

# need_terraform WHAT: skips the whole script where Terraform or its provider is missing; else $WORK/terraform is a copy.
need_terraform() {
    if ! command -v terraform >/dev/null; then
        skip "$1" "terraform is missing: https://developer.hashicorp.com/terraform/install"
        done_testing
    fi
    find_provider
    if ! terraform_copy "$WORK/terraform"; then
        skip "$1" "no AWS provider: there is no mirror of it on this machine, and terraform init can't download it"
        done_testing
    fi
}

# start_emulator [OPTION…]: moto with its gaps filled; AWS_ENDPOINT_URL is set once it answers.
start_emulator() {
    local port tries
    while port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000)) && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    MOTO_IAM_LOAD_MANAGED_POLICIES=true python3 tests/cloud/moto_gaps.py -H 127.0.0.1 -p "$port" "$@" >"$WORK/moto.log" 2>&1 &
    MOTO=$!
    for ((tries = 0; tries < 600; tries++)); do
        if curl -sf -o /dev/null "http://127.0.0.1:$port/moto-api/data.json"; then
            export AWS_ENDPOINT_URL=http://127.0.0.1:$port
            return
        fi
        sleep 0.1
    done
    echo "Bail out! the emulator did not start: $(tail -n 3 "$WORK/moto.log")"
    exit 1
}
