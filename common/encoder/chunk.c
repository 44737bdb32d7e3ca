#include "common/encoder/chunk.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/base/utf8.h"
#include "common/encoder/markdown.h"

struct builder {
    const struct cf_chunk_options *options;
    struct cf_chunks *out;
    size_t project;
    const char *path;
    struct cf_buf heading;   /* of the chunk that grows */
    struct cf_buf text;      /* of the chunk that grows */
    struct cf_buf paragraph; /* raw lines of the paragraph that grows */
    size_t last_line;        /* where its last line begins */
    bool heading_shown;      /* a chunk with this heading was added */
    struct cf_buf *title;
    bool titled;
    bool markdown;
};

void cf_chunks_add(struct cf_chunks *chunks, size_t project, const char *path, const char *heading,
                   const char *text, size_t length)
{
    struct cf_buf clean[3] = {CF_BUF_INIT, CF_BUF_INIT, CF_BUF_INIT};
    cf_utf8_clean(path, strlen(path), &clean[0]);
    cf_utf8_clean(heading, strlen(heading), &clean[1]);
    cf_utf8_clean(text, length, &clean[2]);
    chunks->items =
        cf_grow(chunks->items, chunks->count, &chunks->capacity, sizeof(*chunks->items));
    chunks->items[chunks->count++] = (struct cf_chunk){
        project, cf_buf_detach(&clean[0]), cf_buf_detach(&clean[1]), cf_buf_detach(&clean[2])};
}

void cf_chunks_release(struct cf_chunks *chunks)
{
    for (size_t i = 0; i < chunks->count; i++) {
        free(chunks->items[i].path);
        free(chunks->items[i].heading);
        free(chunks->items[i].text);
    }
    free(chunks->items);
    *chunks = (struct cf_chunks)CF_CHUNKS_INIT;
}

static void flush(struct builder *b)
{
    if (b->text.length) {
        cf_chunks_add(b->out, b->project, b->path, cf_buf_str(&b->heading), b->text.data,
                      b->text.length);
        b->heading_shown = true;
    }
    cf_buf_clear(&b->text);
}

/* Where to cut text that is longer than limit: behind the last line, sentence or word in its second
 * half. */
static size_t cut_at(const char *s, size_t limit)
{
    static const char *const ends[] = {"\n", ". ", " "};
    for (size_t e = 0; e < sizeof(ends) / sizeof(ends[0]); e++) {
        size_t n = strlen(ends[e]);
        for (size_t i = limit - n; i > limit / 2; i--) {
            if (memcmp(s + i, ends[e], n) == 0) {
                return i + n;
            }
        }
    }
    while (limit > 1 && ((unsigned char)s[limit] & 0xc0) == 0x80) {
        limit--;
    }
    return limit;
}

static bool shows_something(const char *s, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) {
            return true;
        }
    }
    return false;
}

static void trim(const char **s, size_t *length)
{
    while (*length && strchr(" \t\r\n", **s)) {
        ++*s;
        --*length;
    }
    while (*length && strchr(" \t\r\n", (*s)[*length - 1])) {
        --*length;
    }
}

/* Adds plain text to the chunk that grows, or begins the next one. */
static void add_text(struct builder *b, const char *s, size_t length)
{
    size_t limit = b->options->limit;
    trim(&s, &length);
    if (!shows_something(s, length)) {
        return;
    }
    if (b->text.length && b->text.length + 2 + length > limit) {
        flush(b);
    }
    while (length > limit) {
        size_t at = cut_at(s, limit);
        cf_buf_append(&b->text, s, at);
        flush(b);
        s += at;
        length -= at;
    }
    if (length) {
        if (b->text.length) {
            cf_buf_puts(&b->text, "\n\n");
        }
        cf_buf_append(&b->text, s, length);
    }
}

