#include "tests/unit/net_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/clock.h"

enum { CONNECTIONS_MAX = 128 };

struct net_server {
    const struct net_step *script;
    size_t count;
    bool *taken; /* steps; NULL: they are taken in their order */
    int listener;
    char url[64];
    pthread_t acceptor;
    pthread_t workers[CONNECTIONS_MAX];
    struct peer *peers[CONNECTIONS_MAX];
    int accepts;
    atomic_int ending;
    pthread_mutex_t lock;
    struct net_seen seen[NET_REQUESTS_MAX];
    size_t requests;
    int waiting;
    int most_waiting;
};

struct peer {
    struct net_server *server;
    int fd;
    int number;
    struct cf_buf input;
};

static bool send_all(int fd, const void *data, size_t length)
{
    const char *p = data;
    while (length) {
        ssize_t sent = send(fd, p, length, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        p += sent;
        length -= (size_t)sent;
    }
    return true;
}

/* Waits for input in short steps, so that the end of the test isn't waited for. */
static bool receive_more(struct peer *peer)
{
    char data[16384];
    while (!atomic_load(&peer->server->ending)) {
        struct pollfd p = {.fd = peer->fd, .events = POLLIN};
        if (poll(&p, 1, 20) > 0) {
            ssize_t got = recv(peer->fd, data, sizeof(data), 0);
            if (got <= 0) {
                return false;
            }
            cf_buf_append(&peer->input, data, (size_t)got);
            return true;
        }
    }
    return false;
}

static size_t content_length(const char *head)
{
    for (const char *line = head; line; line = strstr(line, "\r\n")) {
        line += line == head ? 0 : 2;
        if (strncasecmp(line, "Content-Length:", 15) == 0) {
            return strtoul(line + 15, NULL, 10);
        }
    }
    return 0;
}

static bool has_path(const struct net_step *step, const char *head)
{
    const char *path = step->path ? strstr(head, step->path) : head;
    return path && path <= strchr(head, '\r');
}

/* The step that answers the request of this head, and the one for what fits none. */
static const struct net_step *choose_step(struct net_server *server, const char *head)
{
    static const struct net_step wrong = {.status = 599};
    const struct net_step *step = &wrong;
    if (!server->taken) {
        size_t last = server->count - 1;
        step = &server->script[server->requests < last ? server->requests : last];
        return has_path(step, head) ? step : &wrong;
    }
    for (size_t i = 0; i < server->count; i++) {
        if (has_path(&server->script[i], head)) {
            step = &server->script[i];
            if (!server->taken[i]) {
                server->taken[i] = true;
                break;
            }
        }
    }
    return step;
}

/* Reads one request and records it; returns the step that answers it, NULL at the connection's end.
 */
static const struct net_step *next_request(struct peer *peer)
{
    struct net_server *server = peer->server;
    const char *end;
    while (!(end = strstr(cf_buf_str(&peer->input), "\r\n\r\n"))) {
        if (!receive_more(peer)) {
            return NULL;
        }
    }
    size_t head = (size_t)(end - peer->input.data) + 4;
    char *text = cf_strndup(peer->input.data, head);
    size_t body = content_length(text);
    while (peer->input.length < head + body) {
        if (!receive_more(peer)) {
            free(text);
            return NULL;
        }
    }
    struct net_seen seen = {.at_ms = cf_clock_monotonic_ms(),
                            .connection = peer->number,
                            .head = text,
                            .body = cf_calloc(body + 1, 1),
                            .body_length = body};
    memcpy(seen.body, peer->input.data + head, body);
    struct cf_buf rest = CF_BUF_INIT;
    cf_buf_append(&rest, peer->input.data + head + body, peer->input.length - head - body);
    cf_buf_release(&peer->input);
    peer->input = rest;
    (void)pthread_mutex_lock(&server->lock);
    const struct net_step *step = choose_step(server, text);
    if (server->requests < NET_REQUESTS_MAX) {
        server->seen[server->requests++] = seen;
    } else {
        abort();
    }
    server->waiting++;
    if (server->waiting > server->most_waiting) {
        server->most_waiting = server->waiting;
    }
    (void)pthread_mutex_unlock(&server->lock);
    return step;
}

static bool send_chunks(struct peer *peer, const struct net_step *step, const char *body,
                        size_t length)
{
    uint64_t times = step->action == NET_STREAM ? step->repeat : 1;
    char size[32];
    (void)snprintf(size, sizeof(size), "%zx\r\n", length);
    for (uint64_t i = 0; i < times && length; i++) {
        if (atomic_load(&peer->server->ending) || !send_all(peer->fd, size, strlen(size)) ||
            !send_all(peer->fd, body, length) || !send_all(peer->fd, "\r\n", 2)) {
            return false;
        }
    }
    return send_all(peer->fd, "0\r\n\r\n", 5);
}

static bool drip(struct peer *peer, const char *body, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        cf_clock_sleep_ms(200);
        if (atomic_load(&peer->server->ending) || !send_all(peer->fd, body + i, 1)) {
            return false;
        }
    }
    return true;
}

