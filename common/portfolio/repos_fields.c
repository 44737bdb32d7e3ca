#include "common/portfolio/repos_fields.h"

#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/portfolio/repos.h"

static const struct cf_field_row metadata_rows[] = {
    {"url", CF_ROW_TEXT, offsetof(struct cf_metadata, url)},
    {"html_url", CF_ROW_TEXT, offsetof(struct cf_metadata, html_url)},
    {"description", CF_ROW_TEXT_OR_NULL, offsetof(struct cf_metadata, description)},
    {"homepage", CF_ROW_TEXT_OR_NULL, offsetof(struct cf_metadata, homepage)},
    {"language", CF_ROW_TEXT_OR_NULL, offsetof(struct cf_metadata, language)},
    {"visibility", CF_ROW_TEXT, offsetof(struct cf_metadata, visibility)},
    {"created_at", CF_ROW_TEXT, offsetof(struct cf_metadata, created_at)},
    {"updated_at", CF_ROW_TEXT, offsetof(struct cf_metadata, updated_at)},
    {"pushed_at", CF_ROW_TEXT_OR_NULL, offsetof(struct cf_metadata, pushed_at)},
    {"fork", CF_ROW_FLAG, offsetof(struct cf_metadata, fork)},
    {"archived", CF_ROW_FLAG, offsetof(struct cf_metadata, archived)},
    {"disabled", CF_ROW_FLAG, offsetof(struct cf_metadata, disabled)},
    {"is_template", CF_ROW_FLAG, offsetof(struct cf_metadata, is_template)},
    {"allow_forking", CF_ROW_FLAG, offsetof(struct cf_metadata, allow_forking)},
    {"size", CF_ROW_COUNT, offsetof(struct cf_metadata, size)},
    {"stars", CF_ROW_COUNT, offsetof(struct cf_metadata, stars)},
    {"forks", CF_ROW_COUNT, offsetof(struct cf_metadata, forks)},
};

static const struct cf_field_row license_rows[] = {
    {"key", CF_ROW_TEXT, offsetof(struct cf_license, key)},
    {"name", CF_ROW_TEXT, offsetof(struct cf_license, name)},
    {"spdx_id", CF_ROW_TEXT_OR_NULL, offsetof(struct cf_license, spdx_id)},
    {"url", CF_ROW_TEXT_OR_NULL, offsetof(struct cf_license, url)},
    {"node_id", CF_ROW_TEXT_OR_NULL, offsetof(struct cf_license, node_id)},
};

const struct cf_field_table cf_metadata_fields = {metadata_rows,
                                                  sizeof(metadata_rows) / sizeof(metadata_rows[0])};
const struct cf_field_table cf_license_fields = {license_rows,
                                                 sizeof(license_rows) / sizeof(license_rows[0])};

static char **text_at(void *object, const struct cf_field_row *row)
{
    return (char **)(void *)((char *)object + row->offset);
}

static bool is_text(const struct cf_field_row *row)
{
    return row->kind == CF_ROW_TEXT || row->kind == CF_ROW_TEXT_OR_NULL;
}

void cf_fields_release(const struct cf_field_table *table, void *object)
{
    for (size_t i = 0; i < table->count; i++) {
        if (is_text(&table->rows[i])) {
            free(*text_at(object, &table->rows[i]));
        }
    }
}

void cf_fields_copy(const struct cf_field_table *table, void *object)
{
    for (size_t i = 0; i < table->count; i++) {
        char **text = is_text(&table->rows[i]) ? text_at(object, &table->rows[i]) : NULL;
        if (text && *text) {
            *text = cf_strdup(*text);
        }
    }
}

int cf_field_read_text(const json_t *object, const char *name, bool or_null, char **out,
                       struct cf_error *err)
{
    const char *text = NULL;
    int rc = or_null && json_is_null(json_object_get(object, name))
                 ? 0
                 : cf_json_get_string(object, name, &text, err);
    *out = text ? cf_strdup(text) : NULL;
    return rc;
}

int cf_fields_read(const struct cf_field_table *table, const json_t *object, void *out,
                   struct cf_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < table->count && !rc; i++) {
        const struct cf_field_row *row = &table->rows[i];
        void *at = (char *)out + row->offset;
        if (is_text(row)) {
            rc = cf_field_read_text(object, row->name, row->kind == CF_ROW_TEXT_OR_NULL, at, err);
        } else if (row->kind == CF_ROW_FLAG) {
            rc = cf_json_get_bool(object, row->name, at, err);
        } else {
            rc = cf_json_get_u64(object, row->name, at, err);
        }
    }
    return rc;
}

json_t *cf_fields_write(const struct cf_field_table *table, const void *object)
{
    json_t *out = json_object();
    for (size_t i = 0; i < table->count; i++) {
        const struct cf_field_row *row = &table->rows[i];
        const void *at = (const char *)object + row->offset;
        json_t *value;
        if (is_text(row)) {
            value = cf_json_string_or_null(*(char *const *)at);
        } else if (row->kind == CF_ROW_FLAG) {
            value = json_boolean(*(const bool *)at);
        } else {
            uint64_t count = *(const uint64_t *)at;
            value = json_integer((json_int_t)count);
        }
        (void)json_object_set_new(out, row->name, value);
    }
    return out;
}
