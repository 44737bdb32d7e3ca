/* Commit and collection on an object store (docs/CONTRACT.md, sections 6, 7, 9 and 10), for SPIN 6.
 * README.md says what is modelled and what isn't; check.sh runs it.
 *
 * One request to the store is one step. Between two steps a process may stall for any length of time; it may crash
 * and begin anew; an answer may be lost, after which the same bytes are sent again.
 *
 * The store: a marker of version v is (who, ref, low)[v]. who stands for its bytes, and so for its ETag: a value that
 * is fresh in every attempt, 0 when there is no marker. ref is the one blob that the version lists, one of two
 * contents in one folder, and low the floor. Bit d of blob[c] says that the blob b/<d>/<content c> exists.
 *
 * The truth, which no process sees: newest and floor of the chain; mine[w], the bytes that process w is committing got
 * onto the chain; orphan[v], the marker of v has bytes that never were on it (created below the floor by somebody
 * who had stalled). Asserted are, with their numbers in README.md:
 *   A1 an acknowledged commit is on the chain, which also says that no two are acknowledged for one version
 *   A2 no blob that a version from the floor up lists is missing; no marker from the floor up is deleted or replaced
 *   A3 what a reader got is, or was, on the chain
 *   A4 nobody meets a 404 while the newest version is at most K+1 above the one it had resolved
 *   A5 the floor never goes down
 *   A6 a sweep that nobody disturbs leaves nothing below the floor that isn't wanted
 *   A7 an idle dataset comes to rest: no collector raises the floor for a collector's version alone (with POLICY)
 */

/* --- bounds ------------------------------------------------------------------------------------------------------ */
#ifndef TOP
#define TOP 3                    /* writers go on to this version, collectors to the next */
#endif
#ifndef K
#define K 0                      /* a collector that read n commits a floor from the present one to n-K */
#endif
#ifndef POLICY
#define POLICY 0                 /* 1: that floor is n-K, when this gains more than the collector's own version */
#endif
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef COLLECTORS
#define COLLECTORS 1
#endif
#ifndef READERS
#define READERS 0
#endif
#ifndef STALLED
#define STALLED 0                /* 1: one more writer, which stalled just before its PUT of version 2 */
#endif
#ifndef LOSER
#define LOSER 0                  /* 1: writer 0 has raced for version 1, uploaded the other content, and lost */
#endif
#ifndef START
#define START 1                  /* 1: version 1 exists. 3: versions 2 and 3 do, the floor is 2, version 1 is gone */
#endif
#ifndef SPLIT
#define SPLIT 0                  /* 1: LIST and GET are two steps. With the ETag's check that is the same as one */
#endif
#ifndef LATE
#define LATE 0                   /* 1: a marker whose answer was lost may still arrive, at any later time */
#endif
#ifndef ROLLBACK
#define ROLLBACK 1               /* 1: writers roll back, too */
#endif
#ifndef CRASH
#define CRASH 1                  /* 1: processes crash and begin anew, and writers give up */
#endif
#ifndef LOSS
#define LOSS 1                   /* 1: answers are lost */
#endif

/* --- the rules, each of which can be weakened by -D<name>=1 ------------------------------------------------------ */
#ifndef NO_CONDITION
#define NO_CONDITION 0           /* the store ignores If-None-Match */
#endif
#ifndef SAME_WRITER_VALUE
#define SAME_WRITER_VALUE 0      /* two attempts with the same contents have the same bytes */
#endif
#ifndef WRITER_SKIPS_STEP3
#define WRITER_SKIPS_STEP3 0
#endif
#ifndef SAME_BYTES_SKIP_STEP3
#define SAME_BYTES_SKIP_STEP3 0  /* no step 3 after "412, the same bytes" */
#endif
#ifndef FAILED_LIST_IS_SUCCESS
#define FAILED_LIST_IS_SUCCESS 0 /* step 3 can't have its LIST, and success is reported */
#endif
#ifndef UNDO_UPLOADS
#define UNDO_UPLOADS 0           /* a writer that gives up deletes what it uploaded */
#endif
#ifndef REUSE_BELOW_FLOOR
#define REUSE_BELOW_FLOOR 0      /* own uploads of an earlier attempt are referred to whatever the parent's floor */
#endif
#ifndef KEEP_FORMER_REFS
#define KEEP_FORMER_REFS 0       /* after CONFLICT, references taken from the former parent are kept */
#endif
#ifndef EXISTS_SKIPS_UPLOAD
#define EXISTS_SKIPS_UPLOAD 0    /* a blob that exists in some folder is referred to */
#endif
#ifndef ROLLBACK_BELOW_FLOOR
#define ROLLBACK_BELOW_FLOOR 0
#endif
#ifndef NO_ETAG
#define NO_ETAG 0                /* the GET after a LIST takes whatever is there */
#endif
#ifndef STALE_LIST
#define STALE_LIST 0             /* a LIST may miss the newest marker */
#endif
#ifndef TORN_LIST
#define TORN_LIST 0              /* a LIST reads the names, and their ETags later; names that are gone are left out.
                                    2 is right again: it reads the names once more, and starts over unless the newest
                                    is the same */
