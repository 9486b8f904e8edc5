/* SPDX-License-Identifier: MIT */
#include "demo-target.h"

#include "unit.h"

#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

const char *demo_target_path(void)
{
    static char path[PATH_MAX];
    const char *folder = getenv("TARGETS");
    if (!folder)
        fail_msg("TARGETS is not in the environment: run this with meson test");
    snprintf(path, sizeof(path), "%s/demo-ocaml_1", folder);
    return path;
}

pid_t demo_target_start(void)
{
    pid_t target = 0;
    char *argv[] = {"demo", "-q", "-i", "100000", NULL};
    char line[64];
    int ends[2];
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe(ends), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    assert_int_equal(posix_spawn(&target, demo_target_path(), &actions, NULL, argv, NULL), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    assert_true(read(ends[0], line, sizeof(line)) > 0); /* it says its pid */
    close(ends[0]);
    return target;
}

void demo_target_end(pid_t target)
{
    kill(target, SIGKILL);
    waitpid(target, NULL, 0);
}
