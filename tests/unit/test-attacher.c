/* SPDX-License-Identifier: MIT */
/*
 * What an attacher refuses: plans that make no sense, and watchers that cannot prove their right.
 * All of it comes before anything that takes a capability.
 */
#include "unit.h"

#include "watch/fd-message.h"
#include "watch/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SITES = 3, RECIPES = 2, SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW };

/* A plan as it lies in its file. */
struct plan {
    struct request_file files[1];
    uint64_t offsets[SITES], references[SITES], cookies[SITES];
    struct watch_recipe recipes[RECIPES];
};

/* A request that is right, for tests to break. */
struct trial {
    struct probe_engine *engine;
    struct probe_grant grant;
    uint64_t *memory; /* see probe_attacher_serve() */
    struct attach_request request;
    struct plan plan;
    int seals;
    int mem, file;
    size_t file_fds; /* how many descriptors of files come */
};

static int open_own(const char *name, int flags)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/%s", name);
    int fd = open(path, flags | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static int set_up(void **state)
{
    struct trial *trial = calloc(1, sizeof(*trial));
    assert_non_null(trial);
    *trial = (struct trial){
        .grant = {getpid(), geteuid(), getegid(), 0},
        .request = {.tid = getpid(),
                    .file_count = 1,
                    .site_count = SITES,
                    .recipe_count = RECIPES,
                    .tally_count = WATCH_COUNTS + RECIPES,
                    .ring_size = 1 << 20}, /* a page may have 64 KiB */
        .plan = {.files = {{0, SITES}}, .cookies = {0, 1, 1}, .recipes = {{0}, {.probe = 1}}},
        .seals = SEALS,
        .mem = open_own("mem", O_RDWR),
        .file = open_own("exe", O_RDONLY),
        .file_fds = 1,
    };
    assert_int_equal(probe_engine_new(NULL, &trial->engine), 0);
    *state = trial;
    return 0;
}

static int tear_down(void **state)
{
    struct trial *trial = *state;
    probe_engine_free(trial->engine);
    close(trial->mem);
    close(trial->file);
    free(trial);
    return 0;
}

static int make_plan_file(const struct trial *trial)
{
    int fd = memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, &trial->plan, sizeof(trial->plan)), sizeof(trial->plan));
    assert_int_equal(fcntl(fd, F_ADD_SEALS, trial->seals), 0);
    return fd;
}

/* Sends the request, with the plan in FILE; what the attacher says to the watcher. */
static int ask_with(struct trial *trial, int file, struct probe_error *error)
{
    int ends[2];
    struct probe_attacher *attacher = NULL;
    struct attach_answer answer = {WATCH_ATTACHMENT_NONE, -1, -1};
    const int fds[] = {file, trial->mem, trial->file, trial->file};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(probe_attacher_new(trial->engine, ends[1], &trial->grant, -1, &attacher), 0);
    assert_int_equal(fd_message_send(ends[0], &trial->request, sizeof(trial->request), fds,
                                     REQUEST_FILES + trial->file_fds),
                     0);
    int served = probe_attacher_serve(attacher, trial->memory, error);
    int heard = request_receive(ends[0], &answer, error);
    assert_int_equal(served, heard);
    probe_attacher_free(attacher);
    close(ends[0]);
    return heard;
}

static int ask(struct trial *trial, struct probe_error *error)
{
    int file = make_plan_file(trial);
    int status = ask_with(trial, file, error);
    close(file);
    return status;
}

static void assert_refused(struct trial *trial, int status, const char *what)
{
    struct probe_error error = {.text = ""};
    assert_int_equal(ask(trial, &error), -status);
    assert_sentence(error, what);
}

/* ---- plans ------------------------------------------------------------------------------- */

static void test_counts(void **state)
{
    struct trial *trial = *state;
    const struct attach_request right = trial->request;
    trial->request.site_count = REQUEST_SITES_MAX + 1;
    assert_refused(trial, EINVAL, "makes no sense");
    trial->request = right;
    trial->request.site_count = UINT64_MAX / 8;
    assert_refused(trial, EINVAL, "makes no sense");
    trial->request = right;
    trial->request.recipe_count = 0;
    assert_refused(trial, EINVAL, "makes no sense");
    trial->request = right;
    trial->request.recipe_count = RECIPES + 1; /* the file is too short for them */
    assert_refused(trial, EINVAL, "makes no sense");
    trial->request = right;
    trial->request.ring_size = 3 << 18;
    assert_refused(trial, EINVAL, "makes no sense");
    trial->request = right;
    trial->request.tally_count = REQUEST_TALLIES_MAX + 1;
    assert_refused(trial, EINVAL, "makes no sense");
    trial->request = right;
    trial->file_fds = 2;
    assert_refused(trial, EINVAL, "makes no sense");
}

