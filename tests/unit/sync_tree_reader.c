/* GitHub's answer about a tree in pieces: the order of its fields doesn't matter, what is wrong is
 * named, and hostile names are only names. In the fixtures, every ' stands for a ". */
#include "jobs/sync/tree.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/json.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define T "7777777777777777777777777777777777777777"
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B32 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define B B32 B32

struct seen {
    struct cf_buf text; /* an entry a line */
    size_t count;
    size_t stop_at; /* the entry that ends it; 0: none */
};

static int see(void *context, const struct sync_tree_entry *entry, struct cf_error *err)
{
    static const char *const types[] = {"blob", "tree", "commit"};
    struct seen *seen = context;
    ck_assert(entry->path[entry->path_length] == '\0');
    cf_buf_printf(&seen->text, "%s %s %.4s %zu %llu ", types[entry->type], entry->mode, entry->oid,
                  strlen(entry->oid), (unsigned long long)entry->bytes);
    cf_buf_append(&seen->text, entry->path, entry->path_length);
    cf_buf_putc(&seen->text, '\n');
    if (++seen->count == seen->stop_at) {
        return cf_error_set(err, CF_EINTERRUPTED, "that's enough");
    }
    return 0;
}

static char *quoted(const char *text)
{
    char *copy = cf_strdup(text);
    for (char *p = copy; *p; p++) {
        *p = (char)(*p == '\'' ? '"' : *p);
    }
    return copy;
}

static int feed(struct sync_tree_reader *reader, const char *text, size_t piece,
                struct cf_error *err)
{
    char *copy = quoted(text);
    size_t length = strlen(copy);
    int rc = 0;
    for (size_t i = 0; i < length && !rc; i += piece) {
        rc = sync_tree_reader_feed(reader, copy + i, length - i < piece ? length - i : piece, err);
    }
    free(copy);
    return rc;
}

static int read_all(const char *text, size_t piece, struct seen *seen, bool *truncated,
                    struct cf_error *err)
{
    struct sync_tree_reader reader;
    char sha[CF_OID_HEX] = "";
    sync_tree_reader_init(&reader, see, seen);
    int rc = feed(&reader, text, piece, err);
    rc = rc ? rc : sync_tree_reader_end(&reader, sha, truncated, err);
    sync_tree_reader_release(&reader);
    if (!rc) {
        ck_assert_str_eq(sha, T);
    }
    return rc;
}

/* Reads an answer in pieces of several sizes; an error or its entries are what is expected. */
static void check(const char *text, const char *expected, const char *error)
{
    static const size_t pieces[] = {1, 2, 3, 7, 1 << 20};
    for (size_t i = 0; i < COUNT(pieces); i++) {
        struct cf_error err = {0};
        struct seen seen = {.count = 0};
        bool truncated = false;
        int rc = read_all(text, pieces[i], &seen, &truncated, &err);
        ck_assert_str_eq(err.message, error ? error : "");
        ck_assert_int_eq(rc, error ? CF_EDATA : 0);
        if (expected) {
            ck_assert_str_eq(cf_buf_str(&seen.text), expected);
        }
        cf_buf_release(&seen.text);
    }
}

#define ANSWER(entries) "{'sha':'" T "','url':'x','tree':[" entries "],'truncated':false}"

START_TEST(gives_every_entry)
{
    check("{'sha': '" T "', 'url': 'https://x', 'truncated': false, 'tree': ["
          "{'path': '.gitignore', 'mode': '100644', 'type': 'blob', 'sha': '" A
          "', 'size': 9, 'url': 'https://x'},"
          "{'path': 'S', 'mode': '120000', 'type': 'blob', 'sha': '" B "', 'size': 0},"
          "{'path': 'docs', 'mode': '040000', 'type': 'tree', 'sha': '" A "', 'url': null},"
          "{'path': 'docs/\\u00e4\xe2\x82\xac', 'mode': '100755', 'type': 'blob', 'sha': '" B
          "', 'size': 9223372036854775807},"
          "{'path': 'lib', 'mode': '160000', 'type': 'commit', 'sha': '" B "'}]}",
          "blob 100644 aaaa 40 9 .gitignore\n"
          "blob 120000 bbbb 64 0 S\n"
          "tree 040000 aaaa 40 0 docs\n"
          "blob 100755 bbbb 64 9223372036854775807 docs/\xc3\xa4\xe2\x82\xac\n"
          "commit 160000 bbbb 64 0 lib\n",
          NULL);
    check(ANSWER(""), "", NULL);
}
END_TEST

