/* SPDX-License-Identifier: MIT */
/* Inside the engine: the code that a process has mapped, as far as survey.c asks for it. */
#ifndef ENGINE_MAPPED_CODE_H
#define ENGINE_MAPPED_CODE_H

#include "process/maps.h"

enum { MAPPED_CODE_MAX = 512 };

/* The mappings of code, and what tells them from others. */
struct mapped_code {
    struct mapping items[MAPPED_CODE_MAX]; /* without their paths */
    size_t count;
    bool copied; /* some is in anonymous memory: text that was copied, or made by a compiler */
    /* Of all fields of the items; of all mappings of files as well, where `copied`. */
    uint64_t digest;
};

/*
 * Reads CODE through the open maps file FD. Errors: ESRCH the image has gone; E2BIG there are more
 * than MAPPED_CODE_MAX; ENOMEM; what reading gives.
 */
int mapped_code_read(int fd, struct mapped_code *code);

/* A digest of VALUE as well as of what DIGEST is of. */
uint64_t mapped_code_digest(uint64_t digest, uint64_t value);

#endif
