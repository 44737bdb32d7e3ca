#include "common/net/sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"

enum { BATCH = 64 };

struct entry {
    uint32_t registered; /* what epoll watches it for; 0: it isn't there */
    uint32_t wanted;     /* what libcurl wants to know of it */
    bool connection;     /* it will be used again: stays registered between requests */
};

struct cf_net_sockets {
    CURLM *multi;
    int epoll;
    int64_t due;           /* when libcurl wants to be called, in monotonic ms; -1: not by time */
    struct entry *entries; /* by descriptor */
    size_t capacity;
};

static struct entry *entry_of(struct cf_net_sockets *sockets, curl_socket_t fd)
{
    size_t index = (size_t)fd;
    size_t old = sockets->capacity;
    if (index >= old) {
        sockets->capacity = index + 64;
        sockets->entries =
            cf_realloc(sockets->entries, sockets->capacity, sizeof(*sockets->entries));
        memset(sockets->entries + old, 0, (sockets->capacity - old) * sizeof(*sockets->entries));
    }
    return &sockets->entries[index];
}

static void watch(const struct cf_net_sockets *sockets, curl_socket_t fd, struct entry *entry,
                  uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (entry->registered == events) {
        return;
    }
    if (!events) {
        (void)epoll_ctl(sockets->epoll, EPOLL_CTL_DEL, fd, NULL);
    } else if (!entry->registered || epoll_ctl(sockets->epoll, EPOLL_CTL_MOD, fd, &event)) {
        (void)epoll_ctl(sockets->epoll, EPOLL_CTL_ADD, fd, &event);
    }
    entry->registered = events;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *assigned)
{
    struct cf_net_sockets *sockets = context;
    struct entry *entry = entry_of(sockets, fd);
    (void)easy;
    (void)assigned;
    entry->wanted = 0;
    if (what != CURL_POLL_REMOVE) {
        entry->wanted |= what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0;
        entry->wanted |= what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0;
    }
    if (entry->wanted || !entry->connection) {
        watch(sockets, fd, entry, entry->wanted);
    }
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct cf_net_sockets *sockets = context;
    (void)multi;
    sockets->due = timeout_ms < 0 ? -1 : cf_clock_monotonic_ms() + timeout_ms;
    return 0;
}

/* A new connection: what was known of this descriptor was about one that is closed. */
static int on_connection(void *context, curl_socket_t fd, curlsocktype purpose)
{
    struct entry *entry = entry_of(context, fd);
    (void)purpose;
    *entry = (struct entry){.connection = true};
    return CURL_SOCKOPT_OK;
}

/* Its number may go to a descriptor that is no connection: that of a name's resolution. */
static int on_close(void *context, curl_socket_t fd)
{
    *entry_of(context, fd) = (struct entry){0};
    return close(fd);
}

struct cf_net_sockets *cf_net_sockets_new(CURLM *multi)
{
    struct cf_net_sockets *sockets = cf_calloc(1, sizeof(*sockets));
    sockets->multi = multi;
    sockets->due = -1;
    sockets->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (sockets->epoll < 0) {
        (void)cf_malloc((size_t)-1); /* out of descriptors or memory, before anything was begun */
    }
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, sockets);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, sockets);
    return sockets;
}

void cf_net_sockets_free(struct cf_net_sockets *sockets)
{
    (void)close(sockets->epoll);
    free(sockets->entries);
    free(sockets);
}

void cf_net_sockets_attach(struct cf_net_sockets *sockets, CURL *easy)
{
    (void)curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_connection);
    (void)curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, sockets);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, sockets);
}

static void handle(struct cf_net_sockets *sockets, const struct epoll_event *event)
{
    int fd = event->data.fd;
    struct entry *entry = entry_of(sockets, fd);
    int running = 0;
    if (!entry->wanted) {
        watch(sockets, fd, entry, 0); /* an idle connection that its server closes */
        return;
    }
    int flags = 0;
    flags |= event->events & EPOLLIN ? CURL_CSELECT_IN : 0;
    flags |= event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
    flags |= event->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0;
    (void)curl_multi_socket_action(sockets->multi, fd, flags, &running);
    if (event->events & EPOLLIN) {
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
    }
}

int cf_net_sockets_fd(const struct cf_net_sockets *sockets)
{
    return sockets->epoll;
}

int64_t cf_net_sockets_due(const struct cf_net_sockets *sockets, int64_t limit_ms)
{
    if (sockets->due < 0) {
        return limit_ms;
    }
    int64_t left = sockets->due - cf_clock_monotonic_ms();
    left = left > 0 ? left : 0;
    return left < limit_ms ? left : limit_ms;
}

void cf_net_sockets_turn(struct cf_net_sockets *sockets, int64_t limit_ms)
{
    struct epoll_event events[BATCH];
    int running = 0;
    if (sockets->due >= 0) {
        int64_t left = sockets->due - cf_clock_monotonic_ms();
        if (left <= 0) {
            sockets->due = -1;
            (void)curl_multi_socket_action(sockets->multi, CURL_SOCKET_TIMEOUT, 0, &running);
            return;
        }
        limit_ms = left < limit_ms ? left : limit_ms;
    }
    int count = epoll_wait(sockets->epoll, events, BATCH, (int)limit_ms);
    for (int i = 0; i < count; i++) {
        handle(sockets, &events[i]);
    }
}
