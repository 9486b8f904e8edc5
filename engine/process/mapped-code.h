/* SPDX-License-Identifier: MIT */
/* The executable mappings of a process, as far as survey.c needs them. */
#ifndef ENGINE_MAPPED_CODE_H
#define ENGINE_MAPPED_CODE_H

#include "process/maps.h"

enum { MAPPED_CODE_MAX = 512 };

struct mapped_code {
    struct mapping items[MAPPED_CODE_MAX]; /* without their paths */
    size_t count;
    bool copied; /* some is anonymous: copied text, or the output of a JIT compiler */
    /* Covers all fields of the items, and if `copied` all mappings of files, too. */
    uint64_t digest;
};

/*
 * Reads CODE through the open maps file FD. Errors: ESRCH the image has gone; E2BIG it has more
 * than MAPPED_CODE_MAX such mappings; ENOMEM; those of reading.
 */
int mapped_code_read(int fd, struct mapped_code *code);

/* Extends DIGEST by VALUE. */
uint64_t mapped_code_digest(uint64_t digest, uint64_t value);

#endif
