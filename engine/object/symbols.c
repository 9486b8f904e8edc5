/* SPDX-License-Identifier: MIT */
#include "object/symbols.h"

#include <errno.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What one hostile file may make us read; a table of symbols that is larger is left out. */
enum { TABLE_SIZE_MAX = 256 << 20, TABLES_MAX = 2 };

/* How much of a name is hashed: hostile ones may be as long as the file, and share their text. */
enum { HASHED_MAX = 128 };

struct table {
    Elf_Data *symbols, *names;
    size_t count;
};

/*
 * Symbols by a hash of their names, in chains, as a plan may ask for one with each argument of each
 * site. They are numbered from 1 on, through both tables; 0 ends a chain. All of it takes at most
 * 8 bytes a symbol, which has 24 in its table.
 */
struct symbols {
    Elf *elf;
    struct table tables[TABLES_MAX];
    size_t count;
    uint32_t *first; /* of each chain */
    uint32_t *next;  /* behind each symbol */
    size_t chains;   /* a power of two */
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

/* Reads the tables of the file. */
static void read_tables(struct symbols *symbols)
{
    Elf_Scn *section = NULL;
    GElf_Shdr header;
    if (!symbols->elf || gelf_getclass(symbols->elf) != ELFCLASS64)
        return;
    while ((section = elf_nextscn(symbols->elf, section))) {
        if (gelf_getshdr(section, &header) &&
            (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
            read_table(symbols, section, &header);
    }
}

/* Eight bytes at a time: most names of C++ are long. */
static uint64_t hash_name(const char *name, size_t length)
{
    static const uint64_t factor = 0x9e3779b97f4a7c15U;
    uint64_t hash = length;
    for (size_t at = 0; at < length; at += sizeof(hash)) {
        uint64_t piece = 0;
        size_t left = length - at;
        memcpy(&piece, name + at, left < sizeof(piece) ? left : sizeof(piece));
        hash = (hash ^ piece) * factor;
        hash ^= hash >> 32;
    }
    return hash;
}

/* The chain of the name that begins with the SIZE bytes at NAME and ends there or with a NUL. */
static uint32_t *find_chain(const struct symbols *symbols, const char *name, size_t size)
{
    size_t length = strnlen(name, size < HASHED_MAX ? size : HASHED_MAX);
    return &symbols->first[hash_name(name, length) & (symbols->chains - 1)];
}

/* Does SYMBOL have an address, which is the same in each thread? */
static bool has_address(const GElf_Sym *symbol)
{
    return symbol->st_shndx != SHN_UNDEF && GELF_ST_TYPE(symbol->st_info) != STT_TLS;
}

/* Puts the symbols of TABLE into chains; before them there are COUNT of other tables. */
static void chain_table(struct symbols *symbols, const struct table *table, size_t count)
{
    const char *names = table->names->d_buf;
    size_t size = table->names->d_size;
    for (size_t i = 0; i < table->count; i++) {
        GElf_Sym symbol;
        if (!gelf_getsym(table->symbols, (int)i, &symbol) || symbol.st_name >= size ||
            !has_address(&symbol))
            continue;
        uint32_t number = (uint32_t)(count + i + 1);
        uint32_t *chain = find_chain(symbols, names + symbol.st_name, size - symbol.st_name);
        symbols->next[number - 1] = *chain;
        *chain = number;
    }
}

static int chain_tables(struct symbols *symbols)
{
    size_t count = 0;
    for (size_t i = 0; i < symbols->count; i++)
        count += symbols->tables[i].count;
    symbols->chains = 1;
    while (symbols->chains * 2 <= count)
        symbols->chains *= 2;
    symbols->first = calloc(symbols->chains, sizeof(*symbols->first));
    symbols->next = calloc(count + 1, sizeof(*symbols->next));
    if (!symbols->first || !symbols->next)
        return -ENOMEM;
    count = 0;
    for (size_t i = 0; i < symbols->count; i++) {
        chain_table(symbols, &symbols->tables[i], count);
        count += symbols->tables[i].count;
    }
    return 0;
}

int symbols_open(int fd, struct symbols **result)
{
    struct symbols *symbols = calloc(1, sizeof(*symbols));
    if (!symbols)
        return -ENOMEM;
    if (elf_version(EV_CURRENT) != EV_NONE)
        symbols->elf = elf_begin(fd, ELF_C_READ, NULL);
    read_tables(symbols);
    int status = chain_tables(symbols);
    if (status < 0)
        symbols_close(symbols);
    else
        *result = symbols;
    return status;
}

void symbols_close(struct symbols *symbols)
{
    if (!symbols)
        return;
    elf_end(symbols->elf);
    free(symbols->first);
    free(symbols->next);
    free(symbols);
}

/* Reads the symbol NUMBER if its name is that. */
static bool read_named(const struct symbols *symbols, uint32_t number, const char *name,
                       size_t length, GElf_Sym *symbol)
{
    const struct table *table = symbols->tables;
    size_t index = number - 1;
    while (index >= table->count)
        index -= table++->count;
    const char *names = table->names->d_buf;
    size_t size = table->names->d_size;
    return gelf_getsym(table->symbols, (int)index, symbol) && size - symbol->st_name > length &&
           memcmp(names + symbol->st_name, name, length) == 0 &&
           names[symbol->st_name + length] == '\0';
}

int symbols_find(const struct symbols *symbols, const char *name, size_t length, uint64_t *address)
{
    GElf_Sym found = {0};
    bool any = false;
    for (uint32_t number = *find_chain(symbols, name, length); number != 0;
         number = symbols->next[number - 1]) {
        GElf_Sym symbol;
        if (!read_named(symbols, number, name, length, &symbol))
            continue;
        if (any && symbol.st_value != found.st_value)
            return -ENOTUNIQ;
        found = symbol;
        any = true;
    }
    if (!any)
        return -ENOENT;
    *address = found.st_value;
    return 0;
}
