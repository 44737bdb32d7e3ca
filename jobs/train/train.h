/* The job train: from a request to a model version. */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H

#include "jobs/train/tuning.h"

struct train_options {
    bool gate_off; /* promote whatever the held-out questions say */
    struct train_tuning_options tuning;
};

int train_run(struct cf_run *run, const struct train_options *options, struct cf_error *err);

#endif
