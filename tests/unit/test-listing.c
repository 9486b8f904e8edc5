/* SPDX-License-Identifier: MIT */
/*
 * The listing of a machine that is made here: what the kernel and the router say of its processes,
 * a quarter of which have probes.
 */
#include "unit.h"

#include "server/listing.h"

#include <errno.h>
#include <stdatomic.h>

/* Users of the machine; the processes of user U are all that are U more than a multiple of USERS.
 */
enum { USERS = 4, SILENT = 1, DEAF = 2 };

/* As many threads as ask at the same time; more groups than that, of one user. */
enum { THREADS = 17, PROCESSES = 100000 };

static pid_t process_count;
static unsigned int hidden; /* user whose service does what `fails` says; 0: none */
static int fails;
static bool lent; /* it needs an image for each process, and does not answer then */
static atomic_uint asked[USERS], asked_with_image;

static uid_t user_of(pid_t pid)
{
    return (uid_t)pid % USERS;
}

static bool has_probes(pid_t pid)
{
    return pid / USERS % 4 == 0;
}

/* ---- the machine ------------------------------------------------------------------------- */

int process_list(pid_t **pids, size_t *count)
{
    pid_t *all = calloc((size_t)process_count, sizeof(*all));
    assert_non_null(all);
    for (pid_t i = 0; i < process_count; i++)
        all[i] = i + 1;
    *pids = all;
    *count = (size_t)process_count;
    return 0;
}

int process_open(pid_t pid)
{
    (void)pid;
    return -EMFILE;
}

int process_ask_user(int process, struct process_user *user)
{
    (void)process, (void)user;
    return -ENOTTY;
}

int process_find_user(pid_t pid, struct process_user *user)
{
    *user = (struct process_user){user_of(pid), user_of(pid)};
    return 0;
}

bool caller_is_admin(const struct caller *caller)
{
    return caller->uid == 0;
}

int router_identify(struct router *router, pid_t pid, struct probe_image_id *id)
{
    (void)router;
    *id = (struct probe_image_id){.start_time = (uint64_t)pid};
    return 0;
}

int router_find(const struct router *router, const struct process_user *user,
                enum authority authority, struct route *route)
{
    (void)router;
    *route = (struct route){{user->uid, user->gid, WORKER_OF_USER}, authority};
    return 0;
}

int router_call(struct router *router, const struct route *route, struct call *call)
{
    (void)router, (void)route, (void)call;
    atomic_fetch_add(&asked_with_image, 1);
    return -ETIMEDOUT;
}

int router_ask(struct router *router, const struct route *route, struct call *call)
{
    uid_t uid = route->identity.uid;
    (void)router;
    atomic_fetch_add(&asked[uid], 1);
    if (fails < 0 && uid == hidden)
        return fails;
    size_t count = call->in_length / sizeof(struct scan_entry);
    struct scan_entry *entries = exact_copy(call->in, call->in_length);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(user_of(entries[i].pid), uid);
        entries[i].needs_image = lent && uid == hidden;
        entries[i].has_probes = !entries[i].needs_image && has_probes(entries[i].pid);
    }
    call->out = (char *)entries;
    call->out_length = call->in_length;
    return 0;
}

/* ---- listings ---------------------------------------------------------------------------- */

static bool is_expected(pid_t pid, uid_t caller)
{
    return has_probes(pid) && (caller == 0 || user_of(pid) == caller) &&
           ((fails == 0 && !lent) || user_of(pid) != hidden);
}

/* All that the caller is to see, and nothing else, in order. */
static void check_listing(uid_t uid)
{
    const struct caller caller = {.pid = 1, .uid = uid, .gid = uid};
    struct listed_process *processes = NULL;
    size_t count = 0;
    size_t at = 0;
    for (int i = 0; i < USERS; i++)
        atomic_store(&asked[i], 0);
    assert_int_equal(listing_read(NULL, &caller, &processes, &count), 0);
    for (pid_t pid = 1; pid <= process_count; pid++) {
        if (!is_expected(pid, uid))
            continue;
        assert_true(at < count);
        assert_int_equal(processes[at].pid, pid);
        assert_int_equal(processes[at++].id.start_time, pid);
    }
    assert_int_equal(at, count);
    free(processes);
}

static int begin(void **state)
{
    (void)state;
    process_count = PROCESSES;
    hidden = 0;
    fails = 0;
    lent = false;
    atomic_store(&asked_with_image, 0);
    return 0;
}

static void test_all(void **state)
{
    (void)state;
    static const pid_t counts[] = {0, 1, 5, 511, 2048, 2049, 2053, PROCESSES};
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        process_count = counts[i];
        check_listing(0);
        check_listing(3);
    }
}

/* Each question to a user who does not answer takes a second: so it is not asked on and on. */
static void test_a_user_who_does_not_answer(void **state)
{
    (void)state;
    hidden = SILENT;
    fails = -ETIMEDOUT;
    check_listing(0);
    assert_true(atomic_load(&asked[SILENT]) > 0);
    assert_true(atomic_load(&asked[SILENT]) <= THREADS);
    assert_true(atomic_load(&asked[DEAF]) > THREADS);
}

/* The same, where each process is asked for by itself. */
static void test_a_user_who_does_not_answer_with_images(void **state)
{
    (void)state;
    hidden = SILENT;
    lent = true;
    check_listing(0);
    assert_true(atomic_load(&asked_with_image) > 0);
    assert_true(atomic_load(&asked_with_image) <= THREADS);
    assert_true(atomic_load(&asked[DEAF]) > THREADS);
}

static void test_a_user_whose_service_fails(void **state)
{
    (void)state;
    hidden = DEAF;
    fails = -EIO;
    check_listing(0);
    assert_true(atomic_load(&asked[DEAF]) > THREADS);
}

/* A caller whose pid is of another namespace may look into nothing. */
static void test_a_stranger(void **state)
{
    (void)state;
    const struct caller stranger = {.pid = 0, .uid = 0};
    struct listed_process *processes = NULL;
    size_t count = 1;
    assert_int_equal(listing_read(NULL, &stranger, &processes, &count), 0);
    assert_int_equal(count, 0);
    free(processes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_all, begin),
        cmocka_unit_test_setup(test_a_user_who_does_not_answer, begin),
        cmocka_unit_test_setup(test_a_user_who_does_not_answer_with_images, begin),
        cmocka_unit_test_setup(test_a_user_whose_service_fails, begin),
        cmocka_unit_test_setup(test_a_stranger, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
