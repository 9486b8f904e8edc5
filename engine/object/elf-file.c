/* SPDX-License-Identifier: MIT */
#include "object/elf-file.h"

#include "arch/arch.h"
#include "object/note.h"

#include <errno.h>
#include <gelf.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTES_SECTION ".note.stapsdt"
#define BASE_SECTION  ".stapsdt.base"

/* Limits on what a hostile file can make us hold; no real program comes near them. */
enum {
    SEGMENTS_MAX = 256,
    NOTES_SIZE_MAX = 256 << 20,
    NAMES_SIZE_MAX = 16 << 20,
    SYMBOLS_AT_ONCE = 65536,
    CODE_SECTIONS_MAX = 64,
};

struct address_range {
    uint64_t start, length;
};

struct elf_file {
    int fd;
    Elf *elf;
    GElf_Ehdr header;
    uint64_t base;
    GElf_Shdr symbols, symbol_names;
    size_t segment_headers; /* how many program headers */
    uint64_t notes_size;    /* of the sections that were visited */
    struct address_range code[CODE_SECTIONS_MAX];
    size_t code_count; /* more than there is room for: the sections do not tell */
};

static enum elf_file_kind kind_of(const GElf_Ehdr *header)
{
    if (header->e_ident[EI_DATA] != ELFDATA2LSB ||
        (header->e_type != ET_EXEC && header->e_type != ET_DYN))
        return ELF_FILE_OTHER;
    if (header->e_ident[EI_CLASS] == ELFCLASS32 &&
        (header->e_machine == arch_machine || header->e_machine == arch_machine_32))
        return ELF_FILE_32_BIT;
    return header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_machine == arch_machine
               ? ELF_FILE_NATIVE
               : ELF_FILE_OTHER;
}

/*
 * libelf says that something failed, but not that memory was short. malloc() does, in errno: it is
 * cleared before, and calls that succeed leave it alone.
 */
static int elf_failure(int other)
{
    return errno == ENOMEM ? -ENOMEM : other;
}

/* The section's name; "" if there is none that is cheap to read. */
static const char *section_name(struct elf_file *file, size_t names, const GElf_Shdr *section)
{
    GElf_Shdr strings;
    if (!gelf_getshdr(elf_getscn(file->elf, names), &strings) || strings.sh_size > NAMES_SIZE_MAX)
        return "";
    const char *name = elf_strptr(file->elf, names, section->sh_name);
    return name ? name : "";
}

static void note_code(struct elf_file *file, const GElf_Shdr *section)
{
    if (file->code_count < CODE_SECTIONS_MAX)
        file->code[file->code_count] = (struct address_range){section->sh_addr, section->sh_size};
    file->code_count += file->code_count <= CODE_SECTIONS_MAX;
}

static int find_sections(struct elf_file *file)
{
    size_t names = 0;
    if (elf_getshdrstrndx(file->elf, &names) != 0)
        return elf_failure(0);
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(file->elf, section))) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header))
            continue;
        if ((header.sh_flags & SHF_ALLOC) && (header.sh_flags & SHF_EXECINSTR))
            note_code(file, &header);
        if (header.sh_type == SHT_SYMTAB) {
            file->symbols = header;
            Elf_Scn *strings = elf_getscn(file->elf, header.sh_link);
            if (!strings || !gelf_getshdr(strings, &file->symbol_names))
                file->symbols.sh_size = 0;
        } else if (header.sh_type == SHT_PROGBITS && file->base == 0 &&
                   strcmp(section_name(file, names, &header), BASE_SECTION) == 0) {
            file->base = header.sh_addr;
        }
    }
    return elf_failure(0);
}

