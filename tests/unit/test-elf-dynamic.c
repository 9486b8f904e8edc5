/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "arch/arch.h"
#include "object/elf-dynamic.h"

#include <elf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* A small program; addresses are offsets plus BASE. */
enum { BASE = 0x400000 };

static struct program {
    Elf64_Ehdr file;
    Elf64_Phdr headers[3];
    Elf64_Dyn entries[12];
    char strings[128];
    char loader[16];
} program;

enum { NEEDED_1 = 1, NEEDED_2 = 11, SONAME = 21, RPATH = 31, RUNPATH = 41 };

static size_t count;

static void add_entry(int64_t tag, uint64_t value)
{
    assert_true(count < 12);
    program.entries[count++] = (Elf64_Dyn){.d_tag = tag, .d_un.d_val = value};
}

static int make_program(void **state)
{
    static const char strings[] = "\0libone.so\0libtwo.so\0libme.so1\0/rpath/xx\0$ORIGIN/y";
    (void)state;
    memset(&program, 0, sizeof(program));
    memcpy(program.file.e_ident, ELFMAG "\2\1\1", 7);
    program.file.e_type = ET_DYN;
    program.file.e_machine = arch_machine;
    program.file.e_phoff = offsetof(struct program, headers);
    program.file.e_phentsize = sizeof(Elf64_Phdr);
    program.file.e_phnum = 3;
    program.headers[0] =
        (Elf64_Phdr){.p_type = PT_LOAD, .p_vaddr = BASE, .p_filesz = sizeof(program)};
    program.headers[1] = (Elf64_Phdr){
        .p_type = PT_DYNAMIC, .p_vaddr = BASE + offsetof(struct program, entries), .p_offset = 7};
    program.headers[2] = (Elf64_Phdr){
        .p_type = PT_INTERP, .p_offset = offsetof(struct program, loader), .p_filesz = 16};
    memcpy(program.strings, strings, sizeof(strings));
    memcpy(program.loader, "/lib/ld.so", 11);
    count = 0;
    add_entry(DT_NEEDED, NEEDED_1);
    add_entry(DT_SONAME, SONAME);
    add_entry(DT_NEEDED, NEEDED_2);
    add_entry(DT_STRTAB, BASE + offsetof(struct program, strings));
    return 0;
}

static int read_of_length(size_t length, struct elf_dynamic *dynamic)
{
    int fd = memfd_create("program", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, &program, length), length);
    int status = elf_dynamic_read(fd, dynamic);
    close(fd);
    return status;
}

static int read_program(struct elf_dynamic *dynamic)
{
    return read_of_length(sizeof(program), dynamic);
}

static void assert_refused(int expected)
{
    struct elf_dynamic dynamic;
    assert_int_equal(read_program(&dynamic), expected);
}

static void test_what_it_asks_for(void **state)
{
    struct elf_dynamic dynamic;
    (void)state;
    add_entry(DT_RPATH, RPATH);
    add_entry(DT_RUNPATH, RUNPATH);
    add_entry(DT_FLAGS_1, DF_1_NODEFLIB | DF_1_NOW);
    assert_int_equal(read_program(&dynamic), 1);
    assert_string_equal(dynamic.loader, "/lib/ld.so");
    assert_string_equal(dynamic.soname, "libme.so1");
    assert_string_equal(dynamic.rpath, "/rpath/xx");
    assert_string_equal(dynamic.runpath, "$ORIGIN/y");
    assert_int_equal(dynamic.needed_count, 2);
    assert_string_equal(dynamic.needed[0], "libone.so");
    assert_string_equal(dynamic.needed[1], "libtwo.so");
    assert_true(dynamic.no_default);
    elf_dynamic_done(&dynamic);
}

static void test_nothing_asked_for(void **state)
{
    struct elf_dynamic dynamic;
    (void)state;
    program.headers[1].p_type = program.headers[2].p_type = PT_NULL;
    assert_int_equal(read_program(&dynamic), 1);
    assert_null(dynamic.loader);
    assert_null(dynamic.runpath);
    assert_int_equal(dynamic.needed_count, 0);
    assert_false(dynamic.no_default);
    elf_dynamic_done(&dynamic);
}

