/* GitHub's answer about a tree in pieces. The first byte says how the rest is cut. Entries are
 * those that a reading of jansson's tree finds, and one refuses what the other does; any other cut
 * gives the same. Their tally doesn't change when it is made of parts. */
#include "tests/fuzz/fuzz.h"

/* What is tried isn't in the library. */
#include "jobs/sync/choose.c"
#include "jobs/sync/tally.c"
#include "jobs/sync/tree.c"

#include "common/base/json.h"

static const char *const types[] = {"blob", "tree", "commit"};

struct found {
    struct cf_buf entries; /* one a line */
    struct sync_tally whole;
    struct sync_tally part; /* merged into sum after every other entry */
    struct sync_tally sum;
    size_t count;
};

static void trace(struct cf_buf *out, const char *type, const char *mode, const char *oid,
                  uint64_t bytes, const char *path, size_t length)
{
    cf_buf_printf(out, "%s %s %s %llu %zu ", type, mode, oid, (unsigned long long)bytes, length);
    cf_buf_append(out, path, length);
    cf_buf_putc(out, '\n');
}

static int on_entry(void *context, const struct sync_tree_entry *entry, struct cf_error *err)
{
    struct found *found = context;
    (void)err;
    MUST(entry->path[entry->path_length] == '\0' && cf_oid_is_valid(entry->oid));
    trace(&found->entries, types[entry->type], entry->mode, entry->oid, entry->bytes, entry->path,
          entry->path_length);
    sync_tally_add(&found->whole, entry, true);
    sync_tally_add(&found->part, entry, true);
    if (found->count++ % 2) {
        sync_tally_merge(&found->sum, &found->part);
    }
    return 0;
}

/* The same with jansson: an entry's line, or false. */
static bool expect_entry(const json_t *entry, struct cf_buf *out)
{
    const json_t *path = json_object_get(entry, "path");
    const char *type;
    const char *mode;
    const char *oid;
    uint64_t bytes = 0;
    if (cf_json_get_string(entry, "type", &type, NULL) || !json_is_string(path)) {
        return false;
    }
    bool blob = strcmp(type, "blob") == 0;
    if (!blob && strcmp(type, "tree") != 0 && strcmp(type, "commit") != 0) {
        return true;
    }
    if (cf_json_get_string(entry, "mode", &mode, NULL) || !*mode || strlen(mode) > 7 ||
        mode[strspn(mode, "01234567")] || cf_json_get_string(entry, "sha", &oid, NULL) ||
        !cf_oid_is_valid(oid) || (blob && cf_json_get_u64(entry, "size", &bytes, NULL))) {
        return false;
    }
    trace(out, type, mode, oid, bytes, json_string_value(path), json_string_length(path));
    return true;
}

static bool expect(const json_t *answer, const char **sha, bool *truncated, struct cf_buf *out)
{
    json_t *tree;
    if (cf_json_get_string(answer, "sha", sha, NULL) || !cf_oid_is_valid(*sha) ||
        cf_json_get_bool(answer, "truncated", truncated, NULL) ||
        cf_json_get_array(answer, "tree", &tree, NULL)) {
        return false;
    }
    bool good = true;
    for (size_t i = 0; i < json_array_size(tree) && good; i++) {
        good = expect_entry(json_array_get(tree, i), out);
    }
    return good;
}

static int read_cut(struct sync_tree_reader *reader, const uint8_t *data, size_t length,
                    size_t piece, char sha[CF_OID_HEX], bool *truncated, struct cf_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < length && !rc; i += piece) {
        size_t n = length - i < piece ? length - i : piece;
        uint8_t *copy = malloc(n);
        memcpy(copy, data + i, n);
        rc = sync_tree_reader_feed(reader, copy, n, err);
        free(copy);
    }
    return rc ? rc : sync_tree_reader_end(reader, sha, truncated, err);
}

static void found_begin(struct found *found)
{
    *found = (struct found){.count = 0};
    sync_tally_init(&found->whole);
    sync_tally_init(&found->part);
    sync_tally_init(&found->sum);
}

static void found_end(struct found *found)
{
    cf_buf_release(&found->entries);
    sync_tally_release(&found->whole);
    sync_tally_release(&found->part);
    sync_tally_release(&found->sum);
}

static void check_tally(struct found *found)
{
    struct cf_content whole = {0};
    struct cf_content sum = {0};
    sync_tally_merge(&found->sum, &found->part);
    sync_tally_finish(&found->whole, &whole);
    sync_tally_finish(&found->sum, &sum);
    json_t *a = cf_content_write(&whole);
    json_t *b = cf_content_write(&sum);
    MUST(json_equal(a, b));
    json_decref(a);
    json_decref(b);
    cf_content_release(&whole);
    cf_content_release(&sum);
}

static bool equal(const struct cf_buf *a, const struct cf_buf *b)
{
    return a->length == b->length && memcmp(cf_buf_str(a), cf_buf_str(b), a->length) == 0;
}

/* Of an input that was read in one way: another way, and jansson's, must give the same. */
static void compare(const uint8_t *data, size_t length, int rc, const struct cf_error *err,
                    const struct found *found, const char *sha, bool truncated)
{
    struct cf_buf entries = CF_BUF_INIT;
    struct cf_error parse_err = {0};
    const char *expected_sha = NULL;
    bool expected_truncated = false;
    json_t *answer = NULL;
    int parsed =
        cf_json_parse_foreign((const char *)data, length, "the input", &answer, &parse_err);
    bool good = !parsed && expect(answer, &expected_sha, &expected_truncated, &entries);
    if (good && !memchr(data, 0, length) && !strstr(err->message, "a text of over")) {
        MUST(!rc && strcmp(sha, expected_sha) == 0 && truncated == expected_truncated);
        MUST(equal(&entries, &found->entries));
    }
    if (!good && !rc) {
        MUST(strstr(parse_err.message, "duplicate object key") ||
             strstr(parse_err.message, "too big") || strstr(parse_err.message, "overflow"));
    }
    json_decref(answer);
    cf_buf_release(&entries);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct sync_tree_reader reader;
    struct found found;
    struct found other;
    struct cf_error err = {0};
    struct cf_error other_err = {0};
    char sha[CF_OID_HEX];
    bool truncated = false;
    if (length < 2) {
        return 0;
    }
    found_begin(&found);
    found_begin(&other);
    sync_tree_reader_init(&reader, on_entry, &found);
    int rc = read_cut(&reader, data + 1, length - 1, 1 + (size_t)data[0], sha, &truncated, &err);
    MUST(rc == err.code && (!rc || rc == CF_EDATA));
    compare(data + 1, length - 1, rc, &err, &found, sha, truncated);
    check_tally(&found);

    sync_tree_reader_restart(&reader);
    reader.context = &other;
    MUST(read_cut(&reader, data + 1, length - 1, length, sha, &truncated, &other_err) == rc);
    MUST(strcmp(err.message, other_err.message) == 0);
    MUST(equal(&found.entries, &other.entries));
    sync_tree_reader_release(&reader);
    found_end(&found);
    found_end(&other);
    return 0;
}
