/* Verification: reads every version of a dataset and everything it refers to. */
#ifndef CF_CONTRACT_VERIFY_H
#define CF_CONTRACT_VERIFY_H

#include "common/contract/dataset.h"

enum cf_finding {
    CF_FOUND_MISSING, /* something that a readable version refers to isn't there: data is lost */
    CF_FOUND_ALTERED, /* it is there, but isn't what its name or the chain says */
    CF_FOUND_ORPHAN,  /* nothing refers to it: a commit under way, or one that died; collected later
                       */
    CF_FOUND_BELOW,   /* below the floor: the next collection removes it */
    CF_FOUND_FOREIGN, /* a name that the contract doesn't know */
};

struct cf_verified {
    uint64_t versions;
    uint64_t blobs;
    uint64_t bytes;       /* stored, of the blobs that readable versions refer to */
    uint64_t findings[5]; /* by enum cf_finding */
};

/* True when nothing is missing, altered or foreign. */
bool cf_verified_clean(const struct cf_verified *result);

const char *cf_finding_name(enum cf_finding finding);

/* found is called for each finding with the key and a sentence. Returns 0 even when data is lost;
 * an error means that the walk couldn't be finished. A dataset without versions is fine. */
int cf_verify(const struct cf_dataset *dataset,
              void (*found)(void *context, enum cf_finding finding, const char *key,
                            const char *what),
              void *context, struct cf_verified *out, struct cf_error *err);

#endif
