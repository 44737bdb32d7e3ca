/* One HTTP engine, or several, waited for by tasks. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/task.h"
#include "tests/unit/net_fixture.h"
#include "tests/unit/s3_fixture.h"

enum { PLACES = 4 };

static const struct net_step ok[] = {{.body = "ok"}};

/* What the tasks of a test share. */
struct world {
    struct net_server *server;
    struct cf_http *http;
    size_t starts; /* of attempts */
    size_t ended[PLACES];
    size_t rounds; /* of a task that only counts */
};

static void open_world(struct world *world, const struct net_step *script, size_t count,
                       size_t max_in_flight)
{
    struct cf_http_options options = net_quick;
    options.max_in_flight = max_in_flight;
    *world = (struct world){.server = net_server_new(script, count)};
    world->http = cf_http_new(&options);
}

static void close_world(struct world *world)
{
    cf_http_free(world->http);
    net_server_free(world->server);
}

static void run_tasks(size_t count, void (*run)(void *context, size_t index), void *context)
{
    const struct cf_task_set set = {
        .count = count, .at_once = PLACES, .run = run, .context = context};
    cf_tasks_run(&set);
}

static int count_start(struct cf_http_request *request)
{
    ((struct world *)request->context)->starts++;
    return 0;
}

static struct cf_http_request get(struct world *world)
{
    return (struct cf_http_request){.method = "GET",
                                    .url = net_server_url(world->server),
                                    .prepare = count_start,
                                    .context = world};
}

static void expect_ok(struct cf_http_request *request)
{
    ck_assert_msg(request->rc == 0, "%s", request->error.message);
    ck_assert_str_eq(cf_buf_str(&request->answer), "ok");
    cf_http_request_release(request);
}

/* --- turns --------------------------------------------------------------------------------------
 */

static void ask_thrice(void *context, size_t index)
{
    struct world *world = context;
    for (size_t i = 0; i < 3; i++) {
        struct cf_http_request request = get(world);
        cf_http_add(world->http, &request);
        cf_http_wait(world->http);
        expect_ok(&request);
        ck_assert_uint_eq(world->ended[0], index ? i + 1 : i); /* by turns */
        ck_assert_uint_eq(world->ended[1], i);
        world->ended[index]++;
    }
}

START_TEST(requests_of_tasks_interleave)
{
    struct world world;
    open_world(&world, ok, 1, 1); /* one place: so the turns can be seen */
    run_tasks(2, ask_thrice, &world);
    ck_assert_uint_eq(world.ended[0] + world.ended[1], 6);
    ck_assert_uint_eq(cf_http_totals(world.http).requests, 6);
    close_world(&world);
}
END_TEST

static void queue_much_or_little(void *context, size_t index)
{
    struct world *world = context;
    struct cf_http_request requests[50];
    size_t count = index ? 1 : 50;
    while (index && world->starts < 10) {
        cf_task_sleep(0, NULL);
    }
    size_t before = world->starts;
    for (size_t i = 0; i < count; i++) {
        requests[i] = get(world);
        cf_http_add(world->http, &requests[i]);
    }
    while (index && requests[0].attempts == 0) {
        ck_assert_uint_le(world->starts, before + 2);
        cf_task_sleep(0, NULL);
    }
    cf_http_wait(world->http);
    for (size_t i = 0; i < count; i++) {
        expect_ok(&requests[i]);
    }
    world->ended[index] = world->starts;
}

START_TEST(one_request_does_not_wait_for_fifty)
{
    struct world world;
    open_world(&world, ok, 1, _i ? 4 : 1);
    run_tasks(2, queue_much_or_little, &world);
    ck_assert_uint_eq(world.ended[0], 51);
    if (_i == 0) { /* with more places than one, its answer may come late although it began early */
        ck_assert_uint_lt(world.ended[1], 51);
    }
    close_world(&world);
}
END_TEST

static void wait_for_nothing(void *context, size_t index)
{
    struct world *world = context;
    world->rounds++;
    if (index == 0) {
        cf_http_wait(world->http);
        cf_http_wait_alone(world->http);
        ck_assert_uint_eq(world->rounds, 1); /* the other task hasn't begun */
    }
}

