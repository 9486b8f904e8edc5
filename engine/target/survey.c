/* SPDX-License-Identifier: MIT */
/*
 * Finds out which of many processes have probes, with a few system calls for each:
 *
 *   1. the mappings of code, and their files, are those of the last time: so is the answer
 *   2. all code is of files known to have no probes: no
 *   3. the code of a file with probes is loaded as its program headers say: yes, if the image can
 *      be opened as for any other use
 *   4. else: look at the process as any other user of the engine does
 *
 * 1 and 2 need not know the image: whichever it was, that was its code. An answer that depends on
 * more than mappings of code (`partial` in loaded.h) is kept only if the digest covers more; an
 * answer without a file that could not be read is never kept.
 *
 * Device and inode in maps do not identify a file (two btrfs snapshots show the same); stat of the
 * mapped file itself does.
 */
#include "engine.h"
#include "process/mapped-code.h"
#include "process/privilege.h"
#include "process/proc.h"
#include "shared/clock.h"
#include "target/loaded.h"
#include "target/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include "shared/hash-table.h"

/* How many processes are remembered; the oldest answers are forgotten first. */
enum { ENTRIES_MAX = 65536 };

/* For each new process, so many of the oldest are checked for having ended. */
enum { LOOKED_AT = 2 };

/* How long files are believed to be the same if their mappings are. */
enum { CHECK_SECONDS = 2 };

struct surveyed {
    pid_t pid;
    struct probe_image_id id;
    uint64_t digest;  /* of its mappings of code */
    uint64_t changes; /* see check_files() */
    time_t checked;   /* when that was read */
    uint64_t asked;   /* the last question that was about it */
    bool has_probes;
    UT_hash_handle hh;
};

struct probe_survey {
    struct probe_engine *engine;
    pthread_mutex_t lock;     /* guards what follows */
    struct surveyed *entries; /* by pid, the oldest answer first */
    uint64_t questions;       /* how many there were */
};

int probe_survey_new(struct probe_engine *engine, struct probe_survey **result)
{
    struct probe_survey *survey = calloc(1, sizeof(*survey));
    if (!survey)
        return -ENOMEM;
    survey->engine = engine;
    pthread_mutex_init(&survey->lock, NULL);
    *result = survey;
    return 0;
}

static void forget_surveyed(struct probe_survey *survey, struct surveyed *entry)
{
    HASH_DEL(survey->entries, entry);
    free(entry);
}

void probe_survey_free(struct probe_survey *survey)
{
    if (!survey)
        return;
    while (survey->entries)
        forget_surveyed(survey, survey->entries);
    pthread_mutex_destroy(&survey->lock);
    free(survey);
}

/* ---- what is remembered ----------------------------------------------------------------- */

/*
 * A question about ASKED, an image: counts it, and copies what is known of the image; false if
 * nothing is.
 */
static bool recall_surveyed(struct probe_survey *survey, struct surveyed *asked,
                            struct surveyed *result)
{
    struct surveyed *entry = NULL;
    pthread_mutex_lock(&survey->lock);
    asked->asked = ++survey->questions;
    HASH_FIND_INT(survey->entries, &asked->pid, entry);
    bool known = entry && probe_image_id_equal(&entry->id, &asked->id);
    if (known) {
        entry->asked = asked->asked;
        *result = *entry;
    }
    pthread_mutex_unlock(&survey->lock);
    return known;
}

static bool process_exists(const struct probe_survey *survey, pid_t pid)
{
    char name[16];
    snprintf(name, sizeof(name), "%d", pid);
    return faccessat(survey->engine->proc, name, F_OK, 0) == 0;
}

/* Adds ENTRY as the newest. Called with the lock held. */
static void add_surveyed(struct probe_survey *survey, struct surveyed *entry)
{
    entry->hh = (UT_hash_handle){0};
    HASH_ADD_INT(survey->entries, pid, entry);
    if (!entry->hh.tbl)
        free(entry);
}

