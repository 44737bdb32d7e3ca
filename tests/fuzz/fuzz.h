/* What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput, which reads an
 * input as the product would and states what must hold of the result with MUST. */
#ifndef CF_TESTS_FUZZ_H
#define CF_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

/* Of libFuzzer: for targets whose format a flipped bit would only break. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t length, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t length, size_t most);

#endif
