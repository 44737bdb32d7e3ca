/* search: ask the current model. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/encoder/model.h"
#include "common/portfolio/model.h"
#include "jobs/cloudfolio/excerpt.h"
#include "jobs/cloudfolio/table.h"
#include "jobs/cloudfolio/tool.h"

enum { HITS = 10, EXCERPT_WIDTH = 240 };

static const double LANGUAGE_WEIGHT = 0.3; /* with --languages, when the model's own is 0 */

/* The newest model of a tenant, ready to search. */
struct loaded {
    struct cf_marker marker;
    struct cf_model_document document;
    struct cf_artefacts artefacts; /* their types are the document's */
    struct cf_model *model;
};

static void loaded_release(struct loaded *l)
{
    cf_model_free(l->model);
    cf_artefacts_release(&l->artefacts);
    cf_model_document_release(&l->document);
    cf_marker_release(&l->marker);
}

static int fetch(const struct cf_dataset *dataset, struct loaded *l,
                 const struct cf_blob_set *blobs, struct cf_error *err)
{
    struct cf_buf payloads[CF_MODEL_FILES_MAX] = {{0}};
    const struct cf_training *current = &l->document.current;
    int rc = cf_training_fetch(dataset, current, blobs, payloads, err);
    for (size_t i = 0; i < current->file_count; i++) {
        if (rc) {
            cf_buf_release(&payloads[i]);
        } else {
            cf_artefacts_add(&l->artefacts, current->files[i].path, current->files[i].type)->data =
                payloads[i];
        }
    }
    return rc ? rc : cf_model_load(&l->artefacts, &l->model, err);
}

static int load(struct tool *tool, const char *tenant, struct loaded *l, struct cf_error *err)
{
    struct cf_dataset dataset;
    struct cf_blob_set blobs;
    cf_dataset_init(&dataset, tool->store, tenant, "model");
    int rc = cf_model_document_newest(&dataset, &l->marker, &l->document, &blobs, err);
    if (rc == CF_ENOTFOUND || (!rc && !l->document.has_current)) {
        if (!rc) {
            cf_blob_set_release(&blobs);
        }
        return cf_error_set(err, CF_ENOTFOUND,
                            "%s has no model to search yet; cloudfolio run %s makes one", tenant,
                            tenant);
    }
    if (!rc) {
        rc = fetch(&dataset, l, &blobs, err);
        cf_blob_set_release(&blobs);
    }
    return rc;
}

static char *join(char **words, size_t count)
{
    struct cf_buf text = CF_BUF_INIT;
    for (size_t i = 0; i < count; i++) {
        cf_buf_puts(&text, i ? " " : "");
        cf_buf_puts(&text, words[i]);
    }
    return cf_buf_detach(&text);
}

static json_t *hit_json(const struct cf_hit *hit, bool transformer, const json_t *words)
{
    struct cf_buf excerpt = CF_BUF_INIT;
    tool_excerpt(hit->passage, words, EXCERPT_WIDTH, false, &excerpt);
    json_t *json = json_pack("{s:o,s:f,s:f,s:f,s:o,s:o,s:o,s:o}", "project",
                             cf_json_string_or_null(hit->project), "score", hit->score, "bm25",
                             hit->bm25, "lsa", hit->lsa, "path", cf_json_string_or_null(hit->path),
                             "heading", cf_json_string_or_null(hit->heading), "excerpt",
                             cf_json_text(cf_buf_str(&excerpt), excerpt.length), "passage",
                             cf_json_string_or_null(hit->passage));
    if (transformer) {
        (void)json_object_set_new(json, "transformer", json_real(hit->transformer));
    }
    cf_buf_release(&excerpt);
    return json;
}

static void print_hit(struct tool *tool, size_t rank, const struct cf_hit *hit, const json_t *words)
{
    tool_print(tool, "%s%3zu  ", rank > 1 ? "\n" : "", rank);
    tool_bold(tool, hit->project);
    tool_print(tool, "  %.3f\n", hit->score);
    tool_print(tool, "     ");
    tool_text(tool, *hit->path ? hit->path : "description, topics and languages");
    if (*hit->path && *hit->heading) {
        tool_print(tool, " › ");
        tool_text(tool, hit->heading);
    }
    tool_print(tool, "\n");
    if (*hit->passage) {
        tool_print(tool, "     ");
        tool_excerpt(hit->passage, words, EXCERPT_WIDTH, tool->terminal, &tool->out);
        tool_print(tool, "\n");
    }
}

static void print_hits(struct tool *tool, const struct loaded *l, const char *tenant,
                       const char *query, const struct cf_hit *hits, size_t count)
{
    json_t *words = tool_query_words(query);
    json_t *list = json_array();
    bool transformer = cf_model_params(l->model)->transformer > 0;
    for (size_t i = 0; i < count; i++) {
        if (tool->json) {
            (void)json_array_append_new(list, hit_json(&hits[i], transformer, words));
        } else {
            print_hit(tool, i + 1, &hits[i], words);
        }
    }
    if (tool->json) {
        tool_json(tool,
                  json_pack("{s:s,s:o,s:I,s:I,s:b,s:O}", "tenant", tenant, "query",
                            cf_json_string_or_null(query), "model", (json_int_t)l->marker.version,
                            "bundle", (json_int_t)l->document.current.bundle_version, "languages",
                            (int)tool->languages, "hits", list));
    } else if (!count) {
        tool_print(tool, "nothing is known of any word of the query\n");
    }
    json_decref(list);
    json_decref(words);
}

static int ask(struct tool *tool, const struct loaded *l, const char *tenant, const char *query,
               struct cf_error *err)
{
    size_t limit = tool->limit ? (size_t)tool->limit : HITS;
    size_t projects = cf_model_projects(l->model);
    struct cf_search_options options = {.limit = limit < projects ? limit : projects};
    struct cf_hit *hits = cf_calloc(options.limit, sizeof(*hits));
    if (tool->languages) {
        options.language_weight =
            cf_model_params(l->model)->language_weight > 0 ? -1 : LANGUAGE_WEIGHT;
    }
    size_t count;
    int rc = cf_model_search(l->model, query, &options, hits, &count, err);
    if (!rc) {
        print_hits(tool, l, tenant, query, hits, count);
    }
    free(hits);
    return rc;
}

int tool_search(struct tool *tool, struct cf_error *err)
{
    struct loaded l = {.artefacts = CF_ARTEFACTS_INIT};
    char tenant[CF_TENANT_MAX];
    int rc = tool_tenant(tool, 0, tenant, err);
    rc = rc ? rc : tool_open(tool, TOOL_EXISTING, err);
    if (rc) {
        return rc;
    }
    rc = load(tool, tenant, &l, err);
    if (!rc) {
        char *query = join(tool->arguments + 1, tool->count - 1);
        rc = ask(tool, &l, tenant, query, err);
        free(query);
    }
    loaded_release(&l);
    return rc;
}
