/* SPDX-License-Identifier: MIT */
/* Which probes a pattern means, and whose references an update forgets. */
#include "unit.h"

#include "update/update.h"

#include <errno.h>
#include <stdlib.h>

/* Sorted, as a target's probes are. */
static const char *const names[] = {"alloc",    "gc_major", "gc_start", "gc_stop",
                                    "request*", "web:gc",   "x%2Cy"};
enum { COUNT = ARRAY_LENGTH(names), ALLOC = 0, MAJOR, START, STOP, REQUEST, WEB, XY };

/* Each probe has a counter of its own, but for the last two, which share one. */
static struct counter counters[COUNT];
static struct object object = {.counters = counters, .counter_count = COUNT};
static const struct loaded loaded = {.object = &object, .bias = 0x10000};
static struct object_probe object_probes[COUNT];
static struct part parts[COUNT];
static struct target_probe probes[COUNT];
static struct probe_target target;

static int set_up(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        counters[i].address = 4ULL * (i == XY ? WEB : i);
        object_probes[i] =
            (struct object_probe){.name = names[i], .first_counter = i, .counter_count = 1};
        parts[i] = (struct part){&object_probes[i], &loaded};
        probes[i] = (struct target_probe){i, 1};
    }
    target = (struct probe_target){
        .image = PROBE_IMAGE_NONE,
        .generation = 1,
        .parts = parts,
        .part_count = COUNT,
        .probes = probes,
        .probe_count = COUNT,
    };
    target.image.pid = 4711;
    return 0;
}

static struct probe_update *begin(void)
{
    struct probe_update *update = NULL;
    assert_int_equal(probe_update_new(&target, &update), 0);
    return update;
}

static void check(const char *pattern, enum probe_action action, unsigned int value,
                  const size_t *indices, size_t count)
{
    struct probe_update *update = begin();
    struct probe_error error = {.text = ""};
    ssize_t matched = probe_update_add_pattern(update, pattern, action, value, &error);
    if (matched != (ssize_t)count)
        fail_msg("'%s': %zd: %s", pattern, matched, error.text);
    assert_int_equal(update->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(update->indices[i], indices[i]);
        assert_int_equal(update->changes[i].probe, i);
        assert_int_equal(update->changes[i].action, action);
        assert_int_equal(update->changes[i].value, value);
        assert_null(update->changes[i].only);
    }
    probe_update_free(update);
}

#define INDICES(...)           (const size_t[]){__VA_ARGS__}, ARRAY_LENGTH(((const size_t[]){__VA_ARGS__}))
#define CHECK_ON(pattern, ...) check(pattern, PROBE_SWITCH_ON, 0, INDICES(__VA_ARGS__))

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        if (i != REQUEST) /* no such name is shown: its '*' would be escaped */
            CHECK_ON(names[i], i);
    }
    check("gc_start", PROBE_COUNT_SET, 12, INDICES(START));
}

static void test_globs(void **state)
{
    (void)state;
    CHECK_ON("*", ALLOC, MAJOR, START, STOP, REQUEST, WEB, XY);
    CHECK_ON("gc_*", MAJOR, START, STOP);
    CHECK_ON("gc_sto?", STOP);
    CHECK_ON("[ax]*", ALLOC, XY);
    CHECK_ON("gc_[!m]*", START, STOP);
    CHECK_ON("*gc", WEB);
    CHECK_ON("request\\*", REQUEST);
    CHECK_ON("???:*", WEB); /* a colon is nothing special */
}

static void test_regexes(void **state)
{
    (void)state;
    CHECK_ON("~gc", MAJOR, START, STOP, WEB);
    CHECK_ON("~^gc_(start|stop)$", START, STOP);
    CHECK_ON("~,|%2C", XY);
    CHECK_ON("~", ALLOC, MAJOR, START, STOP, REQUEST, WEB, XY);
    CHECK_ON("~^a+l{2}", ALLOC);
    CHECK_ON("~^[[:lower:]_]{2,100}$", ALLOC, MAJOR, START, STOP);
    CHECK_ON("~^(gc_(st(ar|o))[pt]+)+$", START, STOP);
    CHECK_ON("~[])(*+:\\]g", WEB);
    CHECK_ON("~^a*l+o?c*.?$", ALLOC);
}