START_TEST(a_wait_for_nothing_returns_at_once)
{
    struct world world;
    open_world(&world, ok, 1, 1);
    run_tasks(2, wait_for_nothing, &world);
    cf_http_wait(world.http);
    cf_http_wait_alone(world.http);
    close_world(&world);
}
END_TEST

/* --- callbacks ----------------------------------------------------------------------------------
 */

/* Requests one after another, each added by the one before, and freed. */
struct chain {
    struct world *world;
    struct cf_task *owner;
    const volatile size_t *until; /* goes on until this isn't 0 */
    size_t length, done;
};

static void add_link(struct chain *chain);

static void next_link(struct cf_http_request *request)
{
    struct chain *chain = request->context;
    ck_assert_int_eq(request->rc, 0);
    ck_assert_ptr_eq(cf_task_current(), chain->owner);
    ck_assert(!cf_task_may_wait());
    cf_http_request_release(request);
    free(request);
    chain->done++;
    if (chain->done < chain->length && !(chain->until && *chain->until)) {
        add_link(chain);
    }
}

static void add_link(struct chain *chain)
{
    struct cf_http_request *request = cf_calloc(1, sizeof(*request));
    *request = get(chain->world);
    request->prepare = NULL;
    request->done = next_link;
    request->context = chain;
    cf_http_add(chain->world->http, request);
}

static void chain_until_the_other_ends(void *context, size_t index)
{
    struct world *world = context;
    struct chain chain = {.world = world,
                          .owner = cf_task_current(),
                          .until = index ? NULL : &world->ended[1],
                          .length = index ? 5 : 200};
    add_link(&chain);
    cf_http_wait(world->http);
    ck_assert_uint_ge(chain.done, 5);
    ck_assert_uint_lt(chain.done, 200);
    world->ended[index] = chain.done;
}

START_TEST(what_done_adds_is_its_own_tasks)
{
    struct world world;
    open_world(&world, ok, 1, 1); /* one place: so they take turns */
    run_tasks(2, chain_until_the_other_ends, &world);
    ck_assert_uint_eq(world.ended[1], 5);
    close_world(&world);
}
END_TEST

struct asker {
    struct world *world;
    struct cf_task *owner;
    struct cf_http *inner; /* another engine, which prepare waits for */
    size_t calls;
    char name[8];
};

/* What every callback finds: its task's name, in the log and for the engine. */
static void expect_owner(struct asker *asker)
{
    struct cf_log_scope scope;
    cf_log_scope_save(&scope);
    ck_assert_str_eq(scope.tenant, asker->name);
    ck_assert_ptr_eq(cf_task_current(), asker->owner);
    asker->calls++;
}

static void inner_done(struct cf_http_request *request)
{
    expect_owner(request->context);
}

static int prepare(struct cf_http_request *request)
{
    struct asker *asker = request->context;
    struct cf_http_request inner = get(asker->world);
    inner.prepare = NULL;
    inner.done = inner_done;
    inner.context = asker;
    cf_http_add(asker->inner, &inner);
    if (request->attempts) {
        cf_http_wait(asker->inner); /* here as good as alone */
    } else {
        cf_http_wait_alone(asker->inner);
    }
    cf_http_request_release(&inner);
    expect_owner(asker);
    return 0;
}

static enum cf_http_verdict judge(struct cf_http_request *request)
{
    expect_owner(request->context);
    return request->attempts < 2 ? CF_HTTP_RETRY : CF_HTTP_DEFAULT;
}

static int take(void *context, const void *data, size_t length)
{
    (void)data;
    (void)length;
    expect_owner(context);
    return 0;
}

static int restart(void *context)
{
    expect_owner(context);
    return 0;
}

static int give(void *context, void *data, size_t size, size_t *got)
{
    struct asker *asker = context;
    ck_assert_uint_ge(size, 1);
    expect_owner(asker);
    *(char *)data = 'x';
    *got = 1;
    return 0;
}

