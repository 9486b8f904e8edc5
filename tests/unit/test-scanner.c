/* SPDX-License-Identifier: MIT */
/* Scans of a worker: on live processes, some of which make whoever looks at them wait. */
#include "unit.h"

#include "service/scanner.h"
#include "shared/clock.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLAIN = 40, SILENT_MAX = 64 };

#define SECOND_MS INT64_C(1000)

static pid_t plain[PLAIN]; /* without probes */
static pid_t demo;         /* with */
static struct scanner *scanner;
static const struct scan_listing no_listing;

/* ---- looks that wait ---------------------------------------------------------------------- */

/* Looks at these wait until they are let go. */
static pthread_mutex_t silence = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pid_t silent_first, silent_last;
static unsigned int waiting;

/* The linker's names. NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_probe_image_identify(struct probe_engine *engine, pid_t pid, struct probe_image_id *id);

/* The linker has the scanner call this one. */
int __wrap_probe_image_identify(struct probe_engine *engine, pid_t pid, struct probe_image_id *id)
{
    pthread_mutex_lock(&silence);
    waiting++;
    while (pid >= silent_first && pid <= silent_last)
        pthread_cond_wait(&changed, &silence);
    waiting--;
    pthread_mutex_unlock(&silence);
    return __real_probe_image_identify(engine, pid, id);
}

static atomic_bool threads_start = true;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *data);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *data)
{
    return threads_start ? __real_pthread_create(thread, attributes, function, data) : EAGAIN;
}

static unsigned int rounds_ended;
static size_t forgotten; /* in the last of them */

size_t __real_probe_survey_end_round(struct probe_survey *survey, uint64_t round);

size_t __wrap_probe_survey_end_round(struct probe_survey *survey, uint64_t round)
{
    rounds_ended++;
    forgotten = __real_probe_survey_end_round(survey, round);
    return forgotten;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void silence_pids(pid_t first, pid_t last)
{
    pthread_mutex_lock(&silence);
    silent_first = first;
    silent_last = last;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&silence);
}

/* ---- processes ---------------------------------------------------------------------------- */

static pid_t start_demo(void)
{
    char path[PATH_MAX];
    char line[64];
    char *argv[] = {"demo", "-q", "-i", "100000", NULL};
    int ends[2];
    pid_t pid = 0;
    posix_spawn_file_actions_t actions;
    snprintf(path, sizeof(path), "%s/demo-ocaml_1", getenv("TARGETS"));
    assert_int_equal(pipe(ends), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    assert_int_equal(posix_spawn(&pid, path, &actions, NULL, argv, NULL), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    assert_true(read(ends[0], line, sizeof(line)) > 0); /* it says its pid */
    close(ends[0]);
    return pid;
}

static int start_processes(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLAIN; i++) {
        plain[i] = fork();
        assert_true(plain[i] >= 0);
        if (plain[i] == 0) {
            pause();
            _exit(0);
        }
    }
    demo = start_demo();
    return 0;
}

static int stop_processes(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLAIN; i++)
        kill(plain[i], SIGKILL);
    kill(demo, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0)
        continue;
    return 0;
}

static struct probe_engine *engine;

