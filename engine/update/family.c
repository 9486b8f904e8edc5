/* SPDX-License-Identifier: MIT */
/*
 * Giving a reference back where fork took it to.
 *
 * A child has its parent's counters as they were at the fork. So while a reference is held, each
 * fork makes another counter that it is in, and no close of the holder's reaches it. When the
 * reference is given back, it is taken from the children as well, each of which must
 *
 *   - have been forked between the taking and the giving back, from the image that the reference
 *     was taken from, or from such a child before it was reached
 *   - not have called exec: PF_FORKNOEXEC among its flags, and the parent's layout of memory
 *   - be of the same user and group as the origin: others can make whoever looks at them wait for
 *     ever. Those are counted, and left to a second call in a process that can be given up
 *
 * Processes are found by the kernel's lists of children. A child whose parent has ended is on no
 * list that says where it came from, and is not found.
 *
 * Start times come in ticks of 10 ms, and a process is given its own a moment after its memory was
 * copied. So what was forked in a tick of the taking or of the giving back, or in the one behind
 * it, may be on either side. The values tell then: a counter that is below what it was with the
 * reference does not hold it. (It looks so, too, if other references were taken from the child
 * since: then this one stays there, rather than that somebody else's is taken.)
 *
 * Nothing is taken from a counter that is 0.
 */
#include "process/children.h"
#include "process/proc.h"
#include "shared/clock.h"
#include "update/reference.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* How many processes are looked at for one reference. */
enum { RELATIVES_MAX = 32768 };

/* The kernel's list of children can lack some that others left: it is read again, so often. */
enum { LISTINGS_MAX = 3 };

/* A process that was looked at, and descends from the origin of the reference. */
struct relative {
    pid_t pid;
    struct relative *parent; /* NULL: the origin */
    bool has_heirs;          /* its children may hold the reference, too */
    bool is_unreached;       /* it is another user's */
    bool is_given;           /* the reference was taken from it at `given` */
    struct ticks given;
    uint32_t *before; /* its counters just before that */
    UT_hash_handle hh;
};

struct family {
    struct relative *relatives; /* by pid, in the order in which they were found */
    struct relative *parent;    /* whose children are being looked at; NULL: the origin's */
    unsigned int failed;        /* children that could not be changed */
    pid_t first_failed;
    struct probe_error reason; /* of the first */
};

void family_free(struct family *family)
{
    struct relative *relative = NULL;
    struct relative *next = NULL;
    if (!family)
        return;
    HASH_ITER (hh, family->relatives, relative, next) {
        HASH_DEL(family->relatives, relative);
        free(relative->before);
        free(relative);
    }
    free(family);
}

/* One call's part of a search. */
struct search {
    struct probe_engine *engine;
    struct probe_reference *reference;
    enum probe_children whose;
    probe_child_predicate *skip;
    void *data;
    const struct timespec *deadline;
};

static struct relative *add_relative(struct family *family, pid_t pid)
{
    struct relative *relative = calloc(1, sizeof(*relative));
    if (!relative)
        return NULL;
    relative->pid = pid;
    HASH_ADD_INT(family->relatives, pid, relative);
    if (relative->hh.tbl)
        return relative;
    free(relative);
    return NULL;
}

/* ---- which children --------------------------------------------------------------------- */

/* What the counters of a child have at least, if it was forked with the reference. */
struct required {
    uint32_t *values;
    bool any; /* else its start time tells enough */
};

static void require(struct required *required, size_t i, uint32_t value)
{
    required->any = true;
    if (value > required->values[i])
        required->values[i] = value;
}

/*
 * May a process that started at START be a child that the PARENT (NULL: the origin) forked with the
 * reference? If that depends on its counters, REQUIRED says on what.
 */
static bool may_hold(const struct probe_reference *reference, const struct relative *parent,
                     uint64_t start, struct required *required)
{
    const struct ticks *taken = &reference->origin.taken;
    const struct ticks *given = parent ? &parent->given : &reference->given;
    bool is_given = !parent || parent->is_given;
    if (start < taken->from || (is_given && start > given->to + 1))
        return false;
    for (size_t i = 0; i < reference->count; i++) {
        if (start <= taken->to + 1)
            require(required, i, reference->taken[i].after);
        if (is_given && start >= given->from)
            require(required, i,
                    parent                    ? parent->before[i]
                    : reference->is_forgotten ? UINT32_MAX
                                              : reference->taken[i].before);
    }
    return true;
}

static bool is_met(const struct required *required, const uint32_t *values, size_t count)
{
    bool met = !required->any;
    for (size_t i = 0; i < count; i++)
        met = met || values[i] >= required->values[i];
    return met;
}

