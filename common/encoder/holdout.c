#include "common/encoder/holdout.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/encoder/leak.h"

#define CONTENT_WORDS 3

void cf_holdout_init(struct cf_holdout *holdout, const struct cf_corpus *original)
{
    holdout->projects = cf_calloc(original->count, sizeof(*holdout->projects));
    holdout->corpus = (struct cf_corpus){holdout->projects, original->count};
    for (size_t i = 0; i < original->count; i++) {
        const struct cf_project *from = &original->projects[i];
        struct cf_text *texts = cf_calloc(from->text_count, sizeof(*texts));
        for (size_t t = 0; t < from->text_count; t++) {
            texts[t].path = from->texts[t].path;
            texts[t].text = cf_leak_strip(from->description ? from->description : "",
                                          &from->texts[t], &texts[t].length);
        }
        holdout->projects[i] = *from;
        holdout->projects[i].description = NULL;
        holdout->projects[i].texts = texts;
    }
}

void cf_holdout_release(struct cf_holdout *holdout)
{
    for (size_t i = 0; i < holdout->corpus.count; i++) {
        for (size_t t = 0; t < holdout->projects[i].text_count; t++) {
            free((void *)(uintptr_t)holdout->projects[i].texts[t].text);
        }
        free((void *)(uintptr_t)holdout->projects[i].texts);
    }
    free(holdout->projects);
}

bool cf_holdout_asks(const struct cf_project *project)
{
    const char *s = project->description;
    return s && cf_leak_content_words(s, strlen(s)) >= CONTENT_WORDS;
}
