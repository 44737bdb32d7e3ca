/* A scripted HTTP server on a loopback port, for tests of clients: it expects, replies, drips,
 * closes and aborts. Each request takes the next step of the script, in the order in which requests
 * arrive; behind the last step that one is repeated. */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include <stddef.h>
#include <stdint.h>

enum net_action {
    NET_REPLY,  /* the whole answer, with Content-Length */
    NET_CHUNKS, /* the same, chunked */
    NET_CLOSE,  /* the connection is closed without an answer */
    NET_ABORT,  /* the same with a reset */
    NET_CUT,    /* half of the body that Content-Length announced, then closed */
    NET_DRIP,   /* one byte of the body in every 200 ms */
    NET_SILENT, /* nothing, until the client gives up */
    NET_STREAM, /* repeat × body, chunked: an answer without end */
};

struct net_step {
    enum net_action action;
    int status;          /* 0: 200 */
    const char *headers; /* whole lines, each with its CRLF; or NULL */
    const char *body;    /* NULL: none */
    size_t body_length;  /* 0: strlen(body) */
    uint64_t repeat;     /* of NET_STREAM */
    int delay_ms;        /* before the answer */
    const char *path;    /* the request line must contain this; else 599 is answered */
};

#define NET_REQUESTS_MAX 4096

struct net_seen {
    int64_t at_ms;  /* monotonic, when its head had come */
    int connection; /* 1, 2, … */
    char *head;     /* request line and headers */
    char *body;     /* NUL-terminated */
    size_t body_length;
};

struct net_server;

struct net_server *net_server_new(const struct net_step *script, size_t count);
/* The same for requests that come in no certain order: each takes the first of the steps with its
 * path that none has taken; when all of those were taken, the last one again. */
struct net_server *net_server_new_unordered(const struct net_step *script, size_t count);
void net_server_free(struct net_server *server); /* ends its threads */

/* "http://127.0.0.1:<port>" */
const char *net_server_url(const struct net_server *server);
int net_server_accepts(struct net_server *server);
size_t net_server_requests(struct net_server *server);
const struct net_seen *net_server_seen(struct net_server *server, size_t index);
/* The most connections that waited for an answer at one time. */
int net_server_most_at_once(struct net_server *server);

#endif
