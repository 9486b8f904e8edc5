/* SPDX-License-Identifier: MIT */
/* probe-run: starts a program with its probes on. */
#include <probe-engine.h>

#include "shared/reserved-names.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Exit statuses of our own, the same as a shell's. */
enum { STATUS_USAGE = 2, STATUS_NOT_RUN = 126, STATUS_NOT_FOUND = 127 };

enum { OPTION_HELP = 256, OPTION_VERSION };

struct options {
    struct probe_launch_options launch;
    const char **on, **off; /* NAMEs, with room for all arguments */
    bool list, trace;
    const char *output; /* FILE for the trace; NULL: the standard error */
};

static const char help[] =
    "usage: probe-run [-f] [-t [-o FILE]] [-e NAME]... [-d NAME]... [--]\n"
    "                 PROGRAM [ARG]...\n"
    "       probe-run -l PROGRAM\n"
    "\n"
    "Runs PROGRAM with its static tracing probes on from its first instruction.\n"
    "\n"
    "  -e, --enable=NAME   switch on NAME: a probe, a glob, ~REGEX or START,STOP\n"
    "                      (default: all probes)\n"
    "  -d, --disable=NAME  switch off NAME, even if it is on in PROGRAM's file or\n"
    "                      -e means it, too\n"
    "  -f, --follow        follow PROGRAM when it becomes another by exec (env, a\n"
    "                      script, sudo) until one has a probe that NAME means\n"
    "  -t, --trace         print the trace of these probes: a line each time that one\n"
    "                      fires, with its arguments; probes without a semaphore, too\n"
    "  -o, --output=FILE   print it into FILE (default: standard error)\n"
    "  -l, --list          list the program's probes instead of running it\n"
    "      --help          show this help\n"
    "      --version       show the version\n"
    "\n"
    "Exit status: that of PROGRAM; 2 if a NAME matches no probe, or there can be no\n"
    "trace, 126 if PROGRAM cannot be run, 127 if it is not found.\n";

/* Prints SENTENCE and returns STATUS. */
static int complain(int status, const char *sentence)
{
    fprintf(stderr, "probe-run: %s\n", sentence);
    return status;
}

static void log_sentence(void *data, enum probe_log_level level, const char *sentence)
{
    (void)data;
    if (level <= PROBE_LOG_WARNING)
        complain(0, sentence);
}

static int status_of(int errnum)
{
    return errnum == -ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUN;
}

/* A full disk must not look like success. */
static int finish_output(void)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : complain(1, "cannot write the output");
}

static void print_and_exit(const char *text)
{
    fputs(text, stdout);
    exit(finish_output());
}

static int refer_to_help(void)
{
    return complain(STATUS_USAGE, "try 'probe-run --help'");
}

/* Parses the options; PROGRAM is at optind then. Returns 0 or an exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"enable", required_argument, NULL, 'e'},
        {"disable", required_argument, NULL, 'd'},
        {"follow", no_argument, NULL, 'f'},
        {"trace", no_argument, NULL, 't'},
        {"output", required_argument, NULL, 'o'},
        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {0},
    };
    int option = 0;
    /* '+': what follows PROGRAM is left alone. */
    while ((option = getopt_long(argc, argv, "+e:d:fto:l", names, NULL)) != -1) {
        if (option == 'e')
            options->on[options->launch.on_count++] = optarg;
        else if (option == 'd')
            options->off[options->launch.off_count++] = optarg;
        else if (option == 'f')
            options->launch.follow = true;
        else if (option == 't')
            options->trace = true;
        else if (option == 'o')
            options->output = optarg;
        else if (option == 'l')
            options->list = true;
        else if (option == OPTION_HELP)
            print_and_exit(help);
        else if (option == OPTION_VERSION)
            print_and_exit("probe-run " PROBEFS_VERSION "\n");
        else
            return refer_to_help();
    }
    if (optind == argc) {
        complain(0, "PROGRAM is missing");
        return refer_to_help();
    }
    const struct probe_launch_options *launch = &options->launch;
    bool more = launch->on_count > 0 || launch->off_count > 0 || launch->follow || options->trace;
    if (options->list && (more || optind + 1 < argc)) {
        complain(0, "-l takes PROGRAM and nothing else");
        return refer_to_help();
    }
    if (options->output && !options->trace) {
        complain(0, "-o is for the trace that -t prints");
        return refer_to_help();
    }
    return 0;
}

