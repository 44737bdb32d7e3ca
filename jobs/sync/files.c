#include "jobs/sync/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/base/log.h"

enum { MOST_ALONE = 2 }; /* then it isn't about these repositories */

static const size_t FILES_ANSWER = (size_t)48 << 20;

bool sync_is_wanted(const struct cf_document *document)
{
    return document->path && !document->skipped && !document->text;
}

/* … and that a query gives. */
static bool is_wanted(const struct cf_document *document)
{
    return sync_is_wanted(document) && document->bytes <= SYNC_FILES_TEXT;
}

static uint64_t wanted_bytes(const struct sync_item *item)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < CF_DOCUMENT_KINDS; i++) {
        bytes += is_wanted(&item->content.documents[i]) ? item->content.documents[i].bytes + 1 : 0;
    }
    return bytes;
}

void sync_files_query(struct sync_item *const *items, size_t count, struct cf_buf *query,
                      json_t **variables)
{
    struct cf_buf fields = CF_BUF_INIT;
    char name[32];
    *variables = json_object();
    cf_buf_puts(query, "query Files(");
    for (size_t i = 0; i < count; i++) {
        cf_buf_printf(query, "$n%zu: ID! ", i);
        cf_buf_printf(&fields, " r%zu: node(id: $n%zu) { ... on Repository {", i, i);
        (void)snprintf(name, sizeof(name), "n%zu", i);
        (void)json_object_set_new(*variables, name, json_string(items[i]->repository.node_id));
        for (size_t j = 0; j < CF_DOCUMENT_KINDS; j++) {
            if (is_wanted(&items[i]->content.documents[j])) {
                cf_buf_printf(query, "$o%zu_%zu: GitObjectID! ", i, j);
                cf_buf_printf(&fields, " d%zu: object(oid: $o%zu_%zu) { ...File }", j, i, j);
                (void)snprintf(name, sizeof(name), "o%zu_%zu", i, j);
                (void)json_object_set_new(*variables, name,
                                          json_string(items[i]->content.documents[j].oid));
            }
        }
        cf_buf_puts(&fields, " } }");
    }
    cf_buf_printf(query,
                  ") { rateLimit { cost remaining resetAt }%s }"
                  " fragment File on Blob { oid text isBinary isTruncated byteSize }",
                  cf_buf_str(&fields));
    cf_buf_release(&fields);
}

/* Takes the document's text; one that is binary or cut stays wanted. */
static int read_file(const json_t *file, struct cf_document *document, struct cf_error *err)
{
    const char *oid = NULL;
    bool truncated = false;
    uint64_t bytes = 0;
    int rc = cf_json_get_string(file, "oid", &oid, err);
    rc = rc ? rc : cf_json_get_bool(file, "isTruncated", &truncated, err);
    rc = rc ? rc : cf_json_get_u64(file, "byteSize", &bytes, err);
    const json_t *text = json_object_get(file, "text");
    const json_t *binary = json_object_get(file, "isBinary");
    if (!rc && (strcmp(oid, document->oid) != 0 || bytes != document->bytes)) {
        rc = cf_error_set(err, CF_EDATA, "GitHub answered with another blob");
    }
    if (!rc && ((!json_is_string(text) && !json_is_null(text)) ||
                (!json_is_boolean(binary) && !json_is_null(binary)))) {
        rc = cf_error_set(err, CF_EDATA, "a blob's text or isBinary is of a wrong type");
    }
    if (!rc && !json_is_true(binary) && !json_is_null(text) && !truncated) {
        struct cf_buf clean = CF_BUF_INIT;
        json_t *whole = cf_json_text(json_string_value(text), json_string_length(text));
        cf_buf_append(&clean, json_string_value(whole), json_string_length(whole));
        document->text_length = clean.length;
        document->text = cf_buf_detach(&clean);
        json_decref(whole);
    }
    return rc;
}

/* False when the answer lacks it because it was too much. */
static bool read_item(const json_t *answer, struct sync_item *item, const char *alias)
{
    const char *const path[] = {alias, NULL};
    const json_t *node = json_object_get(json_object_get(answer, "data"), alias);
    const json_t *error = sync_error_at(json_object_get(answer, "errors"), path);
    struct cf_error err = {0};
    if (!json_is_object(node)) {
        const char *reason = sync_error_reason(error);
        bool heavy = strcmp(reason, "resource_limits") == 0;
        item->reason = heavy || !error ? NULL : reason;
        return !heavy;
    }
    for (size_t j = 0; j < CF_DOCUMENT_KINDS; j++) {
        struct cf_document *document = &item->content.documents[j];
        char name[16];
        (void)snprintf(name, sizeof(name), "d%zu", j);
        const json_t *file = json_object_get(node, name);
        if (is_wanted(document) && json_is_object(file) && read_file(file, document, &err)) {
            cf_log_error(CF_WARN, "file_unreadable", &err);
            item->reason = "bad_answer";
            break;
        }
    }
    return true;
}

