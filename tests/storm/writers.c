/* SPDX-License-Identifier: MIT */
/*
 * writers [-k] [-s SEED] [-m MILLISECONDS] [-n THREADS] TREE...
 *
 * Threads that do what users do, all at once, to the probes of `tally` (tests/targets/tally.c) at
 * TREEs, directories like MOUNT/PID:
 *
 *     counted     references of their own through semaphore and control, given back at the end
 *     held        nothing but holds
 *     shared      holds and references
 *     span_*      switched as a pair, by control
 *     switched    0 and 1 through enabled and control, and any value through semaphore
 *
 * What a thread does is chosen by SEED and its number alone. An errno that the tree does not
 * promise for what was asked is told and fails the program. ETIMEDOUT is none such, as a machine
 * may be too busy for an answer in time, and neither is then EIO, for what was open in a worker
 * that was ended for that. At the end:
 *
 *     writes=N reads=N holds=N refused=N late=N
 *
 * With -k the server may die at any time: a thread ends at the first sign of that. Its own
 * references in `counted` and `shared` stay where they were, as nobody can say whether the last
 * write was applied.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 64, TREES_MAX = 8, HOLDS_MAX = 6, REFERENCES_MAX = 40 };

/* Probes of which threads keep references. */
enum { COUNTED, SHARED, OWNED };

static const char *const owned_names[OWNED] = {"counted", "shared"};

static struct {
    char *const *trees;
    unsigned int tree_count;
    unsigned long milliseconds;
    uint64_t seed;
    bool server_may_die;
} options = {.milliseconds = 1000};

struct writer {
    pthread_t thread;
    uint64_t random;
    unsigned int references[TREES_MAX][OWNED];
    int holds[HOLDS_MAX];
    unsigned int hold_count;
    unsigned long writes, reads, opened, refused, late, orphaned, unexpected;
    bool ended; /* the server has gone */
};

