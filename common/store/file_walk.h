/* Walking the file driver's folders in the byte order of the keys. */
#ifndef CF_STORE_FILE_WALK_H
#define CF_STORE_FILE_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/base/error.h"

struct cf_file_walk {
    const char *root;
    const char *prefix;  /* only keys that begin with it */
    const char *after;   /* only keys after it; "" for all */
    bool one_per_folder; /* below the prefix, one file of each folder is enough */
    bool (*visit)(void *context, const char *key, const struct stat *st); /* false ends the walk */
    void *context;
};

/* Folders and files that vanish on the way are passed over, as are names that no key may contain.
 */
int cf_file_walk(const struct cf_file_walk *walk, struct cf_error *err);

/* Removes the temporary files whose writers are gone. */
int cf_file_walk_temporary(const char *root, uint64_t *removed, struct cf_error *err);

/* Inode, size and time of the last write: differs for any two objects that ever had one key. */
void cf_file_etag(const struct stat *st, char out[72]);

#endif
