/* SPDX-License-Identifier: MIT */
#include "server/inodes.h"

#include "common/heap.h"
#include "server/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Descriptors of processes that are kept: more cost more than they gain. */
enum { PROCESSES_MAX = 1024 };

int inodes_init(struct inodes *inodes)
{
    *inodes = (struct inodes){.root = {.place = PLACE_ROOT, .lookups = 1}};
    if (getrandom(inodes->secret, sizeof(inodes->secret), 0) != sizeof(inodes->secret))
        return -EIO;
    return -pthread_mutex_init(&inodes->lock, NULL);
}

static void target_free(struct inodes *inodes, struct target *target)
{
    struct written *written = NULL;
    struct written *next = NULL;
    HASH_ITER (hh, target->written, written, next) {
        HASH_DEL(target->written, written);
        free(written);
    }
    failures_done(&target->failures);
    hold_list_done(&target->held);
    if (atomic_load(&target->process) >= 0) {
        close(atomic_load(&target->process));
        atomic_fetch_sub(&inodes->processes, 1);
    }
    inodes->freed++;
    free(target);
}

/*
 * Ends what may have freed much. Its memory is given back when as much was freed as there is left:
 * so each costs its share of it, and at the end there is little left to give.
 */
static void unlock_and_give_back(struct inodes *inodes)
{
    bool worth_it = inodes->freed >= HEAP_WORTH_IT &&
                    inodes->freed >= HASH_COUNT(inodes->targets) + HASH_COUNT(inodes->table);
    if (worth_it)
        inodes->freed = 0;
    pthread_mutex_unlock(&inodes->lock);
    if (worth_it)
        heap_give_back();
}

static void unlist_target(struct inodes *inodes, struct target *target)
{
    if (target->listed)
        HASH_DEL(inodes->targets, target);
    hash_table_shrink(HASH_TABLE(hh, inodes->targets));
    target->listed = false;
    if (target->users == 0)
        target_free(inodes, target);
}

/*
 * Ends a use. A target that nobody uses is kept where its files have times of their own, its
 * error_log has lines, or it is silent, until it is known to have ended.
 */
static void drop_target(struct inodes *inodes, struct target *target)
{
    if (--target->users > 0 ||
        (target->listed && !target->ended &&
         (target->written || failures_exist(&target->failures) || silence_is_on(&target->silence))))
        return;
    unlist_target(inodes, target);
}

static void inode_free(struct inodes *inodes, struct inode *inode)
{
    HASH_DEL(inodes->table, inode);
    hash_table_shrink(HASH_TABLE(hh, inodes->table));
    inodes->freed++;
    drop_target(inodes, inode->target);
    free(inode->probe);
    free(inode);
}

void inodes_done(struct inodes *inodes)
{
    struct inode *inode = NULL;
    struct inode *next = NULL;
    HASH_ITER (hh, inodes->table, inode, next)
        inode_free(inodes, inode);
    struct target *target = NULL;
    struct target *following = NULL;
    HASH_ITER (hh, inodes->targets, target, following)
        unlist_target(inodes, target);
    pthread_mutex_destroy(&inodes->lock);
}

/* ---- numbers ---------------------------------------------------------------------------- */

const struct node_kind *inode_kind(uint64_t number)
{
    uint64_t kind = (number & (KIND_MAX - 1)) - 1;
    return kind < node_kind_count ? &node_kinds[kind] : NULL;
}

uint64_t inode_number(const struct inode *inode, unsigned int kind)
{
    return inode->key << KIND_BITS | (kind + 1);
}

/* Without an ID, a random seed. Errors: EIO. */
static int make_seed(const struct inodes *inodes, pid_t pid, const struct probe_image_id *id,
                     uint8_t seed[SEED_SIZE])
{
    SHA2_CTX context;
    _Static_assert(SHA256_DIGEST_LENGTH == SEED_SIZE, "a seed is a digest");
    if (!id)
        return getrandom(seed, SEED_SIZE, 0) == SEED_SIZE ? 0 : -EIO;
    SHA256Init(&context);
    SHA256Update(&context, inodes->secret, sizeof(inodes->secret));
    SHA256Update(&context, (const uint8_t *)&pid, sizeof(pid));
    SHA256Update(&context, (const uint8_t *)id, sizeof(*id));
    SHA256Final(seed, &context);
    return 0;
}

