/* SPDX-License-Identifier: MIT */
/*
 * Objects as they are read from forged files, and from files of any bytes.
 *
 * In the environment: FORGE is the script that forges, FORGE_LIST what it says of its cases.
 */
#include "unit.h"

#include "object-file.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/probefs-unit-XXXXXX";

static void in_folder(const char *name, const char *ending, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s%s", folder, name, ending);
}

static int remove_folder(void **state)
{
    (void)state;
    DIR *directory = opendir(folder);
    if (!directory)
        return -1;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[PATH_MAX];
        in_folder(entry->d_name, "", path);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(directory);
    return rmdir(folder);
}

/* Lets the script forge all its cases from libplug.so. */
static int forge_all(void **state)
{
    char input[PATH_MAX];
    pid_t child = 0;
    int status = 0;
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(input, sizeof(input), "%s/libplug.so", from_environment("TARGETS"));
    char *argv[] = {"python3", "-B", (char *)from_environment("FORGE"), "--all", input,
                    folder,    NULL};
    if (posix_spawnp(&child, argv[0], NULL, NULL, argv, environ) != 0 ||
        waitpid(child, &status, 0) != child || status != 0) {
        remove_folder(state);
        return -1;
    }
    return 0;
}

/* Reads the object, and the bytes at its sites. */
static struct object *read_forged(const char *name)
{
    char path[PATH_MAX];
    const uint8_t(*bytes)[SITE_LENGTH] = NULL;
    in_folder(name, ".so", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_msg("cannot open '%s'", path);
    struct object *object = read_object(fd);
    assert_int_equal(object_read_sites(object, fd, &bytes, NULL), 0);
    close(fd);
    return object;
}

static bool is_good(const char *name)
{
    return strcmp(name, "plug_hit") == 0 || strcmp(name, "gc_start") == 0;
}

static bool matches(const struct object *object, const char *expected)
{
    size_t good = 0;
    for (size_t i = 0; i < object->probe_count; i++)
        good += is_good(object->probes[i].name);
    const size_t shown = object->switchable_count;
    if (strcmp(expected, "none") == 0)
        return shown == 0 && object->problem_count == 0;
    if (strcmp(expected, "refused") == 0)
        return shown == 0 && object->problem_count == 1;
    if (strcmp(expected, "left-out") == 0)
        return shown == 2 && good == 2 && object->problem_count == 1;
    if (strcmp(expected, "in-part") == 0)
        return shown == 3 && good == 2 && object->problem_count == 1;
    if (strcmp(expected, "accepted") == 0)
        return good == 2 && object->problem_count == 0;
    return strcmp(expected, "any") == 0;
}

/* Is the object what the script expects? Else says what it is. */
static bool is_as_expected(const char *name, const char *expected)
{
    struct object *object = read_forged(name);
    bool result = matches(object, expected);
    if (!result)
        print_error("%s: expected %s, has %zu probes: %s\n", name, expected, object->probe_count,
                    object->problem_count ? object->problems[0] : "nothing is left out");
    object_free(object);
    return result;
}

static void test_every_case(void **state)
{
    (void)state;
    char name[64];
    char expected[16];
    size_t count = 0;
    size_t wrong = 0;
    FILE *list = fopen(from_environment("FORGE_LIST"), "re");
    assert_non_null(list);
    while (fscanf(list, "%63s %15s %*[^\n]", name, expected) == 2) {
        wrong += !is_as_expected(name, expected);
        count++;
    }
    fclose(list);
    assert_true(count > 100);
    assert_int_equal(wrong, 0);
}

static void test_cases_in_detail(void **state)
{
    (void)state;
    static const struct {
        const char *name, *probe;
        size_t sites, counters;
    } rows[] = {
        {"site-zero-ocaml-2", "forged", 0, 1},       {"two-semaphores-ocaml", "forged", 2, 2},
        {"two-semaphores-sdt", "web:forged", 2, 2},  {"site-twice", "plug_hit", 2, 1},
        {"base-site-zero", "forged", 0, 1},          {"dropped-some-of-name", "forged", 1, 1},
        {"dropped-other-semaphore", "forged", 1, 1},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct object *object = read_forged(rows[i].name);
        const struct object_probe *probe = find_probe(object, rows[i].probe);
        if (probe->counter_count != rows[i].counters)
            fail_msg("%s: %u counters", rows[i].name, probe->counter_count);
        if (rows[i].sites != probe->site_count && strncmp(rows[i].name, "two-", 4) != 0)
            fail_msg("%s: %u sites", rows[i].name, probe->site_count);
        object_free(object);
    }
}

/* Is there a problem of OBJECT with all of the words in it? */
static bool has_problem(const struct object *object, const char *start, const char *example)
{
    for (size_t i = 0; i < object->problem_count; i++) {
        const char *problem = object->problems[i];
        if (strncmp(problem, start, strlen(start)) == 0 && strstr(problem, example))
            return true;
    }
    return false;
}

static void test_what_is_left_out_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *name, *start, *example;
    } rows[] = {
        {"dropped-many", "has 1000 notes left out: the site is outside of the code",
         "(for one, 'forged0' with a site at 0x0)"},
        {"dropped-both", "has 1 note left out: the site is outside", "'web:forged' with a site"},
        {"dropped-into-code", "has 1 note left out: there is no nop", "'web:forged' with a site"},
        {"dropped-semaphore-one", "has 1 note left out: the semaphore is outside",
         "'web:forged' with a semaphore at 0x1"},
        {"two-semaphores", "has 1 probe left out: the notes name different", "'forged' with 0x"},
        {"no-semaphore", "has 1 note left out: the format needs a semaphore", "'forged'"},
        {"empty-name", "has 1 note left out: the name is empty", "with a site at 0x"},
        {"no-strings", "has 1 note left out: the description is cut short", ""},
        {"truncated-header", "has 1 section of notes that cannot be read to the end", ""},
        {"section-beyond-file", "has 1 section of notes that cannot be read to the end", ""},
        {"segment-overflow", "is not used: its program headers make no sense", ""},
        {"dropped-kinds", "has 1 note left out: the site", "'forged'"},
        {"dropped-kinds", "has 1 note left out: the semaphore", "'forged'"},
        {"dropped-kinds", "has 1 note left out: the format", "'forged'"},
        {"dropped-kinds", "has 1 note left out: the name", ""},
        {"dropped-kinds", "has 1 note left out: the description", ""},
        {"dropped-kinds", "has 1 probe left out: the notes name different", "'both'"},
        {"dropped-kinds", "has 1 section of notes", ""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct object *object = read_forged(rows[i].name);
        if (!has_problem(object, rows[i].start, rows[i].example))
            fail_msg("%s: no problem begins '%s'", rows[i].name, rows[i].start);
        object_free(object);
    }
    struct object *object = read_forged("dropped-kinds");
    assert_int_equal(object->problem_count, 7);
    assert_string_equal(object->watch_only,
                        "has 1 note without a semaphore left out: such a probe can be watched, "
                        "not switched (for one, 'web:forged')");
    object_free(object);
}