START_TEST(says_whether_it_was_cut)
{
    struct cf_error err;
    for (int cut = 0; cut < 2; cut++) {
        struct seen seen = {.count = 0};
        bool truncated = !cut;
        const char *text = cut ? "{'truncated':true,'tree':[],'sha':'" T "'}"
                               : "{'truncated':false,'tree':[],'sha':'" T "'}";
        ck_assert_int_eq(read_all(text, 1, &seen, &truncated, &err), 0);
        ck_assert_int_eq(truncated, cut);
    }
}
END_TEST

/* Every order of n fields: the number-th permutation of the items, joined by commas. */
static void permuted(const char *const *items, size_t n, size_t number, struct cf_buf *out)
{
    const char *left[8];
    memcpy(left, items, n * sizeof(*items));
    for (size_t count = n; count; count--) {
        size_t i = number % count;
        number /= count;
        cf_buf_puts(out, count == n ? "" : ",");
        cf_buf_puts(out, left[i]);
        memmove(&left[i], &left[i + 1], (count - i - 1) * sizeof(*left));
    }
}

START_TEST(fields_come_in_any_order)
{
    static const char *const fields[] = {"'path':'a.c'",  "'mode':'100644'",
                                         "'type':'blob'", "'sha':'" A "'",
                                         "'size':7",      "'url':['size',{'sha':1,'path':{}}]"};
    for (size_t number = 0; number < 24; number++) {
        struct cf_buf answer = CF_BUF_INIT;
        struct cf_buf entries = CF_BUF_INIT;
        cf_buf_puts(&entries, "'tree':[");
        for (size_t i = 0; i < 720; i += 7) {
            cf_buf_puts(&entries, i ? ",{" : "{");
            permuted(fields, COUNT(fields), i + number % 7, &entries);
            cf_buf_puts(&entries, "}");
        }
        cf_buf_puts(&entries, "]");
        const char *const parts[] = {
            "'sha':'" T "'", "'truncated':false",
            "'x':{'tree':[{'path':'evil'},7],'sha':[],'truncated':{'sha':null}}", entries.data};
        cf_buf_puts(&answer, "{");
        permuted(parts, COUNT(parts), number, &answer);
        cf_buf_puts(&answer, "}");
        struct cf_error err = {0};
        struct seen seen = {.count = 0};
        bool truncated = true;
        ck_assert_msg(!read_all(answer.data, 5, &seen, &truncated, &err), "%s", err.message);
        ck_assert(!truncated);
        ck_assert_uint_eq(seen.count, 103);
        for (size_t i = 0; i < seen.count; i++) {
            static const char line[] = "blob 100644 aaaa 40 7 a.c\n";
            ck_assert_mem_eq(seen.text.data + i * (sizeof(line) - 1), line, sizeof(line) - 1);
        }
        cf_buf_release(&seen.text);
        cf_buf_release(&answer);
        cf_buf_release(&entries);
    }
}
END_TEST

/* A field that only came in the entry before isn't there. */
START_TEST(entries_keep_nothing_of_others)
{
    check(ANSWER("{'path':'a','mode':'100644','type':'blob','sha':'" A "','size':9},"
                 "{'path':'b','mode':'040000','type':'tree','sha':'" A "'},"
                 "{'path':'c','mode':'100644','type':'blob','sha':'" A "'}"),
          "blob 100644 aaaa 40 9 a\ntree 040000 aaaa 40 0 b\n",
          "entry 2 of the tree: the field \"size\" is missing; it must be a whole number that isn't"
          " negative");
}
END_TEST

#define NEW_TYPE "{'path':'y','type':'novelty','sha':7},"
#define GOOD "{'path':'x','mode':'100644','type':'blob','sha':'" A "','size':1},"
#define SECOND "entry 1 of the tree: the field "

