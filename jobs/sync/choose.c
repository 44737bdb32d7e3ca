#include "jobs/sync/choose.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"

/* From the best to the worst, all behind "readme". GitHub renders the first group. */
static const char *const readme_endings[] = {
    ".md",     ".markdown", ".mdown",     ".mkdn",    ".mkd", ".rst",
    ".adoc",   ".asciidoc", ".asc",       ".textile", ".org", ".rdoc",
    ".creole", ".wiki",     ".mediawiki", ".pod",     ".txt", "",
};

enum { ENDINGS = sizeof(readme_endings) / sizeof(readme_endings[0]) };

static unsigned readme_rank(const char *name)
{
    const size_t stem = strlen("readme");
    if (strncasecmp(name, "readme", stem) != 0) {
        return 0;
    }
    unsigned exact = strncmp(name, "README", stem) == 0;
    for (unsigned i = 0; i < ENDINGS; i++) {
        if (strcasecmp(name + stem, readme_endings[i]) == 0) {
            return 2 * (ENDINGS - i + 1) + exact;
        }
    }
    return name[stem] == '.' ? 2 + exact : 0;
}

unsigned sync_document_rank(enum cf_document_kind kind, const char *name)
{
    static const char *const names[CF_DOCUMENT_KINDS] = {NULL, "SKILLS-INDEX.md", "ARCHITECTURE.md",
                                                         ".repo-context.json"};
    if (kind == CF_DOCUMENT_README) {
        return readme_rank(name);
    }
    if (strcasecmp(name, names[kind]) != 0) {
        return 0;
    }
    return strcmp(name, names[kind]) == 0 ? 2 : 1;
}

static bool is_better(enum cf_document_kind kind, const struct sync_file *file,
                      const struct cf_document *present)
{
    if (!present->path) {
        return true;
    }
    bool present_is_link = present->skipped && strcmp(present->skipped, "link") == 0;
    if (present_is_link != file->link) {
        return present_is_link;
    }
    unsigned rank = sync_document_rank(kind, file->name);
    unsigned present_rank = sync_document_rank(kind, present->path);
    return rank > present_rank || (rank == present_rank && strcmp(file->name, present->path) < 0);
}

void sync_choose(struct cf_content *content, const struct sync_file *file)
{
    for (unsigned i = 0; i < CF_DOCUMENT_KINDS; i++) {
        struct cf_document *document = &content->documents[i];
        if (!sync_document_rank((enum cf_document_kind)i, file->name) ||
            !is_better((enum cf_document_kind)i, file, document)) {
            continue;
        }
        const char *skipped = file->link                        ? "link"
                              : file->bytes > SYNC_DOCUMENT_MAX ? "too_large"
                                                                : NULL;
        free(document->path);
        free(document->skipped);
        document->path = cf_strdup(file->name);
        document->skipped = skipped ? cf_strdup(skipped) : NULL;
        document->bytes = file->bytes;
        memcpy(document->oid, file->oid, strlen(file->oid) + 1);
    }
}

bool sync_extension(const char *path, size_t length, char out[SYNC_EXTENSION_MAX])
{
    size_t start = length;
    while (start && path[start - 1] != '/') {
        start--;
    }
    while (start < length && path[start] == '.') {
        start++;
    }
    size_t dot = length;
    while (dot > start && path[dot - 1] != '.') {
        dot--;
    }
    if (dot <= start || dot == length || length - dot + 2 > SYNC_EXTENSION_MAX) {
        return false;
    }
    size_t used = 0;
    for (size_t i = dot - 1; i < length; i++) {
        char c = path[i];
        if (!c) {
            return false;
        }
        out[used++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    out[used] = '\0';
    return true;
}
