/* SPDX-License-Identifier: MIT */
#include "object/symbols.h"

#include <errno.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What one hostile file may make us read; a table of symbols that is larger is left out. */
enum { TABLE_SIZE_MAX = 256 << 20, TABLES_MAX = 2 };

struct table {
    Elf_Data *symbols, *names;
    size_t count;
};

struct symbols {
    Elf *elf;
    struct table tables[TABLES_MAX];
    size_t count;
};

/* Reads one table and its names; what does not fit the file leaves none. */
static void read_table(struct symbols *symbols, Elf_Scn *section, const GElf_Shdr *header)
{
    GElf_Shdr names;
    Elf_Scn *strings = elf_getscn(symbols->elf, header->sh_link);
    if (symbols->count == TABLES_MAX || header->sh_size > TABLE_SIZE_MAX || !strings ||
        !gelf_getshdr(strings, &names) || names.sh_type != SHT_STRTAB ||
        names.sh_size > TABLE_SIZE_MAX)
        return;
    struct table table = {.symbols = elf_getdata(section, NULL),
                          .names = elf_getdata(strings, NULL)};
    if (!table.symbols || !table.names || !table.names->d_buf)
        return;
    table.count = table.symbols->d_size / sizeof(Elf64_Sym);
    symbols->tables[symbols->count++] = table;
}

int symbols_open(int fd, struct symbols **result)
{
    struct symbols *symbols = calloc(1, sizeof(*symbols));
    if (!symbols)
        return -ENOMEM;
    if (elf_version(EV_CURRENT) != EV_NONE)
        symbols->elf = elf_begin(fd, ELF_C_READ, NULL);
    if (symbols->elf && gelf_getclass(symbols->elf) == ELFCLASS64) {
        Elf_Scn *section = NULL;
        GElf_Shdr header;
        while ((section = elf_nextscn(symbols->elf, section))) {
            if (gelf_getshdr(section, &header) &&
                (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
                read_table(symbols, section, &header);
        }
    }
    *result = symbols;
    return 0;
}

void symbols_close(struct symbols *symbols)
{
    if (!symbols)
        return;
    elf_end(symbols->elf);
    free(symbols);
}

static bool is_named(const struct table *table, const GElf_Sym *symbol, const char *name,
                     size_t length)
{
    const char *names = table->names->d_buf;
    size_t room = table->names->d_size;
    return symbol->st_name < room && room - symbol->st_name > length &&
           memcmp(names + symbol->st_name, name, length) == 0 &&
           names[symbol->st_name + length] == '\0';
}

int symbols_find(struct symbols *symbols, const char *name, size_t length, uint64_t *address)
{
    GElf_Sym found = {0};
    bool any = false;
    for (size_t t = 0; t < symbols->count; t++) {
        const struct table *table = &symbols->tables[t];
        for (size_t i = 0; i < table->count; i++) {
            GElf_Sym symbol;
            if (!gelf_getsym(table->symbols, (int)i, &symbol) ||
                !is_named(table, &symbol, name, length) || symbol.st_shndx == SHN_UNDEF ||
                GELF_ST_TYPE(symbol.st_info) == STT_TLS)
                continue;
            if (any && symbol.st_value != found.st_value)
                return -ENOTUNIQ;
            found = symbol;
            any = true;
        }
    }
    if (!any)
        return -ENOENT;
    *address = found.st_value;
    return 0;
}
