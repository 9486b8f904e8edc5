/* SPDX-License-Identifier: MIT */
#include "process/child.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

pid_t child_start(int exit_signal, sigset_t *mask)
{
    sigset_t all;
    sigfillset(&all);
    /* No handler of the parent may run in the child. */
    pthread_sigmask(SIG_SETMASK, &all, mask);
    /* fork() always asks for SIGCHLD. If that is blocked, it would stay pending over an exec. */
    long pid = syscall(SYS_clone, (long)exit_signal, NULL, NULL, NULL, 0L);
    int saved = errno;
    if (pid != 0)
        pthread_sigmask(SIG_SETMASK, mask, NULL);
    return pid < 0 ? -saved : (pid_t)pid;
}

void child_restore_signals(const sigset_t *mask)
{
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction action;
        if (sigaction(signal, NULL, &action) < 0 || action.sa_handler == SIG_DFL ||
            action.sa_handler == SIG_IGN)
            continue;
        action = (struct sigaction){.sa_handler = SIG_DFL};
        sigaction(signal, &action, NULL);
    }
    pthread_sigmask(SIG_SETMASK, mask, NULL);
}

static sigset_t sigchld_only(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    return set;
}

void child_quiet_begin(struct child_quiet *quiet)
{
    const sigset_t sigchld = sigchld_only();
    sigset_t pending;
    pthread_sigmask(SIG_BLOCK, &sigchld, &quiet->mask);
    sigpending(&pending);
    quiet->pending = sigismember(&pending, SIGCHLD) == 1;
}

/* Did another child change state, too, so that a pending SIGCHLD may be its own? */
static bool another_changed(void)
{
    siginfo_t info = {0};
    int what = WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WNOWAIT;
    return waitid(P_ALL, 0, &info, what) == 0 && info.si_pid != 0;
}

void child_quiet_end(const struct child_quiet *quiet)
{
    const sigset_t sigchld = sigchld_only();
    if (!quiet->pending && !another_changed())
        sigtimedwait(&sigchld, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &quiet->mask, NULL);
}

void child_reap(pid_t pid)
{
    while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
        continue;
}
