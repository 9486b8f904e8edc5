/* SPDX-License-Identifier: MIT */
/*
 * libraries [-s] PROGRAM...
 *
 * Prints which libraries the engine finds for each program, by reading, as `ldd` does by loading:
 *
 *     /usr/bin/true:
 *     /lib64/ld-linux-x86-64.so.2
 *     /lib/x86_64-linux-gnu/libc.so.6
 *
 * -s: as for a program with privileges. What is left out is told on the standard error.
 */
#include "start/libraries.h"
#include "start/program-file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void log_sentence(void *data, enum probe_log_level level, const char *sentence)
{
    (void)data;
    if (level <= PROBE_LOG_WARNING)
        fprintf(stderr, "%s\n", sentence);
}

static int print_library(void *data, int fd, const char *path, struct probe_error *error)
{
    (void)data, (void)fd, (void)error;
    puts(path);
    return 0;
}

static int print_libraries(struct probe_engine *engine, const char *path, bool secure)
{
    struct probe_error error = {.text = ""};
    struct program_file file;
    struct stat loader;
    int status = program_file_open(path, &file, &error);
    if (status == 0) {
        char *real = realpath(path, NULL);
        const struct libraries_start start = {
            .engine = engine,
            .program = file.fd,
            .path = real ? real : path,
            .environment = environ,
            .secure = secure,
        };
        printf("%s:\n", path);
        status = libraries_find(&start, print_library, NULL, &loader, &error);
        free(real);
        program_file_done(&file);
    }
    if (status < 0)
        fprintf(stderr, "%s\n", error.text);
    return status;
}

int main(int argc, char **argv)
{
    const struct probe_engine_options options = {.log = log_sentence};
    struct probe_engine *engine = NULL;
    bool secure = argc > 1 && strcmp(argv[1], "-s") == 0;
    int failed = 0;
    if (probe_engine_new(&options, &engine) < 0)
        return 1;
    for (int i = secure ? 2 : 1; i < argc; i++)
        failed |= print_libraries(engine, argv[i], secure) < 0;
    probe_engine_free(engine);
    return failed;
}
