/* SPDX-License-Identifier: MIT */
/* Do a note's addresses lie where its object has code, and writable data? */
#ifndef ENGINE_NOTE_FIT_H
#define ENGINE_NOTE_FIT_H

#include "object/elf-file.h"
#include "object/format.h"

/*
 * Is SITE an address in the code of OBJECT, which FILE is of: in a section of code, in an
 * executable segment, and not in the file's own headers? 0 is one if FORMAT needs no site, or if
 * the processor has no sites that are patched.
 */
bool note_fit_site(const struct object *object, const struct elf_file *file, uint64_t site,
                   const struct format *format);

/* Is COUNTER, behind SEMAPHORE, an address in a writable segment, and not in the headers? */
bool note_fit_counter(const struct object *object, const struct elf_file *file, uint64_t semaphore,
                      uint64_t counter);

#endif
