#include "jobs/sync/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/base/log.h"

static const size_t FILES_ANSWER = (size_t)48 << 20;

static bool is_wanted(const struct cf_document *document)
{
    return document->path && !document->skipped;
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

/* 0 when the document is whole: with its text, or with the reason why it has none. */
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
    if (rc) {
        return rc;
    }
    if (json_is_true(binary) || json_is_null(text)) {
        document->skipped = cf_strdup("binary");
    } else if (truncated) {
        document->skipped = cf_strdup("truncated");
    } else {
        struct cf_buf clean = CF_BUF_INIT;
        json_t *whole = cf_json_text(json_string_value(text), json_string_length(text));
        cf_buf_append(&clean, json_string_value(whole), json_string_length(whole));
        document->text_length = clean.length;
        document->text = cf_buf_detach(&clean);
        json_decref(whole);
    }
    return 0;
}

static void read_item(const json_t *answer, struct sync_item *item, const char *alias)
{
    const char *const path[] = {alias, NULL};
    const json_t *node = json_object_get(json_object_get(answer, "data"), alias);
    const json_t *error = sync_error_at(json_object_get(answer, "errors"), path);
    struct cf_error err = {0};
    if (error || !json_is_object(node)) {
        item->reason = sync_error_reason(error);
        return;
    }
    for (size_t j = 0; j < CF_DOCUMENT_KINDS; j++) {
        struct cf_document *document = &item->content.documents[j];
        char name[16];
        (void)snprintf(name, sizeof(name), "d%zu", j);
        if (!is_wanted(document)) {
            continue;
        }
        const json_t *file = json_object_get(node, name);
        if (!json_is_object(file)) {
            item->reason = "files_missing";
            return;
        }
        if (read_file(file, document, &err)) {
            cf_log_error(CF_WARN, "file_unreadable", &err);
            item->reason = "bad_answer";
            return;
        }
    }
}

void sync_files_read(const json_t *answer, struct sync_item *const *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char alias[24];
        (void)snprintf(alias, sizeof(alias), "r%zu", i);
        read_item(answer, items[i], alias);
    }
}

/* One query. An error that isn't fatal becomes the items' reason. */
static int fetch_batch(struct sync_github *github, struct sync_item *const *items, size_t count,
                       struct cf_error *err)
{
    struct cf_buf query = CF_BUF_INIT;
    json_t *variables;
    json_t *answer = NULL;
    struct cf_error error = {0};
    sync_files_query(items, count, &query, &variables);
    int rc =
        sync_github_query(github, cf_buf_str(&query), variables, FILES_ANSWER, &answer, &error);
    cf_buf_release(&query);
    if (!rc) {
        sync_files_read(answer, items, count);
        json_decref(answer);
        return 0;
    }
    if (sync_error_is_fatal(rc)) {
        *err = error;
        return rc;
    }
    cf_log_error(CF_WARN, "files_failed", &error);
    for (size_t i = 0; i < count; i++) {
        items[i]->unavailable = rc == CF_EUNAVAILABLE;
        items[i]->reason = items[i]->unavailable ? "unavailable" : "bad_answer";
    }
    return 0;
}

/* Collects the next items that fit into one query, from plan->items[*next] on. */
static size_t next_batch(struct sync_plan *plan, size_t *next,
                         struct sync_item *batch[SYNC_FILES_REPOSITORIES])
{
    size_t count = 0;
    uint64_t bytes = 0;
    for (; *next < plan->count && count < SYNC_FILES_REPOSITORIES; (*next)++) {
        struct sync_item *item = &plan->items[*next];
        uint64_t more = wanted_bytes(item);
        if (item->action != SYNC_FETCH || item->reason || !more) {
            continue;
        }
        if (count && bytes + more > SYNC_FILES_BYTES) {
            break;
        }
        bytes += more;
        batch[count++] = item;
    }
    return count;
}

int sync_files_fetch(struct sync_github *github, struct sync_plan *plan,
                     int (*complete)(void *context, struct sync_item *item, struct cf_error *err),
                     void *context, struct cf_error *err)
{
    int rc = 0;
    size_t next = 0;
    size_t done = 0;
    while (!rc && done < plan->count) {
        struct sync_item *batch[SYNC_FILES_REPOSITORIES];
        size_t count = next_batch(plan, &next, batch);
        rc = count ? fetch_batch(github, batch, count, err) : 0;
        for (; done < next && !rc; done++) {
            struct sync_item *item = &plan->items[done];
            if (item->action == SYNC_FETCH && !item->reason) {
                rc = complete(context, item, err);
            }
        }
    }
    return rc;
}
