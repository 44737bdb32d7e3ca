#include "common/net/slot.h"

#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/task.h"
#include "common/net/policy.h"

static const size_t DEFAULT_ANSWER = (size_t)16 << 20;
static const size_t MOST_HEADERS = 65536;
static const long SLOWEST = 64; /* bytes a second */

static size_t stop_transfer(struct cf_http_slot *slot, int code, const char *text)
{
    (void)cf_error_at(&slot->failure, code, slot->request->method, slot->url, "%s", text);
    return CURL_WRITEFUNC_ERROR;
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct cf_http_slot *slot = context;
    struct cf_buf *headers = &slot->request->response_headers;
    size_t length = size * count;
    if (length > 5 && memcmp(data, "HTTP/", 5) == 0) {
        cf_buf_clear(headers); /* an interim answer went before */
        return length;
    }
    if (headers->length + length > MOST_HEADERS) {
        return stop_transfer(slot, CF_EDATA, "the answer's headers are longer than 65536 bytes");
    }
    if (length > 2) {
        cf_buf_append(headers, data, length);
    }
    return length;
}

static bool goes_to_sink(const struct cf_http_slot *slot)
{
    struct cf_http_request *request = slot->request;
    (void)curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &request->status);
    return request->sink && request->status >= 200 && request->status < 300;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct cf_http_slot *slot = context;
    struct cf_http_request *request = slot->request;
    size_t length = size * count;
    bool to_sink = goes_to_sink(slot);
    uint64_t most = request->max_answer ? request->max_answer
                    : to_sink           ? UINT64_MAX
                                        : DEFAULT_ANSWER;
    if (length > most - slot->received) {
        char text[80];
        (void)snprintf(text, sizeof(text), "the answer is longer than the limit of %llu bytes",
                       (unsigned long long)most);
        return stop_transfer(slot, CF_EDATA, text);
    }
    slot->received += length;
    if (!to_sink) {
        cf_buf_append(&request->answer, data, length);
        return length;
    }
    slot->touched = true;
    struct cf_task *before = cf_task_lend(request->engine.group->owner);
    int rc = request->sink->write(request->sink->context, data, length);
    cf_task_unlend(before);
    return rc ? stop_transfer(slot, rc, "the answer's receiver refused it") : length;
}

static size_t on_source(char *data, size_t size, size_t count, void *context)
{
    struct cf_http_slot *slot = context;
    const struct cf_http_source *source = slot->request->source;
    size_t got = 0;
    struct cf_task *before = cf_task_lend(slot->request->engine.group->owner);
    int rc = source->read(source->context, data, size * count, &got);
    cf_task_unlend(before);
    if (rc) {
        (void)stop_transfer(slot, rc, "the body's source failed");
        return CURL_READFUNC_ABORT;
    }
    return got;
}

/* libcurl goes back to the first byte when a reused connection turns out to be dead. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
    const struct cf_http_slot *slot = context;
    const struct cf_http_source *source = slot->request->source;
    if (offset != 0 || origin != SEEK_SET || !source) {
        return CURL_SEEKFUNC_FAIL;
    }
    struct cf_task *before = cf_task_lend(slot->request->engine.group->owner);
    int rc = source->rewind(source->context);
    cf_task_unlend(before);
    return rc ? CURL_SEEKFUNC_FAIL : CURL_SEEKFUNC_OK;
}

/* Options that hold for every request of the handle's life. */
static CURL *new_handle(struct cf_http_slot *slot)
{
    const struct cf_http_options *options = &slot->http->options;
    CURL *easy = curl_easy_init();
    if (!easy) {
        (void)cf_malloc((size_t)-1);
    }
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, slot);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->detail);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, slot->http->user_agent);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_ms);
    (void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, SLOWEST);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, slot);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot);
    (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_source);
    (void)curl_easy_setopt(easy, CURLOPT_READDATA, slot);
    (void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    (void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, slot);
    cf_net_sockets_attach(slot->http->sockets, easy);
    if (slot->http->ca_file) {
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, slot->http->ca_file);
        (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        (void)curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, slot->http->ca_file);
        (void)curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
    }
    return easy;
}

static bool has_header(const struct cf_http_request *request, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; request->headers && request->headers[i]; i++) {
        if (!strncasecmp(request->headers[i], name, length) && request->headers[i][length] == ':') {
            return true;
        }
    }
    return false;
}

static void add_header(struct cf_http_slot *slot, const char *line)
{
    struct curl_slist *longer = curl_slist_append(slot->headers, line);
    if (!longer) {
        (void)cf_malloc((size_t)-1);
    }
    slot->headers = longer;
}

static void set_headers(struct cf_http_slot *slot)
{
    const struct cf_http_request *request = slot->request;
    for (size_t i = 0; request->headers && request->headers[i]; i++) {
        add_header(slot, request->headers[i]);
    }
    add_header(slot, "Expect:"); /* no wait for a 100 Continue that many servers never send */
    if (!has_header(request, "Content-Type")) {
        add_header(slot, "Content-Type:"); /* libcurl would call it a form */
    }
    (void)curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, slot->headers);
}

static void set_method(struct cf_http_slot *slot)
{
    CURL *easy = slot->easy;
    const struct cf_http_request *request = slot->request;
    const char *method = request->method;
    (void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L); /* undoes the other three */
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
    if (request->source) {
        (void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->source->size);
    } else if (request->body || !strcmp(method, "POST") || !strcmp(method, "PUT")) {
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
    } else if (!strcmp(method, "HEAD")) {
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    }
}

