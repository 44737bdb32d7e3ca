#!/bin/bash
# TLS, proxies, GitHub Enterprise Server's addresses; and that the token goes to GitHub only.
. "$(dirname "$0")/sync_lib.sh"
start_github
PORT=$(cat "$WORK/port")
HTTP=$GITHUB_API_URL
OTHERS=()
stop_others() {
    for pid in "${OTHERS[@]}"; do
        kill "$pid" 2>/dev/null
    done
    finish
}
trap stop_others EXIT

# started PORT-FILE COMMAND…: a program that writes its port; sets GOT.
GOT=
started() {
    local file=$WORK/$1
    shift
    "$@" --port-file "$file" >"$file.log" 2>&1 &
    OTHERS+=($!)
    for _ in $(seq 200); do
        [ -s "$file" ] && break
        sleep 0.1
    done
    GOT=$(cat "$file")
}
started tls.port node tests/github/tls.mjs --to "$PORT" --ca "$WORK/ca.pem" --host localhost --host 127.0.0.1 --host github.example.com
TLS=$GOT
started proxy.port node tests/github/proxy.mjs --log "$WORK/proxy.log" --to "github.example.com:443=$TLS"
PROXY=$GOT
begin() {
    export CLOUDFOLIO_STORE="file:$WORK/$1"
    add_tenant mona-lisa
    GITHUB_API_URL=$HTTP reset
}
seen() { GITHUB_API_URL=$HTTP requests "$1"; }

# --- TLS ------------------------------------------------------------------------------------------
by_tls() { # by_tls NAME VARIABLE…
    local name=$1
    shift
    begin "$name"
    exits 0 env GITHUB_API_URL="https://localhost:$TLS" "$@" cloudfolio-sync --tenant mona-lisa && test "$(seen length)" -gt 5 &&
        is 0 "$(seen '[.[] | select((.via // "") | endswith("tls") | not)] | length')"
}
check "TLS with CURL_CA_BUNDLE" by_tls curl CURL_CA_BUNDLE="$WORK/ca.pem"
check "TLS with SSL_CERT_FILE" by_tls ssl SSL_CERT_FILE="$WORK/ca.pem"
refused() { # refused NAME URL WORD VARIABLE…: exit 78, one clear error, and not one request
    local name=$1 url=$2 word=$3
    shift 3
    begin "$name"
    exits 78 env GITHUB_API_URL="$url" "$@" cloudfolio-sync --tenant mona-lisa && is 1 "$(grep -c '"level":"error"' "$WORK/err")" && says "$word" && is 0 "$(seen length)"
}
check "a certificate that nobody vouches for" refused untrusted "https://localhost:$TLS" certificate
check "a certificate for another name" refused othername "https://ip6-localhost.localhost:$TLS" 'certificate|resolve' CURL_CA_BUNDLE="$WORK/ca.pem" HTTPS_PROXY=
check "a bundle that isn't there" refused nobundle "https://localhost:$TLS" 'CA cert|nothing.pem' CURL_CA_BUNDLE="$WORK/nothing.pem"
check "plain http to another machine" refused plain "http://192.0.2.1" https
check "plain http to a name that begins like the loopback's" refused plain2 "http://127.0.0.1.example.com" https
check "a user and password in the URL" refused user "https://me:secret@localhost:$TLS" GITHUB_API_URL
check "which aren't in the log" test -z "$(grep -o secret "$WORK/err")"
check "plain http for GraphQL alone" refused plaingraphql "https://localhost:$TLS" GITHUB_GRAPHQL_URL GITHUB_GRAPHQL_URL=http://192.0.2.1/graphql CURL_CA_BUNDLE="$WORK/ca.pem"

# --- a proxy --------------------------------------------------------------------------------------
proxied() {
    begin proxied
    exits 0 env GITHUB_API_URL=https://github.example.com HTTPS_PROXY="http://127.0.0.1:$PROXY" CURL_CA_BUNDLE="$WORK/ca.pem" cloudfolio-sync --tenant mona-lisa || return 1
    test "$(seen length)" -gt 5 && is '"CONNECT github.example.com:443 200"' "$(jq -s -c '[.[] | "\(.method) \(.host):\(.port) \(.status)"] | unique | .[]' "$WORK/proxy.log")"
}
check "HTTPS_PROXY: the proxy is asked for GitHub's host, and for nothing else" proxied
check "the proxy never sees the token" test -z "$(grep -o -i "demo-token\|authorization" "$WORK/proxy.log" "$WORK/proxy.port.log")"
not_proxied() { # the loopback is reached directly
    : >"$WORK/proxy.log"
    begin direct
    exits 0 env HTTPS_PROXY="http://127.0.0.1:$PROXY" http_proxy="http://127.0.0.1:$PROXY" ALL_PROXY="http://127.0.0.1:$PROXY" cloudfolio-sync --tenant mona-lisa && is 0 "$(wc -l <"$WORK/proxy.log")"
}
check "the loopback isn't reached by the proxy" not_proxied
no_proxy() {
    : >"$WORK/proxy.log"
    begin noproxy
    exits 69 env GITHUB_API_URL=https://github.example.com NO_PROXY=example.com HTTPS_PROXY="http://127.0.0.1:$PROXY" CURL_CA_BUNDLE="$WORK/ca.pem" cloudfolio-sync --tenant mona-lisa
    is 0 "$(wc -l <"$WORK/proxy.log")"
}
check "NO_PROXY" no_proxy
proxy_down() {
    begin proxydown
    exits 69 env GITHUB_API_URL=https://github.example.com HTTPS_PROXY=http://127.0.0.1:9 CURL_CA_BUNDLE="$WORK/ca.pem" cloudfolio-sync --tenant mona-lisa && is 0 "$(seen length)"
}
check "a proxy that isn't there: exit 69, and nothing goes around it" proxy_down