/* splitmix64: the next of a sequence that the seed alone decides. */
static uint64_t next_random(struct writer *writer)
{
    uint64_t z = writer->random += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static unsigned int below(struct writer *writer, unsigned int limit)
{
    return (unsigned int)(next_random(writer) % limit);
}

static void tell_unexpected(struct writer *writer, const char *what, const char *path,
                            const char *text, int errnum)
{
    writer->unexpected++;
    printf("unexpected: %s %s '%s': %s\n", what, path, text, errnum ? strerror(errnum) : "success");
}

/* Is ERRNUM how a file answers whose server has died? */
static bool is_end(int errnum)
{
    return options.server_may_die && (errnum == ENOTCONN || errnum == ECONNABORTED ||
                                      errnum == ENOENT || errnum == EIO || errnum == EBADF);
}

/*
 * Did the answer come too late, or from nobody? A worker that was ended for that may have stopped
 * the process, which is busy until it has died.
 */
static bool is_late(struct writer *writer, int errnum)
{
    bool orphaned = errnum == EIO || (options.server_may_die && errnum == EBUSY);
    writer->late += errnum == ETIMEDOUT;
    writer->orphaned += orphaned;
    return errnum == ETIMEDOUT || orphaned;
}

/* Opens TREE/NAME; the result is -1 where that failed. */
static int open_file(struct writer *writer, unsigned int tree, const char *name, int flags,
                     int allowed)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", options.trees[tree], name);
    int fd = open(path, flags | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    if (is_end(errno))
        writer->ended = true;
    else if (errno == allowed)
        writer->refused++;
    else if (!is_late(writer, errno))
        tell_unexpected(writer, "open", path, "", errno);
    return -1;
}

/*
 * Writes TEXT to TREE/NAME. Returns whether it was applied; it has to be, unless ALLOWED is an
 * errno, which it may fail with.
 */
static bool write_file(struct writer *writer, unsigned int tree, const char *name, const char *text,
                       int allowed)
{
    int fd = open_file(writer, tree, name, O_WRONLY | O_TRUNC, 0);
    if (fd < 0)
        return false;
    ssize_t put = write(fd, text, strlen(text));
    int errnum = put < 0 ? errno : 0;
    if (close(fd) < 0 && errnum == 0)
        errnum = errno;
    writer->writes++;
    if (errnum == 0 && put == (ssize_t)strlen(text))
        return true;
    if (errnum != 0 && errnum == allowed)
        writer->refused++;
    else if (is_end(errnum))
        writer->ended = true;
    else if (!is_late(writer, errnum))
        tell_unexpected(writer, "write", name, text, errnum);
    return false;
}

/* Writes what has to be refused with EXPECTED, and nothing else. */
static void write_wrong(struct writer *writer, unsigned int tree, const char *name,
                        const char *text, int expected)
{
    if (write_file(writer, tree, name, text, expected))
        tell_unexpected(writer, "write", name, text, 0);
}

/* ---- what the threads do ---------------------------------------------------------------- */

static void take_reference(struct writer *writer, unsigned int tree)
{
    char path[64];
    char line[64];
    unsigned int owned = below(writer, OWNED);
    if (writer->references[tree][owned] >= REFERENCES_MAX)
        return;
    snprintf(path, sizeof(path), "%s/semaphore", owned_names[owned]);
    snprintf(line, sizeof(line), "+1 %s\n", owned_names[owned]);
    writer->references[tree][owned] += below(writer, 2)
                                           ? write_file(writer, tree, path, "+1\n", 0)
                                           : write_file(writer, tree, "control", line, 0);
}

static void give_reference(struct writer *writer, unsigned int tree, unsigned int owned)
{
    char path[64];
    char lines[128];
    if (writer->references[tree][owned] == 0)
        return;
    snprintf(path, sizeof(path), "%s/semaphore", owned_names[owned]);
    snprintf(lines, sizeof(lines), "-1 %s\n0 switched\n", owned_names[owned]);
    writer->references[tree][owned] -= below(writer, 2)
                                           ? write_file(writer, tree, path, "-1\n", 0)
                                           : write_file(writer, tree, "control", lines, 0);
}

static void give_any_reference(struct writer *writer, unsigned int tree)
{
    give_reference(writer, tree, below(writer, OWNED));
}

static void take_hold(struct writer *writer, unsigned int tree)
{
    static const char *const names[] = {"held/hold", "shared/hold", "held/hold", "switched/hold"};
    if (writer->hold_count == HOLDS_MAX)
        return;
    /* A set value may have filled the counter of `switched`. */
    int fd = open_file(writer, tree, names[below(writer, 4)], O_WRONLY, EOVERFLOW);
    if (fd < 0)
        return;
    writer->holds[writer->hold_count++] = fd;
    writer->opened++;
}

static void give_hold(struct writer *writer, unsigned int tree)
{
    (void)tree;
    if (writer->hold_count == 0)
        return;
    unsigned int i = below(writer, writer->hold_count);
    close(writer->holds[i]);
    writer->holds[i] = writer->holds[--writer->hold_count];
}

static void switch_probe(struct writer *writer, unsigned int tree)
{
    write_file(writer, tree, "switched/enabled", below(writer, 2) ? "1\n" : "0", 0);
}

static void switch_span(struct writer *writer, unsigned int tree)
{
    write_file(writer, tree, "control",
               below(writer, 2) ? "1 span_start,span_stop\n" : "0 span_start,span_stop\n", 0);
}

static void switch_matches(struct writer *writer, unsigned int tree)
{
    write_file(writer, tree, "control",
               below(writer, 2) ? "# all that match\n1 ~^(sw|span).*\n" : "0 sp*\n1 s[w]itched\n",
               0);
}

static void set_counter(struct writer *writer, unsigned int tree)
{
    static const char *const values[] = {"+1\n", "-1\n", "7\n", "65535", "0\n", "1"};
    unsigned int i = below(writer, 6);
    write_file(writer, tree, "switched/semaphore", values[i],
               i == 0   ? EOVERFLOW
               : i == 1 ? ERANGE
                        : 0);
}

static void ask_wrongly(struct writer *writer, unsigned int tree)
{
    switch (below(writer, 4)) {
    case 0:
        write_wrong(writer, tree, "counted/enabled", "2\n", EINVAL);
        break;
    case 1:
        write_wrong(writer, tree, "control", "+1 counted\n1 nosuch\n", ENOENT);
        break;
    case 2:
        write_wrong(writer, tree, "control", "+1 counted\n=5 counted\n", EINVAL);
        break;
    default:
        write_wrong(writer, tree, "shared/semaphore", "65536\n", ERANGE);
    }
}

static void read_something(struct writer *writer, unsigned int tree)
{
    static const char *const names[] = {
        "enabled", "counted/enabled", "held/hold", "switched/sites",
        "info",    "control",         "error_log", "shared/semaphore"};
    char bytes[4096];
    const char *name = names[below(writer, 8)];
    int fd = open_file(writer, tree, name, O_RDONLY, 0);
    if (fd < 0)
        return;
    ssize_t got = 0;
    do {
        got = read(fd, bytes, sizeof(bytes));
    } while (got > 0);
    if (got < 0 && is_end(errno))
        writer->ended = true;
    else if (got < 0 && !is_late(writer, errno))
        tell_unexpected(writer, "read", name, "", errno);
    writer->reads++;
    close(fd);
}

static void act(struct writer *writer)
{
    static void (*const acts[])(struct writer *, unsigned int) = {
        take_reference, take_reference, give_any_reference, take_hold,
        give_hold,      switch_probe,   switch_probe,       switch_span,
        switch_matches, set_counter,    read_something,     ask_wrongly,
    };
    acts[below(writer, sizeof(acts) / sizeof(*acts))](writer, below(writer, options.tree_count));
}

/* ---- threads ---------------------------------------------------------------------------- */

static bool is_before(const struct timespec *end)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec < end->tv_sec || (now.tv_sec == end->tv_sec && now.tv_nsec < end->tv_nsec);
}