/* Forgets some of the oldest if they have ended; makes the others the newest. Likewise. */
static void forget_ended(struct probe_survey *survey)
{
    for (int i = 0; i < LOOKED_AT && survey->entries; i++) {
        struct surveyed *entry = survey->entries;
        HASH_DEL(survey->entries, entry);
        if (process_exists(survey, entry->pid))
            add_surveyed(survey, entry);
        else
            free(entry);
    }
}

/* Keeps what was found, if there is memory for it. */
static void remember_surveyed(struct probe_survey *survey, const struct surveyed *found)
{
    struct surveyed *entry = NULL;
    uint64_t asked = found->asked;
    pthread_mutex_lock(&survey->lock);
    HASH_FIND_INT(survey->entries, &found->pid, entry);
    if (entry) {
        asked = entry->asked > asked ? entry->asked : asked;
        HASH_DEL(survey->entries, entry);
    } else {
        forget_ended(survey);
        entry = malloc(sizeof(*entry));
    }
    if (entry) {
        *entry = *found;
        entry->asked = asked;
        add_surveyed(survey, entry);
    }
    if (HASH_COUNT(survey->entries) > ENTRIES_MAX)
        forget_surveyed(survey, survey->entries);
    pthread_mutex_unlock(&survey->lock);
}

uint64_t probe_survey_begin_round(struct probe_survey *survey)
{
    pthread_mutex_lock(&survey->lock);
    uint64_t round = survey->questions;
    pthread_mutex_unlock(&survey->lock);
    return round;
}

size_t probe_survey_end_round(struct probe_survey *survey, uint64_t round)
{
    struct surveyed *entry = NULL;
    struct surveyed *next = NULL;
    pthread_mutex_lock(&survey->lock);
    size_t count = HASH_COUNT(survey->entries);
    HASH_ITER (hh, survey->entries, entry, next) {
        if (entry->asked <= round)
            forget_surveyed(survey, entry);
    }
    hash_table_shrink(HASH_TABLE(hh, survey->entries));
    count -= HASH_COUNT(survey->entries);
    pthread_mutex_unlock(&survey->lock);
    return count;
}

/* ---- what is found ---------------------------------------------------------------------- */

/* Reads when each file of the code was changed. */
static void check_files(const struct probe_engine *engine, const struct mapped_code *code,
                        struct surveyed *entry)
{
    bool raised = privilege_raise(CAP_CHECKPOINT_RESTORE);
    entry->changes = 0;
    entry->checked = clock_coarse_seconds();
    for (size_t i = 0; i < code->count; i++) {
        struct stat status = {0};
        if (code->items[i].inode == 0 ||
            image_stat_mapped(engine, entry->pid, &code->items[i], &status) < 0)
            continue;
        entry->changes = mapped_code_digest(entry->changes, (uint64_t)status.st_ctim.tv_sec);
        entry->changes = mapped_code_digest(entry->changes, (uint64_t)status.st_ctim.tv_nsec);
    }
    privilege_lower(CAP_CHECKPOINT_RESTORE, raised);
}

/*
 * Does KNOWN still hold if the mappings of code are the same? The inode number of a deleted file
 * may be reused, and the new file be mapped where the old one was.
 */
static bool is_still_so(struct probe_survey *survey, const struct mapped_code *code,
                        struct surveyed *known)
{
    uint64_t changes = known->changes;
    if (clock_coarse_seconds() - known->checked < CHECK_SECONDS)
        return true;
    check_files(survey->engine, code, known);
    if (known->changes == changes)
        remember_surveyed(survey, known);
    return known->changes == changes;
}

/* What is known of the code of a process without opening a file. */
enum finding { FINDING_NONE, FINDING_LOADED, FINDING_UNSURE };

static enum finding judge_file(const struct probe_engine *engine, pid_t pid, int maps,
                               const struct mapping *mapping)
{
    struct stat status;
    struct object *object = NULL;
    if (image_stat_mapped(engine, pid, mapping, &status) < 0 ||
        object_cache_find(engine->cache, &status, &object) < 0)
        return FINDING_UNSURE;
    enum finding finding = FINDING_NONE;
    if (object_shown(object, engine->options.all) > 0)
        finding = loaded_has_code(object, mapping, maps) ? FINDING_LOADED : FINDING_UNSURE;
    object_cache_put(engine->cache, object);
    return finding;
}

