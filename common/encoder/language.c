#include "common/encoder/language.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/utf8.h"
#include "common/encoder/text.h"

void cf_languages_copy(const char *const *items, size_t count, struct cf_languages *out)
{
    out->items = cf_calloc(count, sizeof(*out->items));
    out->count = count;
    for (size_t i = 0; i < count; i++) {
        struct cf_buf clean = CF_BUF_INIT;
        cf_utf8_clean(items[i], strlen(items[i]), &clean);
        out->items[i] = cf_buf_detach(&clean);
    }
}

void cf_languages_release(struct cf_languages *languages)
{
    for (size_t i = 0; i < languages->count; i++) {
        free(languages->items[i]);
    }
    free(languages->items);
    *languages = (struct cf_languages){NULL, 0};
}

struct named {
    char *words;
};

static bool is_new(const struct named *named, size_t count, const char *words)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(named[i].words, words) == 0) {
            return false;
        }
    }
    return true;
}

size_t cf_languages_match(const struct cf_languages *projects, size_t count, const char *question,
                          double *shares)
{
    struct named *named = NULL; /* distinct languages that the question names */
    size_t found = 0;
    size_t capacity = 0;
    char *asked = cf_text_spaced(question, strlen(question));
    for (size_t p = 0; p < count; p++) {
        shares[p] = 0;
        for (size_t i = 0; i < projects[p].count; i++) {
            const char *language = projects[p].items[i];
            char *words = cf_text_spaced(language, strlen(language));
            if (!words[1] || !strstr(asked, words)) {
                free(words);
                continue;
            }
            shares[p] += 1;
            if (is_new(named, found, words)) {
                named = cf_grow(named, found, &capacity, sizeof(*named));
                named[found++].words = words;
            } else {
                free(words);
            }
        }
    }
    for (size_t p = 0; p < count && found; p++) {
        shares[p] = shares[p] >= (double)found ? 1 : shares[p] / (double)found;
    }
    for (size_t i = 0; i < found; i++) {
        free(named[i].words);
    }
    free(named);
    free(asked);
    return found;
}
