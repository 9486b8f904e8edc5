/* SPDX-License-Identifier: MIT */
/*
 * probe-top: the probes of all processes, their states and how often they fire, on a screen or as
 * lines. It knows the files of the tree, and nothing else of probes.
 */
#include "top.h"

#include "shared/clock.h"

#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_FAILED = 1, STATUS_USAGE = 2, OPTION_HELP = 256, OPTION_VERSION };

enum { DELAY_DEFAULT = 2, DELAY_MOST = 24 * 60 * 60 };

static const char help[] =
    "usage: probe-top [-d SECONDS] [-p PID] [MOUNTPOINT]\n"
    "       probe-top -b [-d SECONDS] [-n COUNT] [-p PID] [MOUNTPOINT]\n"
    "\n"
    "Shows the probes of all processes in the tree of probefs at MOUNTPOINT\n"
    "(/mnt/probes): states, and how often those fire that are counted. Keys sort,\n"
    "switch and count them; h shows which.\n"
    "\n"
    "  -b, --batch          print lines: PID PROGRAM STATE RATE TOTAL PROBE\n"
    "  -d, --delay=SECONDS  look so often (default: every 2 seconds)\n"
    "  -n, --rounds=COUNT   end after COUNT looks (default: never)\n"
    "  -p, --pid=PID        show this process only\n"
    "      --help           show this help\n"
    "      --version        show the version\n";

static int complain(int status, const char *sentence)
{
    fprintf(stderr, "probe-top: %s\n", sentence);
    return status;
}

/* ---- looking ------------------------------------------------------------------------------- */

/* While rows are sorted by process. */
static void summarize(struct top *top, size_t unread)
{
    size_t processes = 0;
    size_t on = 0;
    size_t counted = 0;
    for (size_t i = 0; i < top->rows.count; i++) {
        const struct row *row = &top->rows.list[i];
        processes += i == 0 || row->pid != row[-1].pid;
        on += row->state == '1';
        counted += row->is_counted;
    }
    snprintf(top->summary, SUMMARY_SIZE,
             "processes: %zu, probes: %zu, on: %zu, counted: %zu, not readable: %zu", processes,
             top->rows.count, on, counted, unread);
}

int top_look(struct top *top)
{
    struct rows rows = {NULL, 0, 0};
    size_t unread = 0;
    int status = tree_look(top->tree, top->pid, &rows, &unread);
    if (status < 0) {
        rows_free(&rows);
        snprintf(top->sentence, SENTENCE_SIZE, "cannot read %s: %s", top->tree, strerror(-status));
        return status;
    }
    rows_sort(&top->rows, 0, COLUMN_PID);
    rows_compare(&rows, &top->rows);
    rows_free(&top->rows);
    top->rows = rows;
    summarize(top, unread);
    rows_sort(&top->rows, 0, top->column);
    return 0;
}

/* ---- lines --------------------------------------------------------------------------------- */

/* Writes what was printed; more than a buffer holds may have failed before. Returns an exit status.
 */
static int flush_output(void)
{
    return fflush(stdout) == 0 && !ferror(stdout)
               ? 0
               : complain(STATUS_FAILED, "cannot write the output");
}

/* Returns 0 or an exit status. */
static int print_round(const struct top *top)
{
    const time_t now = time(NULL);
    struct tm utc;
    char when[32];
    char line[LINE_SIZE];
    strftime(when, sizeof(when), "%FT%TZ", gmtime_r(&now, &utc));
    printf("# %s %s\n", when, top->summary);
    for (size_t i = 0; i < top->rows.count; i++) {
        row_print(&top->rows.list[i], false, line);
        puts(line);
    }
    return flush_output();
}

/* ROUNDS: 0 for ever. Signals end it: it has nothing to tidy up. */
static int print_rounds(struct top *top, long rounds)
{
    int status = 0;
    const struct timespec delay = clock_add((struct timespec){0, 0}, top->delay);
    for (long i = 0; (rounds == 0 || i < rounds) && status == 0; i++) {
        if (i > 0)
            nanosleep(&delay, NULL);
        status = top_look(top) == 0 ? print_round(top) : complain(STATUS_FAILED, top->sentence);
    }
    return status;
}

/* ---- the command line ---------------------------------------------------------------------- */

static int refer_to_help(const char *sentence)
{
    if (sentence)
        complain(0, sentence);
    return complain(STATUS_USAGE, "try 'probe-top --help'");
}

static void print_and_exit(const char *text)
{
    fputs(text, stdout);
    exit(flush_output());
}

struct options {
    double delay;
    long pid, rounds; /* 0: all processes; for ever */
    bool is_batch;
};

static int check_options(const struct options *options, int arguments)
{
    /* What is no number at all is not above, either. */
    if (!(options->delay >= 0.1 && options->delay <= DELAY_MOST))
        return refer_to_help("-d takes a number of seconds, 0.1 at least");
    if (options->pid < 0 || options->pid > INT_MAX || options->rounds < 0)
        return refer_to_help("-n and -p take a number");
    if (options->rounds > 0 && !options->is_batch)
        return refer_to_help("-n is for the lines that -b prints");
    return arguments > 1 ? refer_to_help("there is one MOUNTPOINT at most") : 0;
}

/* Returns 0 or an exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"batch", no_argument, NULL, 'b'},
        {"delay", required_argument, NULL, 'd'},
        {"rounds", required_argument, NULL, 'n'},
        {"pid", required_argument, NULL, 'p'},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {0},
    };
    int option = 0;
    char *end = "";
    while (!*end && (option = getopt_long(argc, argv, "bd:n:p:", names, NULL)) != -1) {
        if (option == 'b')
            options->is_batch = true;
        else if (option == 'd')
            options->delay = strtod(optarg, &end);
        else if (option == 'n')
            options->rounds = strtol(optarg, &end, 10);
        else if (option == 'p')
            options->pid = strtol(optarg, &end, 10);
        else if (option == OPTION_HELP)
            print_and_exit(help);
        else if (option == OPTION_VERSION)
            print_and_exit("probe-top " PROBEFS_VERSION "\n");
        else
            return refer_to_help(NULL);
    }
    if (*end)
        return refer_to_help("-d, -n and -p take a number");
    return check_options(options, argc - optind);
}

int main(int argc, char **argv)
{
    struct options options = {.delay = DELAY_DEFAULT};
    struct top top = {.column = COLUMN_RATE};
    setlocale(LC_CTYPE, "");
    int status = parse_options(argc, argv, &options);
    if (status != 0)
        return status;
    const char *path = optind < argc ? argv[optind] : "/mnt/probes";
    char *tree = realpath(path, NULL);
    if (!tree || !tree_is_at(tree)) {
        fprintf(stderr, "probe-top: there is no tree of probefs at %s\n", path);
        free(tree);
        return STATUS_FAILED;
    }
    top.tree = tree;
    top.pid = (pid_t)options.pid;
    top.delay = (int64_t)(options.delay * (double)CLOCK_SECOND);
    status = options.is_batch ? print_rounds(&top, options.rounds) : screen_run(&top);
    rows_free(&top.rows);
    free(tree);
    return status;
}
