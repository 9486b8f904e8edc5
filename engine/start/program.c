/* SPDX-License-Identifier: MIT */
#include "start/program.h"

#include "start/libraries.h"
#include "names/name.h"
#include "start/program-file.h"
#include "names/select.h"
#include "shared/array.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- objects ---------------------------------------------------------------------------- */

static int keep_object(struct probe_program *program, struct object *object)
{
    if (ARRAY_RESERVE(program->objects, program->object_room, program->object_count + 1) < 0)
        return -ENOMEM;
    program->objects[program->object_count++] = object;
    return 0;
}

static int add_file(struct probe_program *program, int fd, const char *path,
                    struct probe_error *error)
{
    struct object *object = NULL;
    bool new = false;
    int status = object_cache_get(program->engine->cache, fd, &object, &new, error);
    if (status < 0)
        return status;
    char shown[200];
    text_escape(path, strlen(path), false, shown, sizeof(shown));
    for (size_t i = 0; i < object->problem_count && new; i++)
        engine_log(program->engine, PROBE_LOG_WARNING, "object '%s' %s", shown,
                   object->problems[i]);
    if (object->is_32_bit && new)
        engine_log(program->engine, PROBE_LOG_WARNING,
                   "object '%s' is of 32 bits, and its probes are not known", shown);
    if (keep_object(program, object) == 0)
        return 0;
    object_cache_put(program->engine->cache, object);
    return error_memory(error);
}

/* A library that cannot be read is the loader's to complain about. */
static int add_library(void *data, const char *path, struct probe_error *error)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int status = add_file(data, fd, path, error);
    close(fd);
    return status == -ENOMEM ? status : 0;
}

/*
 * The loader is a program that the file names: it is only run where it is the system's or the
 * caller's own, so that listing a stranger's program does not run what the stranger likes.
 */
static bool loader_is_trusted(const char *loader)
{
    struct stat status;
    return stat(loader, &status) == 0 && (status.st_uid == 0 || status.st_uid == geteuid());
}

static int add_libraries(struct probe_program *program, const struct program_file *file,
                         char *const *environment, struct probe_error *error)
{
    char *loader = NULL;
    int status = program_file_loader(file->fd, &loader);
    if (status < 0)
        return error_memory(error);
    if (!loader)
        return 0;
    program->partial = program->privileged || !loader_is_trusted(loader);
    if (program->partial)
        engine_log(program->engine, PROBE_LOG_WARNING,
                   "the libraries of '%s' are not looked at, as %s", file->path,
                   program->privileged ? "it changes its privileges"
                                       : "its loader belongs to another user");
    else
        status = libraries_list(loader, file->path, environment, add_library, program, error);
    free(loader);
    return status;
}

/* ---- names ------------------------------------------------------------------------------ */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int gather_names(struct probe_program *program)
{
    size_t count = 0;
    for (size_t i = 0; i < program->object_count; i++)
        count += program->objects[i]->probe_count;
    program->names = calloc(count + 1, sizeof(*program->names));
    if (!program->names)
        return -ENOMEM;
    size_t used = 0;
    for (size_t i = 0; i < program->object_count; i++) {
        for (size_t p = 0; p < program->objects[i]->probe_count; p++)
            program->names[used++] = program->objects[i]->probes[p].name;
    }
    qsort(program->names, count, sizeof(*program->names), compare_names);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(program->names[i], program->names[i - 1]) != 0)
            program->names[program->name_count++] = program->names[i];
    }
    return 0;
}

static int read_program(struct probe_program *program, char *const *environment,
                        struct probe_error *error)
{
    struct program_file file = {.fd = -1};
    int status = program_file_open(program->path, &file, &program->unknown, error);
    if (status == 0) {
        program->privileged = program_file_is_privileged(file.fd);
        status = add_file(program, file.fd, file.path, error);
    }
    if (status == 0)
        status = add_libraries(program, &file, environment, error);
    program_file_done(&file);
    if (status == 0 && gather_names(program) < 0)
        status = error_memory(error);
    return status;
}