static bool is_of_family(const struct probe_reference *reference, const struct proc_stat *stat)
{
    const struct probe_image_id *id = &reference->origin.id;
    return stat->is_forked && memcmp(stat->layout, id->layout, sizeof(stat->layout)) == 0;
}

/* May the process of PID be looked into? Asks nothing that could make us wait for it. */
static bool is_for_us(const struct search *search, pid_t pid)
{
    const struct origin *origin = &search->reference->origin;
    uid_t user = 0;
    gid_t group = 0;
    if (search->whose == PROBE_CHILDREN_OF_OTHERS)
        return true;
    return proc_read_user(search->engine->proc, pid, &user, &group) == 0 && user == origin->user &&
           group == origin->group;
}

/* ---- one child -------------------------------------------------------------------------- */

/* Opens the child that STAT is of. Errors: ESRCH it has ended, or called exec. */
static int open_child(const struct search *search, pid_t pid, const struct proc_stat *stat,
                      struct probe_target **result, struct probe_error *error)
{
    struct probe_target *target = NULL;
    struct proc_stat now;
    int status = probe_target_open(search->engine, pid, PROBE_WRITE, &target, error);
    if (status < 0)
        return status;
    /* The flag is asked for behind the opening: so there was no exec before it. */
    if (proc_stat_read(search->engine->proc, pid, pid, &now) < 0 ||
        now.start_time != stat->start_time || !is_of_family(search->reference, &now) ||
        memcmp(probe_target_id(target)->layout, now.layout, sizeof(now.layout)) != 0) {
        probe_target_close(target);
        return -ESRCH;
    }
    *result = target;
    return 0;
}

/* Takes the reference from one child. Returns whether it was in it, or an error. */
static int give_in_child(const struct search *search, struct relative *child,
                         const struct proc_stat *stat, const struct required *required,
                         struct probe_error *error)
{
    const struct probe_reference *reference = search->reference;
    struct probe_target *target = NULL;
    child->before = calloc(reference->count + 1, sizeof(*child->before));
    if (!child->before)
        return error_memory(error);
    int status = open_child(search, child->pid, stat, &target, error);
    if (status < 0)
        return status;
    reference_read(target, reference, child->before);
    bool holds = is_met(required, child->before, reference->count);
    child->given.from = ticks_now();
    if (holds)
        status = reference_subtract(target, reference, child->before,
                                    required->any ? required->values : NULL, error);
    child->given.to = ticks_now();
    child->is_given = holds && status == 0;
    probe_target_close(target);
    return status < 0 ? status : holds;
}

/* What has gone, or is in vfork and shares its parent's memory, is no failure. */
static void note_failure(struct family *family, pid_t pid, int status,
                         const struct probe_error *error)
{
    if (status >= 0 || status == -ESRCH || status == -ENOENT || status == -EBUSY)
        return;
    if (family->failed++ > 0)
        return;
    family->first_failed = pid;
    family->reason = *error;
}

/* Looks into one that may be looked into. Errors: ENOMEM. */
static int look_into(const struct search *search, struct relative *child, struct required *required)
{
    struct probe_reference *reference = search->reference;
    struct probe_error error = {.text = ""};
    struct proc_stat stat;
    if (proc_stat_read(search->engine->proc, child->pid, child->pid, &stat) < 0 ||
        !may_hold(reference, child->parent, stat.start_time, required))
        return 0;
    if (!is_of_family(reference, &stat)) {
        /* It has called exec, and may have had children before. */
        child->has_heirs = !required->any;
        return 0;
    }
    if (search->skip && search->skip(search->data, child->pid, stat.start_time))
        return 0;
    int status = give_in_child(search, child, &stat, required, &error);
    child->has_heirs = status != 0;
    note_failure(reference->family, child->pid, status, &error);
    return status == -ENOMEM ? status : 0;
}

/* Looks into CHILD, if we may. Errors: ENOMEM. */
static int look_at_relative(const struct search *search, struct relative *child)
{
    struct required required = {calloc(search->reference->count + 1, sizeof(uint32_t)), false};
    if (!required.values)
        return -ENOMEM;
    child->is_unreached = !is_for_us(search, child->pid);
    int status = child->is_unreached ? 0 : look_into(search, child, &required);
    free(required.values);
    return status;
}

/* A child of PARENT (NULL: of the origin) that was not looked at yet. Errors: ENOMEM. */
static int look_at_child(const struct search *search, struct relative *parent, pid_t pid)
{
    struct family *family = search->reference->family;
    struct relative *child = add_relative(family, pid);
    if (!child)
        return -ENOMEM;
    child->parent = parent;
    int status = look_at_relative(search, child);
    if (status == -ENOMEM) { /* it is looked at another time */
        HASH_DEL(family->relatives, child);
        free(child->before);
        free(child);
    }
    return status;
}

