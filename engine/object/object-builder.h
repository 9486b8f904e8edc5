/* SPDX-License-Identifier: MIT */
/* Notes in, probes out: gathers the notes of one object, checks them, and fills the object. */
#ifndef ENGINE_OBJECT_BUILDER_H
#define ENGINE_OBJECT_BUILDER_H

#include "object/elf-file.h"
#include "object/object.h"

struct object_builder;

/*
 * The builder fills in OBJECT, whose segments are known, from the notes of FILE; both must outlive
 * it, and REASON too, where it leaves a sentence when a note contradicts its format.
 */
int object_builder_new(struct object *object, struct elf_file *file, const char *const *reserved,
                       struct probe_error *reason, struct object_builder **builder);
void object_builder_free(struct object_builder *builder);

/*
 * Takes one note (a visitor for elf_file_notes(); DATA is the builder). The bytes must stay until
 * the builder is freed. Errors: EINVAL the note contradicts the format; ENOMEM.
 */
int object_builder_add(void *data, const void *descriptor, size_t length);

/* Sorts what was added into the object. Errors: EINVAL notes contradict each other; ENOMEM; EIO. */
int object_builder_finish(struct object_builder *builder);

#endif