/* Moved as a whole, an object has the same probes: the base says by how much. */
static void test_bases(void **state)
{
    (void)state;
    static const char *const names[] = {"base-shift", "base-shift-up", "base-zero",
                                        "base-section-gone"};
    int fd = open_target("libplug.so");
    struct object *expected = read_object(fd);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct object *object = read_forged(names[i]);
        assert_int_equal(object->site_count, expected->site_count);
        assert_int_equal(object->counter_count, expected->counter_count);
        for (size_t s = 0; s < expected->site_count; s++)
            assert_true(object->sites[s].address == expected->sites[s].address);
        for (size_t c = 0; c < expected->counter_count; c++)
            assert_true(object->counters[c].address == expected->counters[c].address);
        object_free(object);
    }
    object_free(expected);
    close(fd);
}

/* ---- any bytes at all -------------------------------------------------------------------- */

static void read_anything(const uint8_t *file, size_t size)
{
    struct object *object = NULL;
    const uint8_t(*bytes)[SITE_LENGTH] = NULL;
    int fd = make_file(file, size);
    int status = object_read(fd, NULL, &object, NULL);
    assert_true(status == 0 || status == -EIO);
    if (status == 0) {
        check_object(object);
        assert_int_equal(object_read_sites(object, fd, &bytes, NULL), 0);
        object_free(object);
    }
    close(fd);
}

static void test_cut_short_anywhere(void **state)
{
    (void)state;
    size_t size = 0;
    int fd = open_target("libplug.so");
    uint8_t *bytes = read_file(fd, &size);
    for (size_t length = 0; length < size; length += length < 256 ? 1 : 61)
        read_anything(bytes, length);
    free(bytes);
    close(fd);
}

static void test_changed_anywhere(void **state)
{
    (void)state;
    enum { ROUNDS = 4000 };
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
    size_t size = 0;
    uint32_t seed = 20260101;
    int fd = open_target("libplug.so");
    uint8_t *good = read_file(fd, &size);
    uint8_t *bytes = malloc(size);
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)good;
    assert_non_null(bytes);
    for (size_t round = 0; round < ROUNDS; round++) {
        memcpy(bytes, good, size);
        for (size_t change = 0; change <= round % 3; change++) {
            /* Mostly where it matters: in the headers, and behind the code. */
            seed = seed * 1664525 + 1013904223;
            size_t at = round % 2 ? (seed >> 8) % 1024
                                  : header->e_shoff + (seed >> 8) % (size - header->e_shoff);
            if (round % 5 == 0)
                at = (seed >> 8) % size;
            seed = seed * 1664525 + 1013904223;
            bytes[at] = values[(seed >> 8) % sizeof(values)];
        }
        read_anything(bytes, size);
    }
    free(bytes);
    free(good);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_case),
        cmocka_unit_test(test_cases_in_detail),
        cmocka_unit_test(test_what_is_left_out_is_told),
        cmocka_unit_test(test_bases),
        cmocka_unit_test(test_cut_short_anywhere),
        cmocka_unit_test(test_changed_anywhere),
    };
    return cmocka_run_group_tests(tests, forge_all, remove_folder);
}
