/* SPDX-License-Identifier: MIT */
/*
 * Objects as they are read from files: those that the build made in every format, and forged ones.
 * The addresses of counters are compared with the files' own symbols.
 *
 * In the environment: TARGETS is the folder of the built programs, FORGE the script that forges,
 * FORGE_LIST what it says of its cases.
 */
#include "unit.h"

#include "object.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- files ------------------------------------------------------------------------------ */

static const char *from_environment(const char *name)
{
    const char *value = getenv(name);
    if (!value)
        fail_msg("%s is not in the environment: run this with meson test", name);
    return value;
}

static int open_target(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", from_environment("TARGETS"), name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_msg("cannot open '%s'", path);
    return fd;
}

/* The bytes of a file, to be freed. */
static uint8_t *read_file(int fd, size_t *size)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    uint8_t *bytes = malloc((size_t)status.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(pread(fd, bytes, (size_t)status.st_size, 0), status.st_size);
    *size = (size_t)status.st_size;
    return bytes;
}

static int make_file(const uint8_t *bytes, size_t size)
{
    int fd = memfd_create("object", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    return fd;
}

/* Of good files alone. */
static const Elf64_Shdr *sections_of(const uint8_t *bytes, size_t *count)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)bytes;
    *count = header->e_shnum;
    return (const Elf64_Shdr *)(bytes + header->e_shoff);
}

/* The address of symbol PREFIX + NAME; 0 where there is none. */
static uint64_t find_symbol(const uint8_t *bytes, const char *prefix, const char *name)
{
    char wanted[NAME_MAX];
    size_t count = 0;
    const Elf64_Shdr *sections = sections_of(bytes, &count);
    snprintf(wanted, sizeof(wanted), "%s%s", prefix, name);
    for (size_t i = 0; i < count; i++) {
        if (sections[i].sh_type != SHT_SYMTAB)
            continue;
        const Elf64_Sym *symbols = (const Elf64_Sym *)(bytes + sections[i].sh_offset);
        const char *names = (const char *)bytes + sections[sections[i].sh_link].sh_offset;
        for (size_t s = 0; s < sections[i].sh_size / sizeof(*symbols); s++) {
            if (strcmp(names + symbols[s].st_name, wanted) == 0)
                return symbols[s].st_value;
        }
    }
    return 0;
}

/* ---- objects ---------------------------------------------------------------------------- */

static const struct segment *segment_of(const struct object *object, uint64_t address, size_t size)
{
    for (size_t i = 0; i < object->segment_count; i++) {
        const struct segment *segment = &object->segments[i];
        if (address >= segment->address && size <= segment->memory_size &&
            address - segment->address <= segment->memory_size - size)
            return segment;
    }
    return NULL;
}

static void check_probe(const struct object *object, const struct object_probe *probe)
{
    assert_true(strlen(probe->name) > 0 && strlen(probe->name) <= 255);
    assert_null(strchr(probe->name, '/'));
    assert_true(probe->counter_count > 0);
    assert_true(probe->first_counter + probe->counter_count <= object->counter_count);
    assert_true(probe->first_site + probe->site_count <= object->site_count);
    for (uint32_t i = 0; i < probe->counter_count; i++) {
        const struct counter *counter = &object->counters[probe->first_counter + i];
        assert_non_null(segment_of(object, counter->address, 2));
        if (i > 0)
            assert_true(counter[-1].address < counter->address);
    }
    for (uint32_t i = 0; i < probe->site_count; i++) {
        const struct site *site = &object->sites[probe->first_site + i];
        assert_non_null(segment_of(object, site->address, site->patched ? SITE_LENGTH : 1));
        assert_true(site->counter >= probe->first_counter &&
                    site->counter < probe->first_counter + probe->counter_count);
        if (i > 0)
            assert_true(site[-1].address < site->address);
        assert_true(strlen(object->strings + site->arguments) < SIZE_MAX / 2);
    }
}

/* What is true of every object, whatever is in the file. */
static void check_object(const struct object *object)
{
    if (object->refusal) {
        assert_true(object->refusal[0] != '\0');
        assert_int_equal(object->probe_count, 0);
    }
    if (object->probe_count == 0) {
        assert_int_equal(object->site_count, 0);
        assert_int_equal(object->counter_count, 0);
        assert_int_equal(object->segment_count, 0);
    }
    assert_true(object_size(object) >= sizeof(*object));
    for (size_t i = 0; i < object->probe_count; i++) {
        check_probe(object, &object->probes[i]);
        if (i > 0)
            assert_true(strcmp(object->probes[i - 1].name, object->probes[i].name) < 0);
    }
}

