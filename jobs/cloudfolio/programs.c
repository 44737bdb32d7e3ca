#include "jobs/cloudfolio/programs.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool is_beside(const char *name, char out[TOOL_PROGRAM_MAX])
{
    char self[TOOL_PROGRAM_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length <= 0) {
        return false;
    }
    self[length] = '\0';
    char *slash = strrchr(self, '/');
    if (!slash) {
        return false;
    }
    *slash = '\0';
    int written = snprintf(out, TOOL_PROGRAM_MAX, "%s/%s", self, name);
    return written > 0 && written < TOOL_PROGRAM_MAX && is_program(out);
}

static bool is_in_path(const char *name, char out[TOOL_PROGRAM_MAX])
{
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t length = strcspn(path, ":");
        int written = snprintf(out, TOOL_PROGRAM_MAX, "%.*s/%s", (int)length, path, name);
        if (length && written > 0 && written < TOOL_PROGRAM_MAX && is_program(out)) {
            return true;
        }
        path += length + (path[length] == ':');
    }
    return false;
}

int tool_find_program(const char *name, char out[TOOL_PROGRAM_MAX], struct cf_error *err)
{
    if (is_beside(name, out) || is_in_path(name, out)) {
        return 0;
    }
    return cf_error_set(err, CF_ECONFIG,
                        "%s is neither beside this program nor in PATH; make builds it, make "
                        "install puts all four in one place",
                        name);
}
