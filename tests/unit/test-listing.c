/* SPDX-License-Identifier: MIT */
/*
 * The listing of a machine that is made here: what the kernel and the router say of its processes,
 * a quarter of which have probes.
 */
#include "unit.h"

#include "server/listing.h"
#include "server/look-up.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/*
 * Users of the machine; the processes of user U are all that are U more than a multiple of USERS.
 * User ODD's worker does what the test says.
 */
enum { USERS = 4, ODD = 1 };

enum { PROCESSES = 100000, QUESTIONS_MAX = 4096 };

enum oddness {
    ANSWERS,
    NEVER_ANSWERS,
    ANSWERS_LATE,    /* when nobody waits in the call any more, but in time */
    ANSWERS_BY_HALF, /* has had no time for every second process, in the first round */
    KNOWS_NOTHING,   /* has had no time for any */
    FAILS,
    LIES,
    NEEDS_IMAGES,
};

static pid_t process_count;
static pid_t silent; /* is not asked for; 0: none is */
static enum oddness oddness;
static atomic_uint asked[USERS], asked_with_image;
static uint64_t last_listing, numbered[USERS]; /* processes that were asked for as part of it */
static struct server server;

/* Questions that nobody has answered yet. */
static struct {
    struct call *call;
    worker_late *late;
    void *data;
} open_questions[QUESTIONS_MAX];
static size_t open_count;

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
    pid_t *all = calloc((size_t)process_count + 1, sizeof(*all));
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

bool process_has_ended(int process)
{
    (void)process;
    return false;
}

int process_find_user(pid_t pid, int process, struct process_user *user)
{
    (void)process;
    *user = (struct process_user){user_of(pid), user_of(pid)};
    return 0;
}

/* Every seventh is a thread of the kernel. */
bool process_has_memory(pid_t pid)
{
    return pid % 7 != 0;
}

bool caller_is_admin(const struct caller *caller)
{
    return caller->uid == 0;
}

/* ---- the router -------------------------------------------------------------------------- */

int router_find(struct router *router, const struct process_user *user, enum authority authority,
                struct silence *silence, struct route *route)
{
    (void)router;
    *route = (struct route){{user->uid, user->gid, WORKER_OF_USER}, authority, silence, NULL};
    return 0;
}

int router_call(struct router *router, const struct route *route, struct call *call)
{
    (void)router, (void)route;
    atomic_fetch_add(&asked_with_image, 1);
    assert_true(call->request.lent);
    call->reply.id = (struct probe_image_id){.start_time = (uint64_t)call->request.pid};
    return has_probes(call->request.pid) ? 0 : -ENOENT;
}

static enum scan_answer answer_odd(pid_t pid, unsigned int round)
{
    if (oddness == KNOWS_NOTHING || (oddness == ANSWERS_BY_HALF && round == 1 && pid / USERS % 2))
        return SCAN_UNKNOWN;
    return oddness == NEEDS_IMAGES ? SCAN_NEEDS_IMAGE
           : has_probes(pid)       ? SCAN_HAS_PROBES
                                   : SCAN_HAS_NONE;
}

/* Fills in the reply: what the worker of USER says. */
static void answer(struct call *call, uid_t user, unsigned int round)
{
    size_t count = call->in_length / sizeof(struct scan_entry);
    struct scan_entry *entries = exact_copy(call->in, call->in_length);
    for (size_t i = 0; i < count; i++) {
        pid_t pid = entries[i].pid;
        assert_int_equal(user_of(pid), user);
        entries[i].answer = has_probes(pid) ? SCAN_HAS_PROBES : SCAN_HAS_NONE;
        if (user == ODD)
            entries[i].answer = (uint8_t)answer_odd(pid, round);
        entries[i].id.start_time = (uint64_t)pid;
        if (user == ODD && oddness == LIES && pid / USERS % 2)
            entries[i].pid++;
        else if (user == ODD && oddness == LIES)
            entries[i].answer = SCAN_ANSWERS;
    }
    call->out = (char *)entries;
    call->out_length = call->in_length;
}

static void answer_open_questions(int status)
{
    for (size_t i = 0; i < open_count; i++) {
        if (status == 0)
            answer(open_questions[i].call, ODD, 1);
        open_questions[i].late(open_questions[i].call, status, open_questions[i].data);
    }
    open_count = 0;
}

/* Who answers while the listing waits. */
static pthread_t answering;
static bool is_answering;

static void *answer_late(void *data)
{
    (void)data;
    answer_open_questions(0);
    return NULL;
}

/* How many processes user USER has that are asked for. */
static uint64_t count_of(uid_t user)
{
    uint64_t count = 0;
    for (pid_t pid = 1; pid <= process_count; pid++)
        count += user_of(pid) == user && pid != silent;
    return count;
}

