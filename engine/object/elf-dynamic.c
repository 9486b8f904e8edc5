/* SPDX-License-Identifier: MIT */
#include "object/elf-dynamic.h"

#include "arch/arch.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bounds on what one hostile file may make us hold and do; far above any real file. */
enum {
    HEADERS_SIZE_MAX = 65536, /* the kernel's own bound */
    ENTRIES_MAX = 16384,
    NEEDED_MAX = 4096,
    STRING_MAX = 65536,
    STRINGS_SIZE_MAX = 1 << 20,
};

struct reader {
    int fd;
    Elf64_Phdr *headers;
    size_t header_count;
    uint64_t strings;      /* the address of the string table; 0: there is none */
    uint64_t strings_size; /* as the file says; 0 if it does not */
};

/* The gate: LENGTH bytes of the file at OFFSET, all of them or none. */
static bool read_exactly(int fd, void *bytes, size_t length, uint64_t offset)
{
    return offset <= INT64_MAX - length &&
           pread(fd, bytes, length, (off_t)offset) == (ssize_t)length;
}

/* Where the file has what is loaded at ADDRESS, and how many bytes follow in that segment. */
static bool find_in_file(const struct reader *reader, uint64_t address, uint64_t *offset,
                         uint64_t *available)
{
    for (size_t i = 0; i < reader->header_count; i++) {
        const Elf64_Phdr *header = &reader->headers[i];
        if (header->p_type != PT_LOAD || address < header->p_vaddr ||
            address - header->p_vaddr >= header->p_filesz)
            continue;
        uint64_t inside = address - header->p_vaddr;
        *available = header->p_filesz - inside;
        return !__builtin_add_overflow(header->p_offset, inside, offset);
    }
    return false;
}

/* A string of the file that ends within AVAILABLE bytes from OFFSET. */
static int read_string(int fd, uint64_t offset, uint64_t available, char **result)
{
    size_t length = 0;
    size_t most = available < STRING_MAX ? (size_t)available : STRING_MAX;
    char *string = NULL;
    for (size_t room = 256; length < most; room *= 4) {
        size_t piece = (room < most ? room : most) - length;
        char *larger = realloc(string, length + piece + 1);
        if (!larger) {
            free(string);
            return -ENOMEM;
        }
        string = larger;
        if (offset > INT64_MAX - STRING_MAX)
            break;
        ssize_t got = pread(fd, string + length, piece, (off_t)(offset + length));
        if (got > 0 && memchr(string + length, '\0', (size_t)got)) {
            *result = string;
            return 0;
        }
        if (got != (ssize_t)piece)
            break;
        length += piece;
    }
    free(string);
    return -ENOEXEC;
}

static int read_headers(struct reader *reader, const Elf64_Ehdr *file)
{
    size_t size = (size_t)file->e_phnum * sizeof(*reader->headers);
    if (file->e_phentsize != sizeof(*reader->headers) || size == 0 || size > HEADERS_SIZE_MAX)
        return -ENOEXEC;
    reader->headers = malloc(size);
    if (!reader->headers)
        return -ENOMEM;
    reader->header_count = file->e_phnum;
    return read_exactly(reader->fd, reader->headers, size, file->e_phoff) ? 0 : -ENOEXEC;
}

static const Elf64_Phdr *find_header(const struct reader *reader, uint32_t type)
{
    for (size_t i = 0; i < reader->header_count; i++) {
        if (reader->headers[i].p_type == type)
            return &reader->headers[i];
    }
    return NULL;
}

static int read_loader(const struct reader *reader, char **loader)
{
    const Elf64_Phdr *header = find_header(reader, PT_INTERP);
    if (!header)
        return 0;
    if (header->p_filesz > PATH_MAX)
        return -ENOEXEC;
    return read_string(reader->fd, header->p_offset, header->p_filesz, loader);
}

/* ---- dynamic entries -------------------------------------------------------------------- */

/* Reads the entries up to DT_NULL; none if the file has no dynamic segment. */
static int read_entries(const struct reader *reader, Elf64_Dyn **entries, size_t *count)
{
    const Elf64_Phdr *header = find_header(reader, PT_DYNAMIC);
    uint64_t offset = 0;
    uint64_t available = 0;
    *count = 0;
    if (!header)
        return 0;
    if (!find_in_file(reader, header->p_vaddr, &offset, &available))
        return -ENOEXEC;
    size_t most = ENTRIES_MAX;
    if (available / sizeof(**entries) < most)
        most = (size_t)(available / sizeof(**entries));
    *entries = malloc((most ? most : 1) * sizeof(**entries));
    if (!*entries)
        return -ENOMEM;
    if (offset > INT64_MAX)
        return -ENOEXEC;
    ssize_t got = pread(reader->fd, *entries, most * sizeof(**entries), (off_t)offset);
    size_t read = got < 0 ? 0 : (size_t)got / sizeof(**entries);
    while (*count < read && (*entries)[*count].d_tag != DT_NULL)
        (*count)++;
    return *count < ENTRIES_MAX ? 0 : -ENOEXEC;
}

