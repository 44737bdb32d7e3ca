#include "jobs/cloudfolio/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/base/hash.h"
#include "common/base/utf8.h"

enum { GAP = 2 };

const json_t *tool_field(const json_t *object, const char *path)
{
    char name[64];
    for (const char *dot = strchr(path, '.'); dot; dot = strchr(path, '.')) {
        (void)snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
        object = json_object_get(object, name);
        path = dot + 1;
    }
    return json_object_get(object, path);
}

/* Combining marks, joiners and selectors (0), East Asian wide characters and emoji (2). */
static size_t width_of(uint32_t c)
{
    static const struct {
        uint32_t first, last;
        size_t width;
    } ranges[] = {
        {0x300, 0x36f, 0},     {0x483, 0x489, 0},     {0x591, 0x5bd, 0},     {0x610, 0x61a, 0},
        {0x64b, 0x65f, 0},     {0x1100, 0x115f, 2},   {0x1ab0, 0x1aff, 0},   {0x1dc0, 0x1dff, 0},
        {0x200b, 0x200d, 0},   {0x20d0, 0x20ff, 0},   {0x231a, 0x231b, 2},   {0x2329, 0x232a, 2},
        {0x2e80, 0x303e, 2},   {0x3041, 0xa4cf, 2},   {0xa960, 0xa97c, 2},   {0xac00, 0xd7a3, 2},
        {0xf900, 0xfaff, 2},   {0xfe00, 0xfe0f, 0},   {0xfe20, 0xfe2f, 0},   {0xfe30, 0xfe6f, 2},
        {0xff00, 0xff60, 2},   {0xffe0, 0xffe6, 2},   {0x1f300, 0x1f64f, 2}, {0x1f680, 0x1f6ff, 2},
        {0x1f900, 0x1f9ff, 2}, {0x20000, 0x3fffd, 2}, {0xe0100, 0xe01ef, 0},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]) && c >= ranges[i].first; i++) {
        if (c <= ranges[i].last) {
            return ranges[i].width;
        }
    }
    return 1;
}

size_t tool_width(const char *s, size_t length)
{
    size_t width = 0;
    for (size_t i = 0; i < length;) {
        uint32_t c = 0xfffd;
        size_t used = cf_utf8_decode(s + i, length - i, &c);
        width += width_of(c);
        i += used ? used : 1;
    }
    return width;
}

static int number_at(const char *text, size_t digits)
{
    int value = 0;
    for (size_t i = 0; i < digits; i++) {
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

int64_t tool_parse_time(const char *text)
{
    static const char form[] = "0000-00-00T00:00:00.000Z";
    for (size_t i = 0; i < sizeof(form); i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == '0' ? !digit : text[i] != form[i]) {
            return -1;
        }
    }
    struct tm tm = {.tm_year = number_at(text, 4) - 1900,
                    .tm_mon = number_at(text + 5, 2) - 1,
                    .tm_mday = number_at(text + 8, 2),
                    .tm_hour = number_at(text + 11, 2),
                    .tm_min = number_at(text + 14, 2),
                    .tm_sec = number_at(text + 17, 2)};
    int64_t seconds = (int64_t)timegm(&tm);
    return seconds < 0 ? -1 : seconds * 1000 + number_at(text + 20, 3);
}

void tool_age(int64_t ms, struct cf_buf *out)
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (ms >= units[i].ms) {
            cf_buf_printf(out, "%" PRId64 " %s", ms / units[i].ms, units[i].unit);
            return;
        }
    }
    cf_buf_puts(out, "now");
}

void tool_bytes(uint64_t bytes, struct cf_buf *out)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1000;
        unit++;
    }
    cf_buf_printf(out, unit && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void print_text(const json_t *value, struct cf_buf *out)
{
    cf_utf8_printable(json_string_value(value), json_string_length(value), out);
}

static void print_number(const json_t *value, struct cf_buf *out)
{
    if (json_is_integer(value)) {
        cf_buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else {
        cf_buf_printf(out, "%.3f", json_number_value(value));
    }
}

static void print_scalar(const json_t *value, struct cf_buf *out)
{
    if (json_is_string(value) && cf_is_hex(json_string_value(value), 64)) {
        cf_buf_printf(out, "%.12s", json_string_value(value));
    } else if (json_is_string(value)) {
        print_text(value, out);
    } else if (json_is_number(value)) {
        print_number(value, out);
    } else if (json_is_boolean(value)) {
        cf_buf_puts(out, json_is_true(value) ? "yes" : "no");
    } else {
        cf_buf_puts(out, json_is_null(value) ? "-" : "…");
    }
}

static void print_pairs(const json_t *object, struct cf_buf *out)
{
    const char *key;
    json_t *value;
    const char *space = "";
    json_object_foreach((json_t *)object, key, value)
    {
        cf_buf_puts(out, space);
        cf_utf8_printable(key, strlen(key), out);
        cf_buf_putc(out, '=');
        print_scalar(value, out);
        space = " ";
    }
}

static void print_inputs(const json_t *array, struct cf_buf *out)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *input = json_array_get(array, i);
        cf_buf_puts(out, i ? ", " : "");
        print_scalar(json_object_get(input, "dataset"), out);
        cf_buf_putc(out, ' ');
        print_scalar(json_object_get(input, "version"), out);
    }
}

