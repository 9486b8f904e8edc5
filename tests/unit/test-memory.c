/* SPDX-License-Identifier: MIT */
/* Reads and writes of this process's own memory, through the descriptors of its image. */
#include "unit.h"

#include "update/plan-apply.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))
enum { PAGES = 8 };

/* Eight pages that count up, the fourth and the last of which cannot be read. */
static uint8_t *pages;
static struct probe_image image;

static uint8_t byte_at(size_t offset)
{
    return (uint8_t)(offset * 7 + offset / 251);
}

static int set_up(void **state)
{
    (void)state;
    pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return -1;
    for (size_t i = 0; i < PAGES * PAGE; i++)
        pages[i] = byte_at(i);
    munmap(pages + 3 * PAGE, PAGE);
    munmap(pages + 7 * PAGE, PAGE);
    image = PROBE_IMAGE_NONE;
    image.pid = getpid();
    image.tid = gettid();
    image.own = true;
    image.access = PROBE_WRITE;
    image.mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    return image.mem < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    probe_image_done(&image);
    munmap(pages, 3 * PAGE);
    munmap(pages + 4 * PAGE, 3 * PAGE);
    return 0;
}

static uint64_t address_of(size_t offset)
{
    return (uintptr_t)pages + offset;
}

/* Reads COUNT pieces of LENGTH bytes, STEP apart from START on, asked for in a mixed order. */
static void check_read(size_t start, size_t step, size_t length, size_t count)
{
    struct memory_piece *pieces = calloc(count, sizeof(*pieces));
    uint8_t *bytes = malloc(count * length);
    assert_non_null(pieces);
    assert_non_null(bytes);
    for (size_t i = 0; i < count; i++) {
        size_t which = i * 7919 % count; /* a prime: each comes once, unless it divides count */
        pieces[i] =
            (struct memory_piece){address_of(start + which * step), length, bytes + which * length};
    }
    assert_int_equal(memory_read(&image, pieces, count, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        for (size_t b = 0; b < length; b++)
            assert_int_equal(bytes[i * length + b], byte_at(start + i * step + b));
    }
    free(bytes);
    free(pieces);
}

static void check_both_ways(size_t start, size_t step, size_t length, size_t count)
{
    image.own = true; /* by pid, in spans */
    check_read(start, step, length, count);
    image.own = false; /* through the descriptor, piece by piece */
    check_read(start, step, length, count);
    image.own = true;
}

static void test_pieces(void **state)
{
    (void)state;
    check_both_ways(0, 1, 1, 1);
    check_both_ways(100, 4, 2, 16);
    check_both_ways(100, 4, 2, 17);
    check_both_ways(0, 2, 2, 3 * PAGE / 2);
    check_both_ways(0, 2, 6, 1000); /* they overlap */
    check_both_ways(5, 0, 6, 100);  /* all the same */
    check_both_ways(PAGE - 3, 1, 6, 2);
}

static void test_around_a_hole(void **state)
{
    (void)state;
    /* One span would go over the page that is not there. */
    uint8_t before[2];
    uint8_t behind[2];
    struct memory_piece pieces[] = {{address_of(4 * PAGE), 2, behind},
                                    {address_of(3 * PAGE - 2), 2, before}};
    assert_int_equal(memory_read(&image, pieces, 2, NULL), 0);
    assert_int_equal(before[1], byte_at(3 * PAGE - 1));
    assert_int_equal(behind[0], byte_at(4 * PAGE));
}

static void test_more_than_one_call_takes(void **state)
{
    (void)state;
    /* Too far apart for spans, and more than IOV_MAX. */
    enum { COUNT = 3000 };
    const size_t stride = 3 * PAGE;
    uint8_t *area = mmap(NULL, COUNT * stride, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct memory_piece *pieces = calloc(COUNT, sizeof(*pieces));
    uint16_t *values = calloc(COUNT, sizeof(*values));
    assert_ptr_not_equal(area, MAP_FAILED);
    assert_non_null(pieces);
    assert_non_null(values);
    for (size_t i = 0; i < COUNT; i++) {
        uint16_t value = (uint16_t)(i + 1);
        memcpy(area + i * stride, &value, sizeof(value));
        pieces[i] = (struct memory_piece){(uintptr_t)area + i * stride, sizeof(value),
                                          (uint8_t *)&values[i]};
    }
    assert_int_equal(memory_read(&image, pieces, COUNT, NULL), 0);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(values[i], i + 1);
    free(values);
    free(pieces);
    munmap(area, COUNT * stride);
}

static void test_nothing_to_read(void **state)
{
    (void)state;
    assert_int_equal(memory_read(&image, NULL, 0, NULL), 0);
}

static void test_a_page_that_is_not_there(void **state)
{
    (void)state;
    uint8_t bytes[4];
    struct probe_error error = {.text = ""};
    struct memory_piece inside = {address_of(3 * PAGE), 2, bytes};
    assert_int_equal(memory_read(&image, &inside, 1, &error), -EFAULT);
    assert_sentence(error, "cannot read 2 bytes");
    struct memory_piece across = {address_of(3 * PAGE - 1), 2, bytes};
    assert_int_equal(memory_read(&image, &across, 1, NULL), -EFAULT);
    struct memory_piece wild[] = {{UINT64_MAX - 1, 2, bytes}, {8, 2, bytes + 2}};
    assert_int_equal(memory_read(&image, wild, 2, NULL), -EFAULT);
}

static struct memory_writer writer_of(const struct probe_image *of)
{
    static struct memory_refusals refusals;
    refusals = (struct memory_refusals){0};
    return (struct memory_writer){
        .image = of,
        .way = MEMORY_RUNNING,
        .tid = gettid(),
        .refusals = &refusals,
    };
}

static void test_not_open(void **state)
{
    (void)state;
    uint8_t byte = 0;
    struct probe_error error = {.text = ""};
    struct memory_piece piece = {address_of(0), 1, &byte};
    struct probe_image closed = PROBE_IMAGE_NONE;
    closed.pid = 77;
    assert_int_equal(memory_read(&closed, &piece, 1, &error), -EACCES);
    assert_sentence(error, "77");
    struct probe_image reader = image;
    struct memory_writer writer = writer_of(&reader);
    reader.access = PROBE_READ;
    assert_int_equal(memory_write_code(&writer, address_of(0), 'x', &error), -EACCES);
    assert_int_equal(memory_write_counter(&writer, address_of(0), 1, &error), -EACCES);
    assert_int_equal(pages[0], byte_at(0));
}

static void test_write(void **state)
{
    (void)state;
    static const enum memory_way ways[] = {MEMORY_RUNNING, MEMORY_STOPPED, MEMORY_SELF};
    struct memory_writer writer = writer_of(&image);
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        uint16_t value = (uint16_t)(0xbee0 + i);
        uint16_t now = 0;
        writer.way = ways[i];
        assert_int_equal(memory_write_counter(&writer, address_of(10), value, NULL), 0);
        memcpy(&now, pages + 10, sizeof(now));
        assert_int_equal(now, value);
        assert_int_equal(pages[9], byte_at(9));
        assert_int_equal(pages[12], byte_at(12));
    }
    writer.way = MEMORY_RUNNING;
    assert_int_equal(memory_write_code(&writer, address_of(9), 'x', NULL), 0);
    assert_int_equal(pages[9], 'x');
    assert_int_equal(pages[8], byte_at(8));
    for (size_t i = 8; i < 13; i++)
        pages[i] = byte_at(i);
}

static void test_write_to_what_is_read_only(void **state)
{
    (void)state;
    const struct memory_writer writer = writer_of(&image);
    assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_READ), 0);
    int status = memory_write_code(&writer, address_of(PAGE), 'x', NULL);
    /* Kernels may refuse forced writes. */
    if (status == 0)
        assert_int_equal(pages[PAGE], 'x');
    else
        assert_int_equal(status, -EROFS);
    assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
    pages[PAGE] = byte_at(PAGE);
}

