#include "jobs/sync/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SHA, TRUNCATED, TREE, ANSWER_FIELDS };

/* In the order in which they are judged. */
enum { TYPE, PATH, MODE, OID, SIZE, ENTRY_FIELDS };

enum { UNKNOWN = 8 }; /* a field that is skipped */

struct field {
    const char *name;
    const char *must_be;
};

static const struct field answer_fields[ANSWER_FIELDS] = {
    [SHA] = {"sha", "a git object's id"},
    [TRUNCATED] = {"truncated", "true or false"},
    [TREE] = {"tree", "an array"},
};

static const struct field entry_fields[ENTRY_FIELDS] = {
    [TYPE] = {"type", "a string"},
    [PATH] = {"path", "a string"},
    [MODE] = {"mode", "a file's mode"},
    [OID] = {"sha", "a git object's id"},
    [SIZE] = {"size", "a whole number that isn't negative"},
};

static unsigned char find_field(const struct field *fields, unsigned char count, const char *name)
{
    for (unsigned char i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return i;
        }
    }
    return UNKNOWN;
}

static unsigned char bit(unsigned field)
{
    return (unsigned char)(1U << field);
}

static int is_missing(const struct field *field, struct cf_error *err)
{
    return cf_error_set(err, CF_EDATA, "the field \"%s\" is missing; it must be %s", field->name,
                        field->must_be);
}

static int is_wrong(const struct field *field, struct cf_error *err)
{
    return cf_error_set(err, CF_EDATA, "the field \"%s\" must be %s", field->name, field->must_be);
}

/* Notes that a field's key came. */
static int note(const struct field *fields, unsigned char field, unsigned char *came,
                struct cf_error *err)
{
    if (field == UNKNOWN) {
        return 0;
    }
    if (*came & bit(field)) {
        return cf_error_set(err, CF_EDATA, "the field \"%s\" is there twice", fields[field].name);
    }
    *came |= bit(field);
    return 0;
}

static bool is_text(const struct cf_json_event *event)
{
    return event->kind == CF_JSON_STRING && strlen(event->text) == event->length;
}

static bool read_oid(const struct cf_json_event *event, char out[CF_OID_HEX])
{
    if (!is_text(event) || !cf_oid_is_valid(event->text)) {
        return false;
    }
    memcpy(out, event->text, event->length + 1);
    return true;
}

/* --- an entry --------------------------------------------------------------------------------- */

static bool read_type(struct sync_tree_reader *reader, const struct cf_json_event *event)
{
    static const char *const names[] = {
        [SYNC_TREE_BLOB] = "blob", [SYNC_TREE_TREE] = "tree", [SYNC_TREE_COMMIT] = "commit"};
    if (!is_text(event)) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], event->text) == 0) {
            reader->entry.type = (enum sync_tree_type)i;
            reader->known_type = true;
        }
    }
    return true;
}

static bool read_path(struct sync_tree_reader *reader, const struct cf_json_event *event)
{
    if (event->kind != CF_JSON_STRING) {
        return false;
    }
    cf_buf_append(&reader->path, event->text, event->length);
    return true;
}

static bool read_mode(const struct cf_json_event *event, char out[SYNC_MODE_MAX])
{
    size_t length = event->length;
    if (event->kind != CF_JSON_STRING || !length || length >= SYNC_MODE_MAX ||
        strspn(event->text, "01234567") != length) {
        return false;
    }
    memcpy(out, event->text, length + 1);
    return true;
}

static bool read_size(const struct cf_json_event *event, uint64_t *out)
{
    const char *text = strcmp(event->text, "-0") == 0 ? "0" : event->text;
    if (event->kind != CF_JSON_NUMBER || strspn(text, "0123456789") != strlen(text)) {
        return false;
    }
    errno = 0;
    *out = strtoull(text, NULL, 10);
    return !errno && *out <= INT64_MAX;
}

static void read_entry_value(struct sync_tree_reader *reader, const struct cf_json_event *event)
{
    bool fits = false;
    switch (reader->entry_field) {
    case TYPE:
        fits = read_type(reader, event);
        break;
    case PATH:
        fits = read_path(reader, event);
        break;
    case MODE:
        fits = read_mode(event, reader->entry.mode);
        break;
    case OID:
        fits = read_oid(event, reader->entry.oid);
        break;
    case SIZE:
        fits = read_size(event, &reader->entry.bytes);
        break;
    default:
        return;
    }
    if (fits) {
        reader->fits |= bit(reader->entry_field);
    }
}

static void entry_begins(struct sync_tree_reader *reader)
{
    reader->entry = (struct sync_tree_entry){0};
    reader->known_type = false;
    reader->came = 0;
    reader->fits = 0;
    cf_buf_clear(&reader->path);
}

/* Whatever the order in which the fields came, they are judged in one. */
static int judge_entry(const struct sync_tree_reader *reader, struct cf_error *err)
{
    unsigned needed = !reader->known_type                    ? PATH + 1
                      : reader->entry.type == SYNC_TREE_BLOB ? SIZE + 1
                                                             : OID + 1;
    for (unsigned i = 0; i < needed; i++) {
        if (!(reader->came & bit(i))) {
            return is_missing(&entry_fields[i], err);
        }
        if (!(reader->fits & bit(i))) {
            return is_wrong(&entry_fields[i], err);
        }
    }
    return 0;
}