static uint64_t make_key(const struct inodes *inodes, const struct target *target,
                         const char *probe, bool watch_only)
{
    static const char mark = WATCH_ONLY_MARK;
    SHA2_CTX context;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    uint64_t key = 0;
    SHA256Init(&context);
    SHA256Update(&context, inodes->secret, sizeof(inodes->secret));
    SHA256Update(&context, target->seed, sizeof(target->seed));
    if (watch_only)
        SHA256Update(&context, (const uint8_t *)&mark, sizeof(mark));
    if (probe)
        SHA256Update(&context, (const uint8_t *)probe, strlen(probe));
    SHA256Final(digest, &context);
    memcpy(&key, digest, sizeof(key));
    key >>= KIND_BITS;
    return key ? key : 1; /* 0 is the root's */
}

struct inode *inodes_find(struct inodes *inodes, uint64_t number)
{
    uint64_t key = number >> KIND_BITS;
    struct inode *inode = &inodes->root;
    if (key != 0) {
        pthread_mutex_lock(&inodes->lock);
        HASH_FIND(hh, inodes->table, &key, sizeof(key), inode);
        pthread_mutex_unlock(&inodes->lock);
    }
    return inode;
}

/* ---- targets ---------------------------------------------------------------------------- */

/* The start time counts from boot. The distance is read once: it must not wander with the clock. */
static struct timespec start_of(const struct probe_image_id *id)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static time_t boot; /* guarded by lock */
    long ticks = sysconf(_SC_CLK_TCK);
    pthread_mutex_lock(&lock);
    if (boot == 0) {
        struct timespec now;
        struct timespec since;
        clock_gettime(CLOCK_REALTIME, &now);
        clock_gettime(CLOCK_BOOTTIME, &since);
        boot = now.tv_sec - since.tv_sec - (now.tv_nsec < since.tv_nsec);
    }
    time_t start = boot + (time_t)(id->start_time / (uint64_t)ticks);
    pthread_mutex_unlock(&lock);
    return (struct timespec){.tv_sec = start};
}

/* Called with the lock held, as are those below. */
static void set_id(struct inodes *inodes, struct target *target, const struct probe_image_id *id)
{
    if (!target->is_numbered) /* nobody knows it by its random seed */
        make_seed(inodes, target->pid, id, target->seed);
    target->id = *id;
    target->start = start_of(id);
    atomic_store(&target->identified, true);
}

static int add_target(struct inodes *inodes, pid_t pid, const struct probe_image_id *id,
                      struct target **result)
{
    struct target *target = calloc(1, sizeof(*target));
    if (!target)
        return -ENOMEM;
    target->pid = pid;
    int status = id ? 0 : make_seed(inodes, pid, NULL, target->seed);
    if (status < 0) {
        free(target);
        return status;
    }
    if (id)
        set_id(inodes, target, id);
    else
        clock_gettime(CLOCK_REALTIME, &target->start);
    atomic_init(&target->process, -1);
    failures_init(&target->failures);
    hold_list_init(&target->held);
    HASH_ADD_INT(inodes->targets, pid, target);
    if (!target->hh.tbl) {
        target_free(inodes, target);
        return -ENOMEM;
    }
    target->listed = true;
    inodes->added++;
    *result = target;
    return 0;
}

/*
 * Is TARGET, which is known under that pid, the image that is asked for? One that was not
 * identified is told from one of a process before it by its descriptor alone.
 */
static bool is_meant(const struct target *target, const struct probe_image_id *id)
{
    if (atomic_load(&target->is_gone))
        return false;
    if (id && atomic_load(&target->identified))
        return probe_image_id_equal(&target->id, id);
    int process = inodes_get_process(target);
    return process >= 0 ? !process_has_ended(process) : !id;
}

int inodes_get_target(struct inodes *inodes, pid_t pid, const struct probe_image_id *id,
                      int process, struct target **result)
{
    pthread_mutex_lock(&inodes->lock);
    struct target *target = NULL;
    HASH_FIND_INT(inodes->targets, &pid, target);
    if (target && !is_meant(target, id)) {
        unlist_target(inodes, target);
        target = NULL;
    }
    int status = target ? 0 : add_target(inodes, pid, id, &target);
    if (status == 0) {
        if (id && !atomic_load(&target->identified))
            set_id(inodes, target, id);
        target->users++;
        *result = target;
    }
    pthread_mutex_unlock(&inodes->lock);
    if (status == 0 && process >= 0 && inodes_get_process(target) < 0) {
        int copy = fcntl(process, F_DUPFD_CLOEXEC, 0);
        if (copy >= 0 && !inodes_keep_process(inodes, target, copy))
            close(copy);
    }
    return status;
}

