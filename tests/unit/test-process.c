/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "server/proc.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_pids(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        pid_t pid;
    } rows[] = {
        {"1", 1},
        {"9", 9},
        {"1234", 1234},
        {"4194304", 4194304},
        {"2147483647", 2147483647},
        {"2147483648", -1},
        {"4294967297", -1},
        {"9223372036854775808", -1},
        {"99999999999999999999999999", -1},
        {"", -1},
        {"0", -1},
        {"01", -1},
        {"+1", -1},
        {"-1", -1},
        {" 1", -1},
        {"1 ", -1},
        {"1\n", -1},
        {"1x", -1},
        {"0x1", -1},
        {"1e3", -1},
        {"self", -1},
        {".", -1},
        {"..", -1},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char *text = exact_copy(rows[i].text, strlen(rows[i].text) + 1);
        assert_int_equal(process_parse(text), rows[i].pid);
        free(text);
    }
}

static void *ask_for_a_thread(void *data)
{
    struct process_user user;
    (void)data;
    assert_int_equal(process_of_thread(gettid()), getpid());
    assert_int_equal(process_find_user(gettid(), -1, &user), -ENOENT);
    return NULL;
}

static void test_this_process(void **state)
{
    (void)state;
    struct process_user user;
    uid_t uid = 0;
    gid_t gid = 0;
    pthread_t thread;
    assert_int_equal(process_find_user(getpid(), -1, &user), 0);
    assert_int_equal(user.uid, getuid());
    assert_int_equal(user.gid, getgid());
    assert_int_equal(process_find_owner(getpid(), &uid, &gid), 0);
    assert_int_equal(uid, geteuid());
    assert_int_equal(process_of_thread(getpid()), getpid());
    assert_int_equal(pthread_create(&thread, NULL, ask_for_a_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Through a descriptor, which also says that it has ended. */
static void test_a_descriptor(void **state)
{
    (void)state;
    struct process_user user;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* where the test fails */
        pause();
        _exit(0);
    }
    int process = process_open(child);
    assert_true(process >= 0);
    assert_int_equal(process_find_user(child, process, &user), 0);
    assert_int_equal(user.uid, getuid());
    assert_int_equal(user.gid, getgid());
    assert_false(process_has_ended(process));
    assert_true(process_has_memory(child));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(process_has_ended(process));
    assert_int_equal(process_find_user(child, process, &user), -ENOENT);
    assert_int_equal(process_open(child), -ENOENT);
    assert_false(process_has_memory(child));
    close(process);
    /* Where this is the machine's own pid namespace, the first thread of the kernel is 2. */
    char name[16] = "";
    FILE *file = fopen("/proc/2/comm", "r");
    if (file && fgets(name, sizeof(name), file) && strcmp(name, "kthreadd\n") == 0)
        assert_false(process_has_memory(2));
    if (file)
        fclose(file);
}

static void test_groups(void **state)
{
    (void)state;
    gid_t groups[1024];
    int count = getgroups(ARRAY_LENGTH(groups), groups);
    assert_true(count >= 0);
    for (gid_t gid = 0; gid < 3000; gid++) {
        bool is_in = false;
        for (int i = 0; i < count; i++)
            is_in = is_in || groups[i] == gid;
        assert_int_equal(process_is_in_group(getpid(), gid), is_in);
    }
    assert_false(process_is_in_group(0, 0));
}

static void test_no_process(void **state)
{
    (void)state;
    struct process_user user;
    uid_t uid = 0;
    gid_t gid = 0;
    pid_t none = 1 << 30; /* beyond every pid_max there can be */
    assert_int_equal(process_find_user(none, -1, &user), -ENOENT);
    assert_int_equal(process_find_owner(none, &uid, &gid), -ENOENT);
    assert_int_equal(process_of_thread(none), -ENOENT);
}

static void test_list(void **state)
{
    (void)state;
    pid_t *pids = NULL;
    size_t count = 0;
    bool found = false;
    assert_int_equal(process_list(&pids, &count), 0);
    for (size_t i = 0; i < count; i++) {
        found = found || pids[i] == getpid();
        if (i > 0)
            assert_true(pids[i - 1] < pids[i]);
    }
    assert_true(found);
    free(pids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pids),       cmocka_unit_test(test_this_process),
        cmocka_unit_test(test_no_process), cmocka_unit_test(test_groups),
        cmocka_unit_test(test_list),       cmocka_unit_test(test_a_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
