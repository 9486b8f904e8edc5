/* SPDX-License-Identifier: MIT */
/*
 * Times several things by turns, so that what disturbs the machine disturbs them alike.
 *
 *     timer [-c CPU] [-p PAUSE-US] ROUNDS LABEL OP PATH [, LABEL OP PATH]...
 *
 * OP, each from before the open until the close has returned:
 *     write     open, write `1` and `0` by turns, close
 *     pair      two such writes, `1` and `0`
 *     series    ten of them, for the state in which a server is that has just served
 *     read      open, read once, close
 *     walk      what `grep -r . PATH` does: list, open and read every file to its end
 *     find      what `find PATH` does: list, and ask for attributes
 *     run       starts PATH, a command with words between single spaces, and waits for its end;
 *               what it says is not shown
 * Each round does every one of them once, in an order that is drawn anew: what a case finds in the
 * caches is what the one before it has left there. After each it waits, busily, so that what a
 * server still has to do (a RELEASE) is not counted with the next. With -c all is done on that CPU.
 *
 * Output: a line for each measurement, `LABEL NANOSECONDS FILES`: how many files it was about. A
 * first round is not counted. Any error ends it with a message and status 1.
 */
#include <err.h>
#include <fcntl.h>
#include <fts.h>
#include <sched.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CASES_MAX = 16, WORDS_MAX = 16, SERIES = 10, NS = 1000000000 };

struct timed {
    const char *label;
    unsigned long (*run)(const struct timed *timed, unsigned long round);
    const char *path;
};

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NS + (uint64_t)time.tv_nsec;
}

static unsigned long run_write(const struct timed *timed, unsigned long round)
{
    const char *text = round % 2 ? "0" : "1";
    int fd = open(timed->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0 || write(fd, text, 1) != 1 || close(fd) < 0)
        err(1, "cannot write %s", timed->path);
    return 1;
}

static unsigned long run_pair(const struct timed *timed, unsigned long round)
{
    (void)round;
    return run_write(timed, 0) + run_write(timed, 1);
}

static unsigned long run_series(const struct timed *timed, unsigned long round)
{
    (void)round;
    for (unsigned long i = 0; i < SERIES; i++)
        run_write(timed, i);
    return SERIES;
}

static unsigned long run_read(const struct timed *timed, unsigned long round)
{
    char text[64];
    (void)round;
    int fd = open(timed->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text)) <= 0 || close(fd) < 0)
        err(1, "cannot read %s", timed->path);
    return 1;
}

static void read_whole(const FTSENT *entry)
{
    static char text[96 << 10];
    ssize_t got = 1;
    int fd = open(entry->fts_accpath, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        err(1, "cannot open %s", entry->fts_path);
    while (got > 0)
        got = read(fd, text, sizeof(text));
    if (got < 0 || close(fd) < 0)
        err(1, "cannot read %s", entry->fts_path);
}

static unsigned long traverse(const char *path, void (*visit)(const FTSENT *entry))
{
    char *paths[] = {(char *)path, NULL};
    unsigned long files = 0;
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!tree)
        err(1, "cannot list %s", path);
    for (const FTSENT *entry = NULL; (entry = fts_read(tree));) {
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
            errx(1, "cannot look at %s: %s", entry->fts_path, strerror(entry->fts_errno));
        if (entry->fts_info != FTS_F)
            continue;
        files++;
        if (visit)
            visit(entry);
    }
    fts_close(tree);
    return files;
}

static unsigned long run_walk(const struct timed *timed, unsigned long round)
{
    (void)round;
    return traverse(timed->path, read_whole);
}

static unsigned long run_find(const struct timed *timed, unsigned long round)
{
    (void)round;
    return traverse(timed->path, NULL);
}

static unsigned long run_command(const struct timed *timed, unsigned long round)
{
    char line[4096];
    char *words[WORDS_MAX + 1] = {NULL};
    pid_t pid = 0;
    int status = 0;
    posix_spawn_file_actions_t actions;
    (void)round;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO);
    snprintf(line, sizeof(line), "%s", timed->path);
    char *rest = line;
    for (size_t i = 0; rest && i < WORDS_MAX; i++)
        words[i] = strsep(&rest, " ");
    if (posix_spawn(&pid, words[0], &actions, NULL, words, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0)
        errx(1, "'%s' failed", timed->path);
    posix_spawn_file_actions_destroy(&actions);
    return 1;
}

static const struct {
    const char *name;
    unsigned long (*run)(const struct timed *timed, unsigned long round);
} operations[] = {{"write", run_write}, {"pair", run_pair}, {"series", run_series},
                  {"read", run_read},   {"walk", run_walk}, {"find", run_find},
                  {"run", run_command}};

static void stay_on(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        err(1, "cannot stay on CPU %d", cpu);
}

static struct timed parse(char **words)
{
    struct timed timed = {.label = words[0], .path = words[2]};
    for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
        if (strcmp(operations[i].name, words[1]) == 0)
            timed.run = operations[i].run;
    }
    if (!timed.run)
        errx(1, "no operation '%s'", words[1]);
    return timed;
}

/* The same numbers in each run. */
static void shuffle(struct timed *cases, size_t count)
{
    static unsigned short state[3] = {1, 2, 3};
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)nrand48(state) % i;
        struct timed moved = cases[other];
        cases[other] = cases[i - 1];
        cases[i - 1] = moved;
    }
}

static void run_rounds(struct timed *cases, size_t count, unsigned long rounds, uint64_t pause)
{
    for (unsigned long round = 0; round <= rounds; round++) {
        shuffle(cases, count);
        for (size_t i = 0; i < count; i++) {
            const struct timed *timed = &cases[i];
            uint64_t start = now();
            unsigned long files = timed->run(timed, round);
            uint64_t end = now();
            if (round > 0)
                printf("%s %lu %lu\n", timed->label, (unsigned long)(end - start), files);
            while (now() < end + pause)
                continue;
        }
    }
}

int main(int argc, char **argv)
{
    struct timed cases[CASES_MAX];
    size_t count = 0;
    uint64_t pause = 100000;
    int option = 0;
    while ((option = getopt(argc, argv, "+c:p:")) != -1) {
        if (option == 'c')
            stay_on((int)strtol(optarg, NULL, 10));
        else if (option == 'p')
            pause = strtoull(optarg, NULL, 10) * 1000;
        else
            return 1;
    }
    if (optind == argc)
        errx(1, "no number of rounds");
    unsigned long rounds = strtoul(argv[optind++], NULL, 10);
    for (; optind + 2 < argc && count < CASES_MAX; optind += 4) {
        cases[count++] = parse(argv + optind);
        if (optind + 3 < argc && strcmp(argv[optind + 3], ",") != 0)
            errx(1, "expected a comma, not '%s'", argv[optind + 3]);
    }
    run_rounds(cases, count, rounds, pause);
    return 0;
}