static bool answer(struct peer *peer, const struct net_step *step)
{
    const char *body = step->body ? step->body : "";
    size_t length = step->body_length ? step->body_length : strlen(body);
    bool chunked = step->action == NET_CHUNKS || step->action == NET_STREAM;
    struct cf_buf head = CF_BUF_INIT;
    cf_buf_printf(&head, "HTTP/1.1 %d Scripted\r\n%s", step->status ? step->status : 200,
                  step->headers ? step->headers : "");
    if (chunked) {
        cf_buf_puts(&head, "Transfer-Encoding: chunked\r\n\r\n");
    } else {
        cf_buf_printf(&head, "Content-Length: %zu\r\n\r\n", length);
    }
    bool open = send_all(peer->fd, head.data, head.length);
    cf_buf_release(&head);
    if (open && chunked) {
        open = send_chunks(peer, step, body, length);
    } else if (open && step->action == NET_DRIP) {
        open = drip(peer, body, length);
    } else if (open && step->action == NET_CUT) {
        (void)send_all(peer->fd, body, length / 2);
        open = false;
    } else if (open) {
        open = send_all(peer->fd, body, length);
    }
    return open;
}

/* Carries out one step; false when the connection is at its end. */
static bool act(struct peer *peer, const struct net_step *step)
{
    for (int waited = 0; waited < step->delay_ms && !atomic_load(&peer->server->ending);
         waited += 10) {
        cf_clock_sleep_ms(10);
    }
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    switch (step->action) {
    case NET_CLOSE:
        return false;
    case NET_ABORT:
        (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        return false;
    case NET_SILENT:
        while (receive_more(peer)) {
        }
        return false;
    default:
        return answer(peer, step);
    }
}

static void *serve(void *context)
{
    struct peer *peer = context;
    struct net_server *server = peer->server;
    bool open = true;
    while (open) {
        const struct net_step *step = next_request(peer);
        if (!step) {
            break;
        }
        open = act(peer, step);
        (void)pthread_mutex_lock(&server->lock);
        server->waiting--;
        (void)pthread_mutex_unlock(&server->lock);
    }
    (void)close(peer->fd);
    cf_buf_release(&peer->input);
    return NULL;
}

static void *accept_all(void *context)
{
    struct net_server *server = context;
    while (!atomic_load(&server->ending)) {
        struct pollfd p = {.fd = server->listener, .events = POLLIN};
        if (poll(&p, 1, 20) <= 0) {
            continue;
        }
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0 || server->accepts == CONNECTIONS_MAX) {
            abort();
        }
        struct peer *peer = cf_calloc(1, sizeof(*peer));
        peer->server = server;
        peer->fd = fd;
        (void)pthread_mutex_lock(&server->lock);
        int index = server->accepts++;
        (void)pthread_mutex_unlock(&server->lock);
        peer->number = index + 1;
        server->peers[index] = peer;
        if (pthread_create(&server->workers[index], NULL, serve, peer)) {
            abort();
        }
    }
    return NULL;
}

struct net_server *net_server_new(const struct net_step *script, size_t count)
{
    struct net_server *server = cf_calloc(1, sizeof(*server));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    server->script = script;
    server->count = count;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, length) ||
        listen(server->listener, 64) ||
        getsockname(server->listener, (struct sockaddr *)&address, &length) ||
        pthread_mutex_init(&server->lock, NULL)) {
        abort();
    }
    (void)snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d",
                   ntohs(address.sin_port));
    if (pthread_create(&server->acceptor, NULL, accept_all, server)) {
        abort();
    }
    return server;
}

void net_server_free(struct net_server *server)
{
    atomic_store(&server->ending, 1);
    (void)pthread_join(server->acceptor, NULL);
    for (int i = 0; i < server->accepts; i++) {
        (void)pthread_join(server->workers[i], NULL);
        free(server->peers[i]);
    }
    for (size_t i = 0; i < server->requests; i++) {
        free(server->seen[i].head);
        free(server->seen[i].body);
    }
    (void)close(server->listener);
    (void)pthread_mutex_destroy(&server->lock);
    free(server->taken);
    free(server);
}

struct net_server *net_server_new_unordered(const struct net_step *script, size_t count)
{
    struct net_server *server = net_server_new(script, count);
    (void)pthread_mutex_lock(&server->lock);
    server->taken = cf_calloc(count, sizeof(*server->taken)); /* before its address is known */
    (void)pthread_mutex_unlock(&server->lock);
    return server;
}

const char *net_server_url(const struct net_server *server)
{
    return server->url;
}

static long locked(struct net_server *server, const void *value, size_t size)
{
    long result = 0;
    (void)pthread_mutex_lock(&server->lock);
    result = size == sizeof(int) ? *(const int *)value : (long)*(const size_t *)value;
    (void)pthread_mutex_unlock(&server->lock);
    return result;
}

int net_server_accepts(struct net_server *server)
{
    return (int)locked(server, &server->accepts, sizeof(int));
}

size_t net_server_requests(struct net_server *server)
{
    return (size_t)locked(server, &server->requests, sizeof(size_t));
}

const struct net_seen *net_server_seen(struct net_server *server, size_t index)
{
    return index < net_server_requests(server) ? &server->seen[index] : NULL;
}

int net_server_most_at_once(struct net_server *server)
{
    return (int)locked(server, &server->most_waiting, sizeof(int));
}