#endif
#ifndef PIN_WITHOUT_HASH
#define PIN_WITHOUT_HASH 0       /* a version pinned by number is read without comparing its hash */
#endif
#ifndef FLOOR_GOES_DOWN
#define FLOOR_GOES_DOWN 0        /* the last collector wants everything kept, and lowers the floor for that */
#endif
#ifndef COLLECTOR_SKIPS_STEP3
#define COLLECTOR_SKIPS_STEP3 0
#endif
#ifndef SWEEP_BEFORE_COMMIT
#define SWEEP_BEFORE_COMMIT 0
#endif
#ifndef READ_AFTER_COMMIT
#define READ_AFTER_COMMIT 0      /* a collector reads the versions after its commit, and skips 404 */
#endif
#ifndef RESUME_UNCHECKED
#define RESUME_UNCHECKED 0       /* a resumed sweep doesn't look again at the floor after its reads */
#endif
#ifndef RAISE_BY_ONE
#define RAISE_BY_ONE 0           /* with POLICY: it is n-K whenever that is above the present floor */
#endif
#ifndef SWEEP_BY_COUNTING
#define SWEEP_BY_COUNTING 0      /* deletes the markers from the old floor to the new one, instead of what LIST shows */
#endif
#ifndef SLACK
#define SLACK (K+1)              /* of A4 */
#endif

/* --- the store --------------------------------------------------------------------------------------------------- */
#define SIZE        (TOP+2)
#define ALL         (WRITERS+COLLECTORS)
#define BIT(x)      (1 << (x))
#define REF(d, c)   (2*(d) + (c))
#define FOLDER(r)   (((r) & 127) >> 1)
#define CONTENT(r)  ((r) & 1)
#define ORPHAN      128          /* in what a reader got: orphan[] of the marker that it came from */
#define EXISTS(r)   (blob[CONTENT(r)] & BIT(FOLDER(r)))

byte who[SIZE], ref[SIZE], low[SIZE];
byte blob[2];

byte newest, floor;
bit orphan[SIZE], mine[ALL];
#if POLICY
byte writers;                    /* bit v: version v was committed by a writer */
#endif
byte me[ALL];                    /* the bytes (who) that each process is committing */
bit busy[ALL+READERS];           /* it is between its first LIST and its end */
bit stalled;                     /* the process Stalled is yet to act */
byte late, late_w, late_who, late_ref, late_low; /* a PUT that is still under way; late: its version, 0: none */

#define TAKEN(x, v) (who[v] == (x) || late_who == (x))
#define FRESH(w, v) (SAME_WRITER_VALUE -> 1 : (!TAKEN(3*w+1, v) -> 3*w+1 : (!TAKEN(3*w+2, v) -> 3*w+2 : 3*w+3)))

