/* SPDX-License-Identifier: MIT */
/*
 * What an ELF file asks of whoever loads it: a loader, libraries, and where to look for them.
 *
 *     $ readelf -ld FILE
 *       [Requesting program interpreter: /lib64/ld-linux-x86-64.so.2]
 *      0x0000000000000001 (NEEDED)    Shared library: [libc.so.6]
 *      0x000000000000001d (RUNPATH)   Library runpath: [$ORIGIN/../lib]
 *
 * As the loader sees it: the program headers lead to it, section headers are not looked at. Nothing
 * is mapped, as the file may be cut short meanwhile, and every offset passes one gate.
 */
#ifndef ENGINE_ELF_DYNAMIC_H
#define ENGINE_ELF_DYNAMIC_H

#include <stdbool.h>
#include <stddef.h>

/* Strings are as the file has them, each NULL if there is none. */
struct elf_dynamic {
    char *loader;  /* PT_INTERP */
    char *soname;  /* DT_SONAME */
    char *rpath;   /* DT_RPATH */
    char *runpath; /* DT_RUNPATH */
    char **needed; /* DT_NEEDED, and DT_FILTER and DT_AUXILIARY, which are loaded, too */
    size_t needed_count;
    size_t size;     /* of all these strings, in bytes */
    bool no_default; /* DF_1_NODEFLIB: not to be looked for in the system's folders */
};

/*
 * Reads the file behind FD. Returns 1 and DYNAMIC, to be freed with elf_dynamic_done(), if it is an
 * executable or library for this machine, 0 for any other file. Errors: ENOEXEC it is damaged, or
 * larger than any real one; ENOMEM.
 */
int elf_dynamic_read(int fd, struct elf_dynamic *dynamic);
void elf_dynamic_done(struct elf_dynamic *dynamic);

#endif
