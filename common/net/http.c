#include "common/net/http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/task.h"
#include "common/net/policy.h"
#include "common/net/slot.h"

static struct cf_http_options with_defaults(const struct cf_http_options *given)
{
    struct cf_http_options o = given ? *given : (struct cf_http_options){0};
    o.max_in_flight = o.max_in_flight ? o.max_in_flight : 32;
    o.connect_ms = o.connect_ms ? o.connect_ms : 5000;
    o.silence_ms = o.silence_ms ? o.silence_ms : 20000;
    o.total_ms = o.total_ms ? o.total_ms : 120000;
    o.max_attempts = o.max_attempts ? o.max_attempts : 5;
    o.backoff_ms = o.backoff_ms ? o.backoff_ms : 200;
    o.user_agent = o.user_agent ? o.user_agent : "cloudfolio";
    return o;
}

/* One file, not libcurl's default: that is the folder, and GnuTLS reads all of it for every
 * connection, each certificate three times over (20 MB and 30 ms instead of 13 MB and 15 ms). */
static char *trusted_certificates(void)
{
    static const char *const variables[] = {"CURL_CA_BUNDLE", "SSL_CERT_FILE"};
    static const char system_bundle[] = "/etc/ssl/certs/ca-certificates.crt";
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const char *value = getenv(variables[i]);
        if (value && *value) {
            return cf_strdup(value);
        }
    }
    return access(system_bundle, R_OK) == 0 ? cf_strdup(system_bundle) : NULL;
}

struct cf_http *cf_http_new(const struct cf_http_options *options)
{
    struct cf_http *http = cf_calloc(1, sizeof(*http));
    http->options = with_defaults(options);
    http->user_agent = cf_strdup(http->options.user_agent);
    http->ca_file = trusted_certificates();
    http->slots = cf_calloc(http->options.max_in_flight, sizeof(*http->slots));
    if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(http->multi = curl_multi_init())) {
        (void)cf_malloc((size_t)-1); /* neither fails for another reason than memory */
    }
    http->sockets = cf_net_sockets_new(http->multi);
    long connections = (long)http->options.max_in_flight;
    (void)curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    (void)curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, connections);
    (void)curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
    return http;
}

/* The group of whoever calls. */
static struct cf_http_group *find_group(const struct cf_http *http)
{
    const struct cf_task *owner = cf_task_current();
    struct cf_http_group *group = http->groups;
    while (group && group->owner != owner) {
        group = group->next;
    }
    return group;
}

static void append_group(struct cf_http *http, struct cf_http_group *group)
{
    struct cf_http_group **end = &http->groups;
    while (*end) {
        end = &(*end)->next;
    }
    group->next = NULL;
    *end = group;
}

static void remove_group(struct cf_http *http, const struct cf_http_group *group)
{
    struct cf_http_group **link = &http->groups;
    while (*link != group) {
        link = &(*link)->next;
    }
    *link = group->next;
}

void cf_http_free(struct cf_http *http)
{
    if (!http) {
        return;
    }
    while (http->groups) {
        struct cf_http_group *group = http->groups;
        http->groups = group->next;
        free(group);
    }
    for (size_t i = 0; i < http->options.max_in_flight; i++) {
        curl_easy_cleanup(http->slots[i].easy);
    }
    (void)curl_multi_cleanup(http->multi);
    cf_net_sockets_free(http->sockets);
    curl_global_cleanup();
    free(http->slots);
    free(http->user_agent);
    free(http->ca_file);
    free(http);
}

void cf_http_add(struct cf_http *http, struct cf_http_request *request)
{
    request->rc = 0;
    request->status = 0;
    request->attempts = 0;
    request->bytes_sent = 0;
    request->bytes_received = 0;
    request->retry_after_ms = 0;
    request->engine.next = NULL;
    struct cf_http_group *group = find_group(http);
    if (!group) {
        group = cf_calloc(1, sizeof(*group));
        group->owner = cf_task_current();
        append_group(http, group);
    }
    request->engine.group = group;
    if (group->last) {
        group->last->engine.next = request;
    } else {
        group->first = request;
    }
    group->last = request;
    group->outstanding++;
    http->queued++;
}

/* The first of the group whose turn it is; that group is the last to be asked again. */
static struct cf_http_request *next_queued(struct cf_http *http)
{
    struct cf_http_group *group = http->groups;
    while (!group->first) {
        group = group->next;
    }
    struct cf_http_request *request = group->first;
    group->first = request->engine.next;
    if (!group->first) {
        group->last = NULL;
    }
    request->engine.next = NULL;
    http->queued--;
    if (http->groups->next) {
        remove_group(http, group);
        append_group(http, group);
    }
    return request;
}

static void fail(struct cf_http_request *request, int code, const char *text)
{
    char url[sizeof(request->error.key)];
    cf_net_url_public(request->url, url, sizeof(url));
    request->rc = cf_error_at(&request->error, code, request->method, url, "%s", text);
}

