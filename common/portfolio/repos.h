/* The root document of the dataset repos, which sync writes: a tenant's public repositories.
 *
 *     {"document": "repos", "login": "Octocat", "kind": "User" | "Organization",
 *      "repositories": [
 *        {"id": 1296269, "node_id": "R_kgDO…", "name": "Hello-World",
 *         "state": "current" | "kept" | "empty" | "failed", "reason": null | "legal" | …,
 *         "fingerprint": "<sha256>" | null, "default_branch": "main" | null,
 *         "commit": "<oid>" | null, "tree": "<oid>" | null,
 *         "metadata": {"url", "html_url", "description", "homepage", "language", "visibility",
 *                      "created_at", "updated_at", "pushed_at", "fork", "archived", "disabled",
 *                      "is_template", "allow_forking", "size", "stars", "forks",
 *                      "license": null | {"key", "name", "spdx_id", "url", "node_id"},
 *                      "topics": ["a", …], "owner": {"login", "url"}},
 *         "languages": {"C": 1234, …}, "content": "<sha256 of its content blob>" | null}],
 *      "batch": {"listing": 25, "files": 10}, "blobs": […]}
 *
 * Names and forms in metadata are those of GitHub's REST API: url is the API's address, html_url
 * the page's; size is in KiB; times are ISO 8601; description, homepage, language, pushed_at and a
 * license's spdx_id, url and node_id may be null. Repositories are sorted by their names in
 * lower case (ASCII), then by their names, then by id; topics by bytes.
 *
 *     current  commit, tree, metadata, languages and content belong together
 *     empty    it has no commit: commit, tree, default_branch and content are null
 *     kept     what is newer couldn't be read, for the reason given: the whole entry is that of the
 *              last version that could
 *     failed   the same, and there is no such version: fingerprint and content are null
 *
 * batch is how many repositories GitHub could list and read in one query; without it, as many as
 * sync asks for at most. It is for the next run of sync only.
 *
 * The fingerprint changes when the content or a lasting part of the metadata does: stars, forks,
 * size and times are recorded when a version is made, and never make one. */
#ifndef CF_PORTFOLIO_REPOS_H
#define CF_PORTFOLIO_REPOS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/hash.h"

#define CF_OID_HEX 65 /* SHA-1 (40 digits) or SHA-256 (64), and the NUL */

enum cf_repository_state {
    CF_REPOSITORY_CURRENT,
    CF_REPOSITORY_KEPT,
    CF_REPOSITORY_EMPTY,
    CF_REPOSITORY_FAILED,
};

struct cf_language {
    char *name;
    uint64_t bytes;
};

struct cf_license {
    char *key; /* NULL: the repository has no license, and the rest is NULL */
    char *name;
    char *spdx_id;
    char *url;
    char *node_id;
};

struct cf_metadata {
    char *url;
    char *html_url;
    char *description; /* or NULL */
    char *homepage;    /* or NULL */
    char *language;    /* the primary one, or NULL */
    char *visibility;
    char *created_at;
    char *updated_at;
    char *pushed_at; /* or NULL */
    bool fork;
    bool archived;
    bool disabled;
    bool is_template;
    bool allow_forking;
    uint64_t size; /* KiB */
    uint64_t stars;
    uint64_t forks;
    struct cf_license license;
    char **topics;
    size_t topic_count;
    char *owner_login;
    char *owner_url;
};

struct cf_repository {
    uint64_t id; /* GitHub's number, which outlives renaming */
    char *node_id;
    char *name;
    enum cf_repository_state state;
    char *reason;                    /* or NULL */
    char fingerprint[CF_SHA256_HEX]; /* "": null */
    char *default_branch;            /* or NULL */
    char commit[CF_OID_HEX];         /* "": null */
    char tree[CF_OID_HEX];           /* "": null */
    struct cf_metadata metadata;
    struct cf_language *languages; /* by name */
    size_t language_count;
    char content[CF_SHA256_HEX]; /* "": null */
};

struct cf_repos {
    char *login; /* as GitHub spells it */
    char *kind;
    struct cf_repository *items;
    size_t count;
    struct {
        uint64_t listing;
        uint64_t files;
    } batch; /* both 0: not in the document */
};

/* Reads a root document. CF_EDATA names the repository and the field that is missing, of a wrong
 * type or doesn't fit the state. out is left empty then. */
int cf_repos_read(const json_t *root, struct cf_repos *out, struct cf_error *err);

/* The document without "blobs", which cf_commit_finish adds. Sorts the repositories first. */
json_t *cf_repos_write(struct cf_repos *repos);

/* The same in two parts, for thousands of repositories, whose JSON would take tens of megabytes:
 * the document without "repositories", and the canonical text of that array's elements with commas
 * between them, for cf_commit_tail. Each repository is released once it is written. */
json_t *cf_repos_write_head(const struct cf_repos *repos);
void cf_repos_write_items(struct cf_repos *repos, struct cf_buf *out);

void cf_repos_release(struct cf_repos *repos);

const char *cf_repository_state_name(enum cf_repository_state state);
const struct cf_repository *cf_repos_find(const struct cf_repos *repos, uint64_t id);

/* True for a name that GitHub allows: 1 to 100 of [A-Za-z0-9._-], not "." or "..". */
bool cf_repository_name_is_valid(const char *name);

/* True for a git object id. */
bool cf_oid_is_valid(const char *s);

/* Sorts topics and languages as the document has them. */
void cf_repository_sort(struct cf_repository *repository);

/* A copy that shares nothing with the original. */
void cf_repository_copy(const struct cf_repository *from, struct cf_repository *to);
void cf_repository_release(struct cf_repository *repository);

/* SHA-256 of the canonical JSON of {"commit", "tree", "name", "default_branch", "description",
 * "homepage", "topics", "languages", "fork", "archived", "visibility", "license": its key,
 * "language"}. Topics and languages must be sorted. */
void cf_repository_fingerprint(const struct cf_repository *repository, char out[CF_SHA256_HEX]);

/* What the marker calls its request: SHA-256 of the canonical JSON of {"login", "repositories":
 * [[id, fingerprint, state], …] by id}. */
void cf_repos_request(const struct cf_repos *repos, char out[CF_SHA256_HEX]);

#endif
