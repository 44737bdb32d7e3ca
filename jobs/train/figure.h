/* The figures of a model card, in SVG, for light and dark pages. */
#ifndef TRAIN_FIGURE_H
#define TRAIN_FIGURE_H

#include "jobs/train/card.h"

/* Appends the scores beside those of BM25, and the ranks of the right answers. */
void cf_figure_write(const struct cf_card *card, struct cf_buf *out);

/* Appends the loss of every step of the fine-tuning. */
void cf_figure_curve_write(const struct cf_card *card, struct cf_buf *out);

#endif
