/* SPDX-License-Identifier: MIT */
/* Makes probes of the notes of one object. */
#ifndef ENGINE_OBJECT_BUILDER_H
#define ENGINE_OBJECT_BUILDER_H

#include "object/elf-file.h"
#include "object/object.h"

/*
 * Fills in the probes of OBJECT, whose segments are known, from the notes of FILE, and says what is
 * left out of them. RESERVED is for name_show(). Errors: ENOMEM; EIO.
 */
int object_build(struct object *object, struct elf_file *file, const char *const *reserved);

#endif
