#include "common/transformer/optimizer.h"

#include <math.h>

#include "common/base/alloc.h"

float cf_schedule_rate(float peak, uint32_t done, uint32_t warmup, uint32_t total)
{
    double share = 0;
    if (done < warmup) {
        share = (double)done / (double)warmup;
    } else if (done < total) {
        share = (double)(total - done) / (double)(total - warmup);
    }
    return (float)((double)peak * share);
}

float cf_clip_factor(double norm, float clip)
{
    double factor = (double)clip / (norm + 1e-6);
    return clip > 0 && factor < 1 ? (float)factor : 1;
}

struct cf_adamw cf_adamw_step(float rate, float decay, float clip_factor, uint32_t done)
{
    double t = (double)done + 1;
    return (struct cf_adamw){
        .rate = rate,
        .beta1 = (float)CF_ADAMW_BETA1,
        .beta2 = (float)CF_ADAMW_BETA2,
        .eps = CF_ADAMW_EPS,
        .decay = decay,
        .clip = clip_factor,
        .correction1 = (float)(1 - pow(CF_ADAMW_BETA1, t)),
        .correction2 = (float)(1 - pow(CF_ADAMW_BETA2, t)),
    };
}

struct ranges {
    struct cf_range *items;
    size_t count, capacity;
};

/* Appends, joined to the range before where they are alike. */
static void append(struct ranges *r, struct cf_range range)
{
    struct cf_range *last = r->count ? &r->items[r->count - 1] : NULL;
    if (last && last->decays == range.decays && last->first + last->count == range.first) {
        last->count += range.count;
        return;
    }
    r->items = cf_grow(r->items, r->count, &r->capacity, sizeof(*r->items));
    r->items[r->count++] = range;
}

struct cf_range *cf_optimizer_ranges(const struct cf_bert_layout *layout, const bool *words,
                                     size_t *count)
{
    struct ranges r = {0};
    for (size_t i = 0; i < layout->tensor_count; i++) {
        const struct cf_bert_tensor *t = &layout->tensors[i];
        size_t width = t->columns ? t->columns : 1;
        if (t->offset != layout->word_embeddings) {
            append(&r, (struct cf_range){t->offset, t->rows * width, t->decays});
            continue;
        }
        for (size_t word = 0; word < t->rows; word++) {
            if (words[word]) {
                append(&r, (struct cf_range){t->offset + word * width, width, t->decays});
            }
        }
    }
    *count = r.count;
    return r.items;
}
