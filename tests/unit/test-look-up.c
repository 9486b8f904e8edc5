/* SPDX-License-Identifier: MIT */
/* Look-ups of processes, with a router that is made here: what is answered, and after how long. */
#include "unit.h"

#include "server/look-up.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { USER = 1000 };

static struct server server;
static struct inode *found;
static bool sure;

/* What the worker does: it answers with STATUS and ID, or does not. */
static struct {
    bool is_silent; /* its user had a silent target a moment ago */
    bool answers;
    bool needs_image;
    int status;
    uint64_t id;
    int64_t takes; /* until it answers, or is waited for in vain */
} worker;

static int64_t allowed; /* how long the last question might have waited */
static unsigned int asked;
static atomic_uint asked_with_image;
static struct call *late_call;
static worker_late *late;
static void *late_data;

/* ---- the router -------------------------------------------------------------------------- */

int router_find(struct router *router, const struct process_user *user, enum authority authority,
                struct silence *silence, struct route *route)
{
    (void)router;
    assert_int_equal(authority, AUTHORITY_ADMIN);
    *route = (struct route){{user->uid, user->gid, WORKER_OF_USER}, authority, silence, NULL};
    return 0;
}

bool router_is_silent(struct router *router, uid_t user)
{
    (void)router, (void)user;
    return worker.is_silent;
}

static void answer(struct call *call)
{
    call->reply.id = (struct probe_image_id){.start_time = worker.id};
    call->reply.needs_image = worker.needs_image;
}

static void pass(int64_t time)
{
    const struct timespec duration = {.tv_nsec = time};
    nanosleep(&duration, NULL);
}

int router_ask_question(struct router *router, const struct route *route, struct call *call,
                        int64_t wait, worker_late *when_late, void *data)
{
    (void)router;
    asked++;
    allowed = wait;
    assert_non_null(route->silence);
    assert_int_equal(call->request.operation, OPERATION_FIND);
    if (!worker.answers) {
        late_call = call;
        late = when_late;
        late_data = data;
        pass(wait);
        return -EINPROGRESS;
    }
    pass(worker.takes < wait ? worker.takes : wait);
    answer(call);
    return worker.status;
}

void router_end_question(const struct route *route, int status)
{
    (void)route, (void)status;
}

int router_call(struct router *router, const struct route *route, struct call *call)
{
    (void)router, (void)route;
    atomic_fetch_add(&asked_with_image, 1);
    answer(call);
    return 0;
}

/* The worker answers at last, or is given up. */
static void end_question(int status)
{
    answer(late_call);
    late_call->reply.error = -worker.status;
    late(late_call, status, late_data);
}

/* ---- look-ups ---------------------------------------------------------------------------- */

static int begin(void **state)
{
    (void)state;
    memset(&server, 0, sizeof(server));
    memset(&worker, 0, sizeof(worker));
    asked = 0;
    atomic_store(&asked_with_image, 0);
    worker.answers = true;
    worker.id = 5;
    pthread_mutex_init(&server.waits.lock, NULL);
    server.waits.since = clock_now();
    server.waits.left = CLOCK_SECOND / 10;
    return inodes_init(&server.inodes);
}

static int end(void **state)
{
    (void)state;
    inodes_done(&server.inodes);
    pthread_mutex_destroy(&server.waits.lock);
    return 0;
}

/* Looks this process up. */
static int look_up(void)
{
    char name[16];
    snprintf(name, sizeof(name), "%d", getpid());
    return look_up_process(&server, name, &found, &sure);
}

static void test_answers(void **state)
{
    (void)state;
    assert_int_equal(look_up(), 0);
    assert_true(sure);
    assert_true(atomic_load(&found->target->identified));
    assert_int_equal(found->target->id.start_time, 5);
    const struct inode *first = found;
    assert_int_equal(look_up(), 0);
    assert_ptr_equal(found, first);
    worker.id = 6; /* it called exec */
    assert_int_equal(look_up(), 0);
    assert_ptr_not_equal(found, first);
    assert_int_equal(found->target->id.start_time, 6);
}

static void test_no_probes(void **state)
{
    (void)state;
    static const int answers[] = {-ENOENT, -ESRCH, -EACCES, -EPERM, -EBUSY};
    for (size_t i = 0; i < ARRAY_LENGTH(answers); i++) {
        worker.status = answers[i];
        assert_int_equal(look_up(), -ENOENT);
    }
    /* What is wrong with the machine is said as it is. */
    worker.status = -EMFILE;
    assert_int_equal(look_up(), -EMFILE);
}