/* ---- what clients call ------------------------------------------------------------------ */

int probe_program_open(struct probe_engine *engine, const char *name, char *const *environment,
                       struct probe_program **result, struct probe_error *error)
{
    struct probe_program *program = calloc(1, sizeof(*program));
    if (!program)
        return error_memory(error);
    program->engine = engine;
    int status = program_file_find(name, &program->path, error);
    if (status == 0)
        status = read_program(program, environment ? environment : environ, error);
    if (status < 0)
        probe_program_close(program);
    else
        *result = program;
    return status;
}

void probe_program_close(struct probe_program *program)
{
    if (!program)
        return;
    for (size_t i = 0; i < program->object_count; i++)
        object_cache_put(program->engine->cache, program->objects[i]);
    free(program->objects);
    free(program->names);
    free(program->path);
    free(program);
}

const char *probe_program_path(const struct probe_program *program)
{
    return program->path;
}

size_t probe_program_count(const struct probe_program *program)
{
    return program->name_count;
}

const char *probe_program_name(const struct probe_program *program, size_t index)
{
    return program->names[index];
}

static const char *name_of(const void *data, size_t index)
{
    return probe_program_name(data, index);
}

static ssize_t find_name(const void *data, const char *name)
{
    const struct probe_program *program = data;
    const char **found =
        bsearch(&name, program->names, program->name_count, sizeof(*program->names), compare_names);
    return found ? found - program->names : -ENOENT;
}

static int count_only(void *data, size_t index, struct probe_error *error)
{
    (void)data, (void)index, (void)error;
    return 0;
}

ssize_t probe_program_match(const struct probe_program *program, const char *pattern,
                            struct probe_error *error)
{
    char owner[300];
    snprintf(owner, sizeof(owner), "program '%s'", program->path);
    const struct select_names names = {owner, program, program->name_count, name_of, find_name};
    return select_names(&names, pattern, true, count_only, NULL, error);
}

/* ---- executing -------------------------------------------------------------------------- */

/* A traced program gets no privileges, unless its tracer may trace everything. */
static bool may_trace_privileged(void)
{
    cap_t all = cap_get_proc();
    cap_flag_value_t value = CAP_CLEAR;
    if (all)
        cap_get_flag(all, CAP_SYS_PTRACE, CAP_EFFECTIVE, &value);
    cap_free(all);
    return value == CAP_SET;
}

/* What a shell does with a file that the kernel cannot execute: sh PATH ARGUMENT... */
static int make_shell_call(struct program_call *call)
{
    size_t count = 0;
    while (call->arguments[count])
        count++;
    call->shell = calloc(count + 3, sizeof(*call->shell));
    if (!call->shell)
        return -ENOMEM;
    call->shell[0] = (char *)"/bin/sh";
    call->shell[1] = (char *)call->path;
    for (size_t i = 1; i < count; i++)
        call->shell[i + 1] = call->arguments[i];
    return 0;
}

int program_call_init(const struct probe_program *program, char *const *arguments,
                      char *const *environment, struct program_call *call,
                      struct probe_error *error)
{
    if (program->privileged && !may_trace_privileged())
        return error_set(error, EPERM,
                         "cannot run '%s' with its probes on: it is setuid, setgid or has "
                         "capabilities, which a traced program does not get; run probe-run as "
                         "root",
                         program->path);
    *call = (struct program_call){
        .path = program->path,
        .arguments = arguments,
        .environment = environment ? environment : environ,
    };
    return program->unknown && make_shell_call(call) < 0 ? error_memory(error) : 0;
}

int program_call(const struct program_call *call)
{
    execve(call->path, call->arguments, call->environment);
    if (errno == ENOEXEC && call->shell)
        execve(call->shell[0], call->shell, call->environment);
    return -errno;
}
