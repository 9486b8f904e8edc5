/* SPDX-License-Identifier: MIT */
/*
 * A watch, as its client sees it: probes of a target go in, lines come out.
 *
 * Each time that probes are added, a plan is made, programs are loaded that know all recipes up to
 * then, and the plan's sites are attached to them. The ring and the tallies are those of the first
 * programs, so that all records come in one order.
 *
 * What attaches may be another process (an attacher): then the plan is sent to it, and probes are
 * watched once its answer has come.
 *
 * A reader looks for three things, in this order: has the process gone (it ended, or called exec)?
 * What is in the ring? How many firings were lost? So nothing that came before the end is missed
 * when the end is told.
 */
#include "shared/array.h"
#include "shared/clock.h"
#include "target/target.h"
#include "watch/attach.h"
#include "watch/plan-to-watch.h"
#include "watch/records.h"
#include "watch/request.h"
#include "watch/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * ROOM_DEFAULT bytes of records are some 40,000 firings. PROBES_SPARE: probes that can be added
 * later. A reader that has nothing to do looks again after IDLE_FIRST_MS, then more and more
 * rarely.
 */
enum { ROOM_DEFAULT = 4 << 20, PROBES_SPARE = 4096, IDLE_FIRST_MS = 1, IDLE_LAST_MS = 8 };

/* For so long a process that has lost its memory may be on its way out. */
enum { EXIT_MS = 50 };

/* A clock that was set says another time; one that two looks differ by less was not. */
static const int64_t clock_step = CLOCK_MILLISECOND;

struct batch {
    struct watch_programs programs;
    struct watch_attachment attachment;
};

enum watch_end { WATCH_RUNS, WATCH_ENDED, WATCH_EXECUTED, WATCH_TOLD };

struct probe_watch {
    struct probe_engine *engine;
    struct probe_watch_options options;
    pid_t pid;
    int process; /* its pidfd */
    enum watch_end end;
    struct watch_table table;
    struct batch *batches;
    size_t batch_count, batch_room;
    bool is_asked; /* an attacher, who has not answered yet, for: */
    struct watch_plan asked;
    struct ring ring; /* this and the tallies are there once anything is attached */
    const volatile __u64 *tallies;
    size_t tally_count;
    uint64_t lost;       /* as many were told of */
    uint64_t unreadable; /* records that say nothing: their firings are lost, too */
    bool is_foreign;     /* what was recorded and counted is another image's */
    struct record_reader reader;
    bool lacks;        /* the next addition may bring more, though nothing was loaded */
    char notice[1024]; /* a line of what is not watched, until it is read; or "" */
};

/* ---- adding ----------------------------------------------------------------------------- */

/* Room for what the plans up to now count, which the first one makes for all to come. */
static int make_tallies_room(struct probe_watch *watch, struct probe_error *error)
{
    size_t probes = watch->table.probe_count;
    if (watch->tally_count == 0)
        watch->tally_count = WATCH_COUNTS + probes + PROBES_SPARE;
    if (probes <= watch->tally_count - WATCH_COUNTS)
        return 0;
    return error_set(error, E2BIG, "process %d has loaded more than %d probes to be watched",
                     watch->pid, PROBES_SPARE);
}

/* Only the recipes that PLAN has added are loaded with the programs for it. */
static struct programs_wanted programs_for(const struct probe_watch *watch,
                                           const struct watch_plan *plan)
{
    static const struct watch_recipe none = {0};
    const struct watch_table *table = &watch->table;
    bool first = watch->batch_count == 0;
    size_t added = table->recipe_count - plan->first_recipe;
    return (struct programs_wanted){
        .pid = watch->pid,
        .lines = !watch->options.counts_only,
        .recipes = added ? table->recipes + plan->first_recipe : &none,
        .recipe_count = added ? added : 1,
        .first_recipe = plan->first_recipe,
        .tally_count = watch->tally_count,
        .ring_size = watch->options.room,
        .ring = first ? -1 : watch->batches[0].programs.ring,
        .tallies = first ? -1 : watch->batches[0].programs.tallies,
    };
}