/* The conditional create is carried out, within an atomic step whose guard has seen that it may be. */
inline create(w, v, who_, ref_, low_) {
  if
  :: v == newest+1 ->
       newest = v; orphan[v] = 0;
#if POLICY
       writers = writers | (w < WRITERS -> BIT(v) : 0);
#endif
       mine[w] = (me[w] == who_ -> 1 : mine[w]);
       assert(low_ >= floor || FLOOR_GOES_DOWN); /* A5; with that rule gone, what follows from it */
       floor = low_;
       assert(EXISTS(ref_))                      /* A2 */
  :: else ->
       assert(v < floor);                        /* A2: only markers below the floor were deleted */
       orphan[v] = !(mine[w] && me[w] == who_)
  fi;
  who[v] = who_; ref[v] = ref_; low[v] = low_;
  printf("process %d creates version %d: content %d of folder %d, floor %d; orphan: %d\n", w, v, CONTENT(ref_),
    FOLDER(ref_), low_, orphan[v])
}

inline got(w, x) {
  if
  :: w < ALL -> tag = 0; f = low[x]; r = ref[x]
  :: else -> tag = who[x]; r = ref[x] | (orphan[x] -> ORPHAN : 0)
  fi;
  printf("process %d has read version %d: content %d of folder %d, floor %d\n", w, x, CONTENT(ref[x]), FOLDER(ref[x]),
    low[x])
}

/* "Reading": the newest marker, one LIST and one GET; x is its version, f and r its floor and its reference. A
 * process that begins waits for the condition. */
inline resolve(w, x, condition) {
  do
  :: atomic {
       condition -> busy[w] = 1; f = 0; r = 0;
#if TORN_LIST
       x = 0; do :: x < SIZE -> names = names | (who[x] -> BIT(x) : 0); x++ :: else -> x = 0; break od };
     atomic {
       x = SIZE-1; do :: x && !(who[x] && (names & BIT(x))) -> x-- :: else -> break od; names = 0; tag = who[x] };
     atomic {
       if :: TORN_LIST == 2 && x != newest -> tag = 0; x = 0 :: else fi;
#else
       if :: x = newest :: STALE_LIST && newest > 1 && who[newest-1] -> x = newest-1 fi; tag = who[x];
#endif
#if SPLIT
     };
     if
     :: atomic { who[x] && (NO_ETAG || who[x] == tag) -> got(w, x); break }
     :: atomic { !(who[x] && (NO_ETAG || who[x] == tag)) ->
          assert(TORN_LIST || newest > x + SLACK); tag = 0; x = 0 }            /* A4 */
     fi
#else
       got(w, x); break }
#endif
  od
}

/* "Committing", steps 2 and 3, of version v with its reference and floor; goes on at the label again when it isn't
 * known to be committed, and past this when it is. "412" and the GET that follows are one step: nothing is changed by
 * the first, and the GET decides. */
#define SAME(v, ref_, low_) (who[v] == me[w] && ref[v] == ref_ && low[v] == low_)

inline commit(w, v, ref_, low_, skip3) {
  do                                             /* step 2 */
  :: atomic { !who[v] || NO_CONDITION ->
       create(w, v, me[w], ref_, low_);
       if :: skip3 -> goto committed :: !skip3 -> break :: LOSS /* the answer is lost */ fi }
  :: atomic { who[v] && !NO_CONDITION && !SAME(v, ref_, low_) -> goto again }                         /* CONFLICT */
  :: atomic { who[v] && !NO_CONDITION && SAME(v, ref_, low_) ->
       if :: skip3 || SAME_BYTES_SKIP_STEP3 -> goto committed :: else -> break fi }
  :: atomic { LATE && !late && !who[v] ->
       late = v; late_w = w; late_who = me[w]; late_ref = ref_; late_low = low_ }
  :: atomic { CRASH -> goto crashed }                              /* or it gives up: the outcome is unknown */
  od;
  if                                             /* step 3 */
  :: resolve(w, x, true); atomic { if :: f > v -> goto again :: else -> goto committed fi }           /* CONFLICT */
  :: atomic { FAILED_LIST_IS_SUCCESS -> goto committed }
  :: atomic { CRASH -> goto crashed }                              /* no LIST: the outcome is unknown */
  fi;
}

/* --- processes --------------------------------------------------------------------------------------------------- */

