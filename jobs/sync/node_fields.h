/* What both ways of listing, GraphQL (listing.h) and REST (rest_node.h), read of a repository: one
 * set of bounds, checks and messages. What comes from outside is bounded here, before it is copied.
 * All of these give CF_EDATA with the field's name for what is missing, too long or of another
 * type. */
#ifndef SYNC_NODE_FIELDS_H
#define SYNC_NODE_FIELDS_H

#include <jansson.h>
#include <stdbool.h>

#include "common/portfolio/repos.h"

#define SYNC_MOST_ITEMS 100   /* topics, languages */
#define SYNC_MOST_NAME 200    /* bytes */
#define SYNC_MOST_BRANCH 1024 /* bytes */
#define SYNC_MOST_URL 2048    /* bytes */
#define SYNC_MOST_TEXT 16384  /* bytes */
#define SYNC_LANGUAGES 20     /* that either way takes: the largest */

int sync_field_too_long(const char *field, struct cf_error *err);

/* A text of at most so many bytes, copied with NULs replaced, since our own documents hold none. A
 * null gives NULL where that is allowed. A text may be empty: "" and null are told apart, as GitHub
 * does for description and homepage, and both ways of listing give the same of the two. */
int sync_field_text(const json_t *object, const char *field, size_t most, bool or_null, char **out,
                    struct cf_error *err);

/* The same of a value that is in no object: field is for the message. */
int sync_value_text(const json_t *value, const char *field, size_t most, char **out,
                    struct cf_error *err);

struct sync_text_field {
    const char *field;
    size_t most;
    bool or_null;
    char **out;
};
int sync_field_texts(const json_t *object, const struct sync_text_field *fields, size_t count,
                     struct cf_error *err);

struct sync_flag_field {
    const char *field;
    bool *out;
};
int sync_field_flags(const json_t *object, const struct sync_flag_field *fields, size_t count,
                     struct cf_error *err);

/* A git object's id. */
int sync_field_oid(const json_t *object, const char *field, char out[CF_OID_HEX],
                   struct cf_error *err);

/* The account that an answer is about: its login as GitHub spells it and its kind, from the field
 * of that name ("__typename", "type"). CF_EDATA when it isn't the account asked for, or neither a
 * user nor an organization. The texts are copies. */
int sync_field_account(const json_t *account, const char *kind_field, const char *asked,
                       char **login, char **kind, struct cf_error *err);

/* GitHub's number, the visibility ("public" in any case of letters) and the name. CF_EDENIED when
 * it isn't public, and must be forgotten; out->id is set then. */
int sync_field_identity(const json_t *node, const char *id_field, struct cf_repository *out,
                        struct cf_error *err);

/* The texts of a license, whose fields are named so in the two ways; key and name are in both. Its
 * url is made of api_url, and is null for the key "other", which stands for all that GitHub doesn't
 * know. A null gives none. */
struct sync_license_fields {
    const char *license;
    const char *spdx_id;
    const char *node_id;
};
int sync_field_license(const json_t *node, const struct sync_license_fields *fields,
                       const char *api_url, struct cf_license *out, struct cf_error *err);

/* Sets the addresses and the owner, in the forms of REST. */
void sync_node_addresses(struct cf_repository *repository, const char *owner, const char *api_url);

/* Sets the state (empty where there is no tree), sorts, and makes the fingerprint. */
void sync_node_finish(struct cf_repository *repository);

#endif