struct target *inodes_find_target(struct inodes *inodes, pid_t pid)
{
    struct target *target = NULL;
    pthread_mutex_lock(&inodes->lock);
    HASH_FIND_INT(inodes->targets, &pid, target);
    if (target && atomic_load(&target->is_gone))
        target = NULL;
    if (target)
        target->users++;
    pthread_mutex_unlock(&inodes->lock);
    return target;
}

int inodes_identify(struct inodes *inodes, struct target *target, const struct probe_image_id *id)
{
    pthread_mutex_lock(&inodes->lock);
    bool known = atomic_load(&target->identified);
    if (!known)
        set_id(inodes, target, id);
    int status = known && !probe_image_id_equal(&target->id, id) ? -ESRCH : 0;
    pthread_mutex_unlock(&inodes->lock);
    return status;
}

void inodes_use_target(struct inodes *inodes, struct target *target)
{
    pthread_mutex_lock(&inodes->lock);
    target->users++;
    pthread_mutex_unlock(&inodes->lock);
}

void inodes_put_target(struct inodes *inodes, struct target *target)
{
    pthread_mutex_lock(&inodes->lock);
    drop_target(inodes, target);
    unlock_and_give_back(inodes);
}

int inodes_get_targets(struct inodes *inodes, bool (*wanted)(const struct target *target),
                       struct target ***targets, size_t *count)
{
    size_t found = 0;
    pthread_mutex_lock(&inodes->lock);
    struct target **result = calloc(HASH_COUNT(inodes->targets) + 1, sizeof(struct target *));
    struct target *target = NULL;
    struct target *next = NULL;
    HASH_ITER (hh, inodes->targets, target, next) {
        if (!result || (wanted && !wanted(target)))
            continue;
        target->users++;
        result[found++] = target;
    }
    pthread_mutex_unlock(&inodes->lock);
    *targets = result;
    *count = found;
    return result ? 0 : -ENOMEM;
}

void inodes_put_targets(struct inodes *inodes, struct target **targets, size_t count)
{
    pthread_mutex_lock(&inodes->lock);
    for (size_t i = 0; i < count; i++)
        drop_target(inodes, targets[i]);
    unlock_and_give_back(inodes);
    free(targets);
}

uint64_t inodes_directory_number(const struct inodes *inodes, const struct target *target,
                                 enum place place)
{
    const struct inode inode = {.key = make_key(inodes, target, NULL, false)};
    return inode_number(&inode, tree_directory(place));
}

void inodes_end_target(struct inodes *inodes, struct target *target)
{
    pthread_mutex_lock(&inodes->lock);
    target->was_stale = target->ended;
    target->ended = true;
    if (target->users == 1)
        unlist_target(inodes, target);
    pthread_mutex_unlock(&inodes->lock);
}

int inodes_get_process(const struct target *target)
{
    return atomic_load(&target->process);
}

bool inodes_keep_process(struct inodes *inodes, struct target *target, int process)
{
    int none = -1;
    if (atomic_fetch_add(&inodes->processes, 1) < PROCESSES_MAX &&
        atomic_compare_exchange_strong(&target->process, &none, process))
        return true;
    atomic_fetch_sub(&inodes->processes, 1);
    return false;
}

/* What cannot be asked for (without descriptors, say) may be alive. */
bool inodes_target_lives(const struct target *target)
{
    struct process_user user;
    int process = inodes_get_process(target);
    if (atomic_load(&target->is_gone))
        return false;
    return process >= 0 ? !process_has_ended(process)
                        : process_find_user(target->pid, -1, &user) != -ENOENT;
}

/* ---- directories ------------------------------------------------------------------------ */

static bool lacks(const struct inode *inode, const struct node_kind *kind)
{
    return kind->needs_semaphore && inode->watch_only;
}

bool inode_lists_file(const struct inode *inode, const struct node_kind *kind)
{
    return kind->name && kind->place == inode->place && tree_is_listed(kind) && !lacks(inode, kind);
}

int inode_find_file(const struct inode *inode, enum place place, const char *name)
{
    int kind = tree_find(place, name);
    return kind >= 0 && !lacks(inode, &node_kinds[kind]) ? kind : -1;
}

