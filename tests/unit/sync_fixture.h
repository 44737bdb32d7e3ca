/* Answers of GitHub for the tests of sync, shaped as the real ones are, and sessions with a
 * scripted GitHub. */
#ifndef SYNC_FIXTURE_H
#define SYNC_FIXTURE_H

#include <jansson.h>

#include "jobs/sync/listing.h"
#include "jobs/sync/plan.h"
#include "tests/unit/net_server.h"

#define FIXTURE_API "https://api.github.com"
#define FIXTURE_TOKEN "s3cret"

/* For checked fixtures: only errors are logged. */
void fixture_quiet(void);

/* JSON in which every ' stands for a ". Fails the test when it isn't JSON. */
json_t *fixture(const char *text);

/* The same as text, and a document as text; good until fixture_texts_free. */
const char *fixture_body(const char *text);
const char *fixture_body_of(json_t *document); /* stolen */
const char *fixture_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fixture_texts_free(void);

/* One node of a listing: a public repository with every field. */
json_t *fixture_node(unsigned id, const char *name, const char *commit, const char *tree);

/* The same as REST has it, and the answer for its branch. */
json_t *fixture_rest_node(unsigned id, const char *name);
json_t *fixture_rest_branch(const char *commit, const char *tree);

/* A page with this list of nodes (stolen; NULL ends them), the last one, of octocat's. */
json_t *fixture_page_of(json_t *const *list);
#define fixture_page(...) fixture_page_of((json_t *[]){__VA_ARGS__})

/* An object id of 40 times this digit. Good until four more were made. */
const char *fixture_oid(char digit);

/* The id that git gives to a blob of these bytes. */
void fixture_blob_oid(const char *bytes, size_t length, char out[CF_OID_HEX]);

/* The body of REST's answer for a blob. Good until fixture_texts_free. */
const char *fixture_blob(const char *bytes, size_t length);

/* Entries of a tree, and REST's answer for the tree of this digit, with these entries between
 * commas. Good until fixture_texts_free. */
#define FIXTURE_BLOB(path, oid, bytes)                                                             \
    "{'path': '" path "', 'mode': '100644', 'type': 'blob', 'sha': '" oid "', 'size': " bytes "}"
#define FIXTURE_SUBTREE(path, oid)                                                                 \
    "{'path': '" path "', 'mode': '040000', 'type': 'tree', 'sha': '" oid "'}"
const char *fixture_tree(char digit, bool truncated, const char *entries);

/* A listing of one page; answer is stolen. Fails the test on an error. */
void fixture_listing(json_t *answer, struct sync_listing *out);

/* An item of a plan that wants its tree (of this digit) from octocat's repository. */
void fixture_item(struct sync_item *item, unsigned id, const char *name, char tree);
void fixture_item_release(struct sync_item *item);

/* Lets it want one more document, of a tree that came. */
void fixture_want(struct sync_item *item, enum cf_document_kind kind, const char *oid,
                  uint64_t bytes);

/* How many files of a type a content counts. */
uint64_t fixture_file_type(const struct cf_content *content, const char *extension);

/* Header lines that say: nothing is left until so many seconds from the server's now on. Good until
 * fixture_texts_free. */
const char *fixture_used_up(int seconds);

/* A session with a scripted GitHub. What settings leaves zero is set: the addresses, short waits,
 * and a time limit of ten seconds. */
struct fixture_session {
    struct net_server *server;
    struct sync_github *github;
    struct sync_session *session;
};
void fixture_open(struct fixture_session *f, struct net_server *server,
                  const struct sync_github_settings *settings);
void fixture_close(struct fixture_session *f);

/* The body of the request of this index. */
const char *fixture_request(const struct fixture_session *f, size_t index);

/* How many requests came whose request line has this. */
size_t fixture_count(const struct fixture_session *f, const char *path);

#endif