static int read_name(const struct reader *reader, uint64_t at, size_t *size, char **result)
{
    uint64_t address = 0;
    uint64_t offset = 0;
    uint64_t available = 0;
    if (reader->strings == 0 || (reader->strings_size != 0 && at >= reader->strings_size) ||
        __builtin_add_overflow(reader->strings, at, &address) ||
        !find_in_file(reader, address, &offset, &available))
        return -ENOEXEC;
    if (reader->strings_size != 0 && reader->strings_size - at < available)
        available = reader->strings_size - at;
    if (*size > STRINGS_SIZE_MAX)
        return -ENOEXEC;
    int status = read_string(reader->fd, offset, available, result);
    if (status == 0)
        *size += strlen(*result) + 1;
    return status;
}

/* The last entry of a kind counts, as for the loader. */
static int replace_name(const struct reader *reader, uint64_t at, size_t *size, char **name)
{
    char *old = *name;
    int status = read_name(reader, at, size, name);
    if (status == 0)
        free(old);
    return status;
}

static int read_entry(const struct reader *reader, const Elf64_Dyn *entry,
                      struct elf_dynamic *dynamic)
{
    switch (entry->d_tag) {
    case DT_NEEDED:
    case DT_FILTER:
    case DT_AUXILIARY:
        if (dynamic->needed_count == NEEDED_MAX)
            return -ENOEXEC;
        int status = read_name(reader, entry->d_un.d_val, &dynamic->size,
                               &dynamic->needed[dynamic->needed_count]);
        dynamic->needed_count += status == 0;
        return status;
    case DT_SONAME:
        return replace_name(reader, entry->d_un.d_val, &dynamic->size, &dynamic->soname);
    case DT_RPATH:
        return replace_name(reader, entry->d_un.d_val, &dynamic->size, &dynamic->rpath);
    case DT_RUNPATH:
        return replace_name(reader, entry->d_un.d_val, &dynamic->size, &dynamic->runpath);
    case DT_FLAGS_1:
        dynamic->no_default = entry->d_un.d_val & DF_1_NODEFLIB;
        return 0;
    default:
        return 0;
    }
}

static int read_dynamic(struct reader *reader, struct elf_dynamic *dynamic)
{
    Elf64_Dyn *entries = NULL;
    size_t count = 0;
    int status = read_entries(reader, &entries, &count);
    for (size_t i = 0; i < count && status == 0; i++) {
        if (entries[i].d_tag == DT_STRTAB)
            reader->strings = entries[i].d_un.d_ptr;
        else if (entries[i].d_tag == DT_STRSZ)
            reader->strings_size = entries[i].d_un.d_val;
    }
    if (status == 0) {
        dynamic->needed = calloc(count + 1, sizeof(*dynamic->needed));
        status = dynamic->needed ? 0 : -ENOMEM;
    }
    for (size_t i = 0; i < count && status == 0; i++)
        status = read_entry(reader, &entries[i], dynamic);
    free(entries);
    return status;
}

/* ---- the whole file --------------------------------------------------------------------- */

static bool is_loadable(const Elf64_Ehdr *file)
{
    return memcmp(file->e_ident, ELFMAG, SELFMAG) == 0 && file->e_ident[EI_CLASS] == ELFCLASS64 &&
           file->e_ident[EI_DATA] == ELFDATA2LSB && file->e_machine == arch_machine &&
           (file->e_type == ET_EXEC || file->e_type == ET_DYN);
}

int elf_dynamic_read(int fd, struct elf_dynamic *dynamic)
{
    Elf64_Ehdr file;
    struct reader reader = {.fd = fd};
    if (!read_exactly(fd, &file, sizeof(file), 0) || !is_loadable(&file))
        return 0;
    *dynamic = (struct elf_dynamic){0};
    int status = read_headers(&reader, &file);
    if (status == 0)
        status = read_loader(&reader, &dynamic->loader);
    if (status == 0)
        status = read_dynamic(&reader, dynamic);
    free(reader.headers);
    if (status < 0)
        elf_dynamic_done(dynamic);
    return status < 0 ? status : 1;
}

void elf_dynamic_done(struct elf_dynamic *dynamic)
{
    for (size_t i = 0; i < dynamic->needed_count; i++)
        free(dynamic->needed[i]);
    free(dynamic->needed);
    free(dynamic->loader);
    free(dynamic->soname);
    free(dynamic->rpath);
    free(dynamic->runpath);
    *dynamic = (struct elf_dynamic){0};
}