static int begin(void **state)
{
    (void)state;
    assert_int_equal(probe_engine_new(NULL, &engine), 0);
    assert_int_equal(scanner_new(engine, &scanner), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    silence_pids(0, 0);
    scanner_free(scanner);
    probe_engine_free(engine);
    return 0;
}

/* Scans demo and all others, and then COUNT pids from FIRST on; returns how long that took. */
static int64_t scan(struct scan_entry *entries, pid_t first, size_t count, int64_t wait_ms)
{
    const struct timespec start = clock_now();
    memset(entries, 0xa5, (PLAIN + 1 + count) * sizeof(*entries));
    for (size_t i = 0; i < count; i++)
        entries[i].pid = first + (pid_t)i;
    entries[count].pid = demo;
    for (size_t i = 0; i < PLAIN; i++)
        entries[count + 1 + i].pid = plain[i];
    assert_int_equal(
        scanner_scan(scanner, entries, PLAIN + 1 + count, wait_ms * CLOCK_MILLISECOND, &no_listing),
        0);
    return -clock_left(&start) / CLOCK_MILLISECOND;
}

/* Scans again and again until ENTRIES[I] has that answer; those who were stuck have to come back.
 */
static void scan_until(struct scan_entry *entries, pid_t first, size_t count, size_t i,
                       enum scan_answer answer)
{
    const struct timespec patience = clock_after(60 * CLOCK_SECOND);
    do
        scan(entries, first, count, SECOND_MS);
    while (entries[i].answer != answer && !clock_is_past(&patience));
    assert_int_equal(entries[i].answer, answer);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void test_answers(void **state)
{
    (void)state;
    struct scan_entry entries[PLAIN + 2];
    struct probe_image_id id;
    assert_int_equal(__real_probe_image_identify(engine, demo, &id), 0);
    for (int round = 0; round < 3; round++) {
        scan(entries, PLAIN * 100000, 1, 60 * SECOND_MS);
        assert_int_equal(entries[0].answer, SCAN_HAS_NONE); /* there is no such process */
        assert_int_equal(entries[1].answer, SCAN_HAS_PROBES);
        assert_int_equal(entries[1].pid, demo);
        assert_true(probe_image_id_equal(&entries[1].id, &id));
        for (size_t i = 2; i < PLAIN + 2; i++)
            assert_int_equal(entries[i].answer, SCAN_HAS_NONE);
    }
}

/* The same pid twice, and none at all. */
static void test_odd_scans(void **state)
{
    (void)state;
    struct scan_entry entries[] = {{.pid = demo}, {.pid = demo}};
    assert_int_equal(scanner_scan(scanner, entries, 0, SECOND_MS * CLOCK_MILLISECOND, &no_listing),
                     0);
    assert_int_equal(scanner_scan(scanner, entries, 2, 60 * CLOCK_SECOND, &no_listing), 0);
    assert_int_equal(entries[0].answer, SCAN_HAS_PROBES);
    assert_int_equal(entries[1].answer, SCAN_HAS_PROBES);
}

/* A listing of these, by questions for HALF of them and for the others, as part of a listing. */
static void list(struct scan_entry *entries, size_t half, size_t count, uint64_t number)
{
    const struct scan_listing listing = {number, count};
    const unsigned int ended = rounds_ended;
    assert_int_equal(scanner_scan(scanner, entries, half, 60 * CLOCK_SECOND, &listing), 0);
    assert_int_equal(rounds_ended, ended);
    assert_int_equal(
        scanner_scan(scanner, entries + half, count - half, 60 * CLOCK_SECOND, &listing), 0);
}

/* When all of a listing were looked at, what it did not ask for is forgotten. */
static void test_listings(void **state)
{
    (void)state;
    struct scan_entry entries[PLAIN];
    const unsigned int before = rounds_ended;
    for (size_t i = 0; i < PLAIN; i++)
        entries[i].pid = plain[i];
    list(entries, 10, PLAIN, 1);
    assert_int_equal(rounds_ended, before + 1);
    assert_int_equal(forgotten, 0);
    list(entries, 4, 20, 2);
    assert_int_equal(rounds_ended, before + 2);
    assert_int_equal(forgotten, PLAIN - 20);
    /* What comes late of an older one, or is part of none, ends nothing. */
    list(entries, 10, PLAIN, 1);
    assert_int_equal(scanner_scan(scanner, entries, 1, 60 * CLOCK_SECOND, &no_listing), 0);
    assert_int_equal(rounds_ended, before + 2);
}

/* A listing is not at its end while a process was not looked at, for lack of time. */
static void test_a_listing_without_time(void **state)
{
    (void)state;
    struct scan_entry entries[] = {{.pid = demo}, {.pid = INT_MAX}};
    const unsigned int before = rounds_ended;
    silence_pids(INT_MAX, INT_MAX);
    assert_int_equal(
        scanner_scan(scanner, entries, 2, CLOCK_SECOND / 10, &(struct scan_listing){3, 2}), 0);
    assert_int_equal(rounds_ended, before);
    /* But it is, where all that is left is stuck. */
    assert_int_equal(
        scanner_scan(scanner, entries, 2, 60 * CLOCK_SECOND, &(struct scan_listing){4, 2}), 0);
    assert_int_equal(rounds_ended, before + 1);
    silence_pids(0, 0);
}

/* Silent ones cost the first scan all of its time, and later ones nothing; others are answered. */
static void test_silent_ones(void **state)
{
    (void)state;
    enum { SILENT = 8 };
    struct scan_entry entries[PLAIN + 1 + SILENT];
    const pid_t first = INT_MAX - SILENT; /* above all pids that there are */
    silence_pids(first, INT_MAX);
    scan(entries, first, SILENT, SECOND_MS); /* by then, a thread is stuck at each */
    for (int round = 0; round < 3; round++) {
        int64_t took = scan(entries, first, SILENT, 60 * SECOND_MS);
        for (size_t i = 0; i < SILENT; i++)
            assert_int_equal(entries[i].answer, SCAN_UNKNOWN);
        assert_int_equal(entries[SILENT].answer, SCAN_HAS_PROBES);
        for (size_t i = SILENT + 1; i < PLAIN + 1 + SILENT; i++)
            assert_int_equal(entries[i].answer, SCAN_HAS_NONE);
        if (took >= 60 * SECOND_MS)
            fail_msg("round %d took %ld ms", round, (long)took);
    }
    /* Once they speak, they are answered as others are. */
    silence_pids(0, 0);
    for (size_t i = 0; i < SILENT; i++)
        scan_until(entries, first, SILENT, i, SCAN_HAS_NONE);
}

/* Of this test, with the one that it runs in. */
static unsigned int count_threads(void)
{
    unsigned int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *task = readdir(tasks); task; task = readdir(tasks))
        count += task->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/* So many that no thread is left: the scan has an end, and no thread is started for each. */
static void test_more_than_there_are_threads(void **state)
{
    (void)state;
    static struct scan_entry entries[PLAIN + 1 + SILENT_MAX];
    const pid_t first = INT_MAX - SILENT_MAX;
    silence_pids(first, INT_MAX);
    for (int round = 0; round < 2; round++) {
        int64_t took = scan(entries, first, SILENT_MAX, 10 * SECOND_MS);
        for (size_t i = 0; i < SILENT_MAX; i++)
            assert_int_equal(entries[i].answer, SCAN_UNKNOWN);
        if (took >= 10 * SECOND_MS)
            fail_msg("round %d took %ld ms", round, (long)took);
    }
    pthread_mutex_lock(&silence);
    assert_true(waiting <= 32);
    pthread_mutex_unlock(&silence);
    silence_pids(0, 0);
    scan_until(entries, first, SILENT_MAX, SILENT_MAX, SCAN_HAS_PROBES);
    /* Once none is stuck, two are enough. */
    const struct timespec patience = clock_after(60 * CLOCK_SECOND);
    while (count_threads() > 3 && !clock_is_past(&patience))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(count_threads(), 3);
    scan_until(entries, first, SILENT_MAX, SILENT_MAX, SCAN_HAS_PROBES);
}

/* A scan that no thread could be started for tells nothing of those after it. */
static void test_a_limit_of_threads(void **state)
{
    (void)state;
    struct scan_entry entries[PLAIN + 1];
    threads_start = false;
    scan(entries, 0, 0, SECOND_MS);
    threads_start = true;
    assert_int_equal(entries[0].answer, SCAN_UNKNOWN);
    scan(entries, 0, 0, 60 * SECOND_MS);
    assert_int_equal(entries[0].answer, SCAN_HAS_PROBES);
}

/* Nor if all that there are then are stuck, and stay so. */
static void test_a_limit_behind_silent_ones(void **state)
{
    (void)state;
    enum { SILENT = 2 };
    struct scan_entry entries[PLAIN + 1 + SILENT];
    const pid_t first = INT_MAX - SILENT;
    silence_pids(first, INT_MAX);
    scan(entries, first, 1, SECOND_MS);
    threads_start = false;
    scan(entries, first, SILENT, SECOND_MS);
    threads_start = true;
    scan(entries, first, SILENT, 60 * SECOND_MS);
    assert_int_equal(entries[0].answer, SCAN_UNKNOWN);
    assert_int_equal(entries[SILENT].answer, SCAN_HAS_PROBES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, begin, end),
        cmocka_unit_test_setup_teardown(test_odd_scans, begin, end),
        cmocka_unit_test_setup_teardown(test_listings, begin, end),
        cmocka_unit_test_setup_teardown(test_a_listing_without_time, begin, end),
        cmocka_unit_test_setup_teardown(test_silent_ones, begin, end),
        cmocka_unit_test_setup_teardown(test_more_than_there_are_threads, begin, end),
        cmocka_unit_test_setup_teardown(test_a_limit_of_threads, begin, end),
        cmocka_unit_test_setup_teardown(test_a_limit_behind_silent_ones, begin, end),
    };
    return cmocka_run_group_tests(tests, start_processes, stop_processes);
}