static char *repeated(const char *head, const char *piece, size_t count, const char *tail)
{
    char *text = calloc(1, strlen(head) + count * strlen(piece) + strlen(tail) + 1);
    assert_non_null(text);
    char *end = stpcpy(text, head);
    while (count-- > 0)
        end = stpcpy(end, piece);
    memcpy(end, tail, strlen(tail) + 1);
    return text;
}

static void check_refused(const char *pattern, const char *sentence)
{
    struct probe_update *update = begin();
    struct probe_error error = {.text = ""};
    ssize_t status = probe_update_add_pattern(update, pattern, PROBE_SWITCH_ON, 0, &error);
    if (status != -EINVAL)
        fail_msg("'%.40s': %zd", pattern, status);
    assert_sentence(error, sentence);
    probe_update_free(update);
}

/* What regcomp() and regexec() of glibc would take all memory, or the stack, or hours for. */
static void test_costly_regexes(void **state)
{
    (void)state;
    static const struct {
        const char *head, *piece;
        size_t count;
        const char *tail, *sentence;
    } rows[] = {
        {"~a", "+", 22, "", "repeats a repetition"},
        {"~", "(", 20, "a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+", "too large"},
        {"~", "(", 16000, "", "too large"},
        {"~", "(", 40, "", "too deep"},
        {"~a", "|a", 2000, "", "too large"},
        {"~((a{1,30}){1,30})", "{1,30}", 1, "", "too large"},
        {"~a", "{32767}", 1, "", "too large"},
        {"~a", "{2,}", 2, "", "repeats a repetition"},
        {"~(a*)*", "\\1", 1, "b", "back reference"},
        {"~[a]", "{0,1000}", 2, "", "repeats"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char *pattern = repeated(rows[i].head, rows[i].piece, rows[i].count, rows[i].tail);
        check_refused(pattern, rows[i].sentence);
        free(pattern);
    }
}

static void test_pairs(void **state)
{
    (void)state;
    check("gc_start,gc_stop", PROBE_SWITCH_ON, 0, INDICES(STOP, START));
    check("gc_start,gc_stop", PROBE_COUNT_ADD, 0, INDICES(STOP, START));
    check("gc_start,gc_stop", PROBE_COUNT_SET, 1, INDICES(STOP, START));
    check("gc_start,gc_stop", PROBE_SWITCH_OFF, 0, INDICES(START, STOP));
    check("gc_start,gc_stop", PROBE_COUNT_SUBTRACT, 0, INDICES(START, STOP));
    check("gc_start,gc_stop", PROBE_COUNT_SET, 0, INDICES(START, STOP));
    check("gc_stop,gc_start", PROBE_SWITCH_ON, 0, INDICES(START, STOP));
}

static void test_no_match(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        int errnum;
    } rows[] = {
        {"gc", ENOENT},
        {"GC_START", ENOENT},
        {"gc_start2", ENOENT},
        {"", ENOENT},
        {"z*", ENOENT},
        {"gc_?", ENOENT},
        {"~^start", ENOENT},
        {"~(", EINVAL},
        {"~[", EINVAL},
        {"~a{9999999}", EINVAL},
        {"gc_start,", EINVAL},
        {",gc_stop", EINVAL},
        {",", EINVAL},
        {"a,b,c", EINVAL},
        {"gc_*,gc_stop", EINVAL},
        {"gc_start,~x", ENOENT},
        {"gc_start,none", ENOENT},
        {"none,gc_stop", ENOENT},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct probe_update *update = begin();
        struct probe_error error = {.text = ""};
        ssize_t status =
            probe_update_add_pattern(update, rows[i].pattern, PROBE_SWITCH_ON, 0, &error);
        if (status != -rows[i].errnum)
            fail_msg("'%s': %zd", rows[i].pattern, status);
        assert_true(error.text[0] != '\0');
        assert_int_equal(
            probe_update_add_pattern(update, rows[i].pattern, PROBE_SWITCH_ON, 0, NULL),
            -rows[i].errnum);
        probe_update_free(update);
    }
}