static void end_request(struct cf_http_request *request)
{
    request->engine.group->outstanding--;
    if (request->done) {
        struct cf_task *before = cf_task_lend(request->engine.group->owner);
        request->done(request); /* may free it */
        cf_task_unlend(before);
    }
}

/* Gives the place back before the request's owner hears of the end, since it may add requests. */
static void finish(struct cf_http_slot *slot)
{
    struct cf_http_request *request = slot->request;
    if (request->rc) {
        request->error.http_status = request->status;
        if (request->attempts > 1) {
            (void)cf_error_prefix(&request->error, "after %u attempts", request->attempts);
        }
    }
    slot->request = NULL;
    slot->running = false;
    curl_slist_free_all(slot->headers);
    slot->headers = NULL;
    slot->http->busy--;
    end_request(request);
}

static int check_request(struct cf_http_request *request)
{
    if (!request->url || !cf_net_url_is_allowed(cf_net_url_kind(request->url), request->plain)) {
        fail(request, CF_ECONFIG,
             "the URL is not https (or http to a loopback address), or holds a user name");
    }
    return request->rc;
}

static void start_attempt(struct cf_http_slot *slot, int64_t now)
{
    struct cf_http_request *request = slot->request;
    struct cf_task *before = cf_task_lend(request->engine.group->owner);
    request->rc = cf_http_slot_prepare(slot, now);
    cf_task_unlend(before);
    if (request->rc) {
        finish(slot);
        return;
    }
    request->attempts++;
    slot->running = true;
    CURLMcode code = curl_multi_add_handle(slot->http->multi, slot->easy);
    if (code) {
        slot->running = false;
        fail(request, CF_EINTERNAL, curl_multi_strerror(code));
        finish(slot);
    }
}

static void start_queued(struct cf_http *http)
{
    while (http->queued && http->busy < http->options.max_in_flight) {
        struct cf_http_request *request = next_queued(http);
        if (check_request(request)) {
            end_request(request);
            continue;
        }
        struct cf_http_slot *slot = http->slots;
        while (slot->request) {
            slot++;
        }
        int64_t now = cf_clock_monotonic_ms();
        http->busy++;
        int64_t total = request->total_ms ? request->total_ms : http->options.total_ms;
        cf_http_slot_take(slot, http, request, now + total);
        start_attempt(slot, now);
    }
}

/* Starts the attempts whose wait is over. */
static void start_due(struct cf_http *http)
{
    int64_t now = cf_clock_monotonic_ms();
    for (size_t i = 0; i < http->options.max_in_flight; i++) {
        struct cf_http_slot *slot = &http->slots[i];
        if (slot->request && !slot->running && slot->due <= now) {
            start_attempt(slot, now);
        }
    }
}

/* How long nothing needs to be done but on the network's side: at most limit. */
static int64_t idle_ms(const struct cf_http *http, int64_t limit)
{
    if (!http->busy || (http->queued && http->busy < http->options.max_in_flight)) {
        return 0;
    }
    int64_t now = cf_clock_monotonic_ms();
    for (size_t i = 0; i < http->options.max_in_flight; i++) {
        const struct cf_http_slot *slot = &http->slots[i];
        if (slot->request && !slot->running && slot->due - now < limit) {
            limit = slot->due - now;
        }
    }
    return limit > 0 ? limit : 0;
}

/* Plans another attempt; false when there is none left, or no time for it. */
static bool plan_retry(struct cf_http_slot *slot, CURLcode code)
{
    struct cf_http *http = slot->http;
    struct cf_http_request *request = slot->request;
    if (request->attempts >= http->options.max_attempts) {
        return false;
    }
    int64_t wait = cf_net_backoff_ms(request->attempts, http->options.backoff_ms,
                                     request->retry_after_ms, cf_random_u64());
    int64_t now = cf_clock_monotonic_ms();
    if (wait >= slot->deadline - now) {
        return false;
    }
    slot->due = now + wait;
    slot->fresh = cf_net_code_spoils_connection(code);
    cf_log(CF_DEBUG, "http_retry", CF_S("url", slot->url), CF_I("attempt", request->attempts),
           CF_I("status", request->status), CF_I("curl", code), CF_I("wait_ms", wait), CF_END);
    return true;
}

static enum cf_http_verdict judge_answer(struct cf_http_slot *slot)
{
    struct cf_http_request *request = slot->request;
    enum cf_http_verdict verdict = CF_HTTP_DEFAULT;
    if (request->judge) {
        verdict = request->judge(request);
    }
    if (verdict == CF_HTTP_DEFAULT) {
        verdict = cf_net_status_is_transient(request->status) ? CF_HTTP_RETRY : CF_HTTP_ACCEPT;
    }
    if (verdict == CF_HTTP_ACCEPT) {
        request->rc = 0;
    } else if (!request->rc) {
        request->rc = cf_error_at(&request->error, CF_EUNAVAILABLE, request->method, slot->url,
                                  "the server answered with status %ld", request->status);
    }
    return verdict;
}

