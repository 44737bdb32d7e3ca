/* One request to a scripted server, and what the tests of the HTTP client share besides. */
#ifndef TESTS_UNIT_NET_FIXTURE_H
#define TESTS_UNIT_NET_FIXTURE_H

#include "common/net/http.h"
#include "tests/unit/net_server.h"

#define NET_FAILURES 7

/* Three attempts within seconds. */
extern const struct cf_http_options net_quick;

/* Steps after each of which another attempt is made. */
extern const struct net_step net_failures[NET_FAILURES];

/* One request, for the tests that need no more. */
struct net_one {
    struct net_server *server;
    char url[128];
    struct cf_http_request request;
    struct cf_http_totals totals;
};

/* A server that follows the script, and a GET of the path there, which is not sent yet. */
void net_one_open(struct net_one *one, const struct net_step *script, size_t count,
                  const char *path);
void net_one_run(struct net_one *one, const struct cf_http_options *options);
void net_one_close(struct net_one *one);

/* The request must have succeeded, with this status and body. */
void net_one_expect(const struct net_one *one, long status, const char *body);

#endif
