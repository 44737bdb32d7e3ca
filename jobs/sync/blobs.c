/* Documents by REST, one request each. */
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "jobs/sync/blob.h"
#include "jobs/sync/choose.h"
#include "jobs/sync/files.h"
#include "jobs/sync/trees.h"

struct blobs {
    struct sync_session *session;
    struct sync_item *items;
    size_t count;
    bool limited; /* no request may be sent for now */
    int rc;
    struct cf_error *err;
};

struct fetcher {
    struct sync_get get;
    struct blobs *blobs;
    struct sync_item *item;
    struct cf_document *document; /* NULL: idle */
};

static bool is_open(const struct sync_item *item)
{
    return item->action == SYNC_FETCH && !item->reason && *item->content.tree;
}

static struct cf_document *next_document(const struct blobs *blobs, struct sync_item **item)
{
    for (size_t i = 0; i < blobs->count; i++) {
        *item = &blobs->items[i];
        for (size_t j = 0; j < CF_DOCUMENT_KINDS && is_open(*item); j++) {
            struct cf_document *document = &(*item)->content.documents[j];
            if (sync_is_wanted(document) && !(*item)->document_under_way[j]) {
                (*item)->document_under_way[j] = true;
                return document;
            }
        }
    }
    return NULL;
}

static void start_next(struct fetcher *fetcher)
{
    struct blobs *blobs = fetcher->blobs;
    fetcher->document = blobs->rc || blobs->limited ? NULL : next_document(blobs, &fetcher->item);
    if (fetcher->document) {
        const struct cf_repository *r = &fetcher->item->repository;
        char *path = cf_asprintf("/repos/%s/%s/git/blobs/%s", r->metadata.owner_login, r->name,
                                 fetcher->document->oid);
        sync_get_start(blobs->session, &fetcher->get, path);
        free(path);
    }
}

/* Enters the text, or that there is none. */
static int take(struct fetcher *fetcher)
{
    struct sync_get *get = &fetcher->get;
    struct cf_document *document = fetcher->document;
    struct cf_buf bytes = CF_BUF_INIT;
    struct cf_buf text = CF_BUF_INIT;
    int rc = sync_blob_read(get->document, document->oid, document->bytes, SYNC_DOCUMENT_MAX,
                            &bytes, &get->error);
    if (!rc && sync_text(bytes.data, bytes.length, &text)) {
        document->text_length = text.length;
        document->text = cf_buf_detach(&text);
    } else if (!rc) {
        document->skipped = cf_strdup("binary");
    }
    cf_buf_release(&bytes);
    cf_buf_release(&text);
    return rc;
}

static void blob_done(struct sync_get *get)
{
    struct fetcher *fetcher = get->context;
    struct blobs *blobs = fetcher->blobs;
    struct sync_item *item = fetcher->item;
    item->document_under_way[fetcher->document - item->content.documents] = false;
    if (get->limited) {
        blobs->limited = true;
        return;
    }
    get->rc = get->rc ? get->rc : take(fetcher);
    if (get->rc) {
        struct cf_error err;
        int rc = sync_item_failed(item, get, &err);
        if (rc && !blobs->rc) {
            blobs->rc = rc;
            *blobs->err = err;
        }
    }
    sync_get_release(get);
    start_next(fetcher);
}

static bool any_wanted(const struct blobs *blobs)
{
    for (size_t i = 0; i < blobs->count; i++) {
        for (size_t j = 0; j < CF_DOCUMENT_KINDS && is_open(&blobs->items[i]); j++) {
            if (sync_is_wanted(&blobs->items[i].content.documents[j])) {
                return true;
            }
        }
    }
    return false;
}

int sync_blobs_fetch(struct sync_session *session, struct sync_item *items, size_t count,
                     struct cf_error *err)
{
    struct blobs blobs = {.session = session, .items = items, .count = count, .err = err};
    struct fetcher *fetchers = cf_calloc(SYNC_AT_ONCE, sizeof(*fetchers));
    while (!blobs.rc && any_wanted(&blobs)) {
        blobs.limited = false;
        blobs.rc = sync_session_ready(session, SYNC_REST, err);
        for (size_t i = 0; i < SYNC_AT_ONCE && !blobs.rc; i++) {
            fetchers[i].blobs = &blobs;
            fetchers[i].get.done = blob_done;
            fetchers[i].get.context = &fetchers[i];
            start_next(&fetchers[i]);
        }
        sync_session_wait(session);
    }
    free(fetchers);
    return blobs.rc;
}
