/* SPDX-License-Identifier: MIT */
/* Inside the engine: a program that is to be started. */
#ifndef ENGINE_PROGRAM_H
#define ENGINE_PROGRAM_H

#include "engine.h"

struct probe_program {
    struct probe_engine *engine;
    char *path;      /* what is executed */
    bool unknown;    /* the kernel may not know its format: then it is the shell's */
    bool privileged; /* its process has other privileges than the caller */
    bool partial;    /* its libraries are not known */
    struct object **objects;
    size_t object_count, object_room;
    const char **names; /* sorted, each once; they are the objects' own */
    size_t name_count;
};

/* A call of exec: all that it needs, so that a child allocates nothing. */
struct program_call {
    const char *path;
    char *const *arguments;
    char *const *environment;
    char **shell; /* the arguments where a shell has to run it, else NULL; to be freed */
};

/* Errors: EPERM tracing the program would take its privileges away; ENOMEM. */
int program_call_init(const struct probe_program *program, char *const *arguments,
                      char *const *environment, struct program_call *call,
                      struct probe_error *error);

/* Executes it; returns why it cannot, a negative errno value. Safe in a signal handler. */
int program_call(const struct program_call *call);

#endif