proctype Writer(byte w) {
  byte p, x, tag, f, r;          /* the parent, a version, its ETag, floor and reference */
  byte mine_ref, mine_low;       /* of the marker that it commits */
  byte own;                      /* an upload of an earlier attempt */
  byte former;                   /* a reference of a former parent: with KEEP_FORMER_REFS only */
  bit up;                        /* the upload is due */
#if TORN_LIST
  byte names;
#endif
  if :: LOSER && w == 0 -> own = REF(1, 1) :: else fi;
again:
  atomic { p = 0; x = 0; f = 0; r = 0; mine_ref = 0; mine_low = 0; up = 0; mine[w] = 0; me[w] = 0; busy[w] = 0 };
  resolve(w, p, newest < TOP);
  atomic {                                       /* step 1: what the new version lists */
    mine_low = f; me[w] = FRESH(w, p+1);
    own = (FOLDER(own) >= f || REUSE_BELOW_FLOOR -> own : 0);
    if
    :: mine_ref = r                              /* what the parent lists, */
    :: mine_ref = REF(p+1, !CONTENT(r)); up = 1  /* the other content, uploaded, */
    :: own && CONTENT(own) != CONTENT(r) -> mine_ref = own
    :: ROLLBACK && (ROLLBACK_BELOW_FLOOR -> 1 : f) < p ->
         x = (ROLLBACK_BELOW_FLOOR -> 1 : f); do :: x+1 < p -> x++ :: break od
    :: EXISTS_SKIPS_UPLOAD && blob[!CONTENT(r)] ->
         x = 1; do :: blob[!CONTENT(r)] & BIT(x) -> break :: else -> x++ od; mine_ref = REF(x, !CONTENT(r)); x = 0
    :: KEEP_FORMER_REFS && former && CONTENT(former) != CONTENT(r) -> mine_ref = former
    fi;
    former = (KEEP_FORMER_REFS -> r : 0); f = 0; r = 0;
    if :: up -> goto upload :: x -> goto older :: else -> goto put fi
  };
older:                                           /* rollback reads an older marker */
  if
  :: atomic { who[x] -> mine_ref = ref[x]; x = 0; goto put }
  :: atomic { !who[x] -> goto again }
  fi;
upload:
  do
  :: atomic { printf("process %d uploads content %d to folder %d\n", w, CONTENT(mine_ref), p+1);
       blob[CONTENT(mine_ref)] = blob[CONTENT(mine_ref)] | BIT(p+1);
       if :: own = mine_ref; up = 0; goto put :: LOSS /* the answer is lost */ fi }
  :: atomic { CRASH -> goto crashed }
  od;
put:
  commit(w, p+1, mine_ref, mine_low, WRITER_SKIPS_STEP3);
committed:
  atomic { printf("process %d reports version %d\n", w, p+1); assert(mine[w]);   /* success: A1 */
    own = 0; former = 0; goto again };
crashed:
  atomic {
    if :: UNDO_UPLOADS && own == mine_ref && own -> blob[CONTENT(own)] = blob[CONTENT(own)] & ~BIT(FOLDER(own))
       :: else fi;
    own = 0; former = 0; goto again }
}

#if TOP-K > 5
#error "the sweep below deletes from folders and markers 1 to 4 only"
#endif
#define NOTE(r_)    keep[CONTENT(r_)] = keep[CONTENT(r_)] | (FOLDER(r_) < F -> BIT(FOLDER(r_)) : 0)
#define FIRST       (SWEEP_BY_COUNTING -> old : 1)
#define DOOMED(v)   (v >= FIRST && v < F && v < SIZE && who[v])
#define DOOMED_BLOB(d, c) (d < F && (blob[c] & BIT(d)) && !(keep[c] & BIT(d)))

inline delete(v) {
  printf("process %d deletes version %d\n", w, v);
  assert(v < floor);                             /* A2 */
  who[v] = 0; ref[v] = 0; low[v] = 0; orphan[v] = 0
}
inline delete_blob(d, c) {
  printf("process %d deletes content %d of folder %d\n", w, c, d);
  blob[c] = blob[c] & ~BIT(d);
  x = floor; do :: x <= newest -> assert(ref[x] != REF(d, c)); x++ :: else -> x = 0; break od   /* A2 */
}

