#include "common/encoder/markdown.h"

#include <string.h>
#include <strings.h>

#include "common/base/utf8.h"

#define LOOKAHEAD 1024 /* bytes to a closing bracket: bounds the work on hostile text */
#define DEPTH 4        /* of brackets within brackets */

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_punctuation(char c)
{
    return c > ' ' && c < 0x7f && !is_alpha(c) && !is_digit(c);
}

static bool contains(const char *s, size_t length, const char *needle)
{
    size_t n = strlen(needle);
    for (size_t i = 0; i + n <= length; i++) {
        if (strncasecmp(s + i, needle, n) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_badge(const char *url, size_t length)
{
    static const char *const signs[] = {"badge",     "shields.io",   "travis-ci", "circleci",
                                        "codecov",   "coveralls",    "appveyor",  "david-dm",
                                        "nodei.co",  "snyk.io",      "gitter.im", "opencollective",
                                        "saucelabs", "bestpractices"};
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        if (contains(url, length, signs[i])) {
            return true;
        }
    }
    return false;
}

/* How many bytes from the bracket at s to behind the one that closes it, 0 when none does. */
static size_t bracketed(const char *s, size_t length, char open, char close)
{
    size_t depth = 0;
    length = length > LOOKAHEAD ? LOOKAHEAD : length;
    for (size_t i = 0; i < length; i++) {
        if (s[i] == '\\') {
            i++;
        } else if (s[i] == open) {
            depth++;
        } else if (s[i] == close && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

static void inline_text(const char *s, size_t length, unsigned depth, struct cf_buf *out);

/* "[text](address)", "[text][reference]", and the same behind "!". Returns the bytes taken, 0 for
 * none. */
static size_t link_or_image(const char *s, size_t length, unsigned depth, struct cf_buf *out)
{
    bool image = *s == '!';
    const char *label = s + image;
    size_t left = length - image;
    size_t label_length = left && *label == '[' ? bracketed(label, left, '[', ']') : 0;
    if (!label_length || depth >= DEPTH) {
        return 0;
    }
    const char *target = label + label_length;
    left -= label_length;
    size_t target_length = 0;
    if (left && *target == '(') {
        target_length = bracketed(target, left, '(', ')');
    } else if (left && *target == '[') {
        target_length = bracketed(target, left, '[', ']');
    }
    if (!target_length) {
        return 0;
    }
    if (!image || (*target == '(' && !is_badge(target, target_length))) {
        inline_text(label + 1, label_length - 2, depth + 1, out);
    }
    return image + label_length + target_length;
}

/* A code span, copied as it is. */
static size_t code_span(const char *s, size_t length, struct cf_buf *out)
{
    size_t ticks = 0;
    while (ticks < length && s[ticks] == '`') {
        ticks++;
    }
    size_t limit = length > LOOKAHEAD ? LOOKAHEAD : length;
    for (size_t i = ticks; i + ticks <= limit; i++) {
        size_t run = 0;
        while (i + run < limit && s[i + run] == '`') {
            run++;
        }
        if (run == ticks) {
            cf_buf_append(out, s, i + run);
            return i + run;
        }
        i += run;
    }
    cf_buf_append(out, s, ticks);
    return ticks;
}

/* Names of tags that are dropped; a space stands for those that break a line or a cell. */
static bool is_tag(const char *name, size_t length, bool *breaks)
{
    static const char blocks[] =
        " br p div li td th tr ul ol table tbody thead hr h1 h2 h3 h4 h5 h6 pre dl dt dd"
        " section header footer nav blockquote article details summary "
        "center figure figcaption aside main ";
    static const char spans[] =
        " a img b i u s em strong code span sub sup kbd font small picture source video "
        "audio svg path input label button iframe script style big tt del ins "
        "samp var abbr mark q cite html head body link meta title g rect col "
        "colgroup caption strike bdi wbr ";
    char padded[16];
    if (length == 0 || length > sizeof(padded) - 3) {
        return false;
    }
    padded[0] = ' ';
    memcpy(padded + 1, name, length);
    memcpy(padded + 1 + length, " ", 2);
    for (size_t i = 1; i <= length; i++) {
        padded[i] = (char)(padded[i] >= 'A' && padded[i] <= 'Z' ? padded[i] + 32 : padded[i]);
    }
    *breaks = strstr(blocks, padded) != NULL;
    return *breaks || strstr(spans, padded) != NULL;
}

static size_t until(const char *s, size_t length, size_t from, const char *end)
{
    size_t n = strlen(end);
    for (size_t i = from; i + n <= length; i++) {
        if (memcmp(s + i, end, n) == 0) {
            return i + n;
        }
    }
    return 0;
}

/* A tag, a comment or an address in angle brackets. Returns the bytes taken, 0 when it is none. */
static size_t angle(const char *s, size_t length, struct cf_buf *out)
{
    if (length >= 4 && memcmp(s, "<!--", 4) == 0) {
        size_t end = until(s, length, 4, "-->");
        return end ? end : length;
    }
    size_t name = length > 1 && s[1] == '/' ? 2 : 1;
    size_t end = name;
    while (end < length && (is_alpha(s[end]) || is_digit(s[end]))) {
        end++;
    }
    size_t close = until(s, length > LOOKAHEAD ? LOOKAHEAD : length, end, ">");
    bool breaks = false;
    if (!close) {
        return 0;
    }
    if (is_tag(s + name, end - name, &breaks)) {
        if (breaks) {
            cf_buf_putc(out, ' ');
        }
        return close;
    }
    if (contains(s, close > 10 ? 10 : close, "http") ||
        contains(s, close > 10 ? 10 : close, "mailto:")) {
        cf_buf_append(out, s + 1, close - 2);
        return close;
    }
    return 0;
}

static size_t entity(const char *s, size_t length, struct cf_buf *out)
{
    static const struct {
        const char *name, *text;
    } entities[] = {{"&amp;", "&"},        {"&lt;", "<"},         {"&gt;", ">"},
                    {"&quot;", "\""},      {"&nbsp;", " "},       {"&#39;", "'"},
                    {"&apos;", "'"},       {"&copy;", "\u00a9"},  {"&middot;", "\u00b7"},
                    {"&mdash;", "\u2014"}, {"&ndash;", "\u2013"}, {"&hellip;", "\u2026"}};
    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        size_t n = strlen(entities[i].name);
        if (n <= length && memcmp(s, entities[i].name, n) == 0) {
            cf_buf_puts(out, entities[i].text);
            return n;
        }
    }
    return 0;
}

/* What stands at s when it begins with a character that can be markup. Returns the bytes taken, 0
 * when the character means itself. */
static size_t markup(const char *s, size_t length, unsigned depth, struct cf_buf *out)
{
    switch (*s) {
    case '`':
        return code_span(s, length, out);
    case '!':
    case '[':
        return link_or_image(s, length, depth, out);
    case '<':
        return angle(s, length, out);
    case '&':
        return entity(s, length, out);
    case '*':
    case '~':
        return length > 1 && s[1] == *s ? 2 : 0;
    case '\\':
        if (length > 1 && is_punctuation(s[1])) {
            cf_buf_putc(out, s[1]);
            return 2;
        }
        return 0;
    default:
        return 0;
    }
}

static bool may_be_markup(char c)
{
    return c == '`' || c == '!' || c == '[' || c == '<' || c == '&' || c == '*' || c == '~' ||
           c == '\\';
}

static void inline_text(const char *s, size_t length, unsigned depth, struct cf_buf *out)
{
    size_t i = 0;
    while (i < length) {
        size_t run = 0; /* of characters that mean themselves */
        while (i + run < length && !may_be_markup(s[i + run])) {
            run++;
        }
        cf_buf_append(out, s + i, run);
        i += run;
        if (i == length) {
            return;
        }
        size_t used = markup(s + i, length - i, depth, out);
        if (!used) {
            cf_buf_putc(out, s[i]);
            used = 1;
        }
        i += used;
    }
}

void cf_markdown_inline(const char *s, size_t length, struct cf_buf *out)
{
    inline_text(s, length, 0, out);
}

static void trim(const char **s, size_t *length)
{
    while (*length && is_space(**s)) {
        ++*s;
        --*length;
    }
    while (*length && is_space((*s)[*length - 1])) {
        --*length;
    }
}

int cf_markdown_heading(const char *line, size_t length, const char **text, size_t *text_length)
{
    size_t indent = 0;
    while (indent < length && line[indent] == ' ') {
        indent++;
    }
    trim(&line, &length);
    size_t level = 0;
    while (level < length && line[level] == '#') {
        level++;
    }
    if (indent < 4 && level >= 1 && level <= 6 && (level == length || is_space(line[level]))) {
        *text = line + level;
        *text_length = length - level;
        trim(text, text_length);
        size_t end = *text_length;
        while (end && (*text)[end - 1] == '#') {
            end--;
        }
        *text_length = end == 0 || is_space((*text)[end - 1]) ? end : *text_length;
        trim(text, text_length);
        return (int)level;
    }
    if (length > 9 && line[0] == '<' && (line[1] == 'h' || line[1] == 'H') && line[2] >= '1' &&
        line[2] <= '6' && (line[3] == '>' || line[3] == ' ') && line[length - 1] == '>' &&
        contains(line, length, "</h")) {
        *text = line;
        *text_length = length;
        return line[2] - '0';
    }
    return 0;
}

int cf_markdown_underline(const char *line, size_t length)
{
    trim(&line, &length);
    size_t run = 0;
    while (run < length && line[run] == line[0]) {
        run++;
    }
    if (run < 2 || run != length) {
        return 0;
    }
    return line[0] == '=' ? 1 : line[0] == '-' ? 2 : 0;
}

size_t cf_markdown_fence(const char *line, size_t length, char *mark)
{
    trim(&line, &length);
    size_t run = 0;
    while (run < length && line[run] == line[0]) {
        run++;
    }
    if (run < 3 || (line[0] != '`' && line[0] != '~') ||
        (line[0] == '`' && memchr(line + run, '`', length - run))) {
        return 0;
    }
    *mark = line[0];
    return run;
}

bool cf_markdown_is_hidden(const char *line, size_t length)
{
    trim(&line, &length);
    if (length > 4 && line[0] == '[' && line[1] != '^') {
        size_t label = bracketed(line, length, '[', ']');
        return label && label < length && line[label] == ':';
    }
    for (size_t i = 0; i < length; i++) {
        if (!strchr("-=_*|:+ \t", line[i]) || !line[i]) {
            return false;
        }
    }
    return length > 0;
}
