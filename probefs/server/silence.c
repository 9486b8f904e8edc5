/* SPDX-License-Identifier: MIT */
#include "server/silence.h"

#include <errno.h>
#include <stdlib.h>

/* Between tries of a silent target. Where the next worker may answer, all who ask try at once. */
#define PAUSE_NONE  1 /* nanosecond */
#define PAUSE_FIRST CLOCK_SECOND
#define PAUSE_MAX   (30 * CLOCK_SECOND)

/* For so long a silence is fresh. */
#define FRESH (2 * CLOCK_SECOND)

/* With so many silent targets, a user's others are waited for less. */
enum { SILENT_MANY = 3, SHORT_PART = 10 };

int silences_init(struct silences *silences, int64_t wait)
{
    silences->users = NULL;
    silences->wait = wait;
    return -pthread_mutex_init(&silences->lock, NULL);
}

void silences_done(struct silences *silences)
{
    struct silent_user *user = NULL;
    struct silent_user *next = NULL;
    HASH_ITER (hh, silences->users, user, next) {
        HASH_DEL(silences->users, user);
        free(user);
    }
    pthread_mutex_destroy(&silences->lock);
}

/* All below but the last are called with the lock held. */

static struct silent_user *find_user(struct silences *silences, uid_t uid)
{
    struct silent_user *user = NULL;
    HASH_FIND(hh, silences->users, &uid, sizeof(uid), user);
    return user;
}

/* Without memory, the user's others are waited for as if there was no silence. */
static void note_silence(struct silences *silences, uid_t uid, bool is_new)
{
    struct silent_user *user = find_user(silences, uid);
    if (!user) {
        user = calloc(1, sizeof(*user));
        if (!user)
            return;
        user->uid = uid;
        HASH_ADD(hh, silences->users, uid, sizeof(user->uid), user);
        if (!user->hh.tbl) {
            free(user);
            return;
        }
        is_new = true;
    }
    user->targets += is_new;
    user->last = clock_now();
}

static void note_answer(struct silences *silences, uid_t uid)
{
    struct silent_user *user = find_user(silences, uid);
    if (!user)
        return;
    HASH_DEL(silences->users, user);
    free(user);
}

/* Are the user's targets waited for a short time only? */
static bool is_cut_short(struct silences *silences, uid_t uid)
{
    const struct silent_user *user = find_user(silences, uid);
    return user && user->targets >= SILENT_MANY;
}

static int64_t choose_wait(struct silences *silences, struct silence *silence, uid_t uid)
{
    bool is_taken = silence->is_tried && silence->pause > PAUSE_NONE;
    if (silence->pause > 0 && (is_taken || !clock_is_past(&silence->next)))
        return 0;
    silence->is_tried = silence->pause > 0;
    return is_cut_short(silences, uid) ? silences->wait / SHORT_PART : silences->wait;
}

static void end_silence(struct silences *silences, struct silence *silence, uid_t uid)
{
    silence->pause = 0;
    silence->is_tried = false;
    note_answer(silences, uid);
}

/* Several requests may find out, one after another: that is one silence, up to the last of them. */
static void begin_silence(struct silences *silences, struct silence *silence, uid_t uid,
                          bool may_be_over)
{
    bool is_new = silence->pause == 0;
    if (!is_new && !silence->is_tried) {
        silence->next = clock_after(silence->pause);
        return;
    }
    /* In a tenth of the time a busy machine does not start a worker: that tells nothing. */
    bool at_once = is_new && may_be_over && !is_cut_short(silences, uid);
    int64_t pause = at_once ? PAUSE_NONE : is_new ? PAUSE_FIRST : 2 * silence->pause;
    if (!is_new && pause < PAUSE_FIRST)
        pause = PAUSE_FIRST;
    silence->pause = pause < PAUSE_MAX ? pause : PAUSE_MAX;
    silence->is_tried = false;
    silence->hangs = !may_be_over;
    silence->next = clock_after(silence->pause);
    note_silence(silences, uid, is_new);
}

/* ---- for others ------------------------------------------------------------------------- */

int64_t silence_begin(struct silences *silences, struct silence *silence, uid_t user)
{
    pthread_mutex_lock(&silences->lock);
    int64_t wait = choose_wait(silences, silence, user);
    pthread_mutex_unlock(&silences->lock);
    return wait;
}

void silence_end(struct silences *silences, struct silence *silence, uid_t user, int status)
{
    pthread_mutex_lock(&silences->lock);
    bool may_be_over = status == -ESHUTDOWN || status == -ETIME || status == -EALREADY;
    if (status == -ETIMEDOUT || may_be_over)
        begin_silence(silences, silence, user, may_be_over);
    else if (status == 0)
        end_silence(silences, silence, user);
    else
        silence->is_tried = false;
    pthread_mutex_unlock(&silences->lock);
}

bool silence_is_on(const struct silence *silence)
{
    return silence->pause > 0;
}

bool silence_hangs(const struct silence *silence)
{
    return silence->hangs;
}

bool silence_is_fresh(struct silences *silences, uid_t user)
{
    pthread_mutex_lock(&silences->lock);
    const struct silent_user *found = find_user(silences, user);
    const struct timespec now = clock_now();
    bool fresh = found && clock_between(&found->last, &now) < FRESH;
    pthread_mutex_unlock(&silences->lock);
    return fresh;
}