static struct object *read_object(int fd)
{
    struct object *object = NULL;
    struct probe_error error = {""};
    int status = object_read(fd, &object, &error);
    if (status < 0)
        fail_msg("status %d: %s", status, error.text);
    check_object(object);
    return object;
}

static const struct object_probe *find_probe(const struct object *object, const char *name)
{
    for (size_t i = 0; i < object->probe_count; i++) {
        if (strcmp(object->probes[i].name, name) == 0)
            return &object->probes[i];
    }
    fail_msg("there is no probe '%s'", name);
    return NULL;
}

static const struct counter *counter_of(const struct object *object,
                                        const struct object_probe *probe, uint32_t i)
{
    assert_true(i < probe->counter_count);
    return &object->counters[probe->first_counter + i];
}

/* ---- what the build made ----------------------------------------------------------------- */

/* The demo program's probe NAME, whose sites are as in its source. */
static void check_demo_probe(const struct object *object, const char *name, size_t sites,
                             uint64_t counter, bool kernel_counts)
{
    const struct object_probe *probe = find_probe(object, name);
    assert_int_equal(probe->site_count, sites);
    assert_int_equal(probe->counter_count, 1);
    assert_true(counter_of(object, probe, 0)->address == counter);
    assert_int_equal(counter_of(object, probe, 0)->kernel_counts, kernel_counts);
    for (uint32_t i = 0; i < probe->site_count; i++)
        assert_true(object->sites[probe->first_site + i].patched);
}

static void check_demo_text(struct object *object, int fd)
{
    const uint8_t(*text)[SITE_LENGTH] = NULL;
    assert_false(object_has_text(object));
    assert_int_equal(object_text(object, fd, &text, NULL), 0);
    assert_true(object_has_text(object));
    for (size_t p = 0; p < object->probe_count; p++) {
        const struct object_probe *probe = &object->probes[p];
        uint8_t byte = strcmp(probe->name, "boot") == 0 ? 0xe8 : 0x3d; /* on from the start */
        for (uint32_t i = 0; i < probe->site_count; i++) {
            assert_int_equal(text[probe->first_site + i][0], 0x90);
            assert_int_equal(text[probe->first_site + i][1], byte);
        }
    }
    /* It is known from here on: no file is needed. */
    const uint8_t(*again)[SITE_LENGTH] = NULL;
    assert_int_equal(object_text(object, -1, &again, NULL), 0);
    assert_ptr_equal(again, text);
}

static void check_demo(const char *file, const char *prefix, uint64_t shift, bool fixed)
{
    static const struct {
        const char *name;
        size_t sites;
    } probes[] = {{"boot", 1}, {"gc_start", 1}, {"gc_stop", 1}, {"idle", 1}, {"request", 3}};
    size_t size = 0;
    int fd = open_target(file);
    uint8_t *bytes = read_file(fd, &size);
    struct object *object = read_object(fd);
    assert_null(object->refusal);
    assert_int_equal(object->fixed, fixed);
    assert_int_equal(object->probe_count, ARRAY_LENGTH(probes));
    for (size_t i = 0; i < ARRAY_LENGTH(probes); i++) {
        bool no_site = strcmp(file, "demo-ocaml_2") == 0 && strcmp(probes[i].name, "idle") == 0;
        uint64_t symbol = find_symbol(bytes, prefix, probes[i].name);
        assert_true(symbol != 0);
        check_demo_probe(object, probes[i].name, no_site ? 0 : probes[i].sites, symbol + shift,
                         shift == 0);
    }
    check_demo_text(object, fd);
    object_free(object);
    free(bytes);
    close(fd);
}

static void test_formats_of_ocaml(void **state)
{
    (void)state;
    check_demo("demo-ocaml", "camlDemo__semaphore_", 0, false);
    check_demo("demo-ocaml-plus2", "caml_probes_semaphore_", 2, false);
    check_demo("demo-ocaml.1", "caml_probes_semaphore_", 2, false);
    check_demo("demo-ocaml_1", "caml_probes_semaphore_", 2, false);
    check_demo("demo-ocaml_2", "caml_probes_semaphore_", 2, false);
}

static void test_kinds_of_executables(void **state)
{
    (void)state;
    check_demo("demo-no-pie", "caml_probes_semaphore_", 2, true);
    check_demo("demo-static", "caml_probes_semaphore_", 2, true);
    check_demo("demo-static-pie", "caml_probes_semaphore_", 2, false);
}