size_t sync_files_read(const json_t *answer, struct sync_item *const *items, size_t count)
{
    size_t lacking = 0;
    for (size_t i = 0; i < count; i++) {
        char alias[24];
        (void)snprintf(alias, sizeof(alias), "r%zu", i);
        bool whole = read_item(answer, items[i], alias);
        lacking += !whole;
        items[i]->asked = whole;
    }
    return lacking;
}

/* One query. CF_EUNAVAILABLE: it gave nothing, or not all of it. */
static int send_query(struct sync_session *session, struct sync_item *const *items, size_t count,
                      size_t *lacking, struct cf_error *err)
{
    struct cf_buf query = CF_BUF_INIT;
    json_t *variables;
    json_t *answer = NULL;
    sync_files_query(items, count, &query, &variables);
    int rc =
        sync_query(session, cf_buf_str(&query), variables, FILES_ANSWER, count > 1, &answer, err);
    cf_buf_release(&query);
    *lacking = rc ? count : sync_files_read(answer, items, count);
    json_decref(answer);
    return rc;
}

static void give_up(struct sync_item *const *items, size_t count, bool down)
{
    for (size_t i = 0; i < count; i++) {
        items[i]->asked = true;
        items[i]->unavailable = down;
        items[i]->reason = down ? "unavailable" : items[i]->reason;
    }
}

/* Those that a query didn't give, even alone, are left to REST, unless GitHub is down. */
static int fetch_batch(struct sync_session *session, struct sync_batch *batch,
                       struct sync_item *const *items, size_t count, unsigned *failures,
                       struct cf_error *err)
{
    size_t lacking;
    struct cf_error error = {0};
    int rc = send_query(session, items, count, &lacking, &error);
    if (rc && sync_error_is_fatal(rc)) {
        *err = error;
        return rc;
    }
    if (!lacking) {
        sync_batch_pass(batch);
        batch->alone = 0;
        *failures = 0;
        return 0;
    }
    bool heavy = !rc || sync_is_too_heavy(&error);
    if (rc) {
        cf_log_error(CF_WARN, "files_failed", &error);
    }
    if (heavy && count > 1) {
        do {
            (void)sync_batch_shrink(batch);
        } while (batch->size >= count); /* the same query again would be as much */
        cf_log(CF_WARN, "batch_halved", CF_I("repositories", batch->size), CF_END);
        sync_session_back_off(session, ++*failures);
    } else {
        give_up(items, count, rc == CF_EUNAVAILABLE && !heavy);
        if (heavy && ++batch->alone == MOST_ALONE) {
            cf_log_error(CF_WARN, "graphql_given_up", &error);
            sync_session_give_up_graphql(session);
        }
    }
    return 0;
}

/* Collects the next items that fit into one query. */
static size_t next_batch(struct sync_item *items, size_t count, size_t most,
                         struct sync_item *out[SYNC_FILES_REPOSITORIES])
{
    size_t found = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count && found < most; i++) {
        struct sync_item *item = &items[i];
        uint64_t more = wanted_bytes(item);
        if (item->action != SYNC_FETCH || item->reason || item->asked || !*item->content.tree ||
            !more) {
            continue;
        }
        if (found && bytes + more > SYNC_FILES_BYTES) {
            break;
        }
        bytes += more;
        out[found++] = item;
    }
    return found;
}

int sync_files_fetch(struct sync_session *session, struct sync_batch *batch,
                     struct sync_item *items, size_t count, struct cf_error *err)
{
    struct sync_item *chosen[SYNC_FILES_REPOSITORIES];
    unsigned failures = 0;
    size_t found = 1;
    int rc = 0;
    while (!rc && found && sync_session_uses_graphql(session)) {
        found = next_batch(items, count, batch->size, chosen);
        rc = found ? fetch_batch(session, batch, chosen, found, &failures, err) : 0;
    }
    return rc ? rc : sync_blobs_fetch(session, items, count, err);
}