static int map_results(struct probe_watch *watch, int ring, int tallies, struct probe_error *error)
{
    int status = tallies_open(tallies, watch->tally_count, &watch->tallies);
    if (status == 0)
        status = ring_open(ring, watch->options.room, &watch->ring);
    if (status < 0)
        error_set(error, -status, "cannot map what is watched: %s", strerror(-status));
    return status;
}

static int load_batch(struct probe_watch *watch, const struct watch_plan *plan, enum watch_way way,
                      struct batch *batch, struct probe_error *error)
{
    struct programs_wanted wanted = programs_for(watch, plan);
    wanted.way = way;
    int status = programs_load(&wanted, &batch->programs, error);
    if (status < 0 || watch->batch_count > 0)
        return status;
    return map_results(watch, batch->programs.ring, batch->programs.tallies, error);
}

static void batch_done(struct batch *batch)
{
    attachment_done(&batch->attachment);
    programs_done(&batch->programs);
}

static int attach_batch(struct probe_watch *watch, struct probe_target *target,
                        const struct watch_plan *plan, struct probe_error *error)
{
    struct batch batch = {WATCH_PROGRAMS_NONE, WATCH_ATTACHMENT_NONE};
    enum watch_way way = WATCH_MULTI;
    int status = attach_choose_way(watch->engine, plan->pid, plan->tid, &way, error);
    if (status == 0)
        status = load_batch(watch, plan, way, &batch, error);
    /* From here on an exec is marked; and so far there was none. */
    if (status == 0)
        status = target_check(target, error);
    if (status == 0 && plan->site_count > 0)
        status = attach_plan(plan, &batch.programs, way, -1, &batch.attachment, error);
    if (status < 0)
        batch_done(&batch);
    else
        watch->batches[watch->batch_count++] = batch;
    return status;
}

/* Here, or by asking the attacher, who then has the plan. */
static int attach_or_ask(struct probe_watch *watch, struct probe_target *target,
                         struct watch_plan *plan, struct probe_error *error)
{
    if (ARRAY_RESERVE(watch->batches, watch->batch_room, watch->batch_count + 1) < 0)
        return error_memory(error);
    int status = make_tallies_room(watch, error);
    if (status < 0)
        return status;
    if (!watch->options.attacher)
        return attach_batch(watch, target, plan, error);
    const struct programs_wanted wanted = programs_for(watch, plan);
    status = request_send(watch->options.attacher, plan, &wanted, watch->reader.mem, error);
    if (status < 0)
        return status;
    watch->is_asked = true;
    watch->asked = *plan;
    *plan = (struct watch_plan){.site_count = watch->asked.site_count};
    return 0;
}

/* May another try be better, or is it all over? Then no object is to blame. */
static bool is_nobodys_fault(int status)
{
    return status == -ENOMEM || status == -EAGAIN || status == -ESRCH || status == -EMFILE ||
           status == -ENFILE || status == -EIO;
}

/*
 * What was to be added cannot be watched: by and by, the object that is in the way is left out,
 * and the others go on.
 */
static void look_for_blamed(struct probe_watch *watch, int status, const struct probe_error *error)
{
    struct watch_table *table = &watch->table;
    if (!watch->options.leaves_out || watch->batch_count == 0 || is_nobodys_fault(status))
        return;
    watch->lacks = true;
    if (table->blamed.objects != 1)
        table->one_by_one = true;
    else if (watch_table_leave_out(table, &table->blamed.file) == 0 && !watch->options.counts_only)
        snprintf(watch->notice, sizeof(watch->notice), "# not watched: '%s': %s\n",
                 table->blamed.path, error->text);
}

static void note_added(struct probe_watch *watch)
{
    watch->lacks = watch->table.is_partial;
    if (!watch->lacks)
        watch->table.one_by_one = false;
}

bool probe_watch_lacks(const struct probe_watch *watch)
{
    return watch->lacks && !watch->notice[0];
}

