/* SPDX-License-Identifier: MIT */
/* A cache of objects by file: each is read once and shared by all targets. */
#ifndef ENGINE_OBJECT_CACHE_H
#define ENGINE_OBJECT_CACHE_H

#include "object/object.h"

#include <sys/stat.h>

struct object_cache;

/* No probe is shown under one of the RESERVED names: see name_show(). Errors: ENOMEM. */
int object_cache_new(const char *const *reserved, struct object_cache **cache);
/* No object may be in use. NULL is fine. */
void object_cache_free(struct object_cache *cache);

/*
 * The object in the open file FD, in use until object_cache_put(). NEW says whether nobody had it
 * before. A file that is not known is read by a thread of its own, which is waited for until UNTIL;
 * if that is NULL, by this thread: see readings.h. Errors: EINPROGRESS it is still being read;
 * ENOMEM; EIO; EINVAL FD is not a regular file; EMFILE; ENFILE.
 */
int object_cache_get(struct object_cache *cache, int fd, const struct timespec *until,
                     struct object **object, bool *new, struct probe_error *error);
/* The same for the file with this STATUS, if its object is known: 0, or -ENOENT. */
int object_cache_find(struct object_cache *cache, const struct stat *status,
                      struct object **object);
/* Adds a use of an object that is in use. */
void object_cache_use(struct object_cache *cache, struct object *object);
/* Ends a use. */
void object_cache_put(struct object_cache *cache, struct object *object);

#endif