static int in_entry(const struct sync_tree_reader *reader, int rc, struct cf_error *err)
{
    if (rc && err) {
        (void)cf_error_prefix(err, "entry %zu of the tree", reader->number);
    }
    return rc;
}

static int entry_ends(struct sync_tree_reader *reader, struct cf_error *err)
{
    struct sync_tree_entry *entry = &reader->entry;
    int rc = in_entry(reader, judge_entry(reader, err), err);
    reader->number++;
    if (rc || !reader->known_type) {
        return rc;
    }
    entry->path = cf_buf_str(&reader->path);
    entry->path_length = reader->path.length;
    if (entry->type != SYNC_TREE_BLOB) {
        entry->bytes = 0; /* whatever came as its size */
    }
    return reader->callback(reader->context, entry, err);
}

/* --- the answer ------------------------------------------------------------------------------- */

static int read_answer_value(struct sync_tree_reader *reader, const struct cf_json_event *event,
                             struct cf_error *err)
{
    bool fits = true;
    switch (reader->field) {
    case SHA:
        fits = read_oid(event, reader->sha);
        break;
    case TRUNCATED:
        reader->truncated = event->kind == CF_JSON_TRUE;
        fits = reader->truncated || event->kind == CF_JSON_FALSE;
        break;
    case TREE:
        fits = event->kind == CF_JSON_ARRAY || event->kind == CF_JSON_ARRAY_END;
        break;
    default:
        break;
    }
    return fits ? 0 : is_wrong(&answer_fields[reader->field], err);
}

/* A value or key of the answer's own. */
static int read_answer(struct sync_tree_reader *reader, const struct cf_json_event *event,
                       struct cf_error *err)
{
    if (event->kind != CF_JSON_KEY) {
        return read_answer_value(reader, event, err);
    }
    reader->field = find_field(answer_fields, ANSWER_FIELDS, event->text);
    return note(answer_fields, reader->field, &reader->seen, err);
}

/* An element of the array of entries begins or ends. */
static int read_element(struct sync_tree_reader *reader, const struct cf_json_event *event,
                        struct cf_error *err)
{
    if (event->kind == CF_JSON_OBJECT_END) {
        return entry_ends(reader, err);
    }
    if (event->kind != CF_JSON_OBJECT) {
        return cf_error_set(err, CF_EDATA, "entry %zu of the tree must be an object",
                            reader->number);
    }
    entry_begins(reader);
    return 0;
}

static int read_entry(struct sync_tree_reader *reader, const struct cf_json_event *event,
                      struct cf_error *err)
{
    if (event->kind == CF_JSON_KEY) {
        reader->entry_field = find_field(entry_fields, ENTRY_FIELDS, event->text);
        return in_entry(reader, note(entry_fields, reader->entry_field, &reader->came, err), err);
    }
    if (event->kind != CF_JSON_OBJECT_END && event->kind != CF_JSON_ARRAY_END) {
        read_entry_value(reader, event);
    }
    return 0;
}

static int read_event(void *context, const struct cf_json_event *event, struct cf_error *err)
{
    struct sync_tree_reader *reader = context;
    if (event->depth == 0) {
        if (event->kind == CF_JSON_ARRAY) {
            return cf_error_set(err, CF_EDATA, "the answer about a tree must be an object");
        }
        return 0;
    }
    if (event->depth == 1) {
        return read_answer(reader, event, err);
    }
    if (reader->field != TREE || event->depth > 3) {
        return 0;
    }
    return event->depth == 2 ? read_element(reader, event, err) : read_entry(reader, event, err);
}

void sync_tree_reader_init(struct sync_tree_reader *reader, sync_tree_callback *callback,
                           void *context)
{
    *reader = (struct sync_tree_reader){.callback = callback, .context = context};
    cf_json_stream_init(&reader->stream, "the answer about a tree", SYNC_TREE_TEXT_MAX, read_event,
                        reader);
}

int sync_tree_reader_feed(struct sync_tree_reader *reader, const void *data, size_t length,
                          struct cf_error *err)
{
    return cf_json_stream_feed(&reader->stream, data, length, err);
}

int sync_tree_reader_end(struct sync_tree_reader *reader, char sha[CF_OID_HEX], bool *truncated,
                         struct cf_error *err)
{
    int rc = cf_json_stream_end(&reader->stream, err);
    for (unsigned i = 0; i < ANSWER_FIELDS && !rc; i++) {
        rc = reader->seen & bit(i) ? 0 : is_missing(&answer_fields[i], err);
    }
    if (!rc) {
        memcpy(sha, reader->sha, sizeof(reader->sha));
        *truncated = reader->truncated;
    }
    return rc;
}

void sync_tree_reader_restart(struct sync_tree_reader *reader)
{
    cf_json_stream_restart(&reader->stream);
    reader->number = 0;
    reader->seen = 0;
}

void sync_tree_reader_release(struct sync_tree_reader *reader)
{
    cf_json_stream_release(&reader->stream);
    cf_buf_release(&reader->path);
}
