/* Private to the repos document: the plain fields of its objects in tables, so that reading,
 * writing, copying and freeing them agree. */
#ifndef CF_PORTFOLIO_REPOS_FIELDS_H
#define CF_PORTFOLIO_REPOS_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"

struct cf_field_row {
    const char *name;
    enum {
        CF_ROW_TEXT,         /* char * */
        CF_ROW_TEXT_OR_NULL, /* char *, NULL for null */
        CF_ROW_FLAG,         /* bool */
        CF_ROW_COUNT,        /* uint64_t */
    } kind;
    size_t offset; /* in the structure */
};

struct cf_field_table {
    const struct cf_field_row *rows;
    size_t count;
};

extern const struct cf_field_table cf_metadata_fields; /* of struct cf_metadata */
extern const struct cf_field_table cf_license_fields;  /* of struct cf_license */

void cf_fields_release(const struct cf_field_table *table, void *object);

/* Replaces the texts of a structure that was copied as it is by copies of its own. */
void cf_fields_copy(const struct cf_field_table *table, void *object);

/* CF_EDATA names the field that is missing or of a wrong type. */
int cf_fields_read(const struct cf_field_table *table, const json_t *object, void *out,
                   struct cf_error *err);
json_t *cf_fields_write(const struct cf_field_table *table, const void *object);

/* One text, copied; NULL for null where that is allowed. */
int cf_field_read_text(const json_t *object, const char *name, bool or_null, char **out,
                       struct cf_error *err);

#endif