static void end_paragraph(struct builder *b)
{
    if (b->paragraph.length && b->markdown) {
        struct cf_buf plain = CF_BUF_INIT;
        cf_markdown_inline(b->paragraph.data, b->paragraph.length, &plain);
        add_text(b, cf_buf_str(&plain), plain.length);
        cf_buf_release(&plain);
    } else if (b->paragraph.length) {
        add_text(b, b->paragraph.data, b->paragraph.length);
    }
    cf_buf_clear(&b->paragraph);
    b->last_line = 0;
}

static void add_line(struct builder *b, const char *line, size_t length)
{
    if (b->paragraph.length) {
        cf_buf_putc(&b->paragraph, '\n');
    }
    b->last_line = b->paragraph.length;
    cf_buf_append(&b->paragraph, line, length);
}

static void begin_section(struct builder *b, const char *text, size_t length)
{
    struct cf_buf plain = CF_BUF_INIT;
    cf_markdown_inline(text, length, &plain);
    const char *heading = cf_buf_str(&plain);
    size_t heading_length = plain.length;
    trim(&heading, &heading_length);
    heading_length = heading_length > 512 ? cut_at(heading, 512) : heading_length;
    if (!b->titled && b->title) {
        cf_buf_append(b->title, heading, heading_length);
    }
    b->titled = true;
    if (b->text.length && b->text.length < b->options->minimum) {
        add_text(b, heading, heading_length);
    } else {
        flush(b);
        if (b->heading.length && !b->heading_shown && b->heading.length + heading_length < 512) {
            cf_buf_puts(&b->heading, " \u203a ");
        } else {
            cf_buf_clear(&b->heading);
        }
        b->heading_shown = false;
        cf_buf_append(&b->heading, heading, heading_length);
    }
    cf_buf_release(&plain);
}

struct lines {
    const char *s;
    size_t left;
};

static bool next_line(struct lines *lines, const char **line, size_t *length)
{
    if (!lines->left) {
        return false;
    }
    const char *end = memchr(lines->s, '\n', lines->left);
    *line = lines->s;
    *length = end ? (size_t)(end - lines->s) : lines->left;
    size_t used = *length + (end != NULL);
    lines->s += used;
    lines->left -= used;
    if (*length && (*line)[*length - 1] == '\r') {
        --*length;
    }
    return true;
}

static bool is_blank(const char *line, size_t length)
{
    trim(&line, &length);
    return length == 0;
}

/* The inside of a code block, taken as it is. lines stands behind the opening fence. */
static void code_block(struct builder *b, struct lines *lines, char mark, size_t fence)
{
    const char *line;
    size_t length;
    struct cf_buf code = CF_BUF_INIT;
    end_paragraph(b);
    while (next_line(lines, &line, &length)) {
        char closing = 0;
        const char *inner = line;
        size_t inner_length = length;
        trim(&inner, &inner_length);
        if (cf_markdown_fence(line, length, &closing) == inner_length && closing == mark &&
            inner_length >= fence) {
            break;
        }
        cf_buf_append(&code, line, length);
        cf_buf_putc(&code, '\n');
    }
    add_text(b, cf_buf_str(&code), code.length);
    cf_buf_release(&code);
}

/* Skips front matter ("---" in the first line, and again), keeping its lines as text. */
static void front_matter(struct builder *b, struct lines *lines)
{
    struct lines probe = *lines;
    const char *line;
    size_t length;
    if (!next_line(&probe, &line, &length) || length != 3 || memcmp(line, "---", 3) != 0) {
        return;
    }
    struct lines inside = probe;
    for (size_t n = 0; n < 100 && next_line(&probe, &line, &length); n++) {
        if (length == 3 && memcmp(line, "---", 3) == 0) {
            add_text(b, inside.s, (size_t)(line - inside.s));
            *lines = probe;
            return;
        }
    }
}

