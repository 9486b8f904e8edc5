/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum key { KEY_HELP, KEY_VERSION, KEY_REMOUNT };

/* What fuse_opt_parse() fills in; values are still text. */
struct raw_options {
    int foreground, debug, allow_gigatext, all;
    unsigned int max_read;
    char *fsname;
    char *engine, *group, *log, *trace, *user_files, *user_memory, *user_requests;
    char *words[2]; /* SOURCE and MOUNTPOINT, or MOUNTPOINT */
    size_t word_count;
    bool help, version;
};

#define RAW(template, field, value)                                                                \
    {                                                                                              \
        template, offsetof(struct raw_options, field), value                                       \
    }

static const struct fuse_opt specification[] = {
    RAW("-f", foreground, 1),
    RAW("-d", debug, 1),
    RAW("debug", debug, 1),
    RAW("allow_gigatext", allow_gigatext, 1),
    RAW("all", all, 1),
    RAW("engine=%s", engine, 0),
    RAW("gid=%s", group, 0),
    RAW("log=%s", log, 0),
    RAW("user_files=%s", user_files, 0),
    RAW("user_memory=%s", user_memory, 0),
    RAW("user_requests=%s", user_requests, 0),
    RAW("trace=%s", trace, 0),
    RAW("fsname=%s", fsname, 0),
    RAW("max_read=%u", max_read, 0),
    FUSE_OPT_KEY("max_read=", FUSE_OPT_KEY_KEEP), /* the kernel's, too */
    FUSE_OPT_KEY("-h", KEY_HELP),
    FUSE_OPT_KEY("--help", KEY_HELP),
    FUSE_OPT_KEY("-V", KEY_VERSION),
    FUSE_OPT_KEY("--version", KEY_VERSION),
    FUSE_OPT_KEY("remount", KEY_REMOUNT),
    FUSE_OPT_END,
};

static int fail(const char *format, const char *what)
{
    fprintf(stderr, "probefs: ");
    fprintf(stderr, format, what);
    fprintf(stderr, "\n");
    return -1;
}

static int take_option(void *data, const char *argument, int key, struct fuse_args *args)
{
    struct raw_options *raw = data;
    (void)args;
    switch (key) {
    case KEY_HELP:
        raw->help = true;
        return 0;
    case KEY_VERSION:
        raw->version = true;
        return 0;
    case KEY_REMOUNT:
        return fail(
            "the options of a mount cannot be changed (%s): unmount, and mount again; probes "
            "that are on stay on",
            argument);
    case FUSE_OPT_KEY_NONOPT:
        if (raw->word_count == sizeof(raw->words) / sizeof(*raw->words))
            return fail("unexpected argument '%s'", argument);
        raw->words[raw->word_count] = strdup(argument);
        return raw->words[raw->word_count++] ? 0 : -1;
    default:
        return 1; /* FUSE's, or unknown: the session reports it */
    }
}

static int parse_group(const char *text, gid_t *group)
{
    char *end = NULL;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && !*end && !errno && number < UINT32_MAX) {
        *group = (gid_t)number;
        return 0;
    }
    const struct group *found = getgrnam(text);
    if (!found)
        return fail("unknown group '%s'", text);
    *group = found->gr_gid;
    return 0;
}

/* A number from 1 to MOST; TEXT may be NULL, for the default. */
static int parse_limit(const char *name, const char *text, size_t most, size_t *limit)
{
    char *end = NULL;
    if (!text)
        return 0;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && !*end && !errno && number >= 1 && number <= most) {
        *limit = number;
        return 0;
    }
    fprintf(stderr, "probefs: %s=%s: give a number from 1 to %zu\n", name, text, most);
    return -1;
}

static int parse_user_limits(const struct raw_options *raw, struct budget_limits *limits)
{
    size_t mebibytes = limits->most[BUDGET_MEMORY] >> 20;
    size_t requests = limits->requests;
    if (parse_limit("user_files", raw->user_files, INT_MAX, &limits->most[BUDGET_FILES]) < 0 ||
        parse_limit("user_memory", raw->user_memory, 1 << 20, &mebibytes) < 0 ||
        parse_limit("user_requests", raw->user_requests, BUDGET_REQUESTS_MAX, &requests) < 0)
        return -1;
    limits->most[BUDGET_MEMORY] = mebibytes << 20;
    limits->requests = (unsigned int)requests;
    return 0;
}