static void test_stripped(void **state)
{
    (void)state;
    int whole = open_target("demo-ocaml_1");
    int stripped = open_target("demo-stripped");
    struct object *a = read_object(whole);
    struct object *b = read_object(stripped);
    assert_int_equal(b->probe_count, 5);
    assert_int_equal(a->counter_count, b->counter_count);
    for (size_t i = 0; i < a->counter_count; i++)
        assert_true(a->counters[i].address == b->counters[i].address);
    object_free(a);
    object_free(b);
    close(whole);
    close(stripped);
}

/* Without symbols, notes of `ocaml` are taken for the earlier layout. */
static void test_layout_without_symbols(void **state)
{
    (void)state;
    size_t size = 0;
    size_t count = 0;
    int fd = open_target("demo-ocaml-plus2");
    uint8_t *bytes = read_file(fd, &size);
    uint64_t symbol = find_symbol(bytes, "caml_probes_semaphore_", "gc_start");
    Elf64_Shdr *sections = (Elf64_Shdr *)sections_of(bytes, &count);
    for (size_t i = 0; i < count; i++) {
        if (sections[i].sh_type == SHT_SYMTAB)
            sections[i].sh_type = SHT_NULL;
    }
    int stripped = make_file(bytes, size);
    struct object *object = read_object(stripped);
    check_demo_probe(object, "gc_start", 1, symbol, true);
    object_free(object);
    free(bytes);
    close(stripped);
    close(fd);
}

static void test_formats_in_one_file(void **state)
{
    (void)state;
    size_t size = 0;
    int fd = open_target("mixed");
    uint8_t *bytes = read_file(fd, &size);
    struct object *object = read_object(fd);
    assert_int_equal(object->probe_count, 9);

    const struct object_probe *tick = find_probe(object, "tick");
    const uint64_t counters[] = {
        find_symbol(bytes, "camlA__semaphore_", "tick"),
        find_symbol(bytes, "camlB__semaphore_", "tick"),
        find_symbol(bytes, "caml_probes_semaphore_", "tick") + 2,
    };
    assert_int_equal(tick->site_count, 4);
    assert_int_equal(tick->counter_count, 3);
    for (size_t i = 0; i < ARRAY_LENGTH(counters); i++) {
        size_t found = 0;
        for (uint32_t c = 0; c < 3; c++) {
            const struct counter *counter = counter_of(object, tick, c);
            if (counter->address == counters[i]) {
                found++;
                assert_int_equal(counter->kernel_counts, i < 2);
            }
        }
        assert_int_equal(found, 1);
    }
    const struct object_probe *skew = find_probe(object, "skew");
    assert_int_equal(skew->site_count, 2);
    assert_int_equal(skew->counter_count, 1);
    assert_true(counter_of(object, skew, 0)->address ==
                find_symbol(bytes, "caml_probes_semaphore_", "skew") + 2);
    object_free(object);
    free(bytes);
    close(fd);
}

static void test_systemtap(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t sites, counters;
    } rows[] = {
        {"web:cache_hit", 1, 1},    {"web:cache_miss", 1, 1},    {"web:query", 3, 3},
        {"web:request_done", 3, 1}, {"web:request_start", 1, 1},
    };
    int fd = open_target("sdt");
    struct object *object = read_object(fd);
    assert_int_equal(object->probe_count, ARRAY_LENGTH(rows)); /* `silent` is not shown */
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct object_probe *probe = &object->probes[i];
        assert_string_equal(probe->name, rows[i].name);
        assert_int_equal(probe->site_count, rows[i].sites);
        assert_int_equal(probe->counter_count, rows[i].counters);
        for (uint32_t c = 0; c < probe->counter_count; c++)
            assert_true(counter_of(object, probe, c)->kernel_counts);
        for (uint32_t s = 0; s < probe->site_count; s++)
            assert_false(object->sites[probe->first_site + s].patched);
    }
    /* Two probes of one semaphore; three sites of one probe with a semaphore each. */
    assert_true(counter_of(object, &object->probes[0], 0)->address ==
                counter_of(object, &object->probes[1], 0)->address);
    const struct site *query = &object->sites[object->probes[2].first_site];
    assert_true(query[0].counter != query[1].counter && query[1].counter != query[2].counter &&
                query[0].counter != query[2].counter);
    object_free(object);
    close(fd);
}

