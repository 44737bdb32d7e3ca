#!/bin/sh
# Checks commit.pml with SPIN: the rules as they are, exhaustively within the bounds; then every rule weakened, which
# must give a counter-example. Prints TAP. "check.sh PATTERN" runs only what matches, by name or switch.
# KEEP=folder keeps the searches: "spin $(cat defines) -t commit.pml" in one of them tells its counter-example.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=${KEEP:-$(mktemp -d)} || exit 1
[ "${KEEP:-}" ] || trap 'rm -rf "$work"' EXIT
pattern=${1:-.}
number=0
failed=0

for tool in spin "${CC:=gcc}"; do
    command -v "$tool" >/dev/null || { echo "Bail out! $tool is missing"; exit 1; }
done

# search DEFINES: states in $states, "complete", "error: …" or a reason in $found
search() {
    dir=$work/$number
    mkdir -p "$dir" && cd "$dir" && rm -f ./*.trail && cp "$here/commit.pml" . || exit 1
    printf '%s\n' "$1" >defines
    found="spin or the compiler failed"
    states=0
    # shellcheck disable=SC2086
    spin $1 -a commit.pml >spin.out 2>&1 &&
        "$CC" -w "$2" -DSAFETY -DCOLLAPSE -DVECTORSZ=512 -DMEMLIM=3500 $3 -o pan pan.c >cc.out 2>&1 || return
    timeout 900 ./pan -E -m100000 >pan.out 2>&1
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.out)
    if grep -q '^pan:1: assertion violated' pan.out; then
        found="error: $(sed -n 's/^pan:1: assertion violated *//p' pan.out)"
    elif grep -q 'not completed\|too small\|out of memory\|max search depth\|VECTORSZ' pan.out; then
        found="the search was incomplete"
    elif grep -q 'errors: 0$' pan.out; then
        found=complete
    else
        found="pan failed"
    fi
}

# verdict NAME OK SECONDS
verdict() {
    word=ok
    [ "$2" = 1 ] || { word="not ok"; failed=$((failed + 1)); }
    echo "$word $number - $1 ($states states, $3 s)"
    [ "$2" = 1 ] || echo "# $found; see README.md"
}

# holds NAME DEFINES: the search is complete and finds no error
holds() {
    printf "holds %s %s\n" "$1" "$2" | grep -q -e "$pattern" || return 0
    number=$((number + 1))
    began=$(date +%s)
    search "$2" -O2 ""
    [ "$found" = complete ] && good=1 || good=0
    verdict "holds: $1" "$good" $(($(date +%s) - began))
}

# fails NAME PROPERTY DEFINES [PAN-DEFINES]: the search finds a counter-example to that property
fails() {
    printf "fails %s %s\n" "$1" "$3" | grep -q -e "$pattern" || return 0
    number=$((number + 1))
    began=$(date +%s)
    case $2 in # what the assertions of commit.pml look like in pan's message
    A1) text='mine\[w\]' ;;
    A2) text='blob\[\|ref\[x\]!=\|<floor)' ;;
    A3) text='r&128' ;;
    A4) text='newest>(x+' ;;
    A6) text='!(who\[x\])' ;;
    A7) text='writers&' ;;
    esac
    search "$3" -O1 "${4:-}"
    case $found in
    error:*) printf '%s\n' "$found" | grep -q -e "$text" && good=1 || good=0 ;;
    *) good=0 ;;
    esac
    verdict "$2 fails: $1" "$good" $(($(date +%s) - began))
}

few="-DCRASH=0 -DLOSS=0"
few1="$few -DROLLBACK=0"
one="-DWRITERS=1"