ssize_t probe_watch_add(struct probe_watch *watch, struct probe_target *target,
                        const size_t *indices, size_t count, struct probe_error *error)
{
    struct watch_plan plan;
    if (watch->is_asked)
        return error_set(error, EAGAIN, "process %d: probes are still being attached to",
                         watch->pid);
    if (watch->end != WATCH_RUNS)
        return error_gone(error, watch->pid);
    int status = watch_plan_make(target, indices, count, &watch->table, &plan, error);
    if (status < 0) {
        look_for_blamed(watch, status, error);
        return status;
    }
    note_added(watch);
    plan.process = watch->process;
    if (plan.site_count > 0 || watch->batch_count == 0)
        status = attach_or_ask(watch, target, &plan, error);
    if (status < 0) {
        watch_plan_revoke(&plan, &watch->table);
        look_for_blamed(watch, status, error);
    }
    ssize_t added = status < 0 ? status : (ssize_t)plan.site_count;
    watch_plan_done(&plan);
    return added;
}

/* ---- what the attacher answers ---------------------------------------------------------- */

/*
 * Was the image still there when its programs were loaded, which mark an exec from then on? Its
 * memory cannot be read any more where it was not, at whatever address. Then all that the first
 * programs have recorded is the new image's. (Those of later ones find the mark of the first.)
 */
static void look_for_early_exec(struct probe_watch *watch)
{
    char byte = 0;
    struct pollfd process = {.fd = watch->process, .events = POLLIN};
    if (pread(watch->reader.mem, &byte, sizeof(byte), 0) != 0)
        return;
    /* A process that ends loses its memory a moment before its descriptor says that it has. */
    bool ended = poll(&process, 1, EXIT_MS) > 0;
    watch->end = ended ? WATCH_ENDED : WATCH_EXECUTED;
    watch->is_foreign = !ended && watch->batch_count == 1;
    probe_watch_release(watch);
}

static int take_answer(struct probe_watch *watch, struct attach_answer *answer,
                       struct probe_error *error)
{
    struct batch batch = {WATCH_PROGRAMS_NONE, answer->attachment};
    int status = 0;
    if (!watch->tallies)
        status = map_results(watch, answer->ring, answer->tallies, error);
    if (answer->ring >= 0)
        close(answer->ring);
    if (answer->tallies >= 0)
        close(answer->tallies);
    if (status < 0)
        batch_done(&batch);
    else
        watch->batches[watch->batch_count++] = batch;
    return status;
}

static bool has_answered(int attacher, int timeout)
{
    struct pollfd answer = {.fd = attacher, .events = POLLIN};
    return poll(&answer, 1, timeout) > 0;
}

int probe_watch_settle(struct probe_watch *watch, int timeout, struct probe_error *error)
{
    struct attach_answer answer;
    if (!watch->is_asked)
        return 0;
    if (!has_answered(watch->options.attacher, timeout))
        return -EINPROGRESS;
    int status = request_receive(watch->options.attacher, &answer, error);
    if (status == -EAGAIN)
        return -EINPROGRESS;
    if (status == 0)
        status = take_answer(watch, &answer, error);
    if (status < 0) {
        watch_plan_revoke(&watch->asked, &watch->table);
        look_for_blamed(watch, status, error);
    } else {
        look_for_early_exec(watch);
    }
    watch_plan_done(&watch->asked);
    watch->is_asked = false;
    return status;
}

/* ---- beginning and end ------------------------------------------------------------------ */

/* The kernel wants a power of two that is a page at least. */
static size_t round_room(size_t wanted)
{
    size_t room = (size_t)sysconf(_SC_PAGESIZE);
    while (room < wanted && room < (size_t)1 << 30)
        room *= 2;
    return room;
}

static int open_process(struct probe_watch *watch, const struct probe_target *target,
                        struct probe_error *error)
{
    watch->process = (int)syscall(SYS_pidfd_open, watch->pid, 0);
    if (watch->process < 0)
        return error_set(error, errno, "process %d cannot be waited for: %s", watch->pid,
                         strerror(errno));
    watch->reader.mem = fcntl(target->image.mem, F_DUPFD_CLOEXEC, 0);
    if (watch->reader.mem < 0)
        return error_set(error, errno, "process %d: its memory cannot be kept open: %s", watch->pid,
                         strerror(errno));
    return 0;
}