/* A probe a line; a space cannot be part of a name. */
static int list_probes(const struct probe_program *program)
{
    for (size_t i = 0; i < probe_program_count(program); i++)
        printf("%s%s\n", probe_program_name(program, i),
               probe_program_is_switchable(program, i) ? "" : " (no semaphore)");
    return finish_output();
}

/*
 * Does each NAME mean a probe of the program? With -f it may be one of a program to come, with -t
 * one that cannot be switched. Returns 0 or an exit status.
 */
static int check_names(const struct probe_program *program, const char *const *names, size_t count,
                       const struct options *options)
{
    struct probe_error error;
    for (size_t i = 0; i < count; i++) {
        ssize_t matched = probe_program_match(program, names[i], &error);
        bool watch_only = matched == -ENOENT && error.reason == PROBE_REASON_WATCH_ONLY;
        if (matched >= 0 || (options->launch.follow && matched == -ENOENT) ||
            (options->trace && watch_only))
            continue;
        fprintf(stderr, "probe-run: %s%s\n", error.text,
                watch_only ? ": -t prints its trace, and a mount with -o all shows it" : "");
        return STATUS_USAGE;
    }
    return 0;
}

/* Opens where the trace goes, if there can be one. Returns 0 or an exit status. */
static int open_trace(struct probe_engine *engine, const struct options *options, int *trace)
{
    enum probe_watch_way way = PROBE_WATCH_MULTI;
    struct probe_error error;
    if (!options->trace)
        return 0;
    if (probe_watch_find_way(engine, &way, &error) < 0)
        return complain(STATUS_USAGE, error.text);
    *trace = options->output
                 ? open(options->output, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC, 0666)
                 : STDERR_FILENO;
    /* The program does not get it; and it is not in the place of an input that is closed. */
    if (*trace >= 0)
        *trace = fcntl(*trace, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (*trace >= 0)
        return 0;
    fprintf(stderr, "probe-run: cannot write the trace to %s: %s\n",
            options->output ? options->output : "the standard error", strerror(errno));
    return STATUS_USAGE;
}

/* Becomes the program; returns an exit status only if that fails. */
static int run_program(struct probe_engine *engine, const struct probe_program *program,
                       const struct options *options, char **arguments)
{
    static const char *const all[] = {"*"};
    struct probe_launch_options launch = options->launch;
    struct probe_error error;
    launch.on = options->on;
    launch.off = options->off;
    int status = check_names(program, launch.on, launch.on_count, options);
    if (status == 0)
        status = check_names(program, launch.off, launch.off_count, options);
    if (status == 0)
        status = open_trace(engine, options, &launch.trace);
    if (status != 0)
        return status;
    if (launch.on_count == 0) {
        launch.on = all;
        launch.on_count = 1;
    }
    status = probe_launch_exec_with(program, arguments, NULL, &launch, &error);
    return complain(status_of(status), error.text);
}

static int open_and_run(struct probe_engine *engine, const struct options *options,
                        char **arguments)
{
    struct probe_program *program = NULL;
    struct probe_error error;
    int status = probe_program_open(engine, arguments[0], NULL, &program, &error);
    if (status < 0)
        return complain(status_of(status), error.text);
    status =
        options->list ? list_probes(program) : run_program(engine, program, options, arguments);
    probe_program_close(program);
    return status;
}

int main(int argc, char **argv)
{
    struct probe_engine *engine = NULL;
    struct options options = {
        .on = calloc((size_t)argc + 1, sizeof(*options.on)),
        .off = calloc((size_t)argc + 1, sizeof(*options.off)),
    };
    int status = options.on && options.off ? parse_options(argc, argv, &options)
                                           : complain(STATUS_NOT_RUN, "out of memory");
    const struct probe_engine_options engine_options = {
        .log = log_sentence,
        .reserved_names = reserved_names,
        .all = options.trace,
    };
    if (status == 0) {
        status = probe_engine_new(&engine_options, &engine);
        status = status < 0 ? complain(STATUS_NOT_RUN, strerror(-status))
                            : open_and_run(engine, &options, argv + optind);
    }
    probe_engine_free(engine);
    free(options.on);
    free(options.off);
    return status;
}
