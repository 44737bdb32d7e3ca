#!/bin/bash
# terraform apply against an emulated AWS (moto): everything is made, a second plan finds nothing to do, events and manual
# kicks submit the right jobs, the roles allow what the programs need and no more, an earlier image comes back, and destroy
# leaves nothing. No container runs here. BUILD names the folder of the programs.
. "$(dirname "$0")/lib.sh"
BEGAN=$SECONDS

need_terraform "terraform apply against an emulated AWS"
if ! python3 -c 'import moto.server' 2>/dev/null; then
    skip "terraform apply against an emulated AWS" "moto is not installed: pip install 'moto[server]'"
    done_testing
fi
cat >"$WORK/terraform/emulator_override.tf" <<'HCL'
provider "aws" {
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  max_retries                 = 3
}
HCL
start_emulator
# run COMMAND [OPTION…]: terraform in the copy, as README.md has it.
tf() { (cd "$WORK/terraform" && terraform "$1" -no-color "${@:2}"); }
OPTIONS=(-var enforce_tls=false -var delete_data=true)
said() {
    "$@" >"$WORK/said" 2>&1 || { grep -A12 '^Error' "$WORK/said" || tail -n 20 "$WORK/said"; return 1; }
}
python() { python3 -c "import boto3, json, sys; $1" "${@:2}"; }

# --- apply ---------------------------------------------------------------------------------------------
check "apply" said tf apply -auto-approve -parallelism=20 -var image_tag=v1 "${OPTIONS[@]}"
echo "# $(grep -o 'Resources: .*' "$WORK/said"), $((SECONDS - BEGAN)) s"
BUCKET=$(tf output -raw bucket 2>/dev/null)
[ -n "$BUCKET" ] || { echo "Bail out! nothing was applied"; exit 1; }
check "a second plan finds nothing to do" said tf plan -detailed-exitcode -var image_tag=v1 "${OPTIONS[@]}"
check "and says so" grep -q 'No changes' "$WORK/said"

# --- images ------------------------------------------------------------------------------------------------
if command -v aws >/dev/null; then
    images_there() { (TAG=v1 && eval "$(tf output -raw check_images)"); }
    check "an image that isn't there: check_images says so" eval '! images_there && grep -q ImageNotFound "$WORK/check.out"'
    check "images are registered" said python 'ecr = boto3.client("ecr")
for r in ecr.describe_repositories()["repositories"]:
    m = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "annotations": {"of": r["repositoryName"]}}
    ecr.put_image(repositoryName=r["repositoryName"], imageTag="v1", imageManifest=json.dumps(m))'
    check "then it finds all" images_there
else
    skip "check_images" "the aws command is missing: pip install awscli"
fi

# --- the programs under their roles ----------------------------------------------------------------------------
# Keys of every role are taken first, then the emulator checks who may do what; it doesn't look at conditions.
for role in sync orchestrate train collector operator; do
    python 'c = boto3.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/cloudfolio-" + sys.argv[1], RoleSessionName="test")["Credentials"]
