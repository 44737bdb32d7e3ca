#include "common/base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static void *checked(void *p)
{
    if (!p) {
        static const char text[] = "{\"level\":\"error\",\"event\":\"out_of_memory\"}\n";
        (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
        _exit(EX_SOFTWARE);
    }
    return p;
}

void *cf_malloc(size_t size)
{
    return checked(malloc(size ? size : 1));
}

void *cf_calloc(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1));
}

void *cf_realloc(void *p, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size) {
        return checked(NULL);
    }
    return checked(realloc(p, count && size ? count * size : 1));
}

char *cf_strdup(const char *s)
{
    return checked(strdup(s));
}

char *cf_strndup(const char *s, size_t length)
{
    return checked(strndup(s, length));
}

char *cf_asprintf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = cf_malloc((size_t)(length < 0 ? 0 : length) + 1);
    va_start(args, format);
    (void)vsnprintf(text, (size_t)(length < 0 ? 0 : length) + 1, format, args);
    va_end(args);
    return text;
}

void *cf_grow(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) {
        return items;
    }
    *capacity = *capacity ? *capacity * 2 : 16;
    return cf_realloc(items, *capacity, size);
}