int elf_file_open(int fd, struct elf_file **result)
{
    if (elf_version(EV_CURRENT) == EV_NONE)
        return -EIO;
    struct elf_file *file = calloc(1, sizeof(*file));
    if (!file)
        return -ENOMEM;
    file->fd = fd;
    errno = 0;
    file->elf = elf_begin(fd, ELF_C_READ, NULL);
    bool is_elf =
        file->elf && elf_kind(file->elf) == ELF_K_ELF && gelf_getehdr(file->elf, &file->header);
    int status = is_elf ? (int)kind_of(&file->header) : elf_failure(ELF_FILE_OTHER);
    if (status == ELF_FILE_NATIVE && find_sections(file) < 0)
        status = -ENOMEM;
    if (status == ELF_FILE_NATIVE)
        *result = file;
    else
        elf_file_close(file);
    return status;
}

void elf_file_close(struct elf_file *file)
{
    if (!file)
        return;
    elf_end(file->elf);
    free(file);
}

bool elf_file_is_fixed(const struct elf_file *file)
{
    return file->header.e_type == ET_EXEC;
}

uint64_t elf_file_base(const struct elf_file *file)
{
    return file->base;
}

int elf_file_read_pieces(const struct elf_file *file, struct file_piece *pieces, size_t count,
                         uint8_t (*bytes)[SITE_LENGTH])
{
    return file_pieces_read(file->fd, pieces, count, bytes);
}

bool elf_file_has_header_at(const struct elf_file *file, uint64_t offset, size_t length)
{
    const GElf_Ehdr *header = &file->header;
    uint64_t end = header->e_phoff + file->segment_headers * header->e_phentsize;
    return offset < header->e_ehsize || (offset < end && offset + length > header->e_phoff);
}

bool elf_file_has_code_at(const struct elf_file *file, uint64_t address, size_t length)
{
    bool found = file->code_count == 0 || file->code_count > CODE_SECTIONS_MAX;
    for (size_t i = 0; i < file->code_count && !found; i++) {
        const struct address_range *code = &file->code[i];
        found = address >= code->start && code->length >= length &&
                address - code->start <= code->length - length;
    }
    return found;
}

static bool segment_makes_sense(const GElf_Phdr *header)
{
    return header->p_filesz <= header->p_memsz && header->p_memsz <= UINT64_MAX - header->p_vaddr &&
           header->p_filesz <= INT64_MAX - (header->p_offset & INT64_MAX) &&
           header->p_offset <= INT64_MAX;
}

int elf_file_segments(struct elf_file *file, struct segment **segments, size_t *count)
{
    size_t headers = 0;
    errno = 0;
    if (elf_getphdrnum(file->elf, &headers) != 0)
        return elf_failure(-ENOEXEC);
    file->segment_headers = headers;
    struct segment *found = calloc(SEGMENTS_MAX, sizeof(*found));
    if (!found)
        return -ENOMEM;
    size_t used = 0;
    for (size_t i = 0; i < headers && i <= INT_MAX; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(file->elf, (int)i, &header)) {
            int status = elf_failure(-ENOEXEC);
            free(found);
            return status;
        }
        if (header.p_type != PT_LOAD)
            continue;
        if (used == SEGMENTS_MAX || !segment_makes_sense(&header)) {
            free(found);
            return -ENOEXEC;
        }
        found[used++] = (struct segment){
            .offset = header.p_offset,
            .address = header.p_vaddr,
            .file_size = header.p_filesz,
            .memory_size = header.p_memsz,
            .readable = header.p_flags & PF_R,
            .writable = header.p_flags & PF_W,
            .executable = header.p_flags & PF_X,
        };
    }
    *segments = found;
    *count = used;
    return 0;
}

