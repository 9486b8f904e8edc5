/* SPDX-License-Identifier: MIT */
/*
 * An ELF file as its reader needs it: segments, the notes' section, the symbols of semaphores.
 * The only user of libelf. Nothing is mapped (the file may be cut short while it is read), and the
 * cost does not depend on the size of the file.
 */
#ifndef ENGINE_ELF_FILE_H
#define ENGINE_ELF_FILE_H

#include "object/object.h"

struct elf_file;

/*
 * Opens the file behind FD, which must stay open. Returns 1 and FILE where it is a 64-bit x86
 * executable or shared library, 0 where it is anything else, or a negative errno value.
 */
int elf_file_open(int fd, struct elf_file **file);
void elf_file_close(struct elf_file *file);

/* Not loaded at a bias? (ET_EXEC) */
bool elf_file_is_fixed(const struct elf_file *file);

/* The PT_LOAD segments, to be freed by the caller. Errors: ENOMEM; ENOEXEC they make no sense. */
int elf_file_segments(struct elf_file *file, struct segment **segments, size_t *count);

/* The address of .stapsdt.base, or 0. */
uint64_t elf_file_base(const struct elf_file *file);

/*
 * Calls VISIT with the descriptor of each stapsdt note, in the order of the file; the bytes live
 * until the file is closed. Stops at the first result that is not 0 and returns it. Errors of its
 * own: ENOEXEC the section lies outside of the file, is too large or its notes do not fit it.
 */
int elf_file_notes(struct elf_file *file,
                   int (*visit)(void *data, const void *descriptor, size_t length), void *data);

/* A symbol to look for; `found` is set where the table has one of that address and name. */
struct elf_symbol {
    uint64_t address;
    const char *prefix, *name; /* the symbol's name is one after the other */
    bool found;
};

/* Looks for COUNT symbols, sorted by address, in one pass over .symtab. Errors: ENOMEM; EIO. */
int elf_file_symbols(struct elf_file *file, struct elf_symbol *symbols, size_t count);

#endif
