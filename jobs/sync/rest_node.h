/* The listing by REST: readers of the answers from which a repository is put together so that it
 * equals, byte for byte in its document, what the listing by GraphQL (listing.h) gives.
 *
 *     sync_rest_read_owner      GET /users/{login}
 *     sync_rest_read_node       an element of GET /users/{login}/repos?type=owner
 *     sync_rest_same            does the last version know the rest? Then sync_rest_reuse, else
 *     sync_rest_read_branch         GET /repos/{owner}/{name}/branches/{default_branch}
 *     sync_rest_read_languages      GET /repos/{owner}/{name}/languages
 *     sync_rest_finish          always
 *
 * Nothing here does any I/O. All errors are CF_EDATA that names the field, but for the one of
 * sync_rest_read_node. */
#ifndef SYNC_REST_NODE_H
#define SYNC_REST_NODE_H

#include <jansson.h>
#include <stdbool.h>

#include "common/portfolio/repos.h"

/* The account's login as GitHub spells it and its kind, "User" or "Organization": copies. asked is
 * the login asked for, in any case of letters; an answer for another one is an error. */
int sync_rest_read_owner(const json_t *user, const char *asked, char **login, char **kind,
                         struct cf_error *err);

/* Reads one element of the list. Until sync_rest_finish, commit, tree, languages and fingerprint
 * are missing, and default_branch is the name that REST gives even to a repository without a
 * commit. owner is the login as GitHub spells it, api_url for the addresses in the metadata.
 *
 * Forms: description and homepage are null or "" as GitHub has them (both ways alike); a license's
 * url is made as for GraphQL, null for the key "other"; of the topics, the first 20 are taken.
 * allow_forking, is_template and disabled may be missing, as in GitHub's description of the answer,
 * and are true, false and false then, which is what holds for public repositories.
 *
 * CF_EDATA names the field that is wrong, and out->id is set when it could be read even then.
 * CF_EDENIED: it isn't public, and must be forgotten. out is to be released in every case. */
int sync_rest_read_node(const json_t *node, const char *owner, const char *api_url,
                        struct cf_repository *out, struct cf_error *err);

/* Reads commit and tree of the branch repository->default_branch; an answer for a branch of another
 * name is an error. GitHub answers 404 for the branch of an empty repository: then this isn't
 * called, and commit and tree stay empty. */
int sync_rest_read_branch(const json_t *answer, struct cf_repository *repository,
                          struct cf_error *err);

/* Reads {"C": 123, …}: the 20 largest, as GraphQL is asked for. Of languages of one size at the
 * cut, those stay whose names come last by bytes, as in the stand-in's GraphQL; GitHub doesn't say.
 * At most 2,000 are read. Replaces the languages that are there. */
int sync_rest_read_languages(const json_t *answer, struct cf_repository *repository,
                             struct cf_error *err);

/* True when what the list says shows that commit, tree and languages of the last version still
 * hold: pushed_at, updated_at and the name are equal, and default_branch too unless last is empty.
 * last (or NULL) must be current or empty; anything else gives false.
 *
 * pushed_at counts seconds, and GitHub counts languages some time after a push without moving it.
 * So what was read soon after a push is read once more: read_at is when the version that has last
 * was made (its marker's created_at), and the result is false unless pushed_at lies more than
 * SYNC_REST_SETTLED seconds before it. NULL leaves that out. */
#define SYNC_REST_SETTLED 3600
bool sync_rest_same(const struct cf_repository *listed, const struct cf_repository *last,
                    const char *read_at);

/* Copies commit, tree and languages from the last version. */
void sync_rest_reuse(const struct cf_repository *last, struct cf_repository *repository);

/* Sets the state, and default_branch to null where there is no commit; names the largest language
 * where REST names none, which it does for some forks and GraphQL doesn't; sorts, and makes the
 * fingerprint. */
void sync_rest_finish(struct cf_repository *repository);

#endif
