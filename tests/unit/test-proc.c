/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "process/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Fields 4 to 52; each has its own number times 10, but for the parent. */
static void make_stat(const char *name, int last_field, char *text, size_t size)
{
    int used = snprintf(text, size, "1234 (%s) S 77", name);
    for (int field = 5; field <= last_field; field++)
        used += snprintf(text + used, size - (size_t)used, " %d", field * 10);
    snprintf(text + used, size - (size_t)used, "\n");
}

static void check_sample(const struct proc_stat *stat)
{
    static const uint64_t layout[] = {260, 270, 280, 450, 460, 470};
    assert_int_equal(sizeof(stat->layout), sizeof(layout));
    assert_int_equal(stat->state, 'S');
    assert_int_equal(stat->parent, 77);
    assert_true(stat->start_time == 220);
    assert_memory_equal(stat->layout, layout, sizeof(layout));
}

static void test_names_that_look_like_fields(void **state)
{
    (void)state;
    static const char *const names[] = {
        "bash", "", " ", ")", "a) R 1 2 3", "((", "x\ny", "1 (1) Z 1 1", ")))) Z",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char text[1024];
        struct proc_stat stat;
        make_stat(names[i], 52, text, sizeof(text));
        assert_int_equal(proc_stat_parse(text, strlen(text), &stat), 0);
        check_sample(&stat);
    }
}

static void test_a_kernel_of_old_has_fewer_fields(void **state)
{
    (void)state;
    char text[1024];
    struct proc_stat stat;
    make_stat("x", 47, text, sizeof(text));
    assert_int_equal(proc_stat_parse(text, strlen(text), &stat), 0);
    check_sample(&stat);
    for (int last = 4; last < 47; last++) {
        make_stat("x", last, text, sizeof(text));
        assert_int_equal(proc_stat_parse(text, strlen(text), &stat), -EINVAL);
    }
}

static void test_what_is_no_stat_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",  "1234", "1234 (x", "1234 (x)", "1234 (x)S 1 2",
                                      ")", ") "};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct proc_stat stat;
        char *text = exact_copy(bad[i], strlen(bad[i]) + 1);
        assert_int_equal(proc_stat_parse(text, strlen(text), &stat), -EINVAL);
        free(text);
    }
}

static void test_large_numbers(void **state)
{
    (void)state;
    char text[2048];
    struct proc_stat stat;
    int used = snprintf(text, sizeof(text), "1 (x) R 1");
    for (int field = 5; field <= 52; field++)
        used += snprintf(text + used, sizeof(text) - (size_t)used, " 18446744073709551615");
    assert_int_equal(proc_stat_parse(text, strlen(text), &stat), 0);
    assert_true(stat.start_time == UINT64_MAX);
    assert_true(stat.layout[0] == UINT64_MAX && stat.layout[5] == UINT64_MAX);
}

static int open_proc(void)
{
    int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(proc >= 0);
    return proc;
}

static void test_this_process(void **state)
{
    (void)state;
    struct proc_stat stat;
    struct proc_stat again;
    int proc = open_proc();
    assert_int_equal(proc_stat_read(proc, getpid(), getpid(), &stat), 0);
    assert_int_equal(proc_stat_read(proc, getpid(), gettid(), &again), 0);
    assert_int_equal(stat.parent, getppid());
    assert_int_equal(stat.state, 'R');
    assert_true(stat.start_time > 0);
    assert_true(stat.start_time == again.start_time);
    assert_memory_equal(stat.layout, again.layout, sizeof(stat.layout));
    close(proc);
}

static void test_status_numbers(void **state)
{
    (void)state;
    int proc = open_proc();
    assert_int_equal(proc_status_number(proc, getpid(), "Uid:"), getuid());
    assert_int_equal(proc_status_number(proc, getpid(), "Tgid:"), getpid());
    assert_int_equal(proc_status_number(proc, getpid(), "NoSuchField:"), -1);
    close(proc);
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    struct proc_stat stat;
    char text[16];
    int proc = open_proc();
    /* Beyond every pid_max there can be. */
    assert_int_equal(proc_open(proc, 1 << 30, 1 << 30, "stat", O_RDONLY), -ENOENT);
    assert_int_equal(proc_stat_read(proc, 1 << 30, 1 << 30, &stat), -ENOENT);
    assert_int_equal(proc_read(proc, getpid(), getpid(), "task", text, sizeof(text)), -EISDIR);
    assert_int_equal(proc_status_number(proc, 1 << 30, "Uid:"), -1);
    close(proc);
}

static void test_read_cuts_to_the_room(void **state)
{
    (void)state;
    char *text = exact_copy("xxxxxxxx", 8);
    int proc = open_proc();
    assert_int_equal(proc_read(proc, getpid(), getpid(), "status", text, 8), 7);
    assert_memory_equal(text, "Name:\t", 6);
    assert_int_equal(text[7], '\0');
    free(text);
    close(proc);
}

static void test_read_all(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 16383, 16384, 16385, 32767, 1 << 20};
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        char *text = NULL;
        char *bytes = malloc(sizes[i] + 1);
        int fd = memfd_create("text", MFD_CLOEXEC);
        assert_non_null(bytes);
        for (size_t at = 0; at < sizes[i]; at++)
            bytes[at] = (char)('a' + at % 26);
        assert_int_equal(write(fd, bytes, sizes[i]), (ssize_t)sizes[i]);
        assert_int_equal(proc_read_all(fd, &text), (ssize_t)sizes[i]);
        assert_memory_equal(text, bytes, sizes[i]);
        assert_int_equal(text[sizes[i]], '\0');
        free(text);
        free(bytes);
        close(fd);
    }
}

static void test_read_all_fails(void **state)
{
    (void)state;
    char *text = (char *)1;
    assert_int_equal(proc_read_all(-1, &text), -EBADF);
    int fd = memfd_create("large", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, (64 << 20) + 1), 0);
    assert_int_equal(proc_read_all(fd, &text), -EFBIG);
    assert_ptr_equal(text, (char *)1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_that_look_like_fields),
        cmocka_unit_test(test_a_kernel_of_old_has_fewer_fields),
        cmocka_unit_test(test_what_is_no_stat_is_refused),
        cmocka_unit_test(test_large_numbers),
        cmocka_unit_test(test_this_process),
        cmocka_unit_test(test_status_numbers),
        cmocka_unit_test(test_what_is_not_there),
        cmocka_unit_test(test_read_cuts_to_the_room),
        cmocka_unit_test(test_read_all),
        cmocka_unit_test(test_read_all_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
