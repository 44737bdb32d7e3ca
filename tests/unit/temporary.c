#define _XOPEN_SOURCE 700
#include "tests/unit/temporary.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/alloc.h"

char *temporary_folder(void)
{
    const char *base = getenv("TMPDIR");
    char *path = cf_asprintf("%s/cloudfolio-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(path)) {
        perror(path);
        abort();
    }
    return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

void temporary_remove(char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}
