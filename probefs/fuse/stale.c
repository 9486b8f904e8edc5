/* SPDX-License-Identifier: MIT */
#include "fuse/stale.h"

#include "shared/clock.h"

#include <pthread.h>
#include <stdatomic.h>

/* More than there are threads that serve. */
enum { CALLERS = 1024, PLACES_EACH = 8 };

/* Who asks again does so within this time; and no request takes longer than that. */
#define AGAIN_WITHIN  (2 * CLOCK_SECOND)
#define SERVED_WITHIN (300 * CLOCK_SECOND)

static struct stale_caller {
    pid_t tid; /* 0: nobody */
    pid_t pid; /* whom it asked about */
    struct timespec until;
} callers[CALLERS]; /* guarded by lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint count; /* of those that are not nobody: a hint for who has no lock */

/* The place of TID, or one that it may take, or NULL. Called with the lock held. */
static struct stale_caller *find_place(pid_t tid)
{
    struct stale_caller *free_place = NULL;
    for (unsigned int i = 0; i < PLACES_EACH; i++) {
        struct stale_caller *caller = &callers[((unsigned int)tid + i) % CALLERS];
        if (caller->tid == tid)
            return caller;
        if (!free_place && (caller->tid == 0 || clock_is_past(&caller->until)))
            free_place = caller;
    }
    return free_place;
}

static void set_caller(struct stale_caller *caller, pid_t tid, pid_t pid)
{
    if (caller->tid == 0 && tid != 0)
        atomic_fetch_add(&count, 1);
    if (caller->tid != 0 && tid == 0)
        atomic_fetch_sub(&count, 1);
    caller->tid = tid;
    caller->pid = pid;
    caller->until = clock_after(AGAIN_WITHIN);
}

bool stale_may_answer(pid_t tid, pid_t pid)
{
    if (tid <= 0) /* of another pid namespace: nobody knows whose it is */
        return false;
    pthread_mutex_lock(&lock);
    struct stale_caller *caller = find_place(tid);
    bool again =
        caller && caller->tid == tid && caller->pid == pid && !clock_is_past(&caller->until);
    bool may = caller && !again;
    if (caller)
        set_caller(caller, again ? 0 : tid, pid);
    pthread_mutex_unlock(&lock);
    return may;
}

/* Whom it remembers, it remembers for so long from now on. */
static void extend(pid_t tid, int64_t time)
{
    if (atomic_load(&count) == 0 || tid <= 0)
        return;
    pthread_mutex_lock(&lock);
    struct stale_caller *caller = find_place(tid);
    if (caller && caller->tid == tid && !clock_is_past(&caller->until))
        caller->until = clock_after(time);
    pthread_mutex_unlock(&lock);
}

void stale_begin(pid_t tid)
{
    extend(tid, SERVED_WITHIN);
}

void stale_end(pid_t tid)
{
    extend(tid, AGAIN_WITHIN);
}

void stale_forget(pid_t tid)
{
    if (atomic_load(&count) == 0 || tid <= 0)
        return;
    pthread_mutex_lock(&lock);
    struct stale_caller *caller = find_place(tid);
    if (caller && caller->tid == tid)
        set_caller(caller, 0, 0);
    pthread_mutex_unlock(&lock);
}