static void test_files_and_their_sites(void **state)
{
    struct trial *trial = *state;
    trial->plan.files[0] = (struct request_file){1, SITES - 1};
    assert_refused(trial, EINVAL, "makes no sense");
    trial->plan.files[0] = (struct request_file){0, UINT64_MAX};
    assert_refused(trial, EINVAL, "makes no sense");
    trial->plan.files[0] = (struct request_file){0, SITES - 1};
    assert_refused(trial, EINVAL, "makes no sense");
}

static void test_recipes(void **state)
{
    struct trial *trial = *state;
    trial->plan.cookies[2] = RECIPES;
    assert_refused(trial, EINVAL, "makes no sense");
    trial->plan.cookies[2] = 0;
    trial->plan.recipes[1].probe = RECIPES;
    assert_refused(trial, EINVAL, "makes no sense");
    trial->plan.recipes[1].probe = 1;
    trial->plan.recipes[1].count = WATCH_ARGUMENTS_MAX + 1;
    assert_refused(trial, EINVAL, "makes no sense");
}

static void test_a_plan_that_could_change_or_wait(void **state)
{
    struct trial *trial = *state;
    struct probe_error error = {.text = ""};
    trial->seals = F_SEAL_SHRINK | F_SEAL_GROW;
    assert_refused(trial, EINVAL, "makes no sense");
    assert_int_equal(ask_with(trial, trial->file, &error), -EINVAL);
    assert_sentence(error, "makes no sense");
}

static void test_what_is_left(void **state)
{
    struct trial *trial = *state;
    uint64_t memory = trial->request.ring_size;
    trial->memory = &memory;
    assert_refused(trial, ENOMEM, "left for this user");
    assert_int_equal(memory, trial->request.ring_size);
    /* A ring of more than was granted makes no sense, but it has to be a power of two. */
    trial->grant.room = trial->request.ring_size / 2;
    assert_refused(trial, EINVAL, "makes no sense");
    trial->grant.room++;
    assert_refused(trial, ENOMEM, "left for this user");
    trial->grant.room = 1;
    trial->request.ring_size = (uint64_t)sysconf(_SC_PAGESIZE);
    memory = 0;
    assert_refused(trial, ENOMEM, "left for this user");
}

/* ---- rights ------------------------------------------------------------------------------ */

static void test_memory_that_proves_nothing(void **state)
{
    struct trial *trial = *state;
    int right = trial->mem;
    trial->mem = open_own("mem", O_RDONLY);
    assert_refused(trial, EACCES, "opened for writing");
    close(trial->mem);
    trial->mem = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_refused(trial, EACCES, "opened for writing");
    close(trial->mem);
    trial->mem = right;
    trial->grant.pid = getppid();
    trial->request.tid = getppid();
    assert_refused(trial, EACCES, "opened for writing");
}

static void test_another_owner(void **state)
{
    struct trial *trial = *state;
    trial->grant.uid++;
    assert_refused(trial, ESRCH, "another user");
    trial->grant.uid--;
    trial->grant.gid++;
    assert_refused(trial, ESRCH, "another user");
}

static void test_a_thread_of_another_process(void **state)
{
    struct trial *trial = *state;
    trial->request.tid = getppid();
    assert_refused(trial, ESRCH, "ended");
}

static void test_files_that_are_none(void **state)
{
    struct trial *trial = *state;
    int ends[2];
    int right = trial->file;
    assert_int_equal(pipe(ends), 0);
    trial->file = ends[0];
    assert_refused(trial, EINVAL, "a file of its plan is none");
    trial->file = open_own("exe", O_PATH);
    assert_refused(trial, EINVAL, "a file of its plan is none");
    close(trial->file);
    trial->file = right;
    close(ends[0]);
    close(ends[1]);
}

static void test_no_request(void **state)
{
    struct trial *trial = *state;
    int ends[2];
    struct probe_attacher *attacher = NULL;
    struct probe_error error = {.text = ""};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(probe_attacher_new(trial->engine, ends[1], &trial->grant, -1, &attacher), 0);
    assert_int_equal(send(ends[0], "hello", 5, 0), 5);
    assert_int_equal(probe_attacher_serve(attacher, NULL, &error), -EPIPE);
    close(ends[0]);
    assert_int_equal(probe_attacher_serve(attacher, NULL, &error), -EPIPE);
    probe_attacher_free(attacher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_and_their_sites, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_recipes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_plan_that_could_change_or_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_that_proves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_owner, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_thread_of_another_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_that_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_request, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
