/* Private to the HTTP engine: what libcurl's sockets wait for, on one epoll descriptor.
 *
 * Two things make this worth having beside curl_multi_poll. A connection stays registered from one
 * request to the next, so that a small request costs no system call but its own. And every read is
 * followed by TCP_QUICKACK: a server that sends headers and body apart, with Nagle's algorithm on,
 * would else wait for the kernel's delayed acknowledgement, 40 ms a request. */
#ifndef CF_NET_SOCKETS_H
#define CF_NET_SOCKETS_H

#include <curl/curl.h>
#include <stdint.h>

struct cf_net_sockets;

/* Takes over the multi handle's socket and timer callbacks. Freed after the multi handle. */
struct cf_net_sockets *cf_net_sockets_new(CURLM *multi);
void cf_net_sockets_free(struct cf_net_sockets *sockets);

/* Tells each connection's beginning and end to us: to be called once for each easy handle. */
void cf_net_sockets_attach(struct cf_net_sockets *sockets, CURL *easy);

/* The descriptor that is readable when there is something for a turn to do. */
int cf_net_sockets_fd(const struct cf_net_sockets *sockets);

/* How long, at most limit_ms, until a turn has something to do anyway. */
int64_t cf_net_sockets_due(const struct cf_net_sockets *sockets, int64_t limit_ms);

/* Lets libcurl do what is due, or else waits for at most so long until there is something, and has
 * it done. Returns early on a signal. */
void cf_net_sockets_turn(struct cf_net_sockets *sockets, int64_t limit_ms);

#endif