static void test_arguments(void **state)
{
    (void)state;
    int fd = open_target("libplug.so");
    struct object *object = read_object(fd);
    assert_false(object->fixed);
    assert_int_equal(object->probe_count, 2);
    const struct object_probe *probe = find_probe(object, "plug_hit");
    assert_int_equal(probe->site_count, 2);
    size_t with = 0;
    for (uint32_t i = 0; i < probe->site_count; i++) {
        const char *arguments = object->strings + object->sites[probe->first_site + i].arguments;
        with += strncmp(arguments, "8@%", 3) == 0;
        assert_true(arguments[0] == '\0' || strncmp(arguments, "8@%", 3) == 0);
    }
    assert_int_equal(with, 1);
    object_free(object);
    close(fd);
}

static void test_many(void **state)
{
    (void)state;
    int fd = open_target("many-1000");
    struct object *object = read_object(fd);
    const uint8_t(*text)[SITE_LENGTH] = NULL;
    assert_int_equal(object->probe_count, 1000);
    assert_int_equal(object->site_count, 3000);
    assert_int_equal(object_text(object, fd, &text, NULL), 0);
    for (size_t i = 0; i < object->site_count; i++)
        assert_int_equal(text[i][0], 0x90);
    object_free(object);
    close(fd);
}

/* ---- what is no object ------------------------------------------------------------------- */

static void test_no_probes(void **state)
{
    (void)state;
    const int fds[] = {
        open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
        open("/dev/null", O_RDONLY | O_CLOEXEC),
        make_file((const uint8_t *)"", 0),
        make_file((const uint8_t *)"\x7f"
                                   "ELF",
                  4),
        make_file((const uint8_t *)"#!/bin/sh\n", 10),
        make_file((const uint8_t *)"!<arch>\n", 8),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        assert_true(fds[i] >= 0);
        struct object *object = read_object(fds[i]);
        assert_int_equal(object->probe_count, 0);
        assert_null(object->refusal);
        object_free(object);
        close(fds[i]);
    }
}

static void test_free_of_nothing(void **state)
{
    (void)state;
    object_free(NULL);
}

/* ---- forged ones ------------------------------------------------------------------------- */

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

/* Reads the object and its text; returns NULL where reading the text fails. */
static struct object *read_forged(const char *name)
{
    char path[PATH_MAX];
    const uint8_t(*text)[SITE_LENGTH] = NULL;
    in_folder(name, ".so", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_msg("cannot open '%s'", path);
    struct object *object = read_object(fd);
    assert_int_equal(object_text(object, fd, &text, NULL), 0);
    close(fd);
    return object;
}

/* Is the object what the script expects? Else says what it is. */
static bool is_as_expected(const char *name, const char *expected)
{
    struct object *object = read_forged(name);
    size_t good = 0;
    bool refused = object->refusal;
    for (size_t i = 0; i < object->probe_count; i++)
        good += strcmp(object->probes[i].name, "plug_hit") == 0 ||
                strcmp(object->probes[i].name, "gc_start") == 0;
    bool result = strcmp(expected, "refused") == 0    ? refused
                  : strcmp(expected, "accepted") == 0 ? !refused && good == 2
                  : strcmp(expected, "none") == 0     ? object->probe_count == 0
                                                      : true;
    if (!result)
        print_error("%s: expected %s, has %zu probes (%zu of the good ones): %s\n", name, expected,
                    object->probe_count, good, refused ? object->refusal : "not refused");
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
        {"site-zero-ocaml-2", "forged", 0, 1},      {"two-semaphores-ocaml", "forged", 2, 2},
        {"two-semaphores-sdt", "web:forged", 2, 2}, {"site-twice", "plug_hit", 2, 1},
        {"base-site-zero", "forged", 0, 1},
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

static void read_anything(const uint8_t *bytes, size_t size)
{
    struct object *object = NULL;
    const uint8_t(*text)[SITE_LENGTH] = NULL;
    int fd = make_file(bytes, size);
    int status = object_read(fd, &object, NULL);
    assert_true(status == 0 || status == -EIO);
    if (status == 0) {
        check_object(object);
        assert_int_equal(object_text(object, fd, &text, NULL), 0);
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
        cmocka_unit_test(test_formats_of_ocaml),
        cmocka_unit_test(test_kinds_of_executables),
        cmocka_unit_test(test_stripped),
        cmocka_unit_test(test_layout_without_symbols),
        cmocka_unit_test(test_formats_in_one_file),
        cmocka_unit_test(test_systemtap),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_no_probes),
        cmocka_unit_test(test_free_of_nothing),
        cmocka_unit_test(test_every_case),
        cmocka_unit_test(test_cases_in_detail),
        cmocka_unit_test(test_bases),
        cmocka_unit_test(test_cut_short_anywhere),
        cmocka_unit_test(test_changed_anywhere),
    };
    return cmocka_run_group_tests(tests, forge_all, remove_folder);
}