static enum finding judge_code(const struct probe_engine *engine, pid_t pid, int maps,
                               const struct mapped_code *code)
{
    enum finding finding = code->copied ? FINDING_UNSURE : FINDING_NONE;
    bool raised = privilege_raise(CAP_CHECKPOINT_RESTORE);
    for (size_t i = 0; i < code->count && finding != FINDING_LOADED; i++) {
        if (code->items[i].inode == 0)
            continue;
        enum finding of_file = judge_file(engine, pid, maps, &code->items[i]);
        finding = of_file != FINDING_NONE ? of_file : finding;
    }
    privilege_lower(CAP_CHECKPOINT_RESTORE, raised);
    return finding;
}

/* Looks at the process as a target. LASTING: the answer holds as long as CODE is the same. */
static int look_at_process(struct probe_survey *survey, struct probe_image *image,
                           const struct mapped_code *code, const struct timespec *until,
                           bool *lasting, struct probe_error *error)
{
    struct probe_target *target = NULL;
    int status = probe_target_new(survey->engine, &target);
    if (status < 0)
        return error_memory(error);
    probe_target_wait_until(target, until);
    status = probe_target_attach(target, image, error);
    if (status == 0)
        status = probe_target_count(target) > 0;
    *lasting = !target->loaded.unread && (!target->loaded.partial || code->copied);
    probe_target_close(target);
    return status;
}

/*
 * Opens the image, and finds out whether it has probes. BEFORE is what was found without knowing
 * the image, from code whose digest was BEFORE_DIGEST.
 */
static int find_anew(struct probe_survey *survey, struct surveyed *entry, enum finding before,
                     uint64_t before_digest, struct mapped_code *code, const struct timespec *until,
                     struct probe_error *error)
{
    struct probe_image image;
    int status = probe_image_open(survey->engine, entry->pid, PROBE_NAMES, &image, error);
    if (status < 0)
        return status;
    if (!probe_image_id_equal(&image.id, &entry->id)) {
        probe_image_done(&image);
        return error_gone(error, entry->pid);
    }
    bool lasting = true;
    bool read = mapped_code_read(image.maps, code) == 0;
    entry->digest = code->digest;
    if (read && code->digest != before_digest)
        check_files(survey->engine, code, entry);
    if (read && before == FINDING_LOADED && code->digest == before_digest)
        status = 1;
    else
        status = look_at_process(survey, &image, code, until, &lasting, error);
    probe_image_done(&image);
    entry->has_probes = status == 1;
    if (status >= 0 && read && lasting)
        remember_surveyed(survey, entry);
    return status;
}

int probe_survey_find(struct probe_survey *survey, pid_t pid, const struct probe_image_id *id,
                      const struct timespec *until, struct probe_error *error)
{
    struct surveyed known;
    struct surveyed entry = {.pid = pid, .id = *id};
    struct mapped_code *code = malloc(sizeof(*code));
    enum finding finding = FINDING_UNSURE;
    int status = -EAGAIN;
    if (!code)
        return error_memory(error);
    bool is_known = recall_surveyed(survey, &entry, &known);
    int maps = proc_open(survey->engine->proc, pid, pid, "maps", O_RDONLY);
    if (maps >= 0 && mapped_code_read(maps, code) == 0) {
        entry.digest = code->digest;
        if (is_known && known.digest == code->digest && is_still_so(survey, code, &known)) {
            status = known.has_probes;
        } else {
            check_files(survey->engine, code, &entry);
            finding = judge_code(survey->engine, pid, maps, code);
        }
    }
    if (maps >= 0)
        close(maps);
    if (finding == FINDING_NONE) {
        status = 0;
        remember_surveyed(survey, &entry);
    }
    if (status == -EAGAIN)
        status = find_anew(survey, &entry, finding, entry.digest, code, until, error);
    free(code);
    return status;
}