static void ask_with_every_callback(void *context, size_t index)
{
    static const char *const names[] = {"zero", "one", "two"};
    struct asker asker = {.world = context, .owner = cf_task_current()};
    struct cf_http_options one = {.max_in_flight = 1};
    asker.inner = cf_http_new(&one);
    memcpy(asker.name, names[index], strlen(names[index]));
    cf_log_context("job", NULL, asker.name);
    const struct cf_http_sink sink = {take, restart, &asker};
    const struct cf_http_source source = {give, restart, &asker, 1};
    struct cf_http_request request = get(asker.world);
    request.method = "PUT";
    request.prepare = prepare;
    request.judge = judge;
    request.done = inner_done;
    request.sink = &sink;
    request.source = &source;
    request.context = &asker;
    cf_http_add(asker.world->http, &request);
    if (index < 2) {
        cf_http_wait(asker.world->http);
    } else {
        cf_http_wait_alone(asker.world->http);
    }
    ck_assert_int_eq(request.rc, 0);
    ck_assert_uint_eq(request.attempts, 2);
    ck_assert_uint_ge(asker.calls, 13);
    cf_http_request_release(&request);
    cf_http_free(asker.inner);
}

START_TEST(callbacks_work_on_behalf_of_their_task)
{
    struct cf_log_scope scope;
    struct world world;
    cf_log_context("job", NULL, "outside");
    open_world(&world, ok, 1, 2);
    run_tasks(3, ask_with_every_callback, &world);
    cf_log_scope_save(&scope);
    ck_assert_str_eq(scope.tenant, "outside");
    cf_log_context(NULL, NULL, NULL);
    close_world(&world);
}
END_TEST

/* --- waiting alone ------------------------------------------------------------------------------
 */

static void wait_alone_or_count(void *context, size_t index)
{
    struct world *world = context;
    if (index) {
        for (size_t i = 0; i < 100; i++) {
            world->rounds++;
            cf_task_sleep(0, NULL);
        }
        return;
    }
    cf_task_sleep(0, NULL);
    size_t before = world->rounds;
    ck_assert_uint_ge(before, 1);
    struct cf_http_request request = get(world);
    cf_http_add(world->http, &request);
    cf_http_wait_alone(world->http);
    expect_ok(&request);
    ck_assert_uint_eq(world->rounds, before);
}

START_TEST(a_wait_alone_lets_nobody_run)
{
    struct world world;
    open_world(&world, ok, 1, 1);
    run_tasks(2, wait_alone_or_count, &world);
    ck_assert_uint_eq(world.rounds, 100);
    close_world(&world);
}
END_TEST

/* The chain's first request is answered while the other waits alone; the place goes to the two by
 * turns. */
static void chain_or_wait_alone(void *context, size_t index)
{
    struct world *world = context;
    struct chain chain = {.world = world, .owner = cf_task_current(), .length = 5};
    struct cf_http_request request = get(world);
    if (index) {
        cf_http_add(world->http, &request);
        cf_http_wait_alone(world->http);
        expect_ok(&request);
        ck_assert_uint_eq(world->ended[0], 0);
        world->ended[1] = 1;
        return;
    }
    add_link(&chain);
    cf_http_wait(world->http);
    ck_assert_uint_eq(chain.done, 5);
    world->ended[0] = world->ended[1] ? 1 : 2;
}

START_TEST(a_wait_alone_serves_the_requests_of_others)
{
    struct world world;
    open_world(&world, ok, 1, 1);
    run_tasks(2, chain_or_wait_alone, &world);
    ck_assert_uint_eq(world.ended[0], 1);
    close_world(&world);
}
END_TEST

/* --- inside and outside -------------------------------------------------------------------------
 */

static void outside_done(struct cf_http_request *request)
{
    ck_assert_ptr_null(cf_task_current());
    ck_assert(!cf_task_may_wait());
    ((struct world *)request->context)->rounds++;
}

static void ask_once(void *context, size_t index)
{
    struct world *world = context;
    struct cf_http_request request = get(world);
    cf_http_add(world->http, &request);
    if (index == 1) {
        cf_http_wait_alone(world->http);
    } else {
        cf_http_wait(world->http);
    }
    expect_ok(&request);
}