static const struct {
    const char *text, *error;
} wrong[] = {
    {"{}", "the field \"sha\" is missing; it must be a git object's id"},
    {"[]", "the answer about a tree must be an object"},
    {"[{'sha':'" T "','tree':[],'truncated':false}]", "the answer about a tree must be an object"},
    {"{'tree':[],'truncated':false}", "the field \"sha\" is missing; it must be a git object's id"},
    {"{'sha':'" T "','tree':[]}", "the field \"truncated\" is missing; it must be true or false"},
    {"{'sha':'" T "','truncated':false}", "the field \"tree\" is missing; it must be an array"},
    {"{'sha':7,'tree':[],'truncated':false}", "the field \"sha\" must be a git object's id"},
    {"{'sha':null}", "the field \"sha\" must be a git object's id"},
    {"{'sha':['" T "']}", "the field \"sha\" must be a git object's id"},
    {"{'sha':'7777'}", "the field \"sha\" must be a git object's id"},
    {"{'sha':'" T "\\u0000'}", "the field \"sha\" must be a git object's id"},
    {"{'truncated':'false'}", "the field \"truncated\" must be true or false"},
    {"{'truncated':null}", "the field \"truncated\" must be true or false"},
    {"{'truncated':0}", "the field \"truncated\" must be true or false"},
    {"{'truncated':[false]}", "the field \"truncated\" must be true or false"},
    {"{'tree':{}}", "the field \"tree\" must be an array"},
    {"{'tree':null}", "the field \"tree\" must be an array"},
    {"{'tree':'x'}", "the field \"tree\" must be an array"},
    {"{'sha':'" T "','sha':'" T "'}", "the field \"sha\" is there twice"},
    {"{'truncated':true,'truncated':false}", "the field \"truncated\" is there twice"},
    {"{'tree':[],'tree':[]}", "the field \"tree\" is there twice"},
    {ANSWER("null"), "entry 0 of the tree must be an object"},
    {ANSWER("[]"), "entry 0 of the tree must be an object"},
    {ANSWER(GOOD "'x'"), "entry 1 of the tree must be an object"},
    {ANSWER(GOOD "7"), "entry 1 of the tree must be an object"},
    {ANSWER(GOOD NEW_TYPE "true"), "entry 2 of the tree must be an object"},
    {ANSWER(GOOD "{}"), SECOND "\"type\" is missing; it must be a string"},
    {ANSWER(GOOD "{'type':7,'path':8}"), SECOND "\"type\" must be a string"},
    {ANSWER(GOOD "{'path':8,'type':'blob\\u0000'}"), SECOND "\"type\" must be a string"},
    {ANSWER(GOOD "{'type':{'type':'blob'}}"), SECOND "\"type\" must be a string"},
    {ANSWER(GOOD "{'type':'blob'}"), SECOND "\"path\" is missing; it must be a string"},
    {ANSWER(GOOD "{'path':7,'type':'blob'}"), SECOND "\"path\" must be a string"},
    {ANSWER(GOOD "{'path':['x'],'type':'blob'}"), SECOND "\"path\" must be a string"},
    {ANSWER(GOOD "{'path':null,'type':'novelty'}"), SECOND "\"path\" must be a string"},
    {ANSWER(GOOD "{'type':'novelty'}"), SECOND "\"path\" is missing; it must be a string"},
    {ANSWER(GOOD "{'path':'a','type':'blob'}"),
     SECOND "\"mode\" is missing; it must be a file's mode"},
    {ANSWER(GOOD "{'path':'a','type':'tree','mode':100644}"),
     SECOND "\"mode\" must be a file's mode"},
    {ANSWER(GOOD "{'path':'a','type':'tree','mode':''}"), SECOND "\"mode\" must be a file's mode"},
    {ANSWER(GOOD "{'path':'a','type':'tree','mode':'10064x'}"),
     SECOND "\"mode\" must be a file's mode"},
    {ANSWER(GOOD "{'path':'a','type':'tree','mode':'100649'}"),
     SECOND "\"mode\" must be a file's mode"},
    {ANSWER(GOOD "{'path':'a','type':'tree','mode':'10064\\u0000'}"),
     SECOND "\"mode\" must be a file's mode"},
    {ANSWER(GOOD "{'path':'a','type':'tree','mode':'10064444'}"),
     SECOND "\"mode\" must be a file's mode"},
    {ANSWER(GOOD "{'path':'a','type':'commit','mode':'160000'}"),
     SECOND "\"sha\" is missing; it must be a git object's id"},
    {ANSWER(GOOD "{'path':'a','type':'tree','mode':'1','sha':7}"),
     SECOND "\"sha\" must be a git object's id"},
    {ANSWER(GOOD "{'path':'a','type':'tree','mode':'1','sha':'../../../../etc/passwd'}"),
     SECOND "\"sha\" must be a git object's id"},
    {ANSWER(GOOD "{'path':'a','type':'tree','mode':'1','sha':'" A "\\u0000'}"),
     SECOND "\"sha\" must be a git object's id"},
    {ANSWER(GOOD "{'path':'a','type':'tree','mode':'1','sha':'" B B "'}"),
     SECOND "\"sha\" must be a git object's id"},
    {ANSWER(GOOD "{'path':'a','type':'tree','mode':'1','sha':'A" A "'}"),
     SECOND "\"sha\" must be a git object's id"},
    {ANSWER(GOOD "{'path':'a','path':'b'}"), SECOND "\"path\" is there twice"},
    {ANSWER(GOOD "{'type':'tree','type':'tree'}"), SECOND "\"type\" is there twice"},
    {ANSWER(GOOD "{'mode':'1','mode':'1'}"), SECOND "\"mode\" is there twice"},
    {ANSWER(GOOD "{'sha':'" A "','sha':'" A "'}"), SECOND "\"sha\" is there twice"},
    {ANSWER(GOOD "{'size':[],'size':1}"), SECOND "\"size\" is there twice"},
    {ANSWER(GOOD "{'path':'a'"),
     "the answer about a tree is not JSON: byte 180: \",\" or \"}\" must"
     " come"},
    {"{'sha':'" T "','tree':[],'truncated':false",
     "the answer about a tree is not JSON: byte 77: the document isn't complete"},
};

