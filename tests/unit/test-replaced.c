/* SPDX-License-Identifier: MIT */
/*
 * A library that is unloaded, built anew in the same file and loaded again: with the same mappings
 * and other counters. What is written must be a counter of what is loaded now.
 */
#include "unit.h"

#include "object-file.h"
#include "probe-engine.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How far the semaphores of the second library are from those of the first. */
enum { SHIFT = 2 };

/* Offsets in a note, from the name of its owner on. */
enum { SEMAPHORE = 8 + 16, PROVIDER = 8 + 24 };

static const char provider[] = "systap1"; /* as long as that of the library */
static const char probe[] = "systap1:plug_hit";

static struct probe_engine *engine;
static struct probe_target *target;
static char path[64];
static int file;
static uint64_t semaphore; /* of plug_hit, in the first library */

/* Makes its probes SystemTap's, whose semaphores are SHIFT behind where they are. */
static void forge_notes(uint8_t *bytes, size_t size, uint64_t shift)
{
    static const char owner[] = "stapsdt";
    uint8_t *at = bytes;
    while ((at = memmem(at, size - (size_t)(at - bytes), owner, sizeof(owner)))) {
        uint64_t address = 0;
        if (strcmp((char *)at + PROVIDER, "ocaml_1") == 0) {
            memcpy(&address, at + SEMAPHORE, sizeof(address));
            if (strcmp((char *)at + PROVIDER + sizeof(provider), "plug_hit") == 0)
                semaphore = address;
            address += shift;
            memcpy(at + SEMAPHORE, &address, sizeof(address));
            memcpy(at + PROVIDER, provider, sizeof(provider));
        }
        at += sizeof(owner);
    }
    assert_true(semaphore > 0);
}

static struct timespec changed(void)
{
    struct stat status;
    assert_int_equal(fstat(file, &status), 0);
    return status.st_ctim;
}

/* Writes the library until the file system, whose clock ticks slowly, has another time for it. */
static void build(uint64_t shift)
{
    size_t size = 0;
    int plug = open_target("libplug.so");
    uint8_t *bytes = read_file(plug, &size);
    const struct timespec before = changed();
    struct timespec after = before;
    forge_notes(bytes, size, shift);
    while (before.tv_sec == after.tv_sec && before.tv_nsec == after.tv_nsec) {
        assert_int_equal(pwrite(file, bytes, size, 0), (ssize_t)size);
        after = changed();
    }
    free(bytes);
    close(plug);
}

/* Loads what was built last; returns where plug_hit of the first library has its semaphore then. */
static uint16_t *load(void **library)
{
    struct link_map *map = NULL;
    void *loaded = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(loaded);
    assert_int_equal(dlinfo(loaded, RTLD_DI_LINKMAP, &map), 0);
    *library = loaded;
    return (uint16_t *)(map->l_addr + semaphore);
}

static int change_once(enum probe_action action, struct probe_error *error)
{
    struct probe_update *update = NULL;
    int status = probe_target_look(target, error);
    ssize_t index = status < 0 ? status : probe_target_find(target, probe);
    if (index < 0)
        return (int)index;
    assert_int_equal(probe_update_new(target, &update), 0);
    status = probe_update_add(update, (size_t)index, action, 0, error);
    if (status == 0)
        status = probe_update_apply(update, error);
    probe_update_free(update);
    return status;
}

/* As all clients do: where objects came or went, begins again. */
static void change(enum probe_action action)
{
    struct probe_error error = {.text = ""};
    int status = -EAGAIN;
    while (status == -EAGAIN)
        status = change_once(action, &error);
    if (status < 0)
        fail_msg("status %d: %s", status, error.text);
}

static uint16_t read_counter(void)
{
    struct probe_snapshot *snapshot = NULL;
    struct probe_error error = {.text = ""};
    assert_int_equal(probe_target_look(target, &error), 0);
    size_t index = (size_t)probe_target_find(target, probe);
    assert_int_equal(probe_snapshot_take(target, &index, 1, &snapshot, &error), 0);
    uint16_t value = probe_snapshot_counter(snapshot, 0, 0);
    probe_snapshot_free(snapshot);
    return value;
}

static int begin(void **state)
{
    struct probe_error error = {.text = ""};
    (void)state;
    snprintf(path, sizeof(path), "/tmp/probefs-replaced-XXXXXX");
    file = mkstemp(path);
    assert_true(file >= 0);
    build(0);
    assert_int_equal(probe_engine_new(NULL, &engine), 0);
    assert_int_equal(probe_target_open(engine, getpid(), PROBE_WRITE, &target, &error), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    probe_target_close(target);
    probe_engine_free(engine);
    close(file);
    return unlink(path);
}

/* Begins with the first library known, and the second one loaded at the same place. */
static uint16_t *replace(void **library)
{
    uint16_t *first = load(library);
    change(PROBE_COUNT_ADD);
    assert_int_equal(*first, 1);
    change(PROBE_COUNT_SUBTRACT);
    assert_int_equal(*first, 0);
    assert_int_equal(dlclose(*library), 0);
    build(SHIFT);
    assert_ptr_equal(load(library), first);
    return first;
}

static void test_written(void **state)
{
    (void)state;
    void *library = NULL;
    uint16_t *first = replace(&library);
    change(PROBE_COUNT_ADD);
    assert_int_equal(first[0], 0);
    assert_int_equal(first[SHIFT / 2], 1);
    assert_int_equal(dlclose(library), 0);
}

/* A look may take the files for the same for a second. */
static void test_read(void **state)
{
    (void)state;
    void *library = NULL;
    uint16_t *first = replace(&library);
    first[SHIFT / 2] = 7;
    for (int tries = 0; tries < 600 && read_counter() != 7; tries++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_int_equal(read_counter(), 7);
    assert_int_equal(dlclose(library), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_written, begin, end),
        cmocka_unit_test_setup_teardown(test_read, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