/* ---- all of them ------------------------------------------------------------------------ */

/* Looks at the new children of PARENT. Returns whether there were any, or an error. */
static int look_at_children(const struct search *search, struct relative *parent)
{
    struct family *family = search->reference->family;
    struct children children = {.pids = NULL};
    pid_t pid = parent ? parent->pid : (pid_t)search->reference->origin.pid;
    bool any = false;
    int status = children_read(search->engine->proc, pid, &children);
    if (status < 0 && status != -ENOMEM)
        status = 0; /* it has ended */
    for (size_t i = 0; i < children.count && status == 0; i++) {
        struct relative *known = NULL;
        HASH_FIND_INT(family->relatives, &children.pids[i], known);
        if (known)
            continue;
        any = true;
        if (HASH_COUNT(family->relatives) >= RELATIVES_MAX)
            status = -E2BIG;
        else if (clock_is_past(search->deadline))
            status = -EAGAIN;
        else
            status = look_at_child(search, parent, children.pids[i]);
    }
    children_done(&children);
    return status < 0 ? status : any;
}

/* The next whose children may hold the reference; NULL: all were looked at. */
static struct relative *next_parent(const struct family *family)
{
    struct relative *next = family->parent ? family->parent->hh.next : family->relatives;
    while (next && !next->has_heirs)
        next = next->hh.next;
    return next;
}

static int search_family(const struct search *search)
{
    struct family *family = search->reference->family;
    for (;;) {
        int status = 1;
        for (int i = 0; i < LISTINGS_MAX && status == 1; i++)
            status = look_at_children(search, family->parent);
        struct relative *next = status >= 0 ? next_parent(family) : NULL;
        if (!next)
            return status < 0 ? status : 0;
        family->parent = next;
    }
}

/* Looks into those that were left to others, so that their children are searched for, too. */
static int look_at_unreached(const struct search *search)
{
    struct family *family = search->reference->family;
    int status = 0;
    for (struct relative *relative = family->relatives; relative && status == 0;
         relative = relative->hh.next) {
        if (!relative->is_unreached)
            continue;
        status = clock_is_past(search->deadline) ? -EAGAIN : look_at_relative(search, relative);
        family->parent = NULL;
    }
    return status;
}

static int end_search(const struct search *search, int status, struct probe_error *error)
{
    const struct probe_reference *reference = search->reference;
    struct family *family = reference->family;
    pid_t pid = (pid_t)reference->origin.pid;
    if (status == -ENOMEM)
        return error_memory(error);
    if (status == -EAGAIN)
        return error_set(error, EAGAIN, "process %d has many children", pid);
    if (status == -E2BIG)
        return error_set(error, E2BIG,
                         "process %d has more than %d children: those that were left out may keep "
                         "a reference to '%s'",
                         pid, RELATIVES_MAX, reference->name);
    if (family->failed > 0)
        engine_log(search->engine, PROBE_LOG_WARNING,
                   "process %d: %u of its children may keep a reference to '%s': process %d: %s",
                   pid, family->failed, reference->name, family->first_failed, family->reason.text);
    family->failed = 0;
    return 0;
}

static bool begin_family(struct probe_reference *reference)
{
    if (!reference->family)
        reference->family = calloc(1, sizeof(*reference->family));
    return reference->family;
}

int probe_reference_give_children(struct probe_engine *engine, struct probe_reference *reference,
                                  enum probe_children whose, probe_child_predicate *skip,
                                  void *data, const struct timespec *deadline,
                                  struct probe_error *error)
{
    const struct search search = {
        .engine = engine,
        .reference = reference,
        .whose = whose,
        .skip = skip,
        .data = data,
        .deadline = deadline,
    };
    int status = 0;
    if (reference->given.to == 0)
        return error_set(error, EINVAL, "the reference was not given back before");
    if (!begin_family(reference))
        return error_memory(error);
    if (whose == PROBE_CHILDREN_OF_OTHERS)
        status = look_at_unreached(&search);
    if (status == 0)
        status = search_family(&search);
    return end_search(&search, status, error);
}

size_t probe_reference_unreached(const struct probe_reference *reference)
{
    const struct family *family = reference->family;
    size_t count = 0;
    for (struct relative *relative = family ? family->relatives : NULL; relative;
         relative = relative->hh.next)
        count += relative->is_unreached;
    return count;
}