static void test_filters_are_needed_too(void **state)
{
    struct elf_dynamic dynamic;
    (void)state;
    program.entries[0].d_tag = DT_AUXILIARY;
    program.entries[2].d_tag = DT_FILTER;
    assert_int_equal(read_program(&dynamic), 1);
    assert_int_equal(dynamic.needed_count, 2);
    elf_dynamic_done(&dynamic);
}

static void test_entries_end_with_a_null(void **state)
{
    struct elf_dynamic dynamic;
    (void)state;
    add_entry(DT_NULL, 0);
    add_entry(DT_NEEDED, 100000);
    assert_int_equal(read_program(&dynamic), 1);
    elf_dynamic_done(&dynamic);
}

static void test_other_files(void **state)
{
    (void)state;
    program.file.e_machine = EM_386;
    assert_refused(0);
    make_program(NULL);
    program.file.e_ident[EI_CLASS] = ELFCLASS32;
    assert_refused(0);
    make_program(NULL);
    program.file.e_ident[EI_DATA] = ELFDATA2MSB;
    assert_refused(0);
    make_program(NULL);
    program.file.e_type = ET_REL;
    assert_refused(0);
    make_program(NULL);
    program.file.e_ident[0] = '#';
    assert_refused(0);
}

static void test_strings_outside(void **state)
{
    (void)state;
    program.entries[0].d_un.d_val = 1 << 20;
    assert_refused(-ENOEXEC);
    program.entries[0].d_un.d_val = UINT64_MAX;
    assert_refused(-ENOEXEC);
    make_program(NULL);
    add_entry(DT_STRSZ, NEEDED_2);
    assert_refused(-ENOEXEC); /* the second begins where the table ends */
    make_program(NULL);
    add_entry(DT_STRSZ, NEEDED_2 + 5);
    assert_refused(-ENOEXEC); /* it does not end within the table */
    make_program(NULL);
    program.entries[3].d_un.d_ptr = BASE - 100;
    assert_refused(-ENOEXEC);
    make_program(NULL);
    program.entries[3].d_tag = DT_DEBUG;
    assert_refused(-ENOEXEC);
}

static void test_headers_that_make_no_sense(void **state)
{
    (void)state;
    program.file.e_phoff = UINT64_MAX - 8;
    assert_refused(-ENOEXEC);
    make_program(NULL);
    program.file.e_phentsize = 1;
    assert_refused(-ENOEXEC);
    make_program(NULL);
    program.file.e_phnum = 0;
    assert_refused(-ENOEXEC);
    program.file.e_phnum = UINT16_MAX;
    assert_refused(-ENOEXEC);
    make_program(NULL);
    program.headers[0].p_offset = UINT64_MAX - 16;
    assert_refused(-ENOEXEC);
    make_program(NULL);
    program.headers[1].p_vaddr = BASE + sizeof(program);
    assert_refused(-ENOEXEC);
    make_program(NULL);
    program.headers[2].p_offset = UINT64_MAX;
    assert_refused(-ENOEXEC);
    make_program(NULL);
    program.headers[2].p_filesz = 3; /* no end of the string within it */
    assert_refused(-ENOEXEC);
    make_program(NULL);
    program.headers[2].p_filesz = UINT64_MAX;
    assert_refused(-ENOEXEC);
}

/* Cut anywhere, it is another file or a damaged one; what is read leaks nothing. */
static void test_cut_short(void **state)
{
    (void)state;
    for (size_t length = 0; length < sizeof(program); length++) {
        struct elf_dynamic dynamic;
        int status = read_of_length(length, &dynamic);
        assert_true(status == 0 || status == 1 || status == -ENOEXEC);
        assert_true(status != 1 || length > offsetof(struct program, loader));
        if (status == 1)
            elf_dynamic_done(&dynamic);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_what_it_asks_for, make_program),
        cmocka_unit_test_setup(test_nothing_asked_for, make_program),
        cmocka_unit_test_setup(test_filters_are_needed_too, make_program),
        cmocka_unit_test_setup(test_entries_end_with_a_null, make_program),
        cmocka_unit_test_setup(test_other_files, make_program),
        cmocka_unit_test_setup(test_strings_outside, make_program),
        cmocka_unit_test_setup(test_headers_that_make_no_sense, make_program),
        cmocka_unit_test_setup(test_cut_short, make_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
