/* The Porter stemmer (M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980), as
 * published, without later revisions. */
#ifndef CF_ENCODER_PORTER_H
#define CF_ENCODER_PORTER_H

#include <stddef.h>

/* Stems a lower-case ASCII word in place and returns its new length, never more than it was. Words
 * of one or two letters, and words that hold anything but a-z, stay as they are. */
size_t cf_porter_stem(char *word, size_t length);

#endif