START_TEST(an_engine_is_used_outside_and_inside)
{
    struct world world;
    open_world(&world, ok, 1, 1);
    ask_once(&world, 0);
    struct cf_http_request outside[3];
    for (size_t i = 0; i < 3; i++) {
        outside[i] = get(&world);
        outside[i].done = outside_done;
        cf_http_add(world.http, &outside[i]);
    }
    run_tasks(9, ask_once, &world);
    ck_assert_uint_eq(world.rounds, 3); /* served meanwhile, by turns */
    cf_http_wait(world.http);
    for (size_t i = 0; i < 3; i++) {
        expect_ok(&outside[i]);
    }
    ask_once(&world, 0);
    ck_assert_uint_eq(cf_http_totals(world.http).requests, 14);
    close_world(&world);
}
END_TEST

/* --- stops, several engines, rest ---------------------------------------------------------------
 */

static const struct net_step silent[] = {{.action = NET_SILENT}};

struct stopped {
    struct world world;
    struct cf_http *other; /* another engine */
    volatile int stop;
};

static void be_stopped(void *context, size_t index)
{
    struct stopped *stopped = context;
    struct world *world = &stopped->world;
    if (index == 3) {
        while (net_server_requests(world->server) < 2) {
            cf_task_sleep(5, NULL);
        }
        stopped->stop = 1;
        return;
    }
    struct cf_http_request requests[2] = {get(world), get(world)};
    cf_http_add(world->http, &requests[0]);
    cf_http_add(world->http, &requests[1]);
    cf_http_wait(world->http);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(requests[i].rc, CF_EINTERRUPTED);
        ck_assert_int_eq(requests[i].retry_after_ms, 0);
        cf_http_request_release(&requests[i]);
    }
    world->ended[index]++;
}

START_TEST(a_stop_ends_every_tasks_wait)
{
    struct stopped stopped = {.stop = 0};
    struct cf_http_options options = {.max_in_flight = 2, .stop = &stopped.stop};
    stopped.world.server = net_server_new(silent, 1);
    stopped.world.http = cf_http_new(&options);
    run_tasks(4, be_stopped, &stopped);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(stopped.world.ended[i], 1);
    }
    close_world(&stopped.world);
}
END_TEST

/* One engine's server never answers; its wait ends when the other engine's has. */
static void wait_for_one_engine(void *context, size_t index)
{
    struct stopped *stopped = context;
    struct world *world = &stopped->world;
    bool answered = index == world->rounds;
    struct cf_http *http = answered ? stopped->other : world->http;
    struct cf_http_request request = get(world);
    char url[128];
    (void)snprintf(url, sizeof(url), "%s/%s", request.url, answered ? "answered" : "silent");
    request.url = url;
    cf_http_add(http, &request);
    cf_http_wait(http);
    ck_assert_int_eq(request.rc, answered ? 0 : CF_EINTERRUPTED);
    ck_assert_int_eq(request.status, answered ? 599 : 0);
    cf_http_request_release(&request);
    stopped->stop = 1;
}

START_TEST(two_engines_are_waited_for_at_once)
{
    static const struct net_step script[] = {{.action = NET_SILENT, .path = "/silent"}};
    struct stopped stopped = {.stop = 0};
    struct cf_http_options options = {.stop = &stopped.stop};
    stopped.world.server = net_server_new(script, 1);
    stopped.world.http = cf_http_new(&options);
    stopped.world.rounds = (size_t)_i;
    stopped.other = cf_http_new(&net_quick);
    run_tasks(2, wait_for_one_engine, &stopped);
    cf_http_free(stopped.other);
    close_world(&stopped.world);
}
END_TEST

static void wait_for_a_time_limit(void *context, size_t index)
{
    struct world *world = context;
    if (index == 0) {
        cf_task_sleep(2000, NULL);
        ck_assert_uint_eq(world->ended[1], 1);
        return;
    }
    struct cf_http_request request = get(world);
    request.total_ms = 100;
    cf_http_add(world->http, &request);
    cf_http_wait(world->http);
    ck_assert_int_eq(request.rc, CF_EUNAVAILABLE);
    cf_http_request_release(&request);
    world->ended[index]++;
}

START_TEST(a_time_limit_does_not_wait_for_a_sleeper)
{
    struct world world;
    open_world(&world, silent, 1, 1);
    run_tasks(2, wait_for_a_time_limit, &world);
    close_world(&world);
}
END_TEST