/* Errors: ENOEXEC it cannot be read, or not to its end; those of VISIT. */
static int visit_section(struct elf_file *file, const GElf_Shdr *section,
                         int (*visit)(void *, const void *, size_t), void *data)
{
    /* All sections together: each may claim the same bytes of the file. */
    if (section->sh_size > NOTES_SIZE_MAX - file->notes_size)
        return -ENOEXEC;
    file->notes_size += section->sh_size;
    if (section->sh_size == 0)
        return 0;
    Elf_Data *bytes =
        elf_getdata_rawchunk(file->elf, (int64_t)section->sh_offset, section->sh_size, ELF_T_NHDR);
    if (!bytes)
        return elf_failure(-ENOEXEC);
    size_t offset = 0;
    while (offset < bytes->d_size) {
        GElf_Nhdr header;
        size_t owner = 0;
        size_t description = 0;
        size_t next = gelf_getnote(bytes, offset, &header, &owner, &description);
        if (next == 0)
            return -ENOEXEC;
        offset = next;
        const char *start = bytes->d_buf;
        if (header.n_type != NOTE_TYPE || header.n_namesz != sizeof(NOTE_OWNER) ||
            memcmp(start + owner, NOTE_OWNER, sizeof(NOTE_OWNER)) != 0)
            continue;
        int result = visit(data, start + description, header.n_descsz);
        if (result != 0)
            return result;
    }
    return 0;
}

int elf_file_notes(struct elf_file *file, int (*visit)(void *, const void *, size_t), void *data,
                   size_t *unreadable)
{
    size_t names = 0;
    *unreadable = 0;
    errno = 0;
    if (elf_getshdrstrndx(file->elf, &names) != 0)
        return elf_failure(0);
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(file->elf, section))) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header) || header.sh_type != SHT_NOTE ||
            strcmp(section_name(file, names, &header), NOTES_SECTION) != 0)
            continue;
        int result = visit_section(file, &header, visit, data);
        if (result == -ENOEXEC)
            *unreadable += 1;
        else if (result != 0)
            return result;
        errno = 0;
    }
    return elf_failure(0);
}

/* Does the file have TEXT of LENGTH at OFFSET? */
static bool file_has(int fd, uint64_t offset, const char *text, size_t length)
{
    char bytes[512];
    while (length > 0) {
        size_t piece = length < sizeof(bytes) ? length : sizeof(bytes);
        if (pread(fd, bytes, piece, (off_t)offset) != (ssize_t)piece ||
            memcmp(bytes, text, piece) != 0)
            return false;
        offset += piece;
        text += piece;
        length -= piece;
    }
    return true;
}

static void match_symbol(struct elf_file *file, const Elf64_Sym *symbol, struct elf_symbol *wanted,
                         size_t count)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (wanted[middle].address < symbol->st_value)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && wanted[low].address == symbol->st_value; low++) {
        size_t prefix = strlen(wanted[low].prefix);
        uint64_t at = file->symbol_names.sh_offset + symbol->st_name;
        if (!wanted[low].found && at <= INT64_MAX - prefix &&
            file_has(file->fd, at, wanted[low].prefix, prefix) &&
            file_has(file->fd, at + prefix, wanted[low].name, strlen(wanted[low].name) + 1))
            wanted[low].found = true;
    }
}

int elf_file_symbols(struct elf_file *file, struct elf_symbol *wanted, size_t count)
{
    Elf64_Sym *symbols = malloc(SYMBOLS_AT_ONCE * sizeof(*symbols));
    if (!symbols)
        return -ENOMEM;
    uint64_t left = file->symbols.sh_size / sizeof(*symbols);
    uint64_t offset = file->symbols.sh_offset;
    while (left > 0 && offset <= INT64_MAX) {
        size_t piece = left < SYMBOLS_AT_ONCE ? left : SYMBOLS_AT_ONCE;
        ssize_t got = pread(file->fd, symbols, piece * sizeof(*symbols), (off_t)offset);
        if (got <= 0)
            break;
        size_t read = (size_t)got / sizeof(*symbols);
        for (size_t i = 0; i < read; i++)
            match_symbol(file, &symbols[i], wanted, count);
        if (read < piece)
            break;
        offset += read * sizeof(*symbols);
        left -= read;
    }
    free(symbols);
    return 0;
}
