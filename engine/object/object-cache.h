/* SPDX-License-Identifier: MIT */
/* Objects by file: read once, shared by all targets, forgotten when long unused. */
#ifndef ENGINE_OBJECT_CACHE_H
#define ENGINE_OBJECT_CACHE_H

#include "object/object.h"

#include <sys/stat.h>

struct object_cache;

/* The probes of all its objects are shown under names that are none of the RESERVED: name_show().
 */
int object_cache_new(const char *const *reserved, struct object_cache **cache);
/* No object may be in use any more. */
void object_cache_free(struct object_cache *cache);

/*
 * The object in the open file FD, in use until object_cache_put(). `new` says that it was read
 * just now. Errors: ENOMEM; EIO; EINVAL where FD is not a regular file.
 */
int object_cache_get(struct object_cache *cache, int fd, struct object **object, bool *new,
                     struct probe_error *error);
/* The same for the file that STATUS is of, where it is known: 0, or -ENOENT. */
int object_cache_find(struct object_cache *cache, const struct stat *status,
                      struct object **object);
/* One more use of an object that is in use. */
void object_cache_use(struct object_cache *cache, struct object *object);
void object_cache_put(struct object_cache *cache, struct object *object);

#endif
