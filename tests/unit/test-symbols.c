/* SPDX-License-Identifier: MIT */
/* Symbols by their names, in files made here: a table, another one, and the names of both. */
#include "unit.h"

#include "object/symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MANY = 100000, LONG = 300 };

enum section { NONE, SYMTAB, DYNSYM, STRTAB, SECTIONS };

static struct {
    Elf64_Sym *symbols[SECTIONS];
    size_t counts[SECTIONS];
    char *names;
    size_t length;
} file;

static int begin(void **state)
{
    (void)state;
    memset(&file, 0, sizeof(file));
    file.symbols[SYMTAB] = calloc(MANY + 1, sizeof(Elf64_Sym));
    file.symbols[DYNSYM] = calloc(MANY + 1, sizeof(Elf64_Sym));
    file.names = calloc(MANY, 32);
    file.length = 1;
    return file.symbols[SYMTAB] && file.symbols[DYNSYM] && file.names ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    free(file.symbols[SYMTAB]);
    free(file.symbols[DYNSYM]);
    free(file.names);
    return 0;
}

static Elf64_Sym *add(enum section table, const char *name, uint64_t address)
{
    Elf64_Sym *symbol = &file.symbols[table][file.counts[table]++];
    *symbol = (Elf64_Sym){.st_name = (Elf64_Word)file.length, .st_value = address, .st_shndx = 1};
    memcpy(file.names + file.length, name, strlen(name) + 1);
    file.length += strlen(name) + 1;
    return symbol;
}

static void put(int fd, Elf64_Shdr *header, const void *bytes, size_t size)
{
    header->sh_offset = (Elf64_Off)lseek(fd, 0, SEEK_END);
    header->sh_size = size;
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
}

static int write_file(void)
{
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_DYN,
        .e_version = EV_CURRENT,
        .e_ehsize = sizeof(header),
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = SECTIONS,
    };
    Elf64_Shdr sections[SECTIONS] = {
        [SYMTAB] = {.sh_type = SHT_SYMTAB, .sh_link = STRTAB, .sh_entsize = sizeof(Elf64_Sym)},
        [DYNSYM] = {.sh_type = SHT_DYNSYM, .sh_link = STRTAB, .sh_entsize = sizeof(Elf64_Sym)},
        [STRTAB] = {.sh_type = SHT_STRTAB},
    };
    Elf64_Shdr own = {0};
    int fd = memfd_create("symbols", MFD_CLOEXEC);
    assert_true(fd >= 0);
    put(fd, &own, &header, sizeof(header));
    for (enum section table = SYMTAB; table <= DYNSYM; table++)
        put(fd, &sections[table], file.symbols[table], file.counts[table] * sizeof(Elf64_Sym));
    put(fd, &sections[STRTAB], file.names, file.length);
    put(fd, &own, sections, sizeof(sections));
    header.e_shoff = own.sh_offset;
    assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
    return fd;
}

/* The address of NAME, or an error. */
static int64_t find(const struct symbols *symbols, const char *name)
{
    uint64_t address = 0;
    char *copy = exact_copy(name, strlen(name));
    int status = symbols_find(symbols, copy, strlen(name), &address);
    free(copy);
    return status < 0 ? status : (int64_t)address;
}

static struct symbols *open_file(int *fd)
{
    struct symbols *symbols = NULL;
    *fd = write_file();
    assert_int_equal(symbols_open(*fd, &symbols), 0);
    return symbols;
}

static void close_file(struct symbols *symbols, int fd)
{
    symbols_close(symbols);
    close(fd);
}

static void test_names_of_both_tables(void **state)
{
    int fd = -1;
    (void)state;
    add(SYMTAB, "one", 0x10);
    add(SYMTAB, "two", 0x20);
    add(DYNSYM, "three", 0x30);
    struct symbols *symbols = open_file(&fd);
    assert_int_equal(find(symbols, "one"), 0x10);
    assert_int_equal(find(symbols, "two"), 0x20);
    assert_int_equal(find(symbols, "three"), 0x30);
    assert_int_equal(find(symbols, "thr"), -ENOENT);
    assert_int_equal(find(symbols, "threes"), -ENOENT);
    assert_int_equal(find(symbols, "One"), -ENOENT);
    close_file(symbols, fd);
}