START_TEST(what_is_wrong_is_named)
{
    check(wrong[_i].text, NULL, wrong[_i].error);
}
END_TEST

static const char *const bad_sizes[] = {"-1",         "-9",
                                        "1.0",        "1e2",
                                        "null",       "'1'",
                                        "true",       "[1]",
                                        "{'size':1}", "9223372036854775808",
                                        "0.0",        "-",
                                        "1E0",        "99999999999999999999999999"};

START_TEST(sizes_are_whole_numbers)
{
    struct cf_error err = {0};
    struct seen seen = {.count = 0};
    bool truncated;
    char *text =
        cf_asprintf(ANSWER("{'size':%s,'path':'a','type':'blob','mode':'100644','sha':'" A "'}"),
                    bad_sizes[_i]);
    ck_assert_int_eq(read_all(text, 1, &seen, &truncated, &err), CF_EDATA);
    ck_assert_msg(strstr(bad_sizes[_i], "-") == bad_sizes[_i] && !bad_sizes[_i][1]
                      ? strstr(err.message, "is not JSON") != NULL
                      : strcmp(err.message,
                               "entry 0 of the tree: the field \"size\" must be a whole"
                               " number that isn't negative") == 0,
                  "%s", err.message);
    ck_assert_uint_eq(seen.count, 0);
    free(text);
}
END_TEST

START_TEST(what_isn_t_needed_isn_t_judged)
{
    check(ANSWER("{'path':'a','mode':'040000','type':'tree','sha':'" A "','size':-1},"
                 "{'path':'b','mode':'040000','type':'tree','sha':'" A "','size':7},"
                 "{'path':'c','mode':'1','type':'commit','sha':'" A "','size':['x',{}]}," NEW_TYPE
                 "{'path':'z','mode':[],'type':'','sha':null},"
                 "{'path':'d','mode':'100644','type':'blob','sha':'" A "','size':-0}"),
          "tree 040000 aaaa 40 0 a\ntree 040000 aaaa 40 0 b\ncommit 1 aaaa 40 0 c\n"
          "blob 100644 aaaa 40 0 d\n",
          NULL);
}
END_TEST

/* --- hostile names ------------------------------------------------------------------------------
 */