print("AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_SESSION_TOKEN=%s" % (c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"]))' $role >"$WORK/role.$role"
done
checks_roles() { curl -sS -f -o /dev/null -H 'Content-Type: text/plain' -d "$1" "$AWS_ENDPOINT_URL/moto-api/reset-auth"; }
# as ROLE COMMAND…
as() {
    # shellcheck disable=SC2046 # words are wanted
    env $(cat "$WORK/role.$1") CLOUDFOLIO_STORE="s3://$BUCKET" CLOUDFOLIO_LOG=json "${@:2}"
}
# denied ROLE WHAT COMMAND…: exit status 77, and the permission that is missing is named.
denied() {
    exits 77 as "$1" "${@:3}" || return 1
    grep -q -e "$2" "$WORK/err" || { echo "nothing says $2"; tail -n 3 "$WORK/err"; return 1; }
}
if [ -x "$BUILD/cloudfolio-sync" ] && command -v node >/dev/null && [ -d tests/github/node_modules ]; then
    start_github
    export CLOUDFOLIO_GITHUB_TOKENS="ssm:/cloudfolio/tenants/{tenant}/github-token"
    python 'boto3.client("ssm").put_parameter(Name="/cloudfolio/tenants/octocat/github-token", Value=sys.argv[1], Type="SecureString")' "$GITHUB_TOKEN"
    unset GITHUB_TOKEN
    checks_roles 0
    check "sync can't make a tenant" denied sync s3:PutObject cloudfolio tenant add octocat
    check "the operator can" exits 0 as operator cloudfolio tenant add octocat
    check "orchestrate can't read a token" denied orchestrate ssm:GetParameter cloudfolio-sync --tenant octocat --dry-run
    check "sync, with the token from its parameter" exits 0 as sync cloudfolio-sync --tenant octocat
    check "it was used" grep -q '"points":5' "$WORK/err"
    check "sync can't do orchestrate's work" denied sync s3: cloudfolio-orchestrate --tenant octocat
    check "orchestrate can" exits 0 as orchestrate cloudfolio-orchestrate --tenant octocat
    check "orchestrate can't do train's work" denied orchestrate s3: cloudfolio-train --tenant octocat
    check "train can" exits 0 as train cloudfolio-train --tenant octocat
    check "again, all of them" eval 'exits 0 as sync cloudfolio-sync --all && exits 0 as orchestrate cloudfolio-orchestrate --all && exits 0 as train cloudfolio-train --all'
    check "the operator searches" exits 0 as operator cloudfolio search octocat "sign and verify JSON web tokens"
    check "and finds it" grep -q jose "$WORK/out"
    many_versions() { for _ in $(seq 24); do as operator cloudfolio tenant disable octocat && as operator cloudfolio tenant add octocat || return 1; done; }
    check "the operator makes 48 versions" said many_versions
    check "the operator can't collect" denied operator s3:DeleteObject cloudfolio gc
    check "the collector can" exits 0 as collector cloudfolio gc --json
    check "and deletes" jq -e '[.datasets[].markers] | add > 0' "$WORK/out"
    check "the operator rolls back" exits 0 as operator cloudfolio rollback octocat repos 1
    check "and verifies" exits 0 as operator cloudfolio verify
    checks_roles inf
    check "what was committed submitted the jobs" is "orchestrate train" "$(python 'b = boto3.client("batch")
print(*sorted({j["jobName"].rpartition("-")[0] for j in b.list_jobs(jobQueue="cloudfolio-cpu", jobStatus="FAILED")["jobSummaryList"]}))')"
else
    skip "the programs under their roles" "the programs or the stand-in for GitHub are missing: make deps all"
fi

# --- events ----------------------------------------------------------------------------------------------
put() {
    python 'import os
for key in sys.argv[2:]:
    boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).put_object(Bucket=sys.argv[1], Key=key, Body=b"x")' "$BUCKET" "$@"
}
# jobs: one line a job, oldest first: queue, name, definition, share, command.
jobs() {
    python 'b = boto3.client("batch"); s = b.meta.endpoint_url
import urllib.request
for q in ["cpu", "gpu"]:
    ids = [j["jobId"] for status in ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"] for j in b.list_jobs(jobQueue="cloudfolio-" + q, jobStatus=status)["jobSummaryList"]]
    for j in sorted(b.describe_jobs(jobs=ids)["jobs"] if ids else [], key=lambda j: j["createdAt"]):
        print(q, j["jobName"], j["jobDefinition"].rpartition("/")[2], j.get("shareIdentifier"), *j["container"]["command"])'
}
V=7ffffffffffffffe
check "keys are put" said put tenants/octo-cat/{config,repos,bundle,request,request-gpu,model}/v/$V \
    tenants/octo-cat/repos/b/0000000000000001/0123 tenants/octo-cat/runs/2026-11-24/sync-1.json tenants/torvalds/repos/v/$V probe/0/a cloudfolio.json
jobs >"$WORK/jobs"
share() { echo "t$(printf %s "$1" | md5sum | cut -c1-2)"; }
check "new versions of three datasets, and nothing else, submit their jobs in the tenant's share" is "$(sort <<WANT
cpu orchestrate-octo-cat cloudfolio-orchestrate:1 $(share octo-cat) --event tenants/octo-cat/repos/v/$V
cpu orchestrate-torvalds cloudfolio-orchestrate:1 $(share torvalds) --event tenants/torvalds/repos/v/$V
cpu train-octo-cat cloudfolio-train:1 $(share octo-cat) --event tenants/octo-cat/request/v/$V
gpu train-gpu-octo-cat cloudfolio-train-gpu:1 $(share octo-cat) --event tenants/octo-cat/request-gpu/v/$V
WANT
)" "$(grep -E ' [a-z-]+-(octo-cat|torvalds) ' "$WORK/jobs" | sort)"

# --- manual kicks ------------------------------------------------------------------------------------------
if command -v aws >/dev/null; then
    kick() { (TENANT=octocat && export TENANT && eval "$(tf output -raw "kick_$1")"); }
    for job in sync orchestrate train train_gpu collect; do
        check "the manual kick of $job" said kick $job
    done
    check "submits what it says" is "$(sort <<WANT
cpu collect cloudfolio-collect:1 operator gc --keep-runs 35
cpu orchestrate-octocat cloudfolio-orchestrate:1 operator --tenant octocat
cpu sync-octocat cloudfolio-sync:1 operator --tenant octocat
cpu train-octocat cloudfolio-train:1 operator --tenant octocat
gpu train-gpu-octocat cloudfolio-train-gpu:1 operator --tenant octocat
WANT
)" "$(jobs | grep operator | sort)"
    set_token() { (export TENANT=octocat GITHUB_TOKEN=demo-token && eval "$(tf output -raw set_token)"); }
    check "the command that sets a token" said set_token
    operator() { (eval "$(tf output -raw become_operator)" && aws sts get-caller-identity --query Arn --output text && echo "$CLOUDFOLIO_STORE"); }
    check "the command that makes one the operator" eval 'operator | grep -q :assumed-role/cloudfolio-operator/ && operator | grep -qx "s3://$BUCKET"'
