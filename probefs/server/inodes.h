/* SPDX-License-Identifier: MIT */
/*
 * Inode numbers and what they stand for. A number is a directory's key and a kind of node:
 *
 *   number = key << KIND_BITS | kind + 1
 *
 * so that the files of a directory need no entry of their own. Keys are hashes: of a target's seed,
 * and of the probe's name for a probe's directory, keyed with a secret. The seed is a hash of the
 * target's image or, where the target was met before its worker said which that is, random. So
 * numbers never repeat between targets, and nobody can choose one.
 */
#ifndef PROBEFS_INODES_H
#define PROBEFS_INODES_H

#include "server/failures.h"
#include "server/hold-list.h"
#include "server/shared-bytes.h"
#include "server/silence.h"
#include "nodes/tree.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#define HASH_NONFATAL_OOM 1 /* without memory, an entry is not added: nobody exits */
#include "shared/hash-table.h"

/* The files' times that are not their target's: of those that were written. */
struct written {
    uint64_t number;
    struct timespec time;
    UT_hash_handle hh;
};

enum { SEED_SIZE = 32 };

/*
 * One image, as the server knows it. The server itself never looks into the process: workers say
 * which image it has, and that it has another.
 */
struct target {
    pid_t pid;
    uint8_t seed[SEED_SIZE];
    struct failures failures;
    struct hold_list held;
    struct shared_bytes *names, *log; /* what was read last of them, as long as somebody has it */
    struct silence silence;           /* the router's `silences` guard it */
    atomic_bool is_asked;   /* a look-up has asked a worker for it, who has not answered yet */
    atomic_bool identified; /* once it is, the image never changes: */
    struct probe_image_id id;
    /* The process as a descriptor, once somebody asked for it; -1 before. */
    atomic_int process;
    atomic_bool is_gone; /* a worker said so, which no image comes back from */
    /* Guarded by the lock of `inodes`: */
    bool is_numbered; /* there are, or were, numbers made from its seed */
    struct timespec start;
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
    struct target *target;      /* NULL for the root */
    char *probe;                /* NULL, but for a probe's directory */
    bool watch_only;            /* which has no semaphore */
    struct shared_bytes *saved; /* what the last hold in it is saved as, likewise */
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
    unsigned int added;   /* targets, since the last sweep; guarded by lock, and so are the next */
    unsigned int missing; /* targets without a process, as the last listing has found */
    unsigned int freed;   /* inodes and targets, since their memory was given back */
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
/* The number of TARGET's directory PLACE. */
uint64_t inodes_directory_number(const struct inodes *inodes, const struct target *target,
                                 enum place place);

/*
 * The image ID of PID, in use until inodes_put_target(); or, where ID is NULL, the image that the
 * process has, whichever that is. PROCESS is a descriptor of the process, or -1. One that was not
 * identified before is now. Errors: ENOMEM.
 */
int inodes_get_target(struct inodes *inodes, pid_t pid, const struct probe_image_id *id,
                      int process, struct target **target);
/*
 * The target of PID that is known, if there is one, in use likewise; or NULL. It is of that process
 * if it keeps a descriptor which says so, and perhaps of one before it if not.
 */
struct target *inodes_find_target(struct inodes *inodes, pid_t pid);
/* One more use. */
void inodes_use_target(struct inodes *inodes, struct target *target);
void inodes_put_target(struct inodes *inodes, struct target *target);

/*
 * All targets that are WANTED (NULL: all), which is asked with the lock held: each is in use until
 * inodes_put_targets(), which frees TARGETS, too. Errors: ENOMEM.
 */
int inodes_get_targets(struct inodes *inodes, bool (*wanted)(const struct target *target),
                       struct target ***targets, size_t *count);
void inodes_put_targets(struct inodes *inodes, struct target **targets, size_t count);

/* A worker says that TARGET is the image ID. Errors: ESRCH it is known to be another. */
int inodes_identify(struct inodes *inodes, struct target *target, const struct probe_image_id *id);

/* A descriptor of TARGET's process, which belongs to the target; -1 where it keeps none. */
int inodes_get_process(const struct target *target);
/*
 * Has TARGET keep PROCESS, a descriptor of its process. Returns false where it has one, or too many
 * targets have: then PROCESS stays the caller's.
 */
bool inodes_keep_process(struct inodes *inodes, struct target *target, int process);

/* Is TARGET still there, as far as can be known without looking into the process? */
bool inodes_target_lives(const struct target *target);
/* TARGET, which the caller uses, was found not to live. */
void inodes_end_target(struct inodes *inodes, struct target *target);

/*
 * The directory of PROBE (NULL: of the process) in TARGET, looked up once more by the kernel. A
 * probe has another one if it is WATCH_ONLY. Errors: ENOMEM.
 */
int inodes_look_up(struct inodes *inodes, struct target *target, const char *probe, bool watch_only,
                   struct inode **inode);
/* The kind of the file NAME in PLACE, which is INODE's directory or one that it has beside, or -1.
 */
int inode_find_file(const struct inode *inode, enum place place, const char *name);
/* Is a file of KIND listed in INODE's directory? */
bool inode_lists_file(const struct inode *inode, const struct node_kind *kind);
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

/* Remembers that the file NUMBER of TARGET was changed now. */
void inodes_set_written(struct inodes *inodes, struct target *target, uint64_t number);
/* When it was last changed, or when its process started. */
struct timespec inodes_get_time(struct inodes *inodes, struct target *target, uint64_t number);

#endif
