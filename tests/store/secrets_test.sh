#!/bin/bash
# Parameters of Parameter Store and secrets of Secrets Manager, read from moto, which checks signatures with botocore's
# signer and permissions as IAM has them. BUILD names the folder of the programs.
. "$(dirname "$0")/../e2e/lib.sh"
unset AWS_SESSION_TOKEN AWS_ENDPOINT_URL_SSM AWS_ENDPOINT_URL_SECRETS_MANAGER AWS_DEFAULT_REGION AWS_PROFILE
unset AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CONTAINER_CREDENTIALS_FULL_URI
export AWS_REGION=eu-west-3 AWS_EC2_METADATA_DISABLED=true NO_PROXY=127.0.0.1
if ! command -v moto_server >/dev/null; then
    skip "parameters and secrets of AWS" "moto is not installed: pip install 'moto[server]'"
    done_testing
fi
MOTO=
finish_all() {
    [ -n "$MOTO" ] && kill "$MOTO" 2>/dev/null && wait "$MOTO" 2>/dev/null
    finish
}
trap finish_all EXIT

while port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000)) && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
export AWS_ENDPOINT_URL=http://127.0.0.1:$port
moto_server -H 127.0.0.1 -p "$port" >"$WORK/moto.log" 2>&1 &
MOTO=$!
for ((tries = 0; tries < 300; tries++)); do
    curl -sf -o /dev/null "$AWS_ENDPOINT_URL/moto-api/data.json" && break
    sleep 0.1
done
[ $tries -lt 300 ] || { echo "Bail out! moto did not start: $(tail -n 3 "$WORK/moto.log")"; exit 1; }

# --- what there is to read -------------------------------------------------------------------------
# call SERVICE TARGET JSON, and iam ACTION [NAME=VALUE…]: unsigned, as moto lets it pass at first.
call() {
    curl -sS --fail-with-body -H "Authorization: AWS4-HMAC-SHA256 Credential=x/20260101/$AWS_REGION/$1/aws4_request" \
        -H "X-Amz-Target: $2" -H 'Content-Type: application/x-amz-json-1.1' -d "$3" "$AWS_ENDPOINT_URL/"
}
iam() {
    local action=$1 arguments=() argument
    shift
    for argument in "$@"; do
        arguments+=(--data-urlencode "$argument")
    done
    curl -sS --fail-with-body -H 'Authorization: AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/iam/aws4_request' \
        -d "Action=$action&Version=2010-05-08" "${arguments[@]}" "$AWS_ENDPOINT_URL/"
}
KEY=$'-----BEGIN KEY-----\nb64+/=\n-----END KEY-----\n'
put_parameter() {
    call ssm AmazonSSM.PutParameter "$(jq -nc --arg n "$1" --arg v "$2" --arg t "$3" '{Name: $n, Value: $v, Type: $t}')"
}
put_secret() { call secretsmanager secretsmanager.CreateSecret "$(jq -nc --arg n "$1" --arg v "$2" '{Name: $n, SecretString: $v}')"; }
# user NAME [ACTION…]: sets KEY_ID and KEY_SECRET of a user who may do these.
user() {
    local answer
    iam CreateUser UserName="$1" >/dev/null
    answer=$(iam CreateAccessKey UserName="$1")
    KEY_ID=$(sed -nE 's/.*<AccessKeyId>(.*)<\/AccessKeyId>.*/\1/p' <<<"$answer")
    KEY_SECRET=$(sed -nE 's/.*<SecretAccessKey>(.*)<\/SecretAccessKey>.*/\1/p' <<<"$answer")
    [ $# -eq 1 ] || iam PutUserPolicy UserName="$1" PolicyName=read PolicyDocument="$(jq -nc '{Version: "2012-10-17",
        Statement: [{Effect: "Allow", Action: $ARGS.positional, Resource: "*"}]}' --args "${@:2}")" >/dev/null
}
prepare() {
    put_parameter /app/plain 'a value' String && put_parameter /app/key "$KEY" SecureString &&
        put_secret app/token 'tök€n' && put_secret app/deleted gone &&
        call secretsmanager secretsmanager.CreateSecret '{"Name": "app/binary", "SecretBinary": "aHVudGVyMg=="}' &&
        call secretsmanager secretsmanager.DeleteSecret '{"SecretId": "app/deleted"}'
}
check "moto has parameters and secrets" prepare
ARN=$(call secretsmanager secretsmanager.DescribeSecret '{"SecretId": "app/token"}' | jq -r .ARN)
user reader ssm:GetParameter secretsmanager:GetSecretValue
export AWS_ACCESS_KEY_ID=$KEY_ID AWS_SECRET_ACCESS_KEY=$KEY_SECRET
user stranger
STRANGER=(AWS_ACCESS_KEY_ID="$KEY_ID" AWS_SECRET_ACCESS_KEY="$KEY_SECRET")
check "from now on moto checks signatures and permissions" curl -sS -f -H 'Content-Type: text/plain' -d 0 "$AWS_ENDPOINT_URL/moto-api/reset-auth"

# --- reading ---------------------------------------------------------------------------------------
# gives TEXT KIND NAME
gives() { exits 0 secret_get "$2" "$3" && cmp "$WORK/out" <(printf %s "$1"); }
# fails STATUS TEXT KIND NAME: with that exit status, and an error that says TEXT and quotes no value.
fails() {
    exits "$1" "${PREFIX[@]}" secret_get "$3" "$4" && grep -F -- "$2" "$WORK/err" && ! grep -E 'hunter2|aHVud' "$WORK/err" &&
        [ ! -s "$WORK/out" ] || { cat "$WORK/err"; return 1; }
}
PREFIX=(env)
check "a parameter" gives 'a value' parameter /app/plain
check "a parameter that is encrypted, of several lines" gives "$KEY" parameter /app/key
check "one version of a parameter" gives 'a value' parameter /app/plain:1
check "a secret" gives 'tök€n' secret app/token
check "a secret by its ARN" gives 'tök€n' secret "$ARN"

check "a parameter that isn't there" fails 65 'no parameter "/app/none" in the region eu-west-3' parameter /app/none
check "a secret that isn't there" fails 65 'no secret "app/none"' secret app/none
check "a secret that is marked for deletion" fails 78 'marked' secret app/deleted
check "a binary secret" fails 65 SecretBinary secret app/binary
check "a name that can't be one" fails 78 'byte 4 is 0x20' parameter "app key"
PREFIX=(env "${STRANGER[@]}")
check "a user without the permission for parameters" fails 77 'permission ssm:GetParameter' parameter /app/plain
check "a user without the permission for secrets" fails 77 'permission secretsmanager:GetSecretValue' secret app/token
PREFIX=(env AWS_SECRET_ACCESS_KEY=another)
check "another secret key" fails 77 403 parameter /app/plain
PREFIX=(env AWS_ACCESS_KEY_ID=AKIAUNKNOWN)
check "an access key that isn't known" fails 77 403 secret app/token
kill "$MOTO" && wait "$MOTO" 2>/dev/null
MOTO=
PREFIX=(env)
check "a service that is down" fails 69 connect parameter /app/plain
done_testing
