/* Programming languages that a question names. */
#ifndef CF_ENCODER_LANGUAGE_H
#define CF_ENCODER_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>

/* The languages of a project: its own strings. */
struct cf_languages {
    char **items;
    size_t count;
};

/* Copies the strings, cleaned to valid UTF-8. */
void cf_languages_copy(const char *const *items, size_t count, struct cf_languages *out);
void cf_languages_release(struct cf_languages *languages);

/* For each project the share, 0 … 1, of the languages named in the question that it has, where only
 * the languages of some project count ("Go" in "with Go" when any project has Go). Returns how many
 * languages the question names; with 0, all shares are 0. Names are compared as words, without
 * case. */
size_t cf_languages_match(const struct cf_languages *projects, size_t count, const char *question,
                          double *shares);

#endif