int probe_watch_new(struct probe_target *target, const size_t *indices, size_t count,
                    const struct probe_watch_options *options, struct probe_watch **result,
                    struct probe_error *error)
{
    if (target->image.access < PROBE_WRITE || target->image.mem < 0)
        return error_set(error, EACCES,
                         "process %d is not open for writing, which is what watching it takes",
                         target->image.pid);
    struct probe_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return error_memory(error);
    watch->engine = target->engine;
    watch->options = options ? *options : (struct probe_watch_options){0};
    watch->options.room = round_room(watch->options.room ? watch->options.room : ROOM_DEFAULT);
    watch->pid = target->image.pid;
    watch->process = watch->reader.mem = -1;
    watch->reader.clock.second = -1;
    int status = open_process(watch, target, error);
    if (status == 0) {
        ssize_t added = probe_watch_add(watch, target, indices, count, error);
        status = added < 0 ? (int)added : 0;
    }
    if (status < 0)
        probe_watch_free(watch);
    else
        *result = watch;
    return status;
}

void probe_watch_release(struct probe_watch *watch)
{
    for (size_t i = 0; i < watch->batch_count; i++)
        attachment_release(&watch->batches[i].attachment);
}

int probe_watch_end(struct probe_watch *watch, int timeout)
{
    const struct timespec deadline = clock_after(timeout > 0 ? timeout * CLOCK_MILLISECOND : 0);
    probe_watch_release(watch);
    for (size_t i = 0; i < watch->batch_count; i++) {
        if (!attachment_has_ended(&watch->batches[i].attachment, timeout < 0 ? NULL : &deadline))
            return -EINPROGRESS;
    }
    return 0;
}

void probe_watch_free(struct probe_watch *watch)
{
    if (!watch)
        return;
    probe_watch_release(watch);
    for (size_t i = 0; i < watch->batch_count; i++)
        batch_done(&watch->batches[i]);
    free(watch->batches);
    watch_plan_done(&watch->asked);
    ring_close(&watch->ring);
    tallies_close(watch->tallies, watch->tally_count);
    watch_table_done(&watch->table);
    if (watch->process >= 0)
        close(watch->process);
    if (watch->reader.mem >= 0)
        close(watch->reader.mem);
    free(watch);
}

/* ---- counts ----------------------------------------------------------------------------- */

size_t probe_watch_count(const struct probe_watch *watch)
{
    return watch->table.probe_count;
}

const char *probe_watch_name(const struct probe_watch *watch, size_t i)
{
    return watch->table.probes[i]->name;
}

uint64_t probe_watch_hits(const struct probe_watch *watch, size_t i)
{
    return watch->tallies && !watch->is_foreign ? watch->tallies[WATCH_COUNTS + i] : 0;
}

uint64_t probe_watch_lost(const struct probe_watch *watch)
{
    return watch->tallies && !watch->is_foreign ? watch->tallies[WATCH_LOST] + watch->unreadable
                                                : 0;
}

/* ---- reading ---------------------------------------------------------------------------- */

/*
 * Has the process gone? That an exec came first is remembered by the programs. What is attached is
 * let go of at once: it is in the new image, and records nothing there.
 */
static void look_for_end(struct probe_watch *watch)
{
    struct pollfd process = {.fd = watch->process, .events = POLLIN};
    if (watch->end != WATCH_RUNS)
        return;
    bool ended = poll(&process, 1, 0) > 0;
    if (watch->tallies[WATCH_REPLACED])
        watch->end = WATCH_EXECUTED;
    else if (ended)
        watch->end = WATCH_ENDED;
    if (watch->end != WATCH_RUNS)
        probe_watch_release(watch);
}

static int64_t nanoseconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * CLOCK_SECOND + now.tv_nsec;
}

/* Times of records are of a clock that nobody sets; lines say the time of day. */
static void look_at_clocks(struct record_reader *reader)
{
    int64_t ahead = nanoseconds_of(CLOCK_REALTIME) - nanoseconds_of(CLOCK_MONOTONIC);
    int64_t step = ahead - reader->clock_ahead;
    if (step > clock_step || step < -clock_step)
        reader->clock_ahead = ahead;
}

