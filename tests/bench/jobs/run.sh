#!/bin/bash
# CPU seconds, wall seconds and peak memory of each job, as the jobs' own run records state them; medians of
# RUNS runs (5). Against the stand-in for GitHub, on a file: store. Prints a Markdown table.
. "$(dirname "$0")/../../e2e/lib.sh"
RUNS=${RUNS:-5}
export CLOUDFOLIO_LOG=text CLOUDFOLIO_LOG_LEVEL=error
start_github_many() {
    node tests/github/world.mjs --out "$WORK/world" --copies 400 >/dev/null || exit 1
    node tests/github/server.mjs --world "$WORK/world" --port-file "$WORK/port" >"$WORK/github.log" 2>&1 &
    SERVER=$!
    for _ in $(seq 200); do [ -s "$WORK/port" ] && break; sleep 0.1; done
    export GITHUB_API_URL="http://127.0.0.1:$(cat "$WORK/port")" GITHUB_TOKEN=bench
}
start_github_many

# last JOB TENANT: the newest run record of the job as "wall cpu memory".
last() {
    local file
    file=$(find "$WORK/store/tenants/$2/runs" -name "$1-*.json" | sort | tail -n 1)
    jq -r 'def t: sub("\\.(?<ms>[0-9]+)Z"; "Z") | fromdate; def ms: capture("\\.(?<m>[0-9]+)Z").m | tonumber / 1000;
        "\((.ended | t) + (.ended | ms) - (.started | t) - (.started | ms)) \(.cpu_seconds) \(.peak_memory_bytes)"' "$file"
}
median() { sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
row() { # NAME FILE REQUESTS
    printf '| %s | %s | %.3f | %.3f | %.1f |\n' "$1" "$3" "$(cut -d' ' -f1 "$2" | median)" "$(cut -d' ' -f2 "$2" | median)" \
        "$(cut -d' ' -f3 "$2" | median | awk '{print $1 / 1e6}')"
}
requests() { control counters | jq .total; }

echo "| run | GitHub requests | wall s | CPU s | peak MB |"
echo "|---|---|---|---|---|"
for tenant in octocat many; do
    n=$([ $tenant = octocat ] && echo 60 || echo 400)
    rm -f "$WORK"/t.*
    for i in $(seq "$RUNS"); do
        rm -rf "$WORK/store"
        export CLOUDFOLIO_STORE="file:$WORK/store"
        cloudfolio tenant add $tenant >/dev/null
        control reset '{}' >/dev/null
        cloudfolio-sync --tenant $tenant && last sync $tenant >>"$WORK/t.cold"
        cold=$(requests)
        cloudfolio-orchestrate --tenant $tenant 2>/dev/null && last orchestrate $tenant >>"$WORK/t.join"
        cloudfolio-train --tenant $tenant && last train $tenant >>"$WORK/t.train"
        control reset '{}' >/dev/null
        cloudfolio-sync --tenant $tenant && last sync $tenant >>"$WORK/t.same"
        same=$(requests)
        cloudfolio-orchestrate --tenant $tenant && last orchestrate $tenant >>"$WORK/t.nojoin"
        cloudfolio-train --tenant $tenant && last train $tenant >>"$WORK/t.notrain"
        if [ $tenant = octocat ]; then
            control change "{\"owner\":\"octocat\",\"repo\":\"ky\",\"files\":{\"README.md\":\"# ky\\n\\nchange $i\\n\"}}" >/dev/null
            control reset '{}' >/dev/null
            cloudfolio-sync --tenant $tenant && last sync $tenant >>"$WORK/t.one"
            one=$(requests)
        fi
    done
    row "sync, $n repositories, cold" "$WORK/t.cold" "$cold"
    [ $tenant = octocat ] && row "sync, one of $n changed" "$WORK/t.one" "$one"
    row "sync, nothing changed" "$WORK/t.same" "$same"
    row "orchestrate, $n entries" "$WORK/t.join" -
    row "orchestrate, nothing to do" "$WORK/t.nojoin" -
    row "train, $n repositories" "$WORK/t.train" -
    row "train, nothing to do" "$WORK/t.notrain" -
done
