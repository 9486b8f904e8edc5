/* SPDX-License-Identifier: MIT */
/*
 * Open files and their holds, with workers that are made here: what is asked of whom, and with
 * which authority.
 */
#include "unit.h"

#include "server/file.h"
#include "server/guard.h"
#include "server/hold-takeover.h"

#include <errno.h>
#include <unistd.h>

enum { WORKERS = 4, ASKED_MAX = 64, FILES_MAX = 256 };

/* What was asked, one after the other. */
struct asked {
    enum operation operation;
    size_t worker;
    bool lends; /* an image, if the worker says that it needs one */
    char in[64];
    size_t in_length;
};

static struct server server;
static struct inode *probes[2]; /* gc_start of two targets */
static char workers[WORKERS];
static bool ended[WORKERS], silent[WORKERS];
static int refusal[WORKERS]; /* of a hold that is to be taken over */
static size_t next_worker;
static const char *text; /* of all files */
static struct asked asked[ASKED_MAX];
static size_t asked_count;
static int used[WORKERS];         /* by holds */
static size_t guarded[FILES_MAX]; /* by file: the worker that the guardian knows of, + 1 */

/* ---- the guardian ------------------------------------------------------------------------ */

void guard_keep(struct guard *guard, struct hold_entry *held, struct worker *worker)
{
    (void)guard;
    assert_true(held->file->number < FILES_MAX);
    if (held->saved)
        guarded[held->file->number] = (size_t)((const char *)worker - workers) + 1;
}

void guard_forget(struct guard *guard, struct hold_entry *held)
{
    (void)guard;
    guarded[held->file->number] = 0;
}

/* Whenever the server is ended, nothing may be given back twice, nor by nobody. */
static void check_guard(size_t worker, const struct request *request)
{
    if (request->operation == OPERATION_HOLD_KEEP)
        assert_int_equal(guarded[request->file], worker + 1);
    else if (request->operation == OPERATION_HOLD_GIVE)
        assert_int_equal(guarded[request->file], 0);
}

/* ---- the router -------------------------------------------------------------------------- */

static struct worker *worker_of(size_t number)
{
    return (struct worker *)&workers[number];
}

static size_t number_of(const struct worker *worker)
{
    return (size_t)((const char *)worker - workers);
}

int router_find(struct router *router, const struct process_user *user, enum authority authority,
                struct silence *silence, struct route *route)
{
    (void)router;
    *route = (struct route){{user->uid, user->gid, WORKER_OF_USER}, authority, silence, NULL};
    return 0;
}

int router_get_worker(struct router *router, const struct route *route, struct worker **worker)
{
    (void)router, (void)route;
    *worker = worker_of(next_worker);
    used[next_worker]++;
    return 0;
}

void worker_put(struct worker *worker)
{
    assert_true(used[number_of(worker)]-- > 0);
}

bool worker_is_gone(struct worker *worker)
{
    return ended[number_of(worker)];
}

static void answer(struct call *call, const char *bytes, size_t length)
{
    call->out = exact_copy(bytes, length);
    call->out_length = length;
}

static int ask_worker(size_t worker, bool lends, struct call *call)
{
    assert_true(asked_count < ASKED_MAX);
    check_guard(worker, &call->request);
    struct asked *this = &asked[asked_count++];
    *this = (struct asked){.operation = call->request.operation,
                           .worker = worker,
                           .lends = lends,
                           .in_length = call->in_length};
    assert_true(call->in_length <= sizeof(this->in));
    if (call->in_length > 0)
        memcpy(this->in, call->in, call->in_length);
    if (silent[worker]) {
        ended[worker] = true;
        return -ETIMEDOUT;
    }
    if (this->operation == OPERATION_HOLD_KEEP && refusal[worker] < 0)
        return refusal[worker];
    if (this->operation == OPERATION_HOLD_TAKE)
        answer(call, "saved", 5);
    if (this->operation == OPERATION_WRITE && call->request.report_forgets)
        answer(call, "gc_start", sizeof("gc_start"));
    if (this->operation == OPERATION_READ) {
        answer(call, text, strlen(text));
        call->reply.has_end = true;
    }
    return 0;
}

int router_call(struct router *router, const struct route *route, struct call *call)
{
    (void)router, (void)route;
    return ask_worker(next_worker, true, call);
}

int router_ask(struct router *router, const struct route *route, struct call *call)
{
    (void)router, (void)route;
    return ask_worker(next_worker, false, call);
}

int router_call_worker(struct router *router, const struct route *route, struct worker *worker,
                       struct call *call)
{
    (void)router, (void)route;
    return ask_worker(number_of(worker), true, call);
}

