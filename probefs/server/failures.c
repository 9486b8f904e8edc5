/* SPDX-License-Identifier: MIT */
#include "server/failures.h"

#include "common/log-limit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_SIZE = 1024, TIME_SIZE = 32 };

void failures_init(struct failures *failures)
{
    *failures = (struct failures){0};
    pthread_mutex_init(&failures->lock, NULL);
}

void failures_done(struct failures *failures)
{
    for (size_t share = 0; share < FAILURE_SHARES; share++) {
        for (size_t i = 0; i < FAILURES_MAX; i++)
            free(failures->shares[share].lines[i].text);
    }
    pthread_mutex_destroy(&failures->lock);
}

/* Called with the lock held. Without memory the line is lost; it was logged. */
static void add_line(struct failures *failures, enum failure_share share, const char *sentence)
{
    struct failure_lines *lines = &failures->shares[share];
    char stamp[TIME_SIZE];
    char *text = NULL;
    struct tm parts;
    time_t now = time(NULL);
    gmtime_r(&now, &parts);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (asprintf(&text, "%s %s", stamp, sentence) < 0)
        return;
    struct failure_line *line = &lines->lines[lines->count++ % FAILURES_MAX];
    free(line->text);
    *line = (struct failure_line){text, failures->next_number++};
}

void failures_add(struct failures *failures, enum failure_share share, const struct caller *caller,
                  const char *what, int status, const struct probe_error *error)
{
    static const struct log_reason failed = {.most = 200};
    char sentence[LINE_SIZE];
    char reason[sizeof(error->text)];
    const char *given = error->text[0] ? error->text : strerror(-status);
    probe_escape(given, strlen(given), reason, sizeof(reason));
    const char *name = strerrorname_np(-status);
    snprintf(sentence, sizeof(sentence), "user %u (process %d) could not %s: %s: %s.", caller->uid,
             caller->pid, what, name ? name : "error", reason);
    log_limited(caller->uid, &failed, PROBE_LOG_INFO, "%s", sentence);
    pthread_mutex_lock(&failures->lock);
    add_line(failures, share, sentence);
    pthread_mutex_unlock(&failures->lock);
}

/* The sentence of a line. */
static const char *behind_time(const char *line)
{
    const char *space = strchr(line, ' ');
    return space ? space + 1 : line;
}

void failures_add_once(struct failures *failures, const char *sentence)
{
    const struct failure_line *lines = failures->shares[FAILURE_OF_USER].lines;
    bool known = false;
    pthread_mutex_lock(&failures->lock);
    for (size_t i = 0; i < FAILURES_MAX && !known; i++)
        known = lines[i].text && strcmp(behind_time(lines[i].text), sentence) == 0;
    if (!known)
        add_line(failures, FAILURE_OF_USER, sentence);
    pthread_mutex_unlock(&failures->lock);
}

bool failures_exist(struct failures *failures)
{
    pthread_mutex_lock(&failures->lock);
    bool exist = failures->next_number > 0;
    pthread_mutex_unlock(&failures->lock);
    return exist;
}

static size_t kept(const struct failure_lines *lines)
{
    return lines->count < FAILURES_MAX ? lines->count : FAILURES_MAX;
}

/* How many lines of strangers are shown beside USERS of others. */
static size_t shown_of_strangers(const struct failure_lines *strangers, size_t users)
{
    size_t room = FAILURES_MAX - users;
    size_t most = room > FAILURES_OF_STRANGERS ? room : FAILURES_OF_STRANGERS;
    return kept(strangers) < most ? kept(strangers) : most;
}

void failures_print(struct failures *failures, FILE *out)
{
    const struct failure_lines *users = &failures->shares[FAILURE_OF_USER];
    const struct failure_lines *strangers = &failures->shares[FAILURE_OF_STRANGER];
    pthread_mutex_lock(&failures->lock);
    size_t user = users->count - kept(users);
    size_t stranger = strangers->count - shown_of_strangers(strangers, kept(users));
    while (user < users->count || stranger < strangers->count) {
        const struct failure_line *one = &users->lines[user % FAILURES_MAX];
        const struct failure_line *other = &strangers->lines[stranger % FAILURES_MAX];
        bool next_is_users =
            stranger == strangers->count || (user < users->count && one->number < other->number);
        fprintf(out, "%s\n", next_is_users ? one->text : other->text);
        *(next_is_users ? &user : &stranger) += 1;
    }
    pthread_mutex_unlock(&failures->lock);
}