/* One line outside code. True when it opened a comment that a later line closes. */
static bool markdown_line(struct builder *b, struct lines *lines, const char *line, size_t length)
{
    char mark = 0;
    const char *text = NULL;
    size_t text_length = 0;
    size_t fence = cf_markdown_fence(line, length, &mark);
    if (fence) {
        code_block(b, lines, mark, fence);
    } else if (cf_markdown_heading(line, length, &text, &text_length)) {
        end_paragraph(b);
        begin_section(b, text, text_length);
    } else if (b->paragraph.length && cf_markdown_underline(line, length)) {
        struct cf_buf heading = CF_BUF_INIT;
        cf_buf_append(&heading, b->paragraph.data + b->last_line,
                      b->paragraph.length - b->last_line);
        b->paragraph.length = b->last_line;
        b->paragraph.data[b->last_line] = '\0';
        end_paragraph(b);
        begin_section(b, heading.data, heading.length);
        cf_buf_release(&heading);
    } else if (is_blank(line, length)) {
        end_paragraph(b);
    } else if (!cf_markdown_is_hidden(line, length)) {
        add_line(b, line, length);
        const char *open = b->paragraph.data + b->last_line;
        const char *last = NULL;
        while ((open = strstr(open, "<!--"))) {
            last = open;
            open += 4;
        }
        return last && !strstr(last, "-->");
    }
    return false;
}

static void read_markdown(struct builder *b, struct lines *lines)
{
    const char *line;
    size_t length;
    bool in_comment = false;
    front_matter(b, lines);
    while (next_line(lines, &line, &length)) {
        if (in_comment) { /* blank lines and headings in it must not end the paragraph */
            add_line(b, line, length);
            in_comment = !strstr(b->paragraph.data + b->last_line, "-->");
        } else {
            in_comment = markdown_line(b, lines, line, length);
        }
    }
    end_paragraph(b);
}

static void read_plain(struct builder *b, struct lines *lines)
{
    const char *line;
    size_t length;
    while (next_line(lines, &line, &length)) {
        if (is_blank(line, length)) {
            end_paragraph(b);
        } else {
            add_line(b, line, length);
        }
    }
    end_paragraph(b);
}

static void collect(const json_t *value, struct cf_buf *out)
{
    const char *key;
    json_t *member;
    size_t i;
    if (json_is_string(value)) {
        cf_buf_append(out, json_string_value(value), json_string_length(value));
        cf_buf_puts(out, "\n\n");
    } else if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, member)
        {
            collect(member, out);
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, member)
        {
            collect(member, out);
        }
    }
}

int cf_chunk_json_strings(const char *text, size_t length, struct cf_buf *out)
{
    json_t *root = NULL;
    if (cf_json_parse_foreign(text, length, "the text", &root, NULL)) {
        return -1;
    }
    collect(root, out);
    json_decref(root);
    return 0;
}

static bool has_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path);
    size_t m = strlen(suffix);
    return n >= m && strcasecmp(path + n - m, suffix) == 0;
}

void cf_chunk_text(const struct cf_text *text, size_t project,
                   const struct cf_chunk_options *options, struct cf_chunks *out,
                   struct cf_buf *title)
{
    struct cf_buf clean = CF_BUF_INIT;
    struct cf_buf raw = CF_BUF_INIT;
    struct builder b = {
        .options = options, .out = out, .project = project, .path = text->path, .title = title};
    const char *name = strrchr(text->path, '/');
    name = name ? name + 1 : text->path;
    b.markdown = has_suffix(name, ".md") || has_suffix(name, ".markdown") || !strchr(name, '.');
    if (has_suffix(name, ".json") && text->length &&
        cf_chunk_json_strings(text->text, text->length, &raw) == 0) {
        cf_utf8_clean(cf_buf_str(&raw), raw.length, &clean);
    } else if (text->length) {
        cf_utf8_clean(text->text, text->length, &clean);
    }
    struct lines lines = {cf_buf_str(&clean), clean.length};
    if (b.markdown) {
        read_markdown(&b, &lines);
    } else {
        read_plain(&b, &lines);
    }
    flush(&b);
    if (b.heading.length && !b.heading_shown) {
        cf_chunks_add(out, project, text->path, b.heading.data, "", 0);
    }
    cf_buf_release(&b.heading);
    cf_buf_release(&b.text);
    cf_buf_release(&b.paragraph);
    cf_buf_release(&raw);
    cf_buf_release(&clean);
}
