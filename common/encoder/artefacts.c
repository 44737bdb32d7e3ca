#include "common/encoder/artefacts.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"

struct cf_artefact *cf_artefacts_add(struct cf_artefacts *artefacts, const char *path,
                                     const char *type)
{
    artefacts->items = cf_grow(artefacts->items, artefacts->count, &artefacts->capacity,
                               sizeof(*artefacts->items));
    struct cf_artefact *a = &artefacts->items[artefacts->count++];
    memset(a, 0, sizeof(*a));
    memcpy(a->path, path, strnlen(path, sizeof(a->path) - 1));
    a->type = type;
    return a;
}

const struct cf_artefact *cf_artefacts_find(const struct cf_artefacts *artefacts, const char *path)
{
    for (size_t i = 0; i < artefacts->count; i++) {
        if (strcmp(artefacts->items[i].path, path) == 0) {
            return &artefacts->items[i];
        }
    }
    return NULL;
}

void cf_artefacts_release(struct cf_artefacts *artefacts)
{
    for (size_t i = 0; i < artefacts->count; i++) {
        cf_buf_release(&artefacts->items[i].data);
    }
    free(artefacts->items);
    *artefacts = (struct cf_artefacts)CF_ARTEFACTS_INIT;
}
