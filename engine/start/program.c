/* SPDX-License-Identifier: MIT */
#include "start/program.h"

#include "start/libraries.h"
#include "names/emulator.h"
#include "names/name.h"
#include "start/program-file.h"
#include "names/select.h"
#include "shared/array.h"

#include <errno.h>
#include <limits.h>
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

static int read_object(struct probe_program *program, int fd, const char *path,
                       struct probe_error *error)
{
    struct object *object = NULL;
    bool new = false;
    int status = object_cache_get(program->engine->cache, fd, NULL, &object, &new, error);
    if (status < 0)
        return status;
    char shown[PROGRAM_SHOWN];
    program_show(path, shown);
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
static int read_library(void *data, int fd, const char *path, struct probe_error *error)
{
    int status = read_object(data, fd, path, error);
    return status == -ENOMEM ? status : 0;
}

/* What /proc/self/exe will lead to, which $ORIGIN depends on; freed by the caller. */
static char *resolve_path(const struct program_file *file)
{
    char link[64];
    char path[PATH_MAX];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", file->fd);
    ssize_t length = readlink(link, path, sizeof(path));
    return length > 0 && length < (ssize_t)sizeof(path) ? strndup(path, (size_t)length)
                                                        : strdup(file->path);
}

/* Are its libraries found as those of a program with privileges are? See ld.so(8). */
static bool is_secure(const struct probe_program *program)
{
    return program->privileged || getuid() != geteuid() || getgid() != getegid();
}

static int read_libraries(struct probe_program *program, const struct program_file *file,
                          char *const *environment, struct probe_error *error)
{
    char *path = resolve_path(file);
    if (!path)
        return error_memory(error);
    const struct libraries_start start = {
        .engine = program->engine,
        .program = file->fd,
        .path = path,
        .environment = environment,
        .secure = is_secure(program),
    };
    int status = libraries_find(&start, read_library, program, &program->loader, error);
    free(path);
    return status;
}

/* ---- names ------------------------------------------------------------------------------ */

static int compare_names(const void *a, const void *b)
{
    const struct program_name *x = a;
    const struct program_name *y = b;
    return strcmp(x->text, y->text);
}

/* Sorts COUNT names and makes one of those that are the same; returns how many are left. */
static size_t sort_names(struct program_name *names, size_t count)
{
    size_t kept = 0;
    qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && strcmp(names[kept - 1].text, names[i].text) == 0)
            names[kept - 1].switchable |= names[i].switchable;
        else
            names[kept++] = names[i];
    }
    return kept;
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
        const struct object *object = program->objects[i];
        for (size_t p = 0; p < object->probe_count; p++)
            program->names[used++] = (struct program_name){
                .text = object->probes[p].name,
                .switchable = object->probes[p].counter_count > 0,
            };
    }
    program->name_count = sort_names(program->names, used);
    return 0;
}

static int read_program(struct probe_program *program, char *const *environment,
                        struct probe_error *error)
{
    struct program_file file;
    char shown[PROGRAM_SHOWN];
    int status = program_file_open(program->path, &file, error);
    if (status < 0)
        return status;
    program->unknown = file.unknown;
    program->executable = file.status;
    program->privileged = program_file_is_privileged(file.fd);
    if (emulator_is_name(file.path))
        engine_log(program->engine, PROBE_LOG_WARNING,
                   "program '%s' runs one of another processor, whose probes are not known",
                   program_show(file.path, shown));
    if (strcmp(file.path, program->path) != 0 && !(program->interpreter = strdup(file.path)))
        status = error_memory(error);
    if (status == 0)
        status = read_object(program, file.fd, file.path, error);
    if (status == 0)
        status = read_libraries(program, &file, environment, error);
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
    free(program->interpreter);
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
    return program->names[index].text;
}

bool probe_program_is_switchable(const struct probe_program *program, size_t index)
{
    return program->names[index].switchable;
}

static const char *name_of(const void *data, size_t index)
{
    return probe_program_name(data, index);
}

static ssize_t find_name(const void *data, const char *name)
{
    const struct probe_program *program = data;
    const struct program_name key = {.text = name};
    const struct program_name *found =
        bsearch(&key, program->names, program->name_count, sizeof(key), compare_names);
    return found ? found - program->names : -ENOENT;
}

struct matching {
    const struct probe_program *program;
    ssize_t switchable;
    const char *other; /* one that matches and has no semaphore */
};

static int count_matching(void *data, size_t index, struct probe_error *error)
{
    struct matching *matching = data;
    (void)error;
    if (probe_program_is_switchable(matching->program, index))
        matching->switchable++;
    else
        matching->other = probe_program_name(matching->program, index);
    return 0;
}

static void show_owner(const struct probe_program *program, char *owner, size_t size)
{
    char shown[PROGRAM_SHOWN];
    char shown_run[PROGRAM_SHOWN];
    program_show(program->path, shown);
    if (program->interpreter)
        snprintf(owner, size, "program '%s', which '%s' runs,", shown,
                 program_show(program->interpreter, shown_run));
    else
        snprintf(owner, size, "program '%s'", shown);
}

ssize_t probe_program_match(const struct probe_program *program, const char *pattern,
                            struct probe_error *error)
{
    char shown[PROGRAM_SHOWN];
    char owner[2 * PROGRAM_SHOWN + 32];
    show_owner(program, owner, sizeof(owner));
    const struct select_names names = {owner, program, program->name_count, name_of, find_name};
    struct matching matching = {.program = program};
    ssize_t status = select_names(&names, pattern, true, count_matching, &matching, error);
    if (status < 0)
        return status;
    if (matching.other && (matching.switchable == 0 || select_is_pair(pattern)))
        return error_because(
            error, PROBE_REASON_WATCH_ONLY,
            error_set(error, ENOENT,
                      "%s has no probe that '%s' could switch: '%s' has no semaphore, so it can be "
                      "watched, not switched",
                      owner, program_show(pattern, shown), matching.other));
    return matching.switchable;
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
    char shown[PROGRAM_SHOWN];
    if (program->privileged && !may_trace_privileged())
        return error_set(error, EPERM,
                         "cannot run '%s' with its probes on: it is setuid, setgid or has "
                         "capabilities, which a traced program does not get; run probe-run as "
                         "root",
                         program_show(program->path, shown));
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

int program_call_failed(const struct program_call *call, int status, struct probe_error *error)
{
    char shown[PROGRAM_SHOWN];
    return error_set(error, -status, "cannot run '%s': %s", program_show(call->path, shown),
                     strerror(-status));
}
