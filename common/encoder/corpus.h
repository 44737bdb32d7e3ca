/* What is indexed: the projects of one portfolio and their texts. All memory is the caller's.
 *
 * The caller sorts projects by name and texts by its own fixed order, the README first. Equal
 * corpora then give equal models, byte for byte. */
#ifndef CF_ENCODER_CORPUS_H
#define CF_ENCODER_CORPUS_H

#include <stddef.h>

/* One document. text is meant to be UTF-8 but may hold any bytes, NULs too; it may be NULL when
 * length is 0. A path that ends in ".md" or ".markdown", or has no suffix, is read as Markdown, one
 * that ends in
 * ".json" as JSON whose string values are indexed (as plain text when it doesn't parse). */
struct cf_text {
    const char *path; /* "README.md" */
    const char *text;
    size_t length;
};

struct cf_project {
    const char *name;
    const char *description; /* may be NULL */
    const char *const *topics;
    size_t topic_count;
    const char *const *languages; /* as GitHub names them: "C++", "Jupyter Notebook" */
    size_t language_count;
    const struct cf_text *texts;
    size_t text_count;
};

struct cf_corpus {
    const struct cf_project *projects;
    size_t count;
};

#endif