static void test_twice(void **state)
{
    (void)state;
    struct probe_update *update = begin();
    struct probe_error error = {.text = ""};
    assert_int_equal(probe_update_add_pattern(update, "gc_*", PROBE_COUNT_SET, 2, NULL), 3);
    assert_int_equal(probe_update_add_pattern(update, "gc_start", PROBE_COUNT_SET, 2, NULL), 1);
    assert_int_equal(update->count, 3);
    assert_int_equal(probe_update_add_pattern(update, "gc_start", PROBE_COUNT_SET, 3, &error),
                     -EINVAL);
    assert_sentence(error, "'gc_start'");
    assert_int_equal(probe_update_add(update, STOP, PROBE_SWITCH_ON, 0, &error), -EINVAL);
    assert_sentence(error, "'gc_stop'");
    assert_int_equal(update->count, 3);
    probe_update_free(update);
}

static void test_objects_that_came_meanwhile(void **state)
{
    (void)state;
    struct probe_update *update = begin();
    target.generation++;
    assert_int_equal(probe_update_add(update, ALLOC, PROBE_SWITCH_ON, 0, NULL), -EAGAIN);
    assert_int_equal(probe_update_add_pattern(update, "*", PROBE_SWITCH_ON, 0, NULL), -EAGAIN);
    target.generation--;
    probe_update_free(update);
}

static void check_resets(const struct probe_update *update, const size_t *expected, size_t count)
{
    size_t *indices = NULL;
    size_t found = 0;
    assert_int_equal(probe_update_resets(update, &indices, &found), 0);
    assert_int_equal(found, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(indices[i], expected[i]);
    free(indices);
}

static void test_resets(void **state)
{
    (void)state;
    struct probe_update *update = begin();
    check_resets(update, NULL, 0);
    assert_int_equal(probe_update_add(update, START, PROBE_COUNT_ADD, 0, NULL), 0);
    assert_int_equal(probe_update_add(update, STOP, PROBE_SWITCH_ON, 0, NULL), 0);
    check_resets(update, NULL, 0);
    assert_int_equal(probe_update_add(update, ALLOC, PROBE_COUNT_SET, 4, NULL), 0);
    check_resets(update, INDICES(ALLOC));
    /* Whoever shares the counter loses its references, too. */
    assert_int_equal(probe_update_add(update, XY, PROBE_SWITCH_OFF, 0, NULL), 0);
    check_resets(update, INDICES(ALLOC, WEB, XY));
    probe_update_free(update);
}

static void check_order(const struct probe_update *update, const size_t *expected, size_t count)
{
    assert_int_equal(update->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(update->indices[i], expected[i]);
        assert_int_equal(update->changes[i].probe, i);
        assert_int_equal(update->added[expected[i]], i + 1);
    }
}

/* A pair keeps its order, whatever named its probes before. */
static void test_pair_after_glob(void **state)
{
    (void)state;
    struct probe_update *update = begin();
    assert_int_equal(probe_update_add_pattern(update, "gc_*", PROBE_SWITCH_ON, 0, NULL), 3);
    check_order(update, INDICES(MAJOR, START, STOP));
    assert_int_equal(probe_update_add_pattern(update, "gc_start,gc_stop", PROBE_SWITCH_ON, 0, NULL),
                     2);
    check_order(update, INDICES(MAJOR, STOP, START));
    probe_update_free(update);

    update = begin();
    assert_int_equal(probe_update_add_pattern(update, "gc_*", PROBE_SWITCH_OFF, 0, NULL), 3);
    assert_int_equal(
        probe_update_add_pattern(update, "gc_start,gc_stop", PROBE_SWITCH_OFF, 0, NULL), 2);
    check_order(update, INDICES(MAJOR, START, STOP));
    probe_update_free(update);
}

static void test_not_open(void **state)
{
    (void)state;
    struct probe_update *update = begin();
    struct probe_error error = {.text = ""};
    assert_int_equal(probe_update_add_pattern(update, "*", PROBE_SWITCH_ON, 0, NULL), COUNT);
    assert_int_equal(probe_update_apply(update, &error), -EACCES);
    assert_sentence(error, "4711");
    probe_update_free(update);
    probe_update_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_globs),
        cmocka_unit_test(test_regexes),  cmocka_unit_test(test_costly_regexes),
        cmocka_unit_test(test_pairs),    cmocka_unit_test(test_no_match),
        cmocka_unit_test(test_twice),    cmocka_unit_test(test_objects_that_came_meanwhile),
        cmocka_unit_test(test_resets),   cmocka_unit_test(test_pair_after_glob),
        cmocka_unit_test(test_not_open),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
