/* SPDX-License-Identifier: MIT */
#include "object/object-cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

/* Unused objects may take this much memory; then the oldest are forgotten. */
enum { UNUSED_SIZE_MAX = 8 << 20 };

/* Tells a file with its contents from any other. */
struct file_key {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct cache_entry {
    struct file_key key;
    struct object *object;
    size_t users, size;
    UT_hash_handle hh;               /* by key */
    UT_hash_handle by_object;        /* by the object's address */
    struct cache_entry *prev, *next; /* in the list of unused entries */
};

/* A file that a thread reads right now; others that want it wait for that. */
struct cache_reading {
    const struct file_key *key;
    struct cache_reading *next;
};

struct object_cache {
    const char *const *reserved;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t read;  /* a thread has read its file */
    struct cache_reading *reading;
    struct cache_entry *entries;
    struct cache_entry *by_object;
    struct cache_entry *unused; /* the oldest first */
    size_t unused_size;
};

int object_cache_new(const char *const *reserved, struct object_cache **result)
{
    struct object_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return -ENOMEM;
    cache->reserved = reserved;
    pthread_mutex_init(&cache->lock, NULL);
    pthread_cond_init(&cache->read, NULL);
    *result = cache;
    return 0;
}

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

static void cache_forget_unused(struct object_cache *cache, size_t keep)
{
    while (cache->unused && cache->unused_size > keep) {
        struct cache_entry *oldest = cache->unused;
        DL_DELETE(cache->unused, oldest);
        cache->unused_size -= oldest->size;
        cache_forget(cache, oldest);
    }
}

void object_cache_free(struct object_cache *cache)
{
    if (!cache)
        return;
    cache_forget_unused(cache, 0);
    pthread_cond_destroy(&cache->read);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* Reads the file into a new entry that is in no table yet. On failure NULL, and STATUS. */
static struct cache_entry *cache_read(const struct object_cache *cache, const struct file_key *key,
                                      int fd, int *status, struct probe_error *error)
{
    struct cache_entry *entry = calloc(1, sizeof(*entry));
    if (!entry) {
        *status = error_memory(error);
        return NULL;
    }
    *status = object_read(fd, cache->reserved, &entry->object, error);
    if (*status < 0) {
        free(entry);
        return NULL;
    }
    entry->key = *key;
    entry->size = sizeof(*entry) + object_size(entry->object);
    return entry;
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

static bool cache_is_reading(const struct object_cache *cache, const struct file_key *key)
{
    const struct cache_reading *reading = NULL;
    LL_FOREACH(cache->reading, reading)
    {
        if (memcmp(reading->key, key, sizeof(*key)) == 0)
            return true;
    }
    return false;
}

/*
 * Adds a use to the entry of KEY, and returns it, once nobody else reads that file. Where there is
 * none then, the caller is to read it, as READING says: large files take long, and slow ones all
 * the longer if several threads read them.
 */
static struct cache_entry *cache_use_or_begin(struct object_cache *cache,
                                              const struct file_key *key,
                                              struct cache_reading *reading)
{
    pthread_mutex_lock(&cache->lock);
    struct cache_entry *entry = cache_use_known(cache, key);
    while (!entry && cache_is_reading(cache, key)) {
        pthread_cond_wait(&cache->read, &cache->lock);
        entry = cache_use_known(cache, key);
    }
    if (!entry) {
        reading->key = key;
        LL_PREPEND(cache->reading, reading);
    }
    pthread_mutex_unlock(&cache->lock);
    return entry;
}

/* Ends READING, and puts what was read into the cache, in use. READ is NULL if that failed. */
static struct cache_entry *cache_end_reading(struct object_cache *cache,
                                             struct cache_reading *reading,
                                             struct cache_entry *read)
{
    struct cache_entry *entry = NULL;
    pthread_mutex_lock(&cache->lock);
    LL_DELETE(cache->reading, reading);
    if (read && cache_insert(cache, read) == 0) {
        entry = read;
        entry->users = 1;
    }
    pthread_cond_broadcast(&cache->read);
    pthread_mutex_unlock(&cache->lock);
    if (!entry)
        cache_entry_free(read);
    return entry;
}

int object_cache_get(struct object_cache *cache, int fd, struct object **object, bool *new,
                     struct probe_error *error)
{
    struct stat file;
    int status = 0;
    if (fstat(fd, &file) < 0)
        return error_set(error, errno, "cannot examine the file");
    if (!S_ISREG(file.st_mode))
        return error_set(error, EINVAL, "not a regular file");
    struct file_key key = file_key_of(&file);
    struct cache_reading reading;
    struct cache_entry *entry = cache_use_or_begin(cache, &key, &reading);
    *new = !entry;
    if (!entry) {
        /* Without the lock: a file that is slow must not hold up others. */
        struct cache_entry *read = cache_read(cache, &key, fd, &status, error);
        entry = cache_end_reading(cache, &reading, read);
        if (!read)
            return status;
    }
    if (!entry)
        return error_memory(error);
    *object = entry->object;
    return 0;
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
    if (entry && --entry->users == 0) {
        DL_APPEND(cache->unused, entry);
        cache->unused_size += entry->size;
        cache_forget_unused(cache, UNUSED_SIZE_MAX);
    }
    pthread_mutex_unlock(&cache->lock);
}
