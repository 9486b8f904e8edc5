/* SPDX-License-Identifier: MIT */
/*
 * hold FILE COMMAND [ARGUMENT]...: keeps a probe on while COMMAND runs.
 *
 * FILE is the probe's `hold` in the tree, such as /mnt/probes/1234/gc_start/hold. The probe is on
 * as long as this program has it open, so the reference ends with the program, even if it is
 * killed.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static int wait_for_exit(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            err(125, "waitpid");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        errx(125, "usage: hold FILE COMMAND [ARGUMENT]...");
    /* O_CLOEXEC: a daemon that COMMAND leaves behind must not keep the probe on. */
    int held = open(argv[1], O_WRONLY | O_CLOEXEC);
    if (held < 0)
        err(125, "%s", argv[1]);
    pid_t child = fork();
    if (child < 0)
        err(125, "fork");
    if (child == 0) {
        execvp(argv[2], argv + 2);
        err(127, "%s", argv[2]);
    }
    int status = wait_for_exit(child);
    close(held);
    return status;
}
