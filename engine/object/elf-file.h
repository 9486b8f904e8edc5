/* SPDX-License-Identifier: MIT */
/*
 * An ELF file as objects need it: segments, notes, and the symbols of semaphores. The only user of
 * libelf. Nothing is mapped, as the file may be cut short while it is read, and the cost does not
 * depend on the size of the file.
 */
#ifndef ENGINE_ELF_FILE_H
#define ENGINE_ELF_FILE_H

#include "object/file-pieces.h"
#include "object/object.h"

struct elf_file;

/* What a file is. */
enum elf_file_kind {
    ELF_FILE_OTHER,  /* no executable or library of this processor */
    ELF_FILE_32_BIT, /* one, but of 32 bits: not read any further */
    ELF_FILE_NATIVE,
};

/*
 * Looks at the file behind FD, which must stay open. Returns a kind, and FILE where it is
 * ELF_FILE_NATIVE. Errors: ENOMEM; EIO.
 */
int elf_file_open(int fd, struct elf_file **file);
void elf_file_close(struct elf_file *file);

/* Is it linked to a fixed address (ET_EXEC), so that its bias is 0? */
bool elf_file_is_fixed(const struct elf_file *file);

/* The PT_LOAD segments, to be freed by the caller. Errors: ENOMEM; ENOEXEC they make no sense. */
int elf_file_segments(struct elf_file *file, struct segment **segments, size_t *count);

/* Reads bytes of the file: see file_pieces_read(). */
int elf_file_read_pieces(const struct elf_file *file, struct file_piece *pieces, size_t count,
                         uint8_t (*bytes)[SITE_LENGTH]);

/* Do LENGTH bytes at OFFSET of the file touch the ELF header or the program headers? */
bool elf_file_has_header_at(const struct elf_file *file, uint64_t offset, size_t length);

/*
 * Do LENGTH bytes at ADDRESS lie in one section of code? A segment can hold more than code: data
 * that is only read stands beside it where a linker makes few segments. True where the sections do
 * not tell.
 */
bool elf_file_has_code_at(const struct elf_file *file, uint64_t address, size_t length);

/* The address of .stapsdt.base, or 0. */
uint64_t elf_file_base(const struct elf_file *file);

/*
 * Calls VISIT with the description of each stapsdt note, in the order of the file; the bytes live
 * until the file is closed. Stops at the first result that is not 0, and returns it. A section that
 * lies outside of the file, is too large or holds something else is left where it cannot be read
 * any further: UNREADABLE is how many there are. Errors: ENOMEM.
 */
int elf_file_notes(struct elf_file *file,
                   int (*visit)(void *data, const void *description, size_t length), void *data,
                   size_t *unreadable);

/* A symbol to look for; `found` is set if the table has one of that address and name. */
struct elf_symbol {
    uint64_t address;
    const char *prefix, *name; /* the symbol's name is one after the other */
    bool found;
};

/* Looks for COUNT symbols, sorted by address, in one pass over .symtab. Errors: ENOMEM. */
int elf_file_symbols(struct elf_file *file, struct elf_symbol *symbols, size_t count);

#endif