static struct timespec time_from_now(unsigned long milliseconds)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)(milliseconds / 1000);
    end.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    return end;
}

static void give_all_back(struct writer *writer)
{
    while (writer->hold_count > 0)
        give_hold(writer, 0);
    for (unsigned int tree = 0; tree < options.tree_count; tree++) {
        for (unsigned int owned = 0; owned < OWNED; owned++) {
            unsigned long before = writer->unexpected + writer->late + writer->orphaned;
            while (writer->references[tree][owned] > 0 && !writer->ended &&
                   writer->unexpected + writer->late + writer->orphaned == before)
                give_reference(writer, tree, owned);
        }
    }
}

static void *run(void *data)
{
    struct writer *writer = data;
    struct timespec end = time_from_now(options.milliseconds);
    while (!writer->ended && is_before(&end))
        act(writer);
    give_all_back(writer);
    return NULL;
}

static int print_totals(const struct writer *writers, unsigned int count)
{
    struct writer sum = {.random = 0};
    for (unsigned int i = 0; i < count; i++) {
        sum.writes += writers[i].writes;
        sum.reads += writers[i].reads;
        sum.opened += writers[i].opened;
        sum.refused += writers[i].refused;
        sum.late += writers[i].late;
        sum.orphaned += writers[i].orphaned;
        sum.unexpected += writers[i].unexpected;
    }
    printf("writes=%lu reads=%lu holds=%lu refused=%lu late=%lu\n", sum.writes, sum.reads,
           sum.opened, sum.refused, sum.late);
    /* Where others write to the same processes, they may have been late. */
    bool is_odd = sum.orphaned > 0 && sum.late == 0 && !options.server_may_die;
    if (is_odd)
        printf("unexpected: %lu times EIO\n", sum.orphaned);
    return sum.unexpected > 0 || is_odd;
}

static unsigned long parse_number(const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno || end == text || *end) {
        fprintf(stderr, "'%s' is not a number\n", text);
        exit(2);
    }
    return number;
}

int main(int argc, char **argv)
{
    static struct writer writers[THREADS_MAX];
    unsigned long count = 8;
    int option;
    while ((option = getopt(argc, argv, "ks:m:n:")) != -1) {
        if (option == 'k')
            options.server_may_die = true;
        else if (option == 's')
            options.seed = parse_number(optarg);
        else if (option == 'm')
            options.milliseconds = parse_number(optarg);
        else if (option == 'n')
            count = parse_number(optarg);
        else
            return 2;
    }
    options.trees = argv + optind;
    options.tree_count = (unsigned int)(argc - optind);
    if (count == 0 || count > THREADS_MAX || optind == argc || argc - optind > TREES_MAX) {
        fprintf(stderr, "usage: writers [-k] [-s SEED] [-m MILLISECONDS] [-n THREADS] TREE...\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned int i = 0; i < count; i++) {
        writers[i].random = options.seed * THREADS_MAX + i;
        if (pthread_create(&writers[i].thread, NULL, run, &writers[i]) != 0)
            return 1;
    }
    for (unsigned int i = 0; i < count; i++)
        pthread_join(writers[i].thread, NULL);
    return print_totals(writers, (unsigned int)count);
}