proctype Collector(byte w) {
  byte n, x, tag, f, r;          /* the newest that it read; otherwise as in Writer */
  byte F, ref_n, old;            /* the floor that it sweeps below; the newest version's reference, its floor */
  byte keep[2];                  /* bit d: b/<d>/<content> is noted */
  bit raise, alone, done;
#if TORN_LIST
  byte names;
#endif
again:
  atomic { n = 0; x = 0; f = 0; r = 0; F = 0; ref_n = 0; old = 0; keep[0] = 0; keep[1] = 0; raise = 0; alone = 0; done = 0;
    mine[w] = 0; me[w] = 0; busy[w] = 0 };
  resolve(w, n, newest > K+1 && (newest <= TOP || floor > 1));
  atomic {
    x = 0; alone = !stalled; do :: x < ALL -> alone = alone && (x == w || !busy[x]); x++ :: else -> x = 0; break od;
#if FLOOR_GOES_DOWN
    F = (w == ALL-1 -> 1 : n-K); raise = (F != f && n <= TOP);
#elif POLICY
    F = (n-K > f+1 || (RAISE_BY_ONE && n-K > f) -> n-K : f); raise = (F > f && n <= TOP);
    assert(!raise || writers & BIT(n));          /* A7 */
#else
    F = f; do :: F+K < n && n <= TOP -> F++ :: break od; raise = (F > f);
#endif
    ref_n = r; old = (SWEEP_BY_COUNTING -> f : 0); f = 0; r = 0;
    if :: raise -> me[w] = FRESH(w, n+1) :: else fi;
    if :: F <= 1 && !raise -> goto again :: else -> x = F fi;
    if :: READ_AFTER_COMMIT && raise -> goto decide :: else -> NOTE(ref_n) fi;
    if :: x == n -> goto decide :: else fi
  };
reads:                                           /* (i) */
  do
  :: atomic { x < n && who[x] -> printf("process %d notes version %d\n", w, x); NOTE(ref[x]); x++; if :: x == n -> goto decide :: else fi }
  :: atomic { x < n && !who[x] -> if :: READ_AFTER_COMMIT && raise -> x++ :: else -> goto again fi;
       if :: x == n -> goto decide :: else fi }
  :: atomic { CRASH -> goto crashed }
  od;
decide:                                          /* (ii); or, with nothing to raise, is the floor still the same? */
  atomic { x = 0;
    if
    :: raise && SWEEP_BEFORE_COMMIT -> goto sweep
    :: raise && READ_AFTER_COMMIT && done -> goto sweep
    :: raise && !SWEEP_BEFORE_COMMIT && !(READ_AFTER_COMMIT && done) -> goto put
    :: !raise && RESUME_UNCHECKED -> goto sweep
    :: !raise && !RESUME_UNCHECKED -> goto look
    fi };
look:
  resolve(w, x, true);
  atomic { if :: f != F -> goto again :: else -> goto ready fi };
put:
  commit(w, n+1, ref_n, F, COLLECTOR_SKIPS_STEP3);
committed:
  atomic { done = READ_AFTER_COMMIT;
    if :: READ_AFTER_COMMIT -> n++; x = F; f = 0; r = 0; goto reads :: else -> goto ready fi };
ready:
  atomic { f = 0; r = 0; x = 0; ref_n = 0; me[w] = 0; mine[w] = 0 };
sweep:                                           /* (iii): one DELETE a step, in any order, markers first */
  do
  :: atomic { DOOMED(1) -> delete(1) }
  :: atomic { DOOMED(2) -> delete(2) }
  :: atomic { DOOMED(3) -> delete(3) }
  :: atomic { DOOMED(4) -> delete(4) }
  :: atomic { CRASH -> goto again }
  :: !DOOMED(1) && !DOOMED(2) && !DOOMED(3) && !DOOMED(4) -> break
  od;
  do
  :: atomic { DOOMED_BLOB(1, 0) -> delete_blob(1, 0) }
  :: atomic { DOOMED_BLOB(2, 0) -> delete_blob(2, 0) }
  :: atomic { DOOMED_BLOB(3, 0) -> delete_blob(3, 0) }
  :: atomic { DOOMED_BLOB(4, 0) -> delete_blob(4, 0) }
  :: atomic { DOOMED_BLOB(1, 1) -> delete_blob(1, 1) }
  :: atomic { DOOMED_BLOB(2, 1) -> delete_blob(2, 1) }
  :: atomic { DOOMED_BLOB(3, 1) -> delete_blob(3, 1) }
  :: atomic { DOOMED_BLOB(4, 1) -> delete_blob(4, 1) }
  :: atomic { CRASH -> goto again }
  :: !DOOMED_BLOB(1, 0) && !DOOMED_BLOB(2, 0) && !DOOMED_BLOB(3, 0) && !DOOMED_BLOB(4, 0) &&
     !DOOMED_BLOB(1, 1) && !DOOMED_BLOB(2, 1) && !DOOMED_BLOB(3, 1) && !DOOMED_BLOB(4, 1) -> break
  od;
  atomic {                                       /* A6 */
    x = 0; do :: x < ALL -> alone = alone && (x == w || !busy[x]); x++ :: else -> break od;
    if
    :: alone && !LATE && !stalled && floor == F ->
         x = 1; do :: x < F -> assert(!who[x]); x++ :: else -> break od;
         /* keep says what versions from the floor up list, or listed when they were read; a version committed by
            another since then lists a subset of those below the floor */
         assert(!(blob[0] & (BIT(F)-2) & ~keep[0]) && !(blob[1] & (BIT(F)-2) & ~keep[1]))
    :: else fi;
    goto again };
crashed:
  atomic { goto again }
}