# --- GitHub Enterprise Server -----------------------------------------------------------------------
enterprise() {
    begin enterprise
    exits 0 env GITHUB_API_URL="$1/api/v3" CURL_CA_BUNDLE="$WORK/ca.pem" cloudfolio-sync --tenant mona-lisa || return 1
    is 0 "$(seen '[.[] | select(.path | test("^/api/(v3/|graphql$)") | not)] | length')" && test "$(seen '[.[] | select(.path == "/api/graphql")] | length')" -gt 0 &&
        is "$1/api/v3/repos/Mona-Lisa" "$(document mona-lisa | jq -r '.repositories[0].metadata.url | sub("/[^/]*$"; "")')"
}
check "GitHub Enterprise Server: /api/v3 and /api/graphql" enterprise "https://localhost:$TLS"
slashes() {
    begin slashes
    exits 0 env GITHUB_API_URL="$HTTP/" cloudfolio-sync --tenant mona-lisa && is 0 "$(seen '[.[] | select(.path | startswith("//"))] | length')"
}
check "slashes at the end of the address" slashes
own_graphql() {
    begin owngraphql
    exits 0 env GITHUB_API_URL="$HTTP" GITHUB_GRAPHQL_URL="$HTTP/api/graphql" cloudfolio-sync --tenant mona-lisa && is 0 "$(seen '[.[] | select(.path == "/graphql")] | length')"
}
check "GITHUB_GRAPHQL_URL" own_graphql

# --- redirects ------------------------------------------------------------------------------------
cat >"$WORK/listener.mjs" <<'END'
// Writes down every request with its headers, and answers 200 with nothing.
import fs from 'node:fs';
import http from 'node:http';
const [,, log, , portFile] = process.argv;
fs.writeFileSync(log, '');
const server = http.createServer((request, response) => {
  fs.appendFileSync(log, `${request.method} ${request.url} ${JSON.stringify(request.headers)}\n`);
  response.end('{}');
});
server.listen(0, '127.0.0.1', () => { fs.writeFileSync(`${portFile}.new`, String(server.address().port)); fs.renameSync(`${portFile}.new`, portFile); });
END
started listener.port node "$WORK/listener.mjs" "$WORK/listener.log"
LISTENER=$GOT
redirected() { # redirected NAME STATUS EXIT MATCH
    begin "$1"
    control faults "[{\"match\":$4,\"times\":1000,\"action\":{\"status\":$2,\"body\":\"\",\"headers\":{\"location\":\"http://127.0.0.1:$LISTENER/elsewhere\"}}}]" >/dev/null
    exits "$3" cloudfolio-sync --tenant mona-lisa && is "" "$(cat "$WORK/listener.log")"
}
check "the listener writes down what it gets" bash -c "curl -sS -H 'authorization: bearer x' http://127.0.0.1:$LISTENER/try >/dev/null; grep -q 'bearer x' $WORK/listener.log && : >$WORK/listener.log"
check "302 of GraphQL leads nowhere" redirected r302 302 65 '{"kind":"graphql"}'
check "307 of GraphQL" redirected r307 307 65 '{"kind":"graphql"}'
check "301 of a tree: one repository is moved, the token isn't" redirected r301 301 0 '{"route":"trees","path":"/repos/Mona-Lisa/[a-m]"}'
check "308 of a blob" redirected r308 308 0 '{"route":"blobs"}'
to_itself() { # nor does a redirect inside of GitHub: names that changed come with the next listing
    begin itself
    control faults "[{\"match\":{\"route\":\"trees\"},\"times\":1,\"action\":{\"status\":301,\"body\":\"\",\"headers\":{\"location\":\"$HTTP/repositories/1/git/trees/x\"}}}]" >/dev/null
    exits 0 cloudfolio-sync --tenant mona-lisa && is 1 "$(document mona-lisa | jq '[.repositories[] | select(.reason == "moved")] | length')" &&
        is 0 "$(seen '[.[] | select(.path | startswith("/repositories/"))] | length')"
}
check "a redirect within GitHub isn't followed either" to_itself
check "the token is in no log and in no store" test -z "$(grep -r -l demo-token "$WORK" --include='*' 2>/dev/null | grep -v '/world/' | head -n 1)"
done_testing
