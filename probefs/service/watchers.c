/* SPDX-License-Identifier: MIT */
#include "service/watchers.h"

#include "service/feed-list.h"
#include "shared/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

/* How long the list is waited for: a pump that hangs keeps it, and the sentence can do without. */
#define LIST_TIME (100 * CLOCK_MILLISECOND)

/* How long what is being detached is waited for, which takes some 15 ms, and between two looks. */
#define DETACH_TIME (200 * CLOCK_MILLISECOND)
#define DETACH_LOOK (2 * CLOCK_MILLISECOND)

/* So many readers are named. */
enum { NAMED_MAX = 3, COMM_SIZE = 32 };

/* What is found out. */
struct finding {
    struct probe_target *target;
    const bool *blocked;
    size_t probe; /* that it is about: the first of those that are watched and blocked */
    bool is_counted;
    pid_t readers[NAMED_MAX];
    size_t reader_count; /* all of them */
};

/* Does watching the probe NAME block what is found out about, as far as that is known by now? */
static bool watches_blocked(struct finding *finding, const char *name)
{
    ssize_t index = probe_target_find(finding->target, name);
    if (index < 0 || !finding->blocked[index] || (size_t)index > finding->probe)
        return false;
    /* What was found out before is about another probe. */
    if ((size_t)index < finding->probe) {
        finding->probe = (size_t)index;
        finding->is_counted = false;
        finding->reader_count = 0;
    }
    return true;
}

/* A counts_visit. */
static int look_at_count(void *data, const char *name, uint64_t count)
{
    struct finding *finding = data;
    (void)count;
    if (watches_blocked(finding, name))
        finding->is_counted = true;
    return 0;
}

static void look_at_feed(struct finding *finding, const struct feed *feed)
{
    bool reads = false;
    for (size_t i = 0; i < probe_watch_count(feed->watch); i++)
        reads |= watches_blocked(finding, probe_watch_name(feed->watch, i));
    if (!reads)
        return;
    if (finding->reader_count < NAMED_MAX)
        finding->readers[finding->reader_count] = feed->reader;
    finding->reader_count++;
}

/*
 * Whoever holds the locks of a target and of the list needs none of a feed: the looker has that of
 * its target, too, and the pump that of the list.
 */
static void look_at_feeds(struct finding *finding, struct feeds *feeds,
                          const struct service_target *target)
{
    const struct timespec end = clock_after(LIST_TIME);
    const struct feed *feed = NULL;
    if (pthread_mutex_clocklock(&feeds->lock, CLOCK_MONOTONIC, &end) != 0)
        return;
    DL_FOREACH(feeds->list, feed)
    {
        if (feed->target == target && !feed->has_ended && !feed->has_hangup)
            look_at_feed(finding, feed);
    }
    pthread_mutex_unlock(&feeds->lock);
}

/* ---- what has ended ---------------------------------------------------------------------- */

/* Has the reader of FEED gone? The pump hears of it, too. */
static bool has_hangup(const struct feed *feed)
{
    struct pollfd poller = {.fd = feed->socket, .events = POLLRDHUP};
    return feed->has_hangup || (poll(&poller, 1, 0) > 0 && poller.revents != 0);
}

static bool has_leaving(struct feeds *feeds, const struct service_target *target)
{
    const struct timespec end = clock_after(LIST_TIME);
    const struct feed *feed = NULL;
    bool found = false;
    if (pthread_mutex_clocklock(&feeds->lock, CLOCK_MONOTONIC, &end) != 0)
        return false;
    DL_FOREACH(feeds->list, feed)
    {
        found = found || (feed->target == target && has_hangup(feed));
    }
    DL_FOREACH(feeds->dead, feed)
    {
        found = found || feed->target == target;
    }
    pthread_mutex_unlock(&feeds->lock);
    return found;
}

bool watchers_await(void *data)
{
    const struct watchers_data *known = data;
    const struct timespec end = clock_after(DETACH_TIME);
    const struct timespec pause = {.tv_nsec = DETACH_LOOK};
    bool waited = false;
    while (has_leaving(known->service->feeds, known->target) && !clock_is_past(&end)) {
        nanosleep(&pause, NULL);
        waited = true;
    }
    return waited;
}

/* ---- the sentence ------------------------------------------------------------------------ */

/* The name of a process, which anybody may read, and which is read without waiting. */
static bool read_comm(pid_t pid, char *name, size_t size)
{
    char path[32];
    char bytes[COMM_SIZE];
    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
    if (fd >= 0)
        close(fd);
    if (got <= 1)
        return false;
    probe_escape(bytes, (size_t)got - 1, name, size);
    return true;
}

static void print_readers(const struct finding *finding, FILE *out)
{
    for (size_t i = 0; i < NAMED_MAX && i < finding->reader_count; i++) {
        char name[4 * COMM_SIZE];
        pid_t pid = finding->readers[i];
        const char *before = i == 0 ? "" : i + 1 == finding->reader_count ? " and " : ", ";
        if (pid > 0 && read_comm(pid, name, sizeof(name)))
            fprintf(out, "%sprocess %d (%s)", before, pid, name);
        else if (pid > 0)
            fprintf(out, "%sprocess %d, which has ended,", before, pid);
        else
            fprintf(out, "%sa process of another namespace", before);
    }
    if (finding->reader_count > NAMED_MAX)
        fprintf(out, " and %zu more", finding->reader_count - NAMED_MAX);
    if (finding->reader_count > 0)
        fprintf(out, " read%s its trace", finding->reader_count == 1 ? "s" : "");
}

static void print_finding(const struct finding *finding, FILE *out)
{
    const char *name = probe_target_name(finding->target, finding->probe);
    fprintf(out, "while probe '%s' is watched, the kernel counts in its semaphore: ", name);
    print_readers(finding, out);
    if (finding->is_counted)
        fprintf(out, "%sits hits are counted (0 written to hits ends that)",
                finding->reader_count > 0 ? ", and " : "");
    fputs("; end that first, or take away only your own reference", out);
}

void watchers_explain(void *data, const bool *blocked, struct probe_error *error)
{
    const struct watchers_data *known = data;
    struct finding finding = {
        .target = known->target->target, .blocked = blocked, .probe = SIZE_MAX};
    counts_visit_all(&known->target->counts, look_at_count, &finding);
    look_at_feeds(&finding, known->service->feeds, known->target);
    if (finding.probe == SIZE_MAX)
        return;
    FILE *out = fmemopen(error->text, sizeof(error->text), "w");
    if (!out)
        return;
    print_finding(&finding, out);
    fclose(out);
    error->text[sizeof(error->text) - 1] = '\0';
}