#define MISSED(x)   assert(newest > x + SLACK); goto again   /* A4 */

proctype Reader(byte w) {
  byte x, tag, f, r;
#if TORN_LIST
  byte names;
#endif
again:
  atomic { x = 0; tag = 0; f = 0; r = 0; busy[w] = 0 };
  resolve(w, x, true);
blobs:
  if
  :: atomic { EXISTS(r) -> printf("process %d has read the blob\n", w); assert(!(r & ORPHAN)); r = 0;                 /* A3 */
       if :: goto again :: true fi }             /* or it pins this version, with its hash, and reads it later */
  :: atomic { !EXISTS(r) -> MISSED(x) }
  fi;
  if
  :: atomic { who[x] && (who[x] == tag || PIN_WITHOUT_HASH) -> got(w, x); goto blobs }
  :: atomic { !(who[x] && (who[x] == tag || PIN_WITHOUT_HASH)) -> MISSED(x) }
  fi
}

/* A writer that took version 1 as its parent, uploaded the other content and stalled ever since. The same as one more
 * Writer in one of its orders of events, and much cheaper. */
proctype Stalled() {
  if
  :: atomic { !who[2] && newest >= 2 -> who[2] = 254; ref[2] = REF(2, 1); low[2] = 1; orphan[2] = 1; stalled = 0;
       printf("the stalled writer creates version 2: content 1 of folder 2, floor 1\n") }
  :: atomic { newest >= 2 -> stalled = 0 }
  fi
}

/* A PUT that arrives late. */
proctype Network() {
end:
  do
  :: atomic { late && !who[late] -> create(late_w, late, late_who, late_ref, late_low);
       late = 0; late_w = 0; late_who = 0; late_ref = 0; late_low = 0 }
  :: atomic { late && who[late] -> late = 0; late_w = 0; late_who = 0; late_ref = 0; late_low = 0 }
  od
}

init {
  atomic {
    blob[0] = BIT(1); newest = START;
    if
    :: START == 1 -> floor = 1; who[1] = 255; ref[1] = REF(1, 0); low[1] = 1
    :: START == 3 -> floor = 2; who[2] = 255; ref[2] = REF(1, 0); low[2] = 1;
       blob[1] = BIT(3); who[3] = 255; ref[3] = REF(3, 1); low[3] = 2
    fi;
    byte i = 0;
    do
    :: i < WRITERS -> run Writer(i); i++
    :: i >= WRITERS && i < ALL -> run Collector(i); i++
    :: i >= ALL && i < ALL+READERS -> run Reader(i); i++
    :: else -> break
    od;
    if :: LATE -> run Network() :: else fi;
    if :: LOSER -> blob[1] = blob[1] | BIT(1) :: else fi;
    if :: STALLED -> blob[1] = blob[1] | BIT(2); stalled = 1; run Stalled() :: else fi;
    i = 0
  }
}