/* Into our own code: the page has the permissions afterwards that it had before. */
static void test_write_to_ourselves(void **state)
{
    (void)state;
    struct maps before;
    struct maps after;
    struct memory_writer writer = writer_of(&image);
    assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_READ | PROT_EXEC), 0);
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    assert_int_equal(maps_read(fd, &before), 0);
    writer.way = MEMORY_SELF;
    writer.maps = &before;
    assert_int_equal(memory_write_code(&writer, address_of(PAGE + 5), 'x', NULL), 0);
    assert_int_equal(pages[PAGE + 5], 'x');
    assert_int_equal(pages[PAGE + 4], byte_at(PAGE + 4));
    assert_int_equal(pages[PAGE + 6], byte_at(PAGE + 6));
    assert_int_equal(maps_read(fd, &after), 0);
    const struct mapping *mapping = maps_find(&after, address_of(PAGE));
    assert_non_null(mapping);
    assert_true(mapping->readable && mapping->executable && !mapping->writable);
    assert_int_equal(memory_write_code(&writer, address_of(3 * PAGE), 'x', NULL), -EFAULT);
    maps_done(&before);
    maps_done(&after);
    close(fd);
    assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
    pages[PAGE + 5] = byte_at(PAGE + 5);
}

static bool is_code(int maps_fd, const void *page)
{
    struct maps maps;
    assert_int_equal(maps_read(maps_fd, &maps), 0);
    const struct mapping *mapping = maps_find(&maps, (uintptr_t)page);
    assert_non_null(mapping);
    bool code = mapping->readable && mapping->executable && !mapping->writable;
    maps_done(&maps);
    return code;
}

