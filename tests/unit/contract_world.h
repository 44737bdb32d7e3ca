/* One dataset in a memory store, seen through a counting store and directly. */
#ifndef TESTS_UNIT_CONTRACT_WORLD_H
#define TESTS_UNIT_CONTRACT_WORLD_H

#include "common/contract/collect.h"
#include "common/contract/dataset.h"
#include "common/contract/verify.h"
#include "tests/unit/counting_store.h"

struct world {
    struct cf_store *inner;
    struct counting counting;
    struct cf_store *store;
    struct cf_dataset data;   /* through the counting store */
    struct cf_dataset direct; /* behind its back */
    struct cf_error err;
};

extern const struct cf_producer world_producer;

void world_open(struct world *w);
void world_close(struct world *w);

/* Cuts the waits between attempts short, by a signal every millisecond. */
void world_hurry(void);

/* Commits a version after the newest, or after parent when given: its blobs are the payloads that
 * stand in texts with commas between them. out may be NULL. */
int world_commit_after(const struct cf_dataset *dataset, const struct cf_marker *parent,
                       const char *texts, struct cf_marker *out, struct cf_error *err);
int world_try(const struct cf_dataset *dataset, const char *texts, struct cf_marker *out,
              struct cf_error *err);
/* The same, and must succeed; returns the version. */
uint64_t world_commit(const struct cf_dataset *dataset, const char *texts);
/* So many versions "<name>1,shared", "<name>2,shared", … */
void world_commit_many(const struct cf_dataset *dataset, size_t count, const char *name);

/* Reads a version whole and compares its payloads with texts, of whatever order. */
void world_expect(const struct cf_dataset *dataset, uint64_t version, const char *texts);

/* Verifies: must be clean, and have so many readable versions. */
void world_expect_clean(struct world *w, uint64_t versions);

size_t world_count_keys(struct world *w, const char *prefix);

/* The reference to the blob that the newest version lists for a payload. */
void world_find_blob(const struct cf_dataset *dataset, const char *text, struct cf_blob_ref *out);

/* Replaces an object's bytes by themselves with the one at an offset changed. */
void world_flip(struct world *w, const char *key, size_t offset);
void world_copy(struct world *w, const char *from, const char *to);

#endif