/* Tells of firings that were lost before one that says LOST. */
static char *put_lost(struct probe_watch *watch, uint64_t lost, char *to)
{
    lost += watch->unreadable;
    if (lost <= watch->lost)
        return to;
    to = line_put_text(to, "# lost ");
    to = line_put_decimal(to, lost - watch->lost);
    *to++ = '\n';
    watch->lost = lost;
    return to;
}

static char *put_record(struct probe_watch *watch, const struct watch_record *record, size_t length,
                        char *to)
{
    const struct watch_table *table = &watch->table;
    const struct watch_recipe *recipe = NULL;
    if (length >= sizeof(*record) && record->recipe < table->recipe_count)
        recipe = &table->recipes[record->recipe];
    if (!recipe || length < record_size(recipe->count, recipe->texts)) {
        watch->unreadable++;
        return to;
    }
    to = put_lost(watch, record->lost, to);
    return to + record_show(&watch->reader, record, table->probes[recipe->probe]->name,
                            &table->formats[record->recipe], to);
}

/* The last lines, when all records have been read. */
static char *put_end(struct probe_watch *watch, char *to)
{
    if (!watch->is_foreign)
        to = put_lost(watch, watch->tallies[WATCH_LOST], to);
    to = line_put_text(to, watch->end == WATCH_EXECUTED ? "# exec\n" : "# ended\n");
    watch->end = WATCH_TOLD;
    return to;
}

static char *put_notice(struct probe_watch *watch, char *to)
{
    to = line_put_text(to, watch->notice);
    watch->notice[0] = '\0';
    return to;
}

/*
 * The next record. NULL: there is none, and LOST is how many firings were lost before that was
 * seen. (To look at that for each record would cost the process more: see ring.c.)
 */
static const struct watch_record *next_record(struct probe_watch *watch, size_t *length,
                                              uint64_t *lost)
{
    const struct watch_record *record = ring_next(&watch->ring, length);
    if (record)
        return record;
    *lost = watch->tallies[WATCH_LOST];
    return ring_next(&watch->ring, length);
}

ssize_t probe_watch_read(struct probe_watch *watch, char *buffer, size_t size)
{
    char *to = buffer;
    bool drained = false;
    if (size < PROBE_WATCH_READ_MIN)
        return -EINVAL;
    if (watch->end == WATCH_TOLD)
        return -ENODATA;
    if (!watch->tallies)
        return 0;
    look_for_end(watch);
    if (watch->is_foreign)
        return put_end(watch, to) - buffer;
    to = put_notice(watch, to);
    look_at_clocks(&watch->reader);
    while (!drained && size - (size_t)(to - buffer) >= PROBE_WATCH_READ_MIN) {
        size_t length = 0;
        uint64_t lost = 0;
        const struct watch_record *record = next_record(watch, &length, &lost);
        drained = !record;
        to = drained ? put_lost(watch, lost, to) : put_record(watch, record, length, to);
        if (!drained)
            ring_pass(&watch->ring, length);
    }
    if (drained && watch->end != WATCH_RUNS && ring_is_empty(&watch->ring))
        to = put_end(watch, to);
    return to - buffer;
}

static bool has_something(struct probe_watch *watch)
{
    if (!watch->tallies)
        return false;
    if (watch->end != WATCH_RUNS)
        return watch->end != WATCH_TOLD;
    look_for_end(watch);
    return watch->end != WATCH_RUNS || watch->notice[0] || !ring_is_empty(&watch->ring) ||
           watch->tallies[WATCH_LOST] + watch->unreadable > watch->lost;
}

int probe_watch_wait(struct probe_watch *watch, int timeout)
{
    const struct timespec end = clock_after((timeout < 0 ? 0 : timeout) * CLOCK_MILLISECOND);
    int idle = IDLE_FIRST_MS;
    if (watch->end == WATCH_TOLD)
        return -ENODATA;
    while (!has_something(watch)) {
        int left = timeout < 0 ? idle : clock_poll_timeout(&end);
        if (left == 0)
            return 0;
        struct pollfd process = {.fd = watch->process, .events = POLLIN};
        if (poll(&process, 1, left < idle ? left : idle) < 0)
            return -errno;
        idle = idle * 2 < IDLE_LAST_MS ? idle * 2 : IDLE_LAST_MS;
    }
    return 1;
}