/* A page of code whose file has become shorter: whoever touches it gets SIGBUS, but not here. */
static void test_write_to_ourselves_where_the_file_ended(void **state)
{
    (void)state;
    struct maps maps;
    struct probe_error error = {.text = ""};
    struct memory_writer writer = writer_of(&image);
    int file = memfd_create("code", MFD_CLOEXEC);
    assert_int_equal(ftruncate(file, 2 * (off_t)PAGE), 0);
    uint8_t *code = mmap(NULL, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
    assert_ptr_not_equal(code, MAP_FAILED);
    assert_int_equal(ftruncate(file, (off_t)PAGE), 0);
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    assert_int_equal(maps_read(fd, &maps), 0);
    writer.way = MEMORY_SELF;
    writer.maps = &maps;
    assert_int_equal(memory_write_code(&writer, (uintptr_t)code + PAGE + 5, 'x', &error), -EFAULT);
    assert_sentence(error, "cannot write the code");
    assert_true(is_code(fd, code + PAGE));
    assert_int_equal(memory_write_code(&writer, (uintptr_t)code + 5, 'x', &error), 0);
    assert_int_equal(code[5], 'x');
    assert_true(is_code(fd, code));
    maps_done(&maps);
    close(fd);
    close(file);
    munmap(code, 2 * PAGE);
}

/* A kernel that lets nobody write mem: what is stopped, or ours, is written by pid. */
static void test_write_where_mem_is_refused(void **state)
{
    (void)state;
    struct probe_image reader = image;
    struct memory_writer writer = writer_of(&reader);
    struct probe_error error = {.text = ""};
    reader.mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    assert_int_equal(memory_write_counter(&writer, address_of(10), 0x7878, &error), -EROFS);
    assert_int_equal(memory_write_code(&writer, address_of(10), 'x', &error), -EROFS);
    assert_true(writer.refusals->counters && writer.refusals->code);
    assert_int_equal(pages[10], byte_at(10));
    for (int tries = 0; tries < 2; tries++) {
        writer.way = MEMORY_STOPPED;
        *writer.refusals = (struct memory_refusals){0};
        assert_int_equal(memory_write_counter(&writer, address_of(10), 0x7878, &error), 0);
        assert_true(writer.refusals->counters && pages[10] == 'x' && pages[11] == 'x');
        pages[10] = byte_at(10);
        pages[11] = byte_at(11);
        /* What is not there is not refused. */
        writer.refusals->counters = false;
        assert_int_equal(memory_write_counter(&writer, address_of(3 * PAGE), 1, NULL), -EBADF);
        assert_false(writer.refusals->counters);
        writer.tid = 0; /* no thread has stopped by itself: code cannot be written */
        assert_int_equal(memory_write_code(&writer, address_of(10), 'x', &error), -ETIMEDOUT);
        assert_sentence(error, "wait for an answer");
    }
    assert_int_equal(pages[10], byte_at(10));
    close(reader.mem);
}

static void test_write_to_nothing(void **state)
{
    (void)state;
    struct probe_error error = {.text = ""};
    const struct memory_writer writer = writer_of(&image);
    int status = memory_write_counter(&writer, address_of(3 * PAGE), 1, &error);
    assert_true(status == -EIO || status == -EFAULT);
    assert_sentence(error, "semaphore");
    assert_true(memory_write_code(&writer, address_of(3 * PAGE), 1, &error) < 0);
    assert_sentence(error, "code");
}

/* Half of a counter is none, whatever errno was before: nothing sets it when a byte was written. */
static void test_a_write_that_is_cut_short_fails(void **state)
{
    (void)state;
    static const enum memory_way ways[] = {MEMORY_RUNNING, MEMORY_STOPPED};
    static const int before[] = {0, ENOENT};
    uint8_t last = pages[3 * PAGE - 1];
    struct memory_writer writer = writer_of(&image);
    for (size_t i = 0; i < 4; i++) {
        writer.way = ways[i % 2];
        errno = before[i / 2];
        int status = memory_write_counter(&writer, address_of(3 * PAGE - 1), 0x7878, NULL);
        pages[3 * PAGE - 1] = last;
        if (status != -EFAULT && status != -EIO)
            fail_msg("status %d where errno was %d", status, before[i / 2]);
    }
}

/* ---- plans ------------------------------------------------------------------------------- */

static uint16_t counter_at(size_t offset)
{
    uint16_t value = 0;
    memcpy(&value, pages + offset, sizeof(value));
    return value;
}

static void set_counter(size_t offset, uint16_t value)
{
    memcpy(pages + offset, &value, sizeof(value));
}

static int apply(const struct plan_step *steps, size_t count)
{
    struct probe_engine *engine = NULL;
    const struct memory_writer writer = writer_of(&image);
    const struct plan plan = {(struct plan_step *)steps, count};
    assert_int_equal(probe_engine_new(NULL, &engine), 0);
    int status = plan_apply(engine, &writer, &plan, NULL);
    probe_engine_free(engine);
    return status;
}

static void test_a_plan(void **state)
{
    (void)state;
    const struct plan_step steps[] = {{address_of(100), false, 0, 1},
                                      {address_of(200), true, 0x3d, 0xe8}};
    set_counter(100, 0);
    pages[200] = 0x3d;
    assert_int_equal(apply(steps, 2), 0);
    assert_int_equal(counter_at(100), 1);
    assert_int_equal(pages[200], 0xe8);
    assert_int_equal(pages[201], byte_at(201));
    assert_int_equal(apply(steps, 0), 0);
}

/* The last step fails: what was done before is undone. */
static void test_a_plan_that_fails(void **state)
{
    (void)state;
    const struct plan_step steps[] = {{address_of(100), false, 0, 1},
                                      {address_of(104), false, 7, 0},
                                      {address_of(200), true, 0x3d, 0xe8},
                                      {address_of(3 * PAGE), false, 0, 1},
                                      {address_of(300), true, 0x3d, 0xe8}};
    set_counter(100, 0);
    set_counter(104, 7);
    pages[200] = pages[300] = 0x3d;
    assert_true(apply(steps, ARRAY_LENGTH(steps)) < 0);
    assert_int_equal(counter_at(100), 0);
    assert_int_equal(counter_at(104), 7);
    assert_int_equal(pages[200], 0x3d);
    assert_int_equal(pages[300], 0x3d);
}

/* Steps are undone from the last to the first, each by the distance that it went. */
static void test_undoing_in_reverse(void **state)
{
    (void)state;
    const struct plan_step add[] = {{address_of(100), false, 5, 6},
                                    {address_of(100), false, 6, 9},
                                    {address_of(3 * PAGE), false, 0, 1}};
    set_counter(100, 5);
    assert_true(apply(add, ARRAY_LENGTH(add)) < 0);
    assert_int_equal(counter_at(100), 5);
    const struct plan_step site[] = {{address_of(200), true, 0x3d, 0xe8},
                                     {address_of(200), true, 0xe8, 0xcc},
                                     {address_of(3 * PAGE), false, 0, 1}};
    pages[200] = 0x3d;
    assert_true(apply(site, ARRAY_LENGTH(site)) < 0);
    assert_int_equal(pages[200], 0x3d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_around_a_hole),
        cmocka_unit_test(test_more_than_one_call_takes),
        cmocka_unit_test(test_nothing_to_read),
        cmocka_unit_test(test_a_page_that_is_not_there),
        cmocka_unit_test(test_not_open),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_write_to_what_is_read_only),
        cmocka_unit_test(test_write_to_ourselves),
        cmocka_unit_test(test_write_to_ourselves_where_the_file_ended),
        cmocka_unit_test(test_write_where_mem_is_refused),
        cmocka_unit_test(test_write_to_nothing),
        cmocka_unit_test(test_a_write_that_is_cut_short_fails),
        cmocka_unit_test(test_a_plan),
        cmocka_unit_test(test_a_plan_that_fails),
        cmocka_unit_test(test_undoing_in_reverse),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