/* An attempt has ended: with an answer, or with what curl says of it. */
static void settle(struct cf_http_slot *slot, CURLcode code)
{
    struct cf_http_request *request = slot->request;
    slot->running = false;
    (void)curl_multi_remove_handle(slot->http->multi, slot->easy);
    cf_http_slot_count(slot);
    (void)curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &request->status);
    curl_off_t asked_s = 0;
    (void)curl_easy_getinfo(slot->easy, CURLINFO_RETRY_AFTER, &asked_s);
    request->retry_after_ms = asked_s > INT32_MAX ? INT64_MAX / 2 : (int64_t)asked_s * 1000;
    request->rc = 0;
    request->error = (struct cf_error){0};
    enum cf_http_verdict verdict;
    if (slot->failure.code) {
        request->error = slot->failure;
        request->rc = slot->failure.code;
        verdict = CF_HTTP_FAIL;
    } else if (code) {
        request->rc = cf_http_slot_error(slot, code);
        verdict = cf_net_code_is_transient(code) ? CF_HTTP_RETRY : CF_HTTP_FAIL;
    } else {
        verdict = judge_answer(slot);
    }
    if (verdict != CF_HTTP_RETRY || !plan_retry(slot, code)) {
        finish(slot);
    }
}

static void settle_ended(struct cf_http *http)
{
    int left = 0;
    for (CURLMsg *m; (m = curl_multi_info_read(http->multi, &left));) {
        CURLcode code = m->data.result;
        struct cf_http_slot *slot = NULL;
        if (m->msg == CURLMSG_DONE &&
            !curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&slot) && slot) {
            struct cf_task *before = cf_task_lend(slot->request->engine.group->owner);
            settle(slot, code); /* m is void from here on */
            cf_task_unlend(before);
        }
    }
}

static void interrupt_all(struct cf_http *http)
{
    static const char text[] = "interrupted";
    for (size_t i = 0; i < http->options.max_in_flight; i++) {
        struct cf_http_slot *slot = &http->slots[i];
        if (!slot->request) {
            continue;
        }
        if (slot->running) {
            (void)curl_multi_remove_handle(http->multi, slot->easy);
            cf_http_slot_count(slot);
        }
        fail(slot->request, CF_EINTERRUPTED, text);
        finish(slot);
    }
    while (http->queued) {
        struct cf_http_request *request = next_queued(http);
        fail(request, CF_EINTERRUPTED, text);
        end_request(request);
    }
}

static bool must_stop(struct cf_http *http)
{
    const volatile int *stop = http->options.stop;
    if (!stop || !*stop) {
        http->stop_seen = 0;
        return false;
    }
    int64_t now = cf_clock_monotonic_ms();
    http->stop_seen = http->stop_seen ? http->stop_seen : now;
    return now - http->stop_seen >= http->options.grace_ms;
}

/* Goes on with everything that can go on, and waits at most so long for the network. */
static void turn(struct cf_http *http, int64_t limit_ms)
{
    if (must_stop(http)) {
        interrupt_all(http);
        return;
    }
    start_queued(http);
    start_due(http);
    cf_net_sockets_turn(http->sockets, idle_ms(http, limit_ms));
    settle_ended(http);
}

/* A signal that comes between the look at the flag and the wait must not be waited out. */
static int64_t longest_wait(const struct cf_http *http)
{
    return http->options.stop ? 250 : 10000;
}

static int64_t source_timeout(void *context, int64_t limit_ms)
{
    struct cf_http *http = context;
    int64_t longest = longest_wait(http);
    int64_t limit = idle_ms(http, limit_ms < longest ? limit_ms : longest);
    return must_stop(http) ? 0 : cf_net_sockets_due(http->sockets, limit);
}

static void source_turn(void *context)
{
    turn(context, 0);
}

static bool has_ended(void *context)
{
    const struct cf_http_group *group = context;
    return !group->outstanding;
}

static void wait_for_group(struct cf_http *http, bool let_others_run)
{
    struct cf_http_group *group = find_group(http);
    if (!group) {
        return;
    }
    const struct cf_task_source source = {.fd = cf_net_sockets_fd(http->sockets),
                                          .timeout_ms = source_timeout,
                                          .turn = source_turn,
                                          .context = http};
    while (group->outstanding) {
        if (let_others_run && cf_task_may_wait()) {
            cf_task_wait(&source, has_ended, group);
        } else {
            turn(http, longest_wait(http));
        }
    }
    remove_group(http, group);
    free(group);
}

void cf_http_wait(struct cf_http *http)
{
    wait_for_group(http, true);
}

void cf_http_wait_alone(struct cf_http *http)
{
    wait_for_group(http, false);
}

struct cf_http_totals cf_http_totals(const struct cf_http *http)
{
    return http->totals;
}
