/* Private to the HTTP engine: one place for a request in flight, with the easy handle that it
 * reuses. */
#ifndef CF_NET_SLOT_H
#define CF_NET_SLOT_H

#include <curl/curl.h>

#include "common/net/http.h"
#include "common/net/sockets.h"

struct cf_http_slot {
    CURL *easy; /* made when first needed */
    struct cf_http *http;
    struct cf_http_request *request; /* NULL: the place is free */
    struct curl_slist *headers;
    int64_t deadline;        /* no attempt starts or goes on after this, in monotonic ms */
    int64_t due;             /* when the next attempt starts, while none is running */
    bool running;            /* the easy handle is in the multi handle */
    bool fresh;              /* the next attempt needs a connection of its own */
    bool touched;            /* the sink was given bytes */
    uint64_t received;       /* bytes of the decoded body in this attempt */
    struct cf_error failure; /* why a callback ended the attempt; code 0: none did */
    char url[256];           /* for people */
    char detail[CURL_ERROR_SIZE];
};

/* What one task has queued and hasn't seen the end of; the groups take turns. */
struct cf_http_group {
    struct cf_task *owner;                /* NULL: whoever isn't a task */
    struct cf_http_request *first, *last; /* queued; linked by engine.next */
    size_t outstanding;                   /* queued or in flight */
    struct cf_http_group *next;
};

struct cf_http {
    struct cf_http_options options;
    char *user_agent;
    char *ca_file; /* NULL: libcurl's default */
    CURLM *multi;
    struct cf_net_sockets *sockets;
    struct cf_http_slot *slots;   /* max_in_flight */
    size_t busy;                  /* slots with a request */
    struct cf_http_group *groups; /* the one whose turn it is first */
    size_t queued;                /* requests, in all groups */
    struct cf_http_totals totals;
    int64_t stop_seen; /* when *stop was first found set, in monotonic ms; 0: it isn't */
};

/* Puts a request into a free slot: everything that is the same for all of its attempts. */
void cf_http_slot_take(struct cf_http_slot *slot, struct cf_http *http,
                       struct cf_http_request *request, int64_t deadline);

/* Makes the next attempt ready: results cleared, body at its first byte, headers made. Else a CF_E…
 * code, with the request's error set. */
int cf_http_slot_prepare(struct cf_http_slot *slot, int64_t now);

/* Describes the end of a transfer that gave no answer. Returns the code. */
int cf_http_slot_error(struct cf_http_slot *slot, CURLcode code);

/* Adds what the attempt took to the request and to the engine's totals. */
void cf_http_slot_count(struct cf_http_slot *slot);

#endif
