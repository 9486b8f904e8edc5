/* SPDX-License-Identifier: MIT */
/* References of holds for children, where no thread can be started. The engine is stood in for. */
#include "unit.h"

#include "service/children.h"
#include "shared/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static struct sets sets;
static struct child_queue queue;

static bool threads_start;
static atomic_int result; /* of each search */
static atomic_uint searches;

/* The linker's names. NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *data);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *data)
{
    return threads_start ? __real_pthread_create(thread, attributes, function, data) : EAGAIN;
}

int __wrap_probe_reference_give_children(struct probe_engine *engine,
                                         struct probe_reference *reference,
                                         enum probe_children whose, probe_child_predicate *skip,
                                         void *data, const struct timespec *deadline,
                                         struct probe_error *error)
{
    (void)engine, (void)reference, (void)whose, (void)skip, (void)data, (void)deadline, (void)error;
    atomic_fetch_add(&searches, 1);
    return atomic_load(&result);
}

size_t __wrap_probe_reference_unreached(const struct probe_reference *reference)
{
    (void)reference;
    return 0;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static int begin(void **state)
{
    (void)state;
    const struct service_options options = {.method = PROBE_METHOD_VM};
    threads_start = false;
    atomic_store(&searches, 0);
    atomic_store(&result, 0);
    sets_init(&sets);
    return child_queue_init(&queue, NULL, &options, &sets);
}

static int end(void **state)
{
    (void)state;
    child_queue_done(&queue);
    sets_done(&sets);
    return 0;
}

static void add(void)
{
    struct inherited *inherited = inherited_new();
    char *name = strdup("gc_start");
    assert_non_null(inherited);
    assert_non_null(name);
    child_queue_add(&queue, inherited, NULL, name, true);
}

static void test_the_caller_does_it(void **state)
{
    (void)state;
    add();
    assert_int_equal(atomic_load(&searches), 1);
    assert_null(queue.list);
    assert_false(queue.running);
}

static void test_what_is_left_waits_for_the_next(void **state)
{
    (void)state;
    const struct timespec deadline = clock_after(20 * CLOCK_SECOND);
    atomic_store(&result, -EAGAIN);
    add();
    assert_int_equal(atomic_load(&searches), 1);
    assert_non_null(queue.list);
    threads_start = true;
    atomic_store(&result, 0);
    add();
    child_queue_wait(&queue, &deadline);
    assert_int_equal(atomic_load(&searches), 3);
    assert_null(queue.list);
}

static void test_what_is_left_goes_with_the_queue(void **state)
{
    (void)state;
    atomic_store(&result, -EAGAIN);
    add();
    assert_non_null(queue.list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_caller_does_it, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_left_waits_for_the_next, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_left_goes_with_the_queue, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