static void test_a_name_of_several(void **state)
{
    int fd = -1;
    (void)state;
    add(SYMTAB, "same", 0x10);
    add(DYNSYM, "same", 0x10);
    add(SYMTAB, "other", 0x10);
    add(SYMTAB, "other", 0x20);
    struct symbols *symbols = open_file(&fd);
    assert_int_equal(find(symbols, "same"), 0x10);
    assert_int_equal(find(symbols, "other"), -ENOTUNIQ);
    close_file(symbols, fd);
}

static void test_symbols_without_an_address(void **state)
{
    int fd = -1;
    (void)state;
    add(SYMTAB, "elsewhere", 0x10)->st_shndx = SHN_UNDEF;
    add(SYMTAB, "thread", 0x20)->st_info = ELF64_ST_INFO(STB_GLOBAL, STT_TLS);
    add(DYNSYM, "thread", 0x30);
    struct symbols *symbols = open_file(&fd);
    assert_int_equal(find(symbols, "elsewhere"), -ENOENT);
    assert_int_equal(find(symbols, "thread"), 0x30);
    close_file(symbols, fd);
}

/* The ends of long names are compared, though not hashed. */
static void test_long_names(void **state)
{
    int fd = -1;
    char names[2][LONG + 1];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        memset(names[i], 'n', LONG);
        names[i][LONG] = '\0';
        names[i][LONG - 1] = (char)('0' + i);
        add(SYMTAB, names[i], i);
    }
    struct symbols *symbols = open_file(&fd);
    assert_int_equal(find(symbols, names[0]), 0);
    assert_int_equal(find(symbols, names[1]), 1);
    names[1][LONG - 1] = '\0';
    assert_int_equal(find(symbols, names[1]), -ENOENT);
    close_file(symbols, fd);
}

static void test_names_that_do_not_fit(void **state)
{
    int fd = -1;
    (void)state;
    add(SYMTAB, "far", 0x10)->st_name = UINT32_MAX;
    add(SYMTAB, "end", 0x20)->st_name = 12;
    add(SYMTAB, "cut", 0x30);
    file.length--; /* the NUL */
    struct symbols *symbols = open_file(&fd);
    assert_int_equal(file.length, 12);
    assert_int_equal(find(symbols, "far"), -ENOENT);
    assert_int_equal(find(symbols, "end"), -ENOENT);
    assert_int_equal(find(symbols, "cut"), -ENOENT);
    close_file(symbols, fd);
}

static void test_files_without_symbols(void **state)
{
    int fd = -1;
    struct symbols *symbols = open_file(&fd);
    (void)state;
    assert_int_equal(find(symbols, "one"), -ENOENT);
    close_file(symbols, fd);
    fd = memfd_create("empty", MFD_CLOEXEC);
    assert_int_equal(symbols_open(fd, &symbols), 0);
    assert_int_equal(find(symbols, "one"), -ENOENT);
    close_file(symbols, fd);
}

/* To search all symbols for each of them takes minutes: meson ends the test. */
static void test_many_names(void **state)
{
    int fd = -1;
    char name[32];
    (void)state;
    for (unsigned int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "_ZN6symbol%07uE", i);
        add(i % 2 ? SYMTAB : DYNSYM, name, i);
    }
    struct symbols *symbols = open_file(&fd);
    for (unsigned int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "_ZN6symbol%07uE", i);
        assert_int_equal(find(symbols, name), i);
    }
    close_file(symbols, fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names_of_both_tables, begin, end),
        cmocka_unit_test_setup_teardown(test_a_name_of_several, begin, end),
        cmocka_unit_test_setup_teardown(test_symbols_without_an_address, begin, end),
        cmocka_unit_test_setup_teardown(test_long_names, begin, end),
        cmocka_unit_test_setup_teardown(test_names_that_do_not_fit, begin, end),
        cmocka_unit_test_setup_teardown(test_files_without_symbols, begin, end),
        cmocka_unit_test_setup_teardown(test_many_names, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
