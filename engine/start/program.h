/* SPDX-License-Identifier: MIT */
/* Inside the engine: a program before it is started. */
#ifndef ENGINE_PROGRAM_H
#define ENGINE_PROGRAM_H

#include "engine.h"

#include <sys/stat.h>

struct program_name {
    const char *text; /* owned by an object */
    bool switchable;  /* one of the probes of this name has a semaphore */
};

struct probe_program {
    struct probe_engine *engine;
    char *path;                     /* what is executed */
    char *interpreter;              /* what the kernel runs then; NULL: the same */
    bool unknown;                   /* the kernel may not know its format; then a shell runs it */
    bool privileged;                /* its process gets other privileges than the caller's */
    struct stat executable, loader; /* what was read; no LOADER: st_ino is 0 */
    struct object **objects;
    size_t object_count, object_room;
    struct program_name *names; /* sorted, without duplicates */
    size_t name_count;
};

/* All that a call of exec needs, prepared so that a child allocates nothing. */
struct program_call {
    const char *path;
    char *const *arguments;
    char *const *environment;
    char **shell; /* the arguments if a shell has to run it, freed by the caller; or NULL */
};

/* Errors: EPERM the program would lose its privileges if it is traced; ENOMEM. */
int program_call_init(const struct probe_program *program, char *const *arguments,
                      char *const *environment, struct program_call *call,
                      struct probe_error *error);

/* Calls exec; returns only if that fails: -errno. Safe in a signal handler. */
int program_call(const struct program_call *call);

/* Sets the sentence on a call that failed, and returns its STATUS. */
int program_call_failed(const struct program_call *call, int status, struct probe_error *error);

#endif