static void test_no_process(void **state)
{
    (void)state;
    static const char *const names[] = {"x", "0", "-1", "01", "1073741824", ""};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        assert_int_equal(look_up_process(&server, names[i], &found, &sure), -ENOENT);
    assert_int_equal(asked, 0);
}

/* It is there, for all that is known, and the answer counts when it comes. */
static void test_an_answer_that_comes_late(void **state)
{
    (void)state;
    worker.answers = false;
    assert_int_equal(look_up(), 0);
    assert_false(sure);
    assert_false(atomic_load(&found->target->identified));
    /* Nobody asks beside the question that is under way. */
    assert_int_equal(look_up(), 0);
    assert_int_equal(asked, 1);
    end_question(0);
    assert_int_equal(found->target->id.start_time, 5);
    const struct inode *first = found;
    worker.answers = true;
    assert_int_equal(look_up(), 0);
    assert_true(sure);
    assert_ptr_equal(found, first);
}

static void test_a_late_answer_about_another_image(void **state)
{
    (void)state;
    assert_int_equal(look_up(), 0);
    worker.answers = false;
    const struct inode *first = found;
    assert_int_equal(look_up(), 0);
    assert_ptr_equal(found, first);
    worker.id = 6;
    end_question(0);
    assert_true(atomic_load(&first->target->is_gone));
    worker.answers = true;
    assert_int_equal(look_up(), 0);
    assert_ptr_not_equal(found, first);
}

static void test_no_answer(void **state)
{
    (void)state;
    worker.answers = false;
    assert_int_equal(look_up(), 0);
    end_question(-ETIMEDOUT);
    assert_false(atomic_load(&found->target->identified));
    assert_int_equal(look_up(), 0);
    assert_false(sure);
    assert_int_equal(asked, 2);
    end_question(-ETIMEDOUT);
}

/* 20 ms each, a tenth of the time all together, and nothing for a user with silent targets. */
static void test_how_long_it_waits(void **state)
{
    (void)state;
    int64_t waited = 0;
    worker.answers = false;
    const struct timespec start = clock_now();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(look_up(), 0);
        end_question(-ETIMEDOUT);
        assert_true(allowed <= 20 * CLOCK_MILLISECOND);
        waited += allowed;
    }
    const struct timespec now = clock_now();
    /* What there was at first, a tenth of the time since, and 2 ms each, which an answer may take.
     */
    assert_true(waited <= CLOCK_SECOND / 10 + clock_between(&start, &now) / 10 +
                              200 * CLOCK_MILLISECOND + 20 * CLOCK_MILLISECOND);
    worker.is_silent = true;
    assert_int_equal(look_up(), 0);
    assert_int_equal(allowed, 0);
    end_question(-ETIMEDOUT);
}

/* Answers that come at once leave the others all the time there is (2 ms are at once). */
static void test_quick_answers_cost_no_wait(void **state)
{
    (void)state;
    int64_t longest = 0;
    for (int i = 0; i < 1000; i++) {
        const struct timespec start = clock_now();
        assert_int_equal(look_up(), 0);
        const struct timespec now = clock_now();
        int64_t took = clock_between(&start, &now);
        longest = took > longest ? took : longest;
        if (longest > 2 * CLOCK_MILLISECOND) /* this machine is too busy to tell */
            break;
        assert_int_equal(allowed, 20 * CLOCK_MILLISECOND);
    }
}

static void test_an_image_is_lent(void **state)
{
    (void)state;
    worker.needs_image = true;
    worker.status = -EACCES;
    /* The 20 ms may be over before the thread that asks with an image has run. */
    const struct timespec deadline = clock_after(60 * CLOCK_SECOND);
    unsigned int looked_up = 0;
    do {
        assert_false(clock_is_past(&deadline));
        assert_int_equal(look_up(), 0);
        looked_up++;
    } while (!sure);
    assert_in_range(atomic_load(&asked_with_image), 1, looked_up);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, begin, end),
        cmocka_unit_test_setup_teardown(test_no_probes, begin, end),
        cmocka_unit_test_setup_teardown(test_no_process, begin, end),
        cmocka_unit_test_setup_teardown(test_an_answer_that_comes_late, begin, end),
        cmocka_unit_test_setup_teardown(test_a_late_answer_about_another_image, begin, end),
        cmocka_unit_test_setup_teardown(test_no_answer, begin, end),
        cmocka_unit_test_setup_teardown(test_how_long_it_waits, begin, end),
        cmocka_unit_test_setup_teardown(test_quick_answers_cost_no_wait, begin, end),
        cmocka_unit_test_setup_teardown(test_an_image_is_lent, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
