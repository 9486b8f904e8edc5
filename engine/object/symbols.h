/* SPDX-License-Identifier: MIT */
/* Addresses of symbols by their names, from .symtab and .dynsym. */
#ifndef ENGINE_SYMBOLS_H
#define ENGINE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

struct symbols;

/*
 * Reads the symbols of the ELF file FD, once for all that are to be found in it; FD must stay open.
 * A file without any, or one that is none, has no symbols. Errors: ENOMEM.
 */
int symbols_open(int fd, struct symbols **symbols);
void symbols_close(struct symbols *symbols);

/*
 * The link-time address of the symbol NAME of LENGTH bytes. Errors: ENOENT there is none, or it is
 * of one thread's storage; ENOTUNIQ two have that name, at different addresses.
 */
int symbols_find(const struct symbols *symbols, const char *name, size_t length, uint64_t *address);

#endif