static int add_inode(struct inodes *inodes, uint64_t key, struct target *target, const char *probe,
                     bool watch_only, struct inode **result)
{
    struct inode *inode = calloc(1, sizeof(*inode));
    if (!inode || (probe && !(inode->probe = strdup(probe)))) {
        free(inode);
        return -ENOMEM;
    }
    inode->key = key;
    inode->watch_only = watch_only;
    inode->place = probe ? PLACE_PROBE : PLACE_PROCESS;
    inode->target = target;
    HASH_ADD(hh, inodes->table, key, sizeof(inode->key), inode);
    if (!inode->hh.tbl) {
        free(inode->probe);
        free(inode);
        return -ENOMEM;
    }
    target->users++;
    *result = inode;
    return 0;
}

int inodes_look_up(struct inodes *inodes, struct target *target, const char *probe, bool watch_only,
                   struct inode **result)
{
    struct inode *inode = NULL;
    pthread_mutex_lock(&inodes->lock);
    uint64_t key = make_key(inodes, target, probe, watch_only);
    target->is_numbered = true;
    HASH_FIND(hh, inodes->table, &key, sizeof(key), inode);
    int status = inode ? 0 : add_inode(inodes, key, target, probe, watch_only, &inode);
    if (status == 0) {
        inode->lookups++;
        *result = inode;
    }
    pthread_mutex_unlock(&inodes->lock);
    return status;
}

void inodes_look_up_file(struct inodes *inodes, struct inode *inode)
{
    pthread_mutex_lock(&inodes->lock);
    inode->lookups++;
    pthread_mutex_unlock(&inodes->lock);
}

/* Takes COUNT look-ups away. Called with the lock held. */
static void drop_inode(struct inodes *inodes, struct inode *inode, uint64_t count)
{
    inode->lookups -= count < inode->lookups ? count : inode->lookups;
    if (inode->lookups == 0 && inode->key != 0)
        inode_free(inodes, inode);
}

void inodes_forget(struct inodes *inodes, uint64_t number, uint64_t count)
{
    uint64_t key = number >> KIND_BITS;
    struct inode *inode = NULL;
    pthread_mutex_lock(&inodes->lock);
    HASH_FIND(hh, inodes->table, &key, sizeof(key), inode);
    if (inode)
        drop_inode(inodes, inode, count);
    unlock_and_give_back(inodes);
}

void inodes_opened(struct inodes *inodes, struct inode *inode)
{
    pthread_mutex_lock(&inodes->lock);
    inode->lookups++;
    inode->open++;
    pthread_mutex_unlock(&inodes->lock);
}

void inodes_closed(struct inodes *inodes, struct inode *inode)
{
    pthread_mutex_lock(&inodes->lock);
    inode->open--;
    drop_inode(inodes, inode, 1);
    unlock_and_give_back(inodes);
}

bool inodes_is_open(struct inodes *inodes, struct inode *inode)
{
    pthread_mutex_lock(&inodes->lock);
    bool open = inode->open > 0;
    pthread_mutex_unlock(&inodes->lock);
    return open;
}

bool inodes_are_open(struct inodes *inodes)
{
    bool open = false;
    pthread_mutex_lock(&inodes->lock);
    for (const struct inode *inode = inodes->table; inode && !open; inode = inode->hh.next)
        open = inode->open > 0;
    pthread_mutex_unlock(&inodes->lock);
    return open || inodes->root.open > 0;
}

/* ---- times ------------------------------------------------------------------------------ */

static struct written *find_written(struct target *target, uint64_t number)
{
    struct written *written = NULL;
    HASH_FIND(hh, target->written, &number, sizeof(number), written);
    return written;
}

static struct written *add_written(struct target *target, uint64_t number)
{
    struct written *written = calloc(1, sizeof(*written));
    if (!written)
        return NULL;
    written->number = number;
    HASH_ADD(hh, target->written, number, sizeof(written->number), written);
    if (!written->hh.tbl) {
        free(written);
        return NULL;
    }
    return written;
}

void inodes_set_written(struct inodes *inodes, struct target *target, uint64_t number)
{
    pthread_mutex_lock(&inodes->lock);
    struct written *written = find_written(target, number);
    if (!written)
        written = add_written(target, number);
    if (written) /* without memory, the file keeps the time it had */
        clock_gettime(CLOCK_REALTIME, &written->time);
    pthread_mutex_unlock(&inodes->lock);
}

struct timespec inodes_get_time(struct inodes *inodes, struct target *target, uint64_t number)
{
    pthread_mutex_lock(&inodes->lock);
    const struct written *written = find_written(target, number);
    const struct timespec time = written ? written->time : target->start;
    pthread_mutex_unlock(&inodes->lock);
    return time;
}