/* A worker is told how many it is asked for in all, and when it is asked for some again, nothing.
 */
static void check_number(const struct call *call, uid_t user)
{
    if (call->request.listing == 0)
        return;
    assert_true(call->request.listing >= last_listing);
    last_listing = call->request.listing;
    assert_int_equal(call->request.listing_size, count_of(user));
    numbered[user] += call->in_length / sizeof(struct scan_entry);
}

int router_ask_question(struct router *router, const struct route *route, struct call *call,
                        int64_t wait, worker_late *late, void *data)
{
    uid_t user = route->identity.uid;
    unsigned int round =
        atomic_fetch_add(&asked[user], 1) / ((unsigned int)process_count / 2048 + 1);
    (void)router;
    assert_int_equal(wait, 0);
    assert_null(route->silence);
    check_number(call, user);
    if (user == ODD && oddness == FAILS)
        return -EMFILE;
    if (user == ODD && (oddness == NEVER_ANSWERS || oddness == ANSWERS_LATE)) {
        assert_true(open_count < QUESTIONS_MAX);
        open_questions[open_count].call = call;
        open_questions[open_count].late = late;
        open_questions[open_count++].data = data;
        return -EINPROGRESS;
    }
    answer(call, user, round + 1);
    return 0;
}

/*
 * To the listing, no time passes while it computes: it ends by itself when its time is over, and
 * how much that is on a machine that is busy, or under valgrind, is not what is tested here.
 */
static struct timespec listing_began;
static bool is_listing;