int router_ask_worker(struct worker *worker, struct call *call)
{
    return ask_worker(number_of(worker), false, call);
}

/* ---- files ------------------------------------------------------------------------------- */

static int begin(void **state)
{
    (void)state;
    memset(&server, 0, sizeof(server));
    memset(ended, 0, sizeof(ended));
    memset(silent, 0, sizeof(silent));
    memset(refusal, 0, sizeof(refusal));
    next_worker = asked_count = 0;
    text = "text";
    pthread_mutex_init(&server.closing_lock, NULL);
    assert_int_equal(inodes_init(&server.inodes), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(probes); i++) {
        const struct probe_image_id id = {.start_time = 0};
        struct target *target = NULL;
        pid_t pid = i == 0 ? getpid() : getppid();
        assert_int_equal(inodes_get_target(&server.inodes, pid, &id, -1, &target), 0);
        assert_int_equal(inodes_look_up(&server.inodes, target, "gc_start", false, &probes[i]), 0);
        inodes_put_target(&server.inodes, target);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_false(inodes_are_open(&server.inodes));
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(used[i], 0);
    inodes_done(&server.inodes);
    pthread_mutex_destroy(&server.closing_lock);
    return 0;
}

static struct file *open_file(size_t probe, const char *name, bool write)
{
    const struct caller root = {.pid = getpid(), .recorded = true, .admin = true};
    struct probe_error error = {.text = ""};
    struct file *file = calloc(1, sizeof(*file));
    int kind = tree_find(PLACE_PROBE, name);
    assert_non_null(file);
    assert_true(kind >= 0);
    int status = file_open(&server, probes[probe], &node_kinds[kind], &root, write, file, &error);
    if (status < 0)
        fail_msg("%s: status %d: %s", name, status, error.text);
    return file;
}

static void close_file(struct file *file)
{
    file_expect_close(file);
    file_release(&server, file);
}

static void set(struct file *file)
{
    struct probe_error error = {.text = ""};
    assert_int_equal(file_write(&server, file, 1, "0", 1, &error), 0);
}

static size_t count_asked(enum operation operation)
{
    size_t count = 0;
    for (size_t i = 0; i < asked_count; i++)
        count += asked[i].operation == operation;
    return count;
}

static const struct asked *last_asked(enum operation operation)
{
    const struct asked *last = NULL;
    for (size_t i = 0; i < asked_count; i++)
        last = asked[i].operation == operation ? &asked[i] : last;
    assert_non_null(last);
    return last;
}

static void assert_taken_over(size_t times, size_t worker)
{
    size_t count = 0;
    for (size_t i = 0; i < asked_count; i++)
        count += asked[i].operation == OPERATION_HOLD_KEEP;
    assert_int_equal(count, times);
    if (times == 0)
        return;
    const struct asked *last = last_asked(OPERATION_HOLD_KEEP);
    assert_int_equal(last->in_length, 5);
    assert_memory_equal(last->in, "saved", 5);
    assert_int_equal(last->worker, worker);
}

/* ---- counters that are set --------------------------------------------------------------- */

/* The others that keep holds hear of it, each once; and whatever they say, are lent nothing. */
static void test_told_of_a_reset(void **state)
{
    (void)state;
    struct file *holds[3];
    for (size_t i = 0; i < ARRAY_LENGTH(holds); i++) {
        next_worker = i / 2;
        holds[i] = open_file(0, "hold", true);
    }
    next_worker = 2;
    struct file *enabled = open_file(0, "enabled", true);
    assert_int_equal(enabled->route.authority, AUTHORITY_ADMIN);
    set(enabled);
    assert_int_equal(count_asked(OPERATION_HOLD_FORGET), 2);
    for (size_t i = 0; i < asked_count; i++) {
        if (asked[i].operation != OPERATION_HOLD_FORGET)
            continue;
        assert_false(asked[i].lends);
        assert_int_equal(asked[i].in_length, sizeof("gc_start"));
        assert_string_equal(asked[i].in, "gc_start");
    }
    /* Their claims have ended: nobody takes them over. */
    ended[0] = ended[1] = true;
    takeover_look_after(&server);
    assert_taken_over(0, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(holds); i++)
        close_file(holds[i]);
    close_file(enabled);
    assert_taken_over(0, 0);
}

/* ---- workers that end -------------------------------------------------------------------- */

static void test_taken_over_at_the_end(void **state)
{
    (void)state;
    struct file *holds[] = {open_file(0, "hold", true), open_file(1, "hold", true)};
    takeover_look_after(&server);
    assert_taken_over(0, 0);
    ended[0] = true;
    next_worker = 1;
    takeover_look_after(&server);
    assert_taken_over(2, 1);
    takeover_look_after(&server);
    assert_taken_over(2, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(holds); i++)
        close_file(holds[i]);
    assert_int_equal(count_asked(OPERATION_HOLD_GIVE), 2);
    assert_int_equal(last_asked(OPERATION_HOLD_GIVE)->worker, 1);
}

/* One try in a round for a user who does not answer, and one for a target until somebody asks. */
static void test_taken_over_in_vain(void **state)
{
    (void)state;
    struct probe_error error = {.text = ""};
    char *bytes = NULL;
    size_t length = 0;
    struct file *holds[] = {open_file(0, "hold", true), open_file(1, "hold", true)};
    struct file *look = open_file(0, "hold", false);
    struct file *other = open_file(1, "hold", false);
    ended[0] = silent[1] = silent[2] = true;
    for (size_t round = 1; round <= 2; round++) {
        next_worker = round;
        takeover_look_after(&server);
        assert_taken_over(round, round);
    }
    next_worker = 3;
    takeover_look_after(&server);
    assert_taken_over(2, 2);
    assert_int_equal(file_read(&server, look, 0, 16, &bytes, &length, &error), 0);
    free(bytes);
    assert_int_equal(file_read(&server, other, 0, 16, &bytes, &length, &error), 0);
    free(bytes);
    assert_taken_over(4, 3);
    close_file(look);
    close_file(other);
    for (size_t i = 0; i < ARRAY_LENGTH(holds); i++)
        close_file(holds[i]);
}

/* A worker that takes over nothing is asked nothing about it; the next try is another's. */
static void test_taking_over_is_refused(void **state)
{
    (void)state;
    struct file *hold = open_file(0, "hold", true);
    ended[0] = true;
    next_worker = 1;
    refusal[1] = -EACCES;
    takeover_look_after(&server);
    assert_taken_over(1, 1);
    next_worker = 2;
    close_file(hold);
    assert_taken_over(2, 2);
    assert_int_equal(count_asked(OPERATION_HOLD_GIVE), 1);
    assert_int_equal(last_asked(OPERATION_HOLD_GIVE)->worker, 2);
}

/* A hold whose probe has gone is settled, and no reason to wait with the others the next time. */
static void test_one_of_two_has_gone(void **state)
{
    (void)state;
    struct file *gone = open_file(0, "hold", true);
    ended[0] = true;
    next_worker = 1;
    refusal[1] = -ENOENT;
    takeover_look_after(&server);
    assert_taken_over(1, 1);
    refusal[1] = 0;
    struct file *hold = open_file(0, "hold", true);
    ended[1] = true;
    next_worker = 2;
    takeover_look_after(&server);
    assert_taken_over(2, 2);
    close_file(gone);
    close_file(hold);
}

static void test_no_round_at_the_end_of_the_server(void **state)
{
    (void)state;
    struct file *hold = open_file(0, "hold", true);
    ended[0] = true;
    next_worker = 1;
    atomic_store(&server.ending, true);
    takeover_look_after(&server);
    assert_taken_over(0, 0);
    close_file(hold);
    assert_taken_over(1, 1);
    assert_int_equal(last_asked(OPERATION_HOLD_GIVE)->worker, 1);
}

/* A worker that its user has taken over sends what would fool a terminal. */
static void test_a_worker_that_sends_control_characters(void **state)
{
    (void)state;
    struct probe_error error = {.text = ""};
    char *bytes = NULL;
    size_t length = 0;
    struct file *file = open_file(0, "sites", false);
    text = "a\tb\n\033[2J\r\x7f\xc2\x9b\xc3\xa9\x01";
    assert_int_equal(file_read(&server, file, 0, 100, &bytes, &length, &error), 0);
    assert_int_equal(length, strlen(text));
    assert_memory_equal(bytes, "a\tb\n?[2J??\xc2?\xc3\xa9?", length);
    free(bytes);
    close_file(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_told_of_a_reset, begin, end),
        cmocka_unit_test_setup_teardown(test_taken_over_at_the_end, begin, end),
        cmocka_unit_test_setup_teardown(test_taken_over_in_vain, begin, end),
        cmocka_unit_test_setup_teardown(test_taking_over_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_one_of_two_has_gone, begin, end),
        cmocka_unit_test_setup_teardown(test_no_round_at_the_end_of_the_server, begin, end),
        cmocka_unit_test_setup_teardown(test_a_worker_that_sends_control_characters, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
