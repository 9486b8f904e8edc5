/* SPDX-License-Identifier: MIT */
/* Object files of the build, read and checked. TARGETS in the environment is their folder. */
#ifndef UNIT_OBJECT_FILE_H
#define UNIT_OBJECT_FILE_H

#include "object/object.h"

const char *from_environment(const char *name);
int open_target(const char *name);
/* The bytes of a file, to be freed. */
uint8_t *read_file(int fd, size_t *size);
/* A file of these bytes, open. */
int make_file(const uint8_t *bytes, size_t size);

/* What is true of every object, whatever is in the file. */
void check_object(const struct object *object);
struct object *read_object(int fd);
const struct object_probe *find_probe(const struct object *object, const char *name);

#endif
