#include "jobs/orchestrate/legacy.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void orchestrate_python_json(const json_t *value, struct cf_buf *out)
{
    char *text = json_dumps(value, JSON_SORT_KEYS | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    if (!text) {
        return;
    }
    /* jansson writes the digits of \uXXXX in upper case and DEL as it is; Python doesn't. */
    for (const char *p = text; *p; p++) {
        if (*p == 0x7f) {
            cf_buf_puts(out, "\\u007f");
        } else if (p[0] == '\\' && p[1] == 'u') {
            for (int i = 0; i < 6; i++) {
                cf_buf_putc(out, (char)tolower((unsigned char)*p++));
            }
            p--;
        } else if (p[0] == '\\') {
            cf_buf_append(out, p++, 2);
        } else {
            cf_buf_putc(out, *p);
        }
    }
    free(text);
}

void orchestrate_legacy_fingerprint(const json_t *fields, char out[CF_MD5_HEX])
{
    static const char *const names[] = {"id",   "updated_at",     "pushed_at",
                                        "size", "default_branch", "language"};
    struct cf_buf text = CF_BUF_INIT;
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_t *value = json_object_get(fields, names[i]);
        (void)json_object_set(object, names[i], value ? value : json_null());
    }
    orchestrate_python_json(object, &text);
    json_decref(object);
    cf_md5_hex(text.data, text.length, out);
    cf_buf_release(&text);
}
