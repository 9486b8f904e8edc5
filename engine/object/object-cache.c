/* SPDX-License-Identifier: MIT */
#include "object/object-cache.h"

#include "object/readings.h"
#include "shared/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

/*
 * Unused objects may take this much memory; those of the last seconds more, the last one any: what
 * took long to read is asked for again in a moment. Beyond that, the oldest are forgotten.
 */
enum { UNUSED_SIZE_MAX = 8 << 20, FRESH_SIZE_MAX = 256 << 20, FRESH_SECONDS = 30 };

struct cache_entry {
    struct file_key key;
    struct object *object;
    size_t users, size;
    time_t used_at;                  /* when the last use ended */
    bool is_new;                     /* nobody has used it yet */
    UT_hash_handle hh;               /* by key */
    UT_hash_handle by_object;        /* by the object's address */
    struct cache_entry *prev, *next; /* in the list of unused entries */
};

struct object_cache {
    const char *const *reserved;
    pthread_mutex_t lock; /* guards all below */
    struct readings readings;
    struct cache_entry *entries;
    struct cache_entry *by_object;
    struct cache_entry *unused; /* the oldest first */
    size_t unused_size;
};

static void cache_entry_free(struct cache_entry *entry)
{
    if (!entry)
        return;
    object_free(entry->object);
    free(entry);
}

static void cache_forget(struct object_cache *cache, struct cache_entry *entry)
{
    HASH_DELETE(hh, cache->entries, entry);
    HASH_DELETE(by_object, cache->by_object, entry);
    cache_entry_free(entry);
}

/* Is OLDEST, of the unused ones, one too many? */
static bool cache_is_full(const struct object_cache *cache, const struct cache_entry *oldest)
{
    if (clock_coarse_seconds() - oldest->used_at >= FRESH_SECONDS)
        return cache->unused_size > UNUSED_SIZE_MAX;
    return cache->unused_size > FRESH_SIZE_MAX && oldest->next;
}

static void cache_forget_oldest(struct object_cache *cache)
{
    struct cache_entry *oldest = cache->unused;
    DL_DELETE(cache->unused, oldest);
    cache->unused_size -= oldest->size;
    cache_forget(cache, oldest);
}

/* Keeps an entry that nobody uses. */
static void cache_set_aside(struct object_cache *cache, struct cache_entry *entry)
{
    entry->used_at = clock_coarse_seconds();
    DL_APPEND(cache->unused, entry);
    cache->unused_size += entry->size;
    while (cache->unused && cache_is_full(cache, cache->unused))
        cache_forget_oldest(cache);
}

void object_cache_free(struct object_cache *cache)
{
    if (!cache)
        return;
    readings_done(&cache->readings);
    while (cache->unused)
        cache_forget_oldest(cache);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* Puts the entry into both tables. Called with the lock held. */
static int cache_insert(struct object_cache *cache, struct cache_entry *entry)
{
    HASH_ADD(hh, cache->entries, key, sizeof(entry->key), entry);
    if (!entry->hh.tbl)
        return -ENOMEM;
    HASH_ADD(by_object, cache->by_object, object, sizeof(entry->object), entry);
    if (entry->by_object.tbl)
        return 0;
    HASH_DELETE(hh, cache->entries, entry);
    return -ENOMEM;
}

/* For `readings`. The entry is unused at first: whoever waited for it may have gone. */
static int cache_read(void *data, const struct file_key *key, int fd, struct probe_error *error)
{
    struct object_cache *cache = data;
    struct cache_entry *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return error_memory(error);
    int status = object_read(fd, cache->reserved, &entry->object, error);
    if (status < 0) {
        free(entry);
        return status;
    }
    entry->key = *key;
    entry->size = sizeof(*entry) + object_size(entry->object);
    entry->is_new = true;
    pthread_mutex_lock(&cache->lock);
    status = cache_insert(cache, entry);
    if (status == 0)
        cache_set_aside(cache, entry);
    pthread_mutex_unlock(&cache->lock);
    if (status < 0) {
        cache_entry_free(entry);
        return error_memory(error);
    }
    return 0;
}

int object_cache_new(const char *const *reserved, struct object_cache **result)
{
    struct object_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return -ENOMEM;
    cache->reserved = reserved;
    pthread_mutex_init(&cache->lock, NULL);
    readings_init(&cache->readings, &cache->lock, cache_read, cache);
    *result = cache;
    return 0;
}

/* Adds a use to the entry of KEY, and returns it; NULL if there is none. */
static struct cache_entry *cache_use_known(struct object_cache *cache, const struct file_key *key)
{
    struct cache_entry *entry = NULL;
    HASH_FIND(hh, cache->entries, key, sizeof(*key), entry);
    if (!entry)
        return NULL;
    if (entry->users++ == 0) {
        DL_DELETE(cache->unused, entry);
        cache->unused_size -= entry->size;
    }
    return entry;
}

static struct file_key file_key_of(const struct stat *status)
{
    struct file_key key;
    memset(&key, 0, sizeof(key)); /* padding is hashed, too */
    key.device = status->st_dev;
    key.inode = status->st_ino;
    key.size = status->st_size;
    key.modified = status->st_mtim;
    key.changed = status->st_ctim;
    return key;
}

int object_cache_get(struct object_cache *cache, int fd, const struct timespec *until,
                     struct object **object, bool *new, struct probe_error *error)
{
    struct stat file;
    struct cache_entry *entry = NULL;
    int status = 0;
    if (fstat(fd, &file) < 0)
        return error_set(error, errno, "cannot examine the file");
    if (!S_ISREG(file.st_mode))
        return error_set(error, EINVAL, "not a regular file");
    struct file_key key = file_key_of(&file);
    pthread_mutex_lock(&cache->lock);
    while (!(entry = cache_use_known(cache, &key)) && status == 0)
        status = readings_make(&cache->readings, &key, fd, until, error);
    if (entry) {
        *object = entry->object;
        *new = entry->is_new;
        entry->is_new = false;
    }
    pthread_mutex_unlock(&cache->lock);
    return entry ? 0 : status;
}

int object_cache_find(struct object_cache *cache, const struct stat *status, struct object **object)
{
    struct file_key key = file_key_of(status);
    pthread_mutex_lock(&cache->lock);
    struct cache_entry *entry = cache_use_known(cache, &key);
    pthread_mutex_unlock(&cache->lock);
    if (!entry)
        return -ENOENT;
    *object = entry->object;
    return 0;
}

static struct cache_entry *cache_find_by_object(struct object_cache *cache, struct object *object)
{
    struct cache_entry *entry = NULL;
    HASH_FIND(by_object, cache->by_object, &object, sizeof(object), entry);
    return entry;
}

void object_cache_use(struct object_cache *cache, struct object *object)
{
    pthread_mutex_lock(&cache->lock);
    struct cache_entry *entry = cache_find_by_object(cache, object);
    if (entry)
        entry->users++;
    pthread_mutex_unlock(&cache->lock);
}

void object_cache_put(struct object_cache *cache, struct object *object)
{
    pthread_mutex_lock(&cache->lock);
    struct cache_entry *entry = cache_find_by_object(cache, object);
    if (entry && --entry->users == 0)
        cache_set_aside(cache, entry);
    pthread_mutex_unlock(&cache->lock);
}
