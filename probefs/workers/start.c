/* SPDX-License-Identifier: MIT */
#include "workers/start.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The arguments, behind the name. */
enum {
    ARG_ROLE = 1,
    ARG_UID,
    ARG_GID,
    ARG_LEVEL,
    ARG_LOG,
    ARG_ENGINE,
    ARG_GIGATEXT,
    ARG_ALL,
    ARG_COUNT
};

static const char *const roles[] = {
    [WORKER_OF_USER] = "user", [WORKER_OF_SERVER] = "server", [WORKER_LENDER] = "lender"};

enum { ROLE_COUNT = sizeof(roles) / sizeof(*roles) };

/* In the order in which they are made. */
static int add_fds(posix_spawn_file_actions_t *actions, const int fds[WORKER_FDS_END])
{
    int status = 0;
    for (int fd = WORKER_CONTROL; fd < WORKER_FDS_END && status == 0; fd++) {
        if (fds[fd] >= 0)
            status = posix_spawn_file_actions_adddup2(actions, fds[fd], fd);
    }
    return status;
}

static int spawn_with(char **argv, const int fds[WORKER_FDS_END], pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawn_file_actions_init(&actions);
    int status = add_fds(&actions, fds);
    if (status == 0)
        status = posix_spawn_file_actions_addclosefrom_np(&actions, WORKER_FDS_END);
    if (status == 0)
        status = posix_spawn(pid, "/proc/self/exe", &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -status;
}

/* The same with duplicates of FDS, where making one of the new descriptors closes none of them. */
static int spawn_with_duplicates(char **argv, const struct worker_fds *fds, pid_t *pid)
{
    const int wanted[WORKER_FDS_END] = {
        [WORKER_CONTROL] = fds->control,
        [WORKER_WAITING] = fds->waiting,
        [WORKER_GIVEN] = fds->given,
    };
    int made[WORKER_FDS_END];
    int status = 0;
    for (int fd = WORKER_CONTROL; fd < WORKER_FDS_END; fd++) {
        made[fd] = wanted[fd] < 0 ? -1 : fcntl(wanted[fd], F_DUPFD_CLOEXEC, WORKER_FDS_END);
        if (wanted[fd] >= 0 && made[fd] < 0)
            status = -errno;
    }
    if (status == 0)
        status = spawn_with(argv, made, pid);
    for (int fd = WORKER_CONTROL; fd < WORKER_FDS_END; fd++) {
        if (made[fd] >= 0)
            close(made[fd]);
    }
    return status;
}

int worker_spawn(const char *name, const struct worker_setup *setup, const struct worker_fds *fds,
                 pid_t *pid)
{
    char uid[16];
    char gid[16];
    snprintf(uid, sizeof(uid), "%u", setup->identity.uid);
    snprintf(gid, sizeof(gid), "%u", setup->identity.gid);
    const char *argv[ARG_COUNT + 1] = {
        name,
        [ARG_ROLE] = roles[setup->identity.role],
        [ARG_UID] = uid,
        [ARG_GID] = gid,
        [ARG_LEVEL] = log_level_name(setup->log_level),
        [ARG_LOG] = setup->to_syslog ? "syslog" : "stderr",
        [ARG_ENGINE] = setup->method == PROBE_METHOD_PTRACE ? "ptrace" : "vm",
        [ARG_GIGATEXT] = setup->allow_gigatext ? "gigatext" : "-",
        [ARG_ALL] = setup->all ? "all" : "-",
    };
    return spawn_with_duplicates((char **)argv, fds, pid);
}

static int parse_role(const char *text, enum worker_role *role)
{
    for (unsigned int i = 0; i < ROLE_COUNT; i++) {
        if (strcmp(text, roles[i]) != 0)
            continue;
        *role = (enum worker_role)i;
        return 0;
    }
    return -EINVAL;
}

int worker_setup_parse(int argc, char **argv, struct worker_setup *setup)
{
    if (argc != ARG_COUNT || !log_level_parse(argv[ARG_LEVEL], &setup->log_level) ||
        parse_role(argv[ARG_ROLE], &setup->identity.role) < 0)
        return -EINVAL;
    setup->identity.uid = (uid_t)strtoul(argv[ARG_UID], NULL, 10);
    setup->identity.gid = (gid_t)strtoul(argv[ARG_GID], NULL, 10);
    setup->to_syslog = strcmp(argv[ARG_LOG], "syslog") == 0;
    setup->method = strcmp(argv[ARG_ENGINE], "ptrace") == 0 ? PROBE_METHOD_PTRACE : PROBE_METHOD_VM;
    setup->allow_gigatext = strcmp(argv[ARG_GIGATEXT], "gigatext") == 0;
    setup->all = strcmp(argv[ARG_ALL], "all") == 0;
    return 0;
}