void cf_http_slot_take(struct cf_http_slot *slot, struct cf_http *http,
                       struct cf_http_request *request, int64_t deadline)
{
    slot->http = http;
    slot->request = request;
    slot->deadline = deadline;
    slot->fresh = false;
    slot->touched = false;
    cf_net_url_public(request->url, slot->url, sizeof(slot->url));
    if (!slot->easy) {
        slot->easy = new_handle(slot);
    }
    CURL *easy = slot->easy;
    bool plain = cf_net_url_kind(request->url) != CF_NET_URL_TLS;
    (void)curl_easy_setopt(easy, CURLOPT_URL, request->url);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
    /* A proxy would be sent what mustn't leave this machine without TLS. NULL: as the variables
     * say. */
    (void)curl_easy_setopt(easy, CURLOPT_NOPROXY, plain ? "*" : NULL);
    (void)curl_easy_setopt(easy, CURLOPT_PIPEWAIT, plain ? 0L : 1L);
    (void)curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, request->identity ? NULL : "");
    int64_t silence = request->silence_ms ? request->silence_ms : http->options.silence_ms;
    (void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)(silence + 999) / 1000);
    set_method(slot);
}

static int refuse(struct cf_http_slot *slot, int code, const char *text)
{
    return cf_error_at(&slot->request->error, code, slot->request->method, slot->url, "%s", text);
}

/* Header lines are what a caller makes of configuration, so a line break in them is caught here. */
static int prepare_headers(struct cf_http_slot *slot)
{
    struct cf_http_request *request = slot->request;
    if (slot->headers && !request->prepare) {
        return 0;
    }
    request->error = (struct cf_error){0};
    int rc = request->prepare ? request->prepare(request) : 0;
    if (rc) {
        return request->error.code ? rc : refuse(slot, rc, "the attempt couldn't be prepared");
    }
    for (size_t i = 0; request->headers && request->headers[i]; i++) {
        if (strpbrk(request->headers[i], "\r\n")) {
            return refuse(slot, CF_ECONFIG, "a header's value holds a line break");
        }
    }
    curl_slist_free_all(slot->headers);
    slot->headers = NULL;
    set_headers(slot);
    return 0;
}

/* Takes body and receiver back to their beginnings when an attempt is repeated. */
static int go_back(struct cf_http_slot *slot)
{
    const struct cf_http_request *request = slot->request;
    int rc = 0;
    if (slot->touched) {
        rc = request->sink->restart(request->sink->context);
        slot->touched = false;
    }
    if (!rc && request->source && request->attempts) {
        rc = request->source->rewind(request->source->context);
    }
    return rc ? refuse(slot, rc, "the body or its receiver can't go back to its beginning") : 0;
}

int cf_http_slot_prepare(struct cf_http_slot *slot, int64_t now)
{
    struct cf_http_request *request = slot->request;
    int rc = go_back(slot);
    rc = rc ? rc : prepare_headers(slot);
    if (rc) {
        return rc;
    }
    cf_buf_clear(&request->answer);
    cf_buf_clear(&request->response_headers);
    slot->failure = (struct cf_error){0};
    slot->received = 0;
    slot->detail[0] = '\0';
    int64_t left = slot->deadline > now ? slot->deadline - now : 1;
    (void)curl_easy_setopt(slot->easy, CURLOPT_TIMEOUT_MS, (long)left);
    /* When a connection used before is reset, libcurl repeats a streamed body by itself, and sends
     * no more of it than the headers (7.88): the request would wait for its silence limit. */
    bool fresh = slot->fresh || request->source;
    (void)curl_easy_setopt(slot->easy, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
    return 0;
}

/* What libcurl says of these is about names, addresses and certificates, never about what was sent.
 */
static bool detail_is_harmless(CURLcode code)
{
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
           code == CURLE_OPERATION_TIMEDOUT || code == CURLE_SSL_CONNECT_ERROR ||
           code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
}

int cf_http_slot_error(struct cf_http_slot *slot, CURLcode code)
{
    struct cf_http_request *request = slot->request;
    int cf_code = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE
                      ? CF_ECONFIG
                      : CF_EUNAVAILABLE;
    const char *detail = detail_is_harmless(code) && *slot->detail ? slot->detail : NULL;
    if (code == CURLE_SSL_CACERT_BADFILE && slot->http->ca_file) {
        detail = slot->http->ca_file;
    }
    return cf_error_at(&request->error, cf_code, request->method, slot->url, "%s%s%s",
                       curl_easy_strerror(code), detail ? ": " : "", detail ? detail : "");
}

void cf_http_slot_count(struct cf_http_slot *slot)
{
    struct cf_http_totals *totals = &slot->http->totals;
    long head_out = 0;
    long head_in = 0;
    curl_off_t body_out = 0;
    curl_off_t body_in = 0;
    (void)curl_easy_getinfo(slot->easy, CURLINFO_REQUEST_SIZE, &head_out);
    (void)curl_easy_getinfo(slot->easy, CURLINFO_HEADER_SIZE, &head_in);
    (void)curl_easy_getinfo(slot->easy, CURLINFO_SIZE_UPLOAD_T, &body_out);
    (void)curl_easy_getinfo(slot->easy, CURLINFO_SIZE_DOWNLOAD_T, &body_in);
    totals->requests++;
    uint64_t sent = (uint64_t)head_out + (uint64_t)body_out;
    uint64_t received = (uint64_t)head_in + (uint64_t)body_in;
    totals->bytes_sent += sent;
    totals->bytes_received += received;
    slot->request->bytes_sent += sent;
    slot->request->bytes_received += received;
}