static void print_age(const json_t *value, int64_t now_ms, struct cf_buf *out)
{
    int64_t ms = tool_parse_time(json_string_value(value));
    if (ms >= 0) {
        tool_age(now_ms - ms, out);
    } else {
        print_text(value, out);
    }
}

static void print_time(const json_t *value, struct cf_buf *out)
{
    const char *text = json_string_value(value);
    if (tool_parse_time(text) >= 0) {
        cf_buf_printf(out, "%.10s %.8s", text, text + 11);
    } else {
        print_text(value, out);
    }
}

static bool is_of(const json_t *value, enum tool_format format)
{
    switch (format) {
    case TOOL_NUMBER:
    case TOOL_BYTES:
    case TOOL_SECONDS:
        return json_is_number(value);
    case TOOL_PAIRS:
        return json_object_size(value) > 0;
    case TOOL_INPUTS:
        return json_array_size(value) > 0;
    case TOOL_YES:
        return json_is_boolean(value);
    default:
        return json_is_string(value);
    }
}

void tool_cell(const json_t *value, enum tool_format format, int64_t now_ms, struct cf_buf *out)
{
    if (!is_of(value, format)) {
        cf_buf_putc(out, '-');
        return;
    }
    switch (format) {
    case TOOL_TEXT:
        print_text(value, out);
        break;
    case TOOL_NUMBER:
        print_number(value, out);
        break;
    case TOOL_BYTES:
        tool_bytes((uint64_t)json_number_value(value), out);
        break;
    case TOOL_SECONDS:
        cf_buf_printf(out, "%.2f s", json_number_value(value));
        break;
    case TOOL_AGE:
        print_age(value, now_ms, out);
        break;
    case TOOL_TIME:
        print_time(value, out);
        break;
    case TOOL_HASH:
        cf_utf8_printable(json_string_value(value), strnlen(json_string_value(value), 12), out);
        break;
    case TOOL_PAIRS:
        print_pairs(value, out);
        break;
    case TOOL_INPUTS:
        print_inputs(value, out);
        break;
    case TOOL_YES:
        cf_buf_puts(out, json_is_true(value) ? "yes" : "");
        break;
    }
}

static bool is_right_aligned(enum tool_format format)
{
    return format == TOOL_NUMBER || format == TOOL_BYTES || format == TOOL_SECONDS ||
           format == TOOL_AGE;
}

static void pad(struct cf_buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cf_buf_putc(out, ' ');
    }
}

static void place(struct cf_buf *out, const char *text, size_t width, bool right, bool last)
{
    size_t own = tool_width(text, strlen(text));
    size_t space = width > own ? width - own : 0;
    pad(out, right ? space : 0);
    cf_buf_puts(out, text);
    pad(out, last ? 0 : (right ? 0 : space) + GAP);
}

/* Lines must not end in spaces: those of an empty last cell go. */
static void end_line(struct cf_buf *out)
{
    while (out->length && out->data[out->length - 1] == ' ') {
        out->data[--out->length] = '\0';
    }
    cf_buf_putc(out, '\n');
}

static void headings(const struct tool_column *columns, const size_t *widths, size_t count,
                     bool bold, struct cf_buf *out)
{
    cf_buf_puts(out, bold ? "\033[1m" : "");
    for (size_t j = 0; j < count; j++) {
        place(out, columns[j].heading, widths[j], is_right_aligned(columns[j].format),
              j + 1 == count);
    }
    cf_buf_puts(out, bold ? "\033[0m" : "");
    end_line(out);
}

void tool_table(const json_t *rows, const struct tool_column *columns, int64_t now_ms, bool bold,
                struct cf_buf *out)
{
    size_t count = 0;
    while (columns[count].heading) {
        count++;
    }
    size_t row_count = json_array_size(rows);
    struct cf_buf *cells = cf_calloc(row_count * count, sizeof(*cells));
    size_t *widths = cf_calloc(count, sizeof(*widths));
    for (size_t j = 0; j < count; j++) {
        widths[j] = tool_width(columns[j].heading, strlen(columns[j].heading));
        for (size_t i = 0; i < row_count; i++) {
            struct cf_buf *cell = &cells[i * count + j];
            tool_cell(tool_field(json_array_get(rows, i), columns[j].field), columns[j].format,
                      now_ms, cell);
            size_t width = tool_width(cf_buf_str(cell), cell->length);
            widths[j] = width > widths[j] ? width : widths[j];
        }
    }
    headings(columns, widths, count, bold, out);
    for (size_t i = 0; i < row_count * count; i++) {
        size_t j = i % count;
        place(out, cf_buf_str(&cells[i]), widths[j], is_right_aligned(columns[j].format),
              j + 1 == count);
        cf_buf_release(&cells[i]);
        if (j + 1 == count) {
            end_line(out);
        }
    }
    free(widths);
    free(cells);
}
