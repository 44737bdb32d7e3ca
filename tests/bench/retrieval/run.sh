#!/usr/bin/env bash
# Measures retrieval: installs the corpus when needed, builds, and prints one Markdown table. Arguments go to
# the program: --half tune|report, --params JSON, --model FOLDER (of a sentence transformer).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
corpus=$top/build/bench/retrieval-corpus.jsonl

if ! cmp -s "$here/package-lock.json" "$here/node_modules/.installed-from"; then
    npm --prefix "$here" ci --ignore-scripts --omit=optional --omit=dev --no-audit --no-fund --loglevel=error >&2
    cp "$here/package-lock.json" "$here/node_modules/.installed-from"
fi
mkdir -p "$(dirname "$corpus")"
node "$here/corpus.mjs" >"$corpus.new"
mv "$corpus.new" "$corpus"
make -s -C "$top" build/bench/retrieval >&2
exec "$top/build/bench/retrieval" "$corpus" "$@"
