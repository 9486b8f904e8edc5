/* SPDX-License-Identifier: MIT */
/*
 * Objects as they are read from files that the build made, in every format. The addresses of
 * counters are compared with the files' own symbols.
 */
#include "unit.h"

#include "object-file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

static void check_demo_sites(struct object *object, int fd)
{
    const uint8_t(*bytes)[SITE_LENGTH] = NULL;
    assert_false(object_sites_are_read(object));
    assert_int_equal(object_read_sites(object, fd, &bytes, NULL), 0);
    assert_true(object_sites_are_read(object));
    for (size_t p = 0; p < object->probe_count; p++) {
        const struct object_probe *probe = &object->probes[p];
        uint8_t byte = strcmp(probe->name, "boot") == 0 ? 0xe8 : 0x3d; /* on from the start */
        for (uint32_t i = 0; i < probe->site_count; i++) {
            assert_int_equal(bytes[probe->first_site + i][0], 0x90);
            assert_int_equal(bytes[probe->first_site + i][1], byte);
        }
    }
    /* It is known from here on: no file is needed. */
    const uint8_t(*again)[SITE_LENGTH] = NULL;
    assert_int_equal(object_read_sites(object, -1, &again, NULL), 0);
    assert_ptr_equal(again, bytes);
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
    assert_int_equal(object->problem_count, 0);
    assert_int_equal(object->is_fixed, fixed);
    assert_int_equal(object->probe_count, ARRAY_LENGTH(probes));
    for (size_t i = 0; i < ARRAY_LENGTH(probes); i++) {
        bool no_site = strcmp(file, "demo-ocaml_2") == 0 && strcmp(probes[i].name, "idle") == 0;
        uint64_t symbol = find_symbol(bytes, prefix, probes[i].name);
        assert_true(symbol != 0);
        check_demo_probe(object, probes[i].name, no_site ? 0 : probes[i].sites, symbol + shift,
                         shift == 0);
    }
    check_demo_sites(object, fd);
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
    assert_int_equal(object->switchable_count, ARRAY_LENGTH(rows));
    assert_int_equal(object->probe_count, ARRAY_LENGTH(rows) + 1);
    assert_int_equal(find_probe(object, "web:silent")->counter_count, 0); /* it can be watched */
    assert_int_equal(find_probe(object, "web:silent")->site_count, 1);
    assert_true(object->sites[find_probe(object, "web:silent")->first_site].counter ==
                SITE_NO_COUNTER);
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
    assert_false(object->is_fixed);
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
    const uint8_t(*bytes)[SITE_LENGTH] = NULL;
    assert_int_equal(object->probe_count, 1000);
    assert_int_equal(object->site_count, 3000);
    assert_int_equal(object_read_sites(object, fd, &bytes, NULL), 0);
    for (size_t i = 0; i < object->site_count; i++)
        assert_int_equal(bytes[i][0], 0x90);
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
        assert_int_equal(object->problem_count, 0);
        object_free(object);
        close(fds[i]);
    }
}

static void test_free_of_nothing(void **state)
{
    (void)state;
    object_free(NULL);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
