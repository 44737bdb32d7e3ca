/* The files that make up a model, in memory. */
#ifndef CF_ENCODER_ARTEFACTS_H
#define CF_ENCODER_ARTEFACTS_H

#include <stddef.h>

#include "common/base/buf.h"

struct cf_artefact {
    char path[64];
    const char *type; /* media type, a literal */
    struct cf_buf data;
};

struct cf_artefacts {
    struct cf_artefact *items;
    size_t count;
    size_t capacity;
};

#define CF_ARTEFACTS_INIT                                                                          \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

/* A new, empty artefact, whose data the caller fills. The pointer holds until the next one is
 * added. */
struct cf_artefact *cf_artefacts_add(struct cf_artefacts *artefacts, const char *path,
                                     const char *type);
/* The artefact of that path, or NULL. */
const struct cf_artefact *cf_artefacts_find(const struct cf_artefacts *artefacts, const char *path);
void cf_artefacts_release(struct cf_artefacts *artefacts);

#endif
