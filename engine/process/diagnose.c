/* SPDX-License-Identifier: MIT */
#include "process/diagnose.h"

#include "names/name.h"
#include "process/proc.h"
#include "process/yama.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The owner of PID/mem: the process's user, or root if it is not dumpable. */
static long owner_of_memory(const struct probe_engine *engine, pid_t pid)
{
    char path[32];
    struct stat status;
    snprintf(path, sizeof(path), "%d/mem", pid);
    return fstatat(engine->proc, path, &status, 0) < 0 ? -1 : (long)status.st_uid;
}

/* What may be done where Yama forbids tracing, by its scope. */
static int fail_by_yama(pid_t pid, int scope, int errnum, struct probe_error *error)
{
    if (scope >= YAMA_NOBODY)
        return error_set(error, errnum,
                         "process %d may not be traced: Yama's ptrace_scope is %d, which forbids "
                         "it to everybody, root included, until the machine is booted again",
                         pid, scope);
    if (scope == YAMA_PRIVILEGED)
        return error_because(error, PROBE_REASON_YAMA,
                             error_set(error, errnum,
                                       "process %d may not be traced, as Yama's ptrace_scope is "
                                       "%d: ask as root",
                                       pid, scope));
    return error_because(error, PROBE_REASON_YAMA,
                         error_set(error, errnum,
                                   "process %d may not be traced, as Yama's ptrace_scope is %d: "
                                   "let the process call prctl(PR_SET_PTRACER, "
                                   "PR_SET_PTRACER_ANY), or ask as root",
                                   pid, scope));
}

/* Yama restricts tracing and mem; what else is opened, it does not. */
static bool is_of_yama(const char *name)
{
    return strcmp(name, "mem") == 0 || strcmp(name, "threads") == 0;
}

enum { PROFILE_SIZE = 128 };

/* The AppArmor profile that this process runs under, with its mode; false if there is none. */
static bool find_profile(const struct probe_engine *engine, char shown[static PROFILE_SIZE * 3])
{
    char profile[PROFILE_SIZE] = "";
    pid_t self = getpid();
    ssize_t length =
        proc_read(engine->proc, self, self, "attr/apparmor/current", profile, sizeof(profile));
    size_t end = length > 0 ? strcspn(profile, "\n") : 0;
    profile[end] = '\0';
    text_escape(profile, end, false, shown, (size_t)PROFILE_SIZE * 3);
    return end > 0 && strcmp(profile, "unconfined") != 0;
}

/* The kernel refuses what by all that we know of the process it should allow. */
static int fail_by_module(struct probe_engine *engine, pid_t pid, long user, int errnum,
                          struct probe_error *error)
{
    long self = (long)geteuid();
    long tracer = proc_status_number(engine->proc, pid, "TracerPid:");
    char profile[PROFILE_SIZE * 3];
    bool confined = find_profile(engine, profile);
    /* Whoever may look into nothing has no probes to ask about, and sees no sentence. */
    if (confined && !atomic_exchange(&engine->told_of_profile, true))
        engine_log(engine, PROBE_LOG_WARNING,
                   "process %d of user %ld may not be looked into, nor perhaps any: the AppArmor "
                   "profile here is %s, and may lack the rule 'ptrace,'",
                   pid, user, profile);
    return error_set(error, errnum,
                     "process %d of user %ld may not be looked into by user %ld (another group, "
                     "more capabilities, another user namespace, or a security module%s%s%s)",
                     pid, user, self, confined ? ": the AppArmor profile here is " : "",
                     confined ? profile : "", tracer > 0 ? "; it is being traced" : "");
}

int diagnose_denied(struct probe_engine *engine, pid_t pid, const char *name, int errnum,
                    struct probe_error *error)
{
    long user = proc_status_number(engine->proc, pid, "Uid:");
    long owner = owner_of_memory(engine, pid);
    long self = (long)geteuid();
    int scope = is_of_yama(name) ? yama_scope(engine) : YAMA_OFF;

    if (scope >= YAMA_NOBODY)
        return fail_by_yama(pid, scope, errnum, error);
    if (user < 0)
        return error_set(error, errnum, "process %d: its %s cannot be opened by user %ld", pid,
                         name, self);
    if (self != 0 && user != self)
        return error_set(error, errnum,
                         "process %d belongs to user %ld, not to user %ld: ask as that user or "
                         "as root",
                         pid, user, self);
    if (owner != user)
        return error_set(error, errnum,
                         "process %d of user %ld is not dumpable (a setuid program, or one that "
                         "changed its user or asked for it): only root may look into it",
                         pid, user);
    if (scope != YAMA_OFF)
        return fail_by_yama(pid, scope, errnum, error);
    return fail_by_module(engine, pid, user, errnum, error);
}

void diagnose_refusals(struct probe_engine *engine, const struct memory_refusals *refusals)
{
    if (refusals->counters && !atomic_exchange(&engine->told_of_mem, true))
        engine_log(
            engine, PROBE_LOG_WARNING,
            "the kernel refuses writes to /proc/PID/mem: processes are stopped for a moment, "
            "and written to with process_vm_writev and ptrace");
    else if (refusals->code && !refusals->counters && !atomic_exchange(&engine->told_of_code, true))
        engine_log(engine, PROBE_LOG_WARNING,
                   "the kernel refuses forced writes to code (proc_mem.force_override): processes "
                   "are stopped for a moment and written to with ptrace");
}

pid_t diagnose_tracer(const struct probe_engine *engine, pid_t tid)
{
    long tracer = proc_status_number(engine->proc, tid, "TracerPid:");
    return tracer > 0 ? (pid_t)tracer : 0;
}

int diagnose_traced(struct probe_engine *engine, pid_t pid, pid_t tracer, int errnum,
                    struct probe_error *error)
{
    char name[64] = "";
    char shown[sizeof(name) * 3] = "";
    if (tracer <= 0 && (errnum == EPERM || errnum == EACCES))
        return diagnose_denied(engine, pid, "threads", errnum, error);
    if (tracer <= 0)
        return error_set(error, errnum, "process %d cannot be stopped: %s", pid, strerror(errnum));
    ssize_t length = proc_read(engine->proc, tracer, tracer, "comm", name, sizeof(name));
    if (length > 0)
        text_escape(name, (size_t)length - (name[length - 1] == '\n'), false, shown, sizeof(shown));
    return error_because(error, PROBE_REASON_TRACED,
                         error_set(error, EBUSY, "process %d is traced by %s (pid %d): let it go",
                                   pid, *shown ? shown : "a process", tracer));
}
