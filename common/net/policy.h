/* The rules of the HTTP engine that need no connection: what is retried, when, and which URLs may
 * be used. */
#ifndef CF_NET_POLICY_H
#define CF_NET_POLICY_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/net/http.h"

/* True for an end of a transfer that another attempt may change. */
bool cf_net_code_is_transient(CURLcode code);

/* True when the connection shouldn't be used for the next attempt. */
bool cf_net_code_spoils_connection(CURLcode code);

bool cf_net_status_is_transient(long status);

/* The wait before the next attempt after so many: floor_ms, plus a random part below
 * base_ms × 2^(attempts-1), which grows to 20 s at most. random is any 64 random bits. */
int64_t cf_net_backoff_ms(unsigned attempts, int64_t base_ms, int64_t floor_ms, uint64_t random);

enum cf_net_url {
    CF_NET_URL_REFUSED,
    CF_NET_URL_TLS,
    CF_NET_URL_LOOPBACK,
    CF_NET_URL_CONTAINER, /* plain HTTP to a container's credentials service */
    CF_NET_URL_INSTANCE,  /* plain HTTP to a virtual machine's metadata service */
};

/* Which kind of URL this is; parsed by libcurl's own parser, so that both see the same host. */
enum cf_net_url cf_net_url_kind(const char *url);

/* True when a request of this sort may use a URL of this kind. */
bool cf_net_url_is_allowed(enum cf_net_url kind, enum cf_http_plain plain);

/* Copies a URL without user, query and fragment, for people. */
void cf_net_url_public(const char *url, char *out, size_t size);

#endif
