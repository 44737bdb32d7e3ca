#include "jobs/orchestrate/category.h"

#include <stdlib.h>
#include <string.h>

struct row {
    const char *extension;
    const char *category;
};

static const struct row table[] = {
#include "jobs/orchestrate/linguist_table.h"
};

static int compare(const void *key, const void *row)
{
    return strcmp(key, ((const struct row *)row)->extension);
}

const char *orchestrate_category(const char *extension)
{
    const struct row *row =
        bsearch(extension, table, sizeof(table) / sizeof(table[0]), sizeof(table[0]), compare);
    return row ? row->category : NULL;
}

json_t *orchestrate_categorise(const json_t *file_types)
{
    json_t *out = json_object();
    const char *extension;
    json_t *count;
    json_object_foreach((json_t *)file_types, extension, count)
    {
        const char *category = orchestrate_category(extension);
        if (category) {
            json_int_t sum = json_integer_value(json_object_get(out, category));
            (void)json_object_set_new(out, category, json_integer(sum + json_integer_value(count)));
        }
    }
    return out;
}