START_TEST(names_are_only_names)
{
    static const char *const paths[] = {"",
                                        "..",
                                        "/",
                                        "../../etc/passwd",
                                        "a//b",
                                        "\x1b[2J\n\r",
                                        "\x7f",
                                        "\"',:{}[]\\",
                                        "\xe2\x80\xae.c",
                                        "%s%n",
                                        "tree",
                                        "{\"path\":\"x\"}"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct cf_error err = {0};
        struct seen seen = {.count = 0};
        json_t *answer =
            json_pack("{s:s,s:b,s:[{s:s,s:s,s:s,s:s,s:i}]}", "sha", T, "truncated", 0, "tree",
                      "path", paths[i], "mode", "100644", "type", "blob", "sha", A, "size", 1);
        struct cf_buf text = CF_BUF_INIT;
        struct sync_tree_reader reader;
        char sha[CF_OID_HEX];
        bool truncated;
        cf_json_dump(answer, &text);
        sync_tree_reader_init(&reader, see, &seen);
        for (size_t k = 0; k < text.length; k++) {
            ck_assert_int_eq(sync_tree_reader_feed(&reader, text.data + k, 1, &err), 0);
        }
        ck_assert_int_eq(sync_tree_reader_end(&reader, sha, &truncated, &err), 0);
        cf_buf_release(&text);
        cf_buf_printf(&text, "blob 100644 aaaa 40 1 %s\n", paths[i]);
        ck_assert_str_eq(seen.text.data, text.data);
        sync_tree_reader_release(&reader);
        cf_buf_release(&text);
        cf_buf_release(&seen.text);
        json_decref(answer);
    }
}
END_TEST

START_TEST(a_nul_is_part_of_its_path)
{
    static const char expected[] = "blob 1 aaaa 40 1 README.md\0.c\nblob 1 aaaa 40 1 \0\n";
    struct cf_error err = {0};
    struct seen seen = {.count = 0};
    bool truncated;
    ck_assert_int_eq(
        read_all(ANSWER("{'path':'README.md\\u0000.c','mode':'1','type':'blob','sha':'" A
                        "','size':1},{'path':'\\u0000','mode':'1','type':'blob',"
                        "'sha':'" A "','size':1}"),
                 1, &seen, &truncated, &err),
        0);
    ck_assert_uint_eq(seen.text.length, sizeof(expected) - 1);
    ck_assert_mem_eq(seen.text.data, expected, sizeof(expected));
    cf_buf_release(&seen.text);
}
END_TEST

static int read_long(size_t length, struct seen *seen, struct cf_error *err)
{
    struct cf_buf text = CF_BUF_INIT;
    bool truncated;
    cf_buf_puts(&text, "{'sha':'" T "','truncated':false,'tree':[{'path':'");
    for (size_t i = 0; i < length; i++) {
        cf_buf_putc(&text, 'p');
    }
    cf_buf_puts(&text, "','mode':'1','type':'blob','sha':'" A "','size':1}]}");
    int rc = read_all(text.data, 4096, seen, &truncated, err);
    cf_buf_release(&text);
    return rc;
}

START_TEST(paths_are_bounded)
{
    struct cf_error err = {0};
    struct seen seen = {.count = 0};
    ck_assert_int_eq(read_long(SYNC_TREE_TEXT_MAX, &seen, &err), 0);
    ck_assert_uint_eq(seen.text.length, strlen("blob 1 aaaa 40 1 \n") + SYNC_TREE_TEXT_MAX);
    ck_assert_int_eq(read_long(SYNC_TREE_TEXT_MAX + 1, &seen, &err), CF_EDATA);
    ck_assert_str_eq(err.message,
                     "the answer about a tree: byte 32853: a text of over 32768 bytes");
    cf_buf_release(&seen.text);
}
END_TEST