static int parse_trace(const char *text, enum trace_mode *trace)
{
    static const char *const names[] = {
        [TRACE_ROOT] = "root", [TRACE_USERS] = "users", [TRACE_NO] = "no"};
    for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        *trace = (enum trace_mode)i;
        return 0;
    }
    return fail("unknown value trace=%s: use trace=root, trace=users or trace=no", text);
}

static int interpret(const struct raw_options *raw, struct options *options)
{
    if (raw->help || raw->version)
        return 0;
    if (raw->word_count == 0) {
        fprintf(stderr, "probefs: give a mountpoint: see probefs --help\n");
        return -1;
    }
    if (raw->engine && strcmp(raw->engine, "ptrace") == 0)
        options->method = PROBE_METHOD_PTRACE;
    else if (raw->engine && strcmp(raw->engine, "vm") != 0)
        return fail("unknown engine '%s': use engine=vm or engine=ptrace", raw->engine);
    if (raw->log && !log_level_parse(raw->log, &options->log_level))
        return fail("unknown log level '%s': use error, warning, info or debug", raw->log);
    if (raw->trace && parse_trace(raw->trace, &options->trace) < 0)
        return -1;
    if (raw->group && geteuid() != 0)
        return fail("gid=%s: only a server started by root may serve other users", raw->group);
    options->has_group = raw->group;
    if (raw->group && parse_group(raw->group, &options->group) < 0)
        return -1;
    if (parse_user_limits(raw, &options->user_limits) < 0)
        return -1;
    options->max_read = raw->max_read;
    options->source = strdup(raw->word_count > 1 ? raw->words[0]
                             : raw->fsname       ? raw->fsname
                                                 : "probefs");
    if (!options->source)
        return -1;
    /* Absolute, because the server leaves the directory that it was started in. */
    const char *word = raw->words[raw->word_count - 1];
    options->mountpoint = realpath(word, NULL);
    if (!options->mountpoint && errno == ENOTCONN) /* a dead server's mount */
        options->mountpoint = strdup(word);
    if (!options->mountpoint) {
        fprintf(stderr, "probefs: cannot mount at '%s': %s\n", word, strerror(errno));
        return -1;
    }
    return 0;
}

int options_parse(struct fuse_args *args, struct options *options)
{
    struct raw_options raw = {0};
    *options =
        (struct options){.log_level = PROBE_LOG_WARNING, .user_limits = budget_default_limits()};
    int status = fuse_opt_parse(args, &raw, specification, take_option);
    if (status == 0) {
        options->help = raw.help;
        options->version = raw.version;
        options->debug = raw.debug;
        options->allow_gigatext = raw.allow_gigatext;
        options->all = raw.all;
        options->foreground = raw.foreground || raw.debug;
        if (raw.debug)
            options->log_level = PROBE_LOG_DEBUG;
        status = interpret(&raw, options);
    }
    free(raw.engine);
    free(raw.group);
    free(raw.log);
    free(raw.user_files);
    free(raw.user_memory);
    free(raw.user_requests);
    free(raw.trace);
    free(raw.fsname);
    free(raw.words[0]);
    free(raw.words[1]);
    return status < 0 ? -EINVAL : 0;
}

void options_done(struct options *options)
{
    free(options->source);
    free(options->mountpoint);
}

void options_print_help(void)
{
    fputs("usage: probefs [-f] [-d] [-o OPTIONS] [SOURCE] MOUNTPOINT\n"
          "\n"
          "Shows the static tracing probes of running processes as files.\n"
          "\n"
          "Running:\n"
          "  -f                  stay in the foreground, log to standard error\n"
          "  -d                  the same, with log level debug\n"
          "  -o log=LEVEL        log error, warning (the default), info or debug\n"
          "Showing probes:\n"
          "  -o all              also those without a semaphore, which can only be watched\n"
          "Writing to processes:\n"
          "  -o engine=vm        do not stop the process (the default)\n"
          "  -o engine=ptrace    stop all its threads during an update\n"
          "  -o allow_gigatext   also write to code on pages of 1 GiB\n"
          "Who else may do what root may:\n"
          "  -o gid=GROUP        members of GROUP\n"
          "  -o trace=WHO        who may watch probes: root (the default), users or no\n"
          "What each user but root may use of the server:\n"
          "  -o user_files=N,user_memory=MEBIBYTES,user_requests=N\n"
          "Information:\n"
          "  -h, --help          show this help\n"
          "  -V, --version       show the version\n"
          "\n"
          "FUSE's own options are accepted too: see mount.fuse3(8).\n",
          stdout);
}
