/* SPDX-License-Identifier: MIT */
/* The table of formats and the bytes of a site, against the words of the documentation. */
#include "unit.h"

#include "arch/arch.h"
#include "object/format.h"

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *provider;
        struct format row;
    } rows[] = {
        {"ocaml", {"ocaml", 0, true, false, true, true, true, false}},
        {"ocaml.1", {"ocaml.1", 2, false, true, true, true, true, false}},
        {"ocaml_1", {"ocaml_1", 2, false, true, true, true, true, false}},
        {"ocaml_2", {"ocaml_2", 2, false, true, true, false, true, false}},
        {"web", {NULL, 0, false, false, false, false, false, true}},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct format *found = format_find(rows[i].provider);
        const struct format *expected = &rows[i].row;
        if (expected->provider)
            assert_string_equal(found->provider, expected->provider);
        else
            assert_null(found->provider);
        assert_int_equal(found->counter_shift, expected->counter_shift);
        assert_int_equal(found->named_layout, expected->named_layout);
        assert_int_equal(found->one_semaphore, expected->one_semaphore);
        assert_int_equal(found->needs_semaphore, expected->needs_semaphore);
        assert_int_equal(found->patched, expected->patched);
        assert_int_equal(found->prefixed, expected->prefixed);
        /* A site of 0 means something in the last format of OCaml alone. */
        if (expected->patched)
            assert_int_equal(found->needs_site, expected->needs_site);
    }
}

static void test_any_other_provider(void **state)
{
    (void)state;
    static const char *const others[] = {"",         "ocaml_", "ocaml_3", "ocaml.2", "OCAML",
                                         "ocaml_1 ", "ocam",   "python",  " ocaml"};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        assert_ptr_equal(format_find(others[i]), format_find("web"));
}

static const uint8_t off[SITE_LENGTH] = {0x90, 0x3d, 0x11, 0x22, 0x33, 0x44};
static const uint8_t on[SITE_LENGTH] = {0x90, 0xe8, 0x11, 0x22, 0x33, 0x44};

static void test_switch(void **state)
{
    (void)state;
    assert_int_equal(off[arch_switch_offset], arch_switch_off);
    assert_int_equal(on[arch_switch_offset], arch_switch_on);
}

static void test_site_in_every_byte(void **state)
{
    (void)state;
    for (size_t at = 0; at < SITE_LENGTH; at++) {
        for (unsigned int byte = 0; byte < 256; byte++) {
            uint8_t memory[SITE_LENGTH];
            memcpy(memory, off, sizeof(memory));
            memory[at] = (uint8_t)byte;
            bool expected =
                byte == off[at] || (at == 0 && byte == 0xcc) || (at == 1 && byte == 0xe8);
            assert_int_equal(arch_is_site(memory, off), expected);
            assert_int_equal(arch_is_site(memory, on), expected);
        }
    }
}

static void test_file_that_has_no_site(void **state)
{
    (void)state;
    for (size_t at = 0; at < 2; at++) {
        for (unsigned int byte = 0; byte < 256; byte++) {
            uint8_t file[SITE_LENGTH];
            memcpy(file, off, sizeof(file));
            file[at] = (uint8_t)byte;
            bool expected = byte == off[at] || (at == 1 && byte == 0xe8);
            assert_int_equal(arch_is_site(off, file), expected);
        }
    }
}

static void test_traced(void **state)
{
    (void)state;
    for (unsigned int byte = 0; byte < 256; byte++) {
        uint8_t memory[SITE_LENGTH];
        memcpy(memory, off, sizeof(memory));
        memory[0] = (uint8_t)byte;
        assert_int_equal(arch_is_traced(memory, off), byte == 0xcc || byte == 0xe8);
        assert_int_equal(arch_has_uprobe(memory, off), byte == 0xcc || byte == 0xe8);
    }
    /* A program whose own code begins so is not traced. */
    static const uint8_t breakpoint[SITE_LENGTH] = {0xcc};
    static const uint8_t call[SITE_LENGTH] = {0xe8};
    assert_false(arch_is_traced(breakpoint, breakpoint));
    assert_false(arch_is_traced(call, call));
    assert_true(arch_is_traced(breakpoint, call));
    assert_false(arch_has_uprobe(breakpoint, breakpoint));
    assert_false(arch_has_uprobe(call, call));
}

/* A site of libbpf's usdt.h: tracers attach to the five-byte nop behind the first. */
static void test_traced_behind_a_nop(void **state)
{
    (void)state;
    static const uint8_t combination[SITE_LENGTH] = {0x90, 0x0f, 0x1f, 0x44, 0x00, 0x00};
    assert_false(arch_is_traced(combination, combination));
    for (unsigned int byte = 0; byte < 256; byte++) {
        uint8_t memory[SITE_LENGTH];
        uint8_t file[SITE_LENGTH];
        memcpy(memory, combination, sizeof(memory));
        memory[1] = (uint8_t)byte;
        assert_int_equal(arch_is_traced(memory, combination), byte == 0xcc || byte == 0xe8);
        /* In OCaml's sites the same bytes are a switch. */
        assert_false(arch_is_traced(memory, off));
        /* Behind any other nop there is code of the program's own. */
        for (size_t at = 1; at < SITE_LENGTH; at++) {
            memcpy(file, combination, sizeof(file));
            file[at] ^= 1;
            assert_false(arch_is_traced(memory, file));
        }
    }
    const uint8_t called[SITE_LENGTH] = {0x90, 0xe8, 1, 2, 3, 4};
    assert_true(arch_is_traced(called, combination));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_any_other_provider),
        cmocka_unit_test(test_switch),
        cmocka_unit_test(test_site_in_every_byte),
        cmocka_unit_test(test_file_that_has_no_site),
        cmocka_unit_test(test_traced),
        cmocka_unit_test(test_traced_behind_a_nop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