holds "2 writers and a collector; crashes, lost answers, rollback" "-DTOP=3"
holds "the same with K = 1, more versions and the collector's own policy" "-DTOP=4 -DK=1 -DPOLICY=1 -DCRASH=0"
holds "2 collectors, a writer and one that had stalled" "-DTOP=3 $one -DCOLLECTORS=2 -DSTALLED=1 -DCRASH=0"
holds "2 collectors, resumed sweeps on a longer chain" "-DTOP=4 $few -DSTART=3 $one -DCOLLECTORS=2 -DSTALLED=1"
holds "uploads of a lost race are reused on a longer chain" "-DTOP=4 $few1 -DLOSER=1"
holds "a reader, LIST and GET apart, pinned versions" "-DTOP=3 $one -DSTALLED=1 -DREADERS=1 -DSPLIT=1 -DCRASH=0"
holds "the same where a LIST reads its names twice" \
    "-DTOP=3 $few $one -DSTALLED=1 -DREADERS=1 -DSPLIT=1 -DTORN_LIST=2"
holds "markers that arrive late" "-DTOP=3 $one -DLATE=1"

fails "the store ignores If-None-Match" A2 "-DTOP=3 $few -DNO_CONDITION=1"
fails "no writer value of its own" A1 "-DTOP=3 $few -DSAME_WRITER_VALUE=1"
fails "a writer skips step 3" A1 "-DTOP=3 $few -DWRITER_SKIPS_STEP3=1"
fails "no step 3 after 412, the same bytes" A1 "-DTOP=3 -DCRASH=0 -DSAME_BYTES_SKIP_STEP3=1"
fails "a failed LIST in step 3 is taken for success" A1 "-DTOP=3 $few -DFAILED_LIST_IS_SUCCESS=1"
fails "a LIST misses the newest marker" A1 "-DTOP=3 $few -DSTALE_LIST=1"
fails "a writer that gives up deletes its uploads" A2 "-DTOP=3 -DUNDO_UPLOADS=1"
fails "own uploads are reused whatever the floor" A2 "-DTOP=4 $few1 -DLOSER=1 -DREUSE_BELOW_FLOOR=1"
fails "references of a former parent are kept" A2 "-DTOP=4 $few1 -DKEEP_FORMER_REFS=1" "-DT_REVERSE"
fails "what exists in some folder isn't uploaded" A2 "-DTOP=4 $few1 $one -DEXISTS_SKIPS_UPLOAD=1"
fails "rollback to a version below the floor" A2 "-DTOP=4 $few $one -DROLLBACK_BELOW_FLOOR=1"
fails "a collector skips step 3" A2 \
    "-DTOP=4 $few $one -DCOLLECTORS=2 -DCOLLECTOR_SKIPS_STEP3=1" "-DREVERSE -DT_REVERSE"
fails "a collector deletes before it commits" A2 "-DTOP=3 $few -DSWEEP_BEFORE_COMMIT=1"
fails "a collector reads after its commit and skips 404" A2 \
    "-DTOP=4 $few1 $one -DCOLLECTORS=2 -DREAD_AFTER_COMMIT=1"
fails "a resumed sweep doesn't look at the floor again" A2 \
    "-DTOP=4 $few -DSTART=3 $one -DCOLLECTORS=2 -DSTALLED=1 -DRESUME_UNCHECKED=1"
fails "a collector lowers the floor" A2 "-DTOP=3 $few1 -DCOLLECTORS=2 -DFLOOR_GOES_DOWN=1"
fails "what to delete is counted from the old floor" A6 "-DTOP=3 $few -DSWEEP_BY_COUNTING=1"
fails "the floor rises for a collector's own version" A7 "-DTOP=4 $few -DPOLICY=1 -DRAISE_BY_ONE=1"
fails "the GET doesn't compare the ETag of the LIST" A3 \
    "-DTOP=3 $few1 $one -DSTALLED=1 -DREADERS=1 -DSPLIT=1 -DNO_ETAG=1"
fails "a LIST that isn't one step: names first, ETags later" A3 \
    "-DTOP=3 $few1 $one -DSTALLED=1 -DREADERS=1 -DSPLIT=1 -DTORN_LIST=1"
fails "a pinned version is read without its hash" A3 \
    "-DTOP=3 $few1 $one -DSTALLED=1 -DREADERS=1 -DPIN_WITHOUT_HASH=1"
fails "a reader trusts in K+2 more versions, not K+1" A4 "-DTOP=3 $few1 $one -DREADERS=1 -DSLACK=2"

echo "1..$number"
[ "$failed" = 0 ] && [ "$number" -gt 0 ]