/* The linker's names. NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __real_pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *lock, clockid_t clock,
                                  const struct timespec *end);
int __wrap_pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *lock, clockid_t clock,
                                  const struct timespec *end);

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    if (!is_listing)
        return __real_clock_gettime(clock, time);
    *time = listing_began;
    return 0;
}

/* Answers that come while a listing waits for them come in time, however long that takes. */
int __wrap_pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *lock, clockid_t clock,
                                  const struct timespec *end)
{
    if (oddness != ANSWERS_LATE)
        return __real_pthread_cond_clockwait(condition, lock, clock, end);
    if (!is_answering)
        assert_int_equal(pthread_create(&answering, NULL, answer_late, NULL), 0);
    is_answering = true;
    return pthread_cond_wait(condition, lock);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static unsigned int asked_again;

void look_up_again(struct server *unused, struct target *target, const struct process_user *user)
{
    (void)unused, (void)target, (void)user;
    asked_again++;
}

/* ---- listings ---------------------------------------------------------------------------- */

/* Does the worker of the odd user say nothing of PID? */
static bool is_unknown(pid_t pid)
{
    return user_of(pid) == ODD && (oddness == NEVER_ANSWERS || oddness == KNOWS_NOTHING ||
                                   oddness == FAILS || oddness == LIES);
}

static bool is_expected(pid_t pid, uid_t caller)
{
    if (caller != 0 && user_of(pid) != caller)
        return false;
    return is_unknown(pid) ? process_has_memory(pid) : has_probes(pid);
}

/* All that the caller is to see, and nothing else, in order. Returns how long it took. */
static int64_t check_listing(uid_t uid)
{
    const struct caller caller = {.pid = 1, .uid = uid, .gid = uid};
    struct listed_process *processes = NULL;
    size_t count = 0;
    size_t at = 0;
    for (int i = 0; i < USERS; i++)
        atomic_store(&asked[i], 0), numbered[i] = 0;
    listing_began = clock_now();
    is_listing = true;
    int status = listing_read(&server, &caller, &processes, &count);
    is_listing = false;
    const struct timespec now = clock_now();
    assert_int_equal(status, 0);
    for (uid_t user = 0; user < USERS; user++)
        assert_int_equal(numbered[user], uid == 0 || uid == user ? count_of(user) : 0);
    for (pid_t pid = 1; pid <= process_count; pid++) {
        if (!is_expected(pid, uid))
            continue;
        assert_true(at < count);
        assert_int_equal(processes[at].pid, pid);
        assert_int_equal(processes[at].identified, !is_unknown(pid));
        if (!is_unknown(pid))
            assert_int_equal(processes[at].id.start_time, pid);
        at++;
    }
    assert_int_equal(at, count);
    free(processes);
    return clock_between(&listing_began, &now);
}

static int begin(void **state)
{
    (void)state;
    process_count = PROCESSES;
    oddness = ANSWERS;
    open_count = 0;
    atomic_store(&asked_with_image, 0);
    return inodes_init(&server.inodes);
}

static int end(void **state)
{
    (void)state;
    answer_open_questions(-ETIMEDOUT); /* which frees them */
    inodes_done(&server.inodes);
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

static void test_a_user_who_does_not_answer(void **state)
{
    (void)state;
    /* This machine's own time for so many processes, where nobody is waited for. */
    int64_t usual = check_listing(0);
    oddness = NEVER_ANSWERS;
    assert_true(check_listing(0) < CLOCK_SECOND + 10 * usual);
    check_listing(ODD);
    check_listing(2);
}

/* The answers that came too late for one listing are not for the next. */
static void test_answers_that_come_too_late(void **state)
{
    (void)state;
    process_count = 2048;
    oddness = NEVER_ANSWERS;
    check_listing(0);
    oddness = ANSWERS;
    answer_open_questions(0);
    check_listing(0);
}

static void test_answers_that_come_while_it_waits(void **state)
{
    (void)state;
    process_count = 2048;
    oddness = ANSWERS_LATE;
    is_answering = false;
    check_listing(0);
    assert_true(is_answering);
    assert_int_equal(pthread_join(answering, NULL), 0);
}

/* Of what a worker had no time for in the first round, it is asked again. */
static void test_another_round(void **state)
{
    (void)state;
    process_count = 2047;
    oddness = ANSWERS_BY_HALF;
    check_listing(0);
    assert_true(atomic_load(&asked[ODD]) > 1);
    assert_int_equal(atomic_load(&asked[2]), 1);
}

/* Where that brings nothing, it is not asked on and on. */
static void test_a_worker_that_knows_nothing(void **state)
{
    (void)state;
    process_count = 2047;
    oddness = KNOWS_NOTHING;
    check_listing(0);
    assert_in_range(atomic_load(&asked[ODD]), 1, 2);
}

static void test_a_worker_that_cannot_be_started(void **state)
{
    (void)state;
    oddness = FAILS;
    check_listing(0);
}

/* Of other processes than it was asked for, and with answers that there are not. */
static void test_a_worker_that_lies(void **state)
{
    (void)state;
    oddness = LIES;
    check_listing(0);
}

static void test_images_are_for_root(void **state)
{
    (void)state;
    process_count = 2048;
    oddness = NEEDS_IMAGES;
    check_listing(0);
    assert_int_equal(atomic_load(&asked_with_image), process_count / USERS);
    const struct caller odd = {.pid = 1, .uid = ODD, .gid = ODD};
    struct listed_process *processes = NULL;
    size_t count = 1;
    assert_int_equal(listing_read(&server, &odd, &processes, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(atomic_load(&asked_with_image), process_count / USERS);
    free(processes);
}

/* What is known not to answer is listed, and not waited for. */
static void test_a_silent_target(void **state)
{
    (void)state;
    struct target *target = NULL;
    struct listed_process *processes = NULL;
    const struct caller caller = {.pid = 1, .uid = 2, .gid = 2};
    size_t count = 0;
    process_count = 10;
    silent = 2 + USERS; /* has no probes */
    assert_int_equal(inodes_get_target(&server.inodes, silent, NULL, -1, &target), 0);
    target->silence.pause = CLOCK_SECOND;
    assert_int_equal(listing_read(&server, &caller, &processes, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(processes[1].pid, silent);
    assert_false(processes[1].identified);
    assert_int_equal(asked_again, 1);
    free(processes);
    target->silence.pause = 0;
    silent = 0;
    inodes_put_target(&server.inodes, target);
}

/* A caller whose pid is of another namespace may look into nothing; nor one of another group. */
static void test_strangers(void **state)
{
    (void)state;
    const struct caller strangers[] = {{.pid = 0, .uid = 0}, {.pid = 1, .uid = 2, .gid = 3}};
    for (size_t i = 0; i < ARRAY_LENGTH(strangers); i++) {
        struct listed_process *processes = NULL;
        size_t count = 1;
        assert_int_equal(listing_read(&server, &strangers[i], &processes, &count), 0);
        assert_int_equal(count, 0);
        free(processes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all, begin, end),
        cmocka_unit_test_setup_teardown(test_a_user_who_does_not_answer, begin, end),
        cmocka_unit_test_setup_teardown(test_answers_that_come_too_late, begin, end),
        cmocka_unit_test_setup_teardown(test_answers_that_come_while_it_waits, begin, end),
        cmocka_unit_test_setup_teardown(test_another_round, begin, end),
        cmocka_unit_test_setup_teardown(test_a_worker_that_knows_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_a_worker_that_cannot_be_started, begin, end),
        cmocka_unit_test_setup_teardown(test_a_worker_that_lies, begin, end),
        cmocka_unit_test_setup_teardown(test_images_are_for_root, begin, end),
        cmocka_unit_test_setup_teardown(test_a_silent_target, begin, end),
        cmocka_unit_test_setup_teardown(test_strangers, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