START_TEST(memory_is_bounded)
{
    struct cf_error err = {0};
    struct seen seen = {.count = 0};
    struct sync_tree_reader reader;
    sync_tree_reader_init(&reader, see, &seen);
    ck_assert_int_eq(feed(&reader, "{'sha':'" T "','truncated':false,'tree':[{}", 99, &err),
                     CF_EDATA);
    sync_tree_reader_restart(&reader);
    ck_assert_int_eq(feed(&reader, "{'sha':'" T "','truncated':false,'tree':[", 99, &err), 0);
    for (int i = 0; i < 10000; i++) {
        ck_assert_int_eq(feed(&reader, GOOD, 99, &err), 0);
        cf_buf_clear(&seen.text);
    }
    ck_assert_uint_eq(seen.count, 10000);
    ck_assert_uint_le(reader.path.capacity + reader.stream.token.capacity, 256);
    ck_assert_uint_le(sizeof(reader), 1024);
    sync_tree_reader_release(&reader);
    cf_buf_release(&seen.text);
}
END_TEST

/* --- beginnings and ends ------------------------------------------------------------------------
 */

START_TEST(a_restart_voids_what_came)
{
    static const char text[] =
        ANSWER(GOOD "{'path':'\\u00e4','mode':'100644','type':'blob','sha':'" A "','size':12}");
    struct cf_error err = {0};
    struct seen seen = {.count = 0};
    struct sync_tree_reader reader;
    char sha[CF_OID_HEX];
    bool truncated;
    sync_tree_reader_init(&reader, see, &seen);
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        char *part = cf_strndup(text, cut);
        ck_assert_int_eq(feed(&reader, part, 4096, &err), 0);
        free(part);
        sync_tree_reader_restart(&reader);
        cf_buf_clear(&seen.text);
        ck_assert_int_eq(feed(&reader, text, 4096, &err), 0);
        ck_assert_int_eq(sync_tree_reader_end(&reader, sha, &truncated, &err), 0);
        ck_assert_str_eq(seen.text.data,
                         "blob 100644 aaaa 40 1 x\nblob 100644 aaaa 40 12 \xc3\xa4\n");
        sync_tree_reader_restart(&reader);
        ck_assert_int_eq(feed(&reader, "{'tree':[7,", 1, &err), CF_EDATA);
        ck_assert_str_eq(err.message, "entry 0 of the tree must be an object");
        ck_assert_int_eq(feed(&reader, "]}", 1, &err), CF_EDATA);
        ck_assert_int_eq(sync_tree_reader_end(&reader, sha, &truncated, &err), CF_EDATA);
        sync_tree_reader_restart(&reader);
    }
    ck_assert_int_eq(feed(&reader, "{}", 1, &err), 0);
    ck_assert_int_eq(sync_tree_reader_end(&reader, sha, &truncated, &err), CF_EDATA);
    sync_tree_reader_release(&reader);
    cf_buf_release(&seen.text);
}
END_TEST

START_TEST(the_callback_ends_it)
{
    struct cf_error err = {0};
    struct seen seen = {.stop_at = 2};
    bool truncated;
    ck_assert_int_eq(read_all(ANSWER(GOOD GOOD GOOD "{}"), 4096, &seen, &truncated, &err),
                     CF_EINTERRUPTED);
    ck_assert_str_eq(err.message, "that's enough");
    ck_assert_uint_eq(seen.count, 2);
    cf_buf_release(&seen.text);
}
END_TEST

Suite *sync_tree_reader_suite(void);
Suite *sync_tree_reader_suite(void)
{
    Suite *suite = suite_create("sync_tree_reader");
    TCase *tc = tcase_create("sync_tree_reader");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, gives_every_entry);
    tcase_add_test(tc, says_whether_it_was_cut);
    tcase_add_test(tc, fields_come_in_any_order);
    tcase_add_test(tc, entries_keep_nothing_of_others);
    tcase_add_loop_test(tc, what_is_wrong_is_named, 0, (int)COUNT(wrong));
    tcase_add_loop_test(tc, sizes_are_whole_numbers, 0, (int)COUNT(bad_sizes));
    tcase_add_test(tc, what_isn_t_needed_isn_t_judged);
    tcase_add_test(tc, names_are_only_names);
    tcase_add_test(tc, a_nul_is_part_of_its_path);
    tcase_add_test(tc, paths_are_bounded);
    tcase_add_test(tc, memory_is_bounded);
    tcase_add_test(tc, a_restart_voids_what_came);
    tcase_add_test(tc, the_callback_ends_it);
    suite_add_tcase(suite, tc);
    return suite;
}