else
    skip "manual kicks" "the aws command is missing: pip install awscli"
fi

# --- what can't be submitted ------------------------------------------------------------------------------------
letters() {
    python 'q = boto3.client("sqs"); url = q.list_queues()["QueueUrls"][0]
for m in q.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", []): print(m["Body"])'
}
check "no dead letters until now" is "" "$(letters)"
python 'b = boto3.client("batch"); b.deregister_job_definition(jobDefinition="cloudfolio-train-gpu:1")' >/dev/null
put tenants/late/request-gpu/v/$V
check "an event whose job can't be submitted is kept, with its key and the error" is \
    '"tenants/late/request-gpu/v/7ffffffffffffffe" "ClientException"' "$(letters | jq -r '"\(.input.key | @json) \(.error.Error | @json)"')"

# --- an earlier release ------------------------------------------------------------------------------------------
check "another image" said tf apply -auto-approve -parallelism=20 -var image_tag=v0 "${OPTIONS[@]}"
images() { python 'print(*sorted({d["containerProperties"]["image"].rpartition(":")[2] for d in boto3.client("batch").describe_job_definitions(status="ACTIVE")["jobDefinitions"]}))'; }
check "all jobs run it" is v0 "$(images)"
put tenants/back/repos/v/$V
check "also those that events submit" is "cpu orchestrate-back cloudfolio-orchestrate:2 $(share back) --event tenants/back/repos/v/$V" "$(jobs | grep back)"

# --- destroy -------------------------------------------------------------------------------------------------------
check "what is there before: left.py sees it" test "$(python3 tests/cloud/left.py cloudfolio | cut -d' ' -f1 | sort -u | wc -l)" -ge 18
check "destroy" said tf destroy -auto-approve -parallelism=20 -var image_tag=v0 "${OPTIONS[@]}"
check "nothing is left but the service's own role" is "" "$(python3 tests/cloud/left.py cloudfolio)"
check "nor in the state" is "" "$(cd "$WORK/terraform" && terraform state list)"
check "every event was delivered" is "" "$(grep -a -e '^not delivered' -e '^a run of ' "$WORK/moto.log")"
done_testing
