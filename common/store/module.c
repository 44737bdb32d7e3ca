#include "common/store/module.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"

#define MODULE "cloudfolio-s3v2.so"
#define SYMBOL "cf_store_sigv2_driver"

/* The folder of the running program with its final slash; NULL when that can't be told. */
static char *program_folder(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (length <= 0 || (size_t)length >= sizeof(path) - 1) {
        return NULL;
    }
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    return slash ? cf_strndup(path, (size_t)(slash - path) + 1) : NULL;
}

static char *find_module(void)
{
    static const char *const places[] = {"", "../lib/cloudfolio/"};
    char *folder = program_folder();
    char *found = NULL;
    for (size_t i = 0; folder && !found && i < sizeof(places) / sizeof(places[0]); i++) {
        found = cf_asprintf("%s%s" MODULE, folder, places[i]);
        if (access(found, F_OK) != 0) {
            free(found);
            found = NULL;
        }
    }
    free(folder);
    return found;
}

int cf_store_sigv2_load(const struct cf_store_driver **out, struct cf_error *err)
{
    static const struct cf_store_driver *driver;
    if (driver) {
        *out = driver;
        return 0;
    }
    char *path = find_module();
    if (!path) {
        return cf_error_set(err, CF_ECONFIG,
                            "s3v2: stores need " MODULE " beside the program or in "
                            "../lib/cloudfolio/: build it with \"make s3v2\" (package libs3-dev); "
                            "to run, it needs the package libs3-2");
    }
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    free(path);
    driver = module ? dlsym(module, SYMBOL) : NULL;
    if (!driver) {
        const char *why = dlerror();
        return cf_error_set(err, CF_ECONFIG,
                            MODULE " can't be loaded; it needs the package libs3-2 and a program "
                                   "of the same build (%.300s)",
                            why ? why : "no reason given");
    }
    *out = driver;
    return 0;
}
