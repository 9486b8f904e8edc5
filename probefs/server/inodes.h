/* SPDX-License-Identifier: MIT */
/*
 * Inode numbers and what they stand for. A number is a directory's key and a kind of node:
 *
 *   number = key << KIND_BITS | kind + 1
 *
 * so that the files of a directory need no entry of their own. The key of a process's directory is
 * a hash of its image, that of a probe's a hash of the image and the name, keyed with a secret:
 * numbers never repeat between targets, and nobody can choose one.
 */
#ifndef PROBEFS_INODES_H
#define PROBEFS_INODES_H

#include "server/failures.h"
#include "server/hold-list.h"
#include "nodes/tree.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#define HASH_NONFATAL_OOM 1 /* without memory, an entry is not added: nobody exits */
#include <uthash.h>

/* The files' times that are not their target's: of those that were written. */
struct written {
    uint64_t number;
    struct timespec time;
    UT_hash_handle hh;
};

/* One image, as the server knows it. */
struct target {
    pid_t pid;
    struct probe_image_id id;
    struct timespec start;
    struct failures failures;
    struct hold_list held;
    /* The process as a descriptor, once somebody asked for it; -1 before. */
    atomic_int process;
    atomic_bool is_gone; /* a worker said so, which no image comes back from */
    /* Guarded by the lock of `inodes`: */
    unsigned int users;      /* inodes and requests */
    struct written *written; /* by number */
    UT_hash_handle hh;       /* by pid; only the latest of a pid is found there */
    bool listed;
    bool ended;     /* as a sweep has found */
    bool was_stale; /* its name was stale in a sweep before */
};

/* A directory that the kernel knows, and the files in it. */
struct inode {
    uint64_t key; /* 0: the root */
    enum place place;
    struct target *target; /* NULL for the root */
    char *probe;           /* NULL, but for a probe's directory */
    /* Guarded by the lock of `inodes`: */
    uint64_t lookups; /* of the directory and its files together */
    unsigned int open;
    UT_hash_handle hh;
};

struct inodes {
    pthread_mutex_t lock;
    struct inode root;
    struct inode *table;    /* by key; guarded by lock */
    struct target *targets; /* by pid; guarded by lock */
    unsigned int added;     /* targets, since the last sweep; guarded by lock */
    uint8_t secret[32];
    atomic_uint processes; /* how many targets keep a descriptor */
};

int inodes_init(struct inodes *inodes);
void inodes_done(struct inodes *inodes);

/* The directory that NUMBER stands in or for; alive as long as the kernel has looked it up. */
struct inode *inodes_find(struct inodes *inodes, uint64_t number);
/* The kind of node that NUMBER stands for. */
const struct node_kind *inode_kind(uint64_t number);
/* The number of a node of KIND in directory INODE. */
uint64_t inode_number(const struct inode *inode, unsigned int kind);

/* The image ID of PID, in use until inodes_put_target(). Errors: ENOMEM. */
int inodes_get_target(struct inodes *inodes, pid_t pid, const struct probe_image_id *id,
                      struct target **target);
void inodes_put_target(struct inodes *inodes, struct target *target);

/*
 * All targets that are WANTED (NULL: all), which is asked with the lock held: each is in use until
 * inodes_put_targets(), which frees TARGETS, too. Errors: ENOMEM.
 */
int inodes_get_targets(struct inodes *inodes, bool (*wanted)(const struct target *target),
                       struct target ***targets, size_t *count);
void inodes_put_targets(struct inodes *inodes, struct target **targets, size_t count);

/*
 * A descriptor of TARGET's process, which belongs to the target; -1 where it cannot be had, or too
 * many have one. SAME tells whether the process of that number is still the target's.
 */
int inodes_get_process(struct inodes *inodes, struct target *target,
                       bool (*same)(void *data, const struct target *target), void *data);

/* The directory of PROBE (NULL: of the process) in TARGET, looked up once more by the kernel.
 * Errors: ENOMEM. */
int inodes_look_up(struct inodes *inodes, struct target *target, const char *probe,
                   struct inode **inode);
/* A file in INODE was looked up. */
void inodes_look_up_file(struct inodes *inodes, struct inode *inode);
void inodes_forget(struct inodes *inodes, uint64_t number, uint64_t count);

/*
 * Something in INODE was opened, and closed again; it lives in between, whatever the kernel forgets
 * (a FORGET may overtake a RELEASE).
 */
void inodes_opened(struct inodes *inodes, struct inode *inode);
void inodes_closed(struct inodes *inodes, struct inode *inode);
bool inodes_is_open(struct inodes *inodes, struct inode *inode);

/* Is anything open at all? */
bool inodes_are_open(struct inodes *inodes);

/* Remembers that the file NUMBER of TARGET was changed now; and tells when, if ever. */
void inodes_set_written(struct inodes *inodes, struct target *target, uint64_t number);
bool inodes_get_written(struct inodes *inodes, struct target *target, uint64_t number,
                        struct timespec *time);

/* Have so many targets come since the last sweep that the next is worth its while? */
bool inodes_are_due(struct inodes *inodes);

/* A name in a directory, which the kernel has and should forget. */
struct stale_name {
    uint64_t directory; /* its number */
    char name[NAME_MAX + 1];
};

/*
 * Forgets targets that nothing refers to and that are not ALIVE any more. Of those that the kernel
 * still has names of, it gives these names, for the caller to free: at first those of their
 * directories in the root, and if that does not help (what is open keeps its name, and what has
 * been open may, too), in later sweeps all names in them. Without memory, some are left out.
 */
void inodes_sweep(struct inodes *inodes, bool (*alive)(void *data, const struct target *target),
                  void *data, struct stale_name **names, size_t *count);

#endif
