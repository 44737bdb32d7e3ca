#include "common/net/policy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/net/http.h"

static const int64_t LONGEST_JITTER_MS = 20000;

bool cf_net_code_is_transient(CURLcode code)
{
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_HTTP2:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2_STREAM:
        return true;
    default:
        return false;
    }
}

/* After these libcurl may keep an HTTP/2 connection that no longer carries anything. */
bool cf_net_code_spoils_connection(CURLcode code)
{
    return code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM || code == CURLE_OPERATION_TIMEDOUT;
}

bool cf_net_status_is_transient(long status)
{
    return status == 500 || status == 502 || status == 503 || status == 504;
}

int64_t cf_net_backoff_ms(unsigned attempts, int64_t base_ms, int64_t floor_ms, uint64_t random)
{
    int64_t ceiling = base_ms;
    for (unsigned i = 1; i < attempts && ceiling < LONGEST_JITTER_MS; i++) {
        ceiling *= 2;
    }
    if (ceiling > LONGEST_JITTER_MS) {
        ceiling = LONGEST_JITTER_MS;
    }
    int64_t jitter = ceiling > 0 ? (int64_t)(random % (uint64_t)ceiling) : 0;
    return (floor_ms > 0 ? floor_ms : 0) + jitter;
}

/* The addresses that plain HTTP may go to, and what they are. Names other than localhost are not
 * looked up: what a resolver says of a name is for others to decide. */
static const struct {
    const char *address;
    enum cf_net_url kind;
} plain_addresses[] = {
    {"169.254.170.2", CF_NET_URL_CONTAINER}, {"169.254.170.23", CF_NET_URL_CONTAINER},
    {"fd00:ec2::23", CF_NET_URL_CONTAINER},  {"169.254.169.254", CF_NET_URL_INSTANCE},
    {"fd00:ec2::254", CF_NET_URL_INSTANCE},
};

static enum cf_net_url address_kind(int family, const void *parsed, size_t size)
{
    unsigned char other[sizeof(struct in6_addr)];
    for (size_t i = 0; i < sizeof(plain_addresses) / sizeof(plain_addresses[0]); i++) {
        if (inet_pton(family, plain_addresses[i].address, other) == 1 &&
            memcmp(parsed, other, size) == 0) {
            return plain_addresses[i].kind;
        }
    }
    return CF_NET_URL_REFUSED;
}

static enum cf_net_url plain_kind(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127 ? CF_NET_URL_LOOPBACK
                                             : address_kind(AF_INET, &v4, sizeof(v4));
    }
    size_t length = strlen(host);
    char inner[64];
    if (length > 2 && length < sizeof(inner) && host[0] == '[') {
        memcpy(inner, host + 1, length - 2);
        inner[length - 2] = '\0';
        if (inet_pton(AF_INET6, inner, &v6) != 1) {
            return CF_NET_URL_REFUSED;
        }
        return IN6_IS_ADDR_LOOPBACK(&v6) ? CF_NET_URL_LOOPBACK
                                         : address_kind(AF_INET6, &v6, sizeof(v6));
    }
    return strcasecmp(host, "localhost") == 0 ? CF_NET_URL_LOOPBACK : CF_NET_URL_REFUSED;
}

enum cf_net_url cf_net_url_kind(const char *url)
{
    enum cf_net_url kind = CF_NET_URL_REFUSED;
    char *scheme = NULL;
    char *host = NULL;
    char *user = NULL;
    CURLU *parsed = curl_url();
    if (parsed && !curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) &&
        !curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) &&
        !curl_url_get(parsed, CURLUPART_HOST, &host, 0) &&
        curl_url_get(parsed, CURLUPART_USER, &user, 0) == CURLUE_NO_USER) {
        if (strcmp(scheme, "https") == 0) {
            kind = CF_NET_URL_TLS;
        } else if (strcmp(scheme, "http") == 0) {
            kind = plain_kind(host);
        }
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(parsed);
    return kind;
}

bool cf_net_url_is_allowed(enum cf_net_url kind, enum cf_http_plain plain)
{
    return kind == CF_NET_URL_TLS || kind == CF_NET_URL_LOOPBACK ||
           (kind == CF_NET_URL_CONTAINER && plain == CF_HTTP_PLAIN_CONTAINER) ||
           (kind == CF_NET_URL_INSTANCE && plain == CF_HTTP_PLAIN_INSTANCE);
}

bool cf_http_url_is_safe(const char *url)
{
    return url && cf_net_url_is_allowed(cf_net_url_kind(url), CF_HTTP_PLAIN_LOOPBACK);
}

void cf_net_url_public(const char *url, char *out, size_t size)
{
    const char *scheme = strstr(url, "://");
    size_t start = scheme && scheme < url + strcspn(url, "?#") ? (size_t)(scheme - url) + 3 : 0;
    const char *rest = url + start;
    size_t authority = strcspn(rest, "/?#");
    size_t user = 0;
    for (size_t i = 0; i < authority; i++) {
        if (rest[i] == '@') {
            user = i + 1;
        }
    }
    (void)snprintf(out, size, "%.*s%.*s", (int)start, url, (int)(strcspn(rest, "?#") - user),
                   rest + user);
}