static double thread_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_in_vain(void *context, size_t index)
{
    struct world *world = context;
    struct cf_http_request request = get(world);
    request.total_ms = 1000;
    cf_http_add(world->http, &request);
    cf_http_wait(world->http);
    ck_assert_int_eq(request.rc, CF_EUNAVAILABLE);
    cf_http_request_release(&request);
    world->ended[index]++;
}

START_TEST(waiting_for_the_network_takes_no_processor_time)
{
    static const volatile int never = 0;
    struct world world = {.server = net_server_new(silent, 1)};
    struct cf_http_options options = {.max_in_flight = 3, .stop = _i ? &never : NULL};
    world.http = cf_http_new(&options);
    double before = thread_seconds();
    run_tasks(3, wait_in_vain, &world);
    ck_assert_double_lt(thread_seconds() - before, 0.1);
    ck_assert_uint_eq(world.ended[0] + world.ended[1] + world.ended[2], 3);
    close_world(&world);
}
END_TEST

/* --- a store ------------------------------------------------------------------------------------
 */

static const struct net_step objects[] = {
    {.headers = S3_ETAG, .body = "a"}, {.headers = S3_ETAG, .body = "bb"},
    {.headers = S3_ETAG, .body = "c"}, {.headers = S3_ETAG, .body = "dd"},
    {.headers = S3_ETAG, .body = "e"}, {.headers = S3_ETAG, .body = "ff"},
    {.headers = S3_ETAG, .body = "g"}, {.headers = S3_ETAG, .body = "hh"},
    {.headers = S3_ETAG, .body = "i"}, {.headers = S3_ETAG, .body = "jj"}};

enum { OBJECTS = sizeof(objects) / sizeof(objects[0]) };

struct readers {
    struct s3_fixture s3;
    struct cf_buf got[OBJECTS]; /* of the key that is its number */
    size_t begun, ended;
};

static void read_object(void *context, size_t index)
{
    struct readers *readers = context;
    struct cf_error err = {0};
    char key[16];
    (void)snprintf(key, sizeof(key), "key-%zu", index);
    readers->begun++;
    int rc = cf_store_get(readers->s3.store, key, &readers->got[index], &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert(readers->ended++ || readers->begun == PLACES);
}

START_TEST(a_store_gives_each_task_its_own_result)
{
    struct readers readers = {.begun = 0};
    s3_fixture_open(&readers.s3, objects, OBJECTS);
    run_tasks(OBJECTS, read_object, &readers);
    ck_assert_uint_eq(net_server_requests(readers.s3.server), OBJECTS);
    for (size_t i = 0; i < OBJECTS; i++) {
        const char *key = strstr(s3_head(&readers.s3, i), "key-");
        ck_assert_ptr_nonnull(key);
        size_t reader = strtoul(key + 4, NULL, 10);
        ck_assert_uint_lt(reader, OBJECTS);
        ck_assert_str_eq(cf_buf_str(&readers.got[reader]), objects[i].body);
        cf_buf_release(&readers.got[reader]); /* so none may be named twice */
    }
    s3_fixture_close(&readers.s3);
}
END_TEST

Suite *net_tasks_suite(void)
{
    Suite *suite = suite_create("net_tasks");
    TCase *tc = tcase_create("tasks");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, requests_of_tasks_interleave);
    tcase_add_loop_test(tc, one_request_does_not_wait_for_fifty, 0, 2);
    tcase_add_test(tc, a_wait_for_nothing_returns_at_once);
    tcase_add_test(tc, what_done_adds_is_its_own_tasks);
    tcase_add_test(tc, callbacks_work_on_behalf_of_their_task);
    tcase_add_test(tc, a_wait_alone_lets_nobody_run);
    tcase_add_test(tc, a_wait_alone_serves_the_requests_of_others);
    tcase_add_test(tc, an_engine_is_used_outside_and_inside);
    tcase_add_test(tc, a_stop_ends_every_tasks_wait);
    tcase_add_loop_test(tc, two_engines_are_waited_for_at_once, 0, 2);
    tcase_add_test(tc, a_time_limit_does_not_wait_for_a_sleeper);
    tcase_add_loop_test(tc, waiting_for_the_network_takes_no_processor_time, 0, 2);
    tcase_add_test(tc, a_store_gives_each_task_its_own_result);
    suite_add_tcase(suite, tc);
    return suite;
}
