/* SPDX-License-Identifier: MIT */
#include "failures.h"

#include "log.h"

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
    for (size_t i = 0; i < FAILURES_MAX; i++)
        free(failures->lines[i]);
    pthread_mutex_destroy(&failures->lock);
}

/* Called with the lock held. Without memory the line is lost; it was logged. */
static void add_line(struct failures *failures, const char *sentence)
{
    char stamp[TIME_SIZE];
    char *line = NULL;
    struct tm parts;
    time_t now = time(NULL);
    gmtime_r(&now, &parts);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (asprintf(&line, "%s %s", stamp, sentence) < 0)
        return;
    char **place = &failures->lines[failures->count++ % FAILURES_MAX];
    free(*place);
    *place = line;
}

void failures_add(struct failures *failures, const struct caller *caller, const char *what,
                  int status, const struct probe_error *error)
{
    char sentence[LINE_SIZE];
    char reason[sizeof(error->text)];
    const char *given = error->text[0] ? error->text : strerror(-status);
    probe_escape(given, strlen(given), reason, sizeof(reason));
    const char *name = strerrorname_np(-status);
    snprintf(sentence, sizeof(sentence), "user %u (process %d) could not %s: %s: %s.", caller->uid,
             caller->pid, what, name ? name : "error", reason);
    log_message(PROBE_LOG_INFO, "%s", sentence);
    pthread_mutex_lock(&failures->lock);
    add_line(failures, sentence);
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
    bool known = false;
    pthread_mutex_lock(&failures->lock);
    for (size_t i = 0; i < FAILURES_MAX && !known; i++)
        known = failures->lines[i] && strcmp(behind_time(failures->lines[i]), sentence) == 0;
    if (!known)
        add_line(failures, sentence);
    pthread_mutex_unlock(&failures->lock);
}

bool failures_exist(struct failures *failures)
{
    pthread_mutex_lock(&failures->lock);
    bool exist = failures->count > 0;
    pthread_mutex_unlock(&failures->lock);
    return exist;
}

void failures_print(struct failures *failures, FILE *out)
{
    pthread_mutex_lock(&failures->lock);
    size_t first = failures->count > FAILURES_MAX ? failures->count - FAILURES_MAX : 0;
    for (size_t i = first; i < failures->count; i++)
        fprintf(out, "%s\n", failures->lines[i % FAILURES_MAX]);
    pthread_mutex_unlock(&failures->lock);
}
